"""Use cases of the stand-in: accounts, signed calls, notifications, and faults on purpose.

Every command is one transaction: books, payment, answer and notification are written together or
not at all, and the answer is sent after the commit. So whatever is cut or lost on the way, the
same command again is answered as the first time.
"""

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import CommandId, InstitutionCode, new_identifier
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.gateway.ewallet.model import (
    COMMANDS,
    FRESHNESS,
    AgreementAnswer,
    AgreementBody,
    Answer,
    Call,
    CaptureBody,
    CommandAnswer,
    HoldBody,
    NotificationBody,
    QueryAnswer,
    QueryBody,
    RefundBody,
    StatementAnswer,
    StatementBody,
    VoidBody,
    Wire,
    payment_of,
)
from shualian.gateway.police_registry.model import SentRequest, sign_answer
from shualian.hospital.wallet.model import (
    Agreement,
    CaptureCommand,
    Command,
    CommandReport,
    Declined,
    DeclineReason,
    Done,
    HoldCommand,
    Movement,
    MovementKind,
    News,
    NotificationId,
    Outcome,
    PayerRef,
    PaymentStatus,
    RefundCommand,
    Statement,
    VoidCommand,
    WalletNo,
)
from shualian.sandbox.ewallet import store
from shualian.sandbox.ewallet.model import (
    BODY_INVALID,
    BUSY,
    CALLER_UNKNOWN,
    PAYER_KNOWN,
    PAYER_NOT_FOUND,
    REQUEST_REPLAYED,
    Account,
    BooksCheck,
    Fault,
    FaultKind,
    HeldPayment,
    NewsFault,
    NewsFaultKind,
    Payer,
    Terms,
    agreement_of,
    capture_entries,
    captured,
    check_terms,
    counted,
    digest_of,
    expired,
    free_money,
    held,
    hold_entries,
    next_try,
    refund_entries,
    refunded,
    release_entries,
    top_up_entries,
    voided,
)
from shualian.sandbox.ewallet.ports import Post
from shualian.sandbox.ewallet.store import DueNews, KnownCommand
from shualian.terminals.agent.model import sign_request
from shualian.terminals.enrolment.model import key_id_of
from shualian.terminals.requests.model import (
    ClaimedSignature,
    SignedRequest,
    parse_signature_headers,
    verify_request,
)
from shualian.trust.signatures import PublicKey, SigningKey

_BODIES: Mapping[Call, type[HoldBody | CaptureBody | VoidBody | RefundBody]] = {
    Call.HOLD: HoldBody,
    Call.CAPTURE: CaptureBody,
    Call.VOID: VoidBody,
    Call.REFUND: RefundBody,
}
_NEWS_AT_ONCE = 100

_Body = TypeVar("_Body", bound=Wire)
_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """An answer as it is sent; ``cut`` means that its connection is cut instead."""

    content: bytes
    headers: Mapping[str, str] = field(repr=False)
    cut: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    """What a command changes: the payment's new status, and the money that moves with it."""

    payer: PayerRef | None
    status: PaymentStatus
    before: PaymentStatus | None
    posting: Mapping[Account, Fen] | None = None


class Faults:
    """The knobs; thread-safe. A delay ends at once when the knob is turned again."""

    def __init__(self) -> None:
        self._fault = Fault()
        self._news = NewsFault()
        self._turned = threading.Event()
        self._lock = threading.Lock()

    @property
    def current(self) -> Fault:
        """What goes wrong with calls now."""
        return self._fault

    @property
    def news(self) -> NewsFault:
        """What goes wrong with notifications now."""
        return self._news

    def set(self, fault: Fault) -> None:
        """Turn the knob of calls; ``Fault()`` mends them."""
        with self._lock:
            self._fault = fault
            self._turned.set()
            self._turned = threading.Event()

    def set_news(self, fault: NewsFault) -> None:
        """Turn the knob of notifications; ``NewsFault()`` mends them."""
        with self._lock:
            self._news = fault

    def take(self, call: Call) -> tuple[Fault, threading.Event]:
        """What happens to this call, and what is set when the knob is turned again.

        A fault that happens so many times is used up by it.
        """
        with self._lock:
            fault = self._fault
            if call not in fault.calls or fault.times == 0:
                return Fault(), self._turned
            if fault.times is not None:
                self._fault = replace(fault, times=fault.times - 1)
            return fault, self._turned


class StandInWallet:
    """Payers, hospitals and payments over the stand-in's own database; all fictional."""

    def __init__(self, *, database: Database, key: SigningKey, clock: Clock, origin: str) -> None:
        """Describe it.

        Args:
            database: Its own; has :data:`store.metadata`.
            key: Signs its answers and notifications.
            clock: For freshness, days and holds.
            origin: Canonical, which callers sign.
        """
        self.faults = Faults()
        self.news_waits = threading.Event()
        self._database = database
        self._key = key
        self._clock = clock
        self._origin = origin.rstrip("/")

    @property
    def public_key(self) -> PublicKey:
        """Verifies its answers and notifications."""
        return self._key.public_key

    @property
    def origin(self) -> str:
        """Which callers sign."""
        return self._origin

    def admit(
        self, merchant: InstitutionCode, key: PublicKey, *, notify_url: str | None = None
    ) -> None:
        """Know a hospital by a key, and where its notifications go."""
        key_id = key_id_of(key)
        self._database.write(
            lambda each: store.put_merchant(
                each, merchant, key_id=key_id, key=key, notify_url=notify_url
            )
        )

    def open_account(self, payer: PayerRef, *, last_four: str, balance: Fen) -> None:
        """Open a fictional account that holds ``balance``, 0 or more.

        Raises:
            Refused: ``sandbox.wallet_payer_known``.
        """

        def open_(connection: Connection) -> None:
            if store.payer_of(connection, payer) is not None:
                raise Refused(PAYER_KNOWN)
            store.add_payer(connection, Payer(payer, last_four))
            if balance:
                store.book(connection, top_up_entries(payer, balance))

        self._database.write(open_)

    def top_up(self, payer: PayerRef, amount: Fen) -> None:
        """Put fictional money, above 0, into an account.

        Raises:
            Refused: ``sandbox.wallet_payer_not_found``.
        """
        self._of_payer(payer, lambda each, _: store.book(each, top_up_entries(payer, amount)))

    def agree(self, payer: PayerRef, terms: Terms) -> None:
        """As the person does in the wallet's own app: authorise one-scan payment.

        Raises:
            Refused: ``sandbox.wallet_payer_not_found``, ``sandbox.wallet_limits_invalid``.
        """
        check_terms(terms)
        self._of_payer(payer, lambda each, _: store.put_terms(each, payer, terms))

    def revoke(self, payer: PayerRef) -> None:
        """As the person does in the wallet's own app: take the authorisation back.

        What is held can still be captured, because the person confirmed it before.

        Raises:
            Refused: ``sandbox.wallet_payer_not_found``.
        """
        now = self._clock.now()

        def revoke(connection: Connection, _: Payer) -> None:
            terms = store.terms_of(connection, payer)
            if terms is not None and terms.revoked_at is None:
                store.put_terms(connection, payer, replace(terms, revoked_at=now))

        self._of_payer(payer, revoke)

    def close_account(self, payer: PayerRef) -> None:
        """Let nothing more be held of an account.

        Raises:
            Refused: ``sandbox.wallet_payer_not_found``.
        """
        self._of_payer(payer, lambda each, _: store.close_payer(each, payer))

    def payers(self) -> list[tuple[Payer, Fen]]:
        """Every account with what it can spend."""

        def read(connection: Connection) -> list[tuple[Payer, Fen]]:
            found = store.all_payers(connection)
            return [(each, store.balance(connection, free_money(each.payer))) for each in found]

        return self._database.read(read)

    def check_books(self) -> BooksCheck:
        """Whether the books are coherent."""
        return self._database.read(store.check_books)

    def expire_due(self) -> int:
        """Give back what was held for too long; how many holds."""
        return self._told(lambda each: self._expire(each, self._clock.now()))

    def answer(self, call: Call, request: SignedRequest) -> SignedAnswer:
        """Answer a signed call, as the knob lets it happen.

        Raises:
            Refused: ``sandbox.wallet_caller_unknown``, ``sandbox.wallet_request_replayed``,
                ``sandbox.wallet_body_invalid``, ``sandbox.wallet_busy``; those of terminals'
                signatures.
        """
        claimed, merchant = self._verified(request)
        fault, turned = self.faults.take(call)
        if fault.kind is FaultKind.BUSY:
            raise Refused(BUSY)
        if fault.kind is FaultKind.CUT_BEFORE:
            return SignedAnswer(b"{}", {}, cut=True)
        self._use_nonce(claimed)
        answer = self._answered(call, merchant, request.body, fault)
        if fault.kind is FaultKind.SLOW:
            turned.wait(fault.delay_s)
        return self._signed(request, answer, fault.kind)

    def carry_out(
        self, merchant: InstitutionCode, command: Command, *, refuse: DeclineReason | None = None
    ) -> Done | Declined:
        """Carry a command out, or answer as the first time.

        Args:
            merchant: Who commands.
            command: What.
            refuse: Why it is declined on purpose.
        """
        digest = digest_of(command)

        def carry_out(connection: Connection) -> Done | Declined:
            known = store.command_of(connection, merchant, command.command_id)
            if known is not None:
                differs = known.digest not in {None, digest}
                reason = DeclineReason.COMMAND_DIFFERS
                return Declined(command.command_id, reason) if differs else known.outcome
            now = self._clock.now()
            self._expire(connection, now)
            outcome = self._done(connection, merchant, command, refuse, now)
            known = KnownCommand(digest, outcome, payment_of(command))
            store.add_command(connection, merchant, known)
            return outcome

        return self._told(carry_out)

    def query(self, merchant: InstitutionCode, command_id: CommandId) -> CommandReport:
        """What came of a command, and its payment as it stands now."""

        def query(connection: Connection) -> CommandReport:
            known = store.command_of(connection, merchant, command_id)
            if known is None:
                return CommandReport(command_id, None, None)
            payment = store.payment_of(connection, merchant, known.payment)
            status = None if payment is None else payment.status
            return CommandReport(command_id, known.outcome, status)

        now = self._clock.now()
        if self._database.read(lambda each: store.due_holds(each, now=now)):
            self.expire_due()
        return self._database.read(query)

    def agreement(self, payer: PayerRef) -> Agreement | None:
        """What a payer authorised."""

        def read(connection: Connection) -> Agreement | None:
            found, terms = store.payer_of(connection, payer), store.terms_of(connection, payer)
            if found is None or terms is None:
                return None
            return agreement_of(found, terms, spent=self._spent(connection, payer))

        return self._database.read(read)

    def statement(self, merchant: InstitutionCode, day: date) -> Statement:
        """A hospital's movements of one business day."""
        read = self._database.read
        return Statement(day, read(lambda each: store.movements_of(each, merchant, day)))

    def forget_nonces(self) -> None:
        """Forget what nobody would believe any more."""
        fresh = timedelta(seconds=FRESHNESS.age_max_s + FRESHNESS.ahead_max_s)
        before = self._clock.now() - fresh
        self._database.write(lambda each: store.forget_nonces(each, before=before))

    def send_due_news(self, post: Post) -> int:
        """Send the notifications that are due, as the knob lets it happen; how many were tried."""
        due = self._database.read(
            lambda each: store.due_news(each, now=self._clock.now(), most=_NEWS_AT_ONCE)
        )
        kind = self.faults.news.kind
        if kind is NewsFaultKind.OUT_OF_ORDER:
            due = due[::-1] if len(due) > 1 else []
        for each in due:
            self._send(each, post, kind)
        return len(due)

    def waiting_news(self) -> int:
        """How many notifications will still be sent."""
        return self._database.read(store.waiting_news)

    def _told(self, work: Callable[[Connection], _Told]) -> _Told:
        found = self._database.write(work)
        self.news_waits.set()
        return found

    def _of_payer(self, payer: PayerRef, work: Callable[[Connection, Payer], None]) -> None:
        def write(connection: Connection) -> None:
            found = store.payer_of(connection, payer)
            if found is None:
                raise Refused(PAYER_NOT_FOUND)
            work(connection, found)

        self._database.write(write)

    def _verified(self, request: SignedRequest) -> tuple[ClaimedSignature, InstitutionCode]:
        claimed = parse_signature_headers(
            signature_input=request.signature_input,
            signature=request.signature,
            content_digest=request.content_digest,
        )
        known = self._database.read(lambda each: store.caller(each, claimed.key_id))
        if known is None:
            raise Refused(CALLER_UNKNOWN)
        merchant, expected_key = known
        verify_request(
            claimed,
            method=request.method,
            target_uri=request.target_uri,
            body=request.body,
            expected_key=expected_key,
            now=self._clock.now(),
            limits=FRESHNESS,
        )
        return claimed, merchant

    def _use_nonce(self, claimed: ClaimedSignature) -> None:
        is_new = self._database.write(
            lambda each: store.use_nonce(
                each, claimed.key_id, claimed.nonce, created=claimed.created
            )
        )
        if not is_new:
            raise Refused(REQUEST_REPLAYED)

    def _answered(self, call: Call, merchant: InstitutionCode, body: bytes, fault: Fault) -> Answer:
        if call in COMMANDS:
            command = _parsed(body, _BODIES[call]).command()
            refuse = fault.reason if fault.kind is FaultKind.REFUSE else None
            outcome = self.carry_out(merchant, command, refuse=refuse)
            return CommandAnswer.made(outcome, stand_in=True)
        if call is Call.QUERY:
            asked = CommandId(_parsed(body, QueryBody).command_id)
            return QueryAnswer.made(self.query(merchant, asked), stand_in=True)
        if call is Call.STATEMENT:
            statement = self.statement(merchant, _parsed(body, StatementBody).day)
            return StatementAnswer.made(statement, stand_in=True)
        payer = PayerRef(_parsed(body, AgreementBody).payer)
        return AgreementAnswer.made(self.agreement(payer), stand_in=True)

    def _signed(self, request: SignedRequest, answer: Answer, fault: FaultKind) -> SignedAnswer:
        content = answer.model_dump_json().encode("utf-8")
        other = fault is FaultKind.OTHER_REQUEST
        sent = SentRequest(
            method=request.method,
            target_uri=request.target_uri + ("/other" if other else ""),
            content_digest=request.content_digest[0].strip(),
            signature=request.signature[0].strip(),
        )
        now = self._clock.now()
        headers = dict(sign_answer(self._key, sent, status=200, content=content, created=now))
        if fault is FaultKind.WRONG_SIGNATURE:
            headers["signature"] = f"sig=:{'A' * 86}==:"
        return SignedAnswer(content, headers, cut=fault is FaultKind.CUT_AFTER)

    def _done(
        self,
        connection: Connection,
        merchant: InstitutionCode,
        command: Command,
        refuse: DeclineReason | None,
        now: datetime,
    ) -> Done | Declined:
        step = refuse or self._step(connection, merchant, command, now)
        if isinstance(step, DeclineReason):
            return Declined(command.command_id, step)
        wallet_no = WalletNo(new_identifier())
        if step.posting is not None:
            store.book(connection, step.posting)
        if step.status != step.before:
            day = business_date(now)
            changed = HeldPayment(merchant, step.payer, day, step.status)
            self._change(connection, changed, cause=command.command_id, now=now)
        if isinstance(command, CaptureCommand | RefundCommand):
            self._move(connection, merchant, command, wallet_no, now)
        return Done(command.command_id, step.status, wallet_no, now)

    def _step(
        self, connection: Connection, merchant: InstitutionCode, command: Command, now: datetime
    ) -> _Step | DeclineReason:
        if isinstance(command, HoldCommand):
            return self._hold(connection, command, now)
        payment = store.payment_of(connection, merchant, command.payment)
        before = None if payment is None else payment.status
        after = _after(command, before, now)
        if isinstance(after, DeclineReason):
            return after
        if payment is None:
            self._rule_out(connection, merchant, command.payment)
        if payment is None or payment.payer is None or after == before:
            return _Step(None, after, before)
        posting = _posting(command, merchant, payment.payer, payment.status)
        return _Step(payment.payer, after, before, posting)

    def _hold(
        self, connection: Connection, command: HoldCommand, now: datetime
    ) -> _Step | DeclineReason:
        payer = command.payer
        status = held(
            command,
            payer=store.payer_of(connection, payer),
            terms=store.terms_of(connection, payer),
            spent=self._spent(connection, payer),
            balance=store.balance(connection, free_money(payer)),
            now=now,
        )
        if isinstance(status, DeclineReason):
            return status
        return _Step(payer, status, None, hold_entries(payer, command.amount_fen))

    def _rule_out(
        self, connection: Connection, merchant: InstitutionCode, payment: CommandId
    ) -> None:
        """Answer the hold, should it arrive after its void, as one that has ended."""
        if store.command_of(connection, merchant, payment) is None:
            ended = Declined(payment, DeclineReason.HOLD_ENDED)
            store.add_command(connection, merchant, KnownCommand(None, ended, payment))

    def _move(
        self,
        connection: Connection,
        merchant: InstitutionCode,
        command: CaptureCommand | RefundCommand,
        wallet_no: WalletNo,
        now: datetime,
    ) -> None:
        is_capture = isinstance(command, CaptureCommand)
        movement = Movement(
            wallet_no=wallet_no,
            kind=MovementKind.CAPTURE if is_capture else MovementKind.REFUND,
            command_id=command.command_id,
            payment=command.payment,
            amount_fen=command.amount_fen,
            at=now,
        )
        store.add_movement(connection, merchant, movement, day=business_date(now))

    def _change(
        self,
        connection: Connection,
        payment: HeldPayment,
        *,
        cause: CommandId | None,
        now: datetime,
    ) -> None:
        store.put_payment(connection, payment)
        notification_id = NotificationId(new_identifier())
        news = News(notification_id, payment.status, cause, now)
        body = NotificationBody.made(news, merchant=payment.merchant, stand_in=True)
        fault = self.faults.news
        late = fault.delay_s if fault.kind is NewsFaultKind.LATE else 0.0
        store.add_news(
            connection,
            notification_id,
            payment.merchant,
            body.model_dump_json(),
            due_at=now + timedelta(seconds=late),
        )

    def _expire(self, connection: Connection, now: datetime) -> int:
        due = store.due_holds(connection, now=now)
        for payment in due:
            if payment.payer is not None:
                amount = payment.status.amount_fen
                store.book(connection, release_entries(payment.payer, amount))
            ended = replace(payment, status=expired(payment.status))
            self._change(connection, ended, cause=None, now=now)
        return len(due)

    def _spent(self, connection: Connection, payer: PayerRef) -> Fen:
        today = business_date(self._clock.now())
        found = store.payments_of_day(connection, payer, today)
        return counted(each.status for each in found)

    def _send(self, news: DueNews, post: Post, kind: NewsFaultKind) -> None:
        """Send one; without an address, and while they are to be lost, it is given up."""
        lost = news.url is None or kind is NewsFaultKind.NEVER
        times = 2 if kind is NewsFaultKind.TWICE else 1
        sent = [] if lost else [self._sent(news, post) for _ in range(times)]
        taken = bool(sent) and all(sent)
        tries = news.tries + 1
        due_at = None if lost or taken else next_try(tries, now=self._clock.now())
        self._database.write(
            lambda each: store.note_sending(
                each, news.notification_id, tries=tries, delivered=taken, due_at=due_at
            )
        )

    def _sent(self, news: DueNews, post: Post) -> bool:
        url, content = news.url or "", news.content.encode("utf-8")
        fields = sign_request(
            self._key,
            method="POST",
            target_uri=url,
            body=content,
            created=self._clock.now(),
            nonce=secrets.token_urlsafe(16),
        )
        headers = {"content-type": "application/json", **fields}
        return post.send(url, content=content, headers=headers)


class DirectWallet:
    """One hospital's :class:`EWallet` at a stand-in of this process: no wire, no signatures.

    For simulations and benchmarks that are not about the wire.
    """

    def __init__(self, wallet: StandInWallet, merchant: InstitutionCode) -> None:
        """Command ``wallet`` as ``merchant``."""
        self._wallet = wallet
        self._merchant = merchant

    def agreement(self, payer: PayerRef) -> Agreement | None:
        """See :meth:`EWallet.agreement`."""
        return self._wallet.agreement(payer)

    def hold(self, command: HoldCommand) -> Outcome:
        """See :meth:`EWallet.hold`."""
        return self._wallet.carry_out(self._merchant, command)

    def capture(self, command: CaptureCommand) -> Outcome:
        """See :meth:`EWallet.capture`."""
        return self._wallet.carry_out(self._merchant, command)

    def void(self, command: VoidCommand) -> Outcome:
        """See :meth:`EWallet.void`."""
        return self._wallet.carry_out(self._merchant, command)

    def refund(self, command: RefundCommand) -> Outcome:
        """See :meth:`EWallet.refund`."""
        return self._wallet.carry_out(self._merchant, command)

    def query(self, command_id: CommandId) -> CommandReport:
        """See :meth:`EWallet.query`."""
        return self._wallet.query(self._merchant, command_id)

    def statement(self, day: date) -> Statement:
        """See :meth:`EWallet.statement`."""
        return self._wallet.statement(self._merchant, day)


def _after(
    command: CaptureCommand | VoidCommand | RefundCommand,
    before: PaymentStatus | None,
    now: datetime,
) -> PaymentStatus | DeclineReason:
    if isinstance(command, CaptureCommand):
        return captured(before, command.amount_fen)
    if isinstance(command, VoidCommand):
        return voided(before, command.payment, now=now)
    return refunded(before, command.amount_fen)


def _posting(
    command: CaptureCommand | VoidCommand | RefundCommand,
    merchant: InstitutionCode,
    payer: PayerRef,
    before: PaymentStatus,
) -> Mapping[Account, Fen]:
    if isinstance(command, CaptureCommand):
        held_fen = before.amount_fen
        return capture_entries(payer, merchant, held=held_fen, taken=command.amount_fen)
    if isinstance(command, VoidCommand):
        return release_entries(payer, before.amount_fen)
    return refund_entries(payer, merchant, command.amount_fen)


def _parsed(content: bytes, form: type[_Body]) -> _Body:
    try:
        return form.model_validate_json(content)
    except ValueError:
        raise Refused(BODY_INVALID) from None
