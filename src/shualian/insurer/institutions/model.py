"""Institutions with a contract: what the insurer must know of them to settle."""

from dataclasses import dataclass

from shualian.core.identifiers import InstitutionCode
from shualian.core.refusals import Finality, Helper, RefusalKind


@dataclass(frozen=True, slots=True)
class Institution:
    """定点医药机构.

    Attributes:
        fixmedins_code: Its code.
        name: For people.
        level: ``1``, ``2`` or ``3``: 一级、二级、三级; policies pay by it.
        region: Care region 就医地 (``mdtrtarea_admvs``), 6 digits.
    """

    fixmedins_code: InstitutionCode
    name: str
    level: str
    region: str


INSTITUTION_NOT_CONTRACTED = RefusalKind(
    code="insurer.institution_not_contracted",
    zh="这家机构没有医保定点协议",
    en="This institution has no contract with the insurer",
    next_zh="请核对机构编号；需要时自费结算",
    next_en="Check the institution's code; the bill can be paid in full meanwhile",
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)

REFUSALS = (INSTITUTION_NOT_CONTRACTED,)
