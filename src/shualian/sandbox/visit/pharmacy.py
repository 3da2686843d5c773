"""The dispensing window: review, boxes with their codes, one scan pays and takes the medicine."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from shualian.sandbox.steps import VisitWentWrong, expect
from shualian.sandbox.visit.faces import refused_as
from shualian.sandbox.visit.stage import DISPENSARY, Stage, command
from shualian.sandbox.visit.story import Done, Paid, Visit
from shualian.verification.captures.model import CalledBody
from shualian.verification.model import Scene

REVIEWER, RELEASER = "pharmacist1", "pharmacist2"
_STAFF = "/hospital/v1/dispensing"
_boxes = count(1)


class Dispensary:
    """Two pharmacists and the terminal at their window."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._terminal = stage.terminal(DISPENSARY)

    def release(self, visit: Visit) -> Done:
        """Review, scan the boxes, then one scan of the patient pays and releases."""
        handover = self._ready(visit)
        bill = handover["bill"]
        self._call(handover["request_no"])
        own = int(bill["psn_cash_pay"])
        faces = self._stage.faces
        amount = int(bill["medfee_sumamt"])
        scan = faces.scan(
            self._terminal,
            faces.person(visit.player.seen),
            scene=Scene.DISPENSING,
            look_for=CalledBody(kind="called"),
            amount_fen=amount,
        )
        proof = faces.prove(
            self._terminal,
            scan,
            Scene.DISPENSING,
            intent_id=handover["intent_id"],
            amount_fen=amount,
        )
        released = self._released(handover, proof.at_window, from_wallet_fen=own)
        paid = Paid.of(bill, wallet_fen=own)
        visit.bills.append(paid)
        return Done(
            f"审方、扫 {_codes_of(handover)} 个追溯码；窗口一次刷脸付清并发药（{scan.frames} 帧，"
            f"人脸 + 叫号：默认权重下人脸单独不动钱），取药号 {released['queue_no']}",
            paid,
            own=True,
        )

    def release_by_document(self, visit: Visit) -> Paid:
        """The same for somebody who shows a document."""
        handover = self._ready(visit)
        own = int(handover["bill"]["psn_cash_pay"])
        evidence = visit.document(handover["intent_id"])
        self._released(handover, evidence, from_wallet_fen=own)
        paid = Paid.of(handover["bill"], wallet_fen=own)
        visit.bills.append(paid)
        return paid

    def refuse_box_twice(self, visit: Visit) -> str:
        """Nothing is given out twice."""
        path = f"{_STAFF}/requests/{self._request_of(visit)['request_no']}/prepare"
        desk = self._stage.staff(RELEASER)
        return refused_as(lambda: desk.post(path, {"taken": []}), "hospital.dispense_step")

    def _ready(self, visit: Visit) -> Mapping[str, Any]:
        request = self._request_of(visit)
        path = f"{_STAFF}/requests/{request['request_no']}"
        self._stage.staff(REVIEWER).post(f"{path}/review", {})
        desk = self._stage.staff(RELEASER)
        desk.post(f"{path}/prepare", {"taken": [_taken(line) for line in request["lines"]]})
        handover: Mapping[str, Any] = desk.post(f"{path}/bill", {"command_id": command()})
        expect(handover["pays"], "a bill", handover["state"])
        return handover

    def _call(self, request_no: str) -> None:
        """The number is called: the window's terminal waits for this one patient."""
        self._stage.staff(RELEASER).post(
            f"{_STAFF}/requests/{request_no}/call",
            {"terminal_id": self._terminal.terminal_id},
        )

    def _released(
        self,
        handover: Mapping[str, Any],
        evidence: Mapping[str, Any],
        *,
        from_wallet_fen: int,
    ) -> Mapping[str, Any]:
        released: Mapping[str, Any] = self._stage.staff(RELEASER).post(
            f"{_STAFF}/handovers/{handover['command_id']}/release",
            {"evidence": evidence, "from_wallet_fen": from_wallet_fen},
        )
        expect(released["state"] == "released", "released medicine", released["state"])
        return released

    def _request_of(self, visit: Visit) -> Mapping[str, Any]:
        waiting = self._stage.staff(REVIEWER).get(f"{_STAFF}/waiting")
        for each in waiting:
            if each["encounter_no"] == visit.encounter_no:
                found: Mapping[str, Any] = each
                return found
        raise VisitWentWrong("expected a prescription at the window, found none")


def _taken(line: Mapping[str, Any]) -> Mapping[str, Any]:
    codes = [_box() for _ in range(int(float(line["owed"])))] if line["needs_codes"] else []
    return {"line_no": line["line_no"], "quantity": line["owed"], "codes": codes}


def _codes_of(handover: Mapping[str, Any]) -> int:
    return sum(len(part["codes"]) for part in handover["parts"])


def _box() -> str:
    """A trace code that no other box of this play has."""
    return f"8123456{next(_boxes):013d}"
