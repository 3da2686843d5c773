"""The ward: an admission, a wristband, and a settlement at the bed by a face that lies."""

from collections.abc import Mapping
from typing import Any

from shualian.face.model import Profile
from shualian.sandbox.province.hospital import WARD_DEPARTMENT
from shualian.sandbox.province.model import PHYSICIAN_CODE, PHYSICIAN_NAME
from shualian.sandbox.steps import expect
from shualian.sandbox.visit.faces import EVERYTHING
from shualian.sandbox.visit.room import LOGIN as DOCTOR
from shualian.sandbox.visit.stage import CASHIER, WARD_TABLET, Stage, command
from shualian.sandbox.visit.story import Done, Paid, Visit
from shualian.sandbox.visit.window import LOGIN as CLERK
from shualian.verification.captures.model import CalledBody, DocumentBody
from shualian.verification.model import Scene

NURSE = "nurse1"
_STAFF = "/hospital/v1/wards"
_TERMINAL = "/terminal/v1/hospital/wards"
_BED = "05"
_IN_CHARGE = {"dr_code": PHYSICIAN_CODE, "dr_name": PHYSICIAN_NAME}
_ORDERED = [
    {"medins_list_codg": "HY009", "cnt": 1},
    {"medins_list_codg": "JC002", "cnt": 1},
    {"medins_list_codg": "HY001", "cnt": 2},
]


class WardFloor:
    """A nurse with a tablet, and a patient in bed."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._terminal = stage.terminal(WARD_TABLET)

    def admit(self, visit: Visit) -> Done:
        """Admitted by face at the window, the document read beside; ordered for on the ward."""
        clerk = self._stage.staff(CLERK)
        opened = clerk.post(
            "/hospital/v1/records/open",
            {"command_id": command(), "evidence": visit.document(command())},
        )
        visit.record_no = opened["record_no"]
        stay = clerk.post(
            f"{_STAFF}/stays",
            {
                "command_id": command(),
                "record_no": visit.record_no,
                "ward": WARD_DEPARTMENT,
                "bed_no": _BED,
                "nursing": "two",
                "doctor": _IN_CHARGE,
                "evidence": self._shown_at_window(visit),
                "insutype": visit.player.insutype,
            },
        )
        visit.encounter_no = stay["stay_no"]
        items = self._stage.staff(DOCTOR).post(
            f"{_STAFF}/stays/{visit.encounter_no}/orders",
            {"command_id": command(), "doctor": _IN_CHARGE, "lines": _ORDERED},
        )
        return Done(
            f"{stay['masked_name']} 在窗口机读身份证 + 刷脸入院（当场开通、同意留特征），"
            f"{stay['ward']} 病区 {_BED} 床；病区医嘱 {len(items)} 项"
        )

    def _shown_at_window(self, visit: Visit) -> Mapping[str, Any]:
        faces, terminal = self._stage.faces, self._stage.terminal(CASHIER)
        scan = faces.scan(
            terminal,
            faces.person(visit.player.seen),
            scene=Scene.ADMISSION,
            look_for=DocumentBody(kind="document", id_number=visit.id_number),
            consents=EVERYTHING,
        )
        return faces.prove(terminal, scan, Scene.ADMISSION).at_window

    def settle(self, visit: Visit) -> Done:
        """The wristband arms the tablet; the face is turned by a quarter and dim; paid in bed."""
        nurse = self._stage.staff(NURSE)
        printed = nurse.post(f"{_STAFF}/stays/{visit.encounter_no}/wristband")
        called = nurse.post(
            f"{_STAFF}/calls",
            {
                "wristband": printed["wristband"],
                "terminal_id": self._terminal.terminal_id,
            },
        )
        expect(called["stay_no"] == visit.encounter_no, "the patient's stay", called["stay_no"])
        bill = self._terminal.post(
            f"{_TERMINAL}/payments",
            {"command_id": command(), "stay_no": visit.encounter_no},
        )
        faces, amount = self._stage.faces, int(bill["amount_max_fen"])
        scan = faces.scan(
            self._terminal,
            faces.lying(visit.player.seen),
            scene=Scene.SETTLEMENT,
            look_for=CalledBody(kind="called"),
            amount_fen=amount,
            profile=Profile.BEDSIDE,
        )
        proof = faces.prove(
            self._terminal,
            scan,
            Scene.SETTLEMENT,
            intent_id=bill["intent_id"],
            amount_fen=amount,
        )
        paid = self._settled(bill, proof.at_terminal)
        visit.bills.append(paid)
        return Done(
            f"床旁：护士扫腕带，平板只等这一个人；人躺着（画面转 90°）、病房光线暗，{scan.frames} "
            "帧认出（卧位的误认率没有证实，另有公安核验一致）；中途结算",
            paid,
        )

    def _settled(self, bill: Mapping[str, Any], evidence: Mapping[str, Any]) -> Paid:
        own = int(bill["psn_cash_pay"])
        settled = self._terminal.post(
            f"{_TERMINAL}/settlements",
            {
                "command_id": bill["command_id"],
                "evidence": evidence,
                "from_wallet_fen": own,
            },
        )
        expect(settled["state"] == "settled", "a settled stay", settled["state"])
        return Paid.of(settled, wallet_fen=own)
