"""Opened by any evidence; entries that are never rewritten; looks that the patient sees."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from hospital.scheduling.clinic import set_up
from hospital.scheduling.test_service import booked, morning
from hospital.world import (
    CLERK,
    KIOSK,
    LI,
    OTHER_HOSPITAL,
    ZHANG,
    World,
    command,
    in_parallel,
    staff,
)
from shualian.core.database import Database
from shualian.core.database.opening import MIGRATIONS, upgrade
from shualian.core.identifiers import EncounterNo
from shualian.core.mode import Side
from shualian.core.refusals import RefusalKind, Refused
from shualian.hospital.model import COMMAND_DIFFERS, PROOF_NOT_FITTING, Channel, Evidence
from shualian.hospital.records import store
from shualian.hospital.records.model import (
    ENTRY_INVALID,
    ENTRY_NOT_FOUND,
    LOOK_UNRELATED,
    RECORD_NOT_FOUND,
    Chart,
    Entry,
    EntryKind,
    EntryNo,
    LookReason,
    PatientRecord,
    Sex,
    check_look,
)
from shualian.staff.model import ROLE_MISSING, Role
from shualian.verification.model import Scene

DOCTOR = staff(Role.DOCTOR)
NURSE = staff(Role.NURSE)


def refusal(work: Callable[[], object]) -> RefusalKind:
    with pytest.raises(Refused) as refused:
        work()
    return refused.value.kind


def looked(
    world: World,
    record: PatientRecord,
    why: LookReason = LookReason.CONSULTATION,
    note: str = "",
    encounter_no: EncounterNo | None = None,
) -> Chart:
    return world.records.look(
        caller=DOCTOR, record_no=record.record_no, why=why, note=note, encounter_no=encounter_no
    )


def allergy(world: World, record: PatientRecord, text: str = "青霉素") -> Entry:
    return world.records.add_entry(
        caller=DOCTOR,
        command_id=command(),
        record_no=record.record_no,
        kind=EntryKind.ALLERGY,
        text=text,
    )


# --- opened by any evidence ----------------------------------------------------------------------


@pytest.mark.parametrize("channel", Channel)
def test_evidence_of_every_kind_opens_the_same_record(world: World, channel: Channel) -> None:
    shown: dict[Channel, Callable[[], Evidence]] = {
        Channel.FACE: world.scan,
        Channel.CODE: world.code,
        Channel.CARD: world.card,
        Channel.DOCUMENT: world.document,
    }
    record = world.records.open_record(
        command_id=command(), evidence=shown[channel](), terminal_id=KIOSK
    )
    assert record == world.record()
    assert world.insurer.codes.used == {}


def test_a_document_is_answered_for_by_the_clerk_who_saw_it(world: World) -> None:
    world.records.open_record(command_id=command(), evidence=world.document())
    (opening,) = world.database.read(
        lambda connection: connection.execute(select(store.record_opening)).all()
    )
    assert (opening.opened_by, opening.channel, opening.terminal_id) == (CLERK, "document", None)


def test_a_document_of_whom_the_insurer_names_otherwise_opens_nothing(world: World) -> None:
    document = world.document()
    world.insurer.people[ZHANG.psn_no] = LI
    world.insurer.people[LI.psn_no] = LI
    work = partial(world.records.open_record, command_id=command(), evidence=document)
    assert refusal(work) is not None
    assert world.records.find_by_person(psn_no=ZHANG.psn_no) is None


def test_all_kinds_of_evidence_at_once_open_one_record(any_world: World) -> None:
    shown: list[Evidence] = [
        any_world.scan(),
        any_world.code(),
        any_world.card(),
        any_world.document(),
    ]
    works = [
        partial(any_world.records.open_record, command_id=command(), evidence=each)
        for each in shown
    ]
    opened = in_parallel(works)
    assert opened == [opened[0]] * 4


# --- entries -------------------------------------------------------------------------------------


def test_an_entry_has_time_and_author_and_is_removed_not_rewritten(any_world: World) -> None:
    any_world.registered()
    record = any_world.record()
    added = allergy(any_world, record)
    any_world.wait(timedelta(hours=1))
    removed = any_world.records.remove_entry(
        caller=NURSE, entry_no=added.entry_no, reason="皮试阴性"
    )
    assert (added.added_by, added.removal) == (CLERK, None)
    assert removed.removal is not None
    assert removed.removal.at - added.added_at == timedelta(hours=1)
    chart = looked(any_world, record)
    assert (chart.standing, chart.entries) == ((), (removed,))
    again = any_world.records.remove_entry(caller=DOCTOR, entry_no=added.entry_no, reason="another")
    assert again == removed


def test_a_repeated_command_adds_one_entry(any_world: World) -> None:
    record, command_id = any_world.record(), command()

    def add(text: str) -> Entry:
        return any_world.records.add_entry(
            caller=DOCTOR,
            command_id=command_id,
            record_no=record.record_no,
            kind=EntryKind.PAST_ILLNESS,
            text=text,
        )

    results = in_parallel([partial(add, "高血压")] * 3)
    assert results == [results[0]] * 3
    assert refusal(lambda: add("糖尿病")) is COMMAND_DIFFERS


def test_what_cannot_be_an_entry_is_refused(world: World) -> None:
    record = world.record()
    assert refusal(lambda: allergy(world, record, "  ")) is ENTRY_INVALID
    assert refusal(lambda: allergy(world, record, "长" * 501)) is ENTRY_INVALID
    work = partial(
        world.records.remove_entry, caller=DOCTOR, entry_no=EntryNo("none"), reason="why"
    )
    assert refusal(work) is ENTRY_NOT_FOUND


def test_clerks_write_no_entries(world: World) -> None:
    record = world.record()
    work = partial(
        world.records.add_entry,
        caller=staff(Role.CLERK),
        command_id=command(),
        record_no=record.record_no,
        kind=EntryKind.ALLERGY,
        text="青霉素",
    )
    assert refusal(work) is ROLE_MISSING


@pytest.mark.parametrize("table", ["record_entry", "record_entry_removal", "record_look"])
def test_the_database_itself_rewrites_nothing(any_database: Database, table: str) -> None:
    any_database.change_schema(lambda c: upgrade(c, MIGRATIONS / Side.HOSPITAL))
    world = World(any_database)
    world.registered()
    entry = allergy(world, world.record())
    world.records.remove_entry(caller=DOCTOR, entry_no=entry.entry_no, reason="皮试阴性")
    looked(world, world.record())
    rows = store.metadata.tables[table]
    key = next(iter(rows.primary_key.columns))
    for change in (update(rows).values({key: "another"}), delete(rows)):
        with pytest.raises(DBAPIError):
            any_database.write(lambda connection, change=change: connection.execute(change))  # type: ignore[misc]


# --- looks ---------------------------------------------------------------------------------------


def test_every_look_is_shown_to_the_patient(any_world: World) -> None:
    encounter = any_world.registered()
    record = any_world.record()
    chart = looked(any_world, record, LookReason.CALLED, encounter_no=encounter.encounter_no)
    assert (chart.name, chart.sex) == (ZHANG.psn_name, Sex.MALE)
    assert chart.birth_date == ZHANG.certno.birth_date
    any_world.wait(timedelta(minutes=5))
    looked(any_world, record, LookReason.OTHER, "复核处方")
    latest, first = any_world.records.looks(evidence=any_world.scan(scene=Scene.RECORD_COPY))
    assert (first.by, first.role, first.why) == (CLERK, Role.DOCTOR, LookReason.CALLED)
    assert (first.encounter_no, first.related) == (encounter.encounter_no, True)
    assert (latest.why, latest.note) == (LookReason.OTHER, "复核处方")
    assert latest.at - first.at == timedelta(minutes=5)


def test_looks_are_shown_to_their_own_patient_only(world: World) -> None:
    world.registered(ZHANG)
    looked(world, world.record(ZHANG))
    assert len(world.records.looks(evidence=world.code(ZHANG))) == 1
    assert refusal(lambda: world.records.looks(evidence=world.scan(LI))) is RECORD_NOT_FOUND
    world.record(LI)
    assert world.records.looks(evidence=world.scan(LI)) == []


def test_a_stranger_to_the_patient_says_that_it_is_an_emergency_and_why(world: World) -> None:
    record = world.record()
    for why in LookReason:
        assert refusal(partial(looked, world, record, why)) is LOOK_UNRELATED
    looked(world, record, LookReason.EMERGENCY, "昏迷送来")
    (look,) = world.records.looks(evidence=world.scan())
    assert (look.related, look.note) == (False, "昏迷送来")


def test_an_appointment_of_today_or_tomorrow_leads_to_the_record(world: World) -> None:
    set_up(world)
    booked(world, morning(world))
    looked(world, world.record(), LookReason.BOOKED)
    (look,) = world.records.looks(evidence=world.scan())
    assert look.related


def test_the_visit_of_somebody_else_leads_nowhere(world: World) -> None:
    world.registered(ZHANG)
    theirs = world.registered(LI)
    work = partial(looked, world, world.record(ZHANG), encounter_no=theirs.encounter_no)
    assert refusal(work) is LOOK_UNRELATED


def test_a_refused_look_shows_nothing_and_logs_nothing(world: World) -> None:
    record = world.record()
    volunteer = staff(Role.VOLUNTEER)
    work = partial(
        world.records.look,
        caller=volunteer,
        record_no=record.record_no,
        why=LookReason.EMERGENCY,
        note="why",
    )
    assert refusal(work) is ROLE_MISSING
    assert world.records.looks(evidence=world.scan()) == []


def test_another_hospital_has_no_such_record(world: World) -> None:
    world.registered()
    other = world.hospital_of(OTHER_HOSPITAL).records
    work = partial(
        other.look,
        caller=DOCTOR,
        record_no=world.record().record_no,
        why=LookReason.EMERGENCY,
        note="why",
    )
    assert refusal(work) is RECORD_NOT_FOUND


def test_notes_and_entries_are_in_no_column_in_plain(world: World) -> None:
    world.registered()
    record = world.record()
    allergy(world, record, "青霉素过敏性休克")
    looked(world, record, LookReason.OTHER, "家属要求复核")
    for table in (store.record_entry, store.record_look):
        rows = world.database.read(lambda c, table=table: c.execute(select(table)).all())  # type: ignore[misc]
        content = b"".join(
            value if isinstance(value, bytes) else str(value).encode()
            for each in rows
            for value in each
        )
        assert "青霉素".encode() not in content
        assert "家属".encode() not in content


@given(st.sampled_from(LookReason), st.text(max_size=5), st.booleans())
def test_a_look_is_led_by_the_patients_business_or_explained(
    why: LookReason, note: str, related: bool
) -> None:
    explained = bool(note.strip()) and why in {LookReason.EMERGENCY, LookReason.OTHER}
    led = related and why is not LookReason.OTHER
    if led or explained:
        check_look(why, note, related=related)
    else:
        assert refusal(partial(check_look, why, note, related=related)) is LOOK_UNRELATED


def test_a_face_of_somebody_else_asks_for_nothing(world: World) -> None:
    world.record()
    evidence = world.scan(LI)
    world.insurer.people[LI.psn_no] = ZHANG
    assert refusal(lambda: world.records.looks(evidence=evidence)) is PROOF_NOT_FITTING
