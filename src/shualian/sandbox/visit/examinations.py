"""The desk where examinations are made and specimens taken, and where reports are collected."""

from collections.abc import Mapping
from typing import Any

from shualian.sandbox.steps import expect
from shualian.sandbox.visit.faces import Proven
from shualian.sandbox.visit.kiosk import EXPECTED
from shualian.sandbox.visit.stage import EXAMINATION_DESK, Stage, command
from shualian.sandbox.visit.story import Done, Visit
from shualian.verification.model import Scene

LOGIN = "technician1"

_STAFF = "/hospital/v1/examinations"
_TERMINAL = "/terminal/v1/hospital"
_RESULTS: Mapping[str, Mapping[str, Any]] = {
    "examination": {"finding": "双肺纹理增多，未见实变。", "conclusion": "支气管炎改变"},
    "laboratory": {
        "values": [
            {"name": "白细胞", "value": "11.2", "unit": "10^9/L", "low": "3.5", "high": "9.5"},
            {"name": "C 反应蛋白", "value": "18", "unit": "mg/L", "low": "0", "high": "10"},
        ],
        "conclusion": "白细胞、C 反应蛋白升高",
    },
}


class ExaminationDesk:
    """A technician, and a terminal at which patients report and collect."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._terminal = stage.terminal(EXAMINATION_DESK)

    def examine(self, visit: Visit) -> Done:
        """The patient reports by one scan for both orders; performed, entered, signed."""
        proof, frames = self._scan(visit, Scene.EXAMINATION)
        for kind in _RESULTS:
            self._terminal.post(
                f"{_TERMINAL}/examinations/arrive",
                {
                    "command_id": command(),
                    "order_no": visit.orders[kind],
                    "evidence": proof.at_terminal,
                },
            )
        self._perform_all(visit)
        return Done(
            f"检查台刷一次脸报到（{frames} 帧，在今天要来的人里认出），已缴费的 CT 和化验都接着做；"
            "技师完成、录入、签发两份结果",
            own=True,
        )

    def examine_by_document(self, visit: Visit) -> None:
        """The same for somebody who shows a document at the desk."""
        desk = self._stage.staff(LOGIN)
        for kind in _RESULTS:
            evidence = visit.document(command())
            desk.post(
                f"{_STAFF}/arrivals",
                {
                    "command_id": command(),
                    "order_no": visit.orders[kind],
                    "evidence": evidence,
                },
            )
        self._perform_all(visit)

    def collect(self, visit: Visit) -> Done:
        """The patient takes the reports away."""
        proof, frames = self._scan(visit, Scene.REPORT_COLLECTION)
        evidence = proof.at_terminal
        ready = self._terminal.post(f"{_TERMINAL}/reports/list", {"evidence": evidence})
        expect(len(ready) == len(_RESULTS), "all reports", len(ready))
        for each in ready:
            taken = self._terminal.post(
                f"{_TERMINAL}/reports/collect",
                {"command_id": command(), "order_no": each["order_no"], "evidence": evidence},
            )
            expect(taken["channel"] == "face", "a collection by face", taken["channel"])
        names = "、".join(name for each in ready for name in each["names_zh"])
        return Done(f"刷脸取报告 {len(ready)} 份（{names}），{frames} 帧；谁取走有记录", own=True)

    def _scan(self, visit: Visit, scene: Scene) -> tuple[Proven, int]:
        faces = self._stage.faces
        person = faces.person(visit.player.seen)
        scan = faces.scan(self._terminal, person, scene=scene, look_for=EXPECTED)
        return faces.prove(self._terminal, scan, scene), scan.frames

    def _perform_all(self, visit: Visit) -> None:
        desk = self._stage.staff(LOGIN)
        for kind, findings in _RESULTS.items():
            path = f"{_STAFF}/{visit.orders[kind]}"
            desk.post(f"{path}/perform")
            entered = desk.post(f"{path}/reports", {"command_id": command(), **findings})
            desk.post(f"{path}/reports/{entered['version']}/sign")
