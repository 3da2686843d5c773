"""Trace codes (药品追溯码, ``drug_trac_codg``): which box went out for which charge item; pure.

A box is sold once in the whole region: its code is live on at most one charge item. A medicine
line that is told without its codes, and is not excepted, is not paid by the fund: its
``hosp_appr_flag`` becomes ``2``, by which the benefit rules make it wholly self-paid.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import NewType

from shualian.core.identifiers import (
    ChargeItemNo,
    InstitutionCode,
    PersonNo,
    VisitId,
)
from shualian.core.refusals import Helper, KindsOf, Refused
from shualian.trust.audit.model import Digest, Payload, Reference

TraceCode = NewType("TraceCode", str)
"""``drug_trac_codg``: 7 to 100 digits and capital letters, as it stands on the box."""

CODES_MAX = 500
"""The most codes of one message."""
REASON_CHARACTERS_MAX = 100

_CODE = re.compile(r"[0-9A-Z]{7,100}")

WESTERN, PIECES, CHINESE = "09", "10", "11"
"""``med_chrgitm_type`` of medicine: 西药, 中药饮片, 中成药 (3.7 of the interface)."""
CODED = frozenset((WESTERN, CHINESE))
"""Whose boxes carry codes."""
MEDICINE = CODED | {PIECES}


class TraceException(StrEnum):
    """Why a line has no code of its own and is paid all the same; the whole list."""

    DECOCTION_PIECES = "decoction_pieces"
    """中药饮片: weighed out, there is no box."""
    SPLIT_PACK = "split_pack"
    """拆零: given out of an opened box, whose code is told with a reason."""


class BoxState(StrEnum):
    """Where a box with a code stands."""

    LIVE = "live"
    """Told for one charge item."""
    RETURNED = "returned"
    """Was handed out and came back; it goes to nobody else."""
    FREE = "free"
    """Was told and never handed out."""
    OPENED = "opened"
    """Given out piece by piece at one institution."""


class LineState(StrEnum):
    """What is known of a charge item's boxes."""

    TRACED = "traced"
    EXCEPTED = "excepted"
    MISSING = "missing"
    """At least one box has no code: the line is wholly self-paid."""


@dataclass(frozen=True, slots=True)
class LineTraces:
    """What an institution tells of one charge item's boxes.

    Attributes:
        feedetl_sn: Which.
        codes: Of the boxes, those of earlier messages may be left out.
        missing: How many boxes are handed out without a code, at least 0.
        exception: Why there is no code.
        reason: In words, of a split pack.
        mother_code: Of the opened box.
    """

    feedetl_sn: ChargeItemNo
    codes: tuple[TraceCode, ...] = ()
    missing: int = 0
    exception: TraceException | None = None
    reason: str = ""
    mother_code: TraceCode | None = None

    @property
    def state(self) -> LineState:
        """What is known after this."""
        if self.exception is not None:
            return LineState.EXCEPTED
        return LineState.MISSING if self.missing else LineState.TRACED


@dataclass(frozen=True, slots=True)
class ToldLine:
    """A charge item as it was told.

    Attributes:
        state: What is known of its boxes.
        said_flag: ``hosp_appr_flag`` as the institution uploaded it.
    """

    state: LineState
    said_flag: str


@dataclass(frozen=True, slots=True)
class Box:
    """A box by its code.

    Attributes:
        code: On the box.
        state: Where it stands.
        institution: Who told it last.
        mdtrt_id: For which visit; empty for an opened box.
        feedetl_sn: For which charge item; empty for an opened box.
        psn_no: For whom; empty for an opened box.
        since: When it was told, UTC.
        ended_at: When it came back or was let go, UTC.
    """

    code: TraceCode
    state: BoxState
    institution: InstitutionCode
    mdtrt_id: VisitId
    feedetl_sn: ChargeItemNo
    psn_no: PersonNo
    since: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TracePolicy:
    """What a region decides about codes.

    Attributes:
        reuse_returned: Whether a box that came back may go to another person.
    """

    reuse_returned: bool = False


@dataclass(frozen=True, slots=True)
class TraceAlert:
    """A code that was told a second time; somebody has to look.

    Attributes:
        alert_id: Its number.
        code: On the box.
        first: The institution that told it first.
        second: The institution that was refused.
        mdtrt_id: For which visit it was told the second time.
        feedetl_sn: For which charge item.
        at: UTC.
    """

    alert_id: str
    code: TraceCode
    first: InstitutionCode
    second: InstitutionCode
    mdtrt_id: VisitId
    feedetl_sn: ChargeItemNo
    at: datetime


class TraceUsedTwice(Payload, kind="insurer.trace_used_twice"):
    """The audit's record of a code that was told a second time.

    Attributes:
        alert: The alert's number.
        box: SHA-256 of the code.
        first: The institution that told it first.
        second: The institution that was refused.
    """

    alert: Reference
    box: Digest
    first: InstitutionCode
    second: InstitutionCode


_kind = KindsOf("insurer", helper=Helper.CLERK).kind

TRACE_USED = _kind(
    "trace_used",
    "这盒药的追溯码已经用过，已经上报核查",
    "This trace code was used before; it is reported",
    "这盒药不能发，请换一盒，把这盒留下待查",
    "Do not hand out this box; take another one and keep this one aside",
    Helper.INSURER,
)
TRACE_INVALID = _kind(
    "trace_invalid",
    "追溯码或者例外的理由不对",
    "A trace code or the reason of an exception is not valid",
    "请重新扫药盒上的追溯码",
    "Scan the code on the box again",
)
TRACE_MISSING = _kind(
    "trace_missing",
    "这条药费医保已经付过，没有追溯码不能发药",
    "The fund has paid for this line; without trace codes it is not handed out",
    "请扫药盒上的追溯码，或换一盒有码的",
    "Scan the code on the box, or take a box that has one",
)
TRACE_LINE_UNKNOWN = _kind(
    "trace_line_unknown",
    "没有这条费用明细",
    "There is no such charge item in this visit",
    "请先上传费用明细",
    "Upload the charge item first",
)

REFUSALS = (TRACE_USED, TRACE_INVALID, TRACE_MISSING, TRACE_LINE_UNKNOWN)


def parse_trace_code(text: str) -> TraceCode:
    """A code as a scanner gave it.

    Raises:
        Refused: ``insurer.trace_invalid``.
    """
    read = text.strip().upper()
    if not _CODE.fullmatch(read):
        raise Refused(TRACE_INVALID, found="a code that is none")
    return TraceCode(read)


def check_told(lines: Collection[LineTraces]) -> None:
    """Check a message before anything is looked up.

    Raises:
        Refused: ``insurer.trace_invalid``.
    """
    codes = [code for line in lines for code in line.codes]
    numbers = {line.feedetl_sn for line in lines}
    if len(set(codes)) != len(codes) or len(numbers) != len(lines) or len(codes) > CODES_MAX:
        raise Refused(TRACE_INVALID, found="something twice or too much")
    for line in lines:
        for code in (*line.codes, *filter(None, [line.mother_code])):
            parse_trace_code(code)


def check_line(line: LineTraces, *, kind: str, cnt: Decimal, live: int) -> None:
    """Check what is told of one line against the line itself.

    Args:
        line: What is told.
        kind: ``med_chrgitm_type`` by the catalogue.
        cnt: Quantity of the line.
        live: How many codes the line has with these.

    Raises:
        Refused: ``insurer.trace_invalid``.
    """
    split = line.exception is TraceException.SPLIT_PACK
    explained = 0 < len(line.reason.strip()) <= REASON_CHARACTERS_MAX
    for rule, holds in {
        "only medicine has codes": kind in MEDICINE,
        "only decoction pieces have no box": line.exception is not TraceException.DECOCTION_PIECES
        or kind == PIECES,
        "a split pack has a reason and a mother code": not split
        or (explained and line.mother_code is not None),
        "an exception has no codes": line.exception is None or not (line.codes or line.missing),
        "no more boxes than were sold": line.missing >= 0 and live + line.missing <= cnt,
    }.items():
        if not holds:
            raise Refused(TRACE_INVALID, feedetl_sn=line.feedetl_sn, broken=rule)


def may_go_out(found: Box | None, wanted: Box, *, policy: TracePolicy) -> bool:
    """Whether a box may be told for what is wanted, after what is known of it."""
    if found is None or found.state is BoxState.FREE:
        return True
    if found.state is BoxState.OPENED or wanted.state is BoxState.OPENED:
        # Pieces come out of one opened box at one place; a box sold whole was never opened.
        opened = found.state is wanted.state is BoxState.OPENED
        return opened and found.institution == wanted.institution
    if found.state is BoxState.RETURNED:
        return policy.reuse_returned or found.psn_no == wanted.psn_no
    here, there = (found.mdtrt_id, found.feedetl_sn), (wanted.mdtrt_id, wanted.feedetl_sn)
    return here == there


FLAG_OF: Mapping[LineState, str | None] = MappingProxyType(
    {LineState.TRACED: None, LineState.EXCEPTED: None, LineState.MISSING: "2"}
)
"""``hosp_appr_flag`` that a state asks for; none: as the institution said it."""
