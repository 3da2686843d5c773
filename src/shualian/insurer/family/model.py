"""Family bindings: who may be bound, on what it rests, how long it holds; pure.

A **holder** acts at a terminal with their own face; a **relative** is the one for whom the holder
acts, and whose benefits and account carry it. One binding is one such pair. Adults agree by their
own act; a child under 16 is bound by a guardian; an adult who cannot scan is bound on documents by
two members of staff, and somebody looks at it again each year.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import NewType

from shualian.core.clock import business_date
from shualian.core.identifiers import (
    InstitutionCode,
    IntentId,
    PersonNo,
    SessionId,
    StaffId,
)
from shualian.core.refusals import Helper, KindsOf, Refused
from shualian.insurer.persons.model import age_on, first_day_of_age
from shualian.trust.audit.model import Payload, Reference
from shualian.verification.model import ConfirmedPerson
from shualian.verification.registry.model import RegistryVerdict

BindingId = NewType("BindingId", str)
ProposalId = NewType("ProposalId", str)

RELATIVES_MAX = 5
"""The most relatives of one holder (亲情账户, national e-voucher)."""
HOLDERS_MAX = 2
"""The most holders of one relative (the same)."""
OWN_ACT_AGE = 16
"""Years from which nobody is bound without their own act."""
GUARDIAN_AGE = 18
"""Years from which somebody can be a guardian (Civil Code, articles 17, 18 and 27)."""
PROPOSAL_VALID = timedelta(days=7)
"""How long a proposal waits for the other side or for the second member of staff."""
PROPOSAL_KEPT = timedelta(days=30)
"""How long a proposal that is over is kept, so that a repeated command finds its answer."""


class Kinship(StrEnum):
    """What the relative is to the holder."""

    MOTHER = "mother"
    FATHER = "father"
    SPOUSE = "spouse"
    CHILD = "child"
    GRANDPARENT = "grandparent"
    GRANDCHILD = "grandchild"
    SIBLING = "sibling"
    PARENT_IN_LAW = "parent_in_law"
    WARD = "ward"
    OTHER = "other"

    @property
    def zh(self) -> str:
        """The word on the screen, in Chinese."""
        return _KINSHIP_WORDS[self][0]

    @property
    def en(self) -> str:
        """The word on the screen, in English."""
        return _KINSHIP_WORDS[self][1]


_KINSHIP_WORDS = {
    Kinship.MOTHER: ("母亲", "mother"),
    Kinship.FATHER: ("父亲", "father"),
    Kinship.SPOUSE: ("配偶", "husband or wife"),
    Kinship.CHILD: ("子女", "child"),
    Kinship.GRANDPARENT: ("祖父母", "grandparent"),
    Kinship.GRANDCHILD: ("孙子女", "grandchild"),
    Kinship.SIBLING: ("兄弟姐妹", "brother or sister"),
    Kinship.PARENT_IN_LAW: ("配偶的父母", "parent-in-law"),
    Kinship.WARD: ("被监护人", "ward"),
    Kinship.OTHER: ("其他亲属", "other relative"),
}
GUARDED = frozenset((Kinship.CHILD, Kinship.GRANDCHILD, Kinship.SIBLING, Kinship.WARD))
"""What a child can be to its guardian."""


class Ground(StrEnum):
    """On what the relative's side of a binding rests."""

    AGREED = "agreed"
    """The relative's own face proof."""
    GUARDIAN = "guardian"
    """A guardian with documents before a clerk; for children, through the 16th birthday."""
    WINDOW = "window"
    """Documents, seen by two members of staff."""


class WindowReason(StrEnum):
    """Why a relative does not agree by their own scan."""

    DEMENTIA = "dementia"
    PALSY = "palsy"
    BURNS = "burns"
    FACE_INJURY = "face_injury"
    BEDRIDDEN = "bedridden"
    UNCONSCIOUS = "unconscious"
    IN_PERSON = "in_person"
    """Stands at the window with the document and agrees, and does not want to use the face."""

    @property
    def reviewed(self) -> bool:
        """Whether somebody looks at it again each year; whoever agreed in person is spared that."""
        return self is not WindowReason.IN_PERSON


class Document(StrEnum):
    """What staff saw in the original."""

    ID_DOCUMENT = "id_document"
    HOUSEHOLD_REGISTER = "household_register"
    BIRTH_CERTIFICATE = "birth_certificate"
    MARRIAGE_CERTIFICATE = "marriage_certificate"
    GUARDIANSHIP = "guardianship"
    MEDICAL_CERTIFICATE = "medical_certificate"


_PROVES_GUARDIAN = frozenset(
    (Document.HOUSEHOLD_REGISTER, Document.BIRTH_CERTIFICATE, Document.GUARDIANSHIP)
)
_PROVES_KIN = _PROVES_GUARDIAN | {Document.MARRIAGE_CERTIFICATE}


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a binding.

    Attributes:
        psn_no: Who.
        birth_date: As in the ID number.
    """

    psn_no: PersonNo
    birth_date: date

    def age_on(self, day: date) -> int:
        """Whole years on ``day``."""
        return age_on(self.birth_date, day)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a binding says, before it has a number.

    Attributes:
        holder: Who may act.
        relative: For whom.
        kinship: What the relative is to the holder.
        ground: On what the relative's side rests.
        reason: Why the relative did not scan; with ``Ground.WINDOW`` only.
        documents: What staff saw; none with ``Ground.AGREED``.
        institution: At whose window; ``None`` at a terminal and at the insurer.
    """

    holder: PersonNo
    relative: PersonNo
    kinship: Kinship
    ground: Ground = Ground.AGREED
    reason: WindowReason | None = None
    documents: frozenset[Document] = frozenset()
    institution: InstitutionCode | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """A pair that is or was bound.

    Attributes:
        binding_id: Its number.
        terms: What it says.
        since: From when on, UTC.
        ends_on: The day after a child's 16th birthday, the first one without it; else ``None``.
        review_due_on: The last day on which it holds without another review; else ``None``.
        ended_at: When it was undone, UTC.
    """

    binding_id: BindingId
    terms: Terms
    since: datetime
    ends_on: date | None = None
    review_due_on: date | None = None
    ended_at: datetime | None = None

    def stands(self, today: date) -> bool:
        """Whether it takes one of the places, in force or waiting for a late review."""
        return self.ended_at is None and (self.ends_on is None or today < self.ends_on)

    def suspended(self, today: date) -> bool:
        """Whether a review was not made in time."""
        return self.review_due_on is not None and today > self.review_due_on

    def in_force(self, at: datetime) -> bool:
        """Whether the holder may act for the relative at ``at``.

        Reviews are not remembered: for a past moment it is told as the last review left it.
        """
        today = business_date(at)
        begun = self.since <= at and (self.ended_at is None or at < self.ended_at)
        grown = self.ends_on is not None and today >= self.ends_on
        return begun and not grown and not self.suspended(today)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A binding that waits for the relative's own act or for a second member of staff.

    Attributes:
        proposal_id: Its number, made by the terminal before, for an adult's own act.
        terms: What it would say.
        proposed_at: UTC.
        expires_at: UTC; from then on it is over.
        proposed_by: The clerk of a window binding; ``None``: the holder, at a terminal.
        binding_id: The binding that it became.
        dropped_at: When either side took it back, UTC.
    """

    proposal_id: ProposalId
    terms: Terms
    proposed_at: datetime
    expires_at: datetime
    proposed_by: StaffId | None = None
    binding_id: BindingId | None = None
    dropped_at: datetime | None = None

    def waits(self, now: datetime) -> bool:
        """Whether it can still become a binding."""
        return self.binding_id is None and self.dropped_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class Member:
    """The other side of a binding, as the screen "今天给谁办？" shows it.

    Attributes:
        binding_id: Of the binding.
        psn_no: The other person.
        masked_name: ``李*梅``.
        kinship: What the relative of the pair is to the holder.
        ground: On what it rests.
        since: From when on, UTC.
        ends_on: The first day without it, of a child's.
        review_due_on: Of a binding on documents.
        in_force: False while a review is late.
    """

    binding_id: BindingId
    psn_no: PersonNo
    masked_name: str
    kinship: Kinship
    ground: Ground
    since: datetime
    ends_on: date | None
    review_due_on: date | None
    in_force: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """A proposal as the relative sees it.

    Attributes:
        proposal_id: Its number, to which the relative's own proof must agree.
        masked_name: Of the holder.
        kinship: What the relative would be to the holder.
        expires_at: UTC.
    """

    proposal_id: ProposalId
    masked_name: str
    kinship: Kinship
    expires_at: datetime


class FamilyAct(StrEnum):
    """What a person does at a terminal by a proof of their own; also the use of that proof."""

    LIST = "family.list"
    PROPOSE = "family.propose"
    AGREE = "family.agree"
    DROP = "family.drop"
    UNBIND = "family.unbind"


class FamilyNews(StrEnum):
    """What somebody is told who was not there."""

    CHILD_BOUND = "family_child_bound"
    """To the other guardian."""
    BOUND_ON_DOCUMENTS = "family_bound_on_documents"
    """To an adult relative."""
    PROPOSED = "family_proposed"
    """To the relative whose agreement is asked for."""
    UNBOUND = "family_unbound"
    """To the side that did not do it."""


class FamilyChange(StrEnum):
    """What was decided about a binding."""

    PROPOSED = "proposed"
    DROPPED = "dropped"
    BOUND = "bound"
    REVIEWED = "reviewed"
    UNBOUND = "unbound"
    SHOWN = "shown"
    """Staff looked at a person's bindings."""


class FamilyEvent(Payload, kind="insurer.family"):
    """The audit's record of a change.

    Attributes:
        change: What happened.
        binding: Number of the binding, once there is one.
        proposal: Number of the proposal, if there was one.
        holder: Who may act; for ``SHOWN`` the person looked at.
        relative: For whom.
        kinship: What the relative is to the holder.
        ground: On what it rests.
        reason: Why the relative did not scan.
        actor: Which member of staff decided; ``None``: a person, by their own proof.
        asked_by: Which person did it or asked for it.
        session: Of that person's face proof.
    """

    change: FamilyChange
    binding: Reference | None = None
    proposal: Reference | None = None
    holder: PersonNo
    relative: PersonNo | None = None
    kinship: Kinship | None = None
    ground: Ground | None = None
    reason: WindowReason | None = None
    actor: StaffId | None = None
    asked_by: PersonNo | None = None
    session: SessionId | None = None


_kind = KindsOf("insurer", helper=Helper.CLERK).kind

_TO_WINDOW = (
    "请到窗口办理，带上双方证件和关系证明",
    "Go to a window with both documents and a proof of the relation",
)

FAMILY_WITH_ONESELF = _kind(
    "family_with_oneself",
    "不能和自己绑定，给自己办直接刷脸就可以",
    "Nobody is bound to themselves; for oneself the own scan is enough",
    "请填写家人的证件号码",
    "Enter the relative's ID number",
    Helper.SELF,
)
FAMILY_RELATIVES_FULL = _kind(
    "family_relatives_full",
    "一个人最多绑定 5 位家人，已经满了",
    "One person may be bound to 5 relatives at most, and is",
    "请先解除一位，或撤回还没同意的申请",
    "Undo one first, or take back a proposal that waits",
    Helper.SELF,
)
FAMILY_HOLDERS_FULL = _kind(
    "family_holders_full",
    "一位家人最多由 2 个人绑定，已经满了",
    "One relative may be bound by 2 people at most, and is",
    "请先解除其中一个",
    "Undo one of them first",
    Helper.SELF,
)
FAMILY_ALREADY_BOUND = _kind(
    "family_already_bound",
    "这位家人已经绑定了，不用再绑",
    "This relative is bound already",
    "可以直接选择给这位家人办理",
    "Choose the relative on the screen",
    Helper.SELF,
)
FAMILY_ALREADY_PROPOSED = _kind(
    "family_already_proposed",
    "已经申请过了，正在等对方同意",
    "This was proposed already and waits for the other side",
    "请对方到任意一台终端刷脸同意",
    "Let the relative agree by their own scan at any terminal",
    Helper.SELF,
)
FAMILY_CHILD_AT_WINDOW = _kind(
    "family_child_at_window",
    "不满 16 周岁的孩子由监护人在窗口绑定，孩子不用刷脸",
    "A child under 16 is bound by a guardian at a window; the child does not scan",
    *_TO_WINDOW,
)
FAMILY_NOT_A_CHILD = _kind(
    "family_not_a_child",
    "已满 16 周岁，要本人自己同意",
    "From 16 on a person agrees by their own act",
    "请本人刷脸同意；不方便刷脸的到窗口凭证件办理",
    "Let the person agree by their own scan, or at a window with documents",
)
FAMILY_HOLDER_TOO_YOUNG = _kind(
    "family_holder_too_young",
    "年龄还不够，不能替家人办理",
    "Too young to act for a relative",
    "请由成年家人绑定",
    "Let a grown-up of the family be bound",
)
FAMILY_NOT_A_GUARDIAN = _kind(
    "family_not_a_guardian",
    "填写的关系不是监护关系",
    "This relation is not that of a guardian to a child",
    "请核对关系证明",
    "Compare the proof of the relation",
)
FAMILY_DOCUMENTS_MISSING = _kind(
    "family_documents_missing",
    "证明材料不齐",
    "A document is missing",
    "请补齐身份证件、关系证明；因病不能刷脸的还要诊断证明",
    "Identity, relation and, for an illness, a medical certificate must be seen",
)
FAMILY_SECOND_PERSON = _kind(
    "family_second_person",
    "要由另一位工作人员复核",
    "Another member of staff must confirm this",
    "请换一位工作人员核对原件",
    "Let somebody else look at the originals",
)
FAMILY_PROPOSAL_NOT_FOUND = _kind(
    "family_proposal_not_found",
    "没有这个绑定申请",
    "There is no such proposal",
    "请重新申请",
    "Propose it again",
    Helper.SELF,
)
FAMILY_PROPOSAL_OVER = _kind(
    "family_proposal_over",
    "这个绑定申请已经办完、过期或撤回",
    "This proposal is done, has expired or was taken back",
    "请看一看现有的绑定，需要时重新申请",
    "Look at the bindings that there are; propose it again if needed",
    Helper.SELF,
)
FAMILY_PROPOSAL_DIFFERS = _kind(
    "family_proposal_differs",
    "同一个编号已经用于另一个申请",
    "This number belongs to another proposal",
    "请重新开始",
    "Begin again",
    Helper.TECHNICIAN,
)
FAMILY_BINDING_NOT_FOUND = _kind(
    "family_binding_not_found",
    "没有这个绑定，或已经解除",
    "There is no such binding, or it was undone",
    "请看一看现有的绑定",
    "Look at the bindings that there are",
    Helper.SELF,
)
FAMILY_NOT_BOUND = _kind(
    "family_not_bound",
    "您现在不能替这个人办理",
    "There is no family binding in force with this person",
    "请先绑定家人；绑定待年审的请到窗口；也可以由本人办理",
    "Bind the relative first, have a late review made at a window, or let the person come",
)
FAMILY_NO_REVIEW = _kind(
    "family_no_review",
    "这个绑定不需要年审",
    "This binding needs no review",
    "不用办理",
    "Nothing is to be done",
)
FAMILY_PROOF_WEAK = _kind(
    "family_proof_weak",
    "这次刷脸没有和公安库核对上，不能用来绑定家人",
    "This scan was not confirmed by the police registry, which a binding needs",
    "请稍后再刷一次，或到窗口凭证件办理",
    "Scan again later, or go to a window with documents",
)
PROXY_NOT_OFFERED = _kind(
    "proxy_not_offered",
    "家属代办还没有开通",
    "Acting as a proxy is not offered yet",
    "请绑定家人后再办，或由本人办理",
    "Bind the relative first, or let the person come",
)

REFUSALS = (
    FAMILY_WITH_ONESELF,
    FAMILY_RELATIVES_FULL,
    FAMILY_HOLDERS_FULL,
    FAMILY_ALREADY_BOUND,
    FAMILY_ALREADY_PROPOSED,
    FAMILY_CHILD_AT_WINDOW,
    FAMILY_NOT_A_CHILD,
    FAMILY_HOLDER_TOO_YOUNG,
    FAMILY_NOT_A_GUARDIAN,
    FAMILY_DOCUMENTS_MISSING,
    FAMILY_SECOND_PERSON,
    FAMILY_PROPOSAL_NOT_FOUND,
    FAMILY_PROPOSAL_OVER,
    FAMILY_PROPOSAL_DIFFERS,
    FAMILY_BINDING_NOT_FOUND,
    FAMILY_NOT_BOUND,
    FAMILY_NO_REVIEW,
    FAMILY_PROOF_WEAK,
    PROXY_NOT_OFFERED,
)


def next_review(today: date) -> date:
    """The last day on which a binding holds that is reviewed ``today``: the same of next year."""
    return first_day_of_age(today, 1) - timedelta(days=1)


def check_parties(holder: Party, relative: Party, terms: Terms, *, today: date) -> None:
    """Check who may be bound to whom on this ground.

    Raises:
        Refused: ``insurer.family_with_oneself``, ``family_holder_too_young``,
            ``family_child_at_window``, ``family_not_a_child``, ``family_not_a_guardian``.
    """
    if holder.psn_no == relative.psn_no:
        raise Refused(FAMILY_WITH_ONESELF)
    of_child = terms.ground is Ground.GUARDIAN
    age_min = GUARDIAN_AGE if of_child else OWN_ACT_AGE
    if holder.age_on(today) < age_min:
        raise Refused(FAMILY_HOLDER_TOO_YOUNG, limit_years=age_min)
    # Whoever is 16 has a say of their own, and whoever is younger cannot be asked alone.
    is_child = relative.age_on(today) < OWN_ACT_AGE
    if is_child and not of_child:
        raise Refused(FAMILY_CHILD_AT_WINDOW)
    if of_child and not is_child:
        raise Refused(FAMILY_NOT_A_CHILD)
    if of_child and terms.kinship not in GUARDED:
        raise Refused(FAMILY_NOT_A_GUARDIAN, found=terms.kinship.value)


def check_documents(terms: Terms) -> None:
    """Check that staff saw what the ground needs.

    Raises:
        Refused: ``insurer.family_documents_missing``.
    """
    needed = [frozenset((Document.ID_DOCUMENT,))]
    if terms.ground is Ground.GUARDIAN:
        needed.append(_PROVES_GUARDIAN)
    elif terms.reason is not WindowReason.IN_PERSON:
        needed += [_PROVES_KIN, frozenset((Document.MEDICAL_CERTIFICATE,))]
    for alternatives in needed:
        if alternatives.isdisjoint(terms.documents):
            raise Refused(FAMILY_DOCUMENTS_MISSING, one_of=",".join(sorted(map(str, alternatives))))


def check_room(
    terms: Terms, *, of_holder: Collection[Binding], of_relative: Collection[Binding], today: date
) -> None:
    """Check the limits and that the pair is not bound yet.

    Args:
        terms: Of the new binding.
        of_holder: All bindings in which the holder is the holder.
        of_relative: All bindings in which the relative is the relative.
        today: The business day.

    Raises:
        Refused: ``insurer.family_already_bound``, ``family_relatives_full``,
            ``family_holders_full``.
    """
    relatives = {each.terms.relative for each in of_holder if each.stands(today)}
    holders = {each.terms.holder for each in of_relative if each.stands(today)}
    if terms.relative in relatives:
        raise Refused(FAMILY_ALREADY_BOUND)
    if len(relatives) >= RELATIVES_MAX:
        raise Refused(FAMILY_RELATIVES_FULL, limit=RELATIVES_MAX)
    if len(holders) >= HOLDERS_MAX:
        raise Refused(FAMILY_HOLDERS_FULL, limit=HOLDERS_MAX)


def check_proposals(
    terms: Terms, *, waiting: Sequence[Proposal], of_holder: Collection[Binding], today: date
) -> None:
    """Check that a holder does not ask more people than there are places.

    Args:
        terms: Of the new proposal.
        waiting: The holder's proposals that can still become bindings.
        of_holder: All bindings in which the holder is the holder.
        today: The business day.

    Raises:
        Refused: ``insurer.family_already_proposed``, ``family_relatives_full``.
    """
    if any(each.terms.relative == terms.relative for each in waiting):
        raise Refused(FAMILY_ALREADY_PROPOSED)
    taken = len(waiting) + sum(each.stands(today) for each in of_holder)
    if taken >= RELATIVES_MAX:
        raise Refused(FAMILY_RELATIVES_FULL, limit=RELATIVES_MAX)


def check_waits(proposal: Proposal, *, now: datetime) -> None:
    """Check that a proposal can still become a binding.

    Raises:
        Refused: ``insurer.family_proposal_over``.
    """
    if not proposal.waits(now):
        raise Refused(FAMILY_PROPOSAL_OVER)


def check_second(proposal: Proposal, approver: StaffId) -> None:
    """Check that a window binding is confirmed by another than the one who entered it.

    Raises:
        Refused: ``insurer.family_second_person``, ``family_proposal_not_found`` for a proposal
            that only the relative's own act can accept.
    """
    if proposal.proposed_by is None or proposal.terms.ground is not Ground.WINDOW:
        raise Refused(FAMILY_PROPOSAL_NOT_FOUND)
    if proposal.proposed_by == approver:
        raise Refused(FAMILY_SECOND_PERSON)


def check_binding_proof(person: ConfirmedPerson) -> None:
    """Check that a person's own act is proven well enough to open their voucher to another.

    Raises:
        Refused: ``insurer.family_proof_weak`` without active liveness or the registry's match.
    """
    if not person.active or person.registry is not RegistryVerdict.MATCH:
        raise Refused(FAMILY_PROOF_WEAK)


def bind(binding_id: BindingId, terms: Terms, relative: Party, *, now: datetime) -> Binding:
    """The binding of checked terms, from ``now`` on."""
    today = business_date(now)
    of_child = terms.ground is Ground.GUARDIAN
    reviewed = terms.reason is not None and terms.reason.reviewed
    return Binding(
        binding_id=binding_id,
        terms=terms,
        since=now,
        ends_on=first_day_of_age(relative.birth_date, OWN_ACT_AGE) if of_child else None,
        review_due_on=next_review(today) if reviewed else None,
    )


def propose(
    proposal_id: ProposalId, terms: Terms, *, by: StaffId | None, now: datetime
) -> Proposal:
    """The proposal of checked terms."""
    return Proposal(proposal_id, terms, now, now + PROPOSAL_VALID, by)


def intent_of(act: FamilyAct, *said: str, nonce: str) -> IntentId:
    """The intent that a person confirms: this act on exactly this, in this one scan.

    The first 120 bits of SHA-256 (FIPS 180-4) over the lines that say what is done, in hexadecimal.
    The terminal computes it before the confirmation, the insurer again before the act, so a proof
    for one proposal agrees to no other. The nonce is new for each scan: one that was refused, or a
    scan of the wrong person, does not use the intent up for the right one.

    Args:
        act: What is done.
        said: What it is done to, in the order of the body: numbers, codes.
        nonce: Made by the terminal, at least 128 bits; a typed ID number cannot be guessed from
            the intent without it.
    """
    lines = "\n".join(("shualian family 1", act.value, *said, nonce))
    return IntentId(sha256(lines.encode()).hexdigest()[:30])
