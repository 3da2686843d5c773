"""The client: a proven outcome, or unknown; never an error, never long, never twice blindly."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gateway.ewallet.exchange import (
    AGREED,
    COMMANDS,
    HELD,
    HOLD,
    HOSPITAL,
    MERCHANT,
    NEWS_URL,
    ORIGIN,
    PAYER,
    PAYMENT,
    START,
    STATUS_AFTER,
    STRANGER,
    WALLET,
    Counted,
    Handler,
    Hospital,
    command_answer,
    declining,
    done,
    good,
    response,
    signed,
)
from shualian.core.clock import SettableClock
from shualian.core.database import SqliteDatabase, WorkInTransactionError
from shualian.core.identifiers import CommandId, InstitutionCode
from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.gateway.ewallet.model import (
    ANSWER_BYTES_MAX,
    INTRODUCTION_PATH,
    Introduced,
    Introduction,
    QueryAnswer,
    StatementAnswer,
)
from shualian.gateway.ewallet.service import (
    EWalletClient,
    FirstUseKey,
    NoWallet,
    open_ewallet,
    signing_key,
)
from shualian.gateway.police_registry.model import public_key_text
from shualian.gateway.police_registry.store import NotedKey
from shualian.hospital.wallet.model import (
    CaptureCommand,
    Command,
    CommandReport,
    Declined,
    DeclineReason,
    HoldCommand,
    Outcome,
    RefundCommand,
    Silence,
    Statement,
    Unknown,
    VoidCommand,
)
from shualian.hospital.wallet.ports import EWallet
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.signatures import SigningKey


def raising(failure: type[Exception]) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        raise failure("boom")

    return handler


def send(wallet: EWallet, command: Command) -> Outcome:
    match command:
        case HoldCommand():
            return wallet.hold(command)
        case CaptureCommand():
            return wallet.capture(command)
        case VoidCommand():
            return wallet.void(command)
        case RefundCommand():
            return wallet.refund(command)


def held(handler: Handler, *, mode: Mode = Mode.SANDBOX) -> tuple[Outcome, list[str]]:
    """What one hold gives, and what was counted."""
    hospital = Hospital(handler, mode=mode)
    outcome = hospital.client.hold(HOLD)
    hospital.client.close()
    return outcome, list(hospital.counted.names)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: type(each).__name__)
def test_every_command_that_was_done_is_done(command: Command) -> None:
    assert send(Hospital(good).client, command) == done(command)


@pytest.mark.parametrize("reason", DeclineReason)
def test_every_reason_of_the_wallet_is_passed_on(reason: DeclineReason) -> None:
    assert held(declining(reason)) == (Declined(PAYMENT, reason), [])


UNBELIEVABLE: list[tuple[Handler, Silence]] = [
    (raising(httpx.ReadTimeout), Silence.TIMED_OUT),
    (raising(httpx.ConnectTimeout), Silence.TIMED_OUT),
    (raising(httpx.ConnectError), Silence.UNREACHABLE),
    (raising(httpx.RemoteProtocolError), Silence.UNREACHABLE),
    (raising(RuntimeError), Silence.NOT_SENT),
    (lambda _: response(b"", status=503), Silence.BUSY),
    (lambda _: response(b"", status=302, headers={"location": "http://x/"}), Silence.REFUSED),
    (lambda each: signed(each, command_answer(done(HOLD)), status=409), Silence.REFUSED),
    (lambda _: response(b'{"outcome": {}}'), Silence.NOT_BELIEVED),
    (lambda each: signed(each, command_answer(done(HOLD)), key=STRANGER), Silence.NOT_BELIEVED),
    (lambda each: signed(each, command_answer(done(COMMANDS[1]))), Silence.NOT_BELIEVED),
    (
        lambda each: signed(
            each, command_answer(done(HOLD, replace(HELD, payment=CommandId("other-0001"))))
        ),
        Silence.NOT_BELIEVED,
    ),
    (
        lambda each: signed(each, command_answer(done(HOLD, STATUS_AFTER[VoidCommand]))),
        Silence.NOT_BELIEVED,
    ),
    (
        lambda each: signed(
            each, command_answer(done(HOLD)), created=START - timedelta(seconds=61)
        ),
        Silence.NOT_BELIEVED,
    ),
    (lambda _: response(b"x" * (ANSWER_BYTES_MAX + 9)), Silence.NOT_BELIEVED),
]


@pytest.mark.parametrize(("handler", "why"), UNBELIEVABLE)
def test_whatever_is_no_believable_answer_is_unknown(handler: Handler, why: Silence) -> None:
    assert held(handler) == (Unknown(PAYMENT, why), [why.value])


@pytest.mark.parametrize("handler", [handler for handler, _ in UNBELIEVABLE])
def test_questions_without_a_believable_answer_are_refused_for_now(handler: Handler) -> None:
    client = Hospital(handler).client
    questions: list[Callable[[], object]] = [
        lambda: client.agreement(PAYER),
        lambda: client.query(PAYMENT),
        lambda: client.statement(START.date()),
    ]
    for question in questions:
        with pytest.raises(Refused, match="wallet_unreachable"):
            question()


def test_questions_are_answered() -> None:
    client = Hospital(good).client
    assert client.agreement(PAYER) == AGREED
    assert client.query(PAYMENT) == CommandReport(PAYMENT, done(HOLD), HELD)
    assert client.statement(START.date()) == Statement(START.date(), ())


def test_the_answer_to_another_question_is_not_believed() -> None:
    other = CommandReport(CommandId("other-0001"), None, None)
    asked = Hospital(lambda each: signed(each, QueryAnswer.made(other, stand_in=True)))
    with pytest.raises(Refused, match="wallet_unreachable"):
        asked.client.query(PAYMENT)
    swapped = CommandReport(PAYMENT, done(COMMANDS[1]), None)
    asked = Hospital(lambda each: signed(each, QueryAnswer.made(swapped, stand_in=True)))
    with pytest.raises(Refused, match="wallet_unreachable"):
        asked.client.query(PAYMENT)
    yesterday = Statement(START.date() - timedelta(days=1), ())
    asked = Hospital(lambda each: signed(each, StatementAnswer.made(yesterday, stand_in=True)))
    with pytest.raises(Refused, match="wallet_unreachable"):
        asked.client.statement(START.date())
    assert asked.counted.names == {"not_believed": 1}


def test_a_stand_ins_answer_is_not_believed_in_production() -> None:
    assert held(good, mode=Mode.PRODUCTION) == (
        Unknown(PAYMENT, Silence.STAND_IN),
        ["stand_in"],
    )

    def real(request: httpx.Request) -> httpx.Response:
        return signed(request, command_answer(done(HOLD), stand_in=False))

    assert held(real, mode=Mode.PRODUCTION) == (done(HOLD), [])


def test_after_a_cut_the_same_command_is_sent_once_more_newly_signed() -> None:
    cut = iter([True, False])

    def handler(request: httpx.Request) -> httpx.Response:
        if next(cut):
            raise httpx.RemoteProtocolError("gone")
        return good(request)

    hospital = Hospital(handler)
    assert hospital.client.hold(HOLD) == done(HOLD)
    first, second = hospital.requests
    assert first.content == second.content
    assert first.headers["signature-input"] != second.headers["signature-input"]


def test_it_is_sent_no_third_time_and_after_waiting_not_even_twice() -> None:
    cut, slow = Hospital(raising(httpx.RemoteProtocolError)), Hospital(raising(httpx.ReadTimeout))
    cut.client.hold(HOLD)
    slow.client.hold(HOLD)
    assert (len(cut.requests), len(slow.requests)) == (2, 1)


def test_what_does_not_fit_the_wire_is_not_sent() -> None:
    hospital = Hospital(good)
    outcome = hospital.client.hold(replace(HOLD, amount_fen=Fen(0)))
    assert outcome == Unknown(PAYMENT, Silence.NOT_SENT)
    assert hospital.requests == []


def test_a_wallet_that_sends_a_byte_now_and_then_does_not_hold_a_payment() -> None:
    held_up = threading.Event()

    def handler(request: httpx.Request) -> httpx.Response:
        held_up.wait()
        return good(request)

    hospital = Hospital(handler, total_s=0.05)
    try:
        assert hospital.client.hold(HOLD) == Unknown(PAYMENT, Silence.TIMED_OUT)
    finally:
        held_up.set()


def test_after_closing_every_command_is_unknown() -> None:
    hospital = Hospital(good)
    hospital.client.close()
    assert hospital.client.hold(HOLD) == Unknown(PAYMENT, Silence.NOT_SENT)


def test_many_commands_at_once_each_get_their_own_outcome() -> None:
    holds = [replace(HOLD, command_id=CommandId(f"payment-{at:04}")) for at in range(40)]

    def handler(request: httpx.Request) -> httpx.Response:
        hold = next(each for each in holds if each.command_id.encode() in request.content)
        return signed(request, command_answer(done(hold, replace(HELD, payment=hold.command_id))))

    client = Hospital(handler).client
    with ThreadPoolExecutor(8) as at_once:
        outcomes = list(at_once.map(client.hold, holds))
    assert [each.command_id for each in outcomes] == [each.command_id for each in holds]


def test_nothing_is_asked_inside_a_transaction(sqlite_database: SqliteDatabase) -> None:
    hospital = Hospital(good)
    calls: list[Callable[[], object]] = [
        lambda: hospital.client.hold(HOLD),
        lambda: hospital.client.query(PAYMENT),
        lambda: hospital.client.agreement(PAYER),
        lambda: hospital.client.statement(START.date()),
    ]
    for call in calls:
        with pytest.raises(WorkInTransactionError):
            sqlite_database.write(lambda _, call=call: call())  # type: ignore[misc]
    assert hospital.requests == []


class TestTheKeyOfAStandIn:
    def first_use(self, file: Path, key: SigningKey) -> FirstUseKey:
        own = public_key_text(HOSPITAL.public_key)
        introduction = Introduction(merchant=MERCHANT, public_key=own, notify_url=NEWS_URL)

        def introduce(request: httpx.Request) -> httpx.Response:
            assert request.url.path == INTRODUCTION_PATH
            assert Introduction.model_validate_json(request.content) == introduction
            answer = Introduced(public_key=public_key_text(key.public_key))
            return httpx.Response(200, content=answer.model_dump_json())

        http = httpx.Client(transport=httpx.MockTransport(introduce), base_url=ORIGIN)
        return FirstUseKey(http=http, noted=NotedKey(file), introduction=introduction)

    def test_is_noted_on_first_use_and_another_later_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "wallet.pub"
        assert self.first_use(file, WALLET).public_key() == WALLET.public_key
        assert self.first_use(file, WALLET).public_key() == WALLET.public_key
        with pytest.raises(Refused, match=r"gateway\.wallet_key_changed"):
            self.first_use(file, STRANGER).public_key()
        file.write_text("no key")
        with pytest.raises(Refused, match=r"gateway\.wallet_key_invalid"):
            self.first_use(file, WALLET).public_key()


class TestOpening:
    @pytest.fixture
    def keys(self, tmp_path: Path) -> DevelopmentKeys:
        return DevelopmentKeys(tmp_path / "keys")

    def open(
        self,
        keys: DevelopmentKeys,
        *,
        origin: str | None,
        public_key: str | None = None,
        mode: Mode = Mode.SANDBOX,
    ) -> EWalletClient | NoWallet:
        return open_ewallet(
            origin=origin,
            public_key=public_key,
            merchant=MERCHANT,
            notify_url=None,
            keys=keys,
            first_use_file=Path("unused"),
            clock=SettableClock(START),
            mode=mode,
            counter=Counted(),
        )

    def test_without_an_origin_nobody_pays_by_it_and_nothing_is_said_to_be_undone(
        self, keys: DevelopmentKeys
    ) -> None:
        wallet: EWallet = self.open(keys, origin=None)
        assert wallet.agreement(PAYER) is None
        for command in COMMANDS:
            assert send(wallet, command) == Unknown(command.command_id, Silence.NOT_SENT)
        with pytest.raises(Refused, match="wallet_unreachable"):
            wallet.query(PAYMENT)
        with pytest.raises(Refused, match="wallet_unreachable"):
            wallet.statement(START.date())

    def test_production_wants_a_pinned_key_and_encryption(self, keys: DevelopmentKeys) -> None:
        pinned, real = public_key_text(WALLET.public_key), "https://wallet.example"
        with pytest.raises(Refused, match="wallet_not_encrypted"):
            self.open(keys, origin=ORIGIN, public_key=pinned, mode=Mode.PRODUCTION)
        with pytest.raises(Refused, match="wallet_key_missing"):
            self.open(keys, origin=real, mode=Mode.PRODUCTION)
        with pytest.raises(Refused, match=r"gateway\.wallet_key_invalid"):
            self.open(keys, origin=real, public_key="sm2-sm3:04", mode=Mode.PRODUCTION)
        self.open(keys, origin=real, public_key=pinned, mode=Mode.PRODUCTION).close()

    def test_nobody_there_is_unreachable(self, keys: DevelopmentKeys) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            client = self.open(keys, origin=f"http://127.0.0.1:{unused.getsockname()[1]}")
            assert client.hold(HOLD) == Unknown(PAYMENT, Silence.UNREACHABLE)
            client.close()

    def test_each_hospital_has_a_key_of_its_own_that_stays(self, keys: DevelopmentKeys) -> None:
        key = signing_key(keys, MERCHANT).public_key
        assert signing_key(keys, MERCHANT).public_key == key
        assert signing_key(keys, InstitutionCode("H99000000002")).public_key != key
