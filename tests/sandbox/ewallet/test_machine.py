"""The stand-in under any order of commands, repeats, waiting and restarts, against a plain model.

After every step: the books add up to zero and agree with the payments, nothing is captured beyond
a hold, refunds never exceed captures, and every command is reported as it was first answered.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from sandbox.ewallet.world import HOSPITAL, PAYER, TERMS, Box, World
from shualian.core.clock import business_date
from shualian.core.identifiers import CommandId
from shualian.core.money import Fen
from shualian.hospital.wallet.model import (
    CaptureCommand,
    Command,
    Declined,
    DeclineReason,
    Done,
    HoldCommand,
    RefundCommand,
    VoidCommand,
    WalletPayment,
    learnt,
    requested,
)

amounts = st.integers(1, 3_000).map(Fen)
parts = st.sampled_from(["some", "all", "one more"])
"""How much of what there is is asked for."""


@dataclass
class Truth:
    """What the test itself counts of a payment."""

    held: int
    ends: datetime
    captured: int = 0
    refunded: int = 0
    open: bool = True


def share(whole: int, part: str) -> Fen:
    """Above 0 in any case."""
    return Fen(max(1, {"some": whole // 3, "all": whole, "one more": whole + 1}[part]))


class Wallet(RuleBasedStateMachine):
    payments = Bundle("payments")
    commands = Bundle("commands")

    def __init__(self) -> None:
        super().__init__()
        self.opened = ExitStack()
        folder = self.opened.enter_context(TemporaryDirectory())
        self.world = self.opened.enter_context(World(Path(folder) / "wallet"))
        self.given = 10_000
        self.truth: dict[CommandId, Truth] = {}
        self.known: dict[CommandId, WalletPayment] = {}
        self.answers: dict[CommandId, Done | Declined] = {}
        self.box = Box()

    def teardown(self) -> None:
        self.opened.close()

    def send(self, command: Command) -> Done | Declined:
        outcome = self.world.wallet.carry_out(HOSPITAL, command)
        self.answers[command.command_id] = outcome
        return outcome

    def expire(self) -> None:
        for each in self.truth.values():
            each.open = each.open and self.world.clock.now() < each.ends

    def do_hold(self, amount: Fen, minutes: int) -> CommandId:
        until = self.world.clock.now() + timedelta(minutes=minutes)
        command = HoldCommand(self.world.new_id(), PAYER, amount, until)
        self.known[command.command_id] = requested(command, now=self.world.clock.now())
        if isinstance(self.send(command), Done):
            self.truth[command.command_id] = Truth(amount, until)
        return command.command_id

    def do_capture(self, payment: CommandId, part: str) -> Command:
        truth = self.truth.get(payment)
        amount = share(0 if truth is None else truth.held, part)
        command = CaptureCommand(self.world.new_id(), payment, amount)
        possible = truth is not None and truth.open and amount <= truth.held
        assert isinstance(self.send(command), Done) is possible
        if truth is not None and possible:
            truth.captured, truth.open = amount, False
        return command

    def do_refund(self, payment: CommandId, part: str) -> Command:
        truth = self.truth.get(payment)
        amount = share(0 if truth is None else truth.captured - truth.refunded, part)
        command = RefundCommand(self.world.new_id(), payment, amount)
        possible = truth is not None and amount <= truth.captured - truth.refunded
        assert isinstance(self.send(command), Done) is possible
        if truth is not None and possible:
            truth.refunded += amount
        return command

    @initialize(target=payments)
    def begin_with_a_hold(self) -> CommandId:
        return self.do_hold(Fen(2_000), 15)

    @initialize(target=payments)
    def begin_with_a_part_refund(self) -> CommandId:
        payment = self.do_hold(Fen(1_000), 15)
        self.do_capture(payment, "all")
        self.do_refund(payment, "some")
        return payment

    @rule(target=payments, amount=amounts, minutes=st.integers(1, 30))
    def hold(self, amount: Fen, minutes: int) -> CommandId:
        return self.do_hold(amount, minutes)

    @rule(target=commands, payment=payments, part=parts)
    def capture(self, payment: CommandId, part: str) -> Command:
        return self.do_capture(payment, part)

    @rule(target=commands, payment=payments, part=parts)
    def refund(self, payment: CommandId, part: str) -> Command:
        return self.do_refund(payment, part)

    @rule(target=commands, payment=payments)
    def void(self, payment: CommandId) -> Command:
        command = VoidCommand(self.world.new_id(), payment)
        truth = self.truth.get(payment)
        outcome = self.send(command)
        assert isinstance(outcome, Done) is (truth is None or truth.captured == 0)
        if truth is not None and truth.captured == 0:
            truth.open = False
        return command

    @rule(command=commands)
    def repeat(self, command: Command) -> None:
        before = self.world.free()
        outcome = self.world.wallet.carry_out(HOSPITAL, command)
        assert outcome == self.answers[command.command_id]
        assert self.world.free() == before

    @rule(command=commands, amount=amounts)
    def use_an_identifier_again(self, command: Command, amount: Fen) -> None:
        until = self.world.clock.now() + timedelta(minutes=1)
        other = HoldCommand(command.command_id, PAYER, amount, until)
        outcome = self.world.wallet.carry_out(HOSPITAL, other)
        assert outcome == Declined(command.command_id, DeclineReason.COMMAND_DIFFERS)

    @rule(target=payments, amount=amounts)
    def void_before_its_hold_arrives(self, amount: Fen) -> CommandId:
        until = self.world.clock.now() + timedelta(minutes=5)
        late = HoldCommand(self.world.new_id(), PAYER, amount, until)
        self.known[late.command_id] = requested(late, now=self.world.clock.now())
        assert isinstance(self.send(VoidCommand(self.world.new_id(), late.command_id)), Done)
        assert self.send(late) == Declined(late.command_id, DeclineReason.HOLD_ENDED)
        return late.command_id

    @rule(minutes=st.integers(1, 20))
    def wait(self, minutes: int) -> None:
        self.world.wait(timedelta(minutes=minutes))
        self.world.wallet.expire_due()
        self.expire()

    @rule(amount=amounts)
    def top_up(self, amount: Fen) -> None:
        self.world.wallet.top_up(PAYER, amount)
        self.given += amount

    @rule(good=st.booleans())
    def agree_or_revoke(self, good: bool) -> None:
        if good:
            self.world.wallet.agree(PAYER, TERMS)
        else:
            self.world.wallet.revoke(PAYER)

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @rule(payment=payments)
    def hear_the_news(self, payment: CommandId) -> None:
        self.world.wallet.send_due_news(self.box)
        for each in reversed(self.box.heard):
            status = each.status.status()
            self.known[status.payment] = learnt(self.known[status.payment], status)
        report = self.world.report(payment)
        if report.payment is not None:
            assert self.known[payment].version == report.payment.version
            assert self.known[payment].state is report.payment.state

    @invariant()
    def the_books_are_right(self) -> None:
        assert self.world.wallet.check_books().coherent

    @invariant()
    def money_is_where_the_test_counts_it(self) -> None:
        taken = sum(each.captured - each.refunded for each in self.truth.values())
        held = sum(each.held for each in self.truth.values() if each.open)
        assert self.world.free() == self.given - taken - held
        today = business_date(self.world.clock.now())
        days = {today, today - timedelta(days=1)}
        moved = sum(self.world.wallet.statement(HOSPITAL, day).net_fen for day in days)
        assert moved == taken

    @invariant()
    def nothing_is_taken_beyond_a_hold_nor_given_back_beyond_what_was_taken(self) -> None:
        for payment in self.truth:
            status = self.world.report(payment).payment
            assert status is not None
            assert 0 <= status.refunded_fen <= status.captured_fen <= status.amount_fen

    @invariant()
    def every_command_is_reported_as_it_was_answered(self) -> None:
        for command_id, outcome in list(self.answers.items())[-3:]:
            assert self.world.report(command_id).outcome == outcome


TestWallet = Wallet.TestCase
TestWallet.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)
