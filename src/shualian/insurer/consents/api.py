"""Consents over HTTP: the notice, agreeing, withdrawing, a copy of what is held, receipts.

At a terminal every act has a proof of its own (scene 09001); its ``use`` names act and purpose, so
one scan cannot be turned into another act. At a window a clerk has seen documents. On the phone
the person is signed in at the channel that activated the voucher.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import AuthNo, IntentId, PersonNo
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.insurer.channels import api as channels_api
from shualian.insurer.channels.service import Channels
from shualian.insurer.consents.model import (
    ByGuardian,
    ByPerson,
    Channel,
    ChannelKind,
    ConsentEvent,
    DocumentKind,
    FaceMatters,
    GivenBy,
    GuardianRelation,
    Withdrawal,
)
from shualian.insurer.consents.ports import (
    ChannelBook,
    Confirmations,
    InstitutionNames,
    People,
    VoucherHolders,
)
from shualian.insurer.consents.service import Consents
from shualian.insurer.erasures.model import DeletionReceipt, ReceiptNo
from shualian.insurer.notices.model import Notice, Notices, SafetyTopic
from shualian.insurer.persons.model import PERSON_NOT_FOUND
from shualian.insurer.vouchers.model import VOUCHER_NOT_ACTIVATED
from shualian.terminals import api as terminals_api
from shualian.terminals.agent.model import ClaimBody
from shualian.terminals.model import Actor, InstitutionStaff
from shualian.terminals.service import TerminalServices
from shualian.trust.audit.model import Reference
from shualian.verification.model import ConfirmedPerson, ConsentPurpose, Scene

NOTICE_PATH = "/terminal/v1/notice"
CONSENT_PATH = "/terminal/v1/consents"
WITHDRAWAL_PATH = "/terminal/v1/consents/withdrawals"
COPY_PATH = "/terminal/v1/consents/copy"
RECEIPT_PATH = "/terminal/v1/consents/receipts"
CHANNEL_WITHDRAWAL_PATH = "/channel/v1/consents/withdrawals"
"""POST :class:`PhoneWithdrawalBody`, signed by the channel; answers :class:`WithdrawalAnswer`."""

_Scene = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}$")]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{17}[0-9Xx]$")]
_Version = Annotated[str, StringConstraints(min_length=1, max_length=20)]
_ReceiptNo = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_Purposes = Annotated[list[ConsentPurpose], Field(min_length=1, max_length=3)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class NoticeBody(_Body):
    """For which scene the notice is shown, and where."""

    scene: _Scene
    claim: ClaimBody


class ReceiptBody(NoticeBody):
    """A receipt that somebody holds in the hand."""

    number: _ReceiptNo


class _OwnAct(_Body):
    """What a person does by their own proof; with ``child_number`` a guardian for a child."""

    claim: ClaimBody
    auth_no: _Text = Field(repr=False)
    intent_id: _Text
    child_number: _Number | None = Field(default=None, repr=False)


class ConsentBody(_OwnAct):
    """The ticks that were set under a wording."""

    purposes: _Purposes
    notice_version: _Version


class WithdrawalBody(_OwnAct):
    """What is no longer agreed to."""

    purpose: ConsentPurpose


class PhoneWithdrawalBody(_Body):
    """What somebody no longer agrees to, who is signed in at a channel's application."""

    ec_token: Annotated[str, StringConstraints(min_length=1, max_length=50)] = Field(repr=False)
    purpose: ConsentPurpose


class CopyBody(_OwnAct):
    """Show what is held."""


class GuardianBody(_Body):
    """A guardian at a window, as read in documents."""

    relation: GuardianRelation
    guardian_number: _Number | None = Field(default=None, repr=False)


class _WindowAct(_Body):
    id_number: _Number = Field(repr=False)
    document: DocumentKind
    guardian: GuardianBody | None = None


class WindowConsentBody(_WindowAct):
    """The ticks that somebody set at a window."""

    purposes: _Purposes
    notice_version: _Version


class WindowWithdrawalBody(_WindowAct):
    """What somebody at a window no longer agrees to."""

    purpose: ConsentPurpose


class WindowCopyBody(_WindowAct):
    """Show what is held."""


class WordsAnswer(BaseModel):
    """The same in Chinese and English."""

    zh: str
    en: str


class TickAnswer(WordsAnswer):
    """One tick; never set beforehand."""

    purpose: ConsentPurpose
    ticked: bool = False


class SafetyAnswer(WordsAnswer):
    """One of the four sentences of "is it safe?"."""

    topic: SafetyTopic


class NoticeAnswer(BaseModel):
    """What is shown and read aloud before the camera."""

    version: str
    text: WordsAnswer
    spoken: WordsAnswer
    ticks: list[TickAnswer]
    safety: list[SafetyAnswer]


class ConsentAnswer(BaseModel):
    """What is new, and all that is in force now."""

    given: list[ConsentPurpose]
    in_force: list[ConsentPurpose]


class StoreAnswer(BaseModel):
    """One store that was searched."""

    name: str
    found: int
    deleted: int


class ReceiptAnswer(BaseModel):
    """A deletion receipt, with its printed lines."""

    number: str
    reason: str
    completed_at: datetime
    backups_until: date
    stores: list[StoreAnswer]
    print_zh: list[str]
    print_en: list[str]


class WithdrawalAnswer(BaseModel):
    """What is withdrawn, and what was deleted."""

    purposes: list[ConsentPurpose]
    at: datetime
    receipt: ReceiptAnswer | None


class EventAnswer(BaseModel):
    """One consent given or withdrawn."""

    change: str
    purpose: ConsentPurpose
    notice_version: str | None
    at: datetime
    channel: str
    by_guardian: bool


class CopyAnswer(BaseModel):
    """What is held about a person's face: dates, wordings, counts; never a vector."""

    events: list[EventAnswer]
    in_force: list[ConsentPurpose]
    ask_again: list[ConsentPurpose]
    guardian_missing: bool
    holdings: dict[str, int]
    receipts: list[ReceiptAnswer]


class _Acts:
    """Turns a signed request with a proof into who acts for whom, and where."""

    def __init__(
        self,
        terminals: TerminalServices,
        consents: Consents,
        confirmations: Confirmations,
        numbers: "_Numbers",
    ) -> None:
        self._terminals = terminals
        self._consents = consents
        self._confirmations = confirmations
        self._numbers = numbers

    def act(
        self, sender: terminals_api.Verified, body: _OwnAct, use: str
    ) -> tuple[PersonNo, GivenBy, Channel]:
        """Whose matter it is, who acts, where."""
        scene = Scene.INSURED_SERVICES.value
        self._terminals.requests.check_business(sender, scene=scene, claim=body.claim.claim())
        person = self._confirmations.confirmed(
            AuthNo(body.auth_no),
            terminal=sender.terminal,
            intent_id=IntentId(body.intent_id),
            use=use,
        )
        channel = _at_terminal(sender, person)
        if body.child_number is None:
            return person.subject, ByPerson(), channel
        child = self._numbers.person(body.child_number)
        return child, self._consents.as_guardian(child, person.subject), channel


class _Numbers:
    """Finds people by ID numbers that were typed or read."""

    def __init__(self, people: People, clock: Clock) -> None:
        self._people = people
        self._clock = clock

    def person(self, number: str) -> PersonNo:
        """Whose number it is.

        Raises:
            Refused: ``core.id_number_invalid``, ``insurer.person_not_found``.
        """
        id_number = parse_id_number(number, today=business_date(self._clock.now()))
        found = self._people.by_number(id_number)
        if found is None:
            raise Refused(PERSON_NOT_FOUND)
        return found

    def giver(self, body: _WindowAct, actor: Actor) -> GivenBy:
        """Who acts at a window, with what ``actor`` saw."""
        guardian = body.guardian
        if guardian is None:
            return ByPerson(body.document, actor.staff)
        number = guardian.guardian_number
        named = None if number is None else self.person(number)
        return ByGuardian(guardian.relation, named, body.document, actor.staff)


def terminal_routes(
    terminals: TerminalServices,
    consents: Consents,
    confirmations: Confirmations,
    *,
    notices: Notices,
    people: People,
    institutions: InstitutionNames,
    settings: Settings,
    clock: Clock,
    origin: str,
) -> APIRouter:
    """What a person reads and does at a terminal.

    Args:
        terminals: Verify the request.
        consents: Decides.
        confirmations: Redeems the person's proof.
        notices: All versions.
        people: Finds a child by its number.
        institutions: Names the place in the notice.
        settings: Contacts in the notice.
        clock: For the check of a typed number.
        origin: The listener's canonical origin.
    """
    routes = terminals_api.signed_routes(terminals, origin=origin)
    acts = _Acts(terminals, consents, confirmations, _Numbers(people, clock))
    _add_notice(routes, terminals, notices, institutions, settings)
    _add_receipt(routes, terminals, consents)
    _add_acts(routes, acts, consents, clock)
    return routes


def _add_notice(
    routes: APIRouter,
    terminals: TerminalServices,
    notices: Notices,
    institutions: InstitutionNames,
    settings: Settings,
) -> None:
    @routes.post(NOTICE_PATH)
    def notice(body: NoticeBody, sender: terminals_api.Verified) -> NoticeAnswer:
        """The notice in force, before any picture."""
        terminals.requests.check_business(sender, scene=body.scene, claim=body.claim.claim())
        name = institutions.name(sender.terminal.institution)
        return _notice_answer(notices.current, settings, name)


def _add_receipt(routes: APIRouter, terminals: TerminalServices, consents: Consents) -> None:
    @routes.post(RECEIPT_PATH)
    def receipt(body: ReceiptBody, sender: terminals_api.Verified) -> ReceiptAnswer:
        """A deletion receipt by its number; it holds nothing personal."""
        terminals.requests.check_business(sender, scene=body.scene, claim=body.claim.claim())
        return receipt_answer(consents.receipt(ReceiptNo(body.number)))


def _add_acts(routes: APIRouter, acts: _Acts, consents: Consents, clock: Clock) -> None:
    @routes.post(CONSENT_PATH)
    def give(body: ConsentBody, sender: terminals_api.Verified) -> ConsentAnswer:
        """Agree, each purpose by its own tick."""
        psn_no, by, channel = acts.act(sender, body, _use("give", body.purposes))
        given = consents.give(
            psn_no,
            body.purposes,
            notice_version=body.notice_version,
            at=clock.now(),
            given_by=by,
            channel=channel,
        )
        return _consent_answer(given, consents.in_force(psn_no))

    @routes.post(WITHDRAWAL_PATH)
    def withdraw(body: WithdrawalBody, sender: terminals_api.Verified) -> WithdrawalAnswer:
        """Withdraw; when it answers, nothing can be reached any more."""
        psn_no, by, channel = acts.act(sender, body, _use("withdraw", [body.purpose]))
        return _withdrawal_answer(consents.withdraw(psn_no, body.purpose, by=by, channel=channel))

    @routes.post(COPY_PATH)
    def copy(body: CopyBody, sender: terminals_api.Verified, response: Response) -> CopyAnswer:
        """A copy of what is held about the person's face."""
        response.headers["Cache-Control"] = "no-store"
        psn_no, by, channel = acts.act(sender, body, "consent.copy")
        if isinstance(by, ByGuardian):
            return _copy_answer(consents.show(psn_no, by=by, channel=channel))
        return _copy_answer(consents.export(psn_no))


def staff_routes(
    consents: Consents, people: People, caller: terminals_api.ActorOf, *, clock: Clock
) -> APIRouter:
    """The same acts at a window, without a face: a clerk has seen the documents.

    Args:
        consents: Decides.
        people: Finds whose document it is.
        caller: Finds who asks and checks that the role allows it.
        clock: For the check of ID numbers.
    """
    routes = APIRouter(prefix="/consents", tags=["consents"])
    numbers = _Numbers(people, clock)

    @routes.post("", status_code=201)
    def give(body: WindowConsentBody, who: Annotated[Actor, Depends(caller)]) -> ConsentAnswer:
        """Agree at a window: the person, or a guardian with proof of the relation."""
        psn_no = numbers.person(body.id_number)
        given = consents.give(
            psn_no,
            body.purposes,
            notice_version=body.notice_version,
            at=clock.now(),
            given_by=numbers.giver(body, who),
            channel=_at_window(who),
        )
        return _consent_answer(given, consents.in_force(psn_no))

    @routes.post("/withdrawals")
    def withdraw(
        body: WindowWithdrawalBody, who: Annotated[Actor, Depends(caller)]
    ) -> WithdrawalAnswer:
        """Withdraw at a window."""
        psn_no, by = numbers.person(body.id_number), numbers.giver(body, who)
        channel = _at_window(who)
        return _withdrawal_answer(consents.withdraw(psn_no, body.purpose, by=by, channel=channel))

    @routes.post("/copy")
    def copy(
        body: WindowCopyBody, response: Response, who: Annotated[Actor, Depends(caller)]
    ) -> CopyAnswer:
        """A copy for a person who stands at the window."""
        response.headers["Cache-Control"] = "no-store"
        psn_no = numbers.person(body.id_number)
        by = numbers.giver(body, who)
        return _copy_answer(consents.show(psn_no, by=by, channel=_at_window(who)))

    return routes


def channel_routes(
    channels: Channels,
    consents: Consents,
    vouchers: VoucherHolders,
    book: ChannelBook,
    *,
    origin: str,
) -> APIRouter:
    """What a person does on the phone, through the channel by which the voucher was activated.

    Withdrawing is as easy as agreeing: no face, no document. Agreeing goes with an activation.

    Args:
        channels: Verify the request.
        consents: Decides.
        vouchers: Find whose token it is.
        book: Knows who activated through which channel.
        origin: Canonical origin of the listener, which channels sign.
    """
    routes = channels_api.signed_routes(channels, origin=origin)

    @routes.post(CHANNEL_WITHDRAWAL_PATH)
    def withdraw(body: PhoneWithdrawalBody, channel: channels_api.Verified) -> WithdrawalAnswer:
        """Withdraw; when it answers, nothing can be reached any more."""
        psn_no = vouchers.by_ec_token(body.ec_token)
        if not book.activated(channel, psn_no):
            # A channel acts for nobody who went through another one.
            raise Refused(VOUCHER_NOT_ACTIVATED)
        where = Channel(ChannelKind.PARTNER, partner=Reference(channel.code.upper()))
        return _withdrawal_answer(
            consents.withdraw(psn_no, body.purpose, by=ByPerson(), channel=where)
        )

    return routes


def receipt_answer(receipt: DeletionReceipt) -> ReceiptAnswer:
    """A receipt on the wire."""
    return ReceiptAnswer(
        number=receipt.number,
        reason=receipt.reason.value,
        completed_at=receipt.completed_at,
        backups_until=receipt.backups_until,
        stores=[
            StoreAnswer(name=each.name.value, found=each.found, deleted=each.deleted)
            for each in receipt.stores
        ],
        print_zh=list(receipt.lines_zh()),
        print_en=list(receipt.lines_en()),
    )


def _use(act: str, purposes: Sequence[ConsentPurpose]) -> str:
    """What a proof is redeemed for: the act with its purposes."""
    return ".".join(["consent", act, *sorted(each.value for each in set(purposes))])


def _at_terminal(sender: terminals_api.Verified, person: ConfirmedPerson) -> Channel:
    terminal = sender.terminal
    return Channel(
        ChannelKind.TERMINAL, terminal.institution, terminal.terminal_id, person.session_id
    )


def _at_window(actor: Actor) -> Channel:
    institution = actor.institution if isinstance(actor, InstitutionStaff) else None
    return Channel(ChannelKind.WINDOW, institution)


def _notice_answer(notice: Notice, settings: Settings, institution: str | None) -> NoticeAnswer:
    text = notice.text(settings, institution=institution)
    safety = zip(notice.safety, notice.safety_text(settings), strict=True)
    return NoticeAnswer(
        version=notice.version,
        text=WordsAnswer(zh=text.zh, en=text.en),
        spoken=WordsAnswer(zh=notice.spoken.zh, en=notice.spoken.en),
        ticks=[TickAnswer(zh=each.zh, en=each.en, purpose=each.purpose) for each in notice.tick],
        safety=[
            SafetyAnswer(zh=words.zh, en=words.en, topic=sentence.topic)
            for sentence, words in safety
        ],
    )


def _ordered(purposes: Collection[ConsentPurpose]) -> list[ConsentPurpose]:
    return [each for each in ConsentPurpose if each in purposes]


def _consent_answer(
    given: Collection[ConsentPurpose], in_force: Collection[ConsentPurpose]
) -> ConsentAnswer:
    return ConsentAnswer(given=_ordered(given), in_force=_ordered(in_force))


def _withdrawal_answer(withdrawal: Withdrawal) -> WithdrawalAnswer:
    receipt = withdrawal.receipt
    return WithdrawalAnswer(
        purposes=list(withdrawal.purposes),
        at=withdrawal.at,
        receipt=None if receipt is None else receipt_answer(receipt),
    )


def _copy_answer(matters: FaceMatters) -> CopyAnswer:
    terms = matters.terms
    return CopyAnswer(
        events=[_event_answer(each) for each in matters.events],
        in_force=_ordered(terms.in_force),
        ask_again=_ordered(terms.ask_again),
        guardian_missing=terms.guardian_missing,
        holdings={name.value: count for name, count in matters.holdings.items()},
        receipts=[receipt_answer(each) for each in matters.receipts],
    )


def _event_answer(event: ConsentEvent) -> EventAnswer:
    return EventAnswer(
        change=event.change.value,
        purpose=event.purpose,
        notice_version=event.notice_version,
        at=event.at,
        channel=event.channel.kind.value,
        by_guardian=isinstance(event.by, ByGuardian),
    )
