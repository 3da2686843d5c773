"""A stay from the admission to its end; one patient lies in one bed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hospital.wards.ward import EAST, NURSE, WEST, Wards
from hospital.world import (
    BUSY,
    DOCTOR,
    LI,
    ZHANG,
    Fault,
    PowerCutError,
    command,
    in_parallel,
)
from shualian.core.refusals import RefusalKind, Refused
from shualian.hospital.encounters.model import INTENT_USED, EncounterState
from shualian.hospital.model import (
    COMMAND_DIFFERS,
    OUTCOME_UNKNOWN,
    PROOF_NOT_FITTING,
    SCENE_NOT_ALLOWED,
    SELF_PAID,
    Channel,
    DocumentEvidence,
    InsuredPerson,
)
from shualian.hospital.selfpaid.model import is_self_paid
from shualian.hospital.wards.stays import model
from shualian.hospital.wards.stays.model import (
    BED_NOT_FOUND,
    BED_TAKEN,
    BEDS_IN_USE,
    INSURANCE_NOT_NAMED,
    NO_STAFF_CHECK,
    NURSING_NOT_PRICED,
    PAYMENT_OPEN,
    STAY_CHARGED,
    STAY_NOT_FOUND,
    STAY_OPEN,
    STAY_STEP,
    WRISTBAND_INVALID,
    Bed,
    CheckReason,
    NursingClass,
    StaffCheck,
    Stay,
    StayState,
)
from shualian.verification.model import Scene


def _kind(refused: "pytest.ExceptionInfo[Refused]") -> RefusalKind:
    return refused.value.kind


def _asked(wards: Wards, **changed: object) -> dict[str, object]:
    return {
        "command_id": command(),
        "record_no": wards.world.record().record_no,
        "ward": EAST.code,
        "bed_no": "1",
        "nursing": NursingClass.TWO,
        "doctor": DOCTOR,
        "evidence": wards.world.scan(scene=Scene.ADMISSION),
    } | changed


def _who_lies(wards: Wards) -> dict[tuple[str, str], Stay]:
    return {
        (found.bed.ward, found.bed.bed_no): found.stay
        for ward in (EAST, WEST)
        for found in wards.stays.beds(ward.code)
        if found.stay is not None
    }


def test_a_patient_is_admitted_by_face_into_an_empty_bed(any_wards: Wards) -> None:
    stay = any_wards.admitted()

    assert stay.state is StayState.ADMITTED
    assert stay.mdtrt_id is not None
    assert (stay.channel, stay.check) == (Channel.FACE, None)
    assert _who_lies(any_wards) == {("W1", "1"): stay}
    assert any_wards.stays.get(stay_no=stay.stay_no) == stay
    encounter = any_wards.world.encounters.get(encounter_no=stay.stay_no)
    assert (encounter.mdtrt_id, encounter.med_type) == (stay.mdtrt_id, "21")
    admission, _ = any_wards.world.insurer.stays[stay.stay_no]
    assert (admission.adm_bed, admission.insutype) == ("1", "310")


def test_staff_admit_without_a_face_and_answer_for_it_with_a_reason(any_wards: Wards) -> None:
    check = StaffCheck(NURSE, CheckReason.UNCONSCIOUS)
    stay = any_wards.stays.admit(
        **_asked(any_wards, evidence=None, check=check, insutype="310")  # type: ignore[arg-type]
    )

    assert stay.check == check
    assert (stay.channel, stay.terminal_id, stay.first_frame_at) == (None, None, None)
    assert any_wards.world.insurer.stays[stay.stay_no][0].evidence is None


def test_staff_admit_on_a_document_that_they_saw(wards: Wards) -> None:
    evidence = DocumentEvidence(ZHANG.certno, NURSE, wards.world.scan().intent_id)
    check = StaffCheck(NURSE, CheckReason.DOCUMENT)

    stay = wards.stays.admit(
        **_asked(wards, evidence=evidence, check=check)  # type: ignore[arg-type]
    )

    assert (stay.channel, stay.insutype) == (Channel.DOCUMENT, "310")
    assert wards.world.insurer.stays[stay.stay_no][0].evidence == evidence


def test_the_document_of_somebody_else_admits_nobody(wards: Wards) -> None:
    evidence = DocumentEvidence(LI.certno, NURSE, wards.world.scan().intent_id)
    check = StaffCheck(NURSE, CheckReason.DOCUMENT)

    with pytest.raises(Refused) as refused:
        wards.stays.admit(
            **_asked(wards, evidence=evidence, check=check)  # type: ignore[arg-type]
        )

    assert refused.value.kind.code == "insurer.evidence_of_another"
    assert _who_lies(wards) == {}


@pytest.mark.parametrize("insutype", ["310", SELF_PAID])
def test_a_document_is_compared_with_the_record_where_the_insurance_is_named_too(
    wards: Wards, insutype: str
) -> None:
    check = StaffCheck(NURSE, CheckReason.DOCUMENT)

    def admit(person: InsuredPerson) -> Stay:
        evidence = DocumentEvidence(person.certno, NURSE, wards.world.scan().intent_id)
        return wards.stays.admit(
            **_asked(wards, evidence=evidence, check=check, insutype=insutype)  # type: ignore[arg-type]
        )

    with pytest.raises(Refused) as refused:
        admit(LI)
    assert _kind(refused) is PROOF_NOT_FITTING
    assert refused.value.details["differs"] == "document"
    assert _who_lies(wards) == {}
    assert admit(ZHANG).insutype == insutype


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"evidence": None}, NO_STAFF_CHECK),
        (
            {"evidence": None, "check": StaffCheck(NURSE, CheckReason.UNKNOWN)},
            INSURANCE_NOT_NAMED,
        ),
        ({"bed_no": "9"}, BED_NOT_FOUND),
        ({"ward": "W9"}, BED_NOT_FOUND),
        ({"nursing": NursingClass.SPECIAL}, NURSING_NOT_PRICED),
    ],
)
def test_what_is_missing_is_named_and_no_bed_is_taken(
    wards: Wards, changed: dict[str, object], kind: RefusalKind
) -> None:
    with pytest.raises(Refused) as refused:
        wards.stays.admit(**_asked(wards, **changed))  # type: ignore[arg-type]

    assert _kind(refused) is kind
    assert _who_lies(wards) == {}
    assert "2401" not in wards.world.insurer.messages


def test_a_face_for_something_else_or_of_somebody_else_admits_nobody(wards: Wards) -> None:
    for evidence, kind in (
        (wards.world.scan(scene=Scene.REGISTRATION), SCENE_NOT_ALLOWED),
        (wards.world.scan(LI, scene=Scene.ADMISSION), PROOF_NOT_FITTING),
    ):
        with pytest.raises(Refused) as refused:
            wards.stays.admit(**_asked(wards, evidence=evidence))  # type: ignore[arg-type]
        assert _kind(refused) is kind


def test_one_confirmation_admits_once(wards: Wards) -> None:
    evidence = wards.world.scan(scene=Scene.ADMISSION)
    first = wards.stays.admit(**_asked(wards, evidence=evidence))  # type: ignore[arg-type]
    wards.stays.cancel_admission(stay_no=first.stay_no)

    with pytest.raises(Refused) as refused:
        wards.stays.admit(**_asked(wards, evidence=evidence, bed_no="2"))  # type: ignore[arg-type]

    assert _kind(refused) is INTENT_USED


def test_a_repeated_admission_is_answered_and_another_one_is_refused(wards: Wards) -> None:
    asked = _asked(wards)
    first = wards.stays.admit(**asked)  # type: ignore[arg-type]
    looked_at = wards.world.proofs.looked_at

    assert wards.stays.admit(**asked) == first  # type: ignore[arg-type]
    assert wards.world.proofs.looked_at == looked_at
    with pytest.raises(Refused) as refused:
        wards.stays.admit(**(asked | {"ward": WEST.code}))  # type: ignore[arg-type]
    assert _kind(refused) is COMMAND_DIFFERS


def test_nobody_has_two_stays_and_no_bed_two_patients(wards: Wards) -> None:
    wards.admitted(ZHANG)

    with pytest.raises(Refused) as again:
        wards.admitted(ZHANG, bed_no="2")
    with pytest.raises(Refused) as taken:
        wards.admitted(LI)

    assert _kind(again) is STAY_OPEN
    assert _kind(taken) is BED_TAKEN


def test_two_desks_at_once_lay_one_patient_into_a_bed(any_wards: Wards) -> None:
    asked = [
        _asked(
            any_wards,
            record_no=any_wards.world.record(person).record_no,
            evidence=any_wards.world.scan(person, scene=Scene.ADMISSION),
        )
        for person in (ZHANG, LI)
    ]
    results = in_parallel(
        [lambda one=one: any_wards.stays.admit(**one) for one in asked]  # type: ignore[misc]
    )

    assert sum(isinstance(each, Stay) for each in results) == 1
    assert [each.kind for each in results if isinstance(each, Refused)] == [BED_TAKEN]


def test_an_admission_whose_answer_was_lost_is_carried_on(any_wards: Wards) -> None:
    any_wards.world.insurer.break_next("2401", Fault.REPLY_LOST)
    asked = _asked(any_wards)
    with pytest.raises(Refused) as unknown:
        any_wards.stays.admit(**asked)  # type: ignore[arg-type]

    assert _kind(unknown) is OUTCOME_UNKNOWN
    assert any_wards.stays.resume_all() == []
    stay = any_wards.stays.admit(**asked)  # type: ignore[arg-type]
    assert stay.state is StayState.ADMITTED
    assert len(any_wards.world.insurer.stays) == 1


def test_a_refused_admission_frees_the_bed_and_stays_refused(wards: Wards) -> None:
    kind = RefusalKind("insurer.no", "不行", "No", "x", "x", BUSY.helper, model.STAY_STEP.finality)

    def refuse(_admission: object) -> None:
        raise Refused(kind)

    asked = _asked(wards)
    wards.world.insurer.admit = refuse  # type: ignore[assignment,method-assign]
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            wards.stays.admit(**asked)  # type: ignore[arg-type]
        assert _kind(refused).code == "insurer.no"
    assert _who_lies(wards) == {}
    assert wards.stays.live() == []


def test_a_patient_moves_and_the_bed_is_free(any_wards: Wards) -> None:
    stay = any_wards.admitted()
    any_wards.world.wait(timedelta(hours=1))

    moved = any_wards.stays.transfer(
        stay_no=stay.stay_no, ward=WEST.code, bed_no="2", nursing=NursingClass.TWO
    )
    again = any_wards.stays.transfer(
        stay_no=stay.stay_no, ward=WEST.code, bed_no="2", nursing=NursingClass.TWO
    )

    assert again == moved
    assert (moved.placement.ward, moved.placement.bed_no) == ("W2", "2")
    assert list(_who_lies(any_wards)) == [("W2", "2")]
    other = any_wards.admitted(LI)
    with pytest.raises(Refused) as taken:
        any_wards.stays.transfer(
            stay_no=other.stay_no, ward=WEST.code, bed_no="2", nursing=NursingClass.TWO
        )
    assert _kind(taken) is BED_TAKEN
    assert any_wards.stays.get(stay_no=other.stay_no) == other


def test_a_bed_with_a_patient_is_not_taken_away(wards: Wards) -> None:
    wards.admitted()

    with pytest.raises(Refused) as refused:
        wards.stays.set_up_ward(EAST, [Bed(EAST.code, "2", "CW001")])
    wards.stays.set_up_ward(EAST, [Bed(EAST.code, "1", "CW001"), Bed(EAST.code, "3", "CW001")])

    assert _kind(refused) is BEDS_IN_USE
    assert [each.bed.bed_no for each in wards.stays.beds(EAST.code)] == ["1", "3"]


def test_a_wristband_is_good_until_it_is_printed_anew_or_the_patient_leaves(
    any_wards: Wards,
) -> None:
    stay = any_wards.admitted()
    old = any_wards.stays.print_wristband(stay_no=stay.stay_no, by=NURSE)
    new = any_wards.stays.print_wristband(stay_no=stay.stay_no, by=NURSE)
    assert any_wards.stays.of_wristband(new).stay_no == stay.stay_no
    any_wards.stays.discharge(stay_no=stay.stay_no)

    for code in (old, new, "nobody's"):
        with pytest.raises(Refused) as refused:
            any_wards.stays.of_wristband(code)
        assert _kind(refused) is WRISTBAND_INVALID


def test_a_discharge_frees_the_bed_and_charges_the_last_day(any_wards: Wards) -> None:
    stay = any_wards.admitted()
    any_wards.pass_days(2)

    left = any_wards.stays.discharge(stay_no=stay.stay_no)

    assert left.state is StayState.DISCHARGED
    assert any_wards.stays.discharge(stay_no=stay.stay_no) == left
    assert _who_lies(any_wards) == {}
    assert len(any_wards.charges.charged(stay.stay_no)) == 2
    encounter = any_wards.world.encounters.get(encounter_no=stay.stay_no)
    assert encounter.state is EncounterState.CLOSED
    with pytest.raises(Refused):
        any_wards.ordered(stay)


def test_a_stay_ends_when_all_is_settled_and_not_before(wards: Wards) -> None:
    stay = wards.admitted()
    wards.pass_days(1)
    wards.stays.discharge(stay_no=stay.stay_no)
    with pytest.raises(Refused) as early:
        wards.stays.close(stay_no=stay.stay_no)
    with pytest.raises(Refused) as still_here:
        wards.admitted(bed_no="2")

    wards.settled(stay)

    assert _kind(early) is model.STAY_NOT_SETTLED
    assert _kind(still_here) is STAY_OPEN
    assert wards.stays.get(stay_no=stay.stay_no).state is StayState.CLOSED
    assert wards.admitted(bed_no="2").state is StayState.ADMITTED


def test_a_stay_without_insurance_is_paid_alone_to_its_end(any_wards: Wards) -> None:
    stay = any_wards.admitted(insutype=SELF_PAID)
    any_wards.ordered(stay)
    middle = any_wards.settled(stay)
    any_wards.pass_days(2)
    any_wards.stays.discharge(stay_no=stay.stay_no)
    end = any_wards.settled(stay)

    assert is_self_paid(stay.visit_id)
    assert not any_wards.world.insurer.visits
    own = [each.answer.amounts.psn_cash_pay for each in (middle, end)]
    assert min(own) > 0
    assert sum(own) == any_wards.charged_fen(stay.stay_no)
    assert any_wards.stays.close(stay_no=stay.stay_no).state is StayState.CLOSED


def test_a_bill_that_was_shown_is_withdrawn_before_the_discharge(wards: Wards) -> None:
    stay = wards.admitted()
    wards.ordered(stay)
    payment = wards.prepared(stay)

    with pytest.raises(Refused) as refused:
        wards.stays.discharge(stay_no=stay.stay_no)
    wards.payments.withdraw(command_id=payment.command_id)

    assert _kind(refused) is PAYMENT_OPEN
    assert wards.stays.discharge(stay_no=stay.stay_no).state is StayState.DISCHARGED


def test_a_discharge_is_taken_back_into_an_empty_bed(any_wards: Wards) -> None:
    stay = any_wards.admitted()
    any_wards.stays.discharge(stay_no=stay.stay_no)
    any_wards.admitted(LI)

    with pytest.raises(Refused) as taken:
        any_wards.stays.cancel_discharge(stay_no=stay.stay_no, ward="W1", bed_no="1")
    back = any_wards.stays.cancel_discharge(stay_no=stay.stay_no, ward="W1", bed_no="2")

    assert _kind(taken) is BED_TAKEN
    assert (back.state, back.discharged_at) == (StayState.ADMITTED, None)
    assert any_wards.world.insurer.discharged == {}
    assert any_wards.ordered(back)


def test_a_stay_that_is_settled_to_its_end_goes_on_only_once_that_is_taken_back(
    wards: Wards,
) -> None:
    stay = wards.admitted()
    wards.pass_days(1)
    wards.stays.discharge(stay_no=stay.stay_no)
    payment = wards.settled(stay)
    asked = {"stay_no": stay.stay_no, "ward": "W1", "bed_no": "1"}
    with pytest.raises(Refused) as closed:
        wards.stays.cancel_discharge(**asked)  # type: ignore[arg-type]

    wards.bedside.cancel(command_id=payment.command_id)

    assert _kind(closed) is STAY_STEP
    assert wards.stays.get(stay_no=stay.stay_no).state is StayState.DISCHARGED
    assert wards.stays.cancel_discharge(**asked).state is StayState.ADMITTED  # type: ignore[arg-type]


def test_what_the_insurer_refuses_leaves_the_stay_as_it_was(wards: Wards) -> None:
    stay = wards.admitted()
    kind = replace(BUSY, code="insurer.no", finality=model.STAY_STEP.finality)

    def refuse(_message: object) -> None:
        raise Refused(kind)

    wards.world.insurer.discharge = refuse  # type: ignore[assignment,method-assign]
    with pytest.raises(Refused) as refused:
        wards.stays.discharge(stay_no=stay.stay_no)

    assert _kind(refused) == kind
    after = wards.stays.get(stay_no=stay.stay_no)
    assert (after.state, after.discharged_at) == (StayState.ADMITTED, None)
    assert list(_who_lies(wards)) == [("W1", "1")]
    assert wards.ordered(stay)


def test_an_admission_is_taken_back_as_long_as_nothing_is_charged(any_wards: Wards) -> None:
    first = any_wards.admitted()
    gone = any_wards.stays.cancel_admission(stay_no=first.stay_no)
    second = any_wards.admitted()
    any_wards.ordered(second)

    with pytest.raises(Refused) as charged:
        any_wards.stays.cancel_admission(stay_no=second.stay_no)

    assert gone.state is StayState.CANCELLED
    assert any_wards.stays.cancel_admission(stay_no=first.stay_no) == gone
    assert any_wards.world.insurer.gone == {first.mdtrt_id}
    assert _kind(charged) is STAY_CHARGED


def test_the_power_may_be_cut_at_any_step_of_a_discharge(wards: Wards) -> None:
    stay = wards.admitted()
    wards.pass_days(1)
    for steps in range(12):
        wards.world.breaker.steps_left = steps
        try:
            wards.stays.discharge(stay_no=stay.stay_no)
        except PowerCutError:
            wards.start()
            continue
        break
    wards.start()
    wards.stays.resume_all()
    left = wards.stays.discharge(stay_no=stay.stay_no)

    assert left.state is StayState.DISCHARGED
    assert _who_lies(wards) == {}
    assert len(wards.charges.charged(stay.stay_no)) == 1


def test_an_unknown_number_is_no_stay(wards: Wards) -> None:
    with pytest.raises(Refused) as refused:
        wards.stays.get(stay_no=wards.world.registered().encounter_no)

    assert _kind(refused) is STAY_NOT_FOUND


def test_every_refusal_of_a_stay_is_in_its_set_and_says_what_to_do() -> None:
    declared = {
        kind
        for kind in vars(model).values()
        if isinstance(kind, RefusalKind) and kind is not COMMAND_DIFFERS
    }

    assert declared == set(model.REFUSALS)
    for kind in model.REFUSALS:
        assert kind.code.startswith("hospital.")
        assert all((kind.zh, kind.en, kind.next_zh, kind.next_en))
