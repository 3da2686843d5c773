"""Codes that people type, and the order of states."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.refusals import Refused
from shualian.terminals.enrolment.model import (
    CODE_WRONG,
    MOVES,
    STATE_DIFFERS,
    check_move,
    key_id_of,
    new_code,
    parse_code,
    possession_message,
    rotation_message,
)
from shualian.terminals.model import TerminalState
from shualian.trust.signatures import Algorithm, SigningKey
from terminals.district import answer_of


def test_a_code_is_typed_as_it_is_shown_or_as_it_is_misread() -> None:
    code = new_code()
    assert parse_code(code.text) == code
    assert parse_code(code.text.lower().replace("-", " ")) == code
    misread = code.text.replace("0", "O").replace("1", "l")
    assert parse_code(misread) == code


def test_a_code_has_four_groups_of_four_and_does_not_print_its_secret() -> None:
    code = new_code()
    assert [len(group) for group in code.text.split("-")] == [4, 4, 4, 4]
    assert code.secret not in repr(code)


@given(st.text(max_size=80))
def test_whatever_is_typed_is_a_code_or_refused_as_wrong(text: str) -> None:
    code = answer_of(lambda: parse_code(text))
    assert code is CODE_WRONG or len(code.text) == 19  # type: ignore[union-attr]


def test_codes_do_not_repeat() -> None:
    assert len({new_code().text for _ in range(1_000)}) == 1_000


def test_nothing_leads_out_of_revoked_and_only_pending_or_suspended_into_active() -> None:
    assert MOVES[TerminalState.REVOKED] == frozenset()
    into_active = {state for state, after in MOVES.items() if TerminalState.ACTIVE in after}
    assert into_active == {TerminalState.PENDING, TerminalState.SUSPENDED}


@pytest.mark.parametrize("present", TerminalState)
@pytest.mark.parametrize("wanted", TerminalState)
def test_a_move_is_allowed_exactly_where_the_table_has_it(
    present: TerminalState, wanted: TerminalState
) -> None:
    if wanted in MOVES[present]:
        check_move(present, wanted)
        return
    with pytest.raises(Refused) as refused:
        check_move(present, wanted)
    assert refused.value.kind is STATE_DIFFERS


def test_what_is_signed_for_one_purpose_serves_no_other() -> None:
    key = SigningKey.generate(Algorithm.ECDSA_P256_SHA256).public_key
    code = new_code()
    messages = {
        possession_message(code, key),
        possession_message(new_code(), key),
        rotation_message(key_id_of(key), key),
    }
    assert len(messages) == 3
