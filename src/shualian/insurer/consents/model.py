"""Consents: who agreed to what, on which wording, and what is in force; pure.

Of the three consents of the notice, (a) the comparison now is of the capture session; (b) keeping
a template and (c) one-scan payment are of the person. A guardian's agreement for a child under 14
(personal information protection law, article 31; face recognition measures of 2025) is of the
person for all three.

A consent under an older wording stays valid for what that said: it counts as long as no more is
done than was said. A newer *material* wording asks again.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from shualian.core.identifiers import InstitutionCode, PersonNo, SessionId, StaffId, TerminalId
from shualian.core.refusals import Helper, KindsOf, Refused
from shualian.insurer.erasures.model import DeletionReceipt, ReceiptNo, StoreName
from shualian.insurer.notices.model import Notices, offered
from shualian.insurer.persons.model import age_on
from shualian.trust.audit.model import Payload, Reference
from shualian.verification.model import ConsentPurpose

OWN_CONSENT_AGE = 14
"""From this age a person agrees alone."""
_ADULT_AGE = 18


class ChannelKind(StrEnum):
    """By which way somebody acted."""

    TERMINAL = "terminal"
    WINDOW = "window"
    PHONE = "phone"
    PARTNER = "partner"
    """A channel's API, such as a payment app."""


class DocumentKind(StrEnum):
    """What a clerk was shown."""

    ID_CARD = "id_card"
    TEMPORARY_ID_CARD = "temporary_id_card"
    HOUSEHOLD_REGISTER = "household_register"
    BIRTH_CERTIFICATE = "birth_certificate"
    GUARDIANSHIP_PAPER = "guardianship_paper"


PHOTO_DOCUMENTS = frozenset((DocumentKind.ID_CARD, DocumentKind.TEMPORARY_ID_CARD))
"""Documents that show whose they are."""


class GuardianRelation(StrEnum):
    """What a guardian is to the person (civil code, articles 27 and 28)."""

    PARENT = "parent"
    GRANDPARENT = "grandparent"
    APPOINTED = "appointed"
    """By a court, an authority or an agreement; also of an adult who cannot decide."""


_PROOFS = {
    GuardianRelation.PARENT: frozenset(
        (DocumentKind.HOUSEHOLD_REGISTER, DocumentKind.BIRTH_CERTIFICATE)
    ),
    GuardianRelation.GRANDPARENT: frozenset(
        (DocumentKind.HOUSEHOLD_REGISTER, DocumentKind.GUARDIANSHIP_PAPER)
    ),
    GuardianRelation.APPOINTED: frozenset((DocumentKind.GUARDIANSHIP_PAPER,)),
}


@dataclass(frozen=True, slots=True)
class Channel:
    """Where somebody acted.

    Attributes:
        kind: By which way.
        institution: Of the terminal or the window.
        terminal_id: At which terminal.
        session_id: The capture session or proof that stands behind it; repeats carry the same.
        partner: Identifier of the partner whose API was used.
    """

    kind: ChannelKind
    institution: InstitutionCode | None = None
    terminal_id: TerminalId | None = None
    session_id: SessionId | None = None
    partner: Reference | None = None


@dataclass(frozen=True, slots=True)
class ByPerson:
    """The person acted: by a proof of their own, or with a document that a clerk saw.

    Attributes:
        document: What was shown at a window.
        checked_by: The clerk who saw it.
    """

    document: DocumentKind | None = None
    checked_by: StaffId | None = None


@dataclass(frozen=True, slots=True)
class ByGuardian:
    """A guardian acted: with documents that a clerk saw, or by a proof of their own afterwards.

    Attributes:
        relation: To the person.
        guardian: The guardian, when insured here.
        document: That proves the relation; ``None`` with a proof of the guardian's own.
        checked_by: The clerk who saw it.
    """

    relation: GuardianRelation
    guardian: PersonNo | None = None
    document: DocumentKind | None = None
    checked_by: StaffId | None = None


GivenBy = ByPerson | ByGuardian


class ConsentChange(StrEnum):
    """What happened to a consent."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class ConsentEvent:
    """One row of a person's consents; rows are never changed.

    Attributes:
        number: 1, 2, 3 ... of this person.
        change: Given or withdrawn.
        purpose: For what.
        notice_version: The wording that was shown; ``None`` for a withdrawal.
        at: When, UTC.
        by: Who acted.
        channel: Where.
        receipt_no: Of the deletion that the withdrawal began.
    """

    number: int
    change: ConsentChange
    purpose: ConsentPurpose
    notice_version: str | None
    at: datetime
    by: GivenBy
    channel: Channel
    receipt_no: ReceiptNo | None = None


@dataclass(frozen=True, slots=True)
class ConsentTerms:
    """What a person's consents come to.

    Attributes:
        in_force: Agreed to, not withdrawn, and still covering what is done.
        ask_again: Agreed to under a wording that a newer material one replaced.
        template_months: How long an unused template may be kept at most, by the wording that the
            person agreed to; 0 without consent.
        guardian_missing: Under 14 and no guardian agrees to comparisons.
    """

    in_force: frozenset[ConsentPurpose]
    ask_again: frozenset[ConsentPurpose]
    template_months: int
    guardian_missing: bool


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A withdrawal that is done.

    Attributes:
        purposes: No longer agreed to.
        at: From when, UTC.
        receipt: What was deleted; ``None`` when the purpose keeps nothing of a face.
    """

    purposes: tuple[ConsentPurpose, ...]
    at: datetime
    receipt: DeletionReceipt | None


@dataclass(frozen=True, slots=True)
class FaceMatters:
    """Everything that is held about a person's face, for the person; never a vector.

    Attributes:
        events: Consents given and withdrawn, oldest first.
        terms: What they come to.
        holdings: Entries in each store now.
        receipts: Of what was deleted.
    """

    events: tuple[ConsentEvent, ...]
    terms: ConsentTerms
    holdings: dict[StoreName, int]
    receipts: tuple[DeletionReceipt, ...]


class ConsentRecorded(Payload, kind="insurer.consent"):
    """The audit's record of a consent given or withdrawn.

    Attributes:
        subject: Whose.
        change: Given or withdrawn.
        purpose: For what.
        notice: The wording; ``None`` for a withdrawal.
        channel: By which way.
        terminal: At which terminal.
        guardian: Whether a guardian acted.
        checked_by: The clerk who saw a document.
        receipt: Of the deletion.
    """

    subject: PersonNo
    change: ConsentChange
    purpose: ConsentPurpose
    notice: Reference | None
    channel: ChannelKind
    terminal: TerminalId | None
    guardian: bool
    checked_by: StaffId | None
    receipt: Reference | None


class FaceMattersShown(Payload, kind="insurer.face_matters_shown"):
    """The audit's record that a copy was shown to others than the person's own face.

    Attributes:
        subject: Whose.
        channel: By which way.
        guardian: Whether a guardian asked.
        checked_by: The clerk who saw a document.
        institution: Where; none at the insurer's own office.
        session: Of a guardian's own scan.
    """

    subject: PersonNo
    channel: ChannelKind
    guardian: bool
    checked_by: StaffId | None = None
    institution: InstitutionCode | None = None
    session: SessionId | None = None


def terms_of(
    events: Sequence[ConsentEvent], notices: Notices, *, birth_date: date, today: date
) -> ConsentTerms:
    """What a person's consents come to on a day.

    Args:
        events: All of the person, oldest first.
        notices: All versions.
        birth_date: Of the person.
        today: Business day.
    """
    age = age_on(birth_date, today)
    last = {event.purpose: event for event in events}
    given = [each for each in last.values() if _stands(each, age=age)]
    covered = {each.purpose: each for each in given if notices.covers(each.notice_version or "")}
    kept = covered.get(ConsentPurpose.TEMPLATE)
    child_alone = age < OWN_CONSENT_AGE and ConsentPurpose.COMPARISON not in covered
    return ConsentTerms(
        # A template that nobody may compare is not kept either.
        in_force=frozenset() if child_alone else frozenset(covered),
        ask_again=frozenset(
            each.purpose for each in given if notices.asks_again(each.notice_version or "")
        ),
        template_months=notices.template_months(kept.notice_version or "") if kept else 0,
        guardian_missing=child_alone,
    )


def _stands(event: ConsentEvent, *, age: int) -> bool:
    """Whether a consent is given, by somebody who may still speak for the person."""
    if event.change is not ConsentChange.GIVEN:
        return False
    if isinstance(event.by, ByPerson):
        return age >= OWN_CONSENT_AGE
    return age < OWN_CONSENT_AGE or event.by.relation is GuardianRelation.APPOINTED


def purposes_to_give(
    purposes: Collection[ConsentPurpose],
    events: Sequence[ConsentEvent],
    *,
    notices: Notices,
    notice_version: str,
    at: datetime,
    by: GivenBy,
) -> tuple[ConsentPurpose, ...]:
    """Which of ``purposes`` need a new row; those given already under this wording need none.

    Of an adult's own ticks the comparison is left to the session that it was given for.

    Raises:
        Refused: ``insurer.notice_outdated``, ``insurer.consent_not_offered``,
            ``insurer.consent_withdrawn`` when it was withdrawn after ``at``.
    """
    notice = notices.check_current(notice_version)
    if not set(purposes) <= set(offered(notice.facts)):
        raise Refused(CONSENT_NOT_OFFERED)
    wanted = set(purposes)
    if isinstance(by, ByPerson):
        wanted.discard(ConsentPurpose.COMPARISON)
    last = {event.purpose: event for event in events}
    # A message that was under way, or is sent again, does not undo a later withdrawal.
    for purpose in wanted & set(last):
        if last[purpose].change is ConsentChange.WITHDRAWN and last[purpose].at >= at:
            raise Refused(CONSENT_WITHDRAWN, purpose=purpose.value)
    return tuple(
        purpose
        for purpose in ConsentPurpose
        if purpose in wanted and not _same(last.get(purpose), notice_version, by)
    )


def _same(event: ConsentEvent | None, notice_version: str, by: GivenBy) -> bool:
    return (
        event is not None
        and event.change is ConsentChange.GIVEN
        and event.notice_version == notice_version
        and event.by == by
    )


def check_giver(by: GivenBy, events: Iterable[ConsentEvent], *, age: int) -> None:
    """Check that who agrees may agree for this person.

    Raises:
        Refused: ``insurer.guardian_missing``, ``insurer.guardian_not_proven``,
            ``insurer.document_not_enough``, ``insurer.clerk_missing``.
    """
    if isinstance(by, ByGuardian):
        check_guardian(by, events, age=age)
        return
    if age < OWN_CONSENT_AGE:
        raise Refused(GUARDIAN_MISSING)
    check_person(by)


def check_withdrawer(by: GivenBy, events: Iterable[ConsentEvent], *, age: int) -> None:
    """Check that who withdraws may do so: as :func:`check_giver`, and a child may too.

    Raises:
        Refused: As :func:`check_giver`, without ``insurer.guardian_missing``.
    """
    if isinstance(by, ByGuardian):
        check_guardian(by, events, age=age)
    else:
        check_person(by)


def check_person(by: ByPerson) -> None:
    """Check the document of a person at a window, if one was shown.

    Raises:
        Refused: ``insurer.document_not_enough``, ``insurer.clerk_missing``.
    """
    if (by.document is None) != (by.checked_by is None):
        raise Refused(CLERK_MISSING)
    own = PHOTO_DOCUMENTS | {DocumentKind.HOUSEHOLD_REGISTER}
    if by.document is not None and by.document not in own:
        raise Refused(DOCUMENT_NOT_ENOUGH, found=by.document.value)


def check_guardian(by: ByGuardian, events: Iterable[ConsentEvent], *, age: int) -> None:
    """Check that somebody is the guardian: by a document that a clerk saw, now or before.

    Raises:
        Refused: ``insurer.guardian_not_proven``, ``insurer.document_not_enough``,
            ``insurer.clerk_missing``.
    """
    # From 14 on people decide alone, unless a court or an authority found that they cannot.
    if age >= OWN_CONSENT_AGE and by.relation is not GuardianRelation.APPOINTED:
        raise Refused(GUARDIAN_NOT_PROVEN, relation=by.relation.value)
    if (by.document is None) != (by.checked_by is None):
        raise Refused(CLERK_MISSING)
    if by.document is None:
        if not _proven_before(by, events):
            raise Refused(GUARDIAN_NOT_PROVEN, relation=by.relation.value)
    elif by.document not in _PROOFS[by.relation]:
        raise Refused(DOCUMENT_NOT_ENOUGH, found=by.document.value)


def _proven_before(by: ByGuardian, events: Iterable[ConsentEvent]) -> bool:
    return by.guardian is not None and any(
        isinstance(event.by, ByGuardian)
        and event.by.document is not None
        and event.by.guardian == by.guardian
        and event.by.relation is by.relation
        for event in events
    )


def guardian_relation(events: Iterable[ConsentEvent], guardian: PersonNo) -> GuardianRelation:
    """What a guardian who was seen before is to the person.

    Raises:
        Refused: ``insurer.guardian_not_proven``.
    """
    for event in events:
        seen = isinstance(event.by, ByGuardian) and event.by.document is not None
        if seen and isinstance(event.by, ByGuardian) and event.by.guardian == guardian:
            return event.by.relation
    raise Refused(GUARDIAN_NOT_PROVEN)


def check_adult(birth_date: date, today: date) -> None:
    """Check that a guardian is an adult.

    Raises:
        Refused: ``insurer.guardian_not_proven``.
    """
    if age_on(birth_date, today) < _ADULT_AGE:
        raise Refused(GUARDIAN_NOT_PROVEN)


def withdrawn_with(purpose: ConsentPurpose) -> tuple[ConsentPurpose, ...]:
    """What ends with a purpose: without the comparison nothing else has a meaning."""
    return tuple(ConsentPurpose) if purpose is ConsentPurpose.COMPARISON else (purpose,)


def erases(purposes: Collection[ConsentPurpose]) -> bool:
    """Whether withdrawing these deletes what is held of a face."""
    return ConsentPurpose.TEMPLATE in purposes


def same_withdrawal(
    events: Iterable[ConsentEvent], purpose: ConsentPurpose, channel: Channel
) -> ConsentEvent | None:
    """The withdrawal that the same proof made before: a repeat has the same answer."""
    if channel.session_id is None:
        return None
    for event in events:
        same = event.channel.session_id == channel.session_id and event.purpose is purpose
        if same and event.change is ConsentChange.WITHDRAWN:
            return event
    return None


_kind = KindsOf("insurer", helper=Helper.CLERK).kind


CONSENT_NOT_IN_FORCE = _kind(
    "consent_not_in_force",
    "没有同意，或已撤回同意",
    "There is no consent in force for this",
    "需要时请重新看说明并同意；不同意也可用医保卡、医保码、身份证办理",
    "Agree to the notice if you want it; the card, the code and the ID card work as well",
    Helper.SELF,
)
CONSENT_NOT_OFFERED = _kind(
    "consent_not_offered",
    "现在的告知书没有这一项",
    "The notice in force does not offer this",
    "请看现在的说明",
    "Read the notice that is in force",
    Helper.SELF,
)
CONSENT_WITHDRAWN = _kind(
    "consent_withdrawn",
    "这项同意后来已经撤回",
    "This consent was withdrawn since",
    "需要时请本人重新同意",
    "Let the person agree again if it is wanted",
    Helper.SELF,
)
CONSENT_TIME_INVALID = _kind(
    "consent_time_invalid",
    "同意的时间不对",
    "The moment of the consent lies in the future",
    "请核对发送方的时钟",
    "Compare the sender's clock",
    Helper.TECHNICIAN,
)
GUARDIAN_MISSING = _kind(
    "guardian_missing",
    "不满14周岁，需要监护人同意",
    "Under 14 a guardian must agree",
    "请监护人带户口簿或出生证明到窗口办理；也可用医保卡、医保码、身份证",
    "Let a guardian come to a window with the household register; card and code work as well",
)
GUARDIAN_NOT_PROVEN = _kind(
    "guardian_not_proven",
    "还没有核对过监护关系",
    "It is not proven that this is the guardian",
    "请监护人带证明材料到窗口办理",
    "Let the guardian come to a window with the documents",
)
DOCUMENT_NOT_ENOUGH = _kind(
    "document_not_enough",
    "这种证件不能证明这件事",
    "This document does not prove it",
    "请换用身份证、户口簿、出生证明或监护证明",
    "Bring the ID card, household register, birth certificate or guardianship paper",
)
CLERK_MISSING = _kind(
    "clerk_missing",
    "证件要由工作人员核对",
    "A document counts only when a clerk has seen it",
    "请到人工窗口办理",
    "Go to a window",
)

REFUSALS = (
    CONSENT_NOT_IN_FORCE,
    CONSENT_NOT_OFFERED,
    CONSENT_WITHDRAWN,
    CONSENT_TIME_INVALID,
    GUARDIAN_MISSING,
    GUARDIAN_NOT_PROVEN,
    DOCUMENT_NOT_ENOUGH,
    CLERK_MISSING,
)
