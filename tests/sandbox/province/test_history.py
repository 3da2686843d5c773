"""The past days of the sample province: played through both halves, and their books agree."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from sandbox.province.conftest import DAYS, Province
from shualian.assembly import House, open_house
from shualian.core.clock import SystemClock, business_date
from shualian.core.identifiers import CommandId, InstitutionCode, StaffId, new_identifier
from shualian.core.mode import Mode
from shualian.hospital.encounters import store as encounter_store
from shualian.hospital.encounters.model import EncounterState
from shualian.hospital.model import Channel
from shualian.hospital.statistics.service import statistics_of
from shualian.sandbox.ewallet.server import running_wallet
from shualian.sandbox.province.history import VISITS_A_DAY
from shualian.staff.model import Caller, Employer, Role


@dataclass(frozen=True)
class Past:
    house: House
    days: tuple[date, ...]
    told: list[str]


@pytest.fixture(scope="module")
def past(province: Province) -> Iterator[Past]:
    folder, clock = province.folder, SystemClock()
    today = business_date(clock.now())
    with running_wallet(folder / "e-wallet", clock=clock) as wallet, ExitStack() as opened:
        reached = province.settings.model_copy(update={"ewallet_url": wallet.origin})
        house = open_house(opened, reached, mode=Mode.SANDBOX, clock=clock)
        days = tuple(today - timedelta(days=each) for each in range(DAYS, 0, -1))
        yield Past(house, days, province.told)


def test_people_came_to_every_institution_on_every_day(past: Past) -> None:
    for hospital in past.house.hospitals:
        found = hospital.database.read(
            lambda connection, code=hospital.institution: statistics_of(  # type: ignore[misc]
                connection, institution=code, first=past.days[0], last=past.days[-1], since=None
            )
        )
        assert found.by_face.part == 0
        assert {day for day, _ in found.uses} == set(past.days)
        assert {channel for _, channel in found.uses} <= {Channel.DOCUMENT, Channel.CODE}
    visits = VISITS_A_DAY * DAYS * len(past.house.hospitals)
    assert any(f"就诊 {visits} 次" in line for line in past.told)


def test_nothing_of_the_past_is_left_open(past: Past) -> None:
    for hospital in past.house.hospitals:
        states = hospital.database.read(
            lambda connection: connection.execute(
                select(encounter_store.encounters.c.state).distinct()
            ).scalars()
        )
        assert set(states) == {EncounterState.CLOSED.value}
        assert hospital.desk.shifts.not_closed() == ()
        assert not hospital.examinations.worklist()
        assert not hospital.dispensing.waiting(_staff(hospital.institution, Role.PHARMACIST))


def test_every_day_of_the_past_closes_without_a_difference(past: Past) -> None:
    for hospital in past.house.hospitals:
        caller = _staff(hospital.institution, Role.ADMINISTRATOR)
        for day in past.days:
            closing = hospital.desk.closings.close(
                command_id=CommandId(new_identifier()), day=day, caller=caller
            )
            assert closing.differences == ()


def test_the_insurers_books_add_up_after_the_past(past: Past) -> None:
    assert past.house.insurer.funds.check_books().coherent


def _staff(institution: InstitutionCode, role: Role) -> Caller:
    return Caller(StaffId("SOMEBODY"), Employer(institution), frozenset((role,)))
