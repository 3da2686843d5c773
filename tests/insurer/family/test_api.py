"""Family bindings over real HTTP: signed requests of a terminal, and staff."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient

from insurer.family.household import (
    ADULT_PAPERS,
    CHILD_PAPERS,
    CLERK,
    HOSPITAL,
    SECOND_CLERK,
    Household,
)
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import AuthNo, IntentId, new_identifier
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.insurer.family.api import (
    AGREEMENT_PATH,
    ENDING_PATH,
    LIST_PATH,
    PROPOSAL_PATH,
    REFUSAL_PATH,
    staff_routes,
    terminal_routes,
)
from shualian.insurer.family.model import FamilyAct, intent_of
from shualian.insurer.persons.model import Insured
from shualian.terminals.agent.model import ClaimBody, sign_request
from shualian.terminals.model import Actor, Terminal
from shualian.terminals.service import TerminalServices
from shualian.verification.model import ConfirmedPerson
from shualian.web.problems import answer_refusals
from terminals.district import ADDRESS, ORIGIN, District, place_spec

WRONG_PROOF = RefusalKind(
    "test.wrong_proof", "不行", "No", "重来", "Again", Helper.SELF, Finality.FINAL
)


NONCE, OTHER_NONCE = "n" * 22, "o" * 22


class Proofs:
    """Redeems like verification: one intent per proof, and a use of an intent by one proof only."""

    def __init__(self, house: Household) -> None:
        self._house = house
        self._good: dict[str, tuple[ConfirmedPerson, str]] = {}
        self._redeemed: dict[tuple[str, str], str] = {}
        self.uses: list[str] = []

    def issue(self, person: Insured, intent_id: str) -> str:
        auth_no = secrets.token_urlsafe(20)
        self._good[auth_no] = (self._house.confirmed(person), intent_id)
        return auth_no

    def confirmed(
        self, auth_no: AuthNo, *, terminal: Terminal, intent_id: IntentId, use: str
    ) -> ConfirmedPerson:
        person, intended = self._good.get(auth_no, (None, ""))
        at_home = terminal.institution == HOSPITAL
        if person is None or intended != intent_id or not at_home:
            raise Refused(WRONG_PROOF)
        if use != FamilyAct.LIST and (
            self._redeemed.setdefault((intent_id, use), auth_no) != auth_no
        ):
            raise Refused(WRONG_PROOF)
        self.uses.append(use)
        return person


class Hall:
    """A terminal and a window of one hospital, and a household."""

    def __init__(self, folder: Path) -> None:
        self.database = SqliteDatabase(f"sqlite:///{folder}/family.db")
        self.house = Household(self.database)
        self.district = District(self.database)
        self.district.register_models()
        self.device = self.district.active(replace(place_spec(), scenes=frozenset(("09001",))))
        self.proofs = Proofs(self.house)
        self.actor: Actor = CLERK
        self.application = FastAPI()
        answer_refusals(self.application)
        self.application.include_router(self._terminal_routes())
        self.application.include_router(
            staff_routes(self.house.window, self._caller, clock=self.house.clock)
        )

    def call(self, path: str, person: Insured, act: FamilyAct, **said: str) -> httpx.Response:
        """A person's own act at the terminal, with a proof for this act."""
        return self.send(path, self.body(person, intend(act, *said.values()), **said))

    def body(self, person: Insured, intent_id: str, **fields: str) -> dict[str, object]:
        claim = json.loads(ClaimBody.made(self.device.claim()).model_dump_json())
        auth_no = self.proofs.issue(person, intent_id)
        return {"claim": claim, "auth_no": auth_no, "nonce": NONCE, **fields}

    def send(self, path: str, body: dict[str, object], *, signed: bool = True) -> httpx.Response:
        content = json.dumps(body).encode()
        headers = sign_request(
            self.device.key,
            method="POST",
            target_uri=ORIGIN + path,
            body=content if signed else b"{}",
            created=self.district.now(),
            nonce=secrets.token_urlsafe(16),
        )
        with TestClient(self.application, base_url=ORIGIN, client=(ADDRESS, 5000)) as client:
            answer = client.post(
                path, content=content, headers={**headers, "content-type": "application/json"}
            )
            return cast("httpx.Response", answer)

    def staff(self, actor: Actor, method: str, path: str, **body: object) -> httpx.Response:
        self.actor = actor
        with TestClient(self.application, base_url=ORIGIN) as client:
            answer = client.request(method, f"/family{path}", json=body or None)
            return cast("httpx.Response", answer)

    def _terminal_routes(self) -> APIRouter:
        services = TerminalServices(
            register=self.district.register,
            enrolments=self.district.enrolments,
            requests=self.district.requests,
            heartbeats=self.district.heartbeats,
        )
        return terminal_routes(
            services, self.house.family, self.proofs, clock=self.house.clock, origin=ORIGIN
        )

    def _caller(self, _request: Request) -> Actor:
        return self.actor


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(tmp_path)
    yield made
    made.database.close()


def intend(act: FamilyAct, *said: str) -> str:
    return intent_of(act, *said, nonce=NONCE)


def propose(hall: Hall, holder: Insured, relative: Insured) -> str:
    proposal_id = new_identifier()
    answer = hall.call(
        PROPOSAL_PATH,
        holder,
        FamilyAct.PROPOSE,
        proposal_id=proposal_id,
        relative_number=relative.id_number.value,
        kinship="mother",
    )
    assert answer.status_code == 200, answer.text
    return proposal_id


def listed(hall: Hall, person: Insured) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = hall.call(LIST_PATH, person, FamilyAct.LIST).json()
    return found


def test_two_people_bind_and_unbind_at_a_terminal(hall: Hall) -> None:
    daughter, mother = hall.house.adults[:2]

    proposal_id = propose(hall, daughter, mother)
    (offer,) = listed(hall, mother)["offers"]
    assert (offer["proposal_id"], offer["masked_name"]) == (proposal_id, daughter.masked_name)
    bound = hall.call(AGREEMENT_PATH, mother, FamilyAct.AGREE, proposal_id=proposal_id)
    assert bound.status_code == 200

    (relative,) = listed(hall, daughter)["relatives"]
    assert (relative["psn_no"], relative["kinship_zh"]) == (mother.psn_no, "母亲")
    binding_id = str(relative["binding_id"])
    ended = hall.call(ENDING_PATH, mother, FamilyAct.UNBIND, binding_id=binding_id)
    assert ended.status_code == 204
    assert listed(hall, daughter)["relatives"] == []
    assert hall.proofs.uses == [
        "family.propose",
        "family.list",
        "family.agree",
        "family.list",
        "family.unbind",
        "family.list",
    ]


def test_a_relative_says_no(hall: Hall) -> None:
    daughter, mother = hall.house.adults[:2]
    proposal_id = propose(hall, daughter, mother)

    dropped = hall.call(REFUSAL_PATH, mother, FamilyAct.DROP, proposal_id=proposal_id)

    assert dropped.status_code == 204
    assert listed(hall, mother)["offers"] == []


def test_one_scan_does_not_agree_to_two_proposals(hall: Hall) -> None:
    mother, *children = hall.house.adults[:3]
    first, second = (propose(hall, child, mother) for child in children)

    body = hall.body(mother, intend(FamilyAct.AGREE, first), proposal_id=second)
    crossed = hall.send(AGREEMENT_PATH, body)

    assert crossed.json()["code"] == "test.wrong_proof"
    assert listed(hall, mother)["holders"] == []


def test_a_scan_for_one_relative_asks_no_other(hall: Hall) -> None:
    daughter, mother, stranger = hall.house.adults[:3]
    proposal_id = new_identifier()
    intent_id = intend(FamilyAct.PROPOSE, proposal_id, mother.id_number.value, "mother")
    fields = {"proposal_id": proposal_id, "kinship": "mother"}
    number = stranger.id_number.value

    body = hall.body(daughter, intent_id, relative_number=number, **fields)
    crossed = hall.send(PROPOSAL_PATH, body)

    assert crossed.json()["code"] == "test.wrong_proof"
    assert listed(hall, stranger)["offers"] == []


def test_a_scan_of_the_wrong_person_does_not_keep_the_right_one_from_agreeing(hall: Hall) -> None:
    daughter, mother = hall.house.adults[:2]
    proposal_id = propose(hall, daughter, mother)

    wrong = hall.call(AGREEMENT_PATH, daughter, FamilyAct.AGREE, proposal_id=proposal_id)

    assert wrong.json()["code"] == "insurer.family_proposal_not_found"
    body = hall.body(
        mother,
        intent_of(FamilyAct.AGREE, proposal_id, nonce=OTHER_NONCE),
        proposal_id=proposal_id,
    )
    right = hall.send(AGREEMENT_PATH, {**body, "nonce": OTHER_NONCE})
    assert right.status_code == 200


def test_a_body_that_the_terminal_did_not_sign_is_not_read(hall: Hall) -> None:
    body = hall.body(hall.house.adults[0], intend(FamilyAct.LIST))

    answer = hall.send(LIST_PATH, body, signed=False)

    assert answer.json()["code"].startswith("terminals.")
    assert hall.proofs.uses == []


def test_a_wrong_number_is_refused_without_being_quoted_and_before_the_proof_is_used(
    hall: Hall,
) -> None:
    number = hall.house.adults[1].id_number.value
    wrong = number[:-1] + ("1" if number[-1] != "1" else "2")
    proposal_id = new_identifier()

    answer = hall.call(
        PROPOSAL_PATH,
        hall.house.adults[0],
        FamilyAct.PROPOSE,
        proposal_id=proposal_id,
        relative_number=wrong,
        kinship="mother",
    )

    assert answer.json()["code"] == "core.id_number_invalid"
    assert wrong not in answer.text
    assert hall.proofs.uses == []


def test_no_answer_holds_a_whole_name_or_an_id_number(hall: Hall) -> None:
    daughter, mother = hall.house.adults[:2]
    proposal_id = propose(hall, daughter, mother)
    texts = [json.dumps(listed(hall, mother), ensure_ascii=False)]
    hall.call(AGREEMENT_PATH, mother, FamilyAct.AGREE, proposal_id=proposal_id)
    texts += [json.dumps(listed(hall, each), ensure_ascii=False) for each in (daughter, mother)]
    texts.append(hall.staff(CLERK, "POST", "/of", id_number=mother.id_number.value).text)

    for person in (daughter, mother):
        assert all(person.name not in text for text in texts)
        assert all(person.id_number.value not in text for text in texts)


def test_a_guardian_binds_a_child_at_the_window(hall: Hall) -> None:
    mother, child = hall.house.adults[0], hall.house.children[0]

    made = hall.staff(
        CLERK,
        "POST",
        "/children",
        guardian_number=mother.id_number.value,
        child_number=child.id_number.value,
        kinship="child",
        documents=sorted(CHILD_PAPERS),
        other_guardian_number=hall.house.adults[1].id_number.value,
    )

    assert made.status_code == 201
    assert made.json()["ends_on"] == "2031-03-02"
    assert hall.house.may_act(mother, child) == ""


def test_two_members_of_staff_bind_review_and_undo_on_documents(hall: Hall) -> None:
    son, father = hall.house.adults[:2]
    entered = hall.staff(
        CLERK,
        "POST",
        "/proposals",
        holder_number=son.id_number.value,
        relative_number=father.id_number.value,
        kinship="father",
        reason="bedridden",
        documents=sorted(ADULT_PAPERS),
    )
    assert entered.status_code == 201
    proposal_id = entered.json()["proposal_id"]
    (waiting,) = hall.staff(SECOND_CLERK, "GET", "/proposals").json()
    assert (waiting["proposal_id"], waiting["relative"]) == (proposal_id, father.masked_name)

    alone = hall.staff(CLERK, "POST", f"/proposals/{proposal_id}/approval")
    assert alone.json()["code"] == "insurer.family_second_person"
    bound = hall.staff(SECOND_CLERK, "POST", f"/proposals/{proposal_id}/approval")
    assert bound.status_code == 201
    binding_id = bound.json()["binding_id"]

    assert hall.staff(CLERK, "GET", "/reviews").json() == []
    (due,) = hall.staff(CLERK, "GET", "/reviews?days=366").json()
    assert (due["binding_id"], due["suspended"]) == (binding_id, False)
    kept = hall.staff(
        CLERK, "POST", f"/bindings/{binding_id}/review", documents=sorted(ADULT_PAPERS)
    )
    assert kept.status_code == 200
    ended = hall.staff(
        CLERK, "POST", f"/bindings/{binding_id}/ending", id_number=father.id_number.value
    )
    assert ended.status_code == 204
    assert hall.house.may_act(son, father) == "insurer.family_not_bound"
