"""A clerk's shift at a drawer as a state machine, and the counting of what is in it; pure.

``open -> counted -> closed``; ``counted -> open`` when the next clerk counts something else. Two
people see every handover: who hands over counts, somebody else confirms. What is in a drawer is
never changed, only added to: by the float, by cash taken, by cash given back. It is never below
zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType

from shualian.core.identifiers import CommandId, InstitutionCode, StaffId
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Finality, Refused
from shualian.hospital.model import COMMAND_DIFFERS, hospital_kind

ShiftId = NewType("ShiftId", str)
"""The identifier of the command that opened the shift."""
DrawerNo = NewType("DrawerNo", str)
"""Which drawer, as it is written on the window, such as ``3``."""

DENOMINATIONS = frozenset(
    Fen(each) for each in (100_00, 50_00, 20_00, 10_00, 5_00, 2_00, 1_00, 50, 20, 10, 5, 2, 1)
)
"""Notes and coins that are legal tender, in fen."""
PIECES_MAX = 100_000
"""The most pieces of one denomination in a drawer. Our own choice."""

Count = Mapping[Fen, int]
"""How many pieces of each denomination."""


class ShiftState(StrEnum):
    """Where a shift stands."""

    OPEN = "open"
    COUNTED = "counted"
    """Its clerk has counted and takes no more money; somebody else must confirm."""
    CLOSED = "closed"


class DifferenceReason(StrEnum):
    """Why a drawer holds something else than was expected, as its clerk says."""

    NONE = "none"
    CHANGE = "change"
    """Change was given wrongly."""
    COUNTING = "counting"
    """An earlier count was wrong."""
    COUNTERFEIT = "counterfeit"
    LOST = "lost"
    UNEXPLAINED = "unexplained"


class EntryKind(StrEnum):
    """Why money went into a drawer or out of it."""

    FLOAT = "float"
    TAKING = "taking"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement of a drawer; entries are added and never changed.

    Attributes:
        kind: Why.
        cause: The command that moved it; once for each kind.
        amount_fen: Into the drawer; negative out of it.
        at: UTC.
    """

    kind: EntryKind
    cause: CommandId
    amount_fen: Fen
    at: datetime


@dataclass(frozen=True, slots=True)
class Handover:
    """What a clerk found in the drawer at the end of a shift.

    Attributes:
        counted_fen: What was counted.
        expected_fen: What the entries add up to.
        left_fen: What stays in the drawer as the next float; the rest goes to the safe.
        reason: Why the two differ; ``none`` when they do not.
        at: UTC.
    """

    counted_fen: Fen
    expected_fen: Fen
    left_fen: Fen
    reason: DifferenceReason
    at: datetime

    @property
    def difference_fen(self) -> Fen:
        """Counted less expected: below zero something is missing."""
        return Fen(self.counted_fen - self.expected_fen)


@dataclass(frozen=True, slots=True)
class Shift:
    """One clerk's time at one drawer.

    Attributes:
        shift_id: Also the command that opened it.
        institution: Whose.
        drawer: Which drawer.
        clerk: Who answers for it.
        float_fen: What was in it at the beginning.
        opened_at: UTC.
        state: Where it stands.
        handover: What was counted at its end; none before.
        confirmed_by: Who confirmed that.
        confirmed_at: UTC.
    """

    shift_id: ShiftId
    institution: InstitutionCode
    drawer: DrawerNo
    clerk: StaffId
    float_fen: Fen
    opened_at: datetime
    state: ShiftState = ShiftState.OPEN
    handover: Handover | None = None
    confirmed_by: StaffId | None = None
    confirmed_at: datetime | None = None


NO_OPEN_SHIFT = hospital_kind(
    "no_open_shift",
    "您还没有开班，不能收付钱",
    "You have no open shift; no money can be taken or given",
    "请先点好备用金开班",
    "Count the float and open a shift first",
)
SHIFT_NOT_FOUND = hospital_kind(
    "shift_not_found",
    "没有这个班次",
    "There is no such shift",
    "请核对班次",
    "Look up the shift",
)
SHIFT_STEP = hospital_kind(
    "shift_step",
    "这个班次现在不能做这一步",
    "The shift cannot take this step now",
    "请看班次状态再办理",
    "Look at the state of the shift first",
)
SHIFT_OPEN = hospital_kind(
    "shift_open",
    "您或者这个钱箱还有没交完的班",
    "You or this drawer still have a shift that was not handed over",
    "请先交班，由接班人确认",
    "Hand it over first and let the next clerk confirm",
)
COUNT_INVALID = hospital_kind(
    "count_invalid",
    "点钞的面额或张数不对",
    "The count has a denomination or a number of pieces that cannot be",
    "请按面额重新点",
    "Count again by denomination",
)
FLOAT_DIFFERS = hospital_kind(
    "float_differs",
    "点出来的备用金和上一班留下的不一样",
    "The float counted is not what the last shift left",
    "请重新点一次；还不对请管理员到场",
    "Count again; if it still differs, call the administrator",
)
DIFFERENCE_UNEXPLAINED = hospital_kind(
    "difference_unexplained",
    "点出来的钱和账上不一样，要写原因",
    "The drawer differs from the books; a reason is needed",
    "请再点一次，还不一样就选原因",
    "Count again; if it still differs, choose a reason",
)
DRAWER_SHORT = hospital_kind(
    "drawer_short",
    "钱箱里的现金不够",
    "There is not enough cash in the drawer",
    "请到别的窗口退，或者先补备用金",
    "Pay it out at another window",
    finality=Finality.TEMPORARY,
)

REFUSALS = (
    NO_OPEN_SHIFT,
    SHIFT_NOT_FOUND,
    SHIFT_STEP,
    SHIFT_OPEN,
    COUNT_INVALID,
    FLOAT_DIFFERS,
    DIFFERENCE_UNEXPLAINED,
    DRAWER_SHORT,
)


def counted(count: Count) -> Fen:
    """What a count comes to.

    Raises:
        Refused: ``hospital.count_invalid``.
    """
    for denomination, pieces in count.items():
        if denomination not in DENOMINATIONS or not 0 <= pieces <= PIECES_MAX:
            raise Refused(COUNT_INVALID, denomination_fen=denomination, pieces=pieces)
    return Fen(sum(denomination * pieces for denomination, pieces in count.items()))


def check_same_opening(found: Shift, *, drawer: DrawerNo, clerk: StaffId, float_fen: Fen) -> None:
    """Check that a repeated command opens what it opened the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    if (found.drawer, found.clerk, found.float_fen) != (drawer, clerk, float_fen):
        raise Refused(COMMAND_DIFFERS)


def check_float(float_fen: Fen, *, left_fen: Fen | None) -> None:
    """Check the float of a new shift against what the last one left; the first brings its own.

    Raises:
        Refused: ``hospital.float_differs``.
    """
    if left_fen is not None and float_fen != left_fen:
        raise Refused(FLOAT_DIFFERS, found_fen=float_fen, expected_fen=left_fen)


def check_drawer(balance_fen: Fen, *, out_fen: Fen) -> None:
    """Check that a drawer holds what is to be given.

    Raises:
        Refused: ``hospital.drawer_short``.
    """
    if balance_fen < out_fen:
        raise Refused(DRAWER_SHORT, found_fen=balance_fen, expected_fen=out_fen)


def handed_over(shift: Shift, handover: Handover) -> Shift:
    """The shift once its clerk has counted.

    Raises:
        Refused: ``hospital.shift_step``, ``difference_unexplained``, ``count_invalid`` when more
            is to stay in the drawer than was counted.
    """
    _check_state(shift, ShiftState.OPEN)
    explained = handover.reason is not DifferenceReason.NONE
    if explained != (handover.difference_fen != ZERO):
        raise Refused(
            DIFFERENCE_UNEXPLAINED,
            found_fen=handover.counted_fen,
            expected_fen=handover.expected_fen,
        )
    if not 0 <= handover.left_fen <= handover.counted_fen:
        raise Refused(COUNT_INVALID, left_fen=handover.left_fen, counted_fen=handover.counted_fen)
    return replace(shift, state=ShiftState.COUNTED, handover=handover)


def confirmed(shift: Shift, by: StaffId, *, now: datetime) -> Shift:
    """The shift once somebody else has counted the same.

    Raises:
        Refused: ``hospital.shift_step``.
    """
    _check_state(shift, ShiftState.COUNTED)
    return replace(shift, state=ShiftState.CLOSED, confirmed_by=by, confirmed_at=now)


def disputed(shift: Shift) -> Shift:
    """The shift once somebody else has counted something else: its clerk counts again.

    Raises:
        Refused: ``hospital.shift_step``.
    """
    _check_state(shift, ShiftState.COUNTED)
    return replace(shift, state=ShiftState.OPEN, handover=None)


def _check_state(shift: Shift, expected: ShiftState) -> None:
    if shift.state is not expected:
        raise Refused(SHIFT_STEP, found=shift.state.value, expected=expected.value)
