"""Nothing falls through: every answer of the system leads to a failure with words of its own."""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shualian.core
import shualian.face
import shualian.gallery
import shualian.insurer
import shualian.terminals
import shualian.verification
from shualian.core.refusals import Helper, RefusalKind, Refused
from shualian.face.liveness.challenge import ChallengeFailure
from shualian.face.liveness.decision import LivenessReason
from shualian.face.model import Hint
from shualian.verification.failures import model
from shualian.verification.failures.model import FAILURES, ScanFailure
from shualian.verification.failures.rules import (
    ELSEWHERE,
    INSURANCE_NOTES,
    SHOWN_AS,
    TECHNICAL,
    of_code,
    of_hint,
    of_insurance,
    of_liveness,
    of_refusal,
    of_unknown,
    of_verdict,
    of_voucher,
)
from shualian.verification.failures.service import ScanFailures
from shualian.verification.model import UnknownReason, VoucherStanding
from shualian.verification.registry.model import RegistryVerdict

PARTS = (
    shualian.core,
    shualian.face,
    shualian.gallery,
    shualian.terminals,
    shualian.verification,
)
INSURER_AT_A_CAMERA = (
    *("activation", "channels", "consents", "erasures", "family"),
    *("notices", "persons", "templates", "vouchers"),
)
"""Subjects of the insurer that a scan can meet; a bill is answered to the hospital, after it."""


def modules() -> Iterator[str]:
    for part in PARTS:
        for found in pkgutil.walk_packages(part.__path__, f"{part.__name__}."):
            yield found.name
    for found in pkgutil.walk_packages(shualian.insurer.__path__, "shualian.insurer."):
        if found.name.split(".")[2] in INSURER_AT_A_CAMERA:
            yield found.name


def declared() -> set[str]:
    values = [value for name in modules() for value in vars(importlib.import_module(name)).values()]
    codes = {each.code for each in values if isinstance(each, RefusalKind)}
    # Staff sign in elsewhere, and the keys and seals of a server are nobody's at a camera.
    return {code for code in codes if not code.startswith(("staff.", "trust."))}


LISTED = {code for codes in SHOWN_AS.values() for code in codes}
KEPT_BACK = {code for each in TECHNICAL for code in each.codes}
NOT_MET = {code for each in ELSEWHERE for code in each.codes}


def test_every_refusal_that_can_meet_a_scan_is_listed_with_what_the_person_is_told() -> None:
    missing = declared() - LISTED - KEPT_BACK - NOT_MET

    assert not missing, f"say in verification/failures/rules.py what a person is told: {missing}"


def test_no_listed_code_is_dead_or_listed_twice() -> None:
    every = [code for codes in SHOWN_AS.values() for code in codes]
    every += [code for each in TECHNICAL for code in each.codes]
    every += [code for each in ELSEWHERE for code in each.codes]

    assert [code for code, times in Counter(every).items() if times > 1] == []
    assert set(every) - declared() == set()


def test_what_is_kept_from_the_person_says_why() -> None:
    reasons = [each.why for each in TECHNICAL] + [each.why for each in ELSEWHERE]
    assert all(len(why) > 30 for why in reasons)


@pytest.mark.parametrize("hint", [hint for hint in Hint if hint is not Hint.HOLD_STILL])
def test_every_hint_has_words_under_its_own_name(hint: Hint) -> None:
    found = of_hint(hint)

    assert found is not None
    assert found.code == hint.value


def test_the_hint_that_all_is_well_is_no_failure() -> None:
    assert of_hint(Hint.HOLD_STILL) is None


@pytest.mark.parametrize("reason", UnknownReason)
@pytest.mark.parametrize("attempts_left", [0, 1, 2])
def test_every_unknown_person_is_told_a_way_on(reason: UnknownReason, attempts_left: int) -> None:
    found = of_unknown(reason, attempts_left=attempts_left)

    assert found.cause is model.Cause.NOT_RECOGNISED
    tries_again = found in {model.NOT_MATCHED, model.DIGITS_NEEDED}
    assert not (tries_again and attempts_left == 0)


def test_nobody_is_told_to_have_no_face_set_up_by_a_search_that_did_not_look_for_them() -> None:
    """The visitor without an appointment, among people who are expected."""
    reason = UnknownReason.NO_TEMPLATE

    assert of_unknown(reason, attempts_left=2) == model.NUMBER_ASKED
    assert of_unknown(reason, attempts_left=2, claimed=True) == model.NOT_ENROLLED


@pytest.mark.parametrize("verdict", RegistryVerdict)
def test_every_verdict_of_the_registry_has_its_own_words(verdict: RegistryVerdict) -> None:
    found = of_verdict(verdict)

    assert (found is None) == (verdict is RegistryVerdict.MATCH)
    others = {of_verdict(each) for each in RegistryVerdict if each is not verdict}
    assert found not in others


@pytest.mark.parametrize("voucher", VoucherStanding)
def test_every_standing_of_a_voucher_has_its_own_words(voucher: VoucherStanding) -> None:
    found = of_voucher(voucher)

    assert (found is None) == (voucher is VoucherStanding.ACTIVE)
    assert found not in {of_voucher(each) for each in VoucherStanding if each is not voucher}


@pytest.mark.parametrize("note", INSURANCE_NOTES)
def test_every_note_on_the_insurance_sends_to_the_insurer(note: str) -> None:
    found = of_insurance(note)

    assert found is not None
    assert found.helper is Helper.INSURER
    assert "自费" in found.next_zh


def test_no_note_is_no_failure_and_an_unknown_note_is_the_general_one() -> None:
    assert of_insurance(None) is None
    assert of_insurance("a note of next year") == model.NOT_INSURED


@pytest.mark.parametrize("reason", LivenessReason)
def test_every_decision_on_liveness_has_words(reason: LivenessReason) -> None:
    assert (of_liveness(reason) is None) == (reason is LivenessReason.LIVE)


@pytest.mark.parametrize("failed", ChallengeFailure)
def test_a_missed_movement_is_told_as_such_and_an_exchanged_face_is_not_explained(
    failed: ChallengeFailure,
) -> None:
    attack = failed in {ChallengeFailure.ANOTHER_FACE, ChallengeFailure.FACE_JUMPED}

    found = of_liveness(LivenessReason.CHALLENGE_NOT_PASSED, failed)

    assert found == (model.NOT_LIVE if attack else model.CHALLENGE_MISSED)


@given(st.text(max_size=40))
def test_whatever_the_code_a_person_is_told_something_of_the_closed_set(code: str) -> None:
    assert of_code(code) in FAILURES.values()


def test_a_code_that_nobody_listed_is_told_as_a_fault_of_the_system() -> None:
    kind = RefusalKind("test.new", "", "", "", "", Helper.SELF, model.SYSTEM.finality)

    assert of_refusal(Refused(kind)) == model.SYSTEM


def test_a_failure_that_was_told_is_counted_by_its_cause_alone() -> None:
    counted: list[str] = []

    class Counts:
        def count(self, name: str) -> None:
            counted.append(name)

    told: ScanFailure = ScanFailures(Counts()).told(model.TOO_DARK)

    assert told == model.TOO_DARK
    assert counted == ["light"]
