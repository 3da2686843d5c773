import pytest

from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.terminals.model import (
    AMOUNT_OVER_LIMIT,
    FACE_NOT_ALLOWED,
    REFUSALS,
    SETTLEMENT_MAX_FEN,
    SIMULATED_OUTSIDE_SANDBOX,
    TerminalClass,
    check_face_capture,
    check_settlement,
    label,
)

CLASSES_WITH_A_FACE = [
    TerminalClass.SCAN_FACE,
    TerminalClass.SCAN_FACE_PAY,
    TerminalClass.BROWSER,
]


@pytest.mark.parametrize("terminal_class", CLASSES_WITH_A_FACE)
def test_a_terminal_that_takes_faces_may_open_a_capture(terminal_class: TerminalClass) -> None:
    check_face_capture(terminal_class, mode=Mode.PRODUCTION)


def test_a_class_i_terminal_cannot_open_a_capture_even_in_the_sandbox() -> None:
    for mode in Mode:
        with pytest.raises(Refused) as refused:
            check_face_capture(TerminalClass.SCAN, mode=mode)
        assert refused.value.kind is FACE_NOT_ALLOWED


def test_a_simulated_terminal_does_nothing_outside_the_sandbox() -> None:
    with pytest.raises(Refused) as capture:
        check_face_capture(TerminalClass.SIMULATED, mode=Mode.PRODUCTION)
    with pytest.raises(Refused) as settlement:
        check_settlement(TerminalClass.SIMULATED, Fen(1), mode=Mode.PRODUCTION)
    assert capture.value.kind is settlement.value.kind is SIMULATED_OUTSIDE_SANDBOX


def test_a_simulated_terminal_works_in_the_sandbox() -> None:
    check_face_capture(TerminalClass.SIMULATED, mode=Mode.SANDBOX)
    check_settlement(TerminalClass.SIMULATED, Fen(1), mode=Mode.SANDBOX)


@pytest.mark.parametrize("terminal_class", list(TerminalClass))
def test_each_class_settles_up_to_its_limit_and_not_a_fen_more(
    terminal_class: TerminalClass,
) -> None:
    limit_fen = SETTLEMENT_MAX_FEN[terminal_class]
    check_settlement(terminal_class, limit_fen, mode=Mode.SANDBOX)
    with pytest.raises(Refused) as refused:
        check_settlement(terminal_class, Fen(limit_fen + 1), mode=Mode.SANDBOX)
    assert refused.value.kind is AMOUNT_OVER_LIMIT
    assert refused.value.details == {"found_fen": limit_fen + 1, "limit_fen": limit_fen}


def test_less_assurance_settles_less() -> None:
    order = [
        TerminalClass.SCAN,
        TerminalClass.BROWSER,
        TerminalClass.SCAN_FACE,
        TerminalClass.SCAN_FACE_PAY,
    ]
    limits = [SETTLEMENT_MAX_FEN[terminal_class] for terminal_class in order]
    assert limits == sorted(set(limits))


def test_only_a_simulated_terminal_has_a_label_and_it_says_so_in_both_languages() -> None:
    shown = label(TerminalClass.SIMULATED)
    assert shown is not None
    assert "模拟" in shown.zh
    assert "SIMULATED" in shown.en
    assert all(label(terminal_class) is None for terminal_class in [*CLASSES_WITH_A_FACE])


def test_refusals_have_codes_of_their_own() -> None:
    assert len({kind.code for kind in REFUSALS}) == len(REFUSALS)
    assert all(kind.code.startswith("terminals.") for kind in REFUSALS)
