"""The stand-in without its server, a hospital that it knows, payers, and a clock to set."""

import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Self

from shualian.core.clock import SettableClock
from shualian.core.identifiers import CommandId, InstitutionCode
from shualian.core.money import Fen
from shualian.gateway.ewallet.model import Call, NotificationBody, Wire
from shualian.hospital.wallet.model import (
    CaptureCommand,
    CommandReport,
    Declined,
    DeclineReason,
    Done,
    HoldCommand,
    PayerRef,
    PaymentStatus,
    RefundCommand,
    VoidCommand,
)
from shualian.sandbox.ewallet.model import Terms
from shualian.sandbox.ewallet.server import open_wallet
from shualian.sandbox.ewallet.service import StandInWallet
from shualian.terminals.agent.model import sign_request
from shualian.terminals.requests.model import SignedRequest
from shualian.trust.signatures import Algorithm, SigningKey

ORIGIN = "http://127.0.0.1:8619"
START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
HOSPITAL, OTHER = InstitutionCode("H99000000001"), InstitutionCode("H99000000002")
PAYER = PayerRef("payer-0001")
NEWS_URL = "http://127.0.0.1:8000/wallet/v1/notifications"
TERMS = Terms(Fen(5_000), Fen(8_000), START, START + timedelta(days=365))


class Box:
    """Takes notifications in the place of a hospital."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.heard: list[NotificationBody] = []
        self.raw: list[tuple[str, bytes, Mapping[str, str]]] = []

    def send(self, url: str, *, content: bytes, headers: Mapping[str, str]) -> bool:
        self.raw.append((url, content, headers))
        self.heard.append(NotificationBody.model_validate_json(content))
        return self.takes

    @property
    def versions(self) -> list[int]:
        return [each.status.version for each in self.heard]


class World:
    """Use it in a ``with`` block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SettableClock(START)
        self.key = SigningKey.generate(Algorithm.ECDSA_P256_SHA256)
        self._opened = ExitStack()
        self._numbers = count(1)
        self.wallet: StandInWallet

    def __enter__(self) -> Self:
        self.open()
        self.wallet.admit(HOSPITAL, self.key.public_key, notify_url=NEWS_URL)
        self.wallet.open_account(PAYER, last_four="1234", balance=Fen(10_000))
        self.wallet.agree(PAYER, TERMS)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def open(self) -> None:
        self.wallet = self._opened.enter_context(
            open_wallet(self.folder, clock=self.clock, origin=ORIGIN)
        )

    def restart(self) -> None:
        """As after a stop of the process."""
        self._opened.close()
        self.open()

    def wait(self, span: timedelta) -> None:
        self.clock.set(self.clock.now() + span)

    def new_id(self) -> CommandId:
        return CommandId(f"command-{next(self._numbers):04}")

    def hold(self, amount: int, *, payer: PayerRef = PAYER, minutes: int = 15) -> Done | Declined:
        until = self.clock.now() + timedelta(minutes=minutes)
        command = HoldCommand(self.new_id(), payer, Fen(amount), until)
        return self.wallet.carry_out(HOSPITAL, command)

    def capture(self, payment: CommandId, amount: int) -> Done | Declined:
        command = CaptureCommand(self.new_id(), payment, Fen(amount))
        return self.wallet.carry_out(HOSPITAL, command)

    def void(self, payment: CommandId) -> Done | Declined:
        return self.wallet.carry_out(HOSPITAL, VoidCommand(self.new_id(), payment))

    def refund(self, payment: CommandId, amount: int) -> Done | Declined:
        command = RefundCommand(self.new_id(), payment, Fen(amount))
        return self.wallet.carry_out(HOSPITAL, command)

    def held(self, amount: int = 1_000) -> CommandId:
        """A payment that is held."""
        return done(self.hold(amount)).payment

    def captured(self, amount: int = 1_000) -> CommandId:
        """A payment that was captured whole."""
        payment = self.held(amount)
        done(self.capture(payment, amount))
        return payment

    def report(self, command_id: CommandId) -> CommandReport:
        return self.wallet.query(HOSPITAL, command_id)

    def free(self, payer: PayerRef = PAYER) -> int:
        return next(free for one, free in self.wallet.payers() if one.payer == payer)

    def signed(
        self, call: Call, body: Wire, *, key: SigningKey | None = None, path: str | None = None
    ) -> SignedRequest:
        content = body.model_dump_json().encode()
        target = ORIGIN + (path or call.path)
        fields = sign_request(
            key or self.key,
            method="POST",
            target_uri=target,
            body=content,
            created=self.clock.now(),
            nonce=secrets.token_urlsafe(16),
        )
        return SignedRequest(
            method="POST",
            target_uri=ORIGIN + call.path,
            signature_input=[fields["signature-input"]],
            signature=[fields["signature"]],
            content_digest=[fields["content-digest"]],
            address="127.0.0.1",
            body=content,
        )


def done(outcome: Done | Declined) -> PaymentStatus:
    assert isinstance(outcome, Done), outcome
    return outcome.status


def reason(outcome: Done | Declined) -> DeclineReason:
    assert isinstance(outcome, Declined), outcome
    return outcome.reason
