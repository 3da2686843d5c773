"""Consents and templates over real HTTP: signed requests of a terminal, and staff."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from sqlalchemy import select

from insurer.face_world import CHILD, CLERK, HOSPITAL, PARENT, PERSON, SECOND, FaceWorld
from shualian.core.database import SqliteDatabase
from shualian.core.id_number import check_character
from shualian.core.identifiers import AuthNo, InstitutionCode, IntentId, PersonNo, SessionId
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.insurer.consents import api as consents_api
from shualian.insurer.consents.api import (
    CONSENT_PATH,
    COPY_PATH,
    NOTICE_PATH,
    RECEIPT_PATH,
    WITHDRAWAL_PATH,
)
from shualian.insurer.templates import api as templates_api
from shualian.insurer.templates.api import OWN_PATH
from shualian.terminals.agent.model import ClaimBody, sign_request
from shualian.terminals.model import Actor, Terminal
from shualian.terminals.service import TerminalServices
from shualian.trust.audit import store as audit_store
from shualian.verification.model import ConfirmedPerson, ConsentPurpose, Factor
from shualian.verification.registry.model import RegistryVerdict
from shualian.web.problems import answer_refusals
from terminals.district import ADDRESS, ORIGIN, District, place_spec

SCENES = frozenset(("01101", "09001"))
WRONG_PROOF = RefusalKind(
    "test.wrong_proof", "不行", "No", "重来", "Again", Helper.SELF, Finality.FINAL
)


def number_of(birth: str, sequence: str) -> str:
    first = f"990000{birth}{sequence}"
    return first + check_character(first)


PERSON_NUMBER = number_of("19580504", "001")
CHILD_NUMBER = number_of("20160309", "002")
PARENT_NUMBER = number_of("19880721", "003")


class Proofs:
    """Redeems like verification: a proof is good for one use of one intent, repeats the same."""

    def __init__(self, world: FaceWorld) -> None:
        self._world = world
        self._good: dict[str, tuple[PersonNo, str]] = {}
        self._used: dict[str, str] = {}

    def issue(self, person: PersonNo, intent_id: str) -> str:
        auth_no = secrets.token_urlsafe(20)
        self._good[auth_no] = (person, intent_id)
        return auth_no

    def confirmed(
        self, auth_no: AuthNo, *, terminal: Terminal, intent_id: IntentId, use: str
    ) -> ConfirmedPerson:
        person, intended = self._good.get(auth_no, (None, ""))
        used_for = self._used.setdefault(auth_no, use)
        at_home = terminal.institution == HOSPITAL
        if person is None or intended != intent_id or used_for != use or not at_home:
            raise Refused(WRONG_PROOF)
        return ConfirmedPerson(
            subject=person,
            session_id=SessionId(f"S-1{auth_no[:8]}"),
            factors=frozenset((Factor.FACE, Factor.DOCUMENT)),
            active=True,
            registry=RegistryVerdict.MATCH,
            confirmed_at=self._world.clock.now(),
        )


class Names:
    """The names of institutions."""

    def name(self, institution: InstitutionCode) -> str | None:
        return {HOSPITAL: "示例医院"}.get(institution)


class Hall:
    """A terminal and a window of one hospital."""

    def __init__(self, folder: Path) -> None:
        self.database = SqliteDatabase(f"sqlite:///{folder}/consents.db")
        self.world = world = FaceWorld(self.database, folder)
        numbers = {PERSON_NUMBER: PERSON, CHILD_NUMBER: CHILD, PARENT_NUMBER: PARENT}
        world.register.numbers = numbers
        self.district = district = District(self.database)
        district.register_models()
        self.device = district.active(replace(place_spec(), scenes=SCENES))
        self.proofs = Proofs(world)
        self.actor: Actor = CLERK
        terminals = TerminalServices(
            register=district.register,
            enrolments=district.enrolments,
            requests=district.requests,
            heartbeats=district.heartbeats,
        )
        self.application = FastAPI()
        answer_refusals(self.application)
        for routes in (
            consents_api.terminal_routes(
                terminals,
                world.consents,
                self.proofs,
                notices=world.notices,
                people=world.register,
                institutions=Names(),
                settings=world.settings,
                clock=world.clock,
                origin=ORIGIN,
            ),
            templates_api.terminal_routes(terminals, world.templates, self.proofs, origin=ORIGIN),
            consents_api.staff_routes(
                world.consents, world.register, self._caller, clock=world.clock
            ),
            templates_api.staff_routes(
                world.templates, world.register, self._caller, clock=world.clock
            ),
        ):
            self.application.include_router(routes)

    def send(self, path: str, /, *, signed: bool = True, **fields: Any) -> httpx.Response:
        claim = json.loads(ClaimBody.made(self.device.claim()).model_dump_json())
        content = json.dumps({"claim": claim, **fields}).encode()
        headers = sign_request(
            self.device.key,
            method="POST",
            target_uri=ORIGIN + path,
            body=content if signed else b"{}",
            created=self.district.now(),
            nonce=secrets.token_urlsafe(16),
        )
        with TestClient(self.application, base_url=ORIGIN, client=(ADDRESS, 5000)) as client:
            headers = {**headers, "content-type": "application/json"}
            return cast("httpx.Response", client.post(path, content=content, headers=headers))

    def act(
        self, path: str, person: PersonNo, /, *, proof: str | None = None, **fields: Any
    ) -> httpx.Response:
        """A person's own act, with a proof of its own."""
        self.world.wait()
        auth_no = proof or self.proofs.issue(person, "INTENT-1")
        return self.send(path, auth_no=auth_no, intent_id="INTENT-1", **fields)

    def staff(self, method: str, path: str, actor: Actor = CLERK, **body: object) -> httpx.Response:
        self.actor = actor
        self.world.wait()
        with TestClient(self.application, base_url=ORIGIN) as client:
            return cast("httpx.Response", client.request(method, path, json=body or None))

    def recorded(self, kind: str) -> list[dict[str, Any]]:
        """What the audit holds of a kind."""
        events = audit_store.events
        query = select(events.c.payload).where(events.c.kind == kind)
        found = self.database.read(lambda each: list(each.scalars(query)))
        return [json.loads(each) for each in found]

    def agree(self, person: PersonNo = PERSON, *purposes: str) -> httpx.Response:
        wanted = purposes or ("template",)
        version = self.world.version
        return self.act(CONSENT_PATH, person, purposes=wanted, notice_version=version)

    def _caller(self, _request: Request) -> Actor:
        return self.actor


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(tmp_path)
    yield made
    made.database.close()


def content(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def code(answer: httpx.Response) -> str:
    assert answer.status_code >= 400, answer.text
    return str(answer.json()["code"])


def test_the_notice_is_shown_with_three_ticks_none_set_and_four_sentences(hall: Hall) -> None:
    shown = content(hall.send(NOTICE_PATH, scene="01101"))

    assert shown["version"] == hall.world.version
    assert "示例医院" in shown["text"]["zh"]
    assert [each["purpose"] for each in shown["ticks"]] == list(ConsentPurpose)
    assert not any(each["ticked"] for each in shown["ticks"])
    assert len(shown["safety"]) == 4
    assert shown["spoken"]["zh"]


def test_an_unsigned_request_and_a_scene_of_another_place_see_nothing(hall: Hall) -> None:
    assert hall.send(NOTICE_PATH, signed=False, scene="01101").status_code >= 400
    assert code(hall.send(NOTICE_PATH, scene="01301")) == "terminals.scene_not_allowed"


def test_a_person_agrees_and_withdraws_at_a_terminal_in_one_act_each(hall: Hall) -> None:
    assert content(hall.agree())["in_force"] == ["template"]
    hall.world.enrol()

    answer = content(hall.act(WITHDRAWAL_PATH, PERSON, purpose="template"))

    receipt = answer["receipt"]
    assert [each["deleted"] for each in receipt["stores"]] == [1, 1, 1, 0, 0]
    assert any(receipt["number"] in line for line in receipt["print_zh"])
    assert hall.world.left() == 0
    assert content(hall.send(RECEIPT_PATH, scene="01101", number=receipt["number"])) == receipt


def test_the_same_withdrawal_sent_again_has_the_same_answer(hall: Hall) -> None:
    hall.agree()
    proof = hall.proofs.issue(PERSON, "INTENT-1")

    first, again = (
        content(hall.act(WITHDRAWAL_PATH, PERSON, proof=proof, purpose="template"))
        for _ in range(2)
    )

    assert first == again


def test_a_scan_for_one_act_is_not_good_for_another(hall: Hall) -> None:
    proof = hall.proofs.issue(PERSON, "INTENT-1")
    hall.act(COPY_PATH, PERSON, proof=proof)

    answer = hall.act(
        CONSENT_PATH,
        PERSON,
        proof=proof,
        purposes=["template"],
        notice_version=hall.world.version,
    )

    assert code(answer) == "test.wrong_proof"
    assert hall.world.consents.in_force(PERSON) == frozenset()


def test_an_outdated_wording_cannot_be_agreed_to(hall: Hall) -> None:
    answer = hall.act(CONSENT_PATH, PERSON, purposes=["template"], notice_version="2020-01-01")

    assert code(answer) == "insurer.notice_outdated"


def test_the_copy_is_not_kept_by_the_way_and_holds_no_vector(hall: Hall) -> None:
    hall.agree()
    hall.world.enrol()

    answer = hall.act(COPY_PATH, PERSON)

    assert answer.headers["cache-control"] == "no-store"
    assert content(answer)["holdings"]["gallery_records"] == 1
    assert PERSON not in answer.text
    own = content(hall.act(OWN_PATH, PERSON))
    assert own["deleted_unless_used_before"] == "2028-12-01"


def test_a_guardian_agrees_at_a_window_and_later_acts_by_own_proof(hall: Hall) -> None:
    hall_fields = {"child_number": CHILD_NUMBER, "purpose": "comparison"}
    assert code(hall.act(WITHDRAWAL_PATH, PARENT, **hall_fields)) == ("insurer.guardian_not_proven")

    given = hall.staff(
        "POST",
        "/consents",
        id_number=CHILD_NUMBER,
        document="household_register",
        guardian={"relation": "parent", "guardian_number": PARENT_NUMBER},
        purposes=["comparison", "template"],
        notice_version=hall.world.version,
    )
    assert content(given, 201)["in_force"] == ["comparison", "template"]

    withdrawn = content(hall.act(WITHDRAWAL_PATH, PARENT, **hall_fields))
    assert withdrawn["purposes"] == list(ConsentPurpose)
    assert hall.world.consents.in_force(CHILD) == frozenset()


def test_a_document_and_a_clerk_withdraw_as_well_as_a_face(hall: Hall) -> None:
    hall.agree()
    hall.world.enrol()
    seen: dict[str, Any] = {"id_number": PERSON_NUMBER, "document": "id_card"}

    copy = content(hall.staff("POST", "/consents/copy", **seen))
    answer = content(hall.staff("POST", "/consents/withdrawals", **seen, purpose="template"))

    assert copy["in_force"] == ["template"]
    assert answer["receipt"]["stores"][0]["deleted"] == 1
    assert hall.world.left() == 0


def test_a_copy_that_another_asked_for_is_recorded_and_the_own_one_is_not(hall: Hall) -> None:
    hall.agree()
    shown = "insurer.face_matters_shown"
    content(hall.act(COPY_PATH, PERSON))
    assert hall.recorded(shown) == []

    content(hall.staff("POST", "/consents/copy", id_number=PERSON_NUMBER, document="id_card"))

    (seen,) = hall.recorded(shown)
    assert (seen["subject"], seen["checked_by"]) == (PERSON, CLERK.staff)
    assert not seen["guardian"]


def test_a_guardian_sees_the_copy_of_a_child_and_no_longer_of_who_is_fourteen(hall: Hall) -> None:
    hall.staff(
        "POST",
        "/consents",
        id_number=CHILD_NUMBER,
        document="household_register",
        guardian={"relation": "parent", "guardian_number": PARENT_NUMBER},
        purposes=["comparison"],
        notice_version=hall.world.version,
    )

    answer = content(hall.act(COPY_PATH, PARENT, child_number=CHILD_NUMBER))

    assert answer["in_force"] == ["comparison"]
    (seen,) = hall.recorded("insurer.face_matters_shown")
    assert (seen["subject"], seen["guardian"]) == (CHILD, True)
    # Born on 9 March 2016.
    hall.world.clock.set(datetime(2030, 3, 10, 4, tzinfo=UTC))
    late = hall.act(COPY_PATH, PARENT, child_number=CHILD_NUMBER)
    assert code(late) == "insurer.guardian_not_proven"


def test_a_document_that_is_not_the_persons_shows_nothing(hall: Hall) -> None:
    seen: dict[str, Any] = {"id_number": PERSON_NUMBER, "document": "birth_certificate"}

    assert code(hall.staff("POST", "/consents/copy", **seen)) == "insurer.document_not_enough"
    stranger: dict[str, Any] = {"id_number": number_of("19700101", "009"), "document": "id_card"}
    assert code(hall.staff("POST", "/consents/copy", **stranger)) == "insurer.person_not_found"


def test_two_clerks_replace_a_failing_template(hall: Hall) -> None:
    hall.agree()
    hall.world.enrol()
    seen: dict[str, Any] = {"id_number": PERSON_NUMBER, "document": "id_card"}
    made = content(hall.staff("POST", "/templates/replacements", **seen), 201)
    path = f"/templates/replacements/{made['proposal_id']}/approval"
    assert content(hall.staff("GET", "/templates/replacements", SECOND)) == [made]

    assert code(hall.staff("POST", path, CLERK)) == "insurer.replacement_same_person"
    receipt = content(hall.staff("POST", path, SECOND))

    assert receipt["reason"] == "replaced"
    assert not hall.world.reachable()
    assert content(hall.act(OWN_PATH, PERSON))["payment_held_until"] is not None


def test_the_count_for_the_regulator_is_shown(hall: Hall) -> None:
    hall.agree()
    hall.world.enrol()

    assert content(hall.staff("GET", "/templates/filing")) == {
        "people": 1,
        "limit": 100_000,
        "due": False,
        "working_days": 30,
    }


def test_a_refusal_repeats_neither_number_nor_proof(hall: Hall) -> None:
    proof = hall.proofs.issue(PERSON, "INTENT-1")
    wrong = PERSON_NUMBER[:-1] + ("1" if PERSON_NUMBER[-1] != "1" else "2")

    answers = (
        hall.act(COPY_PATH, PERSON, proof=proof, child_number=wrong),
        hall.act(COPY_PATH, PERSON, proof=proof, child_number="12345"),
        hall.staff("POST", "/consents/copy", id_number=wrong, document="id_card"),
    )

    for answer in answers:
        assert answer.status_code >= 400
        assert proof not in answer.text
        assert wrong not in answer.text
        assert "12345" not in answer.text
