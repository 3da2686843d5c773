"""Random visits with lost messages and power cuts; afterwards both halves must tell one story."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select

from hospital.world import (
    BLOOD_PRESSURE_TABLETS,
    CHEST_CT,
    CLERK,
    CONSULTATION,
    DOCTOR,
    HOSPITAL,
    INTERNAL,
    LI,
    VITAMINS,
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
from shualian.hospital.cashier.wording import paid_by
from shualian.hospital.encounters.model import Encounter, EncounterState
from shualian.hospital.encounters.store import encounters
from shualian.hospital.orders.model import BatchState, OrderLine
from shualian.hospital.orders.store import batches_of
from shualian.hospital.payments.model import UNDECIDED, Payment, PaymentState
from shualian.hospital.payments.store import payments

T = TypeVar("T")

CODES = st.lists(
    st.sampled_from([CONSULTATION, CHEST_CT, BLOOD_PRESSURE_TABLETS, VITAMINS]),
    min_size=1,
    max_size=3,
)
PLACE = st.integers(0, 1000)


class Visits(RuleBasedStateMachine):
    """What terminals, doctors and clerks do while things fail around them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = SqliteDatabase(f"sqlite:///{Path(self.folder.name) / 'hospital.db'}")
        self.world = World(self.database)
        self.record_numbers = {
            person.psn_no: self.world.record(person).record_no for person in (ZHANG, LI)
        }
        self.registrations: list[Callable[[], Encounter]] = []
        self.encounters: list[Encounter] = []
        self.commands: list[CommandId] = []
        self.commanded: list[Callable[[], Payment]] = []

    def attempt(self, act: Callable[[], T]) -> T | None:
        """Do something that may be refused or end with the process."""
        try:
            return act()
        except Refused:
            return None
        except PowerCutError:
            self.world.start()
            return None

    @rule(fault=st.sampled_from(Fault), infno=st.sampled_from(["2201", "2204", "2206", "2207"]))
    def let_a_message_fail(self, fault: Fault, infno: str) -> None:
        self.world.insurer.break_next(infno, fault)

    @rule(steps=st.integers(0, 7))
    def cut_the_power_soon(self, steps: int) -> None:
        self.world.breaker.steps_left = steps

    @rule()
    def let_late_messages_arrive(self) -> None:
        self.world.insurer.deliver_late()

    @rule(seconds=st.integers(1, 400))
    def wait(self, seconds: int) -> None:
        self.world.wait(timedelta(seconds=seconds))

    @rule(balance=st.integers(0, 300_00))
    def use_the_account_elsewhere(self, balance: int) -> None:
        self.world.insurer.balances[ZHANG.psn_no] = Fen(balance)

    @rule(is_zhang=st.booleans())
    def register(self, is_zhang: bool) -> None:
        person = ZHANG if is_zhang else LI
        command_id, evidence = command(), self.world.scan(person)

        def act() -> Encounter:
            return self.world.encounters.register(
                command_id=command_id,
                record_no=self.record_numbers[person.psn_no],
                department=INTERNAL,
                doctor=DOCTOR,
                evidence=evidence,
            )

        self.registrations.append(act)
        self.keep(self.attempt(act))

    @precondition(lambda self: self.registrations)
    @rule(place=PLACE)
    def register_again(self, place: int) -> None:
        self.keep(self.attempt(one_of(self.registrations, place)))

    def keep(self, encounter: Encounter | None) -> None:
        if encounter is not None and encounter not in self.encounters:
            self.encounters.append(encounter)

    @precondition(lambda self: self.encounters)
    @rule(place=PLACE, codes=CODES)
    def order(self, place: int, codes: Sequence[str]) -> None:
        lines = [OrderLine(code, Decimal(1)) for code in codes]
        number, command_id = one_of(self.encounters, place).encounter_no, command()
        self.attempt(
            lambda: self.world.orders.order(command_id=command_id, encounter_no=number, lines=lines)
        )

    @precondition(lambda self: self.encounters)
    @rule(place=PLACE)
    def upload_and_prepare(self, place: int) -> None:
        number, command_id = one_of(self.encounters, place).encounter_no, command()
        self.commands.append(command_id)
        self.attempt(lambda: self.world.orders.upload(encounter_no=number))
        self.commanded.append(
            lambda: self.world.payments.prepare(command_id=command_id, encounter_no=number)
        )
        self.attempt(self.commanded[-1])

    @precondition(lambda self: self.commands)
    @rule(place=PLACE)
    def confirm(self, place: int) -> None:
        payment = self.attempt(
            lambda: self.world.payments.get(command_id=one_of(self.commands, place))
        )
        if payment is None:
            return
        person = ZHANG if payment.psn_no == ZHANG.psn_no else LI
        evidence = self.world.confirmed(payment, person)
        self.commanded.append(
            lambda: self.world.payments.settle(command_id=payment.command_id, evidence=evidence)
        )
        self.attempt(self.commanded[-1])

    @precondition(lambda self: self.commanded)
    @rule(place=PLACE)
    def command_again(self, place: int) -> None:
        self.attempt(one_of(self.commanded, place))

    @precondition(lambda self: self.commands)
    @rule(place=PLACE)
    def withdraw(self, place: int) -> None:
        number = one_of(self.commands, place)
        self.attempt(lambda: self.world.payments.withdraw(command_id=number))

    @rule()
    def resolve(self) -> None:
        self.attempt(self.world.encounters.resume_all)
        self.attempt(self.world.payments.resolve_all)

    @invariant()
    def every_confirmation_paid_once_and_every_line_is_on_one_bill(self) -> None:
        insurer = self.world.insurer
        assert len(insurer.settled_intents) == len(insurer.settlements)
        for command_id, (_, answer) in insurer.settlements.items():
            lines = [line for line in insurer.lines.values() if line.settled_by == command_id]
            billed = sum(line.detail.det_item_fee_sumamt for line in lines)
            assert billed == answer.amounts.medfee_sumamt

    @invariant()
    def the_hospital_believes_in_no_settlement_that_is_not(self) -> None:
        for payment in self.payments():
            if payment.state is PaymentState.SETTLED:
                _, answer = self.world.insurer.settlements[payment.command_id]
                assert answer == payment.answer

    def payments(self) -> list[Payment]:
        numbers = self.database.read(
            lambda connection: connection.scalars(select(payments.c.command_id)).all()
        )
        return [self.world.payments.get(command_id=CommandId(number)) for number in numbers]

    def teardown(self) -> None:
        try:
            self.come_to_rest()
            self.check_visits()
            self.check_payments()
            self.check_batches()
            self.check_receipts()
        finally:
            self.database.close()
            self.folder.cleanup()

    def come_to_rest(self) -> None:
        self.world.insurer.fault = None
        self.world.start()
        self.world.insurer.deliver_late()
        assert self.world.encounters.resume_all() == []
        assert self.world.payments.resolve_all() == []

    def check_visits(self) -> None:
        rows = self.database.read(
            lambda connection: connection.execute(
                select(encounters.c.state, encounters.c.mdtrt_id, encounters.c.queue_place)
            ).all()
        )
        assert EncounterState.REGISTERING not in {row.state for row in rows}
        ours = [row.mdtrt_id for row in rows if row.mdtrt_id is not None]
        theirs = [visit.mdtrt_id for _, visit in self.world.insurer.visits.values()]
        assert sorted(ours) == sorted(theirs)

    def check_payments(self) -> None:
        found = self.payments()
        assert not [payment for payment in found if payment.state in UNDECIDED]
        ours = {each.command_id for each in found if each.state is PaymentState.SETTLED}
        assert ours == set(self.world.insurer.settlements)

    def check_batches(self) -> None:
        states = {payment.command_id: payment.state for payment in self.payments()}
        for number in {encounter.encounter_no for encounter in self.encounters}:
            for batch in self.database.read(
                lambda connection, number=number: batches_of(  # type: ignore[misc]
                    connection, HOSPITAL, number
                )
            ):
                lines = self.world.insurer.lines.values()
                of_batch = {
                    line.settled_by for line in lines if line.chrg_bchno == batch.chrg_bchno
                }
                if batch.state is BatchState.SETTLED:
                    assert of_batch == {batch.held_by}
                else:
                    assert of_batch <= {None}
                if batch.held_by is not None:
                    held = batch.state is BatchState.HELD
                    expected = PaymentState.PREPARED if held else PaymentState.SETTLED
                    assert states[batch.held_by] is expected

    def check_receipts(self) -> None:
        for payment in self.payments():
            if payment.state is not PaymentState.SETTLED:
                continue
            with suppress(Refused):
                self.world.cashier.take_cash(
                    command_id=command(),
                    payment=payment.command_id,
                    tendered_fen=payment.answer.amounts.psn_cash_pay,
                    taken_by=CLERK,
                )
            receipt = self.world.cashier.receipt(payment=payment.command_id)
            assert sum(paid_by(receipt.amounts).values()) == payment.amount_max_fen


def one_of(known: Sequence[T], place: int) -> T:
    return known[place % len(known)]


Visits.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestWholeVisits = Visits.TestCase
