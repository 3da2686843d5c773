"""What a verified scan leads to; pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shualian.core.identifiers import PersonNo, SessionId
from shualian.core.refusals import RefusalKind
from shualian.insurer.vouchers.model import VoucherState
from shualian.verification.model import ConsentPurpose, Factor, VerifiedPerson
from shualian.verification.registry.model import RegistryVerdict
from shualian.verification.sessions.model import CaptureSession, SoughtBy

REFUSALS: tuple[RefusalKind, ...] = ()
"""Nothing of its own: vouchers, consents and templates refuse."""


class TemplateStep(StrEnum):
    """What became of the template of a session.

    ``WANTED`` stays when the process died or the gallery could not take it; the next scan of the
    person in which keeping one is agreed to completes it.
    """

    NONE = "none"
    WANTED = "wanted"
    ENROLLED = "enrolled"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ScanFollowed:
    """What followed from one session, as it is kept.

    Attributes:
        session_id: Of the scan.
        psn_no: Who was verified.
        before: Where the voucher stood before.
        activated: Whether the scan activated or woke it.
        template: What became of the template.
        at: UTC.
    """

    session_id: SessionId
    psn_no: PersonNo
    before: VoucherState
    activated: bool
    template: TemplateStep
    at: datetime


@dataclass(frozen=True, slots=True)
class Agreement:
    """Ticks that were set together.

    Attributes:
        notice_version: Of the notice that was shown.
        given_at: UTC.
        purposes: What is kept of the person; the comparison is of the session.
    """

    notice_version: str
    given_at: datetime
    purposes: frozenset[ConsentPurpose]


def is_strong(person: VerifiedPerson) -> bool:
    """Whether a scan may activate, wake, write down consents and enrol.

    Active liveness was passed, the police registry matched, and something beside the face said
    who it is: never from an open search alone.
    """
    claimed = bool(person.factors - {Factor.FACE})
    return person.active and person.registry is RegistryVerdict.MATCH and claimed


def may_enrol(session: CaptureSession, in_force: Collection[ConsentPurpose]) -> bool:
    """Whether a template of this session may be kept.

    It was agreed to, now or earlier (then a scan completes what a crash cut short). The person
    was claimed by the whole number or a document: one who was found by a search (1:N) could be
    somebody else, and then the gallery would stay wrong.
    """
    agreed = session.agreed(ConsentPurpose.TEMPLATE) or ConsentPurpose.TEMPLATE in in_force
    return agreed and session.sought.by in {SoughtBy.NUMBER, SoughtBy.DOCUMENT}


def may_follow(before: VoucherState, person: VerifiedPerson) -> bool:
    """Whether the scan touches the voucher: an active one always, another one when strong.

    Frozen and closed ones are left alone: their owners come to unfreeze, or for other matters.
    """
    if before is VoucherState.ACTIVE:
        return True
    return before in {VoucherState.NOT_ACTIVATED, VoucherState.DORMANT} and is_strong(person)


def agreements(session: CaptureSession) -> tuple[Agreement, ...]:
    """What was ticked in a session and is kept of the person, by notice and moment."""
    found: dict[tuple[str, datetime], set[ConsentPurpose]] = {}
    for consent in session.consents:
        if consent.purpose is not ConsentPurpose.COMPARISON:
            key = (consent.notice_version, consent.given_at)
            found.setdefault(key, set()).add(consent.purpose)
    return tuple(
        Agreement(version, at, frozenset(purposes)) for (version, at), purposes in found.items()
    )
