"""The consulting room: the doctor's sign-in, the call, the consultation, orders, one scan pays."""

from collections.abc import Mapping, Sequence
from typing import Any

from shualian.core.money import Fen, format_yuan
from shualian.sandbox.province.cast import PHYSICIAN
from shualian.sandbox.province.model import PHYSICIAN_CODE
from shualian.sandbox.steps import expect
from shualian.sandbox.visit.clients import StaffAtDesk
from shualian.sandbox.visit.faces import Scan, notice_of, refused_as
from shualian.sandbox.visit.stage import Stage, command
from shualian.sandbox.visit.story import Done, Paid, Visit
from shualian.verification.captures.model import BeginAnswer, CalledBody
from shualian.verification.model import ConsentPurpose, Scene

LOGIN = "doctor01"
DEPARTMENT = "0301"
ROOM = "二层 201 诊室"

EXAMINATION = ("examination", [{"code": "JC002", "count": 1}])
LABORATORY = ("laboratory", [{"code": "HY001", "count": 1}, {"code": "HY005", "count": 1}])
MEDICINE = (
    "prescription",
    [
        {
            "code": "YP001",
            "count": 3,
            "use": {"dose": "每次 2 粒", "frequency": "每日 3 次", "route": "口服", "days": 4},
        }
    ],
)

_STAFF = "/hospital/v1"
_PAYMENTS = "/terminal/v1/hospital/payments"
_DOCTORS = "/terminal/v1/doctors"
_CALLED = CalledBody(kind="called")
_AGREED = (ConsentPurpose.COMPARISON, ConsentPurpose.TEMPLATE)

Order = tuple[str, Sequence[Mapping[str, Any]]]


class ConsultingRoom:
    """One doctor, one terminal, and whoever is called."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._terminal = stage.terminal(ROOM)

    @property
    def _doctor(self) -> StaffAtDesk:
        return self._stage.staff(LOGIN)

    # --- the doctor ------------------------------------------------------------------------------

    def refuse_unsigned(self, visit: Visit) -> Done:
        """The doctor has not signed in by face: a drafted order cannot be signed."""
        order = self._draft(visit, EXAMINATION)
        path = f"{_STAFF}/orders/{order['order_no']}"
        code = "hospital.doctor_not_signed_in"
        refused = refused_as(lambda: self._doctor.post(f"{path}/sign", {}), code)
        self._doctor.post(f"{path}/discard")
        return Done(f"医生登录了系统，但没有在诊室刷脸签到，开的检查单签不了：{refused}")

    def sign_in(self) -> Done:
        """Enrolled once by the registry's comparison; then signed in by face at this place."""
        self._capture("doctor_enrolment", _AGREED)
        scan = self._capture("doctor_sign_in", (ConsentPurpose.COMPARISON,))
        made = self._terminal.post(
            f"{_DOCTORS}/sign-ins",
            {
                "claim": self._claim,
                "command_id": command(),
                "doctor": PHYSICIAN_CODE,
                "dept_code": DEPARTMENT,
                "session_id": scan.begun.session_id,
            },
        )
        expect(made["means"] == "face", "a sign-in by face", made["means"])
        return Done(
            f"医生先登记人脸（公安核验一致、本人同意），再在 {ROOM} 刷脸签到：人和地点都对，"
            f"{scan.frames} 帧；有效到 {made['valid_until'][:16]}"
        )

    def _capture(self, purpose: str, consents: Sequence[ConsentPurpose]) -> Scan:
        body = {
            "claim": self._claim,
            "doctor": PHYSICIAN_CODE,
            "purpose": purpose,
            "notice_version": notice_of(self._terminal, Scene.INSURED_SERVICES),
            "consents": [each.value for each in consents],
        }

        def begin() -> BeginAnswer:
            return BeginAnswer.model_validate(self._terminal.post(f"{_DOCTORS}/captures", body))

        faces = self._stage.faces
        person = faces.person(PHYSICIAN.seen)
        scan = faces.watched(self._terminal, person, begin, look_for=_CALLED)
        expect(scan.verified, "the doctor", scan.told)
        return scan

    # --- the patient -----------------------------------------------------------------------------

    def call(self, visit: Visit) -> Mapping[str, Any]:
        """Call a patient; the room's terminal waits for exactly this one."""
        called: Mapping[str, Any] = self._doctor.post(
            f"{_STAFF}/encounters/{visit.encounter_no}/call", {}
        )
        return called

    def receive(self, visit: Visit) -> Done:
        """The called patient sits down: 1:1, no number typed; the doctor sees who it is."""
        called = self.call(visit)
        expect(called["armed"], "an armed terminal", called["armed"])
        scan = self._stage.faces.scan(
            self._terminal,
            self._stage.faces.person(visit.player.seen),
            scene=Scene.CONSULTATION,
            look_for=_CALLED,
        )
        proof = self._stage.faces.prove(self._terminal, scan, Scene.CONSULTATION)
        self._begin(visit, proof.at_window)
        view = self._view(visit)
        identity = view["identity"]
        expect(identity["channel"] == "face", "an identity by face", identity["channel"])
        return Done(
            f"医生叫号 {visit.queue_no}，诊室终端只等这一个人；坐下 {scan.frames} 帧 1:1 认出，"
            f"不报号码；医生屏幕上：{identity['masked_name']}，既往就诊 {len(view['earlier'])} 次，"
            f"结果 {len(view['reports'])} 份",
            own=True,
        )

    def receive_by_document(self, visit: Visit) -> None:
        """The same for somebody who shows a document."""
        self.call(visit)
        self._begin(visit, visit.document(command()))

    def order_examinations(self, visit: Visit) -> Done:
        """Diagnosis, an examination and a laboratory order, each previewed and signed."""
        self._state(visit)
        shown = [self._ordered(visit, order) for order in (EXAMINATION, LABORATORY)]
        return Done(f"诊断 急性支气管炎；{'；'.join(shown)}；医生签名生效")

    def prescribe(self, visit: Visit) -> Done:
        """Back with results: no second fee; the results are on the screen; medicine."""
        reports = self._view(visit)["reports"]
        expect(len(reports) == 2, "both results", len(reports))
        shown = self._ordered(visit, MEDICINE)
        return Done(f"医生看到 {len(reports)} 份结果（回诊不再收诊查费）；{shown}；签名生效")

    def prescribe_only(self, visit: Visit) -> None:
        """For somebody who comes for medicine."""
        self._state(visit)
        self._ordered(visit, MEDICINE)

    def send_to_examinations(self, visit: Visit) -> None:
        """The patient goes and will come back."""
        self._doctor.post(f"{_STAFF}/encounters/{visit.encounter_no}/awaiting-results")

    def back_with_results(self, visit: Visit) -> None:
        """The patient is back and is called before those who have not been seen."""
        self._doctor.post(f"{_STAFF}/encounters/{visit.encounter_no}/returned")
        self.call(visit)
        self._doctor.post(f"{_STAFF}/encounters/{visit.encounter_no}/begin", {})

    def close(self, visit: Visit) -> None:
        """The visit is over."""
        self._doctor.post(f"{_STAFF}/encounters/{visit.encounter_no}/close")

    # --- money -----------------------------------------------------------------------------------

    def pay(self, visit: Visit) -> Done:
        """一脸付 in the room: one scan of the called patient, insurance and own share together."""
        prepared = self._terminal.post(
            f"{_PAYMENTS}/prepare",
            {"command_id": command(), "encounter_no": visit.encounter_no},
        )
        payment = {"command_id": prepared["command_id"]}
        own = int(prepared["shown"]["psn_cash_pay"])
        offer = self._terminal.post(f"{_PAYMENTS}/offer", payment)
        amount = int(prepared["amount_max_fen"])
        faces = self._stage.faces
        scan = faces.scan(
            self._terminal,
            faces.person(visit.player.seen),
            scene=Scene.SETTLEMENT,
            look_for=_CALLED,
            amount_fen=amount,
        )
        proof = faces.prove(
            self._terminal,
            scan,
            Scene.SETTLEMENT,
            intent_id=prepared["intent_id"],
            amount_fen=amount,
        )
        settled = self._terminal.post(
            f"{_PAYMENTS}/settle",
            {**payment, "evidence": proof.at_terminal, "from_wallet_fen": own},
        )
        expect(settled["done"] and settled["cash_due_fen"] == 0, "a paid bill", settled["state"])
        paid = Paid.of(settled["settled"], wallet_fen=settled["wallet"]["captured_fen"])
        visit.bills.append(paid)
        return Done(
            f"在诊室一次刷脸付清（人脸 + 叫号，{scan.frames} 帧）：医保与尾号 "
            f"{offer['last_four']} 的电子账户（演练用的替身，没有真钱）一起办完，"
            f"结算号 {settled['settled']['setl_id']}",
            paid,
            own=True,
        )

    # --- inside ----------------------------------------------------------------------------------

    @property
    def _claim(self) -> Mapping[str, Any]:
        return self._terminal.claim().model_dump(exclude_none=True)

    def _begin(self, visit: Visit, evidence: Mapping[str, Any]) -> None:
        path = f"{_STAFF}/encounters/{visit.encounter_no}/begin"
        self._doctor.post(path, {"evidence": evidence})

    def _view(self, visit: Visit) -> Mapping[str, Any]:
        view: Mapping[str, Any] = self._doctor.get(f"{_STAFF}/desk/encounters/{visit.encounter_no}")
        return view

    def _state(self, visit: Visit) -> None:
        self._doctor.post(
            f"{_STAFF}/diagnoses",
            {
                "command_id": command(),
                "encounter_no": visit.encounter_no,
                "diagnoses": [{"code": "J20.900", "name": "急性支气管炎"}],
                "complaint": "咳嗽三天",
            },
        )

    def _draft(self, visit: Visit, order: Order) -> Mapping[str, Any]:
        kind, lines = order
        drafted: Mapping[str, Any] = self._doctor.post(
            f"{_STAFF}/orders/drafts",
            {
                "command_id": command(),
                "encounter_no": visit.encounter_no,
                "kind": kind,
                "lines": lines,
            },
        )
        return drafted

    def _ordered(self, visit: Visit, order: Order) -> str:
        drafted = self._draft(visit, order)
        path = f"{_STAFF}/orders/{drafted['order_no']}"
        preview = self._doctor.get(f"{path}/preview")
        seen = [each["code"] for each in preview["warnings"]]
        signed = self._doctor.post(f"{path}/sign", {"acknowledged": seen})
        visit.orders[order[0]] = drafted["order_no"]
        names = "、".join(line["name_zh"] for line in signed["lines"])
        amount, adds = (
            format_yuan(Fen(fen)) for fen in (signed["amount_fen"], preview["adds_fen"])
        )
        return f"{names} {amount} 元（签名前看到：其中本人负担 {adds} 元）"
