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
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
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
from shualian.hospital.model import InsuredPerson
from shualian.hospital.orders.model import BatchState, ChargeItem, OrderLine
from shualian.hospital.orders.store import batches_of
from shualian.hospital.payments.model import UNDECIDED, Payment, PaymentState
from shualian.hospital.payments.store import payments

T = TypeVar("T")

CODE = (CONSULTATION, CHEST_CT, BLOOD_PRESSURE_TABLETS, VITAMINS)
CODES = st.lists(st.sampled_from(CODE), min_size=1, max_size=3)
PLACE = st.integers(0, 3)
Trouble = int | tuple[str, Fault] | None
TROUBLE: st.SearchStrategy[Trouble] = st.one_of(
    st.none(),
    st.integers(0, 12),
    st.tuples(st.sampled_from(["2201", "2204", "2206", "2207"]), st.sampled_from(Fault)),
)


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
        self.commanded: list[Callable[[], Payment]] = []

    @initialize()
    def begin_with_a_bill(self) -> None:
        encounter = self.world.registered()
        self.encounters.append(encounter)
        self.world.ordered(encounter)
        self.world.prepared(encounter)

    def attempt(self, act: Callable[[], T], trouble: Trouble = None) -> T | None:
        """Do something in trouble: a message gets lost, or the power is cut after some steps."""
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

    @rule()
    def let_late_messages_arrive(self) -> None:
        self.world.insurer.deliver_late()

    @rule(seconds=st.sampled_from([1, 200, 400]))
    def wait(self, seconds: int) -> None:
        self.world.wait(timedelta(seconds=seconds))

    @rule(balance=st.sampled_from([0, 10_00, 300_00]))
    def use_the_account_elsewhere(self, balance: int) -> None:
        self.world.insurer.balances[ZHANG.psn_no] = Fen(balance)

    @rule(person=st.sampled_from([ZHANG, LI]), trouble=TROUBLE)
    def register(self, person: InsuredPerson, trouble: Trouble) -> None:
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
        self.keep(self.attempt(act, trouble))

    @precondition(lambda self: self.registrations)
    @rule(place=PLACE)
    def register_again(self, place: int) -> None:
        self.keep(self.attempt(newest(self.registrations, place)))

    def keep(self, encounter: Encounter | None) -> None:
        if encounter is not None and encounter not in self.encounters:
            self.encounters.append(encounter)

    @precondition(lambda self: self.encounters)
    @rule(place=PLACE, codes=CODES, trouble=TROUBLE)
    def order(self, place: int, codes: Sequence[str], trouble: Trouble) -> None:
        lines = [OrderLine(code, Decimal(1)) for code in codes]
        number, command_id = newest(self.encounters, place).encounter_no, command()

        def act() -> Sequence[ChargeItem]:
            self.world.orders.order(command_id=command_id, encounter_no=number, lines=lines)
            return self.world.orders.upload(encounter_no=number)

        self.attempt(act, trouble)

    @precondition(lambda self: self.encounters)
    @rule(place=PLACE, trouble=TROUBLE)
    def prepare(self, place: int, trouble: Trouble) -> None:
        number, command_id = newest(self.encounters, place).encounter_no, command()

        def act() -> Payment:
            self.world.orders.upload(encounter_no=number)
            return self.world.payments.prepare(command_id=command_id, encounter_no=number)

        self.commanded.append(act)
        self.attempt(act, trouble)

    @precondition(lambda self: self.payments())
    @rule(place=PLACE, trouble=TROUBLE)
    def confirm(self, place: int, trouble: Trouble) -> None:
        payment = newest(self.payments(), place)
        person = ZHANG if payment.psn_no == ZHANG.psn_no else LI
        evidence = self.world.confirmed(payment, person)

        def act() -> Payment:
            return self.world.payments.settle(command_id=payment.command_id, evidence=evidence)

        self.commanded.append(act)
        self.attempt(act, trouble)

    @precondition(lambda self: self.encounters)
    @rule(place=PLACE, code=st.sampled_from(CODE), trouble=TROUBLE)
    def order_and_pay(self, place: int, code: str, trouble: Trouble) -> None:
        encounter = newest(self.encounters, place)
        command_id = command()

        def act() -> Payment:
            self.world.ordered(encounter, code)
            payment = self.world.payments.prepare(
                command_id=command_id, encounter_no=encounter.encounter_no
            )
            person = ZHANG if payment.psn_no == ZHANG.psn_no else LI
            evidence = self.world.confirmed(payment, person)
            return self.world.payments.settle(command_id=command_id, evidence=evidence)

        self.attempt(act, trouble)

    @precondition(lambda self: self.commanded)
    @rule(place=PLACE, trouble=TROUBLE)
    def command_again(self, place: int, trouble: Trouble) -> None:
        self.attempt(newest(self.commanded, place), trouble)

    @precondition(lambda self: self.payments())
    @rule(place=PLACE, trouble=TROUBLE)
    def withdraw(self, place: int, trouble: Trouble) -> None:
        number = newest(self.payments(), place).command_id
        self.attempt(lambda: self.world.payments.withdraw(command_id=number), trouble)

    @rule(trouble=TROUBLE)
    def resolve(self, trouble: Trouble) -> None:
        self.attempt(self.world.encounters.resume_all, trouble)
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
        oldest_first = select(payments.c.command_id).order_by(payments.c.command_id)
        numbers = self.database.read(lambda connection: connection.scalars(oldest_first).all())
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


def newest(known: Sequence[T], place: int) -> T:
    """Counted from the newest, which is the most likely to be looked at again."""
    return known[-1 - place % len(known)]


Visits.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestWholeVisits = Visits.TestCase
