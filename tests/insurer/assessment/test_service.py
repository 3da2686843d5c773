"""The impact assessment: every number is set, measured or counted; kept three years; filing."""

import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, StaffId
from shualian.core.mode import Mode
from shualian.core.refusals import RefusalKind, Refused
from shualian.core.settings import Settings
from shualian.face.calibration import Calibration, calibration_from_json
from shualian.insurer.assessment import store
from shualian.insurer.assessment.api import staff_routes
from shualian.insurer.assessment.model import (
    ASSESSMENT_KEPT,
    ASSESSMENT_MISSING,
    ASSESSMENT_NOT_FOUND,
    AssessmentId,
    working_days_after,
)
from shualian.insurer.assessment.service import Assessments
from shualian.insurer.notices.model import running_facts
from shualian.insurer.notices.store import load_notices, packaged_notices
from shualian.insurer.templates.model import FilingDuty
from shualian.terminals.model import Actor, InstitutionStaff, InsurerStaff
from shualian.trust.audit import store as audit_store
from shualian.verification import store as verification_store
from shualian.web.problems import answer_refusals

NOW = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
SUPERVISOR = InsurerStaff(StaffId("SUPERVISOR-1"))
LIMIT = 100_000


def packaged_calibration() -> Calibration:
    """The calibration that the package ships."""
    folder = resources.files("shualian.face") / "calibrations"
    (file,) = folder.iterdir()
    return calibration_from_json(file.read_text("utf-8"))


class Counter:
    """Counts people with a template."""

    def __init__(self) -> None:
        self.people = 3

    def filing_due(self) -> FilingDuty:
        return FilingDuty(self.people, LIMIT)


class Searches:
    """How wide a search may be."""

    people_max = 13


class Office:
    """Assessments of one running configuration."""

    def __init__(self, database: Database, **settings: Any) -> None:
        for tables in (store.metadata, verification_store.metadata, audit_store.metadata):
            database.create_tables(tables)
        self.database = database
        self.clock = SettableClock(NOW)
        self.counter = Counter()
        self.calibration = packaged_calibration()
        self.set(**settings)

    def set(self, *, mode: Mode = Mode.PRODUCTION, **settings: Any) -> None:
        self.settings = Settings(**{"registry_url": "https://registry.example", **settings})
        self.assessments = Assessments(
            database=self.database,
            clock=self.clock,
            settings=self.settings,
            mode=mode,
            running=running_facts(
                self.settings, frames_stored=False, templates_kept=True, payment_consent=True
            ),
            notice=load_notices(packaged_notices()).current,
            calibration=self.calibration,
            filing=self.counter,
            searches=Searches(),
        )

    def wait(self, days: int) -> None:
        self.clock.set(self.clock.now() + timedelta(days=days))

    def document(self) -> str:
        return self.assessments.make().document

    def audited(self) -> list[tuple[str, dict[str, Any]]]:
        query = select(audit_store.events).order_by(audit_store.events.c.event_id)
        rows = self.database.read(lambda connection: connection.execute(query).all())
        return [(row.kind, json.loads(row.payload)) for row in rows]

    def refusal(self, assessment_id: AssessmentId) -> RefusalKind:
        with pytest.raises(Refused) as refused:
            self.assessments.forget(assessment_id)
        return refused.value.kind


@pytest.fixture
def office(sqlite_database: Database) -> Office:
    return Office(sqlite_database)


@pytest.fixture
def any_office(any_database: Database) -> Office:
    return Office(any_database)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("template_months", 17, "17 个月"),
        ("backup_days", 41, "41 天"),
        ("access_log_months", 19, "19 个月"),
        ("emergency_searches_max", 23, "23 次"),
        ("registry_degraded_max_fen", 123_45, "123.45"),
        ("insurer_name", "另一个医保局", "另一个医保局"),
        ("insurer_phone", "0990-777", "0990-777"),
        ("identification_fpir_max", 0.0077, "0.0077"),
    ],
)
def test_a_setting_is_stated_as_it_is_set(
    office: Office, name: str, value: Any, shown: str
) -> None:
    assert shown not in office.document()
    office.set(**{name: value})
    assert shown in office.document()


def test_error_rates_are_those_of_the_calibration_with_what_is_not_proven(office: Office) -> None:
    document = office.document()
    facts = office.assessments.facts().accuracy
    point = office.calibration.at(office.settings.verification_fmr)

    claimed, searched = facts.comparisons
    assert (claimed.threshold, claimed.fmr_upper95) == (point.threshold, point.fmr_upper95)
    assert searched.fmr_max == office.settings.identification_fmr
    assert f"{point.fmr_upper95:.2g}" in document
    assert document.count("not proven**") == 2
    assert {each.group for each in facts.groups} == set(office.calibration.groups)
    assert all(each.group in document for each in facts.groups)


def test_the_worst_attack_is_named_and_computed_ones_are_called_so(office: Office) -> None:
    rates = office.calibration.proven_attack_detection()
    worst = max(rates.apcer, key=lambda name: rates.apcer[name])
    document = office.document()

    assert f"{worst}，{rates.apcer_max:.1%}" in document
    assert document.count("模拟 simulated") == len(rates.simulated)
    assert document.count("实拍 recorded") == len(rates.apcer) - len(rates.simulated)


def test_one_presentation_that_was_stopped_proves_nothing(office: Office) -> None:
    attacks = office.assessments.facts().accuracy.attacks
    (once, *_) = [each for each in attacks if each.presentations == 1]
    assert once.apcer == 0
    assert once.apcer_upper95 == pytest.approx(0.95)
    assert "| 0.0% | 95.0% | 实拍" in office.document()


def test_other_measurements_and_counts_are_other_numbers(office: Office) -> None:
    calibration = office.calibration
    rates = calibration.proven_attack_detection()
    office.calibration = replace(
        calibration,
        attack_detection=replace(rates, bpcer=0.4321, bona_fide=97531),
        data="8642 pictures",
    )
    office.counter.people = 86_420
    office.set()
    document = office.document()

    for number in ("43.2%", "97531", "8642 pictures", "86420", str(Searches.people_max)):
        assert number in document


def test_without_a_registry_the_document_says_so(office: Office) -> None:
    assert "没有设置公安人口信息" not in office.document()
    office.set(registry_url=None)
    assert "没有设置公安人口信息" in office.document()


def test_a_sandbox_says_that_it_is_one(office: Office) -> None:
    real = office.document()
    assert "演练环境" not in real
    assert "simulated 50000.00" not in real
    office.set(mode=Mode.SANDBOX)
    assert "演练环境" in office.document()
    assert "simulated 50000.00" in office.document()


def test_people_with_a_template_and_people_compared_are_counted(any_office: Office) -> None:
    def person(number: str, subject: str) -> None:
        session = {
            "session_id": number,
            **dict.fromkeys(("terminal_id", "institution", "key_id", "nonce_digest"), "T"),
            "terminal_class": "II",
            "scene": "01301",
            "amount_max_fen": 0,
            "liveness": "active",
            "sought_by": "number",
            "opened_at": NOW,
            "expires_at": NOW,
            "state": "verified",
            **dict.fromkeys(("attempting", "activated"), False),
            **dict.fromkeys(("attempts", "comparisons", "error_upper95"), 0),
        }
        row = {
            "session_id": number,
            "subject": subject,
            "proven_for_population": False,
            "comparisons": 0,
            "factors": "face",
            "basis": "registry",
            "active": True,
        }
        any_office.database.write(
            lambda connection: connection.execute(
                insert(verification_store.sessions).values(session)
            )
        )
        any_office.database.write(
            lambda connection: connection.execute(insert(verification_store.persons).values(row))
        )

    person("S1", "P1")
    person("S2", "P1")
    person("S3", "P2")

    counts = any_office.assessments.facts().counts
    assert (counts.with_template, counts.compared) == (3, 2)


def test_it_is_kept_with_a_digest_and_recorded(any_office: Office) -> None:
    made = any_office.assessments.make(actor=SUPERVISOR.staff)

    assert any_office.assessments.get(made.assessment_id) == made
    assert list(any_office.assessments.listed()) == [made]
    assert made.digest == hashlib.sha256(made.document.encode()).hexdigest()
    kind, payload = any_office.audited()[-1]
    assert kind == "insurer.assessment"
    assert payload["digest"] == made.digest
    assert payload["actor"] == SUPERVISOR.staff


def test_nothing_is_deleted_before_three_years(any_office: Office) -> None:
    made = any_office.assessments.make()
    assert made.kept_until == date(2029, 12, 1)
    assert any_office.refusal(AssessmentId("UNKNOWN")) is ASSESSMENT_NOT_FOUND
    any_office.clock.set(datetime(2029, 11, 30, 15, 59, tzinfo=UTC))
    assert any_office.refusal(made.assessment_id) is ASSESSMENT_KEPT
    assert any_office.assessments.listed()

    any_office.clock.set(datetime(2029, 11, 30, 16, 0, tzinfo=UTC))
    any_office.assessments.forget(made.assessment_id)
    assert not any_office.assessments.listed()
    assert any_office.audited()[-1][1]["deleted"] is True


def test_what_runs_otherwise_than_assessed_is_noticed(office: Office) -> None:
    with pytest.raises(Refused) as refused:
        office.assessments.check_assessed()
    assert refused.value.kind is ASSESSMENT_MISSING
    office.assessments.make()
    office.counter.people += 1
    office.assessments.check_assessed()

    office.set(template_months=12)
    with pytest.raises(Refused):
        office.assessments.check_assessed()


def test_the_day_on_which_filing_became_a_duty_is_remembered(any_office: Office) -> None:
    assert any_office.assessments.note_filing() is None
    any_office.counter.people = LIMIT
    marked = any_office.assessments.note_filing()
    any_office.wait(20)
    any_office.counter.people = 5

    assert marked is not None
    assert marked.reached_on == date(2026, 12, 1)
    assert marked.file_by == date(2027, 1, 12)
    assert any_office.assessments.note_filing() == marked
    assert [kind for kind, _ in any_office.audited()] == ["insurer.filing_reached"]
    assert "2027-01-12" in any_office.document()


def test_making_an_assessment_looks_at_the_number_too(office: Office) -> None:
    office.counter.people = LIMIT
    assert "2027-01-12" in office.document()


@given(st.dates(date(2020, 1, 1), date(2100, 1, 1)), st.integers(0, 60))
def test_so_many_working_days_lie_between(day: date, count: int) -> None:
    end = working_days_after(day, count)
    between = [day + timedelta(days=n) for n in range(1, (end - day).days + 1)]

    assert sum(each.weekday() < 5 for each in between) == count
    assert not count or end.weekday() < 5


def test_the_facts_are_json_and_name_nobody(office: Office) -> None:
    facts = json.loads(json.dumps(office.assessments.facts().as_json(), allow_nan=False))

    assert set(facts) == {"configuration", "accuracy", "counts"}
    assert not re.search(r"[1-9][0-9]{16}[0-9X]", json.dumps(facts))


def test_only_the_insurer_makes_and_reads_them_over_http(office: Office) -> None:
    who: list[Actor] = [SUPERVISOR]

    def caller(_request: Request) -> Actor:
        return who[0]

    application = FastAPI()
    answer_refusals(application)
    application.include_router(staff_routes(office.assessments, caller))
    with TestClient(application) as client:
        made = client.post("/assessments")
        assert made.status_code == 201
        number = made.json()["assessment_id"]
        assert client.get(f"/assessments/{number}").json() == made.json()
        assert [each["assessment_id"] for each in client.get("/assessments").json()] == [number]
        assert client.get("/assessments/filing").json() == {"reached_on": None, "file_by": None}
        who[0] = InstitutionStaff(StaffId("CLERK-1"), InstitutionCode("H99000000001"))
        assert client.post("/assessments").json()["code"] == "terminals.wrong_side"
        assert client.get("/assessments").status_code >= 400
