"""What a person is told before the camera, and whether it is what the program does; pure.

Every fact that matters is stated by a clause of the words, and start-up compares each fact with
the running configuration. Proven: a notice without a clause for a fact, or with a number that is
not the running one, is refused. Not proven: that a sentence means what its ``states`` says; that
is read by people when a version is made.
"""

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    StringConstraints,
    ValidationError,
    model_validator,
)

from shualian.core.refusals import Finality, Helper, KindsOf, Refused
from shualian.core.settings import RegistryCheck, Settings
from shualian.verification.model import ConsentPurpose

VERSION_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(\.[0-9]{1,2})?$"
"""The day of publication, and a number when there are several of a day."""

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_CONTACTS = frozenset(("institution", "insurer", "insurer_phone"))
_Text = Annotated[str, StringConstraints(min_length=1, max_length=400)]


class RegistryUse(StrEnum):
    """When a picture goes to the police registry."""

    NEVER = "never"
    RISK = "risk"
    ALWAYS = "always"


class SafetyTopic(StrEnum):
    """The four questions behind "is it safe?" (刷脸安全吗？)."""

    WHO_SEES = "who_sees"
    WHAT_IS_KEPT = "what_is_kept"
    PROTECTION = "protection"
    DELETION = "deletion"


class _FilePart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Words(_FilePart):
    """The same in Chinese and English."""

    zh: _Text
    en: _Text


@dataclass(frozen=True, slots=True)
class RunningFacts:
    """What is done with face data: as a notice states it, or as the program runs.

    Attributes:
        handler_named: Whether who handles the data is named, with a telephone.
        registry: When the police registry, the only recipient, gets a picture.
        frames_stored: Whether pictures outlive the decision.
        degraded_mode: Whether small amounts are settled while the registry is unreachable.
        templates_kept: Whether templates are kept of who agrees.
        template_months: Until an unused template is deleted, months.
        payment_consent: Whether one-scan payment is offered.
        backup_days: Until what is deleted is gone from backups too, days.
    """

    handler_named: bool
    registry: RegistryUse
    frames_stored: bool
    degraded_mode: bool
    templates_kept: bool
    template_months: int
    payment_consent: bool
    backup_days: int


FACTS = tuple(fact.name for fact in fields(RunningFacts))


class Clause(Words):
    """One sentence of the notice, and which facts it states."""

    states: tuple[str, ...]


class Tick(Words):
    """What is agreed to by one tick; it is never ticked beforehand."""

    purpose: ConsentPurpose


class SafetySentence(Words):
    """One of the four plain sentences."""

    topic: SafetyTopic


class Notice(_FilePart):
    """One published version of the notice.

    Attributes:
        version: Its name.
        published: From which day.
        material: Whether who agreed to an older version is asked again.
        spoken: The short text that is read aloud.
        facts: What the clauses state.
        clause: Sentences, in order.
        tick: One for each purpose that is offered.
        safety: The four sentences of "is it safe?", in order.
    """

    version: Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
    published: date
    material: bool
    spoken: Words
    facts: RunningFacts
    clause: tuple[Clause, ...]
    tick: tuple[Tick, ...]
    safety: tuple[SafetySentence, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _check_stated(self.clause, self.facts)
        if [each.purpose for each in self.tick] != list(offered(self.facts)):
            raise ValueError("one tick for each purpose that is offered, in order")
        if [each.topic for each in self.safety] != list(SafetyTopic):
            raise ValueError("the four sentences, in order")
        allowed = _CONTACTS | set(FACTS)
        for words in (self.spoken, *self.clause, *self.tick, *self.safety):
            for text in (words.zh, words.en):
                if not set(_PLACEHOLDER.findall(text)) <= allowed:
                    raise ValueError("no such placeholder")
        return self

    def text(self, settings: Settings, *, institution: str | None = None) -> Words:
        """The whole notice with contacts and numbers filled in.

        Args:
            settings: Names the insurer and its telephone.
            institution: Where the person stands, as people call it.
        """
        filled = [self._filled(each, settings, institution) for each in self.clause]
        return Words.model_construct(
            zh="".join(each.zh for each in filled), en=" ".join(each.en for each in filled)
        )

    def safety_text(self, settings: Settings) -> tuple[Words, ...]:
        """The four plain sentences, filled in."""
        return tuple(self._filled(each, settings, None) for each in self.safety)

    def _filled(self, words: Words, settings: Settings, institution: str | None) -> Words:
        contacts = {"insurer": settings.insurer_name, "insurer_phone": settings.insurer_phone}
        numbers = {name: str(getattr(self.facts, name)) for name in FACTS}
        known = {**contacts, **numbers}
        return Words.model_construct(
            zh=_fill(words.zh, {**known, "institution": institution or "本机构"}),
            en=_fill(words.en, {**known, "institution": institution or "This institution"}),
        )


def _fill(text: str, known: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: known[found.group(1)], text)


def _check_stated(clauses: Sequence[Clause], facts: RunningFacts) -> None:
    stated = [name for clause in clauses for name in clause.states]
    if set(stated) != set(FACTS):
        raise ValueError("every fact must be stated by a clause, and nothing else")
    for clause in clauses:
        for name in clause.states:
            is_number = type(getattr(facts, name)) is int
            placed = all(f"{{{name}}}" in text for text in (clause.zh, clause.en))
            if is_number and not placed:
                raise ValueError("a clause that states a number must show it")


def offered(facts: RunningFacts) -> tuple[ConsentPurpose, ...]:
    """For which purposes a tick is shown."""
    wanted = {
        ConsentPurpose.COMPARISON: True,
        ConsentPurpose.TEMPLATE: facts.templates_kept,
        ConsentPurpose.ONE_SCAN_PAYMENT: facts.payment_consent,
    }
    return tuple(purpose for purpose, is_offered in wanted.items() if is_offered)


def parse_notice(text: str) -> Notice:
    """A version of the notice from its TOML.

    Raises:
        Refused: ``insurer.notice_invalid``.
    """
    try:
        return Notice.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as wrong:
        raise Refused(NOTICE_INVALID, found=str(wrong)) from None
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused(NOTICE_INVALID, place=place, found=first["msg"]) from None


def running_facts(
    settings: Settings, *, frames_stored: bool, templates_kept: bool, payment_consent: bool
) -> RunningFacts:
    """What the program does under ``settings``; the rest is what was assembled."""
    asked = {RegistryCheck.ALWAYS: RegistryUse.ALWAYS, RegistryCheck.RISK: RegistryUse.RISK}
    has_registry = settings.registry_url is not None
    return RunningFacts(
        handler_named=bool(settings.insurer_name.strip() and settings.insurer_phone.strip()),
        registry=asked[settings.registry_check] if has_registry else RegistryUse.NEVER,
        frames_stored=frames_stored,
        degraded_mode=settings.registry_degraded_max_fen > 0,
        templates_kept=templates_kept,
        template_months=settings.template_months,
        payment_consent=payment_consent,
        backup_days=settings.backup_days,
    )


def check_notice(notice: Notice, running: RunningFacts) -> None:
    """Refuse to run otherwise than the notice says.

    Raises:
        Refused: ``insurer.notice_differs`` with the first fact that differs.
    """
    for name in FACTS:
        says, does = getattr(notice.facts, name), getattr(running, name)
        if says != does:
            raise Refused(
                NOTICE_DIFFERS, fact=name, version=notice.version, says=str(says), does=str(does)
            )


def covers(said: RunningFacts, running: RunningFacts) -> bool:
    """Whether an agreement to what was ``said`` still covers what is done.

    Less than was said is covered, more is not. Months are not looked at: a template is kept no
    longer than was said to its person.
    """
    strength = list(RegistryUse)
    return (
        strength.index(running.registry) <= strength.index(said.registry)
        and running.frames_stored <= said.frames_stored
        and running.degraded_mode <= said.degraded_mode
        and running.backup_days <= said.backup_days
    )


class Notices:
    """All published versions, oldest first; only the last can be agreed to."""

    def __init__(self, notices: Iterable[Notice]) -> None:
        """Check the versions against each other.

        Raises:
            Refused: ``insurer.notice_invalid`` for none, or two with one name.
        """
        self._ordered = sorted(notices, key=lambda each: (each.published, each.version))
        self._by_version = {each.version: each for each in self._ordered}
        if not self._ordered or len(self._by_version) != len(self._ordered):
            raise Refused(NOTICE_INVALID, versions=len(self._ordered))

    @property
    def current(self) -> Notice:
        """The version in force."""
        return self._ordered[-1]

    def check_current(self, version: str) -> Notice:
        """The version in force, when it is the one that the person was shown.

        Raises:
            Refused: ``insurer.notice_outdated``.
        """
        if version != self.current.version:
            raise Refused(NOTICE_OUTDATED, current=self.current.version)
        return self.current

    def covers(self, version: str) -> bool:
        """Whether an agreement to ``version`` covers what the current one says is done."""
        agreed = self._by_version.get(version)
        return agreed is not None and covers(agreed.facts, self.current.facts)

    def asks_again(self, version: str) -> bool:
        """Whether who agreed to ``version`` is asked again: a material version came after."""
        agreed = self._by_version.get(version)
        if agreed is None:
            return True
        later = self._ordered[self._ordered.index(agreed) + 1 :]
        return any(each.material for each in later)

    def template_months(self, version: str) -> int:
        """How long ``version`` said that an unused template is kept; 0 for an unknown version."""
        agreed = self._by_version.get(version)
        return 0 if agreed is None else agreed.facts.template_months


_kind = KindsOf("insurer").kind


NOTICE_INVALID = _kind(
    "notice_invalid",
    "告知书文件有错误",
    "The file of the notice is not valid",
    "请对照随程序提供的告知书文件改正",
    "Compare it with the notice that comes with the program and correct it",
)
NOTICE_DIFFERS = _kind(
    "notice_differs",
    "告知书写的和系统实际做的不一样，不能启动",
    "The notice does not say what the running configuration does",
    "请改回设置，或发布写明实际做法的新告知书",
    "Set it back, or publish a notice that says what is done",
)
NOTICE_OUTDATED = _kind(
    "notice_outdated",
    "告知书有了新内容",
    "There is a newer notice",
    "请看新的说明，再选择是否同意",
    "Read the new one and decide again",
    Helper.SELF,
    Finality.TEMPORARY,
)

REFUSALS = (NOTICE_INVALID, NOTICE_DIFFERS, NOTICE_OUTDATED)
