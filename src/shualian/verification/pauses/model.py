"""How failures are counted and how long the face rests after them; pure.

Two counters run beside each other. The one of a **claimed identity** slows down whoever tries
faces against somebody's number, at whatever terminal. The one of a **terminal** slows down whoever
tries one number after the other at one machine.

What a pause never does: it concerns the face only, so card, code, ID document and window stay
open; it always ends by itself; and it does not concern a person claimed by a document, by a
doctor's call or from a list (:func:`paused_claim`), so a stranger who types somebody's number
cannot take the face from the person who brings the ID card.

What is not proven: a window is fixed, not sliding, so up to twice ``failures_max`` minus one
failures can fall into one span as long as the window before the first pause.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shualian.core.identifiers import PersonNo, TerminalId
from shualian.core.refusals import Finality, Helper, KindsOf, Refused
from shualian.trust.audit.model import Payload
from shualian.verification.sessions.model import Sought, SoughtBy


@dataclass(frozen=True, slots=True)
class PauseRule:
    """When a pause begins and how it grows.

    Attributes:
        failures_max: So many failures inside one window begin a pause.
        window: From the first failure counted.
        first: Length of the first pause.
        longest: No pause is longer.
        forgotten_after: So long after the end of the last pause the next one is a first one.
    """

    failures_max: int
    window: timedelta
    first: timedelta
    longest: timedelta
    forgotten_after: timedelta

    def __post_init__(self) -> None:
        shortest = min(self.window, self.first, self.forgotten_after)
        if self.failures_max < 1 or shortest <= timedelta() or self.longest < self.first:
            raise ValueError("a pause needs a failure, has a length and a longest length")


CLAIMED_RULE = PauseRule(
    failures_max=6,
    window=timedelta(minutes=15),
    first=timedelta(minutes=2),
    longest=timedelta(hours=4),
    forgotten_after=timedelta(hours=24),
)
"""Per claimed identity; starting values.

Six failures are two whole captures of three attempts, so somebody whose face is hard to see is
not paused for trying twice. With the longest pause of four hours one identity can be tried at most
:func:`failures_possible` times a day, whatever the number of terminals (72 with these values).
"""

TERMINAL_RULE = PauseRule(
    failures_max=12,
    window=timedelta(minutes=10),
    first=timedelta(seconds=30),
    longest=timedelta(minutes=10),
    forgotten_after=timedelta(hours=1),
)
"""Per terminal; starting values.

A busy terminal has about ten captures in ten minutes, so twelve failures mean that next to
everything fails: somebody tries numbers, or the camera or the light is bad. The pauses stay short,
because honest people stand in the queue too.
"""


@dataclass(frozen=True, slots=True)
class Failures:
    """What is remembered of one identity or one terminal.

    Attributes:
        counted_since: Beginning of the window, UTC.
        failures: In the window so far; less than the rule's ``failures_max``.
        pauses: How many pauses followed each other; 0 before the first.
        paused_until: End of the last pause, UTC; ``None`` before the first.
    """

    counted_since: datetime
    failures: int
    pauses: int = 0
    paused_until: datetime | None = None


class FacePaused(Payload, kind="verification.paused"):
    """The audit's record of a pause that began.

    Attributes:
        terminal_id: Where the last failure was.
        subject: Whose claimed identity rests; ``None``: the terminal itself.
        pauses: How many pauses followed each other.
        until: When it ends.
    """

    terminal_id: TerminalId
    subject: PersonNo | None
    pauses: int
    until: datetime


@dataclass(frozen=True, slots=True)
class TerminalAlarm:
    """A terminal at which the face had to rest.

    Attributes:
        terminal_id: Which.
        pauses: How many followed each other.
        paused_until: End of the last one, UTC; may have passed.
    """

    terminal_id: TerminalId
    pauses: int
    paused_until: datetime


_kind = KindsOf("verification", helper=Helper.SELF).kind

CLAIM_PAUSED = _kind(
    "claim_paused",
    "这个号码今天试的次数多了，刷脸先歇一会儿",
    "The face rests for a while: this number was tried many times",
    "现在就能办：医保卡、医保码，或出示身份证再刷脸，也可以去窗口",
    "Open now: card, e-voucher code, ID card together with the face, or a window",
    finality=Finality.TEMPORARY,
)
TERMINAL_PAUSED = _kind(
    "terminal_paused",
    "这台机器刷脸先歇一会儿",
    "The face rests for a while at this terminal",
    "现在就能办：医保卡、医保码、身份证，或用旁边的机器，也可以去窗口",
    "Open now: card, e-voucher code or ID card, another terminal, or a window",
    Helper.CLERK,
    Finality.TEMPORARY,
)

REFUSALS = (CLAIM_PAUSED, TERMINAL_PAUSED)


def paused_claim(sought: Sought) -> PersonNo | None:
    """Whose pause is asked for: only that of a person claimed by a typed number.

    A typed number can be anybody's. A document lies in somebody's hand, a called patient was named
    by a doctor, and among narrowed people nobody is claimed.
    """
    return sought.claimed if sought.by is SoughtBy.NUMBER else None


def pause_length(rule: PauseRule, pauses: int) -> timedelta:
    """Length of the ``pauses``-th pause in a row: doubled each time, at most ``rule.longest``."""
    length = rule.first
    for _ in range(pauses - 1):
        if length >= rule.longest:
            break
        length *= 2
    return min(length, rule.longest)


def counted(before: Failures | None, *, rule: PauseRule, now: datetime) -> Failures:
    """One failure more; with the last one that a window holds a pause begins.

    A failure that arrives during a pause (of an attempt begun before) counts towards the next one.
    """
    if before is None or is_forgotten(before, rule=rule, now=now):
        before = Failures(now, 0)
    elif now - before.counted_since >= rule.window:
        before = replace(before, counted_since=now, failures=0)
    failures = before.failures + 1
    if failures < rule.failures_max:
        return replace(before, failures=failures)
    pauses = before.pauses + 1
    return Failures(now, 0, pauses, now + pause_length(rule, pauses))


def is_forgotten(found: Failures, *, rule: PauseRule, now: datetime) -> bool:
    """Whether nothing of it matters any more."""
    window_over = now - found.counted_since >= rule.window
    rested = found.paused_until is None or now - found.paused_until >= rule.forgotten_after
    return window_over and rested


def paused_until(found: Failures | None, *, now: datetime) -> datetime | None:
    """When the present pause ends, UTC; ``None`` when there is none."""
    if found is None or found.paused_until is None or now >= found.paused_until:
        return None
    return found.paused_until


def check_pauses(*, terminal: Failures | None, claimed: Failures | None, now: datetime) -> None:
    """Let an attempt by face pass when no pause is on; says until when, never of whom.

    Raises:
        Refused: ``verification.claim_paused``, ``verification.terminal_paused``, each with
            ``until`` and the ``seconds`` left.
    """
    for kind, found in ((CLAIM_PAUSED, claimed), (TERMINAL_PAUSED, terminal)):
        until = paused_until(found, now=now)
        if until is not None:
            seconds = -(-(until - now) // timedelta(seconds=1))
            raise Refused(kind, until=until.isoformat(), seconds=seconds)


def failures_possible(rule: PauseRule, *, within: timedelta) -> int:
    """The most failures that somebody who waits for the end of every pause can cause.

    Failures themselves take no time here, and nothing was counted before.
    """
    elapsed, pauses = timedelta(), 0
    while elapsed < within:
        pauses += 1
        elapsed += pause_length(rule, pauses)
    return pauses * rule.failures_max
