"""Departments, sessions, and who holds which slot."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from hospital.scheduling.clinic import (
    ADMINISTRATOR,
    CHIEF,
    HEAD,
    ROOM,
    TODAY,
    insure,
    row,
    sessions,
    set_up,
)
from hospital.world import (
    CONSULTATION,
    DOCTOR,
    HOSPITAL,
    INTERNAL,
    LI,
    OTHER_HOSPITAL,
    SURGERY,
    UNINSURED,
    ZHANG,
    Fault,
    PowerCutError,
    World,
    command,
    in_parallel,
    staff,
)
from shualian.core.identifiers import CommandId
from shualian.core.refusals import Refused
from shualian.hospital.encounters.model import (
    ENCOUNTER_STEP,
    NO_INSURANCE,
    Encounter,
    EncounterState,
    Override,
    OverrideReason,
)
from shualian.hospital.model import (
    COMMAND_DIFFERS,
    OUTCOME_UNKNOWN,
    Channel,
    Evidence,
    InsuredPerson,
)
from shualian.hospital.scheduling import store
from shualian.hospital.scheduling.model import (
    ALREADY_BOOKED,
    APPOINTMENT_NOT_FOUND,
    APPOINTMENT_STEP,
    SCHEDULE_INVALID,
    SESSION_CLOSED,
    SESSION_FULL,
    SESSION_NOT_FOUND,
    SLOT_INVALID,
    SLOT_TAKEN,
    TOO_MANY_BOOKINGS,
    Appointment,
    AppointmentState,
    ClinicSessionNo,
    FeeReason,
)
from shualian.hospital.scheduling.service import ABANDONED_AFTER
from shualian.staff.model import ROLE_MISSING, Role


def refused(work: Callable[[], object]) -> object:
    with pytest.raises(Refused) as refusal:
        work()
    return refusal.value.kind


def booked(
    world: World,
    session_no: ClinicSessionNo,
    person: InsuredPerson = ZHANG,
    slot_no: int | None = None,
) -> Appointment:
    return world.appointments.book(
        command_id=command(),
        session_no=session_no,
        evidence=world.scan(person),
        slot_no=slot_no,
    )


def morning(world: World) -> ClinicSessionNo:
    return sessions(world)[0].session_no


def afternoon(world: World) -> ClinicSessionNo:
    return sessions(world)[1].session_no


def stored(world: World, appointment: Appointment) -> store.StoredAppointment:
    found = world.database.read(
        lambda connection: store.appointment(connection, HOSPITAL, appointment.appointment_no)
    )
    assert found is not None
    return found


# --- what is offered -----------------------------------------------------------------------------


def test_a_schedule_is_offered_with_names_rooms_slots_and_fee(any_world: World) -> None:
    set_up(any_world)
    first, second = any_world.schedule.offers(first=TODAY, last=TODAY)
    assert (first.department.dept_name, first.practitioner.doctor) == ("内科", DOCTOR)
    assert first.session.room_en == "Room 203"
    assert first.session.terminal_id == ROOM
    assert (first.left, first.fee_fen) == (4, 25_00)
    assert first.session.ends_at < second.session.starts_at
    slots = any_world.schedule.slots(session_no=first.session.session_no)
    assert [slot.slot_no for slot in slots] == [1, 2, 3, 4]
    assert slots[1].begins_at - slots[0].begins_at == timedelta(minutes=30)


def test_a_list_of_sessions_is_taken_in_whole_or_not_at_all(world: World) -> None:
    set_up(world)
    good, wrong = row(CHIEF, TODAY), row(replace(CHIEF, dr_code="nobody"), TODAY)
    work = partial(world.schedule.import_sessions, caller=ADMINISTRATOR, text=HEAD + good + wrong)
    assert refused(work) is SCHEDULE_INVALID
    assert len(sessions(world)) == 2
    assert world.schedule.import_sessions(caller=ADMINISTRATOR, text=HEAD + good) == 1
    assert world.schedule.import_sessions(caller=ADMINISTRATOR, text=HEAD + good) == 0
    assert len(sessions(world)) == 3


@pytest.mark.parametrize(
    "wrong", ["", "nothing", HEAD, HEAD + "D1,2026-01-05,noon,10:00,12:00,R,R,,4\n"]
)
def test_a_list_that_cannot_be_read_names_its_row(world: World, wrong: str) -> None:
    work = partial(world.schedule.import_sessions, caller=ADMINISTRATOR, text=wrong)
    assert refused(work) is SCHEDULE_INVALID


def test_only_an_administrator_sets_up(world: World) -> None:
    caller = staff(Role.DOCTOR, Role.CLERK)
    for work in (
        lambda: world.schedule.put_departments(caller=caller, departments=[INTERNAL]),
        lambda: world.schedule.put_practitioners(caller=caller, practitioners=[]),
        lambda: world.schedule.import_sessions(caller=caller, text=HEAD),
    ):
        assert refused(work) is ROLE_MISSING


def test_a_department_is_changed_and_not_doubled(world: World) -> None:
    set_up(world)
    changed = replace(INTERNAL, name_en="Internal medicine")
    world.schedule.put_departments(caller=ADMINISTRATOR, departments=[changed])
    assert [each.name_en for each in world.schedule.departments()] == ["Internal medicine", ""]
    assert len(world.schedule.practitioners(dept_code=SURGERY.dept_code)) == 1


# --- booking -------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", Channel)
def test_a_slot_is_booked_with_evidence_of_every_kind(world: World, channel: Channel) -> None:
    set_up(world)
    shown: dict[Channel, Callable[[], Evidence]] = {
        Channel.FACE: world.scan,
        Channel.CODE: world.code,
        Channel.CARD: world.card,
        Channel.DOCUMENT: world.document,
    }
    appointment = world.appointments.book(
        command_id=command(), session_no=morning(world), evidence=shown[channel]()
    )
    assert (appointment.slot_no, appointment.channel) == (1, channel)
    assert appointment.psn_no == ZHANG.psn_no
    assert world.records.find_by_person(psn_no=ZHANG.psn_no) is not None
    assert world.insurer.codes.used == {}


def test_a_chosen_slot_is_taken_once(any_world: World) -> None:
    set_up(any_world)
    session_no = morning(any_world)
    assert booked(any_world, session_no, ZHANG, 3).slot_no == 3
    assert refused(lambda: booked(any_world, session_no, LI, 3)) is SLOT_TAKEN
    assert refused(lambda: booked(any_world, session_no, LI, 5)) is SLOT_INVALID
    assert booked(any_world, session_no, LI).slot_no == 1


def test_one_person_has_one_slot_of_a_session(any_world: World) -> None:
    set_up(any_world)
    booked(any_world, morning(any_world))
    assert refused(lambda: booked(any_world, morning(any_world))) is ALREADY_BOOKED
    assert booked(any_world, afternoon(any_world)).slot_no == 1


def test_a_full_session_takes_nobody(world: World) -> None:
    set_up(world, row(DOCTOR, TODAY, slots=1))
    booked(world, morning(world))
    assert refused(lambda: booked(world, morning(world), LI)) is SESSION_FULL


def test_a_slot_is_never_sold_twice_under_load(any_world: World) -> None:
    set_up(any_world, row(DOCTOR, TODAY, slots=5))
    session_no, crowd = morning(any_world), insure(any_world, 12)
    results = in_parallel([partial(booked, any_world, session_no, person) for person in crowd])
    got = [each for each in results if isinstance(each, Appointment)]
    kinds = {each.kind for each in results if isinstance(each, Refused)}
    assert sorted(each.slot_no for each in got) == [1, 2, 3, 4, 5]
    assert kinds == {SESSION_FULL}
    assert any_world.schedule.offers(first=TODAY, last=TODAY)[0].left == 0


def test_one_person_at_many_terminals_at_once_has_one_slot(any_world: World) -> None:
    set_up(any_world)
    session_no = morning(any_world)
    results = in_parallel([lambda: booked(any_world, session_no) for _ in range(5)])
    assert len([each for each in results if isinstance(each, Appointment)]) == 1
    assert {each.kind for each in results if isinstance(each, Refused)} == {ALREADY_BOOKED}


def test_booking_and_same_day_registration_at_once_share_no_slot(any_world: World) -> None:
    set_up(any_world, row(DOCTOR, TODAY, slots=6))
    session_no, crowd = morning(any_world), insure(any_world, 8)

    def register(person: InsuredPerson) -> Encounter:
        return any_world.appointments.register(
            command_id=command(), session_no=session_no, evidence=any_world.scan(person)
        )

    results = in_parallel(
        [
            partial(booked, any_world, session_no, each) if place % 2 else partial(register, each)
            for place, each in enumerate(crowd)
        ]
    )
    assert len([each for each in results if not isinstance(each, Refused)]) == 6
    slots = any_world.schedule.slots(session_no=session_no)
    assert [slot.free for slot in slots] == [False] * 6


def test_a_repeated_booking_is_answered_without_evidence(world: World) -> None:
    set_up(world)
    command_id, session_no, evidence = command(), morning(world), world.scan()
    book = partial(
        world.appointments.book, command_id=command_id, session_no=session_no, evidence=evidence
    )
    first = book()
    world.wait(timedelta(minutes=10))
    looked_at = world.proofs.looked_at
    assert book() == first
    assert world.proofs.looked_at == looked_at
    other = partial(
        world.appointments.book,
        command_id=command_id,
        session_no=afternoon(world),
        evidence=evidence,
    )
    assert refused(other) is COMMAND_DIFFERS


def test_one_booking_sent_many_times_at_once_books_once(any_world: World) -> None:
    set_up(any_world)
    command_id, session_no, evidence = command(), morning(any_world), any_world.scan()
    results = in_parallel(
        [
            lambda: any_world.appointments.book(
                command_id=command_id, session_no=session_no, evidence=evidence
            )
        ]
        * 4
    )
    assert results == [results[0]] * 4
    assert any_world.schedule.offers(first=TODAY, last=TODAY)[0].left == 3


def test_nobody_books_what_has_begun_or_lies_too_far_ahead(world: World) -> None:
    far = TODAY + timedelta(days=15)
    set_up(world, row(DOCTOR, TODAY) + row(DOCTOR, far))
    found = world.schedule.offers(first=TODAY, last=far)
    today, later = (offer.session.session_no for offer in found)
    assert refused(lambda: booked(world, later)) is SESSION_CLOSED
    world.wait(timedelta(hours=1))
    assert refused(lambda: booked(world, today)) is SESSION_CLOSED
    assert refused(lambda: booked(world, ClinicSessionNo("none"))) is SESSION_NOT_FOUND


def test_nobody_hoards_bookings(world: World) -> None:
    days = [TODAY + timedelta(days=each) for each in range(6)]
    set_up(world, "".join(row(DOCTOR, day) for day in days))
    numbers = [each.session_no for each in sessions(world)]
    for number in numbers[:5]:
        booked(world, number)
    assert refused(lambda: booked(world, numbers[5])) is TOO_MANY_BOOKINGS


def test_a_hospital_sees_its_own_sessions_and_appointments_only(world: World) -> None:
    set_up(world)
    appointment = booked(world, morning(world))
    other = world.hospital_of(OTHER_HOSPITAL)
    assert other.schedule.offers(first=TODAY, last=TODAY) == []
    work = partial(other.appointments.get, appointment_no=appointment.appointment_no)
    assert refused(work) is APPOINTMENT_NOT_FOUND


# --- moving and cancelling -----------------------------------------------------------------------


def test_a_moved_booking_frees_its_slot_at_once(any_world: World) -> None:
    set_up(any_world)
    appointment = booked(any_world, morning(any_world), ZHANG, 2)
    moved = any_world.appointments.move(
        command_id=command(),
        appointment_no=appointment.appointment_no,
        session_no=afternoon(any_world),
        evidence=any_world.scan(),
        slot_no=4,
    )
    assert (moved.session_no, moved.slot_no) == (afternoon(any_world), 4)
    assert booked(any_world, morning(any_world), LI, 2).slot_no == 2


def test_a_booking_is_moved_inside_its_session(any_world: World) -> None:
    set_up(any_world)
    session_no = morning(any_world)
    appointment = booked(any_world, session_no)
    moved = any_world.appointments.move(
        command_id=command(),
        appointment_no=appointment.appointment_no,
        session_no=session_no,
        evidence=any_world.scan(),
        slot_no=4,
    )
    assert moved.slot_no == 4
    free = [slot.free for slot in any_world.schedule.slots(session_no=session_no)]
    assert free == [True, True, True, False]


def test_two_who_swap_at_once_never_share_a_slot(any_world: World) -> None:
    set_up(any_world)
    one, two = morning(any_world), afternoon(any_world)
    first, second = booked(any_world, one, ZHANG), booked(any_world, two, LI)

    def move(
        appointment: Appointment, to: ClinicSessionNo, person: InsuredPerson
    ) -> Callable[[], Appointment]:
        evidence = any_world.scan(person)
        return lambda: any_world.appointments.move(
            command_id=command(),
            appointment_no=appointment.appointment_no,
            session_no=to,
            evidence=evidence,
        )

    results = in_parallel([move(first, two, ZHANG), move(second, one, LI)])
    assert all(isinstance(each, Appointment) for each in results)
    lefts = [offer.left for offer in any_world.schedule.offers(first=TODAY, last=TODAY)]
    assert lefts == [3, 3]


def test_somebody_elses_booking_does_not_exist(world: World) -> None:
    set_up(world)
    number = booked(world, morning(world)).appointment_no
    world.record(LI)
    for work in (
        lambda: world.appointments.cancel(
            command_id=command(), appointment_no=number, evidence=world.scan(LI)
        ),
        lambda: world.appointments.move(
            command_id=command(),
            appointment_no=number,
            session_no=afternoon(world),
            evidence=world.scan(LI),
        ),
        lambda: world.appointments.check_in(
            command_id=command(), appointment_no=number, evidence=world.scan(LI)
        ),
    ):
        assert refused(work) is APPOINTMENT_NOT_FOUND
    assert world.appointments.own(evidence=world.scan(LI)) == []


def test_a_cancelled_booking_frees_its_slot(any_world: World) -> None:
    set_up(any_world, row(DOCTOR, TODAY, slots=1))
    appointment, command_id = booked(any_world, morning(any_world)), command()
    cancel = partial(
        any_world.appointments.cancel,
        command_id=command_id,
        appointment_no=appointment.appointment_no,
        evidence=any_world.scan(),
    )
    assert cancel().state is AppointmentState.CANCELLED
    assert cancel().state is AppointmentState.CANCELLED
    assert booked(any_world, morning(any_world), LI).slot_no == 1


def test_a_booking_is_not_cancelled_after_its_session_began(world: World) -> None:
    set_up(world)
    appointment = booked(world, morning(world))
    world.wait(timedelta(hours=1))
    work = partial(
        world.appointments.cancel,
        command_id=command(),
        appointment_no=appointment.appointment_no,
        evidence=world.scan(),
    )
    assert refused(work) is SESSION_CLOSED


# --- taking a number -----------------------------------------------------------------------------


def checked_in(
    world: World,
    appointment: Appointment,
    command_id: CommandId | None = None,
    evidence: Evidence | None = None,
) -> Encounter:
    return world.appointments.check_in(
        command_id=command_id or command(),
        appointment_no=appointment.appointment_no,
        evidence=evidence or world.scan(),
    )


def test_a_booking_becomes_a_visit_with_a_queue_number_and_a_fee(any_world: World) -> None:
    set_up(any_world)
    appointment = booked(any_world, morning(any_world))
    encounter = checked_in(any_world, appointment)
    assert encounter.state is EncounterState.REGISTERED
    assert encounter.queue_no == "A001"
    assert encounter.session_no == appointment.session_no
    after = stored(any_world, appointment)
    assert after.appointment.state is AppointmentState.CHECKED_IN
    assert after.appointment.encounter_no == encounter.encounter_no
    (item,) = any_world.orders.items(encounter_no=encounter.encounter_no)
    assert (item.medins_list_codg, item.det_item_fee_sumamt) == (CONSULTATION, 25_00)
    any_world.orders.upload(encounter_no=encounter.encounter_no)
    payment = any_world.prepared(encounter)
    assert payment.confirmed.amounts.medfee_sumamt == 25_00


def test_a_number_is_taken_on_the_day_and_before_the_end(world: World) -> None:
    tomorrow = TODAY + timedelta(days=1)
    set_up(world, row(DOCTOR, tomorrow))
    appointment = booked(world, morning(world))
    assert refused(lambda: checked_in(world, appointment)) is SESSION_CLOSED
    world.wait(timedelta(days=1, hours=3))
    assert refused(lambda: checked_in(world, appointment)) is SESSION_CLOSED


def test_a_number_is_taken_once(any_world: World) -> None:
    set_up(any_world)
    appointment = booked(any_world, morning(any_world))
    scans = [any_world.scan() for _ in range(4)]
    results = in_parallel(
        [partial(checked_in, any_world, appointment, evidence=scan) for scan in scans]
    )
    assert len([each for each in results if isinstance(each, Encounter)]) == 1
    assert {each.kind for each in results if isinstance(each, Refused)} == {APPOINTMENT_STEP}
    assert len(any_world.insurer.visits) == 1


def test_same_day_registration_takes_a_slot_and_a_number(any_world: World) -> None:
    set_up(any_world, row(DOCTOR, TODAY, slots=1))
    encounter = any_world.appointments.register(
        command_id=command(), session_no=morning(any_world), evidence=any_world.scan()
    )
    assert encounter.queue_no == "A001"
    full = partial(
        any_world.appointments.register,
        command_id=command(),
        session_no=morning(any_world),
        evidence=any_world.scan(LI),
    )
    assert refused(full) is SESSION_FULL
    assert len(any_world.insurer.visits) == 1


def test_a_code_that_registered_is_used_up(world: World) -> None:
    set_up(world)
    code = world.code()
    encounter = world.appointments.register(
        command_id=command(), session_no=morning(world), evidence=code
    )
    assert world.insurer.codes.used == {code.token: code.intent_id}
    assert encounter.channel is Channel.CODE
    again = partial(
        world.appointments.register,
        command_id=command(),
        session_no=afternoon(world),
        evidence=code,
    )
    assert refused(again) is not None
    assert world.schedule.offers(first=TODAY, last=TODAY)[1].left == 4


def test_staff_register_without_evidence_for_a_reason_that_is_kept(world: World) -> None:
    set_up(world)
    record = world.record()
    override = Override(staff(Role.CLERK).staff_id, OverrideReason.CONFUSED)
    encounter = world.appointments.register(
        command_id=command(),
        session_no=morning(world),
        evidence=None,
        override=override,
        record_no=record.record_no,
    )
    found = world.encounters.get(encounter_no=encounter.encounter_no)
    assert (found.override, found.channel, found.identity_verified_at) == (override, None, None)
    opening, _ = world.insurer.visits[encounter.encounter_no]
    assert opening.evidence is None


def test_who_is_not_insured_gets_no_slot(world: World) -> None:
    set_up(world)
    work = partial(
        world.appointments.register,
        command_id=command(),
        session_no=morning(world),
        evidence=world.scan(UNINSURED),
    )
    assert refused(work) is NO_INSURANCE
    assert world.schedule.offers(first=TODAY, last=TODAY)[0].left == 4
    appointment = booked(world, morning(world), UNINSURED)
    scan = world.scan(UNINSURED)
    assert refused(lambda: checked_in(world, appointment, evidence=scan)) is NO_INSURANCE
    assert stored(world, appointment).appointment.state is AppointmentState.BOOKED


def test_a_registration_that_came_to_nothing_may_be_sent_again(world: World) -> None:
    set_up(world)
    appointment, command_id = booked(world, morning(world)), command()
    world.insurer.break_next("1101", Fault.REQUEST_LOST)
    with pytest.raises(Refused):
        checked_in(world, appointment, command_id)
    encounter = checked_in(world, appointment, command_id, world.scan())
    assert encounter.state is EncounterState.REGISTERED


@pytest.mark.parametrize("fault", [Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.LATE])
def test_an_unknown_outcome_holds_the_slot_and_is_carried_on(world: World, fault: Fault) -> None:
    set_up(world)
    appointment = booked(world, morning(world))
    world.insurer.break_next("2201", fault)
    assert refused(lambda: checked_in(world, appointment)) is OUTCOME_UNKNOWN
    assert stored(world, appointment).appointment.state is AppointmentState.CHECKING_IN
    world.appointments.resume_all()
    after = stored(world, appointment).appointment
    assert after.state is AppointmentState.CHECKED_IN
    assert after.encounter_no is not None
    assert len(world.orders.items(encounter_no=after.encounter_no)) == 1


@pytest.mark.parametrize("steps", range(16))
def test_a_same_day_registration_cut_anywhere_ends_as_one_visit_with_one_fee(
    world: World, steps: int
) -> None:
    set_up(world)
    command_id, evidence, session_no = command(), world.scan(), morning(world)
    register = partial(
        world.appointments.register, command_id=command_id, session_no=session_no, evidence=evidence
    )
    world.breaker.steps_left = steps
    try:
        register()
    except PowerCutError:
        world.start()
    world.breaker.steps_left = None
    encounter = register()
    world.appointments.resume_all()
    assert len(world.insurer.visits) == 1
    assert len(world.orders.items(encounter_no=encounter.encounter_no)) == 1
    assert world.schedule.offers(first=TODAY, last=TODAY)[0].left == 3
    (own,) = world.appointments.own(evidence=world.scan())
    assert own.appointment.state is AppointmentState.CHECKED_IN


def test_a_registration_that_nobody_carries_on_gives_its_slot_back(world: World) -> None:
    set_up(world)
    world.record()
    world.breaker.steps_left = 6
    with pytest.raises(PowerCutError):
        world.appointments.register(
            command_id=command(), session_no=morning(world), evidence=world.scan()
        )
    world.start()
    assert world.schedule.offers(first=TODAY, last=TODAY)[0].left == 3
    world.appointments.resume_all()
    assert world.schedule.offers(first=TODAY, last=TODAY)[0].left == 3
    world.wait(ABANDONED_AFTER)
    world.appointments.resume_all()
    assert world.schedule.offers(first=TODAY, last=TODAY)[0].left == 4
    assert not world.insurer.visits


def test_a_visit_that_has_not_begun_is_cancelled_with_slot_and_fee(any_world: World) -> None:
    set_up(any_world)
    appointment = booked(any_world, morning(any_world))
    encounter = checked_in(any_world, appointment)
    cancelled = any_world.appointments.cancel(
        command_id=command(),
        appointment_no=appointment.appointment_no,
        evidence=any_world.scan(),
    )
    assert cancelled.state is AppointmentState.CANCELLED
    after = any_world.encounters.get(encounter_no=encounter.encounter_no)
    assert after.state is EncounterState.CANCELLED
    assert after.mdtrt_id in any_world.insurer.cancelled_visits
    assert any_world.orders.items(encounter_no=encounter.encounter_no) == []
    assert any_world.schedule.offers(first=TODAY, last=TODAY)[0].left == 4


def test_a_visit_that_has_begun_keeps_slot_and_fee(world: World) -> None:
    set_up(world)
    appointment = booked(world, morning(world))
    number = checked_in(world, appointment).encounter_no
    world.encounters.call(encounter_no=number)
    world.encounters.begin_consultation(encounter_no=number)
    work = partial(
        world.appointments.cancel,
        command_id=command(),
        appointment_no=appointment.appointment_no,
        evidence=world.scan(),
    )
    assert refused(work) is ENCOUNTER_STEP
    assert len(world.orders.items(encounter_no=number)) == 1
    assert world.schedule.offers(first=TODAY, last=TODAY)[0].left == 3


# --- no-show, fees, expectations -----------------------------------------------------------------


def test_who_did_not_come_is_marked_after_the_session(any_world: World) -> None:
    set_up(any_world)
    appointment = booked(any_world, morning(any_world))
    came = booked(any_world, morning(any_world), LI)
    checked_in(any_world, came, evidence=any_world.scan(LI))
    assert any_world.appointments.mark_missed() == 0
    any_world.wait(timedelta(hours=3))
    assert any_world.appointments.mark_missed() == 1
    assert any_world.appointments.mark_missed() == 0
    assert stored(any_world, appointment).appointment.state is AppointmentState.MISSED
    assert stored(any_world, came).appointment.state is AppointmentState.CHECKED_IN


def seen(world: World) -> Encounter:
    """A visit of the ordinary doctor, over."""
    encounter = world.appointments.register(
        command_id=command(), session_no=morning(world), evidence=world.scan()
    )
    world.encounters.call(encounter_no=encounter.encounter_no)
    world.encounters.begin_consultation(encounter_no=encounter.encounter_no)
    return world.encounters.close(encounter_no=encounter.encounter_no)


def test_a_talk_about_results_costs_no_second_fee(world: World) -> None:
    later = TODAY + timedelta(days=2)
    set_up(world, row(DOCTOR, TODAY) + row(DOCTOR, later))
    first = seen(world)
    world.results.came.add(first.encounter_no)
    appointment = booked(world, sessions(world)[1].session_no)
    world.wait(timedelta(days=2))
    again = checked_in(world, appointment)
    assert world.orders.items(encounter_no=again.encounter_no) == []
    fee = stored(world, appointment).fee
    assert fee is not None
    assert (fee.reason, fee.earlier) == (FeeReason.RETURN_WITH_RESULTS, first.encounter_no)


@pytest.mark.parametrize("cause", ["no results", "another doctor", "too late", "never seen"])
def test_every_other_visit_costs_its_fee(world: World, cause: str) -> None:
    days = 4 if cause == "too late" else 2
    doctor = CHIEF if cause == "another doctor" else DOCTOR
    set_up(world, row(DOCTOR, TODAY) + row(doctor, TODAY + timedelta(days=days)))
    if cause != "never seen":
        first = seen(world)
        if cause != "no results":
            world.results.came.add(first.encounter_no)
    appointment = booked(world, sessions(world)[1].session_no)
    world.wait(timedelta(days=days))
    checked_in(world, appointment)
    fee = stored(world, appointment).fee
    assert fee is not None
    free = FeeReason.FREE_OF_CHARGE if cause == "another doctor" else FeeReason.BY_TITLE
    assert fee.reason is free


def test_the_insurers_side_knows_who_comes_and_who_does_not(world: World) -> None:
    tomorrow = TODAY + timedelta(days=1)
    set_up(world, row(DOCTOR, TODAY) + row(DOCTOR, tomorrow))
    today, later = (each.session_no for each in sessions(world))
    appointment = booked(world, today)
    assert world.expected.days == {(ZHANG.psn_no, TODAY)}
    world.appointments.move(
        command_id=command(),
        appointment_no=appointment.appointment_no,
        session_no=later,
        evidence=world.scan(),
    )
    assert world.expected.days == {(ZHANG.psn_no, tomorrow)}
    world.appointments.cancel(
        command_id=command(), appointment_no=appointment.appointment_no, evidence=world.scan()
    )
    assert world.expected.days == set()


def test_what_could_not_be_told_is_told_later(world: World) -> None:
    set_up(world)
    world.expected.silent = True
    booked(world, morning(world))
    assert world.expected.days == set()
    world.expected.silent = False
    world.appointments.tell_expected()
    assert world.expected.days == {(ZHANG.psn_no, TODAY)}


def test_who_gives_one_of_two_slots_of_a_day_back_is_still_expected(world: World) -> None:
    set_up(world)
    first, _ = booked(world, morning(world)), booked(world, afternoon(world))
    world.appointments.cancel(
        command_id=command(), appointment_no=first.appointment_no, evidence=world.scan()
    )
    assert world.expected.days == {(ZHANG.psn_no, TODAY)}
