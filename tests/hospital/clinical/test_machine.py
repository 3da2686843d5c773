"""Random lives of orders with lost messages and power cuts; at the end all books agree."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hospital.world import (
    AMOXICILLIN,
    CHEST_CT,
    CLERK,
    CONSULTATION,
    DOCTOR,
    DOCTOR_STAFF,
    URINALYSIS,
    VITAMINS,
    WALLET_MONEY,
    ZHANG,
    Fault,
    PowerCutError,
    World,
    command,
)
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import ChargeItemNo, CommandId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.wording import paid_by
from shualian.hospital.clinical.model import OrderNo, OrderState, Standing
from shualian.hospital.orders.model import BatchState
from shualian.hospital.orders.store import batches_of
from shualian.hospital.payments.model import Payment, PaymentState

T = TypeVar("T")

CODES = (CONSULTATION, CHEST_CT, URINALYSIS, AMOXICILLIN, VITAMINS)
PLACE = st.integers(0, 3)
MESSAGES = ("2204", "2205", "2206", "2207", "refund", "estimate")
Trouble = int | tuple[str, Fault] | None
TROUBLE: st.SearchStrategy[Trouble] = st.one_of(
    st.none(),
    st.none(),
    st.integers(0, 12),
    st.tuples(st.sampled_from(MESSAGES), st.sampled_from(Fault)),
)


class Orders(RuleBasedStateMachine):
    """What a doctor, a patient, a desk and a cashier do in one visit while things fail."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = SqliteDatabase(f"sqlite:///{Path(self.folder.name) / 'hospital.db'}")
        self.world = World(self.database)
        self.world.agreed()
        self.encounter = self.world.registered()
        self.orders: list[OrderNo] = []
        self.paying: list[CommandId] = []
        self.done: set[OrderNo] = set()

    @initialize(
        codes=st.lists(st.sampled_from(CODES), min_size=2, max_size=4),
        from_wallet_fen=st.sampled_from([0, 20_00, 500_00]),
        cash=st.booleans(),
    )
    def begin_with_a_paid_bill(self, codes: list[str], from_wallet_fen: int, cash: bool) -> None:
        for code in codes:
            self.draft_and_sign(code, None)
        self.pay(None, from_wallet_fen)
        if cash:
            self.pay_cash(0)

    def attempt(self, act: Callable[[], T], trouble: Trouble = None) -> T | None:
        if isinstance(trouble, int):
            self.world.breaker.steps_left = trouble
        elif trouble is not None:
            self.world.insurer.break_next(*trouble)
        try:
            return act()
        except Refused:
            return None
        except PowerCutError:
            self.world.start()
            return None
        finally:
            self.world.breaker.steps_left = None

    @rule(code=st.sampled_from(CODES))
    def draft(self, code: str) -> None:
        self.orders.append(self.world.drafted(self.encounter, code).order_no)

    @precondition(lambda self: self.orders)
    @rule(place=PLACE, trouble=TROUBLE)
    def preview(self, place: int, trouble: Trouble) -> None:
        order_no = self.picked(place)
        self.attempt(lambda: self.world.clinical.preview(order_no=order_no), trouble)

    @rule(code=st.sampled_from(CODES), trouble=TROUBLE)
    def draft_and_sign(self, code: str, trouble: Trouble) -> None:
        self.draft(code)
        self.sign(0, trouble)

    @precondition(lambda self: self.orders)
    @rule(place=PLACE, trouble=TROUBLE)
    def sign(self, place: int, trouble: Trouble) -> None:
        order_no = self.picked(place)
        seen = frozenset(
            warning.code
            for warning in (
                self.attempt(lambda: self.world.clinical.preview(order_no=order_no).warnings) or ()
            )
        )
        self.attempt(
            lambda: self.world.clinical.sign(
                order_no=order_no, doctor=DOCTOR, by=DOCTOR_STAFF, acknowledged=seen
            ),
            trouble,
        )

    @rule(trouble=TROUBLE, from_wallet_fen=st.sampled_from([0, 5_00, 500_00]))
    def pay(self, trouble: Trouble, from_wallet_fen: int) -> None:
        command_id, number = command(), self.encounter.encounter_no

        def act() -> Payment:
            self.world.orders.upload(encounter_no=number)
            payment = self.world.payments.prepare(command_id=command_id, encounter_no=number)
            self.paying.append(command_id)
            share = min(from_wallet_fen, payment.confirmed.amounts.psn_cash_pay)
            return self.world.payments.settle(
                command_id=command_id,
                evidence=self.world.confirmed(payment),
                from_wallet_fen=Fen(share),
            )

        self.attempt(act, trouble)

    @rule(code=st.sampled_from(CODES), trouble=TROUBLE)
    def order_and_pay(self, code: str, trouble: Trouble) -> None:
        self.draft_and_sign(code, None)
        self.pay(trouble, 0)

    @rule()
    def only_look_at_a_bill(self) -> None:
        def act() -> Payment:
            return self.world.prepared(self.encounter)

        payment = self.attempt(act)
        if payment is not None:
            self.paying.append(payment.command_id)

    @precondition(lambda self: self.paying)
    @rule(place=PLACE)
    def pay_cash(self, place: int) -> None:
        payment = self.paying[-1 - place % len(self.paying)]

        def act() -> object:
            return self.world.cashier.take_cash(
                command_id=command(),
                payment=payment,
                tendered_fen=Fen(500_00),
                taken_by=CLERK,
            )

        self.attempt(act)

    @precondition(lambda self: self.orders)
    @rule(place=PLACE, trouble=TROUBLE)
    def withdraw(self, place: int, trouble: Trouble) -> None:
        order_no = self.picked(place)
        self.attempt(
            lambda: self.world.clinical.withdraw(order_no=order_no, by=DOCTOR_STAFF, reason="x"),
            trouble,
        )

    @precondition(lambda self: self.orders)
    @rule(place=PLACE)
    def perform(self, place: int) -> None:
        order_no = self.picked(place)
        view = self.attempt(lambda: self.world.clinical.perform(order_no=order_no, by=CLERK))
        if view is not None:
            self.done.add(order_no)

    @precondition(lambda self: self.paying)
    @rule(place=PLACE, trouble=TROUBLE)
    def cancel_a_payment(self, place: int, trouble: Trouble) -> None:
        payment = self.paying[-1 - place % len(self.paying)]
        self.attempt(lambda: self.world.payments.cancel(command_id=payment), trouble)

    @rule(balance=st.sampled_from([0, 10_00, 300_00]))
    def use_the_account_elsewhere(self, balance: int) -> None:
        self.world.insurer.balances[ZHANG.psn_no] = Fen(balance)

    @rule()
    def let_late_messages_arrive(self) -> None:
        self.world.insurer.deliver_late()

    @rule(trouble=TROUBLE)
    def resolve(self, trouble: Trouble) -> None:
        self.attempt(self.world.payments.resolve_all, trouble)
        self.attempt(self.world.clinical.resume_all)

    def picked(self, place: int) -> OrderNo:
        return self.orders[-1 - place % len(self.orders)]

    @invariant()
    def what_was_performed_is_never_taken_back(self) -> None:
        for order_no in self.done:
            view = self.world.clinical.get(order_no=order_no)
            assert view.order.state is OrderState.PERFORMED
            assert view.paid_fen == view.amount_fen > 0

    @invariant()
    def nobodys_wallet_money_is_lost(self) -> None:
        assert self.world.wallet.all_money == 2 * WALLET_MONEY

    def teardown(self) -> None:
        try:
            self.come_to_rest()
            self.check_orders()
            self.check_payments()
            self.check_lines()
            self.check_receipts()
        finally:
            self.database.close()
            self.folder.cleanup()

    def come_to_rest(self) -> None:
        self.world.insurer.fault = None
        self.world.start()
        self.world.insurer.deliver_late()
        assert self.world.payments.resolve_all() == []
        assert self.world.clinical.resume_all() == []
        self.world.orders.upload(encounter_no=self.encounter.encounter_no)

    def check_orders(self) -> None:
        for view in self.world.clinical.of_encounter(encounter_no=self.encounter.encounter_no):
            on_bill = view.standing not in {
                Standing.DRAFT,
                Standing.DISCARDED,
                Standing.WITHDRAWN,
            }
            assert bool(view.items) is on_bill
            assert view.standing not in {Standing.REFUNDING, Standing.SIGNED}

    def check_payments(self) -> None:
        payments = self.world.payments.of_encounter(encounter_no=self.encounter.encounter_no)
        standing = {
            each.command_id: each.answer for each in payments if each.state is PaymentState.SETTLED
        }
        assert standing == self.world.insurer.standing
        taken = {
            each.wallet.held.command_id: each.wallet.taken_fen
            for each in payments
            if each.wallet is not None and each.wallet.taken_fen
        }
        assert taken == self.world.wallet.taken
        for each in payments:
            assert each.done or each.undone or each.state is PaymentState.PREPARED

    def check_lines(self) -> None:
        number = self.encounter.encounter_no
        ours = self.world.orders.items(encounter_no=number)
        theirs = self.world.insurer.lines
        assert {item.feedetl_sn: item.chrg_bchno for item in ours} == {
            number: line.chrg_bchno for number, line in theirs.items()
        }
        batches = self.database.read(
            lambda connection: batches_of(connection, self.encounter.institution, number)
        )
        settled: dict[ChargeItemNo, CommandId | None] = {
            item.feedetl_sn: batch.held_by if batch.state is BatchState.SETTLED else None
            for batch in batches
            for item in ours
            if item.chrg_bchno == batch.chrg_bchno
        }
        assert settled == {number: line.settled_by for number, line in theirs.items()}

    def check_receipts(self) -> None:
        for payment in self.world.payments.of_encounter(encounter_no=self.encounter.encounter_no):
            if payment.state is not PaymentState.SETTLED:
                continue
            with suppress(Refused):
                self.world.cashier.take_cash(
                    command_id=command(),
                    payment=payment.command_id,
                    tendered_fen=Fen(max(1, payment.cash_due_fen)),
                    taken_by=CLERK,
                )
            receipt = self.world.cashier.receipt(payment=payment.command_id)
            bill = payment.answer.amounts.medfee_sumamt
            assert sum(paid_by(receipt.amounts).values()) == bill


Orders.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestOrders = Orders.TestCase
