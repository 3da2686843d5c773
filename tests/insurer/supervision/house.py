# ruff: noqa: ARG002 - stand-ins take what the real ones take
"""Supervision for tests: real services and galleries; a camera that is told whom it sees."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, select

from insurer.office import HOSPITAL, NOW, Office, id_number
from shualian.core.clock import SettableClock
from shualian.core.database import Database, forbid_in_transaction
from shualian.core.identifiers import (
    CommandId,
    InstitutionCode,
    PersonNo,
    SessionId,
    StaffId,
    TerminalId,
    new_identifier,
)
from shualian.core.mode import Mode
from shualian.face.calibration import OperatingPoint
from shualian.face.model import Embedding
from shualian.gallery import store as gallery_store
from shualian.gallery.model import EmbeddingPath, Probe
from shualian.gallery.service import Gallery
from shualian.insurer.institutions.model import Institution
from shualian.insurer.settlement.model import Visit, VisitKind
from shualian.insurer.supervision.alerts import store as alerts_store
from shualian.insurer.supervision.alerts.model import AlertKind
from shualian.insurer.supervision.alerts.service import Alerts
from shualian.insurer.supervision.captures import store as captures_store
from shualian.insurer.supervision.captures.model import CapturePurpose
from shualian.insurer.supervision.captures.service import KnownCaptures
from shualian.insurer.supervision.signins import store as signins_store
from shualian.insurer.supervision.signins.model import (
    Doctor,
    DoctorCode,
    DoctorConsent,
    Practice,
    SignIn,
    SignInPolicy,
)
from shualian.insurer.supervision.signins.service import Doctors, OrderingDoctors, SignIns
from shualian.insurer.supervision.wardchecks import store as wardchecks_store
from shualian.insurer.supervision.wardchecks.model import DrawPolicy, WardCheck
from shualian.insurer.supervision.wardchecks.service import WardChecks, WardPatients
from shualian.terminals.enrolment.model import KeyId
from shualian.terminals.model import (
    InstitutionStaff,
    InsurerStaff,
    Place,
    Terminal,
    TerminalClass,
)
from shualian.terminals.requests.model import VerifiedRequest
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import DerivedSecrets, Sealer
from shualian.verification.captures.ports import Health
from shualian.verification.model import (
    ConsentPurpose,
    Identity,
    Standing,
    VoucherStanding,
)
from shualian.verification.ports import Captured, NewTemplate
from shualian.verification.registry.model import RegistryQuery, RegistryVerdict
from shualian.verification.sessions.model import OpenedSession
from tables import make_tables

PATH = EmbeddingPath("painted", 8)
OTHER_HOSPITAL = InstitutionCode("H99000000005")
SUPERVISOR = InsurerStaff(StaffId("SUPERVISOR-1"))
HEAD = InstitutionStaff(StaffId("HEAD-1"), HOSPITAL)
NURSE = InstitutionStaff(StaffId("NURSE-1"), HOSPITAL)
CHEN, WU = DoctorCode("D990000000001"), DoctorCode("D990000000002")
DEPARTMENT = "A03"
BOTH = (ConsentPurpose.COMPARISON, ConsentPurpose.TEMPLATE)
SEED = bytes(range(32))
CHEN_FACE, PATIENT_FACE, STRANGER = 1, 2, 3


def vector(who: int) -> Embedding:
    """The face of somebody."""
    face: Embedding = np.eye(8, dtype=np.float32)[who]
    return face


@dataclass
class Live:
    """What liveness decided."""

    live: bool = True


class Rates:
    """An imaginary calibration."""

    def at(self, fmr: float, *, population: str | None) -> OperatingPoint:
        return OperatingPoint(fmr, 2.4 * fmr, 0.03, 0.45, PATH.path_id, "imaginary", False)


class Fit:
    """Every terminal is fit."""

    def check_capture(self, verified: VerifiedRequest) -> None: ...

    def count_capture(self, *, terminal_id: TerminalId, outcome: object) -> None: ...


@dataclass
class Police:
    """Knows whose face belongs to which number: the number's serial is the face."""

    faces: dict[str, int] = field(default_factory=dict)
    reachable: bool = True

    def compare(self, query: RegistryQuery) -> RegistryVerdict:
        forbid_in_transaction("the police registry")
        if not self.reachable:
            return RegistryVerdict.UNAVAILABLE
        seen = int(query.picture.decode())
        same = self.faces.get(query.id_number.value) == seen
        return RegistryVerdict.MATCH if same else RegistryVerdict.NO_MATCH


class People:
    """The insured, as a ward check needs them."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self.keep_templates: set[PersonNo] = set()

    def identity(self, subject: PersonNo) -> Identity:
        found = self._office.persons.get(subject)
        number = found.id_number
        return Identity(subject, found.name, number, "990000", number.birth_date)

    def standing(self, subject: PersonNo, *, now: object) -> Standing:
        return Standing(VoucherStanding.ACTIVE, template_consent=subject in self.keep_templates)


class House:
    """Supervision over an insurer's office."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        sign_in_policy: SignInPolicy | None = None,
        draw_policy: DrawPolicy | None = None,
        health: Health | None = None,
        clock: SettableClock | None = None,
    ) -> None:
        stores = (gallery_store, alerts_store, captures_store, signins_store, wardchecks_store)
        make_tables(database, [store.metadata for store in stores])
        self.database = database
        self.office = Office(database, folder)
        self.clock = self.office.clock if clock is None else clock
        self.office.institutions.contract(Institution(OTHER_HOSPITAL, "另一家", "3", "990000"))
        self.keys = DevelopmentKeys(folder / "keys")
        self.sealer = Sealer(self.keys)
        self.doctor_gallery = self._gallery("doctors")
        self.insured_gallery = self._gallery("insured")
        self.police = Police()
        self.people = People(self.office)
        self.doctors = Doctors(
            database=database,
            clock=self.clock,
            sealer=self.sealer,
            gallery=self.doctor_gallery,
        )
        patients = WardPatients(clock=self.clock, people=self.people, gallery=self.insured_gallery)
        self.captures = KnownCaptures(
            database=database,
            clock=self.clock,
            mode=Mode.SANDBOX,
            health=health or Fit(),
            error_rates=Rates(),
            fmr=1e-3,
            registry=self.police,
            subjects={
                CapturePurpose.DOCTOR_ENROLMENT: self.doctors,
                CapturePurpose.DOCTOR_SIGN_IN: self.doctors,
                CapturePurpose.DOCTOR_SIGN_OUT: self.doctors,
                CapturePurpose.WARD_CHECK: patients,
            },
        )
        self.policy = sign_in_policy or SignInPolicy()
        self.sign_ins = SignIns(
            database=database,
            clock=self.clock,
            doctors=self.doctors,
            captures=self.captures,
            policy=self.policy,
        )
        self.ordering = OrderingDoctors(self.policy)
        self.office.settlements.visits._ordering = self.ordering
        self.draw_policy = draw_policy or DrawPolicy()
        self.ward_checks = WardChecks(
            database=database,
            clock=self.clock,
            sealer=self.sealer,
            captures=self.captures,
            policy=self.draw_policy,
            new_seed=lambda: SEED,
        )
        self.alerts = Alerts(database=database, clock=self.clock)

    def wait(self, span: timedelta) -> None:
        self.clock.set(self.clock.now() + span)

    def registered(self, code: DoctorCode = CHEN, *places: tuple[InstitutionCode, str]) -> Doctor:
        """A doctor whose face the police registry knows."""
        serial = 700 + int(code[-1])
        number = id_number(serial)
        self.police.faces[number.value] = CHEN_FACE if code == CHEN else 5
        listed = places or ((HOSPITAL, DEPARTMENT), (OTHER_HOSPITAL, DEPARTMENT))
        practices = frozenset(Practice(*each) for each in listed)
        return self.doctors.register(SUPERVISOR, Doctor(code, "陈医生", number, practices))

    def enrolled(self, code: DoctorCode = CHEN) -> Doctor:
        """A listed doctor with a template."""
        doctor = self.registered(code)
        opened = self.open(CapturePurpose.DOCTOR_ENROLMENT, code)
        self.show(opened, CHEN_FACE)
        return doctor

    def agree(self, code: DoctorCode) -> None:
        """A doctor agreed to a template before."""
        consent = DoctorConsent(code, "2026-01", self.clock.now())
        self.database.write(lambda connection: signins_store.add_consent(connection, consent))

    def open(
        self,
        purpose: CapturePurpose,
        code: DoctorCode = CHEN,
        *,
        sender: VerifiedRequest | None = None,
        consents: Sequence[ConsentPurpose] = BOTH,
    ) -> OpenedSession:
        """A capture of a doctor, its stream claimed."""
        opened = self.sign_ins.open_capture(
            sender or terminal(),
            doctor=code,
            purpose=purpose,
            notice_version="2026-01",
            consents=consents,
        )
        self.captures.open_capture(opened.session_id, ticket=opened.ticket, nonce=opened.nonce)
        return opened

    def show(self, opened: OpenedSession, who: int, *, active: bool = True) -> object:
        """Somebody stands before the camera; what the attempt came to."""
        return self.captures.verify(
            opened.session_id, nonce=opened.nonce, captured=captured(who, active=active)
        )

    def face(
        self,
        code: DoctorCode = CHEN,
        *,
        purpose: CapturePurpose = CapturePurpose.DOCTOR_SIGN_IN,
        sender: VerifiedRequest | None = None,
        who: int = CHEN_FACE,
    ) -> SessionId:
        """A matched capture of a doctor."""
        opened = self.open(purpose, code, sender=sender)
        self.show(opened, who)
        return opened.session_id

    def signed_in(
        self, code: DoctorCode = CHEN, *, sender: VerifiedRequest | None = None
    ) -> SignIn:
        sender = sender or terminal()
        return self.sign_ins.sign_in(
            sender,
            command_id=command(),
            doctor=code,
            dept_code=DEPARTMENT,
            session_id=self.face(code, sender=sender),
        )

    def admitted(self, serial: int = 1, *, ward: str = "W1") -> Visit:
        """A new in-patient of the hospital."""
        person = self.office.insured(serial)
        self.police.faces[person.id_number.value] = PATIENT_FACE
        registration = self.office.registration(person.psn_no)
        changed = {"kind": VisitKind.INPATIENT, "dept_code": ward}
        fields = {name: getattr(registration, name) for name in registration.__dataclass_fields__}
        return self.office.settlements.open_visit(
            institution=HOSPITAL, registration=type(registration)(**(fields | changed))
        )

    def at_bed(self, check: WardCheck, *faces: int, active: bool = True) -> SessionId:
        """A capture at the bed that sees these faces, one after the other."""
        opened = self.ward_checks.open_capture(
            terminal(),
            check_id=check.check_id,
            notice_version="2026-01",
            consents=(ConsentPurpose.COMPARISON,),
        )
        self.captures.open_capture(opened.session_id, ticket=opened.ticket, nonce=opened.nonce)
        for who in faces:
            self.show(opened, who, active=active)
        return opened.session_id

    def raised(self) -> list[AlertKind]:
        """The kinds of all alerts, the oldest first."""
        listed = self.alerts.listed(SUPERVISOR, open_only=False)
        return [alert.kind for alert in reversed(listed)]

    def _gallery(self, name: str) -> Gallery:
        gallery = Gallery(
            name,
            [PATH],
            database=self.database,
            keys=DerivedSecrets(self.keys, f"gallery.{name}.protection", b"protection"),
            sealer=self.sealer,
            clock=self.clock,
        )
        gallery.rebuild()
        return gallery


def terminal(institution: InstitutionCode = HOSPITAL, number: str = "K02") -> VerifiedRequest:
    """A request of a terminal that was verified."""
    found = Terminal(
        TerminalId(number), institution, TerminalClass.SCAN_FACE_PAY, Place("3 诊室", "内科")
    )
    # Nothing but the terminal and the key is looked at behind the routes.
    return VerifiedRequest(found, None, None, KeyId("KEY-1"), NOW)  # type: ignore[arg-type]


def captured(who: int, *, active: bool = True, live: bool = True) -> Captured:
    """What the engine makes of somebody."""
    return Captured(
        probe=Probe(vector(who), PATH.path_id),
        qualities=(),
        liveness=Live(live),
        picture=str(who).encode(),
        enrolment=NewTemplate(vector(who), PATH.path_id, 80) if active else None,
        active=active,
    )


def command() -> CommandId:
    return CommandId(new_identifier())


def stored_text(house: House) -> str:
    """Everything that supervision's tables hold, as text."""
    tables = [
        table
        for store in (alerts_store, captures_store, signins_store, wardchecks_store)
        for table in store.metadata.sorted_tables
    ]

    def work(connection: Connection) -> str:
        rows = (connection.execute(select(table)).all() for table in tables)
        return repr(list(rows))

    return house.database.read(work)
