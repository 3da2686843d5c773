"""Past days of the sample province: people who came with a document or a code, and paid.

Every visit takes the course of care through the use cases of both halves, at the moment at which
it is said to have happened. Nobody shows a face: that begins when the sandbox is served. The days
are not closed; that is an administrator's work, with the e-wallet's books at hand.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import count

import numpy as np

from shualian.assembly import InsurerSide
from shualian.core.clock import CHINA, SettableClock, business_date
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import CommandId, IntentId, PersonNo, StaffId, new_identifier
from shualian.core.money import Fen
from shualian.hospital.cashier.shifts.model import DENOMINATIONS, DrawerNo, ShiftId
from shualian.hospital.clinical.model import ClinicalLine, Diagnosis, OrderKind, Use
from shualian.hospital.dispensing.model import Picked
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.examinations.model import Findings, LabValue
from shualian.hospital.model import CodeEvidence, DocumentEvidence, Evidence
from shualian.hospital.scheduling.model import Doctor
from shualian.insurer.supervision.signins.model import ConfirmationReason, DoctorCode
from shualian.sandbox.province.hospital import Opened
from shualian.sandbox.province.model import SampleDoctor
from shualian.staff.model import Caller
from shualian.terminals.model import InstitutionStaff

OPENS = time(8, 30)
BETWEEN_VISITS = timedelta(minutes=20)
VISITS_A_DAY = 5
CODE_OF_THREE = 3
"""One visit of three by those who have a voucher is by its code."""
SELF_PAID_OF_SIX = 6
"""One visit of six is without insurance."""

_DRAWER = DrawerNo("1")
_DIAGNOSES = {
    "0301": (Diagnosis("J20.900", "急性支气管炎"), Diagnosis("J18.900", "肺炎")),
    "0304": (Diagnosis("I10", "原发性高血压"), Diagnosis("I25.103", "冠状动脉粥样硬化性心脏病")),
    "0401": (Diagnosis("K80.200", "胆囊结石"), Diagnosis("K40.900", "腹股沟疝")),
}
_OFTEN = (Diagnosis("J06.900", "急性上呼吸道感染"), Diagnosis("E11.900", "2型糖尿病"))
_BLOOD_COUNT = (ClinicalLine("HY001", Decimal(1)), ClinicalLine("HY005", Decimal(1)))
_MEDICINE = (ClinicalLine("YP001", Decimal(2), Use("每次 2 粒", "每日 3 次", "口服", 4)),)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who came.

    Attributes:
        psn_no: The insurer's number.
        id_number: On the document.
        has_voucher: Whether a code can be shown.
    """

    psn_no: PersonNo
    id_number: IdNumber
    has_voucher: bool


def play_history(
    insurer: InsurerSide,
    hospitals: Sequence[Opened],
    visitors: Sequence[Visitor],
    days: Sequence[date],
    *,
    clock: SettableClock,
    seed: int,
) -> int:
    """Let people come on each of the days, to each hospital; how many visits there were.

    Args:
        insurer: The other half.
        hospitals: Set up, with sessions on these days.
        visitors: Who may come; nobody does when there is nobody.
        days: In order, each over.
        clock: Of both halves; stands at the last visit afterwards.
        seed: Decides who comes and for what.
    """
    if not visitors:
        return 0
    chance = np.random.default_rng((seed, 5))
    boxes = count(1)
    visits = 0
    for day in days:
        for hospital in hospitals:
            clock.set(datetime.combine(day, OPENS, CHINA))
            visits += PastDay(insurer, hospital, clock, chance, boxes).play(visitors)
    return visits


class PastDay:
    """One day at one hospital, from the doctors' sign-in to the counted drawer."""

    def __init__(
        self,
        insurer: InsurerSide,
        hospital: Opened,
        clock: SettableClock,
        chance: np.random.Generator,
        boxes: Iterator[int],
    ) -> None:
        """Describe it."""
        self._insurer = insurer
        self._hospital = hospital.side
        self._doctors = hospital.sample.doctors
        self._by_login = hospital.accounts.by_login
        administrator = hospital.accounts.administrator.staff_id
        self._chief = InstitutionStaff(administrator, hospital.sample.code)
        self._clock = clock
        self._chance = chance
        self._boxes = boxes

    def play(self, visitors: Sequence[Visitor]) -> int:
        """Let some of them come; how many."""
        shift_id = self._open_drawer()
        chosen = self._chance.choice(len(visitors), min(VISITS_A_DAY, len(visitors)), replace=False)
        began = self._clock.now()
        for place, number in enumerate(chosen):
            self._clock.set(began + place * BETWEEN_VISITS)
            self._visit(visitors[int(number)])
        self._hand_over(shift_id)
        return len(chosen)

    def _visit(self, visitor: Visitor) -> None:
        doctor = self._doctors[int(self._chance.integers(len(self._doctors)))]
        self._sign_in(doctor)
        encounter = self._register(visitor, doctor)
        self._passes(180, 420)
        self._consult(encounter, doctor)
        wants_tests, wants_medicine = (int(self._chance.integers(3)) for _ in range(2))
        if wants_tests:
            self._order(encounter, doctor, OrderKind.LABORATORY, _BLOOD_COUNT)
        if wants_medicine:
            self._order(encounter, doctor, OrderKind.PRESCRIPTION, _MEDICINE)
        self._passes(60, 180)
        self._pay(visitor, encounter)
        self._passes(60, 180)
        self._test(visitor, encounter)
        self._passes(60, 180)
        self._hand_out(visitor, encounter)
        self._hospital.encounters.close(encounter_no=encounter.encounter_no)

    def _passes(self, at_least_s: int, less_than_s: int) -> None:
        """People walk, wait and count their money."""
        seconds = int(self._chance.integers(at_least_s, less_than_s))
        self._clock.set(self._clock.now() + timedelta(seconds=seconds))

    # --- the course of one visit -----------------------------------------------------------------

    def _sign_in(self, doctor: SampleDoctor) -> None:
        self._insurer.supervision.sign_ins.confirm(
            self._chief,
            command_id=_command(),
            doctor=DoctorCode(doctor.code),
            dept_code=doctor.department,
            reason=ConfirmationReason.NO_CONSENT,
        )

    def _register(self, visitor: Visitor, doctor: SampleDoctor) -> Encounter:
        hospital, today = self._hospital, business_date(self._clock.now())
        self_paid = not int(self._chance.integers(SELF_PAID_OF_SIX))
        wants_code = visitor.has_voucher and not int(self._chance.integers(CODE_OF_THREE))
        by_code = wants_code and not self_paid
        shown = self._code(visitor) if by_code else self._document(visitor)
        hospital.records.open_record(command_id=_command(), evidence=shown)
        offers = hospital.schedule.offers(first=today, last=today)
        session_no = next(
            offer.session.session_no for offer in offers if offer.session.dr_code == doctor.code
        )
        return hospital.appointments.register(
            command_id=_command(), session_no=session_no, evidence=shown, self_paid=self_paid
        )

    def _consult(self, encounter: Encounter, doctor: SampleDoctor) -> None:
        hospital, number = self._hospital, encounter.encounter_no
        hospital.encounters.call_to(encounter_no=number)
        hospital.encounters.begin_consultation(encounter_no=number)
        known = _DIAGNOSES.get(doctor.department, _OFTEN)
        hospital.diagnoses.state(
            command_id=_command(),
            encounter_no=number,
            doctor=Doctor(doctor.code, doctor.name),
            stated_by=self._staff(doctor.login).staff_id,
            diagnoses=[known[int(self._chance.integers(len(known)))]],
        )

    def _order(
        self,
        encounter: Encounter,
        doctor: SampleDoctor,
        kind: OrderKind,
        lines: Sequence[ClinicalLine],
    ) -> None:
        clinical, by = self._hospital.clinical, self._staff(doctor.login).staff_id
        who = Doctor(doctor.code, doctor.name)
        order = clinical.draft(
            command_id=_command(),
            encounter_no=encounter.encounter_no,
            kind=kind,
            lines=lines,
            doctor=who,
            drafted_by=by,
        )
        warned = {warning.code for warning in clinical.preview(order_no=order.order_no).warnings}
        clinical.sign(order_no=order.order_no, doctor=who, by=by, acknowledged=frozenset(warned))

    def _pay(self, visitor: Visitor, encounter: Encounter) -> None:
        if not self._hospital.orders.items(encounter_no=encounter.encounter_no):
            return  # back within the days of one fee, and nothing was ordered
        payments, number = self._hospital.payments, _command()
        prepared = payments.prepare(command_id=number, encounter_no=encounter.encounter_no)
        self._passes(20, 75)
        shown = self._document(visitor, prepared.intent_id)
        settled = payments.settle(command_id=number, evidence=shown)
        if settled.cash_due_fen:
            self._hospital.cashier.take_cash(
                command_id=_command(),
                payment=number,
                tendered_fen=settled.cash_due_fen,
                taken_by=self._clerk,
            )

    def _test(self, visitor: Visitor, encounter: Encounter) -> None:
        examinations = self._hospital.examinations
        technician = self._staff("technician1").staff_id
        for view in self._hospital.clinical.of_encounter(encounter_no=encounter.encounter_no):
            if view.order.kind is not OrderKind.LABORATORY:
                continue
            order_no = view.order.order_no
            examinations.arrive(
                command_id=_command(),
                order_no=order_no,
                evidence=self._document(visitor),
                received_by=technician,
            )
            examinations.perform(order_no=order_no, by=technician)
            report = examinations.enter(
                command_id=_command(),
                order_no=order_no,
                findings=self._blood_count(),
                entered_by=technician,
            )
            examinations.sign(order_no=order_no, version=report.version, by=technician)

    def _blood_count(self) -> Findings:
        white = Decimal(int(self._chance.integers(40, 120))) / 10
        value = LabValue("白细胞", white, "10^9/L", Decimal("3.5"), Decimal("9.5"))
        high = value.high is not None and white > value.high
        return Findings(values=(value,), conclusion="白细胞升高" if high else "未见异常")

    def _hand_out(self, visitor: Visitor, encounter: Encounter) -> None:
        dispensing = self._hospital.dispensing
        reviewer, releaser = self._staff("pharmacist1"), self._staff("pharmacist2")
        for request in dispensing.of_encounter(encounter_no=encounter.encounter_no):
            number, handing = request.request_no, _command()
            dispensing.review(reviewer, request_no=number)
            taken = [
                Picked(line.line_no, line.owed, self._trace_codes(line.owed))
                for line in request.lines
            ]
            dispensing.prepare(releaser, request_no=number, taken=taken)
            ready = dispensing.bill(releaser, command_id=handing, request_no=number)
            shown = self._document(visitor, ready.intent_id)
            dispensing.release(releaser, command_id=handing, evidence=shown)

    def _trace_codes(self, quantity: Decimal) -> tuple[str, ...]:
        return tuple(f"8123450{next(self._boxes):013d}" for _ in range(int(quantity)))

    # --- the drawer ------------------------------------------------------------------------------

    def _open_drawer(self) -> ShiftId:
        shift = self._hospital.desk.shifts.open(
            command_id=_command(), drawer=_DRAWER, clerk=self._clerk, count={}
        )
        return shift.shift_id

    def _hand_over(self, shift_id: ShiftId) -> None:
        shifts = self._hospital.desk.shifts
        found = _counted(shifts.standing(shift_id=shift_id).expected_fen)
        shifts.hand_over(shift_id=shift_id, clerk=self._clerk, count=found, left_fen=Fen(0))
        shifts.confirm(shift_id=shift_id, by=self._staff("clerk2").staff_id)

    @property
    def _clerk(self) -> StaffId:
        return self._staff("clerk1").staff_id

    def _staff(self, login: str) -> Caller:
        return self._by_login[login]

    # --- what people show ------------------------------------------------------------------------

    def _document(self, visitor: Visitor, intent_id: IntentId | None = None) -> Evidence:
        shown = intent_id or IntentId(new_identifier())
        return DocumentEvidence(visitor.id_number, self._clerk, shown)

    def _code(self, visitor: Visitor) -> Evidence:
        shown = self._insurer.insured.vouchers.show_code(visitor.psn_no)
        return CodeEvidence(shown.token, IntentId(new_identifier()))


def _counted(amount: Fen) -> Mapping[Fen, int]:
    """An amount in the fewest notes and coins."""
    left, pieces = int(amount), dict[Fen, int]()
    for each in sorted(DENOMINATIONS, reverse=True):
        pieces[each], left = divmod(left, each)
    return pieces


def _command() -> CommandId:
    return CommandId(new_identifier())
