"""A real hospital beside the insurer: departments, doctors, bills, an e-wallet's stand-in.

What stands before a test's own task is brought about by the use cases, so that each test begins
where its person does. All people, numbers and money are made up.
"""

import io
from collections.abc import Sequence
from contextlib import ExitStack
from csv import DictWriter
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from fastapi import FastAPI

from pages.world import World
from shualian.assembly import HospitalSide, LocalInsurerBooks, hospital_beside
from shualian.cli.serve import repeated
from shualian.core.clock import CHINA, business_date
from shualian.core.id_number import SANDBOX_REGION, parse_id_number
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    IntentId,
    PersonNo,
    StaffId,
    new_identifier,
)
from shualian.core.mode import Mode
from shualian.core.money import Fen, parse_yuan
from shualian.core.settings import HospitalSettings, Settings
from shualian.face.model import Purpose
from shualian.hospital.cashier.closing.model import Totals
from shualian.hospital.clinical.model import ClinicalLine, OrderKind, OrderNo
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.examinations.model import Findings
from shualian.hospital.model import DocumentEvidence
from shualian.hospital.orders.model import OrderLine
from shualian.hospital.payments.model import Payment
from shualian.hospital.records.model import LookReason
from shualian.hospital.scheduling.model import (
    Appointment,
    ClinicSessionNo,
    Department,
    Doctor,
    OwnAppointment,
    Period,
    Practitioner,
    SessionRow,
    Title,
)
from shualian.insurer.supervision.signins.model import ConfirmationReason, DoctorCode, Practice
from shualian.insurer.supervision.signins.model import Doctor as RegisteredDoctor
from shualian.sandbox import city
from shualian.sandbox.city import SamplePerson, activate_sample
from shualian.sandbox.ewallet.model import Terms
from shualian.sandbox.ewallet.server import RunningWallet, running_wallet
from shualian.sandbox.loopback import free_socket, served
from shualian.sandbox.province.hospital import open_accounts
from shualian.sandbox.province.model import SampleStaff, sample_province
from shualian.sandbox.province.service import payer_of
from shualian.staff.model import Caller, Employer, Role
from shualian.verification.ports import NewTemplate
from shualian.web.listeners import (
    build_hospital_listener,
    build_hospital_news_listener,
    build_terminal_listener,
)

PIN = "135790"
GUIDE = "guide1"
CLERK, DOCTOR_STAFF = StaffId("SIM-CLERK"), StaffId("SIM-DOCTOR")
TECHNICIAN = StaffId("SIM-TECHNICIAN")
WALLET_MONEY = Fen(2_000_00)
DEPARTMENTS = (
    Department("0301", "呼吸内科", "A03.01", "A", "Respiratory medicine"),
    Department("0304", "心血管内科", "A03.04", "B", "Cardiology"),
    Department("0403", "骨科", "A04.03", "E", "Orthopaedics"),
)
DOCTORS = (
    Practitioner(Doctor("D1", "王示例", "Dr Wang"), "0301", Title.CHIEF),
    Practitioner(Doctor("D2", "陈样本", "Dr Chen"), "0301", Title.ORDINARY),
    Practitioner(Doctor("D3", "赵演示", "Dr Zhao"), "0304", Title.ASSOCIATE_CHIEF),
    Practitioner(Doctor("D4", "刘示范", "Dr Liu"), "0403", Title.ORDINARY),
)
ROOM = "二层 216 诊室"
_DAYS = 5
_SLOTS = 30
_WALLET_LIMITS = (Fen(800_00), Fen(3_000_00))
_RESOLVE_EVERY_S = 2.0


class House(World):
    """The insurer, and a hospital whose terminals and staff have listeners of their own."""

    wallet: RunningWallet
    hospital: HospitalSide

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        super().__init__(folder, opened)
        self._set_up()

    # --- who comes -------------------------------------------------------------------------------

    def regular(self, person: SamplePerson) -> PersonNo:
        """Insured, with money in the personal account, a kept template and a PIN from a window."""
        psn_no = self.insure(person)
        self.side.funds.credit_personal_account(
            command_id=command(),
            psn_no=psn_no,
            region=SANDBOX_REGION,
            amount=parse_yuan(person.balance_yuan),
        )
        measured = self.side.engine.measure(self.samples[person.enrolled].picture(), Purpose.ENROL)
        template = NewTemplate(measured.embedding, measured.path_id, measured.quality.score)
        activate_sample(self.side, psn_no, template, clock=self.clock)
        self.pin_from_window(psn_no)
        return psn_no

    def pin_from_window(self, psn_no: PersonNo) -> None:
        """A PIN that was set before a clerk; one that was set by a face alone waits a day."""
        self.side.insured.pins.reset_at_window(psn_no, PIN, actor=city.ADMINISTRATOR)

    def agrees(self, psn_no: PersonNo) -> None:
        """The person has authorised an account for the own share."""
        payer, now = payer_of(psn_no), self.clock.now()
        self.wallet.wallet.open_account(payer, last_four="1234", balance=WALLET_MONEY)
        terms = Terms(*_WALLET_LIMITS, now - timedelta(days=1), now + timedelta(days=365))
        self.wallet.wallet.agree(payer, terms)
        self.hospital.agreements.link(psn_no=psn_no, payer=payer)

    def open_accounts(self) -> None:
        """A guide and a clerk with accounts, each approved by the insurer's supervisor."""
        staff = (
            SampleStaff(GUIDE, "李示例", Role.VOLUNTEER),
            SampleStaff("clerk1", "王样本", Role.CLERK),
        )
        (sample, *_) = sample_province(people=0).hospitals
        open_accounts(self.hospital, replace(sample, staff=staff, doctors=()))

    # --- what was before -------------------------------------------------------------------------

    def visit(self, person: SamplePerson, department: str = "0301") -> Encounter:
        """A visit of today, registered at the window by a document."""
        session = self._session_now(department)
        return self.hospital.appointments.register(
            command_id=command(), session_no=session, evidence=self._document(person)
        )

    def ordered(self, encounter: Encounter, *codes: str) -> None:
        """The doctor has ordered one of each, and the insurer has classed it."""
        lines = [OrderLine(code, Decimal(1)) for code in codes]
        orders, number = self.hospital.orders, encounter.encounter_no
        orders.order(command_id=command(), encounter_no=number, lines=lines)
        orders.upload(encounter_no=number)

    def booked(self, person: SamplePerson, department: str = "0301") -> Appointment:
        """An appointment of today that was made at the window."""
        day = business_date(self.clock.now())
        offers = self.hospital.schedule.offers(first=day, last=day, dept_code=department)
        later = max(offers, key=lambda offer: offer.session.starts_at)
        return self.hospital.appointments.book(
            command_id=command(),
            session_no=later.session.session_no,
            evidence=self._document(person),
        )

    def appointments(self, person: SamplePerson) -> Sequence[OwnAppointment]:
        """All of somebody's, the latest first."""
        return self.hospital.appointments.own(evidence=self._document(person))

    def settled_at_insurer(self) -> Totals:
        """What the insurer's books of today say."""
        day = business_date(self.clock.now())
        return LocalInsurerBooks(self.side, self.hospital.institution).of_day(day).totals

    @property
    def today(self) -> date:
        """The business day."""
        return business_date(self.clock.now())

    def last_visit(self, psn_no: PersonNo) -> Encounter:
        """The newest visit of somebody who has a record here."""
        record = self.hospital.records.find_by_person(psn_no=psn_no)
        assert record is not None
        return self.hospital.encounters.of_record(record_no=record.record_no)[-1]

    def examination_ordered(self, encounter: Encounter) -> OrderNo:
        """The doctor has called the patient in and ordered a CT."""
        clinical, number = self.hospital.clinical, encounter.encounter_no
        self.hospital.encounters.call_to(encounter_no=number)
        self.hospital.encounters.begin_consultation(encounter_no=number)
        order = clinical.draft(
            command_id=command(),
            encounter_no=number,
            kind=OrderKind.EXAMINATION,
            lines=[ClinicalLine("JC002", Decimal(1))],
            doctor=encounter.doctor,
            drafted_by=DOCTOR_STAFF,
        )
        clinical.sign(order_no=order.order_no, doctor=encounter.doctor, by=DOCTOR_STAFF)
        return order.order_no

    def reported(self, person: SamplePerson, order_no: OrderNo) -> None:
        """The paid examination was made, and its report is signed."""
        examinations = self.hospital.examinations
        examinations.arrive(
            command_id=command(),
            order_no=order_no,
            evidence=self._document(person),
            received_by=TECHNICIAN,
        )
        examinations.perform(order_no=order_no, by=TECHNICIAN)
        made = examinations.enter(
            command_id=command(),
            order_no=order_no,
            findings=Findings(finding="双肺纹理增多", conclusion="支气管炎改变"),
            entered_by=TECHNICIAN,
        )
        examinations.sign(order_no=order_no, version=made.version, by=TECHNICIAN)

    def record_opened(self, psn_no: PersonNo) -> None:
        """Somebody of the registration desk, to whom nothing of the patient's leads, looks."""
        record = self.hospital.records.find_by_person(psn_no=psn_no)
        assert record is not None
        self.hospital.records.look(
            caller=Caller(CLERK, Employer(self.hospital.institution), frozenset((Role.CLERK,))),
            record_no=record.record_no,
            why=LookReason.OTHER,
            note="电话询问",
        )

    def payments(self, encounter_no: EncounterNo) -> Sequence[Payment]:
        """What the hospital's books say."""
        return self.hospital.payments.of_encounter(encounter_no=encounter_no)

    def wallet_balance(self, psn_no: PersonNo) -> Fen:
        """What the wallet's books say."""
        of_payer = {each.payer: money for each, money in self.wallet.wallet.payers()}
        return of_payer[payer_of(psn_no)]

    # --- setting up ------------------------------------------------------------------------------

    def _settings(self, folder: Path, opened: ExitStack) -> Settings:
        self.wallet = opened.enter_context(running_wallet(folder / "wallet", clock=self.clock))
        self._news = opened.enter_context(free_socket())
        self._staff = opened.enter_context(free_socket())
        self.staff_origin = f"http://localhost:{self._staff.getsockname()[1]}"
        hospital = HospitalSettings(
            code=city.HOSPITAL.fixmedins_code,
            name=city.HOSPITAL.name,
            name_en="Sample City First Hospital",
            terminal_origin=self.origin,
            staff_origin=self.staff_origin,
            wallet_news_origin=f"http://127.0.0.1:{self._news.getsockname()[1]}",
        )
        insurer = super()._settings(folder, opened)
        changed = {"hospitals": (hospital,), "ewallet_url": self.wallet.origin}
        return insurer.model_copy(update=changed)

    def _terminal_listener(self, opened: ExitStack) -> FastAPI:
        (own,) = self.settings.hospitals
        self.hospital = hospital_beside(
            self.side, self.settings, own, mode=Mode.SANDBOX, clock=self.clock
        )
        opened.callback(self.hospital.close)
        upkeep = self.hospital.housekeeping()
        opened.enter_context(repeated(upkeep, every_s=_RESOLVE_EVERY_S))
        news = build_hospital_news_listener(self.hospital, self.settings)
        assert news is not None
        opened.enter_context(served(news, self._news))
        staff = build_hospital_listener(self.hospital, self.side, self.settings)
        opened.enter_context(served(staff, self._staff))
        return build_terminal_listener(self.side, self.settings, hospital=self.hospital)

    def _set_up(self) -> None:
        schedule = self.hospital.schedule
        chief = Caller(
            StaffId("SIM-ADMINISTRATOR"),
            Employer(city.HOSPITAL.fixmedins_code),
            frozenset((Role.ADMINISTRATOR,)),
        )
        schedule.put_departments(caller=chief, departments=DEPARTMENTS)
        schedule.put_practitioners(caller=chief, practitioners=DOCTORS)
        schedule.import_sessions(caller=chief, text=_sessions(self.clock.now()))
        self._doctor_at_work(DOCTORS[0])

    def _doctor_at_work(self, who: Practitioner) -> None:
        """On the word of the person in charge: no terminal stands in this doctor's room."""
        supervision, code = self.side.supervision, DoctorCode(who.doctor.dr_code)
        number = parse_id_number(city.OTHERS[0].id_number, today=self.today)
        practice = Practice(city.HOSPITAL.fixmedins_code, who.dept_code)
        supervision.doctors.register(
            city.SUPERVISOR,
            RegisteredDoctor(code, who.doctor.dr_name, number, frozenset((practice,))),
        )
        supervision.sign_ins.confirm(
            city.ADMINISTRATOR,
            command_id=command(),
            doctor=code,
            dept_code=who.dept_code,
            reason=ConfirmationReason.TERMINAL_DOWN,
        )

    def _session_now(self, dept_code: str) -> ClinicSessionNo:
        now = self.clock.now()
        day = business_date(now)
        for offer in self.hospital.schedule.offers(first=day, last=day, dept_code=dept_code):
            if offer.session.starts_at <= now:
                return offer.session.session_no
        raise LookupError("a session that is open now")

    def _document(self, person: SamplePerson) -> DocumentEvidence:
        number = parse_id_number(person.id_number, today=business_date(self.clock.now()))
        return DocumentEvidence(number, CLERK, IntentId(new_identifier()))


def command() -> CommandId:
    """A number for a command."""
    return CommandId(new_identifier())


def _sessions(now: datetime) -> str:
    """One that is open all day, and one that begins within the hour and can still be booked."""
    today, soon = business_date(now), (now + timedelta(minutes=50)).astimezone(CHINA)
    later = f"{soon:%H:%M}" if soon.date() == today else "23:59"
    hours = ((Period.MORNING, "00:00", "23:58"), (Period.EVENING, later, "23:58"))
    text = io.StringIO()
    lines = DictWriter(text, list(SessionRow.model_fields), lineterminator="\n")
    lines.writeheader()
    for day in (today + timedelta(days=ahead) for ahead in range(_DAYS)):
        for place, doctor in enumerate(DOCTORS):
            for period, starts, ends in hours:
                lines.writerow(
                    {
                        "dr_code": doctor.doctor.dr_code,
                        "day": day.isoformat(),
                        "period": period.value,
                        "starts": starts,
                        "ends": ends,
                        "room": ROOM if place == 0 else f"二层 22{place} 诊室",
                        "room_en": f"Room 2{16 if place == 0 else 20 + place}, 2nd floor",
                        "slots": _SLOTS,
                    }
                )
    return text.getvalue()
