"""Whatever people book, move, cancel, take and miss: no slot twice, nobody twice, counts agree."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import Row, select

from hospital.scheduling.clinic import CHIEF, TODAY, insure, row, sessions, set_up
from hospital.world import DOCTOR, Fault, World, command
from shualian.core.clock import business_date
from shualian.core.database import SqliteDatabase
from shualian.core.refusals import Refused
from shualian.hospital.encounters.model import EncounterState
from shualian.hospital.scheduling import store
from shualian.hospital.scheduling.model import AppointmentNo, AppointmentState

_ROWS = (
    row(DOCTOR, TODAY, slots=2)
    + row(DOCTOR, TODAY, "afternoon", slots=2)
    + row(CHIEF, TODAY, slots=1)
    + row(CHIEF, TODAY + timedelta(days=1), slots=2)
)
_HOLDING = {"booked", "checking_in", "checked_in"}
people = st.integers(0, 3)
places = st.integers(0, 3)
slots = st.one_of(st.none(), st.integers(1, 3))


class Clinic(RuleBasedStateMachine):
    """Four people, two doctors, two days."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = SqliteDatabase(f"sqlite:///{Path(self.folder.name) / 'hospital.db'}")
        self.world = World(self.database)
        set_up(self.world, _ROWS)
        self.people = insure(self.world, 4)
        self.numbers = [each.session_no for each in sessions(self.world)]
        self.known: list[AppointmentNo] = []

    @rule(who=people, where=places, slot=slots)
    def book(self, who: int, where: int, slot: int | None) -> None:
        with suppress(Refused):
            booked = self.world.appointments.book(
                command_id=command(),
                session_no=self.numbers[where],
                evidence=self.world.scan(self.people[who]),
                slot_no=slot,
            )
            self.known.append(booked.appointment_no)

    @rule(who=people, which=st.integers(0, 30), where=places, slot=slots)
    def move(self, who: int, which: int, where: int, slot: int | None) -> None:
        with suppress(Refused):
            self.world.appointments.move(
                command_id=command(),
                appointment_no=self._one(which),
                session_no=self.numbers[where],
                evidence=self.world.scan(self.people[who]),
                slot_no=slot,
            )

    @rule(who=people, which=st.integers(0, 30))
    def cancel(self, who: int, which: int) -> None:
        with suppress(Refused):
            self.world.appointments.cancel(
                command_id=command(),
                appointment_no=self._one(which),
                evidence=self.world.scan(self.people[who]),
            )

    @rule(who=people, which=st.integers(0, 30), lost=st.booleans())
    def check_in(self, who: int, which: int, *, lost: bool) -> None:
        if lost:
            self.world.insurer.break_next("2201", Fault.REPLY_LOST)
        with suppress(Refused):
            self.world.appointments.check_in(
                command_id=command(),
                appointment_no=self._one(which),
                evidence=self.world.scan(self.people[who]),
            )
        self.world.insurer.fault = None

    @rule(who=people, where=places, slot=slots)
    def register(self, who: int, where: int, slot: int | None) -> None:
        with suppress(Refused):
            self.world.appointments.register(
                command_id=command(),
                session_no=self.numbers[where],
                evidence=self.world.scan(self.people[who]),
                slot_no=slot,
            )

    @rule()
    def carry_on(self) -> None:
        self.world.appointments.resume_all()

    @rule(minutes=st.integers(1, 180))
    def wait(self, minutes: int) -> None:
        self.world.wait(timedelta(minutes=minutes))
        self.world.appointments.mark_missed()

    @invariant()
    def no_slot_is_held_twice(self) -> None:
        held = Counter((each.session_no, each.slot_no) for each in self._holding())
        assert not [slot for slot, count in held.items() if count > 1]

    @invariant()
    def nobody_is_twice_in_a_session(self) -> None:
        held = Counter((each.session_no, each.record_no) for each in self._holding())
        assert not [person for person, count in held.items() if count > 1]

    @invariant()
    def what_is_left_is_what_nobody_holds(self) -> None:
        held = Counter(each.session_no for each in self._holding())
        for offer in self.world.schedule.offers(first=TODAY, last=TODAY + timedelta(days=1)):
            number = offer.session.session_no
            free = [slot for slot in self._slots(number) if slot.free]
            assert offer.left == offer.session.slots - held[number] == len(free)

    @invariant()
    def who_took_a_number_is_with_the_insurer_and_has_one_fee(self) -> None:
        for each in self._rows():
            if each.state != AppointmentState.CHECKED_IN.value:
                continue
            encounter = self.world.encounters.get(encounter_no=each.encounter_no)
            assert encounter.state is EncounterState.REGISTERED
            assert encounter.encounter_no in self.world.insurer.visits
            fees = 0 if each.fee_code is None else 1
            assert len(self.world.orders.items(encounter_no=each.encounter_no)) == fees

    @invariant()
    def the_insurers_side_expects_who_holds_a_slot(self) -> None:
        days = {each.session_no: each.day for each in self._sessions()}
        holding = {(each.psn_no, days[each.session_no]) for each in self._holding()}
        today = business_date(self.world.clock.now())
        expected = {each for each in self.world.expected.days if each[1] >= today}
        assert expected == {each for each in holding if each[1] >= today}

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    def _one(self, which: int) -> AppointmentNo:
        if not self.known:
            return AppointmentNo("none")
        return self.known[which % len(self.known)]

    def _slots(self, number: Any) -> Sequence[Any]:
        return self.world.schedule.slots(session_no=number)

    def _rows(self) -> Sequence[Row[Any]]:
        return self.world.database.read(
            lambda connection: connection.execute(select(store.appointments)).all()
        )

    def _holding(self) -> list[Row[Any]]:
        return [each for each in self._rows() if each.state in _HOLDING]

    def _sessions(self) -> Sequence[Row[Any]]:
        return self.world.database.read(
            lambda connection: connection.execute(select(store.sessions)).all()
        )


Clinic.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
TestClinic = Clinic.TestCase
