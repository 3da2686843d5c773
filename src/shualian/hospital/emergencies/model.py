"""The emergency desk: how urgent somebody is, and how it was found out who they are."""

from enum import StrEnum

from shualian.core.refusals import Refused
from shualian.hospital.model import hospital_kind

TRIAGE_LEVELS = range(1, 5)
"""1 is the most urgent (急诊预检分诊: 濒危, 危重, 急症, 非急症)."""


class ToldBy(StrEnum):
    """Through whom an identity was attached."""

    PATIENT = "patient"
    """By the patient's own face, code or card, or by a document that the patient carried."""
    KIN = "kin"
    """By a document that relatives brought."""


TRIAGE_INVALID = hospital_kind(
    "triage_invalid",
    "没有这个分诊级别",
    "There is no such level of triage",
    "请选 1 到 4 级",
    "Choose a level from 1 to 4",
)
REFUSALS = (TRIAGE_INVALID,)


def check_triage(level: int) -> None:
    """Check a level of triage.

    Raises:
        Refused: ``hospital.triage_invalid``.
    """
    if level not in TRIAGE_LEVELS:
        raise Refused(TRIAGE_INVALID, found=level)
