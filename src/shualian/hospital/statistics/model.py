"""The counting rules of a hospital's statistics: values in, numbers out; pure.

One *use* is a registration or a payment that went through. A group of fewer than
:data:`GROUP_MIN` people is not shown, and where one group alone is hidden the next smallest is
hidden too, so that no total gives it away.

- **share by face**: uses by face among all uses.
- **patients paying with insurance**: people with at least one settlement by the insurer that
  stands, among people with at least one encounter, each in the span.
- **seconds to paid**: from the first frame where there is one, and from the bill being shown for
  every channel, until insurer, account and window have all they get.
- **override rate**: payments with an override that was used, among payments.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from math import ceil
from typing import TypeVar

from shualian.core.identifiers import PersonNo
from shualian.hospital.model import Channel, hospital_kind

Key = TypeVar("Key", bound=Hashable)

GROUP_MIN = 5
"""Groups of fewer people are not shown."""


class Act(StrEnum):
    """For what a channel was used."""

    REGISTRATION = "registration"
    PAYMENT = "payment"


@dataclass(frozen=True, slots=True)
class Use:
    """One registration or payment that went through, as it was recorded.

    Attributes:
        act: Which of the two.
        psn_no: Whose; counted, never shown.
        channel: By what the person showed who they are.
        day: Business day.
        age_band: In decades.
        terminal_id: Where; none at a window.
        first_frame_at: When the scan began, UTC; none without a face.
        shown_at: When the bill was shown, UTC; none for a registration.
        done_at: When all was paid, UTC; none for a registration and for what is still open.
        overridden: Whether a rule was left aside.
        insured: Whether a payment was settled by the insurer.
    """

    act: Act
    psn_no: PersonNo
    channel: Channel
    day: date
    age_band: str
    terminal_id: str | None = None
    first_frame_at: datetime | None = None
    shown_at: datetime | None = None
    done_at: datetime | None = None
    overridden: bool = False
    insured: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """One encounter: that a person was here.

    Attributes:
        psn_no: Whose; counted, never shown.
        day: Business day.
    """

    psn_no: PersonNo
    day: date


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long it took, of a group that is large enough.

    Attributes:
        count: Of how many payments.
        median: Half took at most this, seconds.
        p90: Nine of ten took at most this, seconds.
    """

    count: int
    median: float
    p90: float


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole; ``None`` where the group is too small to be shown."""

    part: int | None
    whole: int | None

    @property
    def ratio(self) -> float | None:
        """The share, 0..1; none where it is not shown."""
        if self.part is None or not self.whole:
            return None
        return self.part / self.whole


@dataclass(frozen=True, slots=True)
class Statistics:
    """Everything that is printed; ``None`` stands for a group too small to be shown.

    Where a date is given from which face care was offered, all but ``insured_before`` is from
    that date on.

    Attributes:
        uses: By day and channel.
        by_face: Uses by face among all.
        insured_before: Patients paying with insurance before the date.
        insured_after: The same from that date on.
        frame_to_paid: Seconds from first frame to paid by channel.
        shown_to_paid: Seconds from the bill being shown to paid by channel.
        by_age: Seconds from the bill being shown to paid by age band.
        overrides: Payments with an override among payments.
    """

    uses: Mapping[tuple[date, Channel], int | None]
    by_face: Share
    insured_before: Share | None
    insured_after: Share
    frame_to_paid: Mapping[Channel, Seconds | None]
    shown_to_paid: Mapping[Channel, Seconds | None]
    by_age: Mapping[str, Seconds | None]
    overrides: Share


INSTITUTION_UNCLEAR = hospital_kind(
    "institution_unclear",
    "这个数据库里没有就诊记录，或者有几家医院的记录",
    "The database has no encounters, or those of several institutions",
    "请用 --institution 说明是哪一家",
    "Say which one with --institution",
)

REFUSALS = (INSTITUTION_UNCLEAR,)


def statistics(
    uses: Sequence[Use], seen: Sequence[Seen], *, since: date | None = None
) -> Statistics:
    """All numbers of what was recorded.

    Args:
        uses: Every use of the span.
        seen: Every encounter of the span.
        since: From when face care was offered; before it and after it are compared.
    """
    paid = [use for use in uses if use.act is Act.PAYMENT]
    after = [use for use in uses if since is None or use.day >= since]
    return Statistics(
        uses=shown_counts(_grouped(after, lambda use: (use.day, use.channel))),
        by_face=share_of(after, lambda use: use.channel is Channel.FACE),
        insured_before=None if since is None else _insured(paid, seen, lambda day: day < since),
        insured_after=_insured(paid, seen, lambda day: since is None or day >= since),
        frame_to_paid=_seconds(after, lambda use: use.channel, lambda use: use.first_frame_at),
        shown_to_paid=_seconds(after, lambda use: use.channel, lambda use: use.shown_at),
        by_age=_seconds(after, lambda use: use.age_band, lambda use: use.shown_at),
        overrides=share_of(
            [use for use in after if use.act is Act.PAYMENT], lambda use: use.overridden
        ),
    )


def shown_counts(groups: Mapping[Key, Sequence[Use]]) -> Mapping[Key, int | None]:
    """How many uses each group has; ``None`` where it is hidden."""
    hidden = hidden_groups({key: people_of(group) for key, group in groups.items()})
    return {key: None if key in hidden else len(group) for key, group in groups.items()}


def hidden_groups(people: Mapping[Key, int]) -> frozenset[Key]:
    """Which groups are not shown: the small ones, and one more where only one is small."""
    small = {key for key, count in people.items() if count < GROUP_MIN}
    if len(small) == 1 and len(people) > 1:
        rest = [key for key in people if key not in small]
        small.add(min(rest, key=lambda key: (people[key], str(key))))
    return frozenset(small)


def share_of(uses: Sequence[Use], chosen: Callable[[Use], bool]) -> Share:
    """The part of uses that is chosen; hidden where it or its rest are too few people."""
    part = [use for use in uses if chosen(use)]
    rest = [use for use in uses if not chosen(use)]
    return _share(len(part), len(uses), people_of(part), people_of(rest))


def people_of(uses: Iterable[Use]) -> int:
    """How many people are behind uses."""
    return len({use.psn_no for use in uses})


def seconds_of(found: Sequence[float]) -> Seconds:
    """Median and 90th percentile by nearest rank; at least one value."""
    ordered = sorted(found)
    return Seconds(len(ordered), _rank(ordered, 0.5), _rank(ordered, 0.9))


def _insured(paid: Sequence[Use], seen: Sequence[Seen], inside: Callable[[date], bool]) -> Share:
    here = {each.psn_no for each in seen if inside(each.day)}
    with_insurance = {use.psn_no for use in paid if use.insured and inside(use.day)} & here
    part, whole = len(with_insurance), len(here)
    return _share(part, whole, part, whole - part)


def _share(part: int, whole: int, part_people: int, rest_people: int) -> Share:
    # A part of nobody, or of everybody, points at no one.
    small = any(0 < people < GROUP_MIN for people in (part_people, rest_people))
    return Share(None, None) if small else Share(part, whole)


def _seconds(
    uses: Sequence[Use], key: Callable[[Use], Key], begin: Callable[[Use], datetime | None]
) -> Mapping[Key, Seconds | None]:
    measured = [use for use in uses if use.done_at is not None and begin(use) is not None]
    groups = _grouped(measured, key)
    hidden = hidden_groups({name: people_of(group) for name, group in groups.items()})
    return {
        name: None if name in hidden else seconds_of([_lasted(use, begin) for use in group])
        for name, group in groups.items()
    }


def _lasted(use: Use, begin: Callable[[Use], datetime | None]) -> float:
    began = begin(use)
    if use.done_at is None or began is None:
        return 0.0
    return (use.done_at - began).total_seconds()


def _rank(ordered: Sequence[float], quantile: float) -> float:
    return ordered[max(0, ceil(quantile * len(ordered)) - 1)]


def _grouped(uses: Iterable[Use], key: Callable[[Use], Key]) -> dict[Key, list[Use]]:
    groups: dict[Key, list[Use]] = {}
    for use in uses:
        groups.setdefault(key(use), []).append(use)
    return dict(sorted(groups.items(), key=lambda item: str(item[0])))
