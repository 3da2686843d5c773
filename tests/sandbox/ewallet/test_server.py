"""The stand-in over HTTP with a hospital's client: every fault, and what a query says after it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from sandbox.ewallet.world import HOSPITAL, PAYER, TERMS
from shualian.core.clock import SystemClock, business_date
from shualian.core.identifiers import CommandId, new_identifier
from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.gateway.ewallet.api import notification_routes
from shualian.gateway.ewallet.model import INTRODUCTION_PATH, NOTIFICATION_PATH, Call
from shualian.gateway.ewallet.service import EWalletClient, NoWallet, open_ewallet, signing_key
from shualian.gateway.police_registry.model import CallLimits, public_key_text
from shualian.gateway.police_registry.service import PinnedKey
from shualian.hospital.wallet.model import (
    CaptureCommand,
    Declined,
    DeclineReason,
    Done,
    HoldCommand,
    News,
    Outcome,
    PayerRef,
    PaymentState,
    RefundCommand,
    Silence,
    Unknown,
    VoidCommand,
)
from shualian.sandbox.ewallet.model import (
    STAND_IN_HEADER,
    Fault,
    FaultKind,
    NewsFault,
    NewsFaultKind,
    Terms,
)
from shualian.sandbox.ewallet.server import RunningWallet, running_wallet
from shualian.sandbox.loopback import free_socket, served
from shualian.trust.keys import DevelopmentKeys
from shualian.web.application import build_listener

LIMITS = CallLimits(connect_s=5, read_s=20, total_s=30)
"""Wide: a busy machine must not look like a slow wallet."""
IMPATIENT = CallLimits(connect_s=5, read_s=0.2, total_s=30)


class Counted:
    def __init__(self) -> None:
        self.names: list[str] = []

    def count(self, name: str) -> None:
        self.names.append(name)


class Ear:
    """Hears notifications and says when enough came."""

    def __init__(self, expected: int) -> None:
        self.news: list[News] = []
        self.complete = threading.Event()
        self._expected = expected

    def heard(self, news: News) -> None:
        self.news.append(news)
        if len(self.news) >= self._expected:
            self.complete.set()


@dataclass
class Desk:
    """A hospital at the running stand-in."""

    running: RunningWallet
    client: EWalletClient
    counted: Counted

    def hold(self, amount: int = 1_000) -> HoldCommand:
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=15)
        return HoldCommand(CommandId(new_identifier()), PAYER, Fen(amount), until)

    def held(self, amount: int = 1_000) -> CommandId:
        command = self.hold(amount)
        assert isinstance(self.client.hold(command), Done)
        return command.command_id

    def fault(self, kind: FaultKind, **more: object) -> None:
        self.running.wallet.faults.set(Fault(kind, **more))  # type: ignore[arg-type]

    def free(self) -> int:
        return self.running.wallet.payers()[0][1]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningWallet]:
    with running_wallet(tmp_path / "wallet") as made:
        now = datetime.now(UTC)
        made.wallet.open_account(PAYER, last_four="1234", balance=Fen(100_000))
        terms = Terms(Fen(50_000), Fen(80_000), now - timedelta(1), now + timedelta(365))
        made.wallet.agree(PAYER, terms)
        yield made
        assert made.wallet.check_books().coherent


def hospital(
    running: RunningWallet,
    folder: Path,
    counted: Counted,
    *,
    limits: CallLimits = LIMITS,
    pinned: bool = False,
) -> EWalletClient:
    made = open_ewallet(
        origin=running.origin,
        public_key=public_key_text(running.wallet.public_key) if pinned else None,
        merchant=HOSPITAL,
        notify_url=None,
        keys=DevelopmentKeys(folder / "keys"),
        first_use_file=folder / "wallet.pub",
        clock=SystemClock(),
        mode=Mode.SANDBOX,
        counter=counted,
        limits=limits,
    )
    assert not isinstance(made, NoWallet)
    return made


@pytest.fixture
def desk(running: RunningWallet, tmp_path: Path) -> Iterator[Desk]:
    counted = Counted()
    with closing(hospital(running, tmp_path, counted)) as client:
        yield Desk(running, client, counted)


class TestTheClientAtTheStandIn:
    def test_pays_refunds_and_finds_it_all_in_the_statement(self, desk: Desk) -> None:
        payment = desk.held(1_000)
        capture = CaptureCommand(CommandId(new_identifier()), payment, Fen(900))
        refund = RefundCommand(CommandId(new_identifier()), payment, Fen(400))
        assert isinstance(desk.client.capture(capture), Done)
        refunded = desk.client.refund(refund)
        assert isinstance(refunded, Done)
        assert desk.client.query(payment).payment == refunded.status
        statement = desk.client.statement(business_date(datetime.now(UTC)))
        found = {each.command_id: each.amount_fen for each in statement.movements}
        assert found == {capture.command_id: 900, refund.command_id: 400}
        agreement = desk.client.agreement(PAYER)
        assert agreement is not None
        assert (agreement.last_four, agreement.left_today_fen) == ("1234", 80_000 - 900)

    def test_is_told_why_it_was_declined(self, desk: Desk) -> None:
        over = desk.hold(50_001)
        assert desk.client.hold(over) == Declined(
            over.command_id, DeclineReason.OVER_TRANSACTION_LIMIT
        )
        assert desk.client.agreement(PayerRef("payer-0009")) is None

    def test_is_not_known_before_it_was_introduced(
        self, running: RunningWallet, tmp_path: Path
    ) -> None:
        with closing(hospital(running, tmp_path, Counted(), pinned=True)) as stranger:
            hold = Desk(running, stranger, Counted()).hold()
            assert stranger.hold(hold) == Unknown(hold.command_id, Silence.REFUSED)
        assert running.wallet.query(HOSPITAL, hold.command_id).outcome is None


FAULTS = [
    (FaultKind.BUSY, Silence.BUSY, False),
    (FaultKind.CUT_BEFORE, Silence.UNREACHABLE, False),
    (FaultKind.CUT_AFTER, Silence.UNREACHABLE, True),
    (FaultKind.WRONG_SIGNATURE, Silence.NOT_BELIEVED, True),
    (FaultKind.OTHER_REQUEST, Silence.NOT_BELIEVED, True),
]


class TestFaults:
    @pytest.mark.parametrize(("kind", "why", "carried_out"), FAULTS)
    def test_make_an_outcome_unknown_and_a_query_tells_the_truth(
        self, desk: Desk, kind: FaultKind, why: Silence, carried_out: bool
    ) -> None:
        hold = desk.hold()
        desk.fault(kind)
        assert desk.client.hold(hold) == Unknown(hold.command_id, why)
        assert desk.counted.names == [f"gateway_wallet_{why.value}_total"]
        report = desk.client.query(hold.command_id)
        assert isinstance(report.outcome, Done) is carried_out
        assert (report.payment is not None) is carried_out
        desk.fault(FaultKind.NONE)
        again = desk.client.hold(hold)
        assert isinstance(again, Done)
        assert desk.client.query(hold.command_id).outcome == again
        assert desk.free() == 99_000

    @pytest.mark.parametrize("kind", [kind for kind, _, _ in FAULTS])
    def test_of_any_command_leave_what_a_repeat_finishes_once(
        self, desk: Desk, kind: FaultKind
    ) -> None:
        payment = desk.held(1_000)
        capture = CaptureCommand(CommandId(new_identifier()), payment, Fen(800))
        refund = RefundCommand(CommandId(new_identifier()), payment, Fen(300))
        outcomes: list[Outcome] = []
        sends: list[Callable[[], Outcome]] = [
            lambda: desk.client.capture(capture),
            lambda: desk.client.refund(refund),
        ]
        for send in sends:
            desk.fault(kind)
            assert isinstance(send(), Unknown)
            desk.fault(FaultKind.NONE)
            outcomes += [send(), send()]
        assert outcomes[0] == outcomes[1]
        assert outcomes[2] == outcomes[3]
        assert all(isinstance(each, Done) for each in outcomes)
        assert desk.free() == 100_000 - 500

    def test_a_slow_wallet_has_done_it_while_the_client_did_not_wait(
        self, desk: Desk, tmp_path: Path
    ) -> None:
        key = signing_key(DevelopmentKeys(tmp_path / "keys"), HOSPITAL).public_key
        desk.running.wallet.admit(HOSPITAL, key)
        hold = desk.hold()
        desk.fault(FaultKind.SLOW, delay_s=3_600)
        with closing(
            hospital(desk.running, tmp_path, desk.counted, limits=IMPATIENT, pinned=True)
        ) as impatient:
            assert impatient.hold(hold) == Unknown(hold.command_id, Silence.TIMED_OUT)
        reports = (desk.client.query(hold.command_id) for _ in range(2_000))
        assert next((each.outcome for each in reports if each.outcome is not None), None)
        desk.fault(FaultKind.NONE)
        assert isinstance(desk.client.hold(hold), Done)
        assert desk.free() == 99_000

    def test_a_refusal_is_final_also_after_it(self, desk: Desk) -> None:
        hold = desk.hold()
        desk.fault(FaultKind.REFUSE, reason=DeclineReason.CLOSED, times=1)
        declined = Declined(hold.command_id, DeclineReason.CLOSED)
        assert [desk.client.hold(hold), desk.client.hold(hold)] == [declined, declined]
        report = desk.client.query(hold.command_id)
        assert (report.outcome, report.payment) == (declined, None)

    def test_one_cut_is_mended_by_the_clients_own_second_copy(self, desk: Desk) -> None:
        for kind in (FaultKind.CUT_BEFORE, FaultKind.CUT_AFTER):
            desk.fault(kind, times=1)
            desk.held(1_000)
        assert desk.free() == 98_000
        assert desk.counted.names == []

    def test_a_void_settles_a_hold_of_which_nothing_is_known(self, desk: Desk) -> None:
        for kind in (FaultKind.CUT_BEFORE, FaultKind.CUT_AFTER):
            hold = desk.hold()
            desk.fault(kind)
            assert isinstance(desk.client.hold(hold), Unknown)
            desk.fault(FaultKind.NONE)
            voided = desk.client.void(VoidCommand(CommandId(new_identifier()), hold.command_id))
            assert isinstance(voided, Done)
            assert voided.status.state is PaymentState.VOIDED
            desk.client.hold(hold)
            assert desk.free() == 100_000

    def test_of_questions_are_refused_for_now(self, desk: Desk) -> None:
        desk.fault(FaultKind.CUT_AFTER, calls=frozenset((Call.QUERY, Call.STATEMENT)))
        with pytest.raises(Refused, match="wallet_unreachable"):
            desk.client.query(CommandId("command-0001"))
        with pytest.raises(Refused, match="wallet_unreachable"):
            desk.client.statement(business_date(datetime.now(UTC)))
        assert desk.client.agreement(PAYER) is not None


@contextmanager
def listening_hospital(running: RunningWallet, ear: Ear, folder: Path) -> Iterator[None]:
    """A listener that hears notifications, made known to the stand-in."""
    with free_socket() as listening:
        origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        routes = notification_routes(
            ear,
            key=PinnedKey(running.wallet.public_key),
            merchant=HOSPITAL,
            origin=origin,
            clock=SystemClock(),
            mode=Mode.SANDBOX,
        )
        listener: FastAPI = build_listener("hospital", routers=[routes], mode=Mode.SANDBOX)
        key = signing_key(DevelopmentKeys(folder / "keys"), HOSPITAL).public_key
        running.wallet.admit(HOSPITAL, key, notify_url=origin + NOTIFICATION_PATH)
        with served(listener, listening):
            yield


class TestNotifications:
    @pytest.mark.parametrize(
        ("kind", "versions"),
        [
            (NewsFaultKind.NONE, [1, 2]),
            (NewsFaultKind.LATE, [1, 2]),
            (NewsFaultKind.TWICE, [1, 1, 2, 2]),
            (NewsFaultKind.OUT_OF_ORDER, [2, 1]),
        ],
    )
    def test_reach_the_hospital_as_the_knob_says(
        self, running: RunningWallet, tmp_path: Path, kind: NewsFaultKind, versions: list[int]
    ) -> None:
        ear = Ear(len(versions))
        running.wallet.faults.set_news(NewsFault(kind, delay_s=0.1))
        with listening_hospital(running, ear, tmp_path):
            with closing(hospital(running, tmp_path, Counted(), pinned=True)) as client:
                payment = Desk(running, client, Counted()).held()
                capture = CaptureCommand(CommandId(new_identifier()), payment, Fen(1_000))
                assert isinstance(client.capture(capture), Done)
            assert ear.complete.wait(60)
        heard = [each.status.version for each in ear.news]
        assert (heard if kind is NewsFaultKind.OUT_OF_ORDER else sorted(heard)) == versions
        assert {each.cause for each in ear.news} == {payment, capture.command_id}


class TestTheDesk:
    @pytest.fixture
    def http(self, running: RunningWallet) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=running.origin, trust_env=False, timeout=30) as opened:
            yield opened

    def test_every_answer_says_that_it_is_a_stand_ins(self, http: httpx.Client) -> None:
        for path in ("/health", "/desk/v1/payers", "/openapi.json", "/nowhere", "/"):
            assert http.get(path).headers[STAND_IN_HEADER] == "e-wallet"
        foreign = http.get("/health", headers={"host": "wallet.example"})
        assert foreign.headers[STAND_IN_HEADER] == "e-wallet"
        assert foreign.status_code == 409
        assert http.get("/health").json()["stand_ins"][0]["part"] == "e_wallet"
        assert "演练用替身" in http.get("/desk/v1/payers").json()["stand_in"]

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "http://elsewhere.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"host": "rebound.example"},
        ],
    )
    def test_a_page_of_another_origin_is_refused(
        self, http: httpx.Client, headers: dict[str, str]
    ) -> None:
        calls = [
            http.get("/desk/v1/payers", headers=headers),
            http.put("/desk/v1/fault", json={"kind": "busy"}, headers=headers),
            http.post(INTRODUCTION_PATH, json={"public_key": "x"}, headers=headers),
        ]
        assert {call.json()["code"] for call in calls} == {"sandbox.wallet_desk_foreign"}
        assert http.get("/desk/v1/fault").json()["kind"] == "none"

    def test_accounts_are_kept_and_counted_over_http(self, http: httpx.Client) -> None:
        payer = {"payer": "payer-0002"}
        opened = http.post("/desk/v1/payers", json={**payer, "last_four": "5678"})
        assert opened.status_code == 201
        assert http.post("/desk/v1/top-ups", json={**payer, "amount_fen": 500}).is_success
        terms = {
            "transaction_max_fen": 100,
            "day_max_fen": 200,
            "valid_from": TERMS.valid_from.isoformat(),
            "valid_until": TERMS.valid_until.isoformat(),
        }
        assert http.post("/desk/v1/agreements", json={**payer, **terms}).status_code == 201
        assert http.post("/desk/v1/revocations", json=payer).is_success
        assert http.post("/desk/v1/closings", json=payer).is_success
        found = http.get("/desk/v1/payers").json()["payers"]
        assert found[1] == {
            "payer": "payer-0002",
            "last_four": "5678",
            "closed": True,
            "free_fen": 500,
        }
        books = http.get("/desk/v1/books").json()
        assert books["coherent"]
        assert books["sum_of_entries_fen"] == 0
        assert http.post("/desk/v1/expiries").json() == {"holds": 0}

    def test_faults_are_turned_on_and_off_over_http(self, http: httpx.Client, desk: Desk) -> None:
        turned = {"kind": "refuse", "reason": "closed", "calls": ["holds"], "times": 1}
        assert http.put("/desk/v1/fault", json=turned).is_success
        assert isinstance(desk.client.hold(desk.hold()), Declined)
        assert http.get("/desk/v1/fault").json() == {**turned, "times": 0, "delay_s": 0.0}
        desk.held()
        assert http.put("/desk/v1/fault", json={"kind": "fire"}).status_code == 422
        news = {"kind": "late", "delay_s": 5.0}
        assert http.put("/desk/v1/news-fault", json=news).json() == news
        assert http.get("/desk/v1/news-fault").json() == news

    def test_unsigned_or_too_large_a_call_is_refused(self, http: httpx.Client) -> None:
        for call in Call:
            assert http.post(call.path, json={}).json()["code"] == "terminals.signature_malformed"
        assert http.post(Call.HOLD.path, content=bytes(2**20)).status_code == 413


class TestRunning:
    def test_it_listens_on_loopback_only(self, running: RunningWallet) -> None:
        assert running.origin.startswith("http://127.0.0.1:")

    def test_a_taken_port_is_told(self, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with (
                pytest.raises(Refused, match="wallet_not_started"),
                running_wallet(tmp_path / "state", port=taken.getsockname()[1]),
            ):
                pass

    def test_its_folder_is_its_owners(self, tmp_path: Path) -> None:
        with running_wallet(tmp_path / "state"):
            files = [tmp_path / "state", *(tmp_path / "state").rglob("*")]
            assert [each for each in files if each.stat().st_mode & 0o077] == []

    def test_no_log_line_names_a_payer(
        self, desk: Desk, log_of_the_suite: list[str], capfd: pytest.CaptureFixture[str]
    ) -> None:
        before = len(log_of_the_suite)
        desk.held()
        desk.client.agreement(PAYER)
        with httpx.Client(base_url=desk.running.origin, trust_env=False) as http:
            http.post("/desk/v1/payers", json={"payer": PAYER, "last_four": "x"})
        printed = "\n".join((*log_of_the_suite[before:], *capfd.readouterr()))
        assert Call.HOLD.path in printed
        assert PAYER not in printed
