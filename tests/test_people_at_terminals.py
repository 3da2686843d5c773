"""Whose bill a capture may ask for: the captured person's, and of whom they may act for."""

from dataclasses import dataclass

import pytest

from shualian.assembly.people_at_terminals import LocalPeopleAtTerminals
from shualian.core.identifiers import PersonNo, SessionId, TerminalId
from shualian.core.refusals import Refused
from shualian.verification.model import (
    NOT_VERIFIED,
    RELATION_NOT_PROVEN,
    Relative,
    SessionResult,
    SessionState,
    VerifiedPerson,
)

HERE, SESSION = TerminalId("K01"), SessionId("S1")
PARENT, CHILD, STRANGER = PersonNo("P1"), PersonNo("P2"), PersonNo("P3")


@dataclass
class Captured:
    """One capture, as it stands."""

    found: SessionResult

    def result(self, session_id: SessionId, *, terminal_id: TerminalId) -> SessionResult:
        assert (session_id, terminal_id) == (SESSION, HERE)
        return self.found


def captured(person: VerifiedPerson | None, *relatives: PersonNo) -> LocalPeopleAtTerminals:
    bound = tuple(Relative(each, "张*小", "child") for each in relatives)
    state = SessionState.EXPIRED if person is None else SessionState.VERIFIED
    result = SessionResult(state, person, None, None, 2, relatives=bound)
    return LocalPeopleAtTerminals(Captured(result))


@pytest.fixture
def parent() -> VerifiedPerson:
    return VerifiedPerson(
        subject=PARENT,
        score=None,
        point=None,
        comparisons=0,
        error_upper95=None,
        factors=frozenset(),
    )


def test_a_capture_is_about_who_was_captured_and_about_whom_they_may_act_for(
    parent: VerifiedPerson,
) -> None:
    people = captured(parent, CHILD)

    assert people.person_at(HERE, session_id=SESSION) == PARENT
    assert people.person_at(HERE, session_id=SESSION, relative=CHILD) == CHILD


@pytest.mark.parametrize("other", [STRANGER, PARENT])
def test_a_capture_is_about_nobody_else(parent: VerifiedPerson, other: PersonNo) -> None:
    with pytest.raises(Refused) as refused:
        captured(parent, CHILD).person_at(HERE, session_id=SESSION, relative=other)

    assert refused.value.kind is RELATION_NOT_PROVEN


def test_a_binding_that_ended_meanwhile_tells_nothing(parent: VerifiedPerson) -> None:
    with pytest.raises(Refused) as refused:
        captured(parent).person_at(HERE, session_id=SESSION, relative=CHILD)

    assert refused.value.kind is RELATION_NOT_PROVEN


def test_a_capture_that_named_nobody_tells_nothing_of_a_relative() -> None:
    with pytest.raises(Refused) as refused:
        captured(None, CHILD).person_at(HERE, session_id=SESSION, relative=CHILD)

    assert refused.value.kind is NOT_VERIFIED
