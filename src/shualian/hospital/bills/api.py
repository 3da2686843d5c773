"""Own bills over HTTP, at terminals."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import Field, model_validator

from shualian.core.identifiers import PersonNo, SessionId
from shualian.hospital.api import Body, Identifier, Words, words
from shualian.hospital.bills.model import OwnBill
from shualian.hospital.bills.service import OwnBills
from shualian.hospital.evidence_body import CardBody, CodeBody, evidence_at_terminal
from shualian.hospital.model import AtTerminal
from shualian.hospital.payments.model import printed_slip_no

OPEN_PATH = "/terminal/v1/hospital/bills/open"

_Shown = Annotated[CodeBody | CardBody, Field(discriminator="kind")]


class OpenBillsBody(Body):
    """Who asks: the person of a capture of this terminal, or who shows a code or a card.

    ``beneficiary`` is a relative for whom the captured person acts.
    """

    session_id: Identifier | None = None
    beneficiary: Identifier | None = None
    evidence: _Shown | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "OpenBillsBody":
        if (self.session_id is None) is (self.evidence is None):
            raise ValueError("either a capture or evidence")
        if self.beneficiary is not None and self.session_id is None:
            raise ValueError("only a face acts for a relative")
        return self


class BillLineAnswer(Body):
    """One line of a bill."""

    name: Words
    amount_fen: int


class BillAnswer(Body):
    """What is open of one visit."""

    encounter_no: str
    department: Words
    visited_at: datetime
    lines: list[BillLineAnswer]
    amount_fen: int
    payable: bool
    under_way: bool
    slip_no: str | None


def terminal_routes(
    signed: APIRouter, bills: OwnBills, at: Callable[[Request], AtTerminal]
) -> APIRouter:
    """Add what people ask about their own bills at a terminal.

    Args:
        signed: An empty router whose requests are verified before their bodies are read.
        bills: Of the hospital.
        at: The terminal of the verified request.
    """

    @signed.post(OPEN_PATH)
    def open_bills(
        body: OpenBillsBody, here: Annotated[AtTerminal, Depends(at)]
    ) -> list[BillAnswer]:
        """What is open, the newest visit first; moves and confirms nothing."""
        return [_answer(each) for each in _found(bills, body, here)]

    return signed


def _found(bills: OwnBills, body: OpenBillsBody, here: AtTerminal) -> Sequence[OwnBill]:
    if body.evidence is not None:
        return bills.of_shown(evidence=evidence_at_terminal(body.evidence, here))
    relative = None if body.beneficiary is None else PersonNo(body.beneficiary)
    session_id = SessionId(body.session_id or "")
    return bills.of_captured(here.terminal_id, session_id=session_id, relative=relative)


def _answer(bill: OwnBill) -> BillAnswer:
    return BillAnswer(
        encounter_no=bill.encounter_no,
        department=words(bill.department.dept_name, bill.department.name_en),
        visited_at=bill.visited_at,
        lines=[
            BillLineAnswer(name=words(each.name_zh, each.name_en), amount_fen=each.amount_fen)
            for each in bill.lines
        ],
        amount_fen=bill.amount_fen,
        payable=bill.payable,
        under_way=bill.under_way,
        slip_no=None if bill.slip_no is None else printed_slip_no(bill.slip_no),
    )
