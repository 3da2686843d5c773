"""What the police registry is asked and what it answers; it never gives a photo away."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from shualian.core.id_number import IdNumber
from shualian.core.refusals import Finality, Helper, KindsOf, RefusalKind


class RegistryVerdict(StrEnum):
    """The registry's answer to "is this live face the person with this number and name?"."""

    MATCH = "match"
    NO_MATCH = "no_match"
    NAME_NUMBER_MISMATCH = "name_number_mismatch"
    NO_USABLE_PHOTO = "no_usable_photo"
    NOT_FOUND = "not_found"
    UNAVAILABLE = "unavailable"
    """Busy, slow, unreachable, or an answer that cannot be believed: nothing was learnt."""


@dataclass(frozen=True, slots=True)
class RegistryQuery:
    """One comparison at the registry; lives in memory only.

    Attributes:
        request_id: Ours, new for every query; the answer repeats it.
        id_number: Of the person that the face is said to be.
        name: As the insurer holds it.
        picture: One frame as JPEG, gone after the answer.
    """

    request_id: str
    id_number: IdNumber
    name: str = field(repr=False)
    picture: bytes = field(repr=False)


_kind = KindsOf("verification", helper=Helper.CLERK).kind

REGISTRY_NO_MATCH = _kind(
    "registry_no_match",
    "和公安登记的照片比对没有通过",
    "The live face does not match the police registry's photo",
    "请摘掉遮挡再刷一次；还不行请找工作人员，用身份证、医保卡办理",
    "Uncover the face and scan once more; then ask the staff, with the ID card or the card",
)
REGISTRY_NAME_NUMBER_MISMATCH = _kind(
    "registry_name_number_mismatch",
    "姓名和身份证号对不上",
    "Name and ID number do not belong together in the police registry",
    "请核对登记的姓名和号码；生僻字或改过号码的，请到医保经办窗口更正",
    "Compare name and number; rare characters or a changed number are mended at the "
    "insurer's office",
    Helper.INSURER,
)
REGISTRY_NO_USABLE_PHOTO = _kind(
    "registry_no_usable_photo",
    "公安登记的照片太旧或不清楚，没法比对",
    "The police registry has no photo that can be compared",
    "请工作人员核对身份证；方便时到公安户籍窗口更新照片",
    "Let the staff look at the ID card; renew the photo with the police",
)
REGISTRY_NOT_FOUND = _kind(
    "registry_not_found",
    "公安库里没有这个号码",
    "The police registry has no such number",
    "请核对身份证号；号码没错请到医保经办窗口",
    "Compare the ID number; if it is right, go to the insurer's office",
    Helper.INSURER,
)
REGISTRY_UNAVAILABLE = _kind(
    "registry_unavailable",
    "公安核验暂时不通",
    "The police registry cannot be reached, and this needs its answer",
    "请稍后再试，或用医保卡、医保码、身份证办理",
    "Try again shortly, or use the card, the e-voucher code or the ID card",
    finality=Finality.TEMPORARY,
)

REGISTRY_REFUSALS = (
    REGISTRY_NO_MATCH,
    REGISTRY_NAME_NUMBER_MISMATCH,
    REGISTRY_NO_USABLE_PHOTO,
    REGISTRY_NOT_FOUND,
    REGISTRY_UNAVAILABLE,
)

REFUSAL_OF: Mapping[RegistryVerdict, RefusalKind] = MappingProxyType(
    {
        RegistryVerdict.NO_MATCH: REGISTRY_NO_MATCH,
        RegistryVerdict.NAME_NUMBER_MISMATCH: REGISTRY_NAME_NUMBER_MISMATCH,
        RegistryVerdict.NO_USABLE_PHOTO: REGISTRY_NO_USABLE_PHOTO,
        RegistryVerdict.NOT_FOUND: REGISTRY_NOT_FOUND,
    }
)
"""Verdicts that refuse whatever else was found, each with its own words."""
