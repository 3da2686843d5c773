"""The cashier's window: people with a document, by the same course and at the same price."""

from collections.abc import Mapping
from typing import Any

from shualian.sandbox.steps import expect
from shualian.sandbox.visit.kiosk import session_of
from shualian.sandbox.visit.stage import CASHIER, Stage, command
from shualian.sandbox.visit.story import Done, Paid, Visit
from shualian.verification.captures.model import DocumentBody
from shualian.verification.model import Scene

LOGIN = "clerk1"
_STAFF = "/hospital/v1"


class CashierWindow:
    """A clerk, and a terminal that reads documents."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def register(self, visit: Visit, *, dept_code: str, doctor: str) -> Done:
        """A record and a number today, by a document that the clerk sees."""
        desk = self._stage.staff(LOGIN)
        opened = desk.post(
            f"{_STAFF}/records/open",
            {"command_id": command(), "evidence": visit.document(command())},
        )
        visit.record_no = opened["record_no"]
        session = session_of(
            desk.get(f"{_STAFF}/scheduling/sessions", dept_code=dept_code, dr_code=doctor)
        )
        made = desk.post(
            f"{_STAFF}/scheduling/register",
            {
                "command_id": command(),
                "session_no": session["session_no"],
                "evidence": visit.document(command()),
            },
        )
        visit.encounter_no, visit.queue_no = made["encounter_no"], made["queue_no"]
        return Done(f"窗口凭身份证建档、挂号：排队号 {visit.queue_no}，同样的诊查费")

    def pay(self, visit: Visit) -> Paid:
        """What is open, by the document; the own share in cash."""
        desk = self._stage.staff(LOGIN)
        prepared = self._prepared(visit)
        settled = desk.post(
            f"{_STAFF}/cashier/payments/{prepared['payment']}/settlement",
            {"evidence": visit.document(prepared["intent_id"])},
        )
        paid = Paid.of(settled["amounts"])
        visit.bills.append(paid)
        self.take_cash(visit, settled["payment"], paid.cash_fen)
        return paid

    def pay_by_face(self, visit: Visit) -> Done:
        """The terminal reads the document, the face belongs to it; the receipt tells the rules."""
        prepared = self._prepared(visit)
        terminal, faces = self._stage.terminal(CASHIER), self._stage.faces
        amount = int(prepared["amount_max_fen"])
        scan = faces.scan(
            terminal,
            faces.person(visit.player.seen),
            scene=Scene.SETTLEMENT,
            look_for=DocumentBody(kind="document", id_number=visit.id_number),
            amount_fen=amount,
        )
        proof = faces.prove(
            terminal, scan, Scene.SETTLEMENT, intent_id=prepared["intent_id"], amount_fen=amount
        )
        desk = self._stage.staff(LOGIN)
        settled = desk.post(
            f"{_STAFF}/cashier/payments/{prepared['payment']}/settlement",
            {
                "evidence": proof.at_window,
                "from_wallet_fen": int(prepared["amounts"]["psn_cash_pay"]),
            },
        )
        paid = Paid.of(settled["amounts"], wallet_fen=int(settled["from_wallet_fen"]))
        visit.bills.append(paid)
        receipt = desk.get(f"{_STAFF}/cashier/payments/{settled['payment']}/receipt")
        visit.receipts += receipt["lines"]
        return Done(f"窗口机读身份证 + 刷脸（{scan.frames} 帧）付清", paid)

    def open_drawer(self) -> None:
        """The clerk's shift begins with an empty drawer."""
        self._stage.staff(LOGIN).post(
            f"{_STAFF}/cashier/shifts", {"command_id": command(), "drawer": "1", "count": {}}
        )

    def take_cash(self, visit: Visit, payment: str, due_fen: int) -> None:
        """Cash for what is left of a payment."""
        if not due_fen:
            return
        body = {
            "command_id": command(),
            "tenders": [{"kind": "cash", "given_fen": due_fen}],
        }
        taking = self._stage.staff(LOGIN).post(f"{_STAFF}/cashier/payments/{payment}/taking", body)
        expect(taking["due_fen"] == due_fen, "the own share in cash", taking["due_fen"])
        del visit

    def _prepared(self, visit: Visit) -> Mapping[str, Any]:
        prepared: Mapping[str, Any] = self._stage.staff(LOGIN).post(
            f"{_STAFF}/cashier/payments",
            {"command_id": command(), "encounter_no": visit.encounter_no},
        )
        return prepared
