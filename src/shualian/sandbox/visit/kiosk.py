"""The machine in the hall: activation, registration, and taking a consent back."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shualian.sandbox.steps import VisitWentWrong, expect
from shualian.sandbox.visit.clients import TerminalAtPlace
from shualian.sandbox.visit.faces import EVERYTHING, Proven, Scan
from shualian.sandbox.visit.stage import HALL_1, Stage, command
from shualian.sandbox.visit.story import Done, Visit
from shualian.verification.captures.model import ExpectedBody, TypedNumberBody
from shualian.verification.model import ConsentPurpose, Scene

_PREFIX = "/terminal/v1/hospital"
EXPECTED = ExpectedBody(kind="expected")


class Kiosk:
    """What a visitor does alone in the hall."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._terminal = stage.terminal(HALL_1)
        self._proof: Proven

    def activate(self, visit: Visit) -> Done:
        """Type the number, this once; agree, turn the head, be compared by the registry."""
        look_for = TypedNumberBody(kind="typed_number", id_number=visit.id_number)
        scan = self._stage.faces.scan(
            self._terminal,
            self._stage.faces.person(visit.player.seen),
            scene=Scene.REGISTRATION,
            look_for=look_for,
            consents=EVERYTHING,
        )
        found = scan.found
        expect(found.activated, "an activated voucher", found.standing)
        self._proof = self._stage.faces.prove(self._terminal, scan, Scene.REGISTRATION)
        return Done(
            f"首次来：输入一次身份证号、看告知、勾三项同意，{scan.frames} 帧按提示转头，"
            f"公安核验一致（演练用的替身），当场开通{_who(scan)}",
            own=True,
        )

    def register(self, visit: Visit, *, dept_code: str, doctor: str) -> Done:
        """Go on in the same visit: a record without a field to type, and a number today."""
        evidence = self._proof.at_terminal
        record = self._terminal.post(
            f"{_PREFIX}/records/open", {"command_id": command(), "evidence": evidence}
        )
        visit.record_no = record["record_no"]
        session = session_of(
            self._terminal.post(
                f"{_PREFIX}/scheduling/sessions", {"dept_code": dept_code, "dr_code": doctor}
            )
        )
        made = self._terminal.post(
            f"{_PREFIX}/scheduling/register",
            {
                "command_id": command(),
                "session_no": session["session_no"],
                "evidence": evidence,
            },
        )
        visit.encounter_no, visit.queue_no = made["encounter_no"], made["queue_no"]
        place = self._terminal.post(
            f"{_PREFIX}/encounters/position", {"encounter_no": visit.encounter_no}
        )
        expect(place["queue_no"] == visit.queue_no, "a place in the queue", place["queue_no"])
        return Done(
            f"同一次刷脸接着建档（一格不填）、当日挂号：{made['department']['zh']} "
            f"{made['doctor']['zh']}，诊查费 {session['fee_fen'] / 100:.2f} 元按职称；"
            f"已报到，排队号 {visit.queue_no}，前面 {place['ahead']} 人",
            own=True,
        )

    def withdraw(self, visit: Visit) -> Done:
        """Take the consent to a kept template back, with a receipt."""
        proof = self._own_act(visit)
        body = {
            **proof.own_act,
            "claim": _claim(self._terminal),
            "purpose": ConsentPurpose.TEMPLATE.value,
        }
        answer = self._terminal.post("/terminal/v1/consents/withdrawals", body)
        receipt = answer["receipt"]
        expect(receipt is not None, "a receipt of the deletion", answer)
        deleted = sum(store["deleted"] for store in receipt["stores"])
        expect(deleted > 0, "a deleted template", deleted)
        return Done(
            f"刷脸确认后撤回“保留特征”，删除 {deleted} 条，凭条 {receipt['number']}："
            f"{'；'.join(receipt['print_zh'][:2])}"
        )

    def _own_act(self, visit: Visit) -> Proven:
        scan = self._stage.faces.scan(
            self._terminal,
            self._stage.faces.person(visit.player.seen),
            scene=Scene.INSURED_SERVICES,
            look_for=EXPECTED,
        )
        return self._stage.faces.prove(self._terminal, scan, Scene.INSURED_SERVICES)


def session_of(sessions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The session of today that is open now.

    Raises:
        VisitWentWrong: When there is none.
    """
    now = datetime.now(UTC)
    for each in sessions:
        starts, ends = (datetime.fromisoformat(each[name]) for name in ("starts_at", "ends_at"))
        if starts <= now <= ends:
            return each
    raise VisitWentWrong("expected a session that is open now, found none")


def _claim(terminal: TerminalAtPlace) -> Mapping[str, Any]:
    return terminal.claim().model_dump(exclude_none=True)


def _who(scan: Scan) -> str:
    person = scan.found.person
    return "" if person is None else f"：{person.masked_name}（{person.masked_id_number}）"
