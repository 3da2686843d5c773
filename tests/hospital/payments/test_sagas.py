"""Random one-scan payments while messages get lost, late and doubled and the power is cut.

Afterwards every saga is done or undone, and hospital, insurer and wallet agree to the fen.
"""

import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from hospital.world import (
    BLOOD_PRESSURE_TABLETS,
    CHEST_CT,
    CLERK,
    CONSULTATION,
    HOSPITAL,
    LI,
    PAYERS,
    TERMS,
    VITAMINS,
    WALLET_MONEY,
    ZHANG,
    Fault,
    PowerCutError,
    World,
    command,
)
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import CommandId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.model import InsuredPerson
from shualian.hospital.orders.model import BatchState
from shualian.hospital.orders.store import batches_of
from shualian.hospital.payments.model import NOT_SENT, Payment, PaymentState
from shualian.hospital.payments.store import payments
from shualian.hospital.wallet.model import ENDED_UNTAKEN, DeclineReason
from shualian.hospital.wallet.model import PaymentState as WalletState

T = TypeVar("T")

CODE = st.sampled_from([CONSULTATION, CHEST_CT, BLOOD_PRESSURE_TABLETS, VITAMINS])
PLACE = st.integers(0, 4)
SHARE = st.sampled_from(["all", "half", "all", "nothing"])
Trouble = int | tuple[str, Fault] | None
TROUBLE: st.SearchStrategy[Trouble] = st.one_of(
    st.none(),
    st.integers(0, 13),
    st.tuples(st.sampled_from(["2206", "2207", "2208", "2601"]), st.sampled_from(Fault)),
    st.tuples(st.sampled_from(["capture", "hold", "void", "refund"]), st.sampled_from(Fault)),
)
REASON = st.sampled_from(
    [DeclineReason.TOO_LITTLE_MONEY, DeclineReason.CLOSED, DeclineReason.HOLD_ENDED]
)


class Sagas(RuleBasedStateMachine):
    """What people, clerks and the resolver do while both outside parties fail."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = SqliteDatabase(f"sqlite:///{Path(self.folder.name) / 'hospital.db'}")
        self.world = World(self.database)
        self.people: dict[str, InsuredPerson] = {each.psn_no: each for each in (ZHANG, LI)}
        self.encounters: list[Encounter] = []
        self.commanded: list[Callable[[], Payment]] = []

    @initialize()
    def begin(self) -> None:
        for person in (ZHANG, LI):
            self.world.agreed(person)
            self.encounters.append(self.world.registered(person))

    def attempt(self, act: Callable[[], T], trouble: Trouble = None) -> T | None:
        """Do something in trouble: a message gets lost, or the process is killed at some step."""
        world = self.world
        if isinstance(trouble, int):
            world.breaker.steps_left = trouble
        elif trouble is not None:
            outside = world.insurer if trouble[0].isdigit() else world.wallet
            outside.break_next(*trouble)
        try:
            return act()
        except Refused:
            return None
        except PowerCutError:
            world.start()
            return None

    @rule(seconds=st.sampled_from([1, 200, 700, 8000]))
    def wait(self, seconds: int) -> None:
        self.world.wait(timedelta(seconds=seconds))

    @rule()
    def let_late_messages_arrive(self) -> None:
        self.world.insurer.deliver_late()
        self.world.wallet.deliver_late()

    @rule(name=st.sampled_from(["hold", "capture", "void", "refund"]), reason=REASON)
    def let_the_wallet_decline(self, name: str, reason: DeclineReason) -> None:
        self.world.wallet.refuse_next = name, reason

    @rule(agrees=st.sampled_from([True, True, False]))
    def change_the_agreement(self, agrees: bool) -> None:
        payer = PAYERS[ZHANG.psn_no]
        self.world.wallet.terms.pop(payer, None)
        if agrees:
            self.world.wallet.terms[payer] = TERMS
            self.attempt(lambda: self.world.agreed(ZHANG))

    @rule(
        place=PLACE,
        code=CODE,
        share=SHARE,
        refused=st.sampled_from([False, False, True]),
        trouble=TROUBLE,
    )
    def pay(self, place: int, code: str, share: str, refused: bool, trouble: Trouble) -> None:
        payment = self.attempt(lambda: self.billed(place, code))
        if payment is None:
            return
        act = self.confirmed(payment, share)
        self.commanded.append(act)
        if refused:
            # Not what was confirmed any more.
            self.world.insurer.balances[payment.psn_no] += 1  # type: ignore[assignment]
        self.attempt(act, trouble)

    @rule(place=PLACE, code=CODE, trouble=TROUBLE)
    def go_to_the_window(self, place: int, code: str, trouble: Trouble) -> None:
        payment = self.attempt(lambda: self.billed(place, code))
        if payment is not None:
            number = payment.command_id
            self.attempt(lambda: self.world.payments.reserve(command_id=number), trouble)

    def billed(self, place: int, code: str) -> Payment:
        encounter = newest(self.encounters, place)
        self.world.ordered(encounter, code)
        return self.world.prepared(encounter)

    @precondition(lambda self: self.in_state(PaymentState.RESERVED))
    @rule(place=PLACE, share=SHARE, by_document=st.booleans(), trouble=TROUBLE)
    def finish_at_the_window(
        self, place: int, share: str, by_document: bool, trouble: Trouble
    ) -> None:
        slip_no = newest(self.in_state(PaymentState.RESERVED), place).slip_no
        assert slip_no is not None
        payment = self.world.payments.by_slip(slip_no=slip_no)
        act = self.confirmed(payment, share, by_document=by_document)
        self.commanded.append(act)
        self.attempt(act, trouble)

    def confirmed(
        self, payment: Payment, share: str, *, by_document: bool = False
    ) -> Callable[[], Payment]:
        """The person confirms a bill, with a share of the cash share from the account."""
        world, person = self.world, self.people[payment.psn_no]
        due = payment.confirmed.amounts.psn_cash_pay
        amount = Fen({"nothing": 0, "half": due // 2, "all": due}[share])
        seen = world.shown(payment, person) if by_document else world.confirmed(payment, person)
        return lambda: world.payments.settle(
            command_id=payment.command_id, evidence=seen, from_wallet_fen=amount
        )

    @precondition(lambda self: self.commanded)
    @rule(place=PLACE, trouble=TROUBLE)
    def command_again(self, place: int, trouble: Trouble) -> None:
        self.attempt(newest(self.commanded, place), trouble)

    @precondition(lambda self: self.in_state(PaymentState.SETTLED))
    @rule(place=PLACE, trouble=TROUBLE)
    def cancel(self, place: int, trouble: Trouble) -> None:
        number = newest(self.in_state(PaymentState.SETTLED), place).command_id
        self.attempt(lambda: self.world.payments.cancel(command_id=number), trouble)

    @precondition(lambda self: self.payments())
    @rule(place=PLACE, trouble=TROUBLE)
    def give_up(self, place: int, trouble: Trouble) -> None:
        number = newest(self.payments(), place).command_id
        self.attempt(lambda: self.world.payments.give_up(command_id=number), trouble)

    @precondition(lambda self: self.payments())
    @rule(place=PLACE)
    def withdraw(self, place: int) -> None:
        number = newest(self.payments(), place).command_id
        self.attempt(lambda: self.world.payments.withdraw(command_id=number))

    @rule(trouble=TROUBLE)
    def close_the_day(self, trouble: Trouble) -> None:
        now = self.world.clock.now()
        self.attempt(lambda: self.world.payments.close_day(now=now), trouble)

    @precondition(lambda self: self.in_state(PaymentState.SETTLED))
    @rule(place=PLACE)
    def pay_the_rest_in_cash(self, place: int) -> None:
        payment = newest(self.in_state(PaymentState.SETTLED), place)
        self.attempt(lambda: self.take_cash(payment))

    def take_cash(self, payment: Payment) -> None:
        self.world.cashier.take_cash(
            command_id=command(),
            payment=payment.command_id,
            tendered_fen=payment.cash_due_fen,
            taken_by=CLERK,
        )

    @precondition(lambda self: self.world.wallet.news)
    @rule(place=PLACE, trouble=TROUBLE)
    def hear_news(self, place: int, trouble: Trouble) -> None:
        news = newest(self.world.wallet.news, place)
        self.attempt(lambda: self.world.payments.heard(news), trouble)

    @rule(trouble=TROUBLE)
    def resolve(self, trouble: Trouble) -> None:
        self.attempt(self.world.payments.resolve_all, trouble)

    @invariant()
    def no_money_of_the_wallet_comes_or_goes(self) -> None:
        assert self.world.wallet.all_money == len(PAYERS) * WALLET_MONEY

    @invariant()
    def nothing_is_captured_without_a_settlement(self) -> None:
        of_hold = {each.wallet.held.command_id: each for each in self.payments() if each.wallet}
        for hold_id in self.world.wallet.taken:
            assert of_hold[hold_id].command_id in self.world.insurer.settlements

    @invariant()
    def the_hospital_believes_in_no_settlement_that_is_not(self) -> None:
        for payment in self.payments():
            if payment.state is PaymentState.SETTLED:
                _, answer = self.world.insurer.settlements[payment.command_id]
                assert answer == payment.answer

    def payments(self) -> list[Payment]:
        oldest_first = select(payments.c.command_id).order_by(payments.c.command_id)
        numbers = self.database.read(lambda connection: connection.scalars(oldest_first).all())
        return [self.world.payments.get(command_id=CommandId(number)) for number in numbers]

    def in_state(self, state: PaymentState) -> list[Payment]:
        return [each for each in self.payments() if each.state is state]

    def teardown(self) -> None:
        try:
            self.come_to_rest()
            self.check_sagas()
            self.check_money()
            self.check_batches()
            self.check_receipts()
        finally:
            self.database.close()
            self.folder.cleanup()

    def come_to_rest(self) -> None:
        world = self.world
        world.insurer.fault = world.wallet.fault = world.wallet.refuse_next = None
        world.start()
        # A step that was declined for good is done under a new identifier the next time.
        for _ in range(3):
            world.payments.resolve_all()
        assert world.payments.resolve_all() == []
        self.check_sagas()
        world.insurer.deliver_late()
        world.wallet.deliver_late()
        for news in reversed(world.wallet.news):
            world.payments.heard(news)
        assert world.payments.resolve_all() == []

    def check_sagas(self) -> None:
        for payment in self.payments():
            assert payment.done + payment.undone + (payment.state in NOT_SENT) == 1

    def check_money(self) -> None:
        world, taken = self.world, {}
        for payment in self.payments():
            part = payment.wallet
            if part is not None:
                self.check_part(payment)
            if not payment.done:
                continue
            amounts = payment.answer.amounts
            from_account = part.taken_fen if part is not None else Fen(0)
            if part is not None and from_account:
                taken[part.held.command_id] = from_account
            accounts = amounts.acct_pay + amounts.acct_mulaid_pay
            paid = amounts.fund_pay_sumamt + accounts + from_account + payment.cash_due_fen
            assert paid + amounts.hosp_part_amt == amounts.medfee_sumamt
        assert taken == world.wallet.taken
        done = {each.command_id for each in self.payments() if each.done}
        assert done == set(world.insurer.standing)

    def check_part(self, payment: Payment) -> None:
        assert payment.wallet is not None
        ours = payment.wallet.held
        _, theirs = self.world.wallet.payments.get(ours.command_id, (None, None))
        if theirs is None:
            assert ours.state is WalletState.DECLINED
            return
        assert theirs.state not in {WalletState.HELD, WalletState.REQUESTED}
        same = (ours.state, ours.captured_fen, ours.refunded_fen)
        assert same == (theirs.state, theirs.captured_fen, theirs.refunded_fen)
        if payment.undone:
            assert theirs.state in ENDED_UNTAKEN | {WalletState.REFUNDED}

    def check_batches(self) -> None:
        states = {payment.command_id: payment.state for payment in self.payments()}
        lines = self.world.insurer.lines.values()
        for number in {encounter.encounter_no for encounter in self.encounters}:
            for batch in self.database.read(
                lambda connection, number=number: batches_of(  # type: ignore[misc]
                    connection, HOSPITAL, number
                )
            ):
                settled = {line.settled_by for line in lines if line.chrg_bchno == batch.chrg_bchno}
                if batch.state is BatchState.SETTLED:
                    assert settled == {batch.held_by}
                    assert states[CommandId(str(batch.held_by))] is PaymentState.SETTLED
                else:
                    assert settled <= {None}
                if batch.state is BatchState.HELD:
                    assert states[CommandId(str(batch.held_by))] in NOT_SENT

    def check_receipts(self) -> None:
        for payment in self.payments():
            if payment.done:
                self.attempt(lambda payment=payment: self.take_cash(payment))  # type: ignore[misc]
                receipt = self.world.cashier.receipt(payment=payment.command_id)
                cash = 0 if receipt.cash is None else receipt.cash.due_fen
                assert cash + receipt.wallet_fen == receipt.amounts.psn_cash_pay


def newest(known: Sequence[T], place: int) -> T:
    """Counted from the newest, which is the most likely to be looked at again."""
    return known[-1 - place % len(known)]


Sagas.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestSagas = Sagas.TestCase
