"""The access log over real HTTP: by one's own proof at a terminal, with a document at a window."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import Request

from insurer.accesses.test_service import Log, Names
from insurer.consents.test_api import (
    CHILD_NUMBER,
    PARENT_NUMBER,
    PERSON_NUMBER,
    Hall,
    code,
    content,
)
from insurer.face_world import CHILD, CLERK, HOSPITAL, PARENT, PERSON, SEEN_PARENT
from shualian.core.identifiers import TerminalId
from shualian.insurer.accesses import api as accesses_api
from shualian.insurer.accesses import store
from shualian.insurer.accesses.api import ACCESSES_PATH
from shualian.insurer.accesses.service import Accesses
from shualian.terminals.model import Actor
from shualian.terminals.service import TerminalServices
from shualian.verification.emergency.model import Access as EmergencyAccess
from shualian.verification.model import Access, AccessKind, Scene
from terminals.district import ORIGIN

WINDOW: dict[str, object] = {"id_number": PERSON_NUMBER, "document": "id_card"}


@pytest.fixture
def faces() -> Log[Access]:
    return Log[Access]()


@pytest.fixture
def hall(tmp_path: Path, faces: Log[Access]) -> Iterator[Hall]:
    made = Hall(tmp_path)
    made.database.create_tables(store.metadata)
    world, district = made.world, made.district
    line = Access(
        world.clock.now() - timedelta(hours=1),
        HOSPITAL,
        TerminalId(made.device.terminal_id),
        Scene.SETTLEMENT,
        AccessKind.PROOF_REDEEMED,
        "settle",
    )
    faces.lines += [(PERSON, line), (CHILD, line)]
    accesses = Accesses(
        database=made.database,
        clock=world.clock,
        faces=faces,
        emergencies=Log[EmergencyAccess](),
        institutions=Names(),
        guardians=world.consents,
        months=36,
    )
    terminals = TerminalServices(
        register=district.register,
        enrolments=district.enrolments,
        requests=district.requests,
        heartbeats=district.heartbeats,
    )

    def caller(_request: Request) -> Actor:
        return made.actor

    for routes in (
        accesses_api.terminal_routes(
            terminals, accesses, made.proofs, world.register, clock=world.clock, origin=ORIGIN
        ),
        accesses_api.staff_routes(accesses, world.register, caller, clock=world.clock),
    ):
        made.application.include_router(routes)
    yield made
    made.database.close()


def test_a_person_reads_when_where_and_what_for(hall: Hall) -> None:
    answer = hall.act(ACCESSES_PATH, PERSON)

    (line,) = content(answer)["lines"]
    assert line["what"] == "proof_redeemed"
    assert (line["scene"], line["use"]) == ("01301", "settle")
    assert (line["institution_name"], line["department"]) == ("示例医院", "门诊大厅")
    assert line["zh"]
    assert content(answer)["earlier"] == 0
    assert answer.headers["cache-control"] == "no-store"


def test_a_look_at_the_window_stands_in_the_log(hall: Hall) -> None:
    seen = content(hall.staff("POST", "/accesses", CLERK, **WINDOW))
    own = content(hall.act(ACCESSES_PATH, PERSON))

    assert [each["what"] for each in seen["lines"]] == ["proof_redeemed", "log_shown"]
    assert own["lines"] == seen["lines"]
    assert own["lines"][-1]["viewer"] == "staff"


def test_no_answer_holds_a_number_a_name_or_who_the_clerk_was(hall: Hall) -> None:
    text = hall.staff("POST", "/accesses", CLERK, **WINDOW).text

    assert PERSON_NUMBER not in text
    assert PERSON not in text
    assert CLERK.staff not in text


def test_a_document_that_shows_nobody_is_not_enough(hall: Hall) -> None:
    wrong = {**WINDOW, "document": "birth_certificate"}
    assert code(hall.staff("POST", "/accesses", CLERK, **wrong)) == "insurer.document_not_enough"


def test_without_a_good_proof_nothing_is_shown(hall: Hall) -> None:
    refused = hall.send(ACCESSES_PATH, auth_no="invented", intent_id="INTENT-1")
    assert code(refused) == "test.wrong_proof"


def test_a_guardian_sees_the_childs_log_and_a_stranger_does_not(hall: Hall) -> None:
    hall.world.give(CHILD, by=SEEN_PARENT)

    seen = content(hall.act(ACCESSES_PATH, PARENT, child_number=CHILD_NUMBER))
    stranger = hall.act(ACCESSES_PATH, PERSON, child_number=CHILD_NUMBER)
    window: dict[str, object] = {
        "id_number": CHILD_NUMBER,
        "document": "household_register",
        "guardian": {"relation": "parent", "guardian_number": PARENT_NUMBER},
    }
    at_window = content(hall.staff("POST", "/accesses", CLERK, **window))

    assert [each["viewer"] for each in seen["lines"]] == [None, "guardian"]
    assert code(stranger) == "insurer.guardian_not_proven"
    assert [each["viewer"] for each in at_window["lines"]] == [None, "guardian", "staff"]


def test_who_is_fourteen_is_no_longer_looked_after_in_the_log(hall: Hall) -> None:
    hall.world.give(CHILD, by=SEEN_PARENT)
    asked = {"child_number": CHILD_NUMBER}
    content(hall.act(ACCESSES_PATH, PARENT, **asked))

    # Born on 9 March 2016.
    hall.world.clock.set(datetime(2030, 3, 10, 4, tzinfo=UTC))

    assert code(hall.act(ACCESSES_PATH, PARENT, **asked)) == "insurer.guardian_not_proven"
