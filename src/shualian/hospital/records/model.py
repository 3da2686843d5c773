"""A patient's record: who it is of, what may be shown of that, its entries, and who looked at it.

Entries are added and removed and never rewritten; a look at a whole record is an entry of its own,
which the patient can read.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NewType

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import EncounterNo, InstitutionCode, PersonNo, RecordNo, StaffId
from shualian.core.names import mask_name
from shualian.core.refusals import Refused
from shualian.hospital.model import PROOF_NOT_FITTING, InsuredPerson, hospital_kind
from shualian.staff.model import Role
from shualian.verification.model import Scene

EntryNo = NewType("EntryNo", str)
"""Names one entry of a record."""

OPENING_SCENES = frozenset((Scene.REGISTRATION, Scene.INPATIENT_RECORD))
"""For which scenes a face may open a record."""
OWN_RECORD_SCENES = frozenset((Scene.REGISTRATION, Scene.RECORD_COPY))
"""For which scenes a face may ask who looked at the own record."""

NOBODY = PersonNo("")
"""In place of the insurer's number while nobody knows who a patient is (无名氏)."""
TEXT_CHARACTERS_MAX = 500

READING_ROLES = frozenset((Role.CLERK, Role.DOCTOR, Role.NURSE, Role.TECHNICIAN, Role.PHARMACIST))
WRITING_ROLES = frozenset((Role.DOCTOR, Role.NURSE, Role.PHARMACIST))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a record is of, whole; for messages to the insurer, never for a screen.

    Attributes:
        psn_no: The insurer's number of the person.
        name: 人员姓名.
        id_number: 证件号码.
    """

    psn_no: PersonNo
    name: str = field(repr=False)
    id_number: IdNumber = field(repr=False)


class Sex(StrEnum):
    """As it is seen (GB/T 2261.1)."""

    UNKNOWN = "0"
    MALE = "1"
    FEMALE = "2"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is seen of a patient whom nobody knows.

    Attributes:
        sex: As it is seen.
        age_band: In decades, such as ``60-69``.
    """

    sex: Sex
    age_band: str


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """A record as screens and receipts show it.

    Attributes:
        record_no: Number of the record.
        institution: Whose.
        psn_no: The insurer's number of the person; ``NOBODY`` while that is not known.
        masked_name: Such as ``张*国``; the label of somebody whom nobody knows.
        masked_id_number: First two and last two characters; empty while it is not known.
        opened_at: UTC.
    """

    record_no: RecordNo
    institution: InstitutionCode
    psn_no: PersonNo
    masked_name: str
    masked_id_number: str
    opened_at: datetime

    @property
    def person_known(self) -> bool:
        """Whether it is known who this is."""
        return self.psn_no != NOBODY


def shown(
    identity: Identity, *, record_no: RecordNo, institution: InstitutionCode, opened_at: datetime
) -> PatientRecord:
    """The record of ``identity`` as it may be shown."""
    return PatientRecord(
        record_no=record_no,
        institution=institution,
        psn_no=identity.psn_no,
        masked_name=mask_name(identity.name),
        masked_id_number=identity.id_number.masked,
        opened_at=opened_at,
    )


def unknown_label(day: date, count: int) -> str:
    """What an unknown patient is called, such as ``无名氏0105-2``: the second one that day."""
    return f"无名氏{day:%m%d}-{count}"


class EntryKind(StrEnum):
    """What an entry is about."""

    ALLERGY = "allergy"
    PAST_ILLNESS = "past_illness"
    MEDICATION = "medication"
    """Taken for long."""


@dataclass(frozen=True, slots=True)
class Removal:
    """That an entry does not hold, or never did.

    Attributes:
        by: Who says so.
        at: UTC.
        reason: Why.
    """

    by: StaffId
    at: datetime
    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One statement of a record.

    Attributes:
        entry_no: Its number.
        record_no: Of which record.
        kind: What it is about.
        text: In words.
        code: Of a substance or an illness, where it has one; else empty.
        added_by: Who made it.
        added_at: UTC.
        removal: Why it holds no more; an entry is never rewritten.
    """

    entry_no: EntryNo
    record_no: RecordNo
    kind: EntryKind
    text: str = field(repr=False)
    code: str = field(repr=False)
    added_by: StaffId
    added_at: datetime
    removal: Removal | None = None


class LookReason(StrEnum):
    """Why somebody looks at a whole record."""

    CALLED = "called"
    CONSULTATION = "consultation"
    BOOKED = "booked"
    EXAMINATION = "examination"
    DISPENSING = "dispensing"
    NURSING = "nursing"
    WINDOW = "window"
    EMERGENCY = "emergency"
    OTHER = "other"

    @property
    def zh(self) -> str:
        """For the patient."""
        return _WORDS[self][0]

    @property
    def en(self) -> str:
        """The same in English."""
        return _WORDS[self][1]


_WORDS = {
    LookReason.CALLED: ("叫号后查看", "You were called"),
    LookReason.CONSULTATION: ("就诊时查看", "During your consultation"),
    LookReason.BOOKED: ("您已预约，接诊前查看", "Before your appointment"),
    LookReason.EXAMINATION: ("检查或化验时查看", "For an examination"),
    LookReason.DISPENSING: ("发药时查看", "When your medicine was handed out"),
    LookReason.NURSING: ("护理时查看", "While you were nursed"),
    LookReason.WINDOW: ("您在窗口办理时查看", "While you were at a window"),
    LookReason.EMERGENCY: ("急救时查看", "In an emergency"),
    LookReason.OTHER: ("其他原因", "Another reason"),
}
UNRELATED_REASONS = frozenset((LookReason.EMERGENCY, LookReason.OTHER))
"""For which a record is shown to staff to whom its patient has not come; a note says why then."""


@dataclass(frozen=True, slots=True)
class Look:
    """That somebody looked at a whole record.

    Attributes:
        look_no: Its number.
        record_no: At which.
        by: Who.
        role: As what.
        why: The reason that was given.
        note: In words; never empty when nothing of the patient's led there.
        related: Whether the patient had an open visit or an appointment.
        encounter_no: For which visit, if for one.
        at: UTC.
    """

    look_no: str
    record_no: RecordNo
    by: StaffId
    role: Role
    why: LookReason
    note: str = field(repr=False)
    related: bool
    encounter_no: EncounterNo | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Chart:
    """A whole record, for staff whose look was logged.

    Attributes:
        record: As it is shown elsewhere.
        name: Whole; the label of somebody whom nobody knows.
        sex: By the ID number, or as it is seen.
        birth_date: By the ID number; none of somebody whom nobody knows.
        age_band: In decades.
        entries: The oldest first, removed ones among them.
    """

    record: PatientRecord
    name: str = field(repr=False)
    sex: Sex
    birth_date: date | None = field(repr=False)
    age_band: str
    entries: tuple[Entry, ...]

    @property
    def standing(self) -> tuple[Entry, ...]:
        """The entries that hold."""
        return tuple(entry for entry in self.entries if entry.removal is None)


RECORD_NOT_FOUND = hospital_kind(
    "record_not_found",
    "没有这份档案",
    "There is no such record",
    "请先建档",
    "Open a record first",
)
RECORD_CONFLICT = hospital_kind(
    "record_conflict",
    "这个身份证号的档案属于另一个医保编号",
    "The record with this ID number belongs to another number of the insurer",
    "请到窗口核对，不要重复建档",
    "Let a clerk compare the two; do not open a second record",
)
PATIENT_UNKNOWN = hospital_kind(
    "patient_unknown",
    "还不知道病人是谁，不能用医保",
    "Nobody knows yet who the patient is; the insurance cannot be used",
    "先救治；查明身份后再办理医保，也可以先自费",
    "Treat first; attach the identity later, or let somebody pay",
)
PATIENT_KNOWN = hospital_kind(
    "patient_known",
    "这位病人的身份已经查明",
    "It is known already who this patient is",
    "身份有误请由两名工作人员核对更正",
    "Let two members of staff compare if it is wrong",
)
ENTRY_NOT_FOUND = hospital_kind(
    "entry_not_found",
    "档案里没有这一条",
    "The record has no such entry",
    "请刷新后再看",
    "Look at the record again",
)
ENTRY_INVALID = hospital_kind(
    "entry_invalid",
    "这一条没有写明，或太长",
    "The entry says nothing or is too long",
    "请写明，不超过 500 字",
    "Write at most 500 characters",
)
LOOK_UNRELATED = hospital_kind(
    "look_unrelated",
    "这位病人没有在诊，也没有预约，不能查看档案",
    "The patient has no open visit and no appointment here; the record is not shown",
    "确有需要的，请选择急救或其他，并写明原因；病人会看到这次查看",
    "If it must be, say emergency or other and write why; the patient will see this look",
)
REFUSALS = (
    RECORD_NOT_FOUND,
    RECORD_CONFLICT,
    PATIENT_UNKNOWN,
    PATIENT_KNOWN,
    ENTRY_NOT_FOUND,
    ENTRY_INVALID,
    LOOK_UNRELATED,
)


def identity_of(person: InsuredPerson, *, expected_person: PersonNo | None = None) -> Identity:
    """Who the insurer says the person is that showed something.

    Args:
        person: The answer of 1101.
        expected_person: Whose proof it was, where a proof said so.

    Raises:
        Refused: ``hospital.proof_not_fitting`` when the insurer speaks of somebody else.
    """
    if expected_person not in {None, person.psn_no}:
        raise Refused(PROOF_NOT_FITTING, differs="person")
    return Identity(person.psn_no, person.psn_name, person.certno)


def sex_of(id_number: IdNumber) -> Sex:
    """By the sequence code of the ID number."""
    return Sex.FEMALE if id_number.is_female else Sex.MALE


def checked_text(text: str) -> str:
    """The text without blanks around it.

    Raises:
        Refused: ``hospital.entry_invalid`` when nothing is left, or too much.
    """
    text = text.strip()
    if not 1 <= len(text) <= TEXT_CHARACTERS_MAX:
        raise Refused(ENTRY_INVALID, limit=TEXT_CHARACTERS_MAX)
    return text


def check_look(why: LookReason, note: str, *, related: bool) -> None:
    """Let somebody look whom the patient's own visit leads there, or who writes down why.

    Raises:
        Refused: ``hospital.look_unrelated``.
    """
    explained = why in UNRELATED_REASONS and note.strip() != ""
    if not (related and why is not LookReason.OTHER) and not explained:
        raise Refused(LOOK_UNRELATED, why=why.value)


def acting_role(roles: Collection[Role], allowed: Collection[Role]) -> Role:
    """As what somebody with several roles acts: the first allowed one, in the order of roles."""
    return next(role for role in Role if role in roles and role in allowed)
