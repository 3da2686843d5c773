"""Ward checks from the secret draw to its result: met, excused by two, missed, or somebody else."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from insurer.office import HOSPITAL, NOW
from insurer.supervision.house import (
    HEAD,
    NURSE,
    OTHER_HOSPITAL,
    PATIENT_FACE,
    SEED,
    STRANGER,
    SUPERVISOR,
    House,
    terminal,
    vector,
)
from shualian.core.clock import business_date
from shualian.core.identifiers import PersonNo
from shualian.core.refusals import Refused
from shualian.insurer.accesses.service import affected_people
from shualian.insurer.supervision.alerts.model import ALERT_NOT_FOUND, AlertId, AlertKind
from shualian.insurer.supervision.captures.model import CAPTURE_NOT_FITTING
from shualian.insurer.supervision.captures.service import EitherAccesses
from shualian.insurer.supervision.wardchecks.model import (
    ANSWER_WITHIN,
    CHECK_ENDED,
    CHECK_NOT_FOUND,
    REASON_MISSING,
    CheckId,
    CheckState,
    ExceptionReason,
    Rates,
    WardCheck,
    moments,
    repeats,
)
from shualian.staff.model import SAME_PERSON
from shualian.verification.model import ACTIVE_NEEDED, NOT_LIVE, Access, AccessKind
from shualian.verification.registry.model import REGISTRY_NO_MATCH, REGISTRY_UNAVAILABLE

TODAY = business_date(NOW) + timedelta(days=1)
FIRST, SECOND = moments(SEED, TODAY, 2)


class Nothing:
    """An empty log."""

    def accesses_of(self, psn_no: PersonNo) -> list[Access]:  # noqa: ARG002
        return []

    def forget_before(self, before: datetime) -> int:  # noqa: ARG002
        return 0


def _drawn(house: House) -> WardCheck:
    """The day's first draw over the one in-patient."""
    house.clock.set(FIRST)
    (check,) = house.ward_checks.tick()
    return check


def _answered(house: House, check: WardCheck, *faces: int) -> WardCheck:
    session_id = house.at_bed(check, *faces)
    return house.ward_checks.answer(terminal(), check_id=check.check_id, session_id=session_id)


def _now(house: House, check: WardCheck) -> WardCheck:
    (found,) = [
        each
        for each in house.ward_checks.results(SUPERVISOR, since=TODAY)
        if each.check_id == check.check_id
    ]
    return found


def _late(house: House, check: WardCheck) -> Sequence[WardCheck]:
    house.clock.set(check.deadline)
    return house.ward_checks.end_overdue()


def test_a_patient_who_is_in_bed_is_met_by_face(any_house: House) -> None:
    any_house.admitted()
    check = _drawn(any_house)

    answered = _answered(any_house, check, PATIENT_FACE)

    assert check.deadline == FIRST + ANSWER_WITHIN
    assert answered.state is CheckState.PASSED
    assert answered.terminal_id == terminal().terminal.terminal_id
    assert any_house.raised() == []


def test_a_patient_who_was_met_finds_it_in_the_access_log_and_it_is_forgotten_in_time(
    house: House,
) -> None:
    visit = house.admitted()
    check = _drawn(house)
    _answered(house, check, PATIENT_FACE)
    log = EitherAccesses(Nothing(), house.captures)
    psn_no = visit.registration.psn_no

    (access,) = log.accesses_of(psn_no)

    assert (access.what, access.use) == (AccessKind.VERIFIED, "ward_check")
    assert access.institution == HOSPITAL
    assert log.accesses_of(house.office.insured(77).psn_no) == []
    assert log.forget_before(NOW) == 0
    assert log.forget_before(house.clock.now() + timedelta(days=1)) == 1
    assert log.accesses_of(psn_no) == []


def test_who_was_checked_is_named_to_a_notice_of_a_breach(house: House) -> None:
    visit = house.admitted()
    check = _drawn(house)
    _answered(house, check, PATIENT_FACE)
    since, until = NOW, house.clock.now() + timedelta(days=1)

    people = house.database.read(
        lambda connection: affected_people(connection, since=since, until=until)
    )

    assert visit.registration.psn_no in {each.psn_no for each in people}


def test_nobody_is_told_before_the_moment_and_each_draw_is_made_once(house: House) -> None:
    house.admitted()
    house.clock.set(FIRST - timedelta(seconds=1))
    assert house.ward_checks.tick() == []
    check = _drawn(house)

    assert house.ward_checks.tick() == []
    assert house.ward_checks.open_checks(NURSE) == [check]
    house.clock.set(SECOND)
    assert len(house.ward_checks.tick()) == 1


def test_only_in_patients_who_are_still_there_are_drawn(house: House) -> None:
    gone, cancelled = house.admitted(1), house.admitted(2)
    house.office.visit(house.office.insured(3).psn_no, institution=HOSPITAL)
    here = house.admitted(4)
    house.office.settlements.visits.discharge(
        institution=HOSPITAL,
        mdtrt_id=gone.mdtrt_id,
        psn_no=gone.registration.psn_no,
        endtime=NOW,
    )
    house.office.settlements.visits.cancel_visit(
        institution=HOSPITAL,
        mdtrt_id=cancelled.mdtrt_id,
        psn_no=cancelled.registration.psn_no,
        ipt_otp_no=cancelled.registration.ipt_otp_no,
    )

    assert _drawn(house).stay.mdtrt_id == here.mdtrt_id


def test_a_patient_with_a_template_is_not_asked_to_turn_the_head(house: House) -> None:
    visit = house.admitted()
    psn_no = visit.registration.psn_no
    house.people.keep_templates.add(psn_no)
    house.insured_gallery.enrol(psn_no, vector(PATIENT_FACE), "painted", 80)
    house.police.reachable = False
    check = _drawn(house)

    session_id = house.at_bed(check, PATIENT_FACE, active=False)
    answered = house.ward_checks.answer(terminal(), check_id=check.check_id, session_id=session_id)

    assert answered.state is CheckState.PASSED


def test_without_a_template_only_the_registry_and_a_turned_head_will_do(house: House) -> None:
    house.admitted()
    check = _drawn(house)
    with pytest.raises(Refused) as passive:
        house.at_bed(check, PATIENT_FACE, active=False)
    house.police.reachable = False
    with pytest.raises(Refused) as unreachable:
        house.at_bed(check, PATIENT_FACE)

    assert passive.value.kind in {NOT_LIVE, ACTIVE_NEEDED}
    assert unreachable.value.kind is REGISTRY_UNAVAILABLE
    assert house.raised() == []


def test_another_face_in_the_bed_is_told_to_the_supervisor_at_once(house: House) -> None:
    house.admitted()
    check = _drawn(house)

    with pytest.raises(Refused) as refused:
        house.at_bed(check, STRANGER)

    assert refused.value.kind is REGISTRY_NO_MATCH
    (alert,) = house.alerts.listed(SUPERVISOR)
    assert (alert.kind, alert.reference) == (AlertKind.IMPOSTOR_IN_BED, check.check_id)
    (ended,) = _late(house, check)
    assert ended.state is CheckState.ANOTHER_FACE
    assert house.raised() == [AlertKind.IMPOSTOR_IN_BED]


def test_who_cuts_the_capture_short_after_another_face_is_found_out_at_the_deadline(
    house: House,
) -> None:
    visit = house.admitted()
    house.people.keep_templates.add(visit.registration.psn_no)
    house.insured_gallery.enrol(visit.registration.psn_no, vector(PATIENT_FACE), "painted", 80)
    check = _drawn(house)
    house.at_bed(check, STRANGER)

    (ended,) = _late(house, check)

    assert ended.state is CheckState.ANOTHER_FACE
    assert house.raised() == [AlertKind.IMPOSTOR_IN_BED]


def test_the_wrong_bed_first_and_the_patient_then_passes(house: House) -> None:
    visit = house.admitted()
    house.people.keep_templates.add(visit.registration.psn_no)
    house.insured_gallery.enrol(visit.registration.psn_no, vector(PATIENT_FACE), "painted", 80)
    check = _drawn(house)

    assert _answered(house, check, STRANGER, PATIENT_FACE).state is CheckState.PASSED


def test_a_check_that_nobody_answers_is_a_result_and_an_alert(any_house: House) -> None:
    any_house.admitted()
    check = _drawn(any_house)

    (ended,) = _late(any_house, check)

    assert ended.state is CheckState.MISSED
    assert any_house.raised() == [AlertKind.WARD_CHECK_MISSED]
    assert any_house.ward_checks.end_overdue() == []
    assert any_house.ward_checks.rates(HEAD, since=TODAY) == {"W1": Rates(missed=1)}
    with pytest.raises(Refused) as refused:
        any_house.at_bed(check, PATIENT_FACE)
    assert refused.value.kind is CHECK_ENDED


def test_a_reason_counts_once_a_nurse_who_did_not_give_it_has_countersigned(
    any_house: House,
) -> None:
    any_house.admitted()
    check = _drawn(any_house)
    checks, number = any_house.ward_checks, check.check_id
    with pytest.raises(Refused) as missing:
        checks.countersign(NURSE, number)
    checks.propose_exception(HEAD, number, reason=ExceptionReason.INTENSIVE_CARE)
    with pytest.raises(Refused) as same:
        checks.countersign(HEAD, number)

    after = checks.countersign(NURSE, number)

    assert missing.value.kind is REASON_MISSING
    assert same.value.kind is SAME_PERSON
    assert after.state is CheckState.EXCEPTED
    assert (after.proposed_by, after.countersigned_by) == (HEAD.staff, NURSE.staff)
    assert after == _now(any_house, check)


def test_a_reason_that_nobody_countersigned_in_time_is_none(house: House) -> None:
    house.admitted()
    check = _drawn(house)
    house.ward_checks.propose_exception(HEAD, check.check_id, reason=ExceptionReason.ASLEEP)

    (ended,) = _late(house, check)

    assert ended.state is CheckState.MISSED


def test_who_is_never_met_is_a_paper_admission(house: House) -> None:
    visit = house.admitted()
    check = _drawn(house)
    _late(house, check)
    house.clock.set(SECOND)
    (second,) = house.ward_checks.tick()
    house.ward_checks.propose_exception(
        HEAD, second.check_id, reason=ExceptionReason.OUT_FOR_EXAMINATION
    )
    house.ward_checks.countersign(NURSE, second.check_id)

    paper = [
        alert
        for alert in house.alerts.listed(SUPERVISOR)
        if alert.kind is AlertKind.PAPER_ADMISSION
    ]
    assert [alert.reference for alert in paper] == [visit.mdtrt_id]


def test_a_capture_of_one_check_answers_no_other(house: House) -> None:
    house.admitted(1, ward="W1")
    house.admitted(2, ward="W2")
    house.clock.set(FIRST)
    one, other = house.ward_checks.tick()
    session_id = house.at_bed(one, PATIENT_FACE)

    with pytest.raises(Refused) as refused:
        house.ward_checks.answer(terminal(), check_id=other.check_id, session_id=session_id)

    assert refused.value.kind is CAPTURE_NOT_FITTING


def test_an_institution_sees_and_answers_its_own_checks_only(house: House) -> None:
    house.admitted()
    check = _drawn(house)
    stranger = replace(NURSE, institution=OTHER_HOSPITAL)

    assert house.ward_checks.open_checks(stranger) == []
    assert house.ward_checks.results(stranger, since=TODAY) == []
    for actor, number in ((stranger, check.check_id), (NURSE, CheckId("0" * 26))):
        with pytest.raises(Refused) as refused:
            house.ward_checks.countersign(actor, number)
        assert refused.value.kind is CHECK_NOT_FOUND


def test_the_seed_is_shown_when_the_day_is_over_and_repeats_the_draw(any_house: House) -> None:
    for serial in range(1, 6):
        any_house.admitted(serial)
    any_house.clock.set(FIRST)
    drawn = any_house.ward_checks.tick()
    fixed = any_house.ward_checks.commitments(HEAD, day=TODAY)
    asked = {"day": TODAY, "institution": HOSPITAL}
    assert any_house.ward_checks.published(SUPERVISOR, **asked) == []  # type: ignore[arg-type]

    any_house.wait(timedelta(days=1))
    any_house.ward_checks.tick()
    (published,) = any_house.ward_checks.published(HEAD, **asked)  # type: ignore[arg-type]

    assert published.commitment == fixed[HOSPITAL]
    assert published.picked == tuple(check.stay.mdtrt_id for check in drawn)
    assert repeats(published, policy=any_house.draw_policy)


def test_an_alert_is_taken_on_once_and_by_one_person(any_house: House) -> None:
    alert = any_house.alerts.raised(
        AlertKind.TRACE_CODE_USED_TWICE, institution=HOSPITAL, reference="DISPENSING-1"
    )
    again = any_house.alerts.raised(
        AlertKind.TRACE_CODE_USED_TWICE, institution=HOSPITAL, reference="DISPENSING-1"
    )
    other = replace(SUPERVISOR, staff=NURSE.staff)

    first = any_house.alerts.acknowledge(SUPERVISOR, alert.alert_id)

    assert again == alert
    assert any_house.alerts.acknowledge(other, alert.alert_id) == first
    assert first.acknowledged_by == SUPERVISOR.staff
    assert any_house.alerts.listed(SUPERVISOR) == []
    with pytest.raises(Refused) as refused:
        any_house.alerts.acknowledge(SUPERVISOR, AlertId("0" * 26))
    assert refused.value.kind is ALERT_NOT_FOUND
