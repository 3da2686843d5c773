"""The whole visit over HTTP and WebSocket: one run, each promise a test."""

import json

import pytest

from sandbox.visit.played import PlayedVisit
from shualian.sandbox.province.cast import PLAYERS
from shualian.sandbox.province.model import OTHER_REGION
from shualian.sandbox.visit.story import Visit

STEPS = (
    "province_loaded",
    "served",
    "registered_by_document",
    "order_of_absent_doctor_is_refused",
    "doctor_signs_in",
    "activated",
    "registered",
    "called_and_recognised",
    "examinations_ordered",
    "one_scan_payment",
    "examined",
    "medicine_prescribed",
    "reports_collected",
    "medicine_paid_and_released",
    "same_by_document",
    "admitted",
    "settled_at_the_bed",
    "insured_elsewhere",
    "stranger_is_unknown",
    "screen_is_refused",
    "consent_withdrawn",
    "books_agree",
    "audit_holds",
)


@pytest.fixture(scope="module")
def played(played_visit: PlayedVisit) -> PlayedVisit:
    return played_visit


@pytest.mark.parametrize("name", STEPS)
def test_the_step_holds(played: PlayedVisit, name: str) -> None:
    step = played.step(name)

    assert step.ok, step.detail


def test_nothing_else_is_played(played: PlayedVisit) -> None:
    assert tuple(step.step for step in played.steps) == STEPS


def test_every_line_says_that_the_terminals_are_simulated(played: PlayedVisit) -> None:
    lines = [*(step.detail for step in played.steps), *played.visit.receipt]

    assert len(played.visit.receipt) > 10
    assert all(line.startswith("【模拟终端】") for line in lines)


def test_no_line_shows_a_whole_name_or_number_of_a_patient(played: PlayedVisit) -> None:
    shown = "".join([*(step.detail for step in played.steps), *played.visit.receipt])

    for visit in _visits(played):
        assert visit.player.person.name not in shown
        assert visit.id_number not in shown


def test_no_file_of_the_servers_holds_a_patients_name_or_number(played: PlayedVisit) -> None:
    stored = b"".join(file.read_bytes() for file in played.folder.rglob("*") if file.is_file())

    assert len(stored) > 1_000_000
    for player in PLAYERS:
        assert player.person.id_number.encode() not in stored
    for visit in _visits(played):
        assert visit.player.person.name.encode() not in stored


def test_every_bill_is_paid_to_the_last_fen(played: PlayedVisit) -> None:
    bills = [bill for visit in _visits(played) for bill in visit.bills]

    assert len(bills) == 6
    assert all(bill.adds_up and bill.total_fen > 0 for bill in bills)
    assert any(bill.fund_fen for bill in bills)


def test_the_face_costs_what_the_document_costs(played: PlayedVisit) -> None:
    by_face, by_document = played.visit.visitor.bills, played.visit.companion.bills

    assert len(by_face) == 2
    assert [bill.split for bill in by_face] == [bill.split for bill in by_document]


def test_the_receipt_names_the_rules_of_both_regions(played: PlayedVisit) -> None:
    text = "\n".join(played.visit.receipt)

    assert f"目录按就医地 990000，待遇按参保地 {OTHER_REGION}" in text
    assert "基本医疗保险统筹基金" in text


def test_the_visitors_time_before_machines_is_counted(played: PlayedVisit) -> None:
    own = [step.step for step in played.steps if step.own]

    assert own == [
        "activated",
        "registered",
        "called_and_recognised",
        "one_scan_payment",
        "examined",
        "reports_collected",
        "medicine_paid_and_released",
    ]


def test_the_servers_log_names_nobody(played: PlayedVisit) -> None:
    log = (played.folder / "server.log").read_text(encoding="utf-8")

    assert len(log.splitlines()) > 100
    for player in PLAYERS:
        assert player.person.name not in log
        assert player.person.id_number not in log
        assert json.dumps(player.person.name) not in log


def _visits(played: PlayedVisit) -> list[Visit]:
    visit = played.visit
    return [visit.visitor, visit.companion, visit.inpatient, visit.elsewhere]
