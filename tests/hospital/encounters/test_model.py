from datetime import date
from itertools import product

import pytest

from hospital.world import DOCTOR, HOSPITAL, INTERNAL, KIOSK, LI, START, UNINSURED, ZHANG
from shualian.core.identifiers import CommandId, EncounterNo, IntentId, RecordNo, VisitId
from shualian.core.refusals import Refused
from shualian.hospital.encounters.model import (
    ENCOUNTER_NOT_OPEN,
    ENCOUNTER_STEP,
    NO_INSURANCE,
    Encounter,
    EncounterState,
    check_open,
    insurance_in_force,
    moved,
    registered,
)
from shualian.hospital.model import Channel

ALLOWED = {
    (EncounterState.REGISTERING, EncounterState.REGISTERED),
    (EncounterState.REGISTERING, EncounterState.REFUSED),
    (EncounterState.REGISTERED, EncounterState.CALLED),
    (EncounterState.REGISTERED, EncounterState.CANCELLING),
    (EncounterState.CALLED, EncounterState.IN_CONSULTATION),
    (EncounterState.CALLED, EncounterState.REGISTERED),
    (EncounterState.CALLED, EncounterState.RETURNED),
    (EncounterState.CALLED, EncounterState.CANCELLING),
    (EncounterState.IN_CONSULTATION, EncounterState.WAITING_RESULTS),
    (EncounterState.IN_CONSULTATION, EncounterState.CLOSED),
    (EncounterState.WAITING_RESULTS, EncounterState.RETURNED),
    (EncounterState.WAITING_RESULTS, EncounterState.CLOSED),
    (EncounterState.RETURNED, EncounterState.CALLED),
    (EncounterState.RETURNED, EncounterState.CLOSED),
    (EncounterState.CANCELLING, EncounterState.CANCELLED),
    (EncounterState.CANCELLING, EncounterState.REGISTERED),
}


def encounter(state: EncounterState = EncounterState.REGISTERING) -> Encounter:
    return Encounter(
        encounter_no=EncounterNo("E1"),
        institution=HOSPITAL,
        command_id=CommandId("C1"),
        record_no=RecordNo("R1"),
        psn_no=ZHANG.psn_no,
        department=INTERNAL,
        doctor=DOCTOR,
        insutype="310",
        med_type="11",
        intent_id=IntentId("I1"),
        channel=Channel.FACE,
        terminal_id=KIOSK,
        first_frame_at=START,
        age_band="60-69",
        begntime=START,
        day=date(2026, 1, 5),
        state=state,
    )


@pytest.mark.parametrize(("before", "after"), list(product(EncounterState, EncounterState)))
def test_every_step_that_is_not_named_is_refused(
    before: EncounterState, after: EncounterState
) -> None:
    found = encounter(before)
    if before is after or (before, after) in ALLOWED:
        assert moved(found, after).state is after
        return
    with pytest.raises(Refused) as refused:
        moved(found, after)
    assert refused.value.kind is ENCOUNTER_STEP


def test_a_queue_number_is_letter_and_place() -> None:
    found = registered(encounter(), mdtrt_id=VisitId("V1"), queue_place=36)
    assert found.queue_no == "A036"
    assert encounter().queue_no == ""


@pytest.mark.parametrize("state", EncounterState)
def test_something_is_ordered_between_registration_and_end_only(state: EncounterState) -> None:
    if state in {
        EncounterState.REGISTERED,
        EncounterState.CALLED,
        EncounterState.IN_CONSULTATION,
        EncounterState.WAITING_RESULTS,
        EncounterState.RETURNED,
    }:
        check_open(encounter(state))
        return
    with pytest.raises(Refused) as refused:
        check_open(encounter(state))
    assert refused.value.kind is ENCOUNTER_NOT_OPEN


def test_a_visit_that_is_not_registered_has_no_number_of_the_insurer() -> None:
    with pytest.raises(Refused) as refused:
        _ = encounter().visit_id
    assert refused.value.kind is ENCOUNTER_NOT_OPEN


def test_the_first_insurance_in_force_is_taken() -> None:
    assert insurance_in_force(ZHANG) == "310"
    assert insurance_in_force(LI) == "390"
    with pytest.raises(Refused) as refused:
        insurance_in_force(UNINSURED)
    assert refused.value.kind is NO_INSURANCE
