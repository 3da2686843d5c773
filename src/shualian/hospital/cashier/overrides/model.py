"""What is done outside of the rules: a reason, two keys, one use; pure.

``proposed -> approved -> used``; ``proposed -> rejected``. Who proposes turns the first key,
somebody else with the right role the second. An override is good for one act on one thing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NewType

from shualian.core.identifiers import CommandId, EncounterNo, InstitutionCode, StaffId
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Finality, Refused
from shualian.hospital.model import COMMAND_DIFFERS, hospital_kind
from shualian.staff.model import Role

OverrideId = NewType("OverrideId", str)
"""The identifier of the command that proposed it."""
TEXT_CHARACTERS_MAX = 200


class OverrideKind(StrEnum):
    """Which rule is left aside."""

    REFUND_OTHER_SOURCE = "refund_other_source"
    """A part goes back elsewhere than where it came from."""
    LATE_CANCELLATION = "late_cancellation"
    """A settlement of an earlier business day is taken back."""
    SETTLE_WITHOUT_FACE = "settle_without_face"
    """A large bill is settled on a document that a second person has seen too."""
    WAIVER = "waiver"
    """The hospital does without a part of the cash share."""


class ReasonCode(StrEnum):
    """Why, as a code that can be counted; the text beside it says more."""

    CARD_CLOSED = "card_closed"
    TERMINAL_BROKEN = "terminal_broken"
    PERSON_CANNOT_SCAN = "person_cannot_scan"
    PERSON_DECLINES_FACE = "person_declines_face"
    CHARGED_WRONGLY = "charged_wrongly"
    NOT_CARRIED_OUT = "not_carried_out"
    HARDSHIP = "hardship"
    OTHER = "other"


SECOND_KEY: Mapping[OverrideKind, frozenset[Role]] = MappingProxyType(
    {
        OverrideKind.REFUND_OTHER_SOURCE: frozenset((Role.ADMINISTRATOR,)),
        OverrideKind.LATE_CANCELLATION: frozenset((Role.ADMINISTRATOR,)),
        OverrideKind.SETTLE_WITHOUT_FACE: frozenset(
            (Role.CLERK, Role.NURSE, Role.DOCTOR, Role.ADMINISTRATOR)
        ),
        OverrideKind.WAIVER: frozenset((Role.ADMINISTRATOR,)),
    }
)
"""Who may turn the second key; a document anybody beside the clerk can see."""


ONCE_PER_PAYMENT = frozenset((OverrideKind.LATE_CANCELLATION, OverrideKind.SETTLE_WITHOUT_FACE))
"""Acts that a payment meets once, however often they are asked for."""


class OverrideState(StrEnum):
    """Where an override stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    USED = "used"


@dataclass(frozen=True, slots=True)
class Override:
    """One act outside of the rules.

    Attributes:
        override_id: Also the command that proposed it.
        institution: Whose.
        kind: Which rule is left aside.
        payment: Of which payment.
        encounter_no: Of which visit.
        amount_fen: The most that it is good for; 0 where no amount is meant.
        reason: Why.
        text: Why, in words; no names and no numbers of people.
        proposed_by: First key.
        proposed_at: UTC.
        state: Where it stands.
        decided_by: Second key.
        decided_at: UTC.
        used_at: UTC.
    """

    override_id: OverrideId
    institution: InstitutionCode
    kind: OverrideKind
    payment: CommandId
    encounter_no: EncounterNo
    amount_fen: Fen
    reason: ReasonCode
    text: str
    proposed_by: StaffId
    proposed_at: datetime
    state: OverrideState = OverrideState.PROPOSED
    decided_by: StaffId | None = None
    decided_at: datetime | None = None
    used_at: datetime | None = None


OVERRIDE_NOT_FOUND = hospital_kind(
    "override_not_found",
    "没有这张特批单",
    "There is no such override",
    "请核对特批单号",
    "Check its number",
)
OVERRIDE_STEP = hospital_kind(
    "override_step",
    "这张特批单现在不能做这一步",
    "The override cannot take this step now",
    "请看特批单状态；用过的要另开一张",
    "Look at its state; one that was used needs another",
)
OVERRIDE_NEEDED = hospital_kind(
    "override_needed",
    "这样办要两个人确认",
    "This needs a second member of staff",
    "请写明原因，由另一位有权限的同事批准后再办",
    "Say why, and let a colleague who may do so approve it first",
    finality=Finality.TEMPORARY,
)
OVERRIDE_DIFFERS = hospital_kind(
    "override_differs",
    "这张特批单批的不是这件事",
    "The override is for something else",
    "请为这件事另开一张特批单",
    "Propose one for exactly this",
)
OVERRIDE_TEXT = hospital_kind(
    "override_text",
    "原因没有写，太长，或者写了个人号码",
    "The reason is missing, too long or holds somebody's number",
    "请用一两句话写原因，不要写姓名、证件号、电话",
    "Say why in a sentence or two, without names and numbers of people",
)

REFUSALS = (
    OVERRIDE_NOT_FOUND,
    OVERRIDE_STEP,
    OVERRIDE_NEEDED,
    OVERRIDE_DIFFERS,
    OVERRIDE_TEXT,
)

_NUMBER = re.compile(r"[0-9]{7,}")


def checked_text(text: str) -> str:
    """A reason in words, trimmed; a run of seven digits is somebody's number.

    Raises:
        Refused: ``hospital.override_text``.
    """
    trimmed = text.strip()
    if not 0 < len(trimmed) <= TEXT_CHARACTERS_MAX or _NUMBER.search(trimmed):
        raise Refused(OVERRIDE_TEXT, limit=TEXT_CHARACTERS_MAX)
    return trimmed


def check_same_proposal(found: Override, asked: Override) -> None:
    """Check that a repeated command proposes what it proposed the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    same = replace(
        found,
        proposed_at=asked.proposed_at,
        state=asked.state,
        decided_by=None,
        decided_at=None,
        used_at=None,
    )
    if same != asked:
        raise Refused(COMMAND_DIFFERS)


def decided(override: Override, by: StaffId, *, approves: bool, now: datetime) -> Override:
    """The override once the second key was turned, or was not.

    Raises:
        Refused: ``hospital.override_step``.
    """
    _check_state(override, OverrideState.PROPOSED)
    state = OverrideState.APPROVED if approves else OverrideState.REJECTED
    return replace(override, state=state, decided_by=by, decided_at=now)


def used(
    override: Override,
    kind: OverrideKind,
    *,
    payment: CommandId,
    amount_fen: Fen = ZERO,
    now: datetime,
) -> Override:
    """The override once the act that it allows is done, in the same transaction.

    An act that a payment can meet only once may use it again: it is a repeat.

    Raises:
        Refused: ``hospital.override_differs``, ``hospital.override_step``.
    """
    if (override.kind, override.payment) != (kind, payment) or amount_fen > override.amount_fen:
        raise Refused(OVERRIDE_DIFFERS, asked=kind.value)
    if override.state is OverrideState.USED and kind in ONCE_PER_PAYMENT:
        return override
    _check_state(override, OverrideState.APPROVED)
    return replace(override, state=OverrideState.USED, used_at=now)


def _check_state(override: Override, expected: OverrideState) -> None:
    if override.state is not expected:
        raise Refused(OVERRIDE_STEP, found=override.state.value, expected=expected.value)
