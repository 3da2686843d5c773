from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from shualian.core.identifiers import (
    AuthNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SessionId,
    TerminalId,
)
from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.face.model import Hint
from shualian.terminals.model import TerminalClass
from shualian.verification import store
from shualian.verification.model import (
    Claimed,
    ConsentPurpose,
    FaceProof,
    Factor,
    IdentificationOutcome,
    Narrowed,
    Redemption,
    Relation,
    Scene,
    SessionState,
    UnknownReason,
)
from verification.world import (
    ALTERED,
    HOSPITAL,
    LI,
    NOT_READY,
    POLICY,
    STRANGER,
    WANG,
    ZHANG,
    World,
    captured,
    in_parallel,
    intent,
    terminal,
)

CALLED = Claimed(ZHANG, Factor.CALLED)


def refusal_of(work: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as refused:
        work()
    return refused.value


def code_of(work: Callable[[], object]) -> str:
    return refusal_of(work).kind.code


def state_of(world: World, session_id: SessionId) -> SessionState:
    session = world.database.read(lambda connection: store.find_session(connection, session_id))
    assert session is not None
    return session.state_at(world.clock.now())


class TestBeginning:
    def test_no_session_opens_without_consent_to_the_comparison(self, world: World) -> None:
        begin = partial(
            world.service.begin,
            terminal(),
            scene=Scene.REGISTRATION,
            notice_version="2026-01",
            consents=[ConsentPurpose.TEMPLATE, ConsentPurpose.ONE_SCAN_PAYMENT],
        )
        assert code_of(begin) == "verification.consent_missing"
        assert world.rows(store.sessions) == 0

    def test_the_consents_are_recorded_on_the_session(self, world: World) -> None:
        opened = world.service.begin(
            terminal(),
            scene=Scene.REGISTRATION,
            notice_version="2026-01",
            consents=[ConsentPurpose.TEMPLATE, ConsentPurpose.COMPARISON],
        )
        session = world.database.read(
            lambda connection: store.find_session(connection, opened.session_id)
        )
        assert session is not None
        assert {given.purpose for given in session.consents} == {"template", "comparison"}
        assert {given.notice_version for given in session.consents} == {"2026-01"}
        assert {given.given_at for given in session.consents} == {world.clock.now()}

    def test_a_class_i_terminal_opens_no_session(self, world: World) -> None:
        scanner = terminal(TerminalClass.SCAN)
        assert code_of(lambda: world.begin(scanner)) == "terminals.face_not_allowed"

    def test_a_simulated_terminal_opens_a_session_in_the_sandbox_only(self, world: World) -> None:
        simulated = terminal(TerminalClass.SIMULATED)
        assert world.begin(simulated).session_id
        world.service = world.service_in(Mode.PRODUCTION)
        code = code_of(lambda: world.begin(simulated))
        assert code == "terminals.simulated_outside_sandbox"

    def test_a_session_of_a_simulated_terminal_pays_in_the_sandbox_only(self, world: World) -> None:
        first, second = (world.called(terminal(TerminalClass.SIMULATED)) for _ in range(2))
        assert world.issue(first)
        world.service = world.service_in(Mode.PRODUCTION)
        code = code_of(lambda: world.issue(second))
        assert code == "terminals.simulated_outside_sandbox"

    def test_each_session_has_a_nonce_of_its_own(self, world: World) -> None:
        assert world.begin().nonce != world.begin().nonce

    def test_a_policy_that_asks_for_more_than_is_proven_does_not_start(self, world: World) -> None:
        world.policy = replace(POLICY, verification_fmr=1e-6)
        assert code_of(lambda: world.service_in(Mode.SANDBOX)) == "test.not_proven"


class TestDeciding:
    def test_a_narrowed_search_names_a_person_and_says_how_sure_that_is(self, world: World) -> None:
        outcome = world.verify(world.begin())
        person = outcome.person
        assert person is not None
        assert outcome.unknown is None
        assert (person.subject, person.score) == (ZHANG, 0.8)
        assert (person.fmr, person.proven_for_population) == (1e-4, False)
        assert person.point.data == "dev, cooperative"
        assert person.comparisons == 3
        assert person.error_upper95 == pytest.approx(3 * 2.4e-4)
        assert person.factors == {Factor.FACE}

    def test_a_rate_is_called_proven_only_for_the_population_that_is_served(
        self, world: World
    ) -> None:
        world.policy = replace(POLICY, population="east_asian")
        world.service = world.service_in(Mode.SANDBOX)
        outcome = world.verify(world.begin())
        assert outcome.person is not None
        assert outcome.person.proven_for_population

    def test_a_claimed_person_is_compared_alone_at_the_rate_for_claims(self, world: World) -> None:
        outcome = world.verify(world.begin(), CALLED)
        assert outcome.person is not None
        assert world.gallery.searched == [frozenset({ZHANG})]
        assert (outcome.person.fmr, outcome.person.comparisons) == (1e-3, 1)
        assert outcome.person.factors == {Factor.FACE, Factor.CALLED}

    def test_the_decision_is_stored_as_it_was_told(self, world: World) -> None:
        opened = world.begin()
        outcome = world.verify(opened)
        session = world.database.read(
            lambda connection: store.find_session(connection, opened.session_id)
        )
        assert session is not None
        assert session.person == outcome.person
        assert session.decided_at == world.clock.now()

    def test_a_stranger_stays_unknown_and_may_try_again(self, world: World) -> None:
        world.gallery.scores = {ZHANG: 0.2, LI: 0.1, WANG: 0.1}
        opened = world.begin()
        outcome = world.verify(opened)
        assert outcome == IdentificationOutcome(None, UnknownReason.BELOW_THRESHOLD, 2)
        assert state_of(world, opened.session_id) is SessionState.OPENED

    def test_two_who_look_alike_stay_unknown_until_something_tells_them_apart(
        self, world: World
    ) -> None:
        world.gallery.scores = {ZHANG: 0.80, LI: 0.77}
        opened = world.begin()
        assert world.verify(opened).unknown is UnknownReason.NOT_CLEAR
        outcome = world.verify(opened, Claimed(ZHANG, Factor.DIGITS))
        assert outcome.person is not None
        assert outcome.person.subject == ZHANG
        assert outcome.person.comparisons == 4
        assert outcome.person.error_upper95 == pytest.approx(3 * 2.4e-4 + 1.6e-3)

    def test_a_claimed_person_without_a_template_is_unknown(self, world: World) -> None:
        outcome = world.verify(world.begin(), Claimed(STRANGER, Factor.DOCUMENT))
        assert outcome.unknown is UnknownReason.NO_TEMPLATE

    def test_attempts_run_out(self, world: World) -> None:
        world.gallery.scores = {}
        opened = world.begin()
        left = [world.verify(opened).attempts_left for _ in range(3)]
        assert left == [2, 1, 0]
        assert state_of(world, opened.session_id) is SessionState.REFUSED
        assert code_of(lambda: world.verify(opened)) == "verification.session_closed"

    def test_who_is_not_live_is_refused_before_any_comparison(self, world: World) -> None:
        opened = world.begin()
        attack = captured(live=False)
        assert code_of(lambda: world.verify(opened, seen=attack)) == "verification.not_live"
        assert world.gallery.searched == []
        assert code_of(lambda: world.verify(opened)) == "verification.session_closed"

    @pytest.mark.parametrize("hints", [[], [Hint.HOLD_STILL, Hint.TOO_DARK]])
    def test_poor_pictures_are_not_compared_but_may_be_taken_again(
        self, world: World, hints: list[Hint]
    ) -> None:
        opened = world.begin()
        poor = captured(hints=hints)
        assert code_of(lambda: world.verify(opened, seen=poor)) == "verification.picture_poor"
        assert world.gallery.searched == []
        assert world.verify(opened).person is not None

    def test_more_people_than_the_proven_error_rate_carries_are_not_searched(
        self, world: World
    ) -> None:
        assert world.service.people_max == 13
        opened = world.begin()
        crowd = [PersonNo(f"P{n}") for n in range(14)]
        refused = refusal_of(lambda: world.verify(opened, Narrowed(frozenset(crowd))))
        assert refused.kind.code == "verification.too_many_candidates"
        assert refused.details == {"found": 14, "limit": 13}
        assert world.gallery.searched == []
        outcome = world.verify(opened, Narrowed(frozenset(crowd[:13])))
        assert outcome.attempts_left == 2

    def test_vectors_of_another_path_are_not_compared(self, world: World) -> None:
        opened = world.begin()
        foreign = captured(path_id="another path")
        assert code_of(lambda: world.verify(opened, seen=foreign)) == "verification.path_differs"
        assert world.gallery.searched == []

    def test_a_gallery_that_cannot_answer_leaves_the_session_open(self, world: World) -> None:
        def fail() -> None:
            raise Refused(NOT_READY)

        opened = world.begin()
        world.gallery.meanwhile = fail
        assert code_of(lambda: world.verify(opened)) == "test.not_ready"
        world.gallery.meanwhile = lambda: None
        assert world.verify(opened).person is not None


class TestSessions:
    def test_another_terminal_cannot_use_a_session(self, world: World) -> None:
        opened, other = world.begin(), TerminalId("K03")
        code = code_of(lambda: world.verify(opened, terminal_id=other))
        assert code == "verification.session_other_terminal"

    def test_a_capture_without_the_sessions_nonce_is_not_looked_at(self, world: World) -> None:
        opened, older = world.begin(), world.begin()
        code = code_of(lambda: world.verify(opened, nonce=older.nonce))
        assert code == "verification.session_nonce_wrong"
        assert world.gallery.searched == []

    def test_a_session_nobody_opened_is_not_found(self, world: World) -> None:
        invented = replace(world.begin(), session_id=SessionId("INVENTED"))
        assert code_of(lambda: world.verify(invented)) == "verification.session_not_found"

    def test_a_session_ends_with_its_time(self, world: World) -> None:
        opened = world.begin()
        world.wait(90)
        assert state_of(world, opened.session_id) is SessionState.EXPIRED
        assert code_of(lambda: world.verify(opened)) == "verification.session_expired"

    def test_a_decision_that_comes_after_the_time_does_not_count(self, world: World) -> None:
        opened = world.begin()
        world.gallery.meanwhile = lambda: world.wait(90)
        assert code_of(lambda: world.verify(opened)) == "verification.session_expired"
        assert world.rows(store.persons) == 0

    def test_a_verified_session_is_not_verified_again(self, world: World) -> None:
        opened = world.begin()
        world.verify(opened)
        assert code_of(lambda: world.verify(opened)) == "verification.session_closed"

    def test_a_second_verify_during_the_first_is_refused_and_compares_nothing(
        self, world: World
    ) -> None:
        opened = world.begin()
        codes: list[str] = []
        world.gallery.meanwhile = lambda: codes.append(code_of(lambda: world.verify(opened)))
        outcome = world.verify(opened)
        assert codes == ["verification.session_busy"]
        assert outcome.person is not None
        assert len(world.gallery.searched) == 1

    def test_of_parallel_verifies_of_one_session_one_wins(self, world: World) -> None:
        opened = world.begin()
        results = in_parallel([lambda: world.verify(opened)] * 8)
        winners = [result for result in results if isinstance(result, IdentificationOutcome)]
        codes = {result.kind.code for result in results if isinstance(result, Refused)}
        assert len(winners) == 1
        assert codes <= {"verification.session_busy", "verification.session_closed"}
        assert len(world.gallery.searched) == 1


class TestIssuing:
    def test_a_confirmation_gives_a_proof_of_exactly_what_was_confirmed(self, world: World) -> None:
        proof = world.issue(world.called(), intent(amount_max_fen=12_34, uses=2))
        assert proof.subject == proof.beneficiary == ZHANG
        assert proof.relation is Relation.SELF
        assert (proof.intent_id, proof.scene) == ("INTENT-1", Scene.SETTLEMENT)
        assert (proof.terminal_id, proof.institution) == ("K02", HOSPITAL)
        assert (proof.amount_max_fen, proof.uses) == (12_34, 2)
        assert (proof.expires_at - world.clock.now()).total_seconds() == 300

    def test_a_face_found_by_search_confirms_what_costs_nothing(self, world: World) -> None:
        opened = world.begin()
        world.verify(opened)
        assert world.issue(opened, intent(amount_max_fen=0)).amount_max_fen == 0

    def test_a_face_alone_moves_no_money(self, world: World) -> None:
        opened = world.begin()
        world.verify(opened)
        refused = refusal_of(lambda: world.issue(opened, intent(amount_max_fen=1)))
        assert refused.kind.code == "verification.face_alone"
        assert refused.details == {"found": "face"}

    def test_typed_digits_beside_the_face_move_no_money(self, world: World) -> None:
        opened = world.begin()
        world.verify(opened, Claimed(ZHANG, Factor.DIGITS))
        code = code_of(lambda: world.issue(opened, intent(amount_max_fen=1)))
        assert code == "verification.face_alone"

    def test_the_class_of_the_terminal_caps_the_amount(self, world: World) -> None:
        opened = world.called(terminal(TerminalClass.BROWSER))
        code = code_of(lambda: world.issue(opened, intent(amount_max_fen=1_000_01)))
        assert code == "terminals.amount_over_limit"
        assert world.issue(opened, intent(amount_max_fen=1_000_00))

    def test_nobody_verified_means_no_proof(self, world: World) -> None:
        opened = world.begin()
        assert code_of(lambda: world.issue(opened)) == "verification.not_verified"

    def test_a_confirmation_two_minutes_later_counts_and_a_second_after_does_not(
        self, world: World
    ) -> None:
        first, second = world.called(), world.called()
        world.wait(120)
        assert world.issue(first)
        world.wait(1)
        assert code_of(lambda: world.issue(second)) == "verification.confirm_too_late"

    def test_one_scan_confirms_one_thing(self, world: World) -> None:
        opened = world.called()
        world.issue(opened)
        assert code_of(lambda: world.issue(opened)) == "verification.proof_already_issued"
        assert world.rows(store.proofs) == 1

    def test_the_confirmed_person_is_the_one_whose_face_was_compared(self, world: World) -> None:
        opened = world.called()
        code = code_of(lambda: world.issue(opened, intent(subject=LI), subject=LI))
        assert code == "verification.claim_subject_differs"

    def test_the_confirmed_scene_is_the_one_of_the_session(self, world: World) -> None:
        opened = world.called()
        other = replace(intent(), scene=Scene.DISPENSING)
        assert code_of(lambda: world.issue(opened, other)) == "verification.claim_scene_differs"

    def test_another_terminal_cannot_confirm(self, world: World) -> None:
        opened = world.called()
        code = code_of(lambda: world.issue(opened, terminal_id=TerminalId("K03")))
        assert code == "verification.session_other_terminal"

    @pytest.mark.parametrize(
        ("relation", "beneficiary"),
        [
            (Relation.SELF, LI),
            (Relation.FAMILY, LI),
            (Relation.PROXY, LI),
            (Relation.FAMILY, ZHANG),
        ],
    )
    def test_nobody_acts_for_another_as_long_as_no_relation_is_proven(
        self, world: World, relation: Relation, beneficiary: PersonNo
    ) -> None:
        opened = world.called()
        other = replace(intent(), relation=relation, beneficiary=beneficiary)
        assert code_of(lambda: world.issue(opened, other)) == "verification.relation_not_proven"

    @pytest.mark.parametrize("uses", [-1, 0, 5])
    def test_a_proof_is_good_for_a_few_uses(self, world: World, uses: int) -> None:
        opened = world.called()
        code = code_of(lambda: world.issue(opened, intent(uses=uses)))
        assert code == "verification.uses_invalid"

    def test_a_negative_amount_is_refused(self, world: World) -> None:
        opened = world.called()
        code = code_of(lambda: world.issue(opened, intent(amount_max_fen=-1)))
        assert code == "verification.amount_invalid"

    def test_a_refused_confirmation_leaves_the_session_as_it_was(self, world: World) -> None:
        opened = world.called()
        for wrong in (intent(uses=0), intent(amount_max_fen=-1), intent(subject=LI)):
            refusal_of(partial(world.issue, opened, wrong))
        assert world.rows(store.proofs) == 0
        assert world.issue(opened)

    def test_of_parallel_confirmations_one_gets_the_proof(self, world: World) -> None:
        opened = world.called()
        results = in_parallel([lambda: world.issue(opened)] * 8)
        assert sum(isinstance(result, FaceProof) for result in results) == 1
        assert world.rows(store.proofs) == 1


class TestRedeeming:
    def test_the_same_use_gives_the_same_answer(self, world: World) -> None:
        proof = world.proof()
        first = world.redeem(proof)
        world.wait(10)
        assert world.redeem(proof) == first
        assert first == Redemption(proof.intent_id, "settle", Fen(50_00), first.redeemed_at)
        assert world.rows(store.redemptions) == 1

    def test_a_repeat_is_answered_even_after_the_proof_expired(self, world: World) -> None:
        proof = world.proof()
        first = world.redeem(proof)
        world.wait(3600)
        assert world.redeem(proof) == first

    def test_a_repeat_with_another_amount_is_refused(self, world: World) -> None:
        proof = world.proof()
        world.redeem(proof, amount_fen=10_00)
        refused = refusal_of(lambda: world.redeem(proof, amount_fen=11_00))
        assert refused.kind.code == "verification.redemption_differs"
        assert refused.details == {"found_fen": 11_00, "expected_fen": 10_00}

    @pytest.mark.parametrize(("code", "alter"), ALTERED, ids=[code for code, _ in ALTERED])
    def test_whoever_expects_another_proof_is_refused_and_nothing_is_used_up(
        self, world: World, code: str, alter: Callable[[FaceProof], FaceProof]
    ) -> None:
        proof = world.proof()
        assert code_of(lambda: world.redeem(proof, expected=alter(proof))) == code
        assert world.rows(store.redemptions) == 0
        assert world.redeem(proof)

    @pytest.mark.parametrize(("code", "alter"), ALTERED, ids=[code for code, _ in ALTERED])
    def test_a_repeat_is_bound_like_the_first(
        self, world: World, code: str, alter: Callable[[FaceProof], FaceProof]
    ) -> None:
        proof = world.proof()
        world.redeem(proof)
        assert code_of(lambda: world.redeem(proof, expected=alter(proof))) == code

    def test_a_number_nobody_was_given_is_not_found(self, world: World) -> None:
        invented = replace(world.proof(), auth_no=AuthNo("invented"))
        assert code_of(lambda: world.redeem(invented)) == "verification.proof_not_found"

    def test_a_proof_ends_with_its_time(self, world: World) -> None:
        proof = world.proof()
        world.wait(300)
        assert code_of(lambda: world.redeem(proof)) == "verification.proof_expired"

    def test_a_used_up_proof_is_good_for_nothing_more(self, world: World) -> None:
        proof = world.proof(amount_max_fen=50_00, uses=2)
        world.redeem(proof, use="register", amount_fen=0)
        world.redeem(proof, use="settle")
        code = code_of(lambda: world.redeem(proof, use="dispense", amount_fen=0))
        assert code == "verification.proof_used_up"

    def test_all_uses_together_stay_within_the_confirmed_amount(self, world: World) -> None:
        proof = world.proof(amount_max_fen=50_00, uses=3)
        world.redeem(proof, use="first", amount_fen=30_00)
        refused = refusal_of(lambda: world.redeem(proof, use="second", amount_fen=20_01))
        assert refused.kind.code == "verification.proof_amount_exceeded"
        assert refused.details == {"found_fen": 50_01, "limit_fen": 50_00}
        assert world.redeem(proof, use="second", amount_fen=20_00)

    def test_a_negative_amount_does_not_make_room_for_more(self, world: World) -> None:
        proof = world.proof(uses=2)
        code = code_of(lambda: world.redeem(proof, amount_fen=-1))
        assert code == "verification.amount_invalid"

    def test_a_second_scan_for_the_same_step_does_not_do_it_twice(self, world: World) -> None:
        first, second = world.proof(), world.proof()
        world.redeem(first)
        assert code_of(lambda: world.redeem(second)) == "verification.intent_redeemed"
        assert world.rows(store.redemptions) == 1

    def test_parallel_redemptions_of_one_use_are_one(self, world: World) -> None:
        proof = world.proof()
        results = in_parallel([lambda: world.redeem(proof)] * 16)
        assert len(set(results)) == 1
        assert isinstance(results[0], Redemption)
        assert world.rows(store.redemptions) == 1

    def test_parallel_uses_never_exceed_what_the_proof_is_good_for(self, world: World) -> None:
        proof = world.proof(uses=2)
        uses = [f"use {n}" for n in range(12)]
        results = in_parallel([partial(world.redeem, proof, use=use, amount_fen=0) for use in uses])
        assert sum(isinstance(result, Redemption) for result in results) == 2
        assert world.rows(store.redemptions) == 2

    def test_of_parallel_proofs_for_one_step_one_redeems_it(self, world: World) -> None:
        proofs = [world.proof() for _ in range(6)]
        results = in_parallel([partial(world.redeem, proof) for proof in proofs])
        assert sum(isinstance(result, Redemption) for result in results) == 1
        assert world.rows(store.redemptions) == 1

    def test_proofs_of_two_intents_do_not_disturb_each_other(self, world: World) -> None:
        one = world.issue(world.called(), intent(intent_id=IntentId("ONE")))
        two = world.issue(world.called(), intent(intent_id=IntentId("TWO")))
        assert world.redeem(one).intent_id == "ONE"
        assert world.redeem(two).intent_id == "TWO"


class TestChecking:
    def test_a_check_reads_and_redeems_nothing(self, world: World) -> None:
        proof = world.proof()
        assert world.service.check(proof.auth_no, expected_institution=HOSPITAL) == proof
        assert world.service.check(proof.auth_no, expected_institution=HOSPITAL) == proof
        assert world.rows(store.redemptions) == 0
        assert world.redeem(proof)

    def test_another_institution_learns_nothing_by_a_number(self, world: World) -> None:
        proof = world.proof()
        other = InstitutionCode("H99000000002")
        refused = refusal_of(lambda: world.service.check(proof.auth_no, expected_institution=other))
        assert refused.kind.code == "verification.proof_other_institution"
        assert ZHANG not in str(refused)
        assert HOSPITAL not in str(refused)

    def test_an_expired_or_invented_number_is_refused(self, world: World) -> None:
        proof = world.proof()
        world.wait(300)
        for number, code in (
            (proof.auth_no, "verification.proof_expired"),
            (AuthNo("invented"), "verification.proof_not_found"),
        ):
            found = code_of(partial(world.service.check, number, expected_institution=HOSPITAL))
            assert found == code


class TestSecrets:
    def test_the_raw_database_holds_neither_proof_numbers_nor_nonces(
        self, world: World, tmp_path: Path
    ) -> None:
        opened = world.called()
        proof = world.issue(opened)
        world.redeem(proof)
        digests = world.database.read(
            lambda connection: connection.scalars(select(store.proofs.c.auth_digest)).all()
        )
        world.close()
        raw = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
        assert digests[0].encode() in raw
        assert proof.auth_no.encode() not in raw
        assert opened.nonce.encode() not in raw

    def test_a_refusal_never_holds_the_number(self, world: World) -> None:
        proof = world.proof()
        for alter in dict(ALTERED).values():
            expected = alter(proof)
            refused = refusal_of(partial(world.redeem, proof, expected=expected))
            assert proof.auth_no not in str(refused) + str(refused.as_json())
