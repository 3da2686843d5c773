"""The sample city: one hospital, a few sample people, their insurance and their templates.

Names and numbers are made up (region 990000 exists nowhere); the faces are the public figures of
:mod:`shualian.sandbox.samples`, who have nothing to do with either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from shualian.assembly import InsurerSide
from shualian.core.clock import Clock, business_date
from shualian.core.id_number import SANDBOX_REGION, check_character, parse_id_number
from shualian.core.identifiers import CommandId, InstitutionCode, PersonNo, SessionId, StaffId
from shualian.core.money import parse_yuan
from shualian.face.model import Purpose
from shualian.hospital.orders.model import OrderLine
from shualian.hospital.scheduling.model import Department, Doctor
from shualian.insurer.consents.model import ByPerson, Channel, ChannelKind
from shualian.insurer.institutions.model import Institution
from shualian.insurer.persons.model import Insurance
from shualian.sandbox.samples import SamplePicture
from shualian.terminals.agent.model import EnrolmentBody
from shualian.terminals.enrolment.model import key_id_of
from shualian.terminals.model import InstitutionStaff, InsurerStaff, Place, Terminal, TerminalClass
from shualian.terminals.register.model import (
    CertifiedModel,
    Coordinates,
    PlaceSpec,
    SoftwareVersion,
)
from shualian.trust.signatures import SigningKey
from shualian.verification.model import Basis, ConsentPurpose, Factor, Scene, VerifiedPerson
from shualian.verification.ports import NewTemplate
from shualian.verification.registry.model import RegistryVerdict

HOSPITAL = Institution(
    fixmedins_code=InstitutionCode("H99000000001"),
    name="示例市第一医院",
    level="3",
    region=SANDBOX_REGION,
)
KIOSK = PlaceSpec(
    place=Place(name="一层大厅 1 号机", department="门诊大厅"),
    coordinates=Coordinates(39.9042, 116.4074),
    fence_m=100,
    terminal_class=TerminalClass.SIMULATED,
    scenes=frozenset((Scene.REGISTRATION, Scene.SETTLEMENT, Scene.INSURED_SERVICES)),
)
CONSULTING_ROOM = PlaceSpec(
    place=Place(name="二层 216 诊室", department="呼吸内科"),
    coordinates=Coordinates(39.9043, 116.4075),
    fence_m=100,
    terminal_class=TerminalClass.SIMULATED,
    scenes=frozenset((Scene.CONSULTATION, Scene.SETTLEMENT, Scene.INSURED_SERVICES)),
)
ADMINISTRATOR = InstitutionStaff(StaffId("SIM-ADMINISTRATOR"), HOSPITAL.fixmedins_code)
SUPERVISOR = InsurerStaff(StaffId("SIM-SUPERVISOR"))
TERMINAL_SOFTWARE: SoftwareVersion = (2, 1)
TERMINAL_MODEL = CertifiedModel(
    certificate="SIM-0001",
    maker="示例终端厂",
    model="SIM",
    terminal_class=TerminalClass.SIMULATED,
    valid_until=date(2099, 12, 31),
    software_min=(2,),
    software_current=TERMINAL_SOFTWARE,
)
RESPIRATORY = Department(dept_code="0301", dept_name="呼吸内科", caty="A03.01", queue_letter="A")
DOCTOR = Doctor(dr_code="D990000000001", dr_name="王示例")
ORDERED = (
    OrderLine(medins_list_codg="ZC001", cnt=Decimal(1)),
    OrderLine(medins_list_codg="JC002", cnt=Decimal(1)),
    OrderLine(medins_list_codg="YP001", cnt=Decimal(6)),
)
"""A consultation, a CT above its price limit, and a medicine of class B."""

EMPLOYEES = "310"
_IN_WORK = "1101"
_RETIRED = "12"


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """A sample insured person.

    Attributes:
        name: Made up.
        born: ``yyyymmdd``.
        sequence: Three digits of the ID number; even for women.
        psn_type: 人员类别.
        balance_yuan: In the personal account.
        enrolled: Name of the sample picture that becomes the template.
    """

    name: str
    born: str
    sequence: str
    psn_type: str
    balance_yuan: str
    enrolled: str

    @property
    def id_number(self) -> str:
        """The whole number with its check character."""
        body = f"{SANDBOX_REGION}{self.born}{self.sequence}"
        return body + check_character(body)


PATIENT = SamplePerson("张示例", "19620314", "018", _RETIRED, "120.00", "minister_a_2")
OTHERS = (
    SamplePerson("李示例", "19750702", "024", _IN_WORK, "310.50", "astronaut_1"),
    SamplePerson("陈样本", "19801111", "031", _IN_WORK, "88.00", "president_a_1"),
    SamplePerson("赵样本", "19540520", "055", _RETIRED, "640.20", "president_b_1"),
    SamplePerson("刘演示", "19690909", "077", _IN_WORK, "15.00", "president_c_2"),
)
PATIENT_SEEN = "minister_a_1"
"""Another picture of the patient than the enrolled one: this one is seen at the terminal."""

STRANGER_SEEN = "minister_b_1"
"""Somebody who is not enrolled."""


def enrol_terminal(insurer: InsurerSide, spec: PlaceSpec, key: SigningKey) -> Terminal:
    """A simulated terminal of the sample hospital, enrolled and approved like any other.

    The model :data:`TERMINAL_MODEL` must be registered.
    """
    enrolments = insurer.terminals.enrolments
    invitation = enrolments.create_place(actor=ADMINISTRATOR, spec=spec)
    body = EnrolmentBody.made(
        key,
        code=invitation.code,
        certificate=TERMINAL_MODEL.certificate,
        software=TERMINAL_SOFTWARE,
    )
    enrolled = enrolments.enrol(body.request())
    enrolments.approve(
        actor=SUPERVISOR,
        terminal_id=enrolled.terminal_id,
        expected_key_id=key_id_of(key.public_key),
    )
    return Terminal(
        terminal_id=enrolled.terminal_id,
        institution=HOSPITAL.fixmedins_code,
        terminal_class=spec.terminal_class,
        place=spec.place,
    )


def people_city(
    insurer: InsurerSide, samples: Mapping[str, SamplePicture], clock: Clock
) -> dict[str, PersonNo]:
    """Contract the hospital, register and enrol the sample people; person numbers by name."""
    insurer.institutions.contract(HOSPITAL)
    return {
        person.name: _settle_in(insurer, person, samples[person.enrolled], clock)
        for person in (PATIENT, *OTHERS)
    }


def activate_sample(
    insurer: InsurerSide, psn_no: PersonNo, template: NewTemplate, *, clock: Clock
) -> None:
    """Bring a sample person to where a first scan would have brought them.

    Voucher, consents and template are made by the same use cases; the scan that they rest on is
    made up, which is why this lives here and works on sample people only.
    """
    session_id, at = SessionId(f"SANDBOX-{psn_no[-20:]}"), clock.now()
    insurer.insured.vouchers.activate_at_terminal(
        psn_no, region=SANDBOX_REGION, session_id=session_id, at=at
    )
    insurer.insured.consents.give(
        psn_no,
        [ConsentPurpose.TEMPLATE, ConsentPurpose.ONE_SCAN_PAYMENT],
        notice_version=insurer.insured.notices.current.version,
        at=at,
        given_by=ByPerson(),
        channel=Channel(
            ChannelKind.TERMINAL, institution=HOSPITAL.fixmedins_code, session_id=session_id
        ),
    )
    scanned = VerifiedPerson(
        subject=psn_no,
        score=None,
        point=None,
        comparisons=0,
        error_upper95=None,
        factors=frozenset((Factor.FACE, Factor.DIGITS)),
        basis=Basis.REGISTRY,
        registry=RegistryVerdict.MATCH,
        active=True,
    )
    insurer.insured.templates.enrol(psn_no, template, session=_MadeUpScan(session_id, scanned))


@dataclass(frozen=True, slots=True)
class _MadeUpScan:
    """The scan of a sample person, which never was."""

    session_id: SessionId
    person: VerifiedPerson


def _settle_in(
    insurer: InsurerSide, person: SamplePerson, picture: SamplePicture, clock: Clock
) -> PersonNo:
    insured = insurer.insured.persons.register_insured(
        id_number=parse_id_number(person.id_number, today=business_date(clock.now())),
        name=person.name,
        insurances=[Insurance(EMPLOYEES, person.psn_type, SANDBOX_REGION)],
    )
    insurer.funds.credit_personal_account(
        command_id=CommandId(f"SANDBOX-{person.sequence}"),
        psn_no=insured.psn_no,
        region=SANDBOX_REGION,
        amount=parse_yuan(person.balance_yuan),
    )
    measured = insurer.engine.measure(picture.picture(), Purpose.ENROL)
    template = NewTemplate(measured.embedding, measured.path_id, measured.quality.score)
    activate_sample(insurer, insured.psn_no, template, clock=clock)
    return insured.psn_no
