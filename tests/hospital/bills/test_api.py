"""Own bills over HTTP: found by the capture before anything is confirmed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient

from hospital.world import (
    CHEST_CT,
    CONSULTATION,
    HOSPITAL,
    KIOSK,
    LI,
    ZHANG,
    World,
)
from shualian.core.identifiers import PersonNo, SessionId, TerminalId, new_identifier
from shualian.core.refusals import Refused
from shualian.hospital.bills import api
from shualian.hospital.bills.service import OwnBills
from shualian.hospital.model import AtTerminal
from shualian.verification.model import NOT_VERIFIED, RELATION_NOT_PROVEN, SESSION_OTHER_TERMINAL
from shualian.web.problems import answer_refusals

ELSEWHERE = TerminalId("K99")


@dataclass
class Captured:
    """Who was captured in which session, at which terminal."""

    people: dict[SessionId, tuple[TerminalId, PersonNo]] = field(default_factory=dict)
    bound: set[tuple[PersonNo, PersonNo]] = field(default_factory=set)

    def stands(self, psn_no: PersonNo, at: TerminalId = KIOSK) -> SessionId:
        session_id = SessionId(new_identifier())
        self.people[session_id] = (at, psn_no)
        return session_id

    def person_at(
        self,
        terminal_id: TerminalId,
        *,
        session_id: SessionId,
        relative: PersonNo | None = None,
    ) -> PersonNo:
        if session_id not in self.people:
            raise Refused(NOT_VERIFIED, found="expired")
        at, psn_no = self.people[session_id]
        if at != terminal_id:
            raise Refused(SESSION_OTHER_TERMINAL)
        if relative is None:
            return psn_no
        if (psn_no, relative) not in self.bound:
            raise Refused(RELATION_NOT_PROVEN)
        return relative


@dataclass
class Hall:
    """The terminal in the hall."""

    world: World
    client: TestClient
    captured: Captured

    def open_of(self, **body: object) -> tuple[int, Any]:
        answer = self.client.post(api.OPEN_PATH, json=body)
        return answer.status_code, answer.json()


@pytest.fixture
def hall(world: World) -> Iterator[Hall]:
    application, captured = FastAPI(), Captured()
    answer_refusals(application)
    bills = OwnBills(
        window=world.desk.window,
        records=world.records,
        encounters=world.encounters,
        people=captured,
    )

    def at(_: Request) -> AtTerminal:
        return AtTerminal(KIOSK, HOSPITAL, "一层 1 号机")

    application.include_router(api.terminal_routes(APIRouter(), bills, at))
    with TestClient(application) as client:
        yield Hall(world, client, captured)


def test_what_is_open_is_told_line_by_line_before_anything_is_confirmed(hall: Hall) -> None:
    encounter = hall.world.registered()
    items = hall.world.ordered(encounter, CONSULTATION, CHEST_CT)

    status, (bill,) = hall.open_of(session_id=hall.captured.stands(ZHANG.psn_no))

    assert status == 200
    assert bill["encounter_no"] == encounter.encounter_no
    assert [line["amount_fen"] for line in bill["lines"]] == [
        item.det_item_fee_sumamt for item in items
    ]
    assert bill["amount_fen"] == sum(line["amount_fen"] for line in bill["lines"])
    assert (bill["payable"], bill["under_way"], bill["slip_no"]) == (True, False, None)
    assert hall.world.payments.of_encounter(encounter_no=encounter.encounter_no) == []


def test_a_bound_relatives_bill_is_told_and_nobody_elses(hall: Hall) -> None:
    encounter = hall.world.registered()
    hall.world.ordered(encounter)
    hall.captured.bound.add((LI.psn_no, ZHANG.psn_no))
    bound, stranger = hall.captured.stands(LI.psn_no), hall.captured.stands(ZHANG.psn_no)

    status, (bill,) = hall.open_of(session_id=bound, beneficiary=ZHANG.psn_no)
    assert (status, bill["encounter_no"]) == (200, encounter.encounter_no)
    status, problem = hall.open_of(session_id=stranger, beneficiary=LI.psn_no)
    assert (status, problem["code"]) == (409, RELATION_NOT_PROVEN.code)


def test_only_a_face_asks_for_a_relatives_bill(hall: Hall) -> None:
    card = hall.world.card()
    shown = {
        "kind": "card",
        "card_no": card.card_no,
        "pin": card.pin,
        "intent_id": card.intent_id,
    }

    status, _ = hall.open_of(evidence=shown, beneficiary=LI.psn_no)

    assert status == 422


def test_nobody_sees_the_bill_of_another_person(hall: Hall) -> None:
    hall.world.ordered(hall.world.registered())
    hall.world.registered(LI)

    assert hall.open_of(session_id=hall.captured.stands(LI.psn_no)) == (200, [])


def test_somebody_without_a_record_has_nothing_to_pay(hall: Hall) -> None:
    assert hall.open_of(session_id=hall.captured.stands(LI.psn_no)) == (200, [])


def test_a_capture_of_another_terminal_tells_nothing(hall: Hall) -> None:
    hall.world.ordered(hall.world.registered())
    elsewhere = hall.captured.stands(ZHANG.psn_no, ELSEWHERE)

    status, problem = hall.open_of(session_id=elsewhere)

    assert (status, problem["code"]) == (409, SESSION_OTHER_TERMINAL.code)


def test_whose_capture_is_too_long_ago_scans_again(hall: Hall) -> None:
    status, problem = hall.open_of(session_id=new_identifier())

    assert (status, problem["code"]) == (409, NOT_VERIFIED.code)


def test_a_card_finds_the_same_bill(hall: Hall) -> None:
    hall.world.ordered(hall.world.registered())
    card = hall.world.card()
    shown = {
        "kind": "card",
        "card_no": card.card_no,
        "pin": card.pin,
        "intent_id": card.intent_id,
    }

    status, (bill,) = hall.open_of(evidence=shown)
    _, (by_face,) = hall.open_of(session_id=hall.captured.stands(ZHANG.psn_no))

    assert status == 200
    assert bill == by_face


def test_a_bill_that_waits_at_the_window_says_its_slip(hall: Hall) -> None:
    encounter = hall.world.registered()
    hall.world.ordered(encounter)
    payment = hall.world.prepared(encounter)
    hall.world.payments.reserve(command_id=payment.command_id)

    _, (bill,) = hall.open_of(session_id=hall.captured.stands(ZHANG.psn_no))

    assert bill["slip_no"] is not None


def test_a_paid_bill_is_open_no_more(hall: Hall) -> None:
    hall.world.settled()

    assert hall.open_of(session_id=hall.captured.stands(ZHANG.psn_no)) == (200, [])


@pytest.mark.parametrize("both", [True, False])
def test_either_a_capture_or_evidence(hall: Hall, both: bool) -> None:
    evidence = {"kind": "code", "token": "t", "intent_id": "i"}
    body = {"session_id": "S1", "evidence": evidence} if both else {}

    assert hall.open_of(**body)[0] == 422
