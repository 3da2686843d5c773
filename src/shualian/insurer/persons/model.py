"""Insured persons: who somebody is and by which insurance they are covered."""

from dataclasses import dataclass, field
from enum import StrEnum

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import PersonNo
from shualian.core.mode import Mode
from shualian.core.names import mask_name
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused

NAME_CHARACTERS_MAX = 50
"""``psn_name`` is S50."""


class InsuranceStatus(StrEnum):
    """``psn_insu_stas`` 人员参保状态."""

    NOT_INSURED = "0"
    INSURED = "1"
    PAUSED = "2"
    INVALID = "3"
    ENDED = "4"


@dataclass(frozen=True, slots=True)
class Insurance:
    """One insurance of a person (``insuinfo`` of 1101).

    Attributes:
        insutype: 险种类型, such as ``310`` 职工基本医疗保险.
        psn_type: 人员类别, such as ``1101`` 在职, ``12`` 退休; opaque text.
        insuplc_admdvs: 参保地医保区划, 6 digits.
        psn_insu_stas: Whether it is in force.
    """

    insutype: str
    psn_type: str
    insuplc_admdvs: str
    psn_insu_stas: InsuranceStatus = InsuranceStatus.INSURED

    def check_in_force(self) -> None:
        """Check that benefits may be given under it.

        Raises:
            Refused: ``insurer.not_insured``.
        """
        if self.psn_insu_stas is not InsuranceStatus.INSURED:
            raise Refused(NOT_INSURED, insutype=self.insutype, found=self.psn_insu_stas.value)


@dataclass(frozen=True, slots=True)
class Insured:
    """An insured person; name and number are never printed whole.

    Attributes:
        psn_no: The insurer's number of the person.
        id_number: 证件号码 ``certno`` of ``psn_cert_type`` 01.
        name: 人员姓名 ``psn_name``.
        insurances: At least one.
    """

    psn_no: PersonNo
    id_number: IdNumber = field(repr=False)
    name: str = field(repr=False)
    insurances: tuple[Insurance, ...]

    @property
    def masked_name(self) -> str:
        """The name as screens show it."""
        return mask_name(self.name)


PERSON_NOT_FOUND = RefusalKind(
    code="insurer.person_not_found",
    zh="医保没有这个人的参保信息",
    en="The insurer does not know this person",
    next_zh="请核对证件；确已参保的请联系医保经办机构",
    next_en="Check the document; if the person is insured, ask the insurer",
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
ALREADY_REGISTERED = RefusalKind(
    code="insurer.already_registered",
    zh="这个证件号码已经登记过",
    en="This ID number is registered already",
    next_zh="请用已有的参保信息办理",
    next_en="Go on with the registration that exists",
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
NAME_INVALID = RefusalKind(
    code="insurer.name_invalid",
    zh="姓名不对",
    en="The name is not valid",
    next_zh="请按证件填写姓名",
    next_en="Write the name as in the document",
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)
NOT_INSURED = RefusalKind(
    code="insurer.not_insured",
    zh="参保状态不是正常参保，现在不能享受待遇",
    en="The insurance is not in force",
    next_zh="可以先自费结算；请联系医保经办机构核对参保状态",
    next_en="The bill can be paid in full meanwhile; ask the insurer about the insurance",
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)

SAMPLE_NUMBER = RefusalKind(
    code="insurer.sample_number",
    zh="这是示例证件号码，不能在正式环境使用",
    en="This is a sample ID number, which production does not take",
    next_zh="请用真实证件登记",
    next_en="Register with a real document",
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)

REFUSALS = (PERSON_NOT_FOUND, ALREADY_REGISTERED, NAME_INVALID, NOT_INSURED, SAMPLE_NUMBER)


def check_real(id_number: IdNumber, *, mode: Mode) -> None:
    """Keep sample people out of production.

    Raises:
        Refused: ``insurer.sample_number``.
    """
    if mode is Mode.PRODUCTION and id_number.is_sandbox:
        raise Refused(SAMPLE_NUMBER)


def checked_name(name: str) -> str:
    """A name without spaces around it.

    Raises:
        Refused: ``insurer.name_invalid`` when it is empty, too long or not printable.
    """
    trimmed = name.strip()
    if not 1 <= len(trimmed) <= NAME_CHARACTERS_MAX or not trimmed.isprintable():
        raise Refused(NAME_INVALID, characters=len(trimmed), limit=NAME_CHARACTERS_MAX)
    return trimmed
