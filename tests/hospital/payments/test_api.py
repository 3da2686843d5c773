"""Payments over HTTP, at a terminal and at a window."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient

from hospital.world import (
    CLERK,
    HOSPITAL,
    KIOSK,
    LI,
    OTHER_HOSPITAL,
    WALLET_MONEY,
    ZHANG,
    Fault,
    World,
    command,
)
from shualian.core.identifiers import InstitutionCode
from shualian.hospital.model import AtTerminal, FaceEvidence
from shualian.hospital.payments import api
from shualian.staff.model import Caller, Employer, Role
from shualian.web.problems import answer_refusals

DUE = 114_80
"""What of the sample bill is left to pay."""


@dataclass
class House:
    """A hospital's listeners, with who asks."""

    world: World
    client: TestClient
    terminal: AtTerminal = field(default_factory=lambda: AtTerminal(KIOSK, HOSPITAL, "一层 1 号机"))
    caller: Caller = field(
        default_factory=lambda: Caller(CLERK, Employer(HOSPITAL), frozenset({Role.CLERK}))
    )

    def at_terminal(self, act: str, **body: object) -> tuple[int, dict[str, Any]]:
        return told(self.client.post(f"{api.TERMINAL_PREFIX}/{act}", json=body))

    def at_window(self, act: str, **body: object) -> tuple[int, dict[str, Any]]:
        return told(self.client.post(f"{api.STAFF_PREFIX}/{act}", json=body))

    def seen(self, act: str) -> tuple[int, dict[str, Any]]:
        return told(self.client.get(f"{api.STAFF_PREFIX}/{act}"))

    def billed(self) -> dict[str, Any]:
        """A visit whose bill is shown at the terminal."""
        encounter = self.world.registered()
        self.world.ordered(encounter)
        status, shown = self.at_terminal(
            "prepare", command_id=command(), encounter_no=encounter.encounter_no
        )
        assert status == 200
        return shown

    def face(self, shown: dict[str, Any]) -> dict[str, Any]:
        """The person confirms what is shown."""
        payment = self.world.payments.get(command_id=shown["command_id"])
        return as_body(self.world.confirmed(payment))

    def be(self, *roles: Role, institution: InstitutionCode = HOSPITAL) -> None:
        self.caller = Caller(CLERK, Employer(institution), frozenset(roles))


def told(response: Any) -> tuple[int, dict[str, Any]]:
    return response.status_code, response.json()


def as_body(evidence: FaceEvidence) -> dict[str, Any]:
    return {
        "kind": "face",
        "auth_no": evidence.auth_no,
        "intent_id": evidence.intent_id,
        "scene": evidence.scene.value,
        "first_frame_at": evidence.first_frame_at.isoformat(),
    }


@pytest.fixture
def house(world: World) -> Iterator[House]:
    application = FastAPI()
    answer_refusals(application)
    found: list[House] = []

    def at(_: Request) -> AtTerminal:
        return found[0].terminal

    def caller(_: Request) -> Caller:
        return found[0].caller

    application.include_router(api.terminal_routes(APIRouter(), world.payments, at))
    application.include_router(api.staff_routes(world.payments, caller, clock=world.clock))
    with TestClient(application) as client:
        found.append(House(world, client))
        yield found[0]


class TestAtATerminal:
    def test_a_bill_is_shown_with_its_reasons_in_both_languages(self, house: House) -> None:
        shown = house.billed()
        assert shown["state"] == "prepared"
        assert shown["shown"]["psn_cash_pay"] == DUE
        assert shown["amount_max_fen"] == shown["shown"]["medfee_sumamt"]
        assert all(reason["zh"] and reason["en"] for reason in shown["shown"]["reasons"])
        assert shown["cash_due_fen"] is None

    def test_one_scan_pays_from_the_account_that_was_offered(self, house: House) -> None:
        house.world.agreed()
        shown = house.billed()
        _, offer = house.at_terminal("offer", command_id=shown["command_id"])
        assert (offer["amount_fen"], offer["last_four"]) == (DUE, "1234")

        asked = {
            "command_id": shown["command_id"],
            "evidence": house.face(shown),
            "from_wallet_fen": DUE,
        }
        status, paid = house.at_terminal("settle", **asked)

        assert (status, paid["done"], paid["cash_due_fen"]) == (200, True, 0)
        assert paid["wallet"]["captured_fen"] == DUE
        assert house.at_terminal("settle", **asked) == (200, paid)

    def test_a_part_from_the_account_leaves_the_rest_to_other_tenders(self, house: House) -> None:
        house.world.agreed()
        shown = house.billed()
        _, paid = house.at_terminal(
            "settle",
            command_id=shown["command_id"],
            evidence=house.face(shown),
            from_wallet_fen=100_00,
        )
        assert paid["cash_due_fen"] == DUE - 100_00

    def test_a_slip_is_read_as_people_read_it(self, house: House) -> None:
        shown = house.billed()
        _, reserved = house.at_terminal("reserve", command_id=shown["command_id"])
        typed = reserved["slip_no"].lower().replace("-", " ")
        status, found = house.at_terminal("by-slip", slip_no=typed)
        assert (status, found) == (200, reserved)

    def test_an_unknown_outcome_says_so_and_can_be_looked_at(self, house: House) -> None:
        shown = house.billed()
        house.world.insurer.break_next("2207", Fault.REPLY_LOST)
        _, problem = house.at_terminal(
            "settle", command_id=shown["command_id"], evidence=house.face(shown)
        )
        assert problem["finality"] == "unknown"
        _, found = house.at_terminal("get", command_id=shown["command_id"])
        assert (found["state"], found["under_way"]) == ("unknown", True)

    def test_who_goes_away_leaves_no_bill(self, house: House) -> None:
        shown = house.billed()
        _, left = house.at_terminal("withdraw", command_id=shown["command_id"])
        assert left["state"] == "withdrawn"

    def test_a_document_is_no_evidence(self, house: House) -> None:
        shown = house.billed()
        evidence = {
            "kind": "document",
            "id_number": ZHANG.certno.value,
            "intent_id": shown["intent_id"],
        }
        status, _ = house.at_terminal("settle", command_id=shown["command_id"], evidence=evidence)
        assert status == 422
        assert not {"2207"} & set(house.world.insurer.messages)

    def test_of_another_institution_nothing_is_found(self, house: House) -> None:
        shown = house.billed()
        house.terminal = AtTerminal(KIOSK, OTHER_HOSPITAL, "别处")
        for act in ("offer", "reserve", "get", "withdraw"):
            _, problem = house.at_terminal(act, command_id=shown["command_id"])
            assert problem["code"] == "hospital.payment_not_found"


class TestAtAWindow:
    def settled(self, house: House) -> dict[str, Any]:
        shown = house.billed()
        evidence = {
            "kind": "document",
            "id_number": ZHANG.certno.value,
            "intent_id": shown["intent_id"],
        }
        status, paid = house.at_window(f"{shown['command_id']}/settle", evidence=evidence)
        assert status == 200, paid
        return paid

    def test_a_document_that_the_clerk_saw_settles(self, house: House) -> None:
        paid = self.settled(house)
        assert (paid["state"], paid["channel"], paid["cash_due_fen"]) == (
            "settled",
            "document",
            DUE,
        )
        assert house.seen(paid["command_id"]) == (200, paid)

    def test_another_persons_document_settles_nothing(self, house: House) -> None:
        shown = house.billed()
        evidence = {
            "kind": "document",
            "id_number": LI.certno.value,
            "intent_id": shown["intent_id"],
        }
        status, _ = house.at_window(f"{shown['command_id']}/settle", evidence=evidence)
        assert status >= 400
        assert house.world.insurer.standing == {}

    def test_a_clerk_takes_a_settlement_back(self, house: House) -> None:
        paid = self.settled(house)
        _, undone = house.at_window(f"{paid['command_id']}/cancel")
        assert (undone["state"], undone["undone"]) == ("cancelled", True)

    def test_a_clerk_waits_no_more_for_somebody_who_left(self, house: House) -> None:
        house.world.agreed()
        shown = house.billed()
        house.world.insurer.break_next("2207", Fault.REPLY_LOST)
        house.at_terminal(
            "settle",
            command_id=shown["command_id"],
            evidence=house.face(shown),
            from_wallet_fen=DUE,
        )
        _, ended = house.at_window(f"{shown['command_id']}/give-up")
        assert (ended["state"], ended["undone"]) == ("given_up", True)
        assert WALLET_MONEY in house.world.wallet.free.values()

    def test_asking_again_ends_what_had_no_answer(self, house: House) -> None:
        shown = house.billed()
        house.world.insurer.break_next("2207", Fault.REPLY_LOST)
        house.at_terminal("settle", command_id=shown["command_id"], evidence=house.face(shown))
        _, ended = house.at_window(f"{shown['command_id']}/resolve")
        assert ended["done"]

    @pytest.mark.parametrize("role", [Role.VOLUNTEER, Role.TECHNICIAN])
    def test_other_roles_do_not_pay(self, house: House, role: Role) -> None:
        house.be(role)
        _, problem = house.at_window("prepare", command_id=command(), encounter_no="E1")
        assert problem["code"] == "staff.role_missing"

    @pytest.mark.parametrize("act", ["cancel", "give-up", "resolve"])
    def test_a_pharmacist_settles_and_takes_nothing_back(self, house: House, act: str) -> None:
        house.be(Role.PHARMACIST)
        paid = self.settled(house)
        _, problem = house.at_window(f"{paid['command_id']}/{act}")
        assert problem["code"] == "staff.role_missing"

    def test_staff_of_another_hospital_find_nothing(self, house: House) -> None:
        paid = self.settled(house)
        house.be(Role.CLERK, institution=OTHER_HOSPITAL)
        _, problem = house.seen(paid["command_id"])
        assert problem["code"] == "hospital.payment_not_found"


def test_no_answer_and_no_address_names_anybody(house: House) -> None:
    shown = house.billed()
    said = str(house.at_terminal("get", command_id=shown["command_id"]))
    assert ZHANG.psn_name not in said
    assert ZHANG.certno.value not in said
    assert ZHANG.psn_no not in said


def test_a_doctor_makes_the_bill_wait_under_its_slip_and_settles_nothing(house: House) -> None:
    encounter = house.world.registered()
    house.world.ordered(encounter)
    house.be(Role.DOCTOR)

    _, shown = house.at_window("prepare", command_id=command(), encounter_no=encounter.encounter_no)
    _, reserved = house.at_window(f"{shown['command_id']}/reserve")

    assert reserved["slip_no"]
    _, seen = house.seen(shown["command_id"])
    assert seen["state"] == "reserved"
    status, refused = house.at_window(f"{shown['command_id']}/settle", evidence=house.face(shown))
    assert (status, refused["code"]) == (409, "staff.role_missing")
