"""Any course of stays: one patient a bed, each day once, all charges settled, nothing left open."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hospital.wards.ward import EAST, NURSE, WEST, Wards
from hospital.world import CHEST_CT, LI, ZHANG, Fault, World
from shualian.core.identifiers import EncounterNo
from shualian.core.refusals import Refused
from shualian.hospital.model import InsuredPerson
from shualian.hospital.payments.model import UNDER_WAY, PaymentState
from shualian.hospital.wards.bedside.model import BedsideReason
from shualian.hospital.wards.stays.model import IN_BED, LIVE, NursingClass, Stay, StayState

PEOPLE = st.sampled_from((ZHANG, LI))
BEDS = st.tuples(st.sampled_from((EAST, WEST)), st.sampled_from(("1", "2")))
FAULTS = st.sampled_from((None, None, Fault.REPLY_LOST, Fault.REQUEST_LOST, Fault.BUSY))


class StayMachine(RuleBasedStateMachine):
    """Two people, four beds, and an insurer that sometimes does not answer."""

    make: ClassVar[Callable[[], World]]

    @initialize()
    def open_the_hospital(self) -> None:
        self.wards = Wards(type(self).make())
        self.stays: dict[EncounterNo, InsuredPerson] = {}

    @rule(person=PEOPLE, where=BEDS, fault=FAULTS)
    def admit(self, person: InsuredPerson, where: tuple[object, str], fault: Fault | None) -> None:
        self.wards.world.insurer.fault = None
        before = {stay.stay_no for stay in self.wards.stays.live()}
        record = self.wards.world.record(person)
        assert record
        if fault is not None:
            self.wards.world.insurer.break_next("2401", fault)
        with suppress(Refused):
            self.wards.admitted(person, ward=where[0], bed_no=where[1])  # type: ignore[arg-type]
        for stay in self.wards.stays.live():
            if stay.stay_no not in before:
                self.stays[stay.stay_no] = person

    @precondition(lambda self: self.in_state(StayState.ADMITTED))
    @rule(data=st.data(), where=BEDS)
    def transfer(self, data: st.DataObject, where: tuple[object, str]) -> None:
        stay = self.pick(data, StayState.ADMITTED)
        with suppress(Refused):
            self.wards.stays.transfer(
                stay_no=stay.stay_no,
                ward=where[0].code,  # type: ignore[attr-defined]
                bed_no=where[1],
                nursing=NursingClass.TWO,
            )

    @precondition(lambda self: self.in_state(StayState.ADMITTED))
    @rule(data=st.data())
    def order(self, data: st.DataObject) -> None:
        with suppress(Refused):
            self.wards.ordered(self.pick(data, StayState.ADMITTED), CHEST_CT)

    @rule(days=st.integers(1, 3))
    def days_pass(self, days: int) -> None:
        self.wards.pass_days(days)

    @rule()
    def charge(self) -> None:
        self.wards.charges.charge_days()

    @precondition(lambda self: self.in_state(StayState.ADMITTED, StayState.DISCHARGED))
    @rule(data=st.data(), fault=FAULTS, by_wristband=st.booleans())
    def settle(self, data: st.DataObject, fault: Fault | None, by_wristband: bool) -> None:
        stay = self.pick(data, StayState.ADMITTED, StayState.DISCHARGED)
        person = self.stays[stay.stay_no]
        with suppress(Refused):
            payment = self.wards.prepared(stay)
            if fault is not None:
                self.wards.world.insurer.break_next("2207", fault)
            if by_wristband:
                code = self.wards.stays.print_wristband(stay_no=stay.stay_no, by=NURSE)
                self.wards.bedside.settle_by_wristband(
                    command_id=payment.command_id,
                    wristband=code,
                    nurse=NURSE,
                    reason=BedsideReason.ASLEEP,
                )
            else:
                self.wards.bedside.settle(
                    command_id=payment.command_id,
                    evidence=self.wards.confirmed(payment, person),
                )

    @precondition(lambda self: self.in_state(StayState.ADMITTED, StayState.DISCHARGED))
    @rule(data=st.data())
    def show_a_bill(self, data: st.DataObject) -> None:
        with suppress(Refused):
            self.wards.prepared(self.pick(data, StayState.ADMITTED, StayState.DISCHARGED))

    @precondition(lambda self: bool(self.stays))
    @rule(data=st.data())
    def cancel_a_settlement(self, data: st.DataObject) -> None:
        stay_no = data.draw(st.sampled_from(sorted(self.stays)))
        known = self.wards.payments.of_encounter(encounter_no=stay_no)
        for payment in known:
            if payment.state is PaymentState.SETTLED:
                self.wards.world.insurer.fault = None
                with suppress(Refused):
                    self.wards.bedside.cancel(command_id=payment.command_id)
                return

    @precondition(lambda self: self.in_state(StayState.ADMITTED))
    @rule(data=st.data(), fault=FAULTS)
    def discharge(self, data: st.DataObject, fault: Fault | None) -> None:
        stay = self.pick(data, StayState.ADMITTED)
        if fault is not None:
            self.wards.world.insurer.break_next("2402", fault)
        with suppress(Refused):
            self.wards.stays.discharge(stay_no=stay.stay_no)

    @precondition(lambda self: self.in_state(StayState.DISCHARGED))
    @rule(data=st.data(), where=BEDS, fault=FAULTS)
    def take_a_discharge_back(
        self, data: st.DataObject, where: tuple[object, str], fault: Fault | None
    ) -> None:
        stay = self.pick(data, StayState.DISCHARGED)
        if fault is not None:
            self.wards.world.insurer.break_next("2405", fault)
        with suppress(Refused):
            self.wards.stays.cancel_discharge(
                stay_no=stay.stay_no,
                ward=where[0].code,  # type: ignore[attr-defined]
                bed_no=where[1],
            )

    @precondition(lambda self: self.in_state(StayState.ADMITTED))
    @rule(data=st.data())
    def take_an_admission_back(self, data: st.DataObject) -> None:
        with suppress(Refused):
            self.wards.stays.cancel_admission(stay_no=self.pick(data, StayState.ADMITTED).stay_no)

    @rule()
    def restart(self) -> None:
        self.wards.world.insurer.fault = None
        self.wards.start()
        assert self.wards.stays.resume_all() == []
        assert self.wards.payments.resolve_all() == []
        for stay_no in self.stays:
            self.wards.stays.reopen(stay_no=stay_no)
            self.wards.bedside.close_if_settled(stay_no)

    @invariant()
    def one_patient_lies_in_one_bed(self) -> None:
        if not hasattr(self, "wards"):
            return
        lying = [
            found.bed.stay
            for ward in (EAST, WEST)
            for found in self.wards.stays.beds(ward.code)
            if found.bed.stay is not None
        ]
        assert len(set(lying)) == len(lying)
        in_bed = {stay.stay_no for stay in self.every() if stay.state in IN_BED}
        assert set(lying) == in_bed
        live = Counter(stay.record_no for stay in self.every() if stay.state in LIVE)
        assert all(count == 1 for count in live.values())

    @invariant()
    def each_day_is_charged_once(self) -> None:
        if not hasattr(self, "wards"):
            return
        for stay in self.every():
            days = self.wards.charges.charged(stay.stay_no)
            items = self.wards.world.orders.items(encounter_no=stay.stay_no)
            beds = [item for item in items if item.medins_list_codg == "CW001"]
            assert len(set(days)) == len(days) == len(beds)

    @invariant()
    def what_is_settled_and_what_is_open_is_what_was_charged(self) -> None:
        if not hasattr(self, "wards"):
            return
        for stay in self.every():
            known = self.wards.payments.of_encounter(encounter_no=stay.stay_no)
            if any(payment.state in UNDER_WAY for payment in known):
                continue
            waiting = sum(
                item.det_item_fee_sumamt for item in self.wards.charges.open_items(stay.stay_no)
            )
            settled = self.wards.bedside.settled_fen(stay.stay_no)
            assert settled + waiting == self.wards.charged_fen(stay.stay_no)
            if stay.state is StayState.CLOSED:
                assert waiting == 0

    def teardown(self) -> None:
        if not hasattr(self, "wards"):
            return
        self.restart()
        for stay in self.every():
            self.end(stay)
        insurer = self.wards.world.insurer
        for stay in self.every():
            if stay.state not in {StayState.CANCELLED, StayState.REFUSED}:
                assert stay.state is StayState.CLOSED
                assert self.wards.bedside.settled_fen(stay.stay_no) == self.wards.charged_fen(
                    stay.stay_no
                )
        assert all(line.settled_by is not None for line in insurer.lines.values())
        settled = sum(answer.amounts.medfee_sumamt for answer in insurer.standing.values())
        assert settled == sum(self.wards.charged_fen(stay.stay_no) for stay in self.every())

    def end(self, stay: Stay) -> None:
        """Discharge and settle whoever is still there."""
        if stay.state is StayState.ADMITTED:
            for payment in self.wards.payments.of_encounter(encounter_no=stay.stay_no):
                if payment.state is PaymentState.PREPARED:
                    self.wards.payments.withdraw(command_id=payment.command_id)
            stay = self.wards.stays.discharge(stay_no=stay.stay_no)
        if stay.state is StayState.DISCHARGED and self.wards.charges.open_items(stay.stay_no):
            self.wards.settled(stay, self.stays[stay.stay_no])
        self.wards.bedside.close_if_settled(stay.stay_no)

    def every(self) -> list[Stay]:
        return [self.wards.stays.get(stay_no=number) for number in sorted(self.stays)]

    def in_state(self, *states: StayState) -> bool:
        return any(stay.state in states for stay in self.every())

    def pick(self, data: st.DataObject, *states: StayState) -> Stay:
        found = [stay for stay in self.every() if stay.state in states]
        return data.draw(st.sampled_from(found))


def test_any_course_of_stays_is_coherent(
    make_world: Callable[[], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StayMachine, "make", staticmethod(make_world), raising=False)
    run_state_machine_as_test(
        StayMachine, settings=settings(max_examples=25, stateful_step_count=25)
    )
