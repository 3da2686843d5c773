"""There is no way from an emergency search to a proof: not by its types, its code or its words."""

import ast
import dataclasses
from datetime import date
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from shualian.core.database import SqliteDatabase
from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import AuthNo, PersonNo, SessionId
from shualian.core.refusals import Refused
from shualian.verification import emergency
from shualian.verification.emergency import store
from shualian.verification.emergency.model import Access, EmergencyAnswer, ProposedEmergency
from shualian.verification.emergency.service import EmergencySearch
from shualian.verification.model import (
    ConfirmedPerson,
    FaceProof,
    LookFor,
    SessionResult,
    VerifiedPerson,
)
from verification.emergency.room import EmergencyRoom

OPENS_SOMETHING = {
    AuthNo,
    SessionId,
    PersonNo,
    FaceProof,
    VerifiedPerson,
    ConfirmedPerson,
    SessionResult,
}
MAY_KNOW = {
    "shualian.verification.emergency",
    "shualian.verification.model",
    "shualian.verification.ports",
}
FROM_MODEL = {"Identity"}
FROM_PORTS = {"ErrorRates"}


@pytest.fixture
def room(sqlite_database: SqliteDatabase) -> EmergencyRoom:
    return EmergencyRoom(sqlite_database)


def _types(hint: Any) -> set[Any]:
    """A type with everything that it is made of."""
    found = {hint}
    for part in get_args(hint):
        found |= _types(part)
    if dataclasses.is_dataclass(hint):
        for part in get_type_hints(hint).values():
            found |= _types(part)
    return found


@pytest.mark.parametrize("answer", [ProposedEmergency, EmergencyAnswer, Access])
def test_no_answer_holds_anything_that_opens_something(answer: type) -> None:
    assert not _types(answer) & OPENS_SOMETHING


def test_everything_that_a_hospital_can_call_answers_with_those_types_only() -> None:
    answers = {
        name: get_type_hints(getattr(EmergencySearch, name))["return"]
        for name in ("propose", "approve")
    }

    assert answers == {"propose": ProposedEmergency, "approve": EmergencyAnswer}


def test_the_code_knows_neither_sessions_nor_proofs() -> None:
    """Its imports are read, so that a later line cannot reach them unnoticed."""
    known: dict[str, set[str]] = {}
    for file in Path(emergency.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                known.update({each.name: set() for each in node.names})
            if isinstance(node, ast.ImportFrom) and node.module:
                known.setdefault(node.module, set()).update(each.name for each in node.names)

    of_verification = {name for name in known if name.startswith("shualian.verification")}
    own = {name for name in of_verification if name.startswith("shualian.verification.emergency")}
    assert of_verification - own == MAY_KNOW - {"shualian.verification.emergency"}
    assert known["shualian.verification.model"] <= FROM_MODEL
    assert known["shualian.verification.ports"] <= FROM_PORTS


def test_it_writes_into_its_own_tables_only() -> None:
    assert {table.name for table in store.metadata.sorted_tables} == {
        "verification_emergency",
        "verification_emergency_suggested",
    }


def test_what_is_shown_is_too_little_to_claim_anybody(room: EmergencyRoom) -> None:
    """A claim takes a whole number or its last four characters; two are shown."""
    for shown in room.search().suggestions:
        with pytest.raises(Refused):
            parse_id_number(shown.masked_id_number, today=date(2026, 1, 5))
        assert shown.masked_id_number[-4:-2] == "**"
        assert "*" in shown.masked_name


def test_a_capture_cannot_look_for_what_an_emergency_search_suggested() -> None:
    fields = {
        part
        for wanted in get_args(LookFor)
        for hint in get_type_hints(wanted).values()
        for part in _types(hint)
    }

    assert PersonNo not in fields
    assert not [each for each in fields if getattr(each, "__name__", "").startswith("Emergency")]
