"""Calls for help over HTTP: what a screen may say, and when."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from fastapi import APIRouter, Request
from fastapi.testclient import TestClient

from hospital.doors import Door
from hospital.world import HOSPITAL, KIOSK, START, KeysInMemory
from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.core.identifiers import StaffId, TerminalId
from shualian.hospital.help import api, store
from shualian.hospital.help.model import KEPT_FOR, RINGS_FOR
from shualian.hospital.help.service import HelpCalls
from shualian.hospital.model import AtTerminal
from shualian.staff.model import Caller, Role
from shualian.trust.sealing import Sealer

GUIDE, CLERK = StaffId("S-GUIDE"), StaffId("S-CLERK")
NAMES = {GUIDE: "李示例", CLERK: "王样本"}


@dataclass(frozen=True)
class Badge:
    """What stands on it."""

    name: str


class Badges:
    """Of everybody."""

    def own(self, caller: Caller) -> Badge:
        return Badge(NAMES[caller.staff_id])


class Hall:
    """A terminal that rings, and the pages of staff."""

    def __init__(self, database: Database) -> None:
        database.create_tables(store.metadata)
        self.database = database
        self.clock = SettableClock(START)
        self.door = Door()
        self.at = AtTerminal(KIOSK, HOSPITAL, "一层大厅 2 号机")
        calls = HelpCalls(
            institution=HOSPITAL,
            database=database,
            clock=self.clock,
            sealer=Sealer(KeysInMemory()),
            names=Badges(),
        )
        self.calls = calls
        routes = (
            api.terminal_routes(APIRouter(), calls, self._here),
            api.staff_routes(calls, self.door.who, institution=HOSPITAL),
        )
        self.client: TestClient = self.door.client(routes)

    def _here(self, _: Request) -> AtTerminal:
        return self.at

    def ring(self) -> dict[str, Any]:
        return self._posted(api.RING_PATH, {})

    def look(self, call: dict[str, Any]) -> dict[str, Any]:
        return self._posted(api.LOOK_PATH, {"call_no": call["call_no"]})

    def end(self, call: dict[str, Any]) -> dict[str, Any]:
        return self._posted(api.END_PATH, {"call_no": call["call_no"]})

    def hear(self, role: Role = Role.VOLUNTEER, who: StaffId = GUIDE) -> list[dict[str, Any]]:
        self.door.of(role, who)
        heard: list[dict[str, Any]] = self.client.post("/hospital/v1/help/hear").json()
        return heard

    def coming(self, call: dict[str, Any], who: StaffId, role: Role = Role.CLERK) -> Any:
        self.door.of(role, who)
        return self.client.post(f"/hospital/v1/help/{call['call_no']}/coming").json()

    def _posted(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.post(path, json=body).json()
        return answer


@pytest.fixture
def hall(any_database: Database) -> Hall:
    return Hall(any_database)


def test_nobody_is_said_to_know_before_a_page_of_staff_has_heard_it(hall: Hall) -> None:
    call = hall.ring()
    assert (call["state"], call["helper"]) == ("ringing", None)

    (heard,) = hall.hear()
    assert (heard["place"], heard["state"]) == ("一层大厅 2 号机", "heard")
    told = hall.look(call)
    assert (told["state"], told["helper"]["zh"]) == ("heard", "导医 李示例")


def test_somebody_comes_only_once_they_said_so(hall: Hall) -> None:
    call = hall.ring()
    hall.hear()
    hall.coming(call, CLERK)

    told = hall.look(call)
    assert told["state"] == "coming"
    assert told["helper"] == {"zh": "窗口 王样本", "en": "Clerk 王样本"}
    # Another one who says so too takes it from nobody.
    hall.coming(call, GUIDE, Role.VOLUNTEER)
    assert hall.look(call)["helper"]["zh"] == "窗口 王样本"


def test_a_terminal_that_rings_already_rings_once(hall: Hall) -> None:
    assert hall.ring()["call_no"] == hall.ring()["call_no"]
    assert len(hall.hear()) == 1


def test_who_goes_on_alone_is_waited_for_by_nobody(hall: Hall) -> None:
    call = hall.ring()
    hall.hear()
    assert hall.end(call)["state"] == "over"
    assert hall.hear() == []

    assert hall.coming(call, CLERK)["code"] == "hospital.help_call_over"
    assert hall.ring()["call_no"] != call["call_no"]


def test_somebody_who_was_there_ends_it(hall: Hall) -> None:
    call = hall.ring()
    hall.coming(call, CLERK)
    for _ in range(2):
        done = hall.client.post(f"/hospital/v1/help/{call['call_no']}/done").json()
        assert done["state"] == "over"
    assert hall.hear() == []


def test_an_old_call_rings_no_more(hall: Hall) -> None:
    call = hall.ring()
    hall.clock.set(START + RINGS_FOR + timedelta(seconds=1))

    assert hall.hear() == []
    assert hall.look(call)["state"] == "over"


def test_another_terminal_learns_nothing_of_a_call(hall: Hall) -> None:
    call = hall.ring()
    hall.at = AtTerminal(TerminalId("K99"), HOSPITAL, "二层")

    assert hall.look(call)["code"] == "hospital.help_call_not_found"
    assert hall.end(call)["code"] == "hospital.help_call_not_found"


@pytest.mark.parametrize("role", [Role.DOCTOR, Role.PHARMACIST, Role.ADMINISTRATOR])
def test_it_does_not_ring_where_somebody_treats_or_governs(hall: Hall, role: Role) -> None:
    hall.ring()
    hall.door.of(role, GUIDE)

    assert hall.client.post("/hospital/v1/help/hear").status_code != 200


def test_a_name_is_not_readable_in_the_database(hall: Hall) -> None:
    hall.ring()
    hall.hear()
    rows = hall.database.read(
        lambda connection: connection.execute(store.help_calls.select()).all()
    )

    assert "李示例" not in repr(rows)
    assert all("李示例".encode() not in bytes(row.helper_name_sealed) for row in rows)


def test_a_day_later_nothing_is_known_of_a_call(hall: Hall) -> None:
    hall.ring()
    hall.clock.set(START + KEPT_FOR)
    newer = hall.ring()

    assert hall.calls.forget_old() == 0
    hall.clock.set(START + KEPT_FOR + timedelta(seconds=1))
    assert hall.calls.forget_old() == 1
    assert hall.look(newer)["state"] == "ringing"
