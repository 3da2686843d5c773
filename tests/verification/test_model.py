from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.identifiers import AuthNo, PersonNo, SessionId, TerminalId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.face.liveness.decision import LivenessLevel
from shualian.verification.identification.model import (
    Candidate,
    candidate_limit,
    decide_identification,
    decide_verification,
)
from shualian.verification.model import (
    CONSENT_MISSING,
    POLICY_LOOSENED,
    REFUSALS,
    Consent,
    ConsentPurpose,
    FaceProof,
    Factor,
    Policy,
    Relation,
    Scene,
    UnknownReason,
)
from shualian.verification.proofs.model import check_redeem
from shualian.verification.requirements.model import may_move_money
from shualian.verification.sessions.model import OpenedSession, check_consents
from verification.world import ALTERED, HOSPITAL, INTENT, LI, POLICY, START, WANG, ZHANG

PROOF = FaceProof(
    auth_no=AuthNo("a-very-secret-number"),
    subject=ZHANG,
    beneficiary=ZHANG,
    relation=Relation.SELF,
    intent_id=INTENT,
    scene=Scene.SETTLEMENT,
    terminal_id=TerminalId("K02"),
    institution=HOSPITAL,
    amount_max_fen=Fen(50_00),
    uses=1,
    expires_at=START + timedelta(minutes=5),
)


@pytest.mark.parametrize(
    ("fpir_max", "fmr_upper95", "templates", "frames", "attempts", "people"),
    [
        (0.01, 2.4e-4, 1, 1, 1, 41),
        (0.01, 2.4e-4, 2, 1, 1, 20),
        (0.01, 2.4e-4, 1, 1, 3, 13),
        (0.01, 2.4e-4, 2, 2, 3, 3),
        (0.01, 1e-4, 1, 1, 1, 100),
        (0.003, 0.001, 1, 1, 1, 3),
        (0.01, 3e-3, 1, 5, 1, 0),
        (0.001, 0.002, 1, 1, 1, 0),
    ],
)
def test_the_error_budget_of_a_session_limits_how_many_people_it_searches(
    fpir_max: float, fmr_upper95: float, templates: int, frames: int, attempts: int, people: int
) -> None:
    found = candidate_limit(
        fpir_max=fpir_max,
        fmr_upper95=fmr_upper95,
        templates_per_person=templates,
        frames=frames,
        attempts=attempts,
    )
    assert found == people


@given(
    fpir_max=st.floats(1e-6, 0.01),
    fmr_upper95=st.floats(1e-7, 1),
    counts=st.tuples(*[st.integers(1, 8)] * 3),
)
def test_the_limit_keeps_the_promise_and_one_person_more_would_break_it(
    fpir_max: float, fmr_upper95: float, counts: tuple[int, int, int]
) -> None:
    templates, frames, attempts = counts
    limit = candidate_limit(
        fpir_max=fpir_max,
        fmr_upper95=fmr_upper95,
        templates_per_person=templates,
        frames=frames,
        attempts=attempts,
    )
    error_of_one = Decimal(repr(fmr_upper95)) * templates * frames * attempts
    assert limit * error_of_one <= Decimal(repr(fpir_max)) < (limit + 1) * error_of_one


@pytest.mark.parametrize("wrong", [{"fmr_upper95": 0.0}, {"attempts": 0}, {"frames": 0}])
def test_a_limit_from_an_impossible_bound_is_a_fault(wrong: dict[str, float]) -> None:
    right = {
        "fpir_max": 0.01,
        "fmr_upper95": 1e-3,
        "templates_per_person": 1,
        "frames": 1,
        "attempts": 1,
    }
    with pytest.raises(ValueError, match="above 0"):
        candidate_limit(**{**right, **wrong})  # type: ignore[arg-type]


def test_the_best_person_is_named_when_clear_of_the_second() -> None:
    found = [Candidate(LI, 0.5), Candidate(ZHANG, 0.75), Candidate(WANG, 0.1)]
    assert decide_identification(found, threshold=0.45, margin=0.25) == Candidate(ZHANG, 0.75)


def test_two_people_who_look_alike_stay_unknown() -> None:
    found = [Candidate(LI, 0.75), Candidate(ZHANG, 0.77)]
    outcome = decide_identification(found, threshold=0.45, margin=0.05)
    assert outcome is UnknownReason.NOT_CLEAR


def test_the_margin_counts_a_second_person_below_the_threshold_too() -> None:
    found = [Candidate(LI, 0.44), Candidate(ZHANG, 0.46)]
    outcome = decide_identification(found, threshold=0.45, margin=0.05)
    assert outcome is UnknownReason.NOT_CLEAR


def test_a_second_template_of_the_same_person_is_no_second_person() -> None:
    found = [Candidate(ZHANG, 0.74), Candidate(ZHANG, 0.75), Candidate(ZHANG, 0.73)]
    assert decide_identification(found, threshold=0.45, margin=0.1) == Candidate(ZHANG, 0.75)


def test_a_score_below_the_threshold_stays_unknown_and_one_at_it_does_not() -> None:
    below = decide_identification([Candidate(ZHANG, 0.4499)], threshold=0.45, margin=0)
    assert below is UnknownReason.BELOW_THRESHOLD
    at = decide_identification([Candidate(ZHANG, 0.45)], threshold=0.45, margin=0)
    assert at == Candidate(ZHANG, 0.45)


def test_nobody_to_compare_with_is_unknown() -> None:
    assert decide_identification([], threshold=0.45, margin=0) is UnknownReason.NO_TEMPLATE


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_matches_nobody(score: float) -> None:
    broken = Candidate(LI, score)
    alone = decide_identification([broken], threshold=0.45, margin=0)
    assert alone is UnknownReason.NO_TEMPLATE
    beside = decide_identification([broken, Candidate(ZHANG, 0.8)], threshold=0.45, margin=0.1)
    assert beside == Candidate(ZHANG, 0.8)


def test_a_threshold_that_is_no_number_lets_nobody_through() -> None:
    outcome = decide_identification([Candidate(ZHANG, 0.8)], threshold=float("nan"), margin=0)
    assert outcome is UnknownReason.BELOW_THRESHOLD


people = st.sampled_from([PersonNo(str(n)) for n in range(6)])
candidates = st.lists(st.builds(Candidate, people, st.floats(-1, 1)), max_size=12)


@given(candidates, st.floats(-1, 1), st.floats(1e-9, 1))
def test_a_person_is_named_exactly_when_above_the_threshold_and_clear_of_everybody_else(
    found: list[Candidate], threshold: float, margin: float
) -> None:
    clear = {
        one.subject
        for one in found
        if one.score >= threshold
        and all(
            one.score - other.score >= margin for other in found if other.subject != one.subject
        )
    }
    outcome = decide_identification(found, threshold=threshold, margin=margin)
    assert ({outcome.subject} if isinstance(outcome, Candidate) else set()) == clear


@given(candidates, st.permutations(range(12)))
def test_the_order_of_the_candidates_decides_nothing(
    found: list[Candidate], order: list[int]
) -> None:
    shuffled = [found[place] for place in order if place < len(found)]
    before = decide_identification(found, threshold=0, margin=1e-9)
    assert decide_identification(shuffled, threshold=0, margin=1e-9) == before


def test_a_claim_is_decided_on_the_claimed_person_alone() -> None:
    found = [Candidate(LI, 0.9), Candidate(ZHANG, 0.5)]
    assert decide_verification(found, ZHANG, threshold=0.38) == Candidate(ZHANG, 0.5)
    assert decide_verification(found, ZHANG, threshold=0.6) is UnknownReason.BELOW_THRESHOLD
    assert decide_verification(found, WANG, threshold=0.38) is UnknownReason.NO_TEMPLATE


EVERY_SET_OF_FACTORS = [
    frozenset(chosen) for size in range(6) for chosen in combinations(Factor, size)
]


@pytest.mark.parametrize("factors", EVERY_SET_OF_FACTORS, ids=lambda each: "+".join(sorted(each)))
def test_only_a_face_with_a_call_a_document_or_a_pin_moves_money(
    factors: frozenset[Factor],
) -> None:
    joined = factors & {Factor.CALLED, Factor.DOCUMENT, Factor.PIN}
    assert may_move_money(factors) == (Factor.FACE in factors and len(joined) > 0)


def test_only_consent_to_the_comparison_on_a_notice_opens_the_camera() -> None:
    check_consents([Consent(ConsentPurpose.COMPARISON, "2026-01", START)])
    others = [Consent(each, "2026-01", START) for each in ConsentPurpose if each != "comparison"]
    for missing in ([], others, [Consent(ConsentPurpose.COMPARISON, "", START)]):
        with pytest.raises(Refused) as refused:
            check_consents(missing)
        assert refused.value.kind is CONSENT_MISSING


@pytest.mark.parametrize(
    ("setting", "limit_s", "policy"),
    [
        ("confirm_within", 120, lambda limit: replace(POLICY, confirm_within=limit)),
        ("proof_valid", 600, lambda limit: replace(POLICY, proof_valid=limit)),
    ],
)
def test_a_policy_may_be_tighter_but_never_looser(
    setting: str, limit_s: int, policy: Callable[[timedelta], Policy]
) -> None:
    policy(timedelta(seconds=limit_s))
    with pytest.raises(Refused) as refused:
        policy(timedelta(seconds=limit_s + 1))
    assert refused.value.kind is POLICY_LOOSENED
    assert refused.value.details == {
        "setting": setting,
        "found_s": limit_s + 1,
        "limit_s": limit_s,
    }


def bound(expected: FaceProof) -> None:
    check_redeem(
        PROOF,
        expected_institution=expected.institution,
        expected_terminal=expected.terminal_id,
        expected_intent_id=expected.intent_id,
        expected_scene=expected.scene,
        expected_subject=expected.subject,
        expected_beneficiary=expected.beneficiary,
        expected_relation=expected.relation,
    )


def test_a_proof_is_good_for_exactly_what_it_says() -> None:
    bound(PROOF)


@pytest.mark.parametrize(("code", "alter"), ALTERED, ids=[code for code, _ in ALTERED])
def test_every_binding_field_is_refused_by_its_own_code(
    code: str, alter: Callable[[FaceProof], FaceProof]
) -> None:
    with pytest.raises(Refused) as refused:
        bound(alter(PROOF))
    assert refused.value.kind.code == code


def test_a_refusal_says_what_was_found_and_what_was_expected() -> None:
    with pytest.raises(Refused) as refused:
        bound(replace(PROOF, scene=Scene.DISPENSING))
    assert refused.value.details == {"found": "01301", "expected": "01302"}


def test_a_wrong_guess_does_not_learn_whose_proof_it_is_or_where_it_was_made() -> None:
    for alter in dict(ALTERED).values():
        with pytest.raises(Refused) as refused:
            bound(alter(PROOF))
        told = str(refused.value) + str(refused.value.as_json())
        assert ZHANG not in told
        assert HOSPITAL not in told


def test_secrets_do_not_show_in_a_representation() -> None:
    assert PROOF.auth_no not in repr(PROOF)
    opened = OpenedSession(SessionId("S"), "a-nonce", "a-ticket", LivenessLevel.ACTIVE, START)
    assert "a-nonce" not in repr(opened)
    assert "a-ticket" not in repr(opened)


def test_the_scenes_are_those_of_the_terminal_interface_and_one_of_our_own() -> None:
    listed = (
        "01101 01102 01103 01104 01201 01202 01203 01204 01301 01302 01303 01304 01305"
        " 02121 02122 03131 03132 09001"
    )
    assert [scene.value for scene in Scene] == listed.split()


def test_refusals_have_codes_of_their_own_and_words_in_both_languages() -> None:
    assert len({kind.code for kind in REFUSALS}) == len(REFUSALS)
    for kind in REFUSALS:
        assert kind.code.startswith("verification.")
        assert len(kind.code) <= 48
        assert all((kind.zh, kind.en, kind.next_zh, kind.next_en))
