"""A patient's record: who it is of, and what may be shown of that."""

from dataclasses import dataclass, field
from datetime import datetime

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import InstitutionCode, PersonNo, RecordNo
from shualian.core.names import mask_name
from shualian.core.refusals import Refused
from shualian.hospital.model import PROOF_NOT_FITTING, InsuredPerson, hospital_kind
from shualian.verification.model import Scene

OPENING_SCENES = frozenset((Scene.REGISTRATION, Scene.INPATIENT_RECORD))
"""For which scenes a face may open a record."""


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


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """A record as screens and receipts show it.

    Attributes:
        record_no: Number of the record.
        institution: Whose.
        psn_no: The insurer's number of the person.
        masked_name: Such as ``张*国``.
        masked_id_number: First two and last two characters.
        opened_at: UTC.
    """

    record_no: RecordNo
    institution: InstitutionCode
    psn_no: PersonNo
    masked_name: str
    masked_id_number: str
    opened_at: datetime


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
REFUSALS = (RECORD_NOT_FOUND, RECORD_CONFLICT)


def identity_of(person: InsuredPerson, *, expected_person: PersonNo) -> Identity:
    """Who the insurer says the verified person is.

    Raises:
        Refused: ``hospital.proof_not_fitting`` when the insurer speaks of somebody else.
    """
    if person.psn_no != expected_person:
        raise Refused(PROOF_NOT_FITTING, differs="person")
    return Identity(person.psn_no, person.psn_name, person.certno)
