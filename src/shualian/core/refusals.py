"""Refusals as data: every "no" has a code, words in two languages, a way on and an owner."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Finality(StrEnum):
    """Whether asking again can help."""

    FINAL = "final"
    TEMPORARY = "temporary"
    UNKNOWN = "unknown"


class Helper(StrEnum):
    """Who can help a person past the refusal."""

    SELF = "self"
    CLERK = "clerk"
    INSURER = "insurer"
    TECHNICIAN = "technician"


@dataclass(frozen=True, slots=True)
class RefusalKind:
    """One kind of refusal; the kinds of a part are the closed set declared in its model.

    Attributes:
        code: Stable, dotted, lower case, begins with the part: ``face.no_face``.
        zh: What happened, for a person, in Chinese.
        en: The same in English.
        next_zh: What to do next, in Chinese.
        next_en: The same in English.
        helper: Who can help.
        finality: Whether asking again can help.
    """

    code: str
    zh: str
    en: str
    next_zh: str
    next_en: str
    helper: Helper
    finality: Finality


@dataclass(frozen=True, slots=True)
class KindsOf:
    """How a part declares its kinds of refusal; ``KindsOf("face").kind("no_face", …)``.

    Attributes:
        part: Stands before every code.
        helper: Who can help, unless a kind says otherwise.
    """

    part: str
    helper: Helper = Helper.TECHNICIAN

    def kind(
        self,
        code: str,
        zh: str,
        en: str,
        next_zh: str,
        next_en: str,
        helper: Helper | None = None,
        finality: Finality = Finality.FINAL,
    ) -> RefusalKind:
        """One kind; ``code`` without the part's name, the rest as in :class:`RefusalKind`."""
        return RefusalKind(
            f"{self.part}.{code}", zh, en, next_zh, next_en, helper or self.helper, finality
        )


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error of the program
    """A request was refused; nothing was changed.

    ``details`` holds facts that help to mend the cause. It must never hold a name, an ID number,
    an image, a template or a token: refusals are logged and shown.
    """

    def __init__(self, kind: RefusalKind, **details: str | int | float) -> None:
        self.kind = kind
        self.details: Mapping[str, str | int | float] = details
        facts = "".join(f" {name}={value}" for name, value in details.items())
        super().__init__(f"[{kind.code}] {kind.en}{facts}. {kind.next_en}")

    def __reduce__(self) -> tuple[object, ...]:
        """Travels between processes with all that it says."""
        return _refused, (self.kind, dict(self.details))

    def as_json(self) -> dict[str, object]:
        """The refusal as a JSON-ready mapping, the same for command line and network."""
        kind = self.kind
        return {
            "code": kind.code,
            "message": {"zh": kind.zh, "en": kind.en},
            "next": {"zh": kind.next_zh, "en": kind.next_en},
            "helper": kind.helper.value,
            "finality": kind.finality.value,
            "details": dict(self.details),
        }


def _refused(kind: RefusalKind, details: dict[str, str | int | float]) -> Refused:
    return Refused(kind, **details)
