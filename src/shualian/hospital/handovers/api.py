"""A face at a desk over HTTP: staff ask, the terminal beside them scans and hands over.

A page of staff learns how its asking stands and nothing of the proof; its act then carries the
number of the asking as evidence (``kind`` ``handed_over``).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field, StringConstraints

from shualian.core.clock import Clock
from shualian.core.identifiers import CommandId, InstitutionCode, RecordNo, TerminalId
from shualian.core.refusals import Refused
from shualian.hospital.api import Body
from shualian.hospital.clinical.model import OrderNo
from shualian.hospital.dispensing.model import RequestNo
from shualian.hospital.evidence_body import AskedText, FaceBody, TerminalText
from shualian.hospital.examinations.api import PERFORMING
from shualian.hospital.handovers.model import Asked, AskedState, Desk
from shualian.hospital.handovers.service import FacesAtDesks
from shualian.hospital.model import TERMINAL_ELSEWHERE, Amounts, AtTerminal
from shualian.hospital.payments.api import PAYING
from shualian.hospital.wards.api import ADMITTING
from shualian.staff.model import Caller, Role, check_role
from shualian.verification.model import Scene

STAFF_PREFIX = "/hospital/v1/handovers"
TERMINAL_PREFIX = "/terminal/v1/hospital/handovers"

_COLLECTING = frozenset((Role.PHARMACIST,))
_Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_AskedPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{26}$")]
_Code = Annotated[str, StringConstraints(pattern=r"^[a-z_.]{1,60}$")]


class AskBody(Body):
    """Ask the terminal beside a desk for one scan.

    ``subject`` is a payment's command at the cashier and at the bed, a request for medicine at the
    pharmacy, a record at an admission, and a paid order where somebody arrives for it; with
    ``from_wallet`` the own share comes from the agreed account, if any.
    """

    desk: Desk
    terminal_id: TerminalText
    subject: _Identifier
    from_wallet: bool = False


class AskedAnswer(Body):
    """How an asking stands; ``refused`` is the code of what the terminal was refused last."""

    asked_no: str
    desk: Desk
    state: AskedState
    masked_name: str = Field(repr=False)
    from_wallet_fen: int
    expires_at: datetime
    refused: str


class SharesAnswer(Body):
    """Who pays what, in fen, by the national names."""

    medfee_sumamt: int
    fulamt_ownpay_amt: int
    overlmt_selfpay: int
    preselfpay_amt: int
    act_pay_dedc: int
    fund_pay_sumamt: int
    acct_pay: int
    acct_mulaid_pay: int
    psn_cash_pay: int


class NextBody(Body):
    """What is asked of the terminal that signed this?"""


class ScanWantedAnswer(Body):
    """One scan: of whom, for what, and what the person is to confirm."""

    asked_no: str
    desk: Desk
    masked_name: str = Field(repr=False)
    intent_id: str
    scene: Scene
    amount_max_fen: int
    from_wallet_fen: int
    amounts: SharesAnswer | None


class NextAnswer(Body):
    """What is asked now; nothing most of the time."""

    wanted: ScanWantedAnswer | None


class HandOverBody(Body):
    """What the person confirmed at this terminal.

    With ``from_wallet`` they agreed at this scan that the own share comes from their account.
    """

    asked_no: AskedText
    evidence: FaceBody
    from_wallet: bool = False


class RefusedBody(Body):
    """Why there is nothing to hand over yet."""

    asked_no: AskedText
    code: _Code


class NotedAnswer(Body):
    """Where the asking stands now."""

    state: AskedState


def terminal_routes(
    signed: APIRouter,
    faces: FacesAtDesks,
    at: Callable[[Request], AtTerminal],
    *,
    institution: InstitutionCode,
    clock: Clock,
) -> APIRouter:
    """What the terminal beside a desk calls.

    Args:
        signed: Routes whose requests were verified.
        faces: Of the hospital.
        at: Which terminal sent the request.
        institution: Whose.
        clock: For where an asking stands.
    """

    def here(request: Request) -> AtTerminal:
        terminal = at(request)
        if terminal.institution != institution:
            raise Refused(TERMINAL_ELSEWHERE)
        return terminal

    @signed.post(TERMINAL_PREFIX + "/next")
    def next_(
        body: NextBody, terminal: Annotated[AtTerminal, Depends(here)], response: Response
    ) -> NextAnswer:
        """What the desk beside this terminal asks for."""
        del body
        response.headers["Cache-Control"] = "no-store"
        asked = faces.at(terminal)
        return NextAnswer(wanted=None if asked is None else _wanted(asked))

    @signed.post(TERMINAL_PREFIX)
    def hand_over(
        body: HandOverBody, terminal: Annotated[AtTerminal, Depends(here)]
    ) -> NotedAnswer:
        """Hand the proof over to the hospital; again, the same answer."""
        evidence = body.evidence.evidence(terminal.terminal_id)
        after = faces.hand_over(
            terminal, asked_no=body.asked_no, evidence=evidence, from_wallet=body.from_wallet
        )
        return NotedAnswer(state=after.state(clock.now()))

    @signed.post(TERMINAL_PREFIX + "/refused")
    def refused(body: RefusedBody, terminal: Annotated[AtTerminal, Depends(here)]) -> NotedAnswer:
        """Tell the desk that the person was not recognised, or declined."""
        after = faces.note_refused(terminal, asked_no=body.asked_no, code=body.code)
        return NotedAnswer(state=after.state(clock.now()))

    return signed


def staff_routes(
    faces: FacesAtDesks, caller: Callable[[Request], Caller], *, clock: Clock
) -> APIRouter:
    """What staff at a desk call.

    Args:
        faces: Of the hospital.
        caller: Who is signed in.
        clock: For where an asking stands.
    """
    routes = APIRouter(prefix=STAFF_PREFIX, tags=["handovers"])

    @routes.post("", status_code=201)
    def ask(
        body: AskBody, by: Annotated[Caller, Depends(caller)], response: Response
    ) -> AskedAnswer:
        """Ask the terminal beside the desk to scan for exactly this."""
        response.headers["Cache-Control"] = "no-store"
        return _answer(_ask(faces, by, body), clock)

    @routes.get("/{asked_no}")
    def look(
        asked_no: _AskedPath, by: Annotated[Caller, Depends(caller)], response: Response
    ) -> AskedAnswer:
        """How the asking stands."""
        response.headers["Cache-Control"] = "no-store"
        return _answer(faces.get(by, asked_no=asked_no), clock)

    @routes.delete("/{asked_no}", status_code=204)
    def end(asked_no: _AskedPath, by: Annotated[Caller, Depends(caller)]) -> None:
        """Ask no more."""
        faces.end(by, asked_no=asked_no)

    return routes


def _ask(faces: FacesAtDesks, by: Caller, body: AskBody) -> Asked:
    terminal_id = TerminalId(body.terminal_id)
    if body.desk is Desk.PHARMACY:
        check_role(by, _COLLECTING)
        return faces.ask_to_collect(
            by,
            terminal_id=terminal_id,
            request_no=RequestNo(body.subject),
            from_wallet=body.from_wallet,
        )
    if body.desk is Desk.ADMISSION:
        check_role(by, ADMITTING)
        return faces.ask_to_admit(by, terminal_id=terminal_id, record_no=RecordNo(body.subject))
    if body.desk is Desk.EXAMINATION:
        check_role(by, PERFORMING)
        return faces.ask_to_arrive(by, terminal_id=terminal_id, order_no=OrderNo(body.subject))
    check_role(by, PAYING)
    return faces.ask_to_pay(
        by,
        desk=body.desk,
        terminal_id=terminal_id,
        payment=CommandId(body.subject),
        from_wallet=body.from_wallet,
    )


def _answer(asked: Asked, clock: Clock) -> AskedAnswer:
    return AskedAnswer(
        asked_no=asked.asked_no,
        desk=asked.desk,
        state=asked.state(clock.now()),
        masked_name=asked.wanted.masked_name,
        from_wallet_fen=asked.from_wallet_fen,
        expires_at=asked.expires_at,
        refused=asked.refused,
    )


def _wanted(asked: Asked) -> ScanWantedAnswer:
    wanted = asked.wanted
    return ScanWantedAnswer(
        asked_no=asked.asked_no,
        desk=asked.desk,
        masked_name=wanted.masked_name,
        intent_id=wanted.intent_id,
        scene=asked.scene,
        amount_max_fen=wanted.amount_max_fen,
        from_wallet_fen=asked.from_wallet_fen,
        amounts=None if wanted.amounts is None else _shares(wanted.amounts),
    )


def _shares(amounts: Amounts) -> SharesAnswer:
    return SharesAnswer(**{name: getattr(amounts, name) for name in SharesAnswer.model_fields})
