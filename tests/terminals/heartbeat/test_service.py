"""Heartbeats as they come in, and what the insurer and a hospital see of them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shualian.terminals.heartbeat.model import (
    HEARTBEAT_STALE,
    REPORT_INVALID,
    TERMINAL_AT_RISK,
    CaptureOutcome,
    HealthState,
    HeartbeatReport,
    Reason,
)
from shualian.terminals.model import TERMINAL_NOT_FOUND
from shualian.terminals.register.model import SOFTWARE_OUTDATED, Coordinates, Position
from shualian.terminals.requests.model import RequestPurpose, VerifiedRequest
from terminals.district import (
    ADMINISTRATOR,
    HALL,
    OTHER_ADMINISTRATOR,
    SOFTWARE,
    SUPERVISOR,
    Device,
    District,
    answer_of,
    place_spec,
)


def report(device: Device) -> HeartbeatReport:
    return HeartbeatReport(
        software=SOFTWARE,
        camera_ok=True,
        disk_free_percent=40,
        tampered=False,
        claim=device.claim(Position(HALL, 10)),
    )


def verified(district: District, device: Device) -> VerifiedRequest:
    return district.requests.verify(district.request(device), purpose=RequestPurpose.UPKEEP)


def test_a_terminal_that_reports_is_online_and_one_that_stops_goes_offline(
    any_district: District,
) -> None:
    district = any_district
    device = district.active()
    first = district.heartbeats.beat(verified(district, device), report(device))
    assert first.state is HealthState.ONLINE
    district.wait(timedelta(seconds=301))
    (seen,) = district.heartbeats.all_health(actor=SUPERVISOR)
    assert seen.health.state is HealthState.OFFLINE
    assert seen.last_beat_at == district.now() - timedelta(seconds=301)
    again = district.heartbeats.beat(verified(district, device), report(device))
    assert again.state is HealthState.ONLINE


def test_a_capture_needs_a_fresh_heartbeat(district: District) -> None:
    device = district.active()
    asked = verified(district, device)
    district.wait(timedelta(seconds=301))
    assert answer_of(lambda: district.heartbeats.check_capture(asked)) is HEARTBEAT_STALE
    district.heartbeats.beat(asked, report(device))
    district.heartbeats.check_capture(asked)


def test_a_terminal_outside_its_fence_is_heard_and_takes_no_face(district: District) -> None:
    device = district.active()
    asked = verified(district, device)
    away = device.claim(Position(Coordinates(39.95, 116.4074), 10))
    health = district.heartbeats.beat(asked, replace(report(device), claim=away))
    assert health.reasons == (Reason.MOVED,)
    assert answer_of(lambda: district.heartbeats.check_capture(asked)) is TERMINAL_AT_RISK
    district.heartbeats.beat(asked, report(device))
    district.heartbeats.check_capture(asked)


def test_tampering_stays_until_the_insurer_has_looked(district: District) -> None:
    device = district.active()
    asked = verified(district, device)
    district.heartbeats.beat(asked, replace(report(device), tampered=True))
    health = district.heartbeats.beat(asked, report(device))
    assert health.reasons == (Reason.TAMPERED,)
    district.heartbeats.clear_tamper(actor=SUPERVISOR, terminal_id=device.terminal_id)
    district.heartbeats.check_capture(asked)
    changes = "".join(district.changes())
    assert changes.count('"tampered"') == changes.count('"tamper_cleared"') == 1


def test_a_heartbeat_tells_the_new_version_after_an_update(district: District) -> None:
    device = district.active()
    district.register.require_software(
        actor=SUPERVISOR,
        certificate=device.certificate,
        software_min=(2, 2),
        software_current=(2, 3),
    )
    assert answer_of(lambda: district.requests.verify(district.request(device))) is (
        SOFTWARE_OUTDATED
    )
    updated = replace(report(device), software=(2, 2))
    health = district.heartbeats.beat(verified(district, device), updated)
    assert health.reasons == (Reason.VERSION_BEHIND,)
    district.requests.verify(district.request(device))


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_report_that_cannot_be_true_changes_nothing(district: District, percent: int) -> None:
    device = district.active()
    asked = verified(district, device)
    wrong = replace(report(device), disk_free_percent=percent)
    assert answer_of(lambda: district.heartbeats.beat(asked, wrong)) is REPORT_INVALID
    (seen,) = district.heartbeats.all_health(actor=SUPERVISOR)
    assert seen.last_beat_at is None


def test_captures_are_counted_by_hour_and_compared_with_the_day_before(
    any_district: District,
) -> None:
    district = any_district
    device = district.active()
    number = device.terminal_id

    def count(outcome: CaptureOutcome, times: int) -> None:
        for _ in range(times):
            district.heartbeats.count_capture(terminal_id=number, outcome=outcome)

    count(CaptureOutcome.DONE, 27)
    count(CaptureOutcome.FAILED, 3)
    district.wait(timedelta(hours=3))
    district.heartbeats.beat(verified(district, device), report(device))
    count(CaptureOutcome.DONE, 15)
    count(CaptureOutcome.FAILED, 3)
    assert district.heartbeats.health(actor=SUPERVISOR, terminal_id=number).reasons == ()
    count(CaptureOutcome.FAILED, 3)
    health = district.heartbeats.health(actor=SUPERVISOR, terminal_id=number)
    assert health.reasons == (Reason.FAILURES_RISING,)
    count(CaptureOutcome.ATTACK, 3)
    health = district.heartbeats.health(actor=SUPERVISOR, terminal_id=number)
    assert health.reasons == (Reason.FAILURES_RISING, Reason.PAD_ALARMS)
    district.wait(timedelta(hours=3))
    district.heartbeats.beat(verified(district, device), report(device))
    assert district.heartbeats.health(actor=SUPERVISOR, terminal_id=number).reasons == ()


def test_a_hospital_sees_the_health_of_its_own_terminals_only(district: District) -> None:
    device = district.active()
    district.active(place_spec("一层大厅 2 号机"))
    assert len(district.heartbeats.all_health(actor=ADMINISTRATOR)) == 2
    assert district.heartbeats.all_health(actor=OTHER_ADMINISTRATOR) == []

    def look() -> object:
        return district.heartbeats.health(actor=OTHER_ADMINISTRATOR, terminal_id=device.terminal_id)

    assert answer_of(look) is TERMINAL_NOT_FOUND


def test_a_terminal_that_waits_or_was_revoked_is_not_watched(district: District) -> None:
    district.enrolled()
    device = district.active(place_spec("一层大厅 2 号机"))
    district.enrolments.revoke(actor=SUPERVISOR, terminal_id=device.terminal_id)
    assert district.heartbeats.all_health(actor=SUPERVISOR) == []
