import sys
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
from shualian.core.settings import RegistryCheck
from shualian.face.liveness.decision import LivenessLevel
from shualian.face.model import Hint
from shualian.terminals.model import TerminalClass
from shualian.verification import store
from shualian.verification.model import (
    AccessKind,
    Basis,
    Called,
    ConsentPurpose,
    Document,
    Expected,
    FaceProof,
    Factor,
    IdentificationOutcome,
    LastDigits,
    LookFor,
    Redemption,
    Relation,
    Scene,
    SessionState,
    TypedNumber,
    UnknownReason,
    VoucherStanding,
)
from shualian.verification.registry.model import RegistryVerdict
from shualian.verification.sessions.model import RunningCapture
from verification.world import (
    ALTERED,
    CONFIRMED,
    DEGRADED_MAX,
    HOSPITAL,
    ID_NUMBERS,
    INTENT,
    LI,
    NOBODYS_NUMBER,
    NOT_READY,
    PICTURE,
    PIN,
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

TERMINAL = terminal().terminal_id
BOTH = (ConsentPurpose.COMPARISON, ConsentPurpose.TEMPLATE)
ZHANG_TYPED = TypedNumber(ID_NUMBERS[ZHANG])
ZHANG_DOCUMENT = Document(ID_NUMBERS[ZHANG])


def refusal_of(work: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as refused:
        work()
    return refused.value


def code_of(work: Callable[[], object]) -> str:
    return refusal_of(work).kind.code


def state_of(world: World, session_id: SessionId) -> SessionState:
    return world.session(session_id).state_at(world.clock.now())


class TestBeginning:
    def test_a_document_is_believed_only_where_one_can_be_read(self, world: World) -> None:
        browser = terminal(TerminalClass.BROWSER)
        code = code_of(lambda: world.begin(browser, look_for=ZHANG_DOCUMENT))
        assert code == "verification.no_document_reader"
        world.begin(browser, look_for=ZHANG_TYPED)
        world.begin(terminal(TerminalClass.SCAN_FACE), look_for=ZHANG_DOCUMENT)

    def test_no_session_opens_without_consent_to_the_comparison(self, world: World) -> None:
        others = [ConsentPurpose.TEMPLATE, ConsentPurpose.ONE_SCAN_PAYMENT]
        assert code_of(lambda: world.begin(consents=others)) == "verification.consent_missing"
        assert world.rows(store.sessions) == 0

    def test_the_consents_are_recorded_on_the_session(self, world: World) -> None:
        session = world.session(world.begin(consents=BOTH).session_id)
        assert {given.purpose for given in session.consents} == set(BOTH)
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

    def test_each_session_has_a_nonce_and_a_ticket_of_its_own(self, world: World) -> None:
        one, two = world.begin(), world.begin()
        assert len({one.nonce, one.ticket, two.nonce, two.ticket}) == 4

    def test_a_policy_that_asks_for_more_than_is_proven_does_not_start(self, world: World) -> None:
        world.policy = replace(POLICY, verification_fmr=1e-6)
        assert code_of(lambda: world.service_in(Mode.SANDBOX)) == "test.not_proven"

    def test_more_than_the_terminal_may_settle_is_refused_before_the_camera(
        self, world: World
    ) -> None:
        browser = terminal(TerminalClass.BROWSER)
        code = code_of(lambda: world.begin(browser, amount_max_fen=1_000_01))
        assert code == "terminals.amount_over_limit"
        code = code_of(lambda: world.begin(amount_max_fen=-1))
        assert code == "verification.amount_invalid"

    @pytest.mark.parametrize(
        ("key_id", "notice"), [("k" * 65, "1"), ("", "1"), ("k\0", "1"), ("k", "n" * 31)]
    )
    def test_what_no_column_holds_is_refused(self, world: World, key_id: str, notice: str) -> None:
        begin = partial(
            world.service.begin,
            terminal(),
            key_id=key_id,
            scene=Scene.REGISTRATION,
            notice_version=notice,
            consents=BOTH,
            look_for=Expected(),
        )
        assert code_of(begin) == "verification.text_invalid"
        assert world.rows(store.sessions) == 0

    @pytest.mark.parametrize("digits", ["123", "12a4", "1X34", "１２３４", "123456789", ""])
    def test_what_cannot_end_an_id_number_is_not_searched(self, world: World, digits: str) -> None:
        code = code_of(lambda: world.begin(look_for=LastDigits(digits)))
        assert code == "verification.digits_invalid"

    def test_nobody_called_means_nobody_to_compare_with(self, world: World) -> None:
        world.office.calls = {}
        code = code_of(lambda: world.begin(look_for=Called()))
        assert code == "verification.nobody_called"

    @pytest.mark.parametrize("by", [Called(), ZHANG_DOCUMENT])
    def test_a_frozen_voucher_is_told_early_to_who_is_called_or_shows_a_document(
        self, world: World, by: LookFor
    ) -> None:
        world.office.stands(ZHANG, VoucherStanding.FROZEN)
        code = code_of(lambda: world.begin(look_for=by))
        assert code == "verification.voucher_frozen"

    def test_a_typed_number_learns_nothing_at_the_beginning(self, world: World) -> None:
        answers = set()
        for voucher in VoucherStanding:
            world.office.stands(ZHANG, voucher)
            answers.add(world.begin(scene=Scene.REGISTRATION, look_for=ZHANG_TYPED).liveness)
        nobodys = TypedNumber(NOBODYS_NUMBER)
        answers.add(world.begin(scene=Scene.REGISTRATION, look_for=nobodys).liveness)
        assert answers == {LivenessLevel.ACTIVE}

    @pytest.mark.parametrize("paused", [TERMINAL, ZHANG])
    def test_a_pause_holds_the_terminal_or_the_claim(
        self, world: World, paused: TerminalId | PersonNo
    ) -> None:
        world.office.pausing = {paused}
        assert code_of(lambda: world.begin(look_for=ZHANG_TYPED)) == "test.paused"


class TestLiveness:
    def test_a_search_that_moves_nothing_is_passive(self, world: World) -> None:
        opened = world.begin(scene=Scene.REGISTRATION, amount_max_fen=0)
        assert opened.liveness is LivenessLevel.PASSIVE

    def test_a_terminal_with_failures_asks_for_active_liveness_for_a_while(
        self, world: World
    ) -> None:
        for _ in range(3):
            opened = world.open()
            refusal_of(partial(world.verify, opened, seen=captured(live=False)))
        begin = partial(world.begin, scene=Scene.REGISTRATION, amount_max_fen=0)
        assert begin().liveness is LivenessLevel.ACTIVE
        world.wait(601)
        assert begin().liveness is LivenessLevel.PASSIVE

    def test_a_capture_that_lacks_the_challenge_is_not_live(self, world: World) -> None:
        opened = world.open()
        passive = captured(active=False)
        assert code_of(lambda: world.verify(opened, seen=passive)) == "verification.not_live"
        assert world.gallery.searched == []


class TestTickets:
    def test_a_ticket_opens_one_stream(self, world: World) -> None:
        opened = world.begin()
        world.open_capture(opened)
        assert code_of(lambda: world.open_capture(opened)) == "verification.session_busy"

    def test_a_ticket_is_good_for_ten_seconds(self, world: World) -> None:
        early, late = world.begin(), world.begin()
        world.wait(9.9)
        world.open_capture(early)
        world.wait(0.1)
        assert code_of(lambda: world.open_capture(late)) == "verification.ticket_wrong"

    def test_a_strange_ticket_or_nonce_opens_nothing_and_uses_nothing_up(
        self, world: World
    ) -> None:
        opened, other = world.begin(), world.begin()
        for wrong, code in (
            (replace(opened, ticket=other.ticket), "verification.ticket_wrong"),
            (replace(opened, nonce=other.nonce), "verification.session_nonce_wrong"),
            (replace(opened, ticket="\ud800"), "verification.ticket_wrong"),
            (replace(opened, session_id=SessionId("\0")), "verification.session_not_found"),
        ):
            assert code_of(partial(world.open_capture, wrong)) == code
        world.open_capture(opened)

    def test_of_parallel_streams_one_claims_the_session(self, world: World) -> None:
        opened = world.begin()
        claim = partial(
            world.service.open_capture,
            opened.session_id,
            ticket=opened.ticket,
            nonce=opened.nonce,
        )
        results = in_parallel([claim] * 8)
        assert sum(isinstance(result, RunningCapture) for result in results) == 1

    def test_nothing_is_verified_before_the_stream_is_open(self, world: World) -> None:
        opened = world.begin()
        assert code_of(lambda: world.verify(opened)) == "verification.capture_not_opened"
        assert world.gallery.searched == []


class TestDeciding:
    def test_a_narrowed_search_names_a_person_and_says_how_sure_that_is(self, world: World) -> None:
        outcome = world.verify(world.open())
        person = outcome.person
        assert person is not None
        assert person.point is not None
        assert outcome.unknown is None
        assert (person.subject, person.score) == (ZHANG, 0.8)
        assert (person.fmr, person.proven_for_population) == (1e-4, False)
        assert person.point.data == "dev, cooperative"
        assert person.comparisons == 3
        assert person.error_upper95 == pytest.approx(3 * 2.4e-4)
        assert person.factors == {Factor.FACE}
        assert (person.basis, person.registry) == (Basis.TEMPLATE, RegistryVerdict.MATCH)

    def test_a_rate_is_called_proven_only_for_the_population_that_is_served(
        self, world: World
    ) -> None:
        world.policy = replace(POLICY, population="east_asian")
        world.service = world.service_in(Mode.SANDBOX)
        outcome = world.verify(world.open())
        assert outcome.person is not None
        assert outcome.person.proven_for_population

    @pytest.mark.parametrize(
        ("claim", "factor"),
        [
            (Called(), Factor.CALLED),
            (ZHANG_TYPED, Factor.DIGITS),
            (ZHANG_DOCUMENT, Factor.DOCUMENT),
        ],
    )
    def test_a_claimed_person_is_compared_alone_at_the_rate_for_claims(
        self, world: World, claim: LookFor, factor: Factor
    ) -> None:
        outcome = world.verify(world.open(look_for=claim))
        assert outcome.person is not None
        assert world.gallery.searched == [frozenset({ZHANG})]
        assert (outcome.person.fmr, outcome.person.comparisons) == (1e-3, 1)
        assert outcome.person.factors == {Factor.FACE, factor}

    def test_whoever_is_called_when_the_capture_is_decided_is_compared(self, world: World) -> None:
        opened = world.open(look_for=Called())
        world.office.calls[TERMINAL] = LI
        assert world.verify(opened).unknown is UnknownReason.BELOW_THRESHOLD
        assert world.gallery.searched == [frozenset({LI})]

    def test_last_digits_search_those_whose_number_ends_so(self, world: World) -> None:
        digits = ID_NUMBERS[ZHANG].value[-4:].lower()
        outcome = world.verify(world.open(look_for=LastDigits(digits)))
        assert outcome.person is not None
        assert outcome.person.factors == {Factor.FACE, Factor.DIGITS}
        assert world.gallery.searched == [frozenset({ZHANG})]

    def test_the_digits_are_forgotten_when_the_session_is_decided(self, world: World) -> None:
        opened = world.open(look_for=LastDigits("0012"))
        assert world.session(opened.session_id).sought.digits == "0012"
        world.service.abandon(opened.session_id, reason="verification.capture_lost")
        assert world.session(opened.session_id).sought.digits is None

    def test_the_decision_is_stored_as_it_was_told(self, world: World) -> None:
        opened = world.open()
        outcome = world.verify(opened)
        session = world.session(opened.session_id)
        assert session.person == outcome.person
        assert session.decided_at == world.clock.now()
        assert world.audited() == ["verification.session"]

    def test_a_stranger_stays_unknown_and_may_try_again(self, world: World) -> None:
        world.gallery.scores = {ZHANG: 0.2, LI: 0.1, WANG: 0.1}
        opened = world.open()
        outcome = world.verify(opened)
        assert outcome == IdentificationOutcome(None, UnknownReason.BELOW_THRESHOLD, 2)
        assert state_of(world, opened.session_id) is SessionState.CAPTURING

    def test_two_who_look_alike_stay_unknown_until_something_tells_them_apart(
        self, world: World
    ) -> None:
        world.gallery.scores = {ZHANG: 0.80, LI: 0.77}
        opened = world.open()
        assert world.verify(opened).unknown is UnknownReason.NOT_CLEAR
        outcome = world.verify(opened, ZHANG_TYPED)
        assert outcome.person is not None
        assert outcome.person.subject == ZHANG
        assert outcome.person.comparisons == 3
        assert outcome.person.error_upper95 == pytest.approx(2 * 2.4e-4 + 1.6e-3)

    def test_a_called_person_without_a_template_is_unknown_and_asked_for_the_number(
        self, world: World
    ) -> None:
        world.office.calls[TERMINAL] = STRANGER
        outcome = world.verify(world.open(look_for=Called()))
        assert outcome.unknown is UnknownReason.NO_TEMPLATE

    def test_attempts_run_out(self, world: World) -> None:
        world.gallery.scores = {}
        opened = world.open()
        left = [world.verify(opened).attempts_left for _ in range(3)]
        assert left == [2, 1, 0]
        assert state_of(world, opened.session_id) is SessionState.REFUSED
        assert code_of(lambda: world.verify(opened)) == "verification.session_closed"

    def test_who_is_not_live_is_refused_before_any_comparison(self, world: World) -> None:
        opened = world.open()
        attack = captured(live=False)
        assert code_of(lambda: world.verify(opened, seen=attack)) == "verification.not_live"
        assert (world.gallery.searched, world.police.asked) == ([], [])
        assert code_of(lambda: world.verify(opened)) == "verification.session_closed"

    @pytest.mark.parametrize("hints", [[], [Hint.HOLD_STILL, Hint.TOO_DARK]])
    def test_poor_pictures_are_not_compared_but_may_be_taken_again(
        self, world: World, hints: list[Hint]
    ) -> None:
        opened = world.open()
        poor = captured(hints=hints)
        assert code_of(lambda: world.verify(opened, seen=poor)) == "verification.picture_poor"
        assert world.gallery.searched == []
        assert world.verify(opened).person is not None

    def test_more_enrolled_people_than_the_proven_error_rate_carries_are_not_decided_on(
        self, world: World
    ) -> None:
        assert world.service.people_max == 13
        crowd = {PersonNo(f"P{n}"): 0.9 for n in range(13)}
        world.gallery.scores |= crowd
        world.office.expecting = {ZHANG, *crowd}
        opened = world.open()
        assert world.verify(opened).unknown is UnknownReason.TOO_MANY_PEOPLE
        session = world.session(opened.session_id)
        assert (session.comparisons, session.error_upper95) == (0, 0.0)
        outcome = world.verify(opened, LastDigits(ID_NUMBERS[ZHANG].value[-4:]))
        assert outcome.person is not None

    def test_people_without_a_template_do_not_count_towards_the_limit(self, world: World) -> None:
        world.office.expecting |= {PersonNo(f"P{n}") for n in range(100)}
        outcome = world.verify(world.open())
        assert outcome.person is not None
        assert outcome.person.comparisons == 3

    def test_vectors_of_another_path_are_not_compared(self, world: World) -> None:
        opened = world.open()
        foreign = captured(path_id="another path")
        assert code_of(lambda: world.verify(opened, seen=foreign)) == "verification.path_differs"
        assert world.gallery.searched == []

    def test_a_gallery_that_cannot_answer_leaves_the_capture_running(self, world: World) -> None:
        def fail() -> None:
            raise Refused(NOT_READY)

        opened = world.open()
        world.gallery.meanwhile = fail
        assert code_of(lambda: world.verify(opened)) == "test.not_ready"
        world.gallery.meanwhile = lambda: None
        assert world.verify(opened).person is not None

    def test_consent_withdrawn_meanwhile_leaves_the_person_unknown(self, world: World) -> None:
        def withdraw() -> None:
            world.office.standings[ZHANG] = replace(
                world.office.standings[ZHANG], template_consent=False
            )

        world.gallery.meanwhile = withdraw
        assert world.verify(world.open()).unknown is UnknownReason.NO_TEMPLATE
        assert world.police.asked == []

    def test_a_template_without_consent_is_not_compared_with_a_claim(self, world: World) -> None:
        world.office.standings[ZHANG] = replace(
            world.office.standings[ZHANG], template_consent=False
        )
        assert world.verify(world.open(look_for=Called())).unknown is UnknownReason.NO_TEMPLATE
        assert world.gallery.searched == []

    def test_the_picture_does_not_outlive_the_decision(self, world: World) -> None:
        picture = b"a picture that is counted" * 2
        before = sys.getrefcount(picture)
        world.verify(world.open(), seen=captured(picture=picture))
        world.police.asked.clear()
        world.police.verdict = RegistryVerdict.NO_MATCH
        opened = world.open()
        # Straight to the service: the frame of a move of this world would keep it.
        refused = refusal_of(
            lambda: world.service.verify(
                opened.session_id, nonce=opened.nonce, captured=captured(picture=picture)
            )
        )
        assert refused.kind.code == "verification.registry_no_match"
        world.police.asked.clear()
        assert sys.getrefcount(picture) == before


class TestRegistry:
    @pytest.mark.parametrize(
        "verdict",
        [
            RegistryVerdict.NO_MATCH,
            RegistryVerdict.NAME_NUMBER_MISMATCH,
            RegistryVerdict.NO_USABLE_PHOTO,
            RegistryVerdict.NOT_FOUND,
        ],
    )
    def test_every_mismatch_refuses_with_its_own_words(
        self, world: World, verdict: RegistryVerdict
    ) -> None:
        world.police.verdict = verdict
        opened = world.open()
        assert code_of(lambda: world.verify(opened)) == f"verification.registry_{verdict}"
        assert state_of(world, opened.session_id) is SessionState.REFUSED
        assert world.audited() == ["verification.session"]
        assert world.office.failures[TERMINAL, None] == 1

    def test_it_is_asked_for_the_named_person_with_the_picture(self, world: World) -> None:
        world.verify(world.open())
        (query,) = world.police.asked
        assert (query.id_number, query.picture) == (ID_NUMBERS[ZHANG], PICTURE)

    def test_nobody_named_means_nobody_asked(self, world: World) -> None:
        world.gallery.scores = {ZHANG: 0.2}
        world.verify(world.open())
        assert world.police.asked == []

    @pytest.mark.parametrize("picture", [PICTURE, None])
    def test_unreachable_is_degraded_recorded_and_shown(
        self, world: World, picture: bytes | None
    ) -> None:
        world.police.verdict = RegistryVerdict.UNAVAILABLE
        opened = world.open(look_for=Called(), amount_max_fen=DEGRADED_MAX + 1)
        outcome = world.verify(opened, seen=captured(picture=picture))
        assert outcome.person is not None
        assert outcome.person.degraded
        assert world.result(opened).registry is RegistryVerdict.UNAVAILABLE
        assert world.audited() == ["verification.session", "verification.degraded"]
        over = intent(amount_max_fen=DEGRADED_MAX + 1)
        assert code_of(lambda: world.issue(opened, over)) == "verification.degraded_limit"
        assert world.issue(opened, intent(amount_max_fen=DEGRADED_MAX))

    def test_by_risk_a_passive_search_without_money_is_not_asked_about(self, world: World) -> None:
        world.service = world.service_in(Mode.SANDBOX, RegistryCheck.RISK)
        opened = world.open(scene=Scene.REGISTRATION, amount_max_fen=0)
        outcome = world.verify(opened, seen=captured(active=False))
        assert outcome.person is not None
        assert outcome.person.registry is None
        world.verify(world.open())
        assert len(world.police.asked) == 1

    def test_who_keeps_no_template_is_decided_by_the_registry_alone(self, world: World) -> None:
        opened = world.open(look_for=Document(ID_NUMBERS[STRANGER]))
        person = world.verify(opened).person
        assert person is not None
        assert (person.subject, person.basis) == (STRANGER, Basis.REGISTRY)
        assert (person.score, person.point, person.error_upper95) == (None, None, None)
        assert world.session(opened.session_id).person == person
        assert world.issue(opened, intent(subject=STRANGER))

    def test_without_template_and_registry_nobody_is_named_but_may_try_again(
        self, world: World
    ) -> None:
        world.police.verdict = RegistryVerdict.UNAVAILABLE
        opened = world.open(look_for=TypedNumber(ID_NUMBERS[STRANGER]))
        code = code_of(lambda: world.verify(opened))
        assert code == "verification.registry_unavailable"
        world.police.verdict = RegistryVerdict.MATCH
        assert world.verify(opened).person is not None

    def test_the_registry_alone_needs_active_liveness(self, world: World) -> None:
        opened = world.open(scene=Scene.REGISTRATION, amount_max_fen=0)
        assert opened.liveness is LivenessLevel.PASSIVE
        asked = TypedNumber(ID_NUMBERS[STRANGER])
        code = code_of(lambda: world.verify(opened, asked, seen=captured(active=False)))
        assert code == "verification.active_needed"
        assert world.police.asked == []

    def test_a_number_that_nobody_has_is_told_after_liveness_only(self, world: World) -> None:
        nobodys = TypedNumber(NOBODYS_NUMBER)
        attack = captured(live=False)
        code = code_of(lambda: world.verify(world.open(look_for=nobodys), seen=attack))
        assert code == "verification.not_live"
        code = code_of(lambda: world.verify(world.open(look_for=nobodys)))
        assert code == "verification.person_not_found"
        assert world.office.failures[TERMINAL, None] == 2


class TestStanding:
    @pytest.mark.parametrize("voucher", [VoucherStanding.NOT_ACTIVATED, VoucherStanding.DORMANT])
    @pytest.mark.parametrize("claim", [ZHANG_TYPED, ZHANG_DOCUMENT])
    def test_a_claim_activates_and_wakes_with_an_active_capture_and_the_registry(
        self, world: World, voucher: VoucherStanding, claim: LookFor
    ) -> None:
        world.office.stands(ZHANG, voucher)
        opened = world.open(scene=Scene.REGISTRATION, look_for=claim, amount_max_fen=0)
        assert world.verify(opened).person is not None
        assert world.result(opened).activated
        assert world.result(opened).standing == ()

    def test_the_called_patient_with_a_dormant_voucher_is_asked_for_active_liveness(
        self, world: World
    ) -> None:
        world.office.stands(ZHANG, VoucherStanding.DORMANT)
        opened = world.open(scene=Scene.CONSULTATION, look_for=Called(), amount_max_fen=0)
        assert opened.liveness is LivenessLevel.ACTIVE
        assert world.verify(opened).person is not None

    def test_nobody_is_activated_from_a_search(self, world: World) -> None:
        world.office.stands(ZHANG, VoucherStanding.NOT_ACTIVATED)
        code = code_of(lambda: world.verify(world.open()))
        assert code == "verification.voucher_not_activated"
        assert world.office.followed == []

    def test_a_dormant_voucher_is_not_woken_by_a_passive_capture(self, world: World) -> None:
        world.office.stands(ZHANG, VoucherStanding.DORMANT)
        opened = world.open(scene=Scene.REGISTRATION, amount_max_fen=0)
        code = code_of(lambda: world.verify(opened, seen=captured(active=False)))
        assert code == "verification.active_needed"

    @pytest.mark.parametrize("voucher", [VoucherStanding.NOT_ACTIVATED, VoucherStanding.DORMANT])
    def test_nothing_is_activated_while_the_registry_is_silent(
        self, world: World, voucher: VoucherStanding
    ) -> None:
        world.office.stands(ZHANG, voucher)
        world.police.verdict = RegistryVerdict.UNAVAILABLE
        code = code_of(lambda: world.verify(world.open(look_for=ZHANG_TYPED)))
        assert code == "verification.registry_unavailable"
        assert world.office.followed == []

    @pytest.mark.parametrize(
        ("voucher", "code"),
        [
            (VoucherStanding.FROZEN, "verification.voucher_frozen"),
            (VoucherStanding.CLOSED, "verification.voucher_closed"),
        ],
    )
    @pytest.mark.parametrize("look_for", [Expected(), ZHANG_TYPED])
    def test_a_frozen_or_closed_voucher_refuses_the_right_person_only(
        self, world: World, voucher: VoucherStanding, code: str, look_for: LookFor
    ) -> None:
        world.office.stands(ZHANG, voucher)
        assert code_of(lambda: world.verify(world.open(look_for=look_for))) == code
        world.gallery.scores[ZHANG] = 0.1
        stranger = world.verify(world.open(look_for=look_for))
        assert stranger.unknown is UnknownReason.BELOW_THRESHOLD

    def test_a_child_waits_for_a_guardian(self, world: World) -> None:
        world.office.standings[ZHANG] = replace(
            world.office.standings[ZHANG], guardian_missing=True
        )
        assert code_of(lambda: world.verify(world.open())) == "verification.guardian_missing"

    def test_a_voucher_frozen_after_the_capture_stops_the_proof(self, world: World) -> None:
        opened = world.called()
        world.office.stands(ZHANG, VoucherStanding.FROZEN)
        assert code_of(lambda: world.issue(opened)) == "verification.voucher_frozen"

    def test_what_follows_and_fails_refuses_the_session(self, world: World) -> None:
        world.office.stands(ZHANG, VoucherStanding.NOT_ACTIVATED)
        world.office.refuses_to_follow = True
        opened = world.open(look_for=ZHANG_TYPED)
        assert code_of(lambda: world.verify(opened)) == "test.not_done"
        assert world.result(opened).state is SessionState.REFUSED
        assert code_of(lambda: world.issue(opened)) == "verification.not_verified"

    @pytest.mark.parametrize("agreed_before", [True, False])
    def test_a_template_comes_of_a_consent_now_or_earlier(
        self, world: World, agreed_before: bool
    ) -> None:
        world.office.standings[ZHANG] = replace(
            world.office.standings[ZHANG], template_consent=agreed_before
        )
        world.verify(world.open(look_for=ZHANG_TYPED, consents=BOTH[:1]))
        ((_, template),) = world.office.followed
        assert (template is not None) == agreed_before

    @pytest.mark.parametrize(
        ("look_for", "consents", "verdict", "given"),
        [
            (ZHANG_TYPED, BOTH, RegistryVerdict.MATCH, True),
            (ZHANG_DOCUMENT, BOTH, RegistryVerdict.MATCH, True),
            (ZHANG_TYPED, BOTH, RegistryVerdict.UNAVAILABLE, False),
            (Called(), BOTH, RegistryVerdict.MATCH, False),
            (Expected(), BOTH, RegistryVerdict.MATCH, False),
        ],
    )
    def test_a_template_comes_only_from_an_agreed_active_matched_claim(
        self,
        world: World,
        look_for: LookFor,
        consents: tuple[ConsentPurpose, ...],
        verdict: RegistryVerdict,
        given: bool,
    ) -> None:
        world.police.verdict = verdict
        world.verify(world.open(look_for=look_for, consents=consents))
        ((session, template),) = world.office.followed
        assert (template is not None) == given
        assert session.state is SessionState.VERIFIED


class TestSessions:
    def test_a_capture_without_the_sessions_nonce_is_not_looked_at(self, world: World) -> None:
        opened, older = world.open(), world.open()
        code = code_of(lambda: world.verify(opened, nonce=older.nonce))
        assert code == "verification.session_nonce_wrong"
        assert world.gallery.searched == []

    @pytest.mark.parametrize("session_id", ["INVENTED", "\0", "\ud800", "", "x" * 1000])
    def test_a_session_nobody_opened_is_not_found(self, world: World, session_id: str) -> None:
        invented = replace(world.open(), session_id=SessionId(session_id))
        assert code_of(lambda: world.verify(invented)) == "verification.session_not_found"

    def test_a_session_ends_with_its_time(self, world: World) -> None:
        opened = world.open()
        world.wait(90)
        assert state_of(world, opened.session_id) is SessionState.EXPIRED
        assert world.result(opened).attempts_left == 0
        assert code_of(lambda: world.verify(opened)) == "verification.session_expired"

    def test_a_decision_that_comes_after_the_time_does_not_count(self, world: World) -> None:
        opened = world.open()
        world.gallery.meanwhile = lambda: world.wait(90)
        assert code_of(lambda: world.verify(opened)) == "verification.session_expired"
        assert world.rows(store.persons) == 0

    def test_a_verified_session_is_not_verified_again(self, world: World) -> None:
        opened = world.open()
        world.verify(opened)
        assert code_of(lambda: world.verify(opened)) == "verification.session_closed"

    def test_a_second_verify_during_the_first_is_refused_and_compares_nothing(
        self, world: World
    ) -> None:
        opened = world.open()
        codes: list[str] = []
        world.gallery.meanwhile = lambda: codes.append(code_of(lambda: world.verify(opened)))
        outcome = world.verify(opened)
        assert codes == ["verification.session_busy"]
        assert outcome.person is not None
        assert len(world.gallery.searched) == 1

    def test_of_parallel_verifies_of_one_session_one_wins(self, world: World) -> None:
        opened = world.open()
        results = in_parallel([lambda: world.verify(opened)] * 8)
        winners = [result for result in results if isinstance(result, IdentificationOutcome)]
        codes = {result.kind.code for result in results if isinstance(result, Refused)}
        assert len(winners) == 1
        assert codes <= {"verification.session_busy", "verification.session_closed"}
        assert len(world.gallery.searched) == 1

    def test_a_lost_stream_ends_the_session_and_a_decided_one_stays(self, world: World) -> None:
        lost, decided = world.open(), world.called()
        for opened in (lost, decided):
            world.service.abandon(opened.session_id, reason="张三 has left the room")
        assert world.result(lost).refused == "verification.capture_lost"
        assert code_of(lambda: world.verify(lost)) == "verification.session_closed"
        assert world.result(decided).state is SessionState.VERIFIED

    def test_a_stream_lost_during_the_decision_leaves_no_person(self, world: World) -> None:
        opened = world.open()
        world.gallery.meanwhile = lambda: world.service.abandon(
            opened.session_id, reason="captures.connection_lost"
        )
        assert code_of(lambda: world.verify(opened)) == "verification.session_closed"
        assert world.result(opened).refused == "captures.connection_lost"
        assert world.rows(store.persons) == 0

    def test_the_result_can_be_read_again_by_its_terminal_alone(self, world: World) -> None:
        opened = world.called()
        first = world.result(opened)
        assert first == world.result(opened)
        assert (first.state, first.attempts_left) == (SessionState.VERIFIED, 0)
        assert first.masked_id_number == ID_NUMBERS[ZHANG].masked
        assert (first.masked_name, first.region) == ("张*例", "990000")
        other = TerminalId("K03")
        code = code_of(lambda: world.service.result(opened.session_id, terminal_id=other))
        assert code == "verification.session_other_terminal"

    def test_the_result_tells_what_stands_in_the_way(self, world: World) -> None:
        opened = world.called()
        world.office.standings[ZHANG] = replace(
            world.office.standings[ZHANG],
            insurance_note="arrears",
            payment_held_until=world.clock.now().replace(hour=2),
        )
        assert world.result(opened).standing == ("payment_held", "arrears")

    def test_failures_and_successes_are_told_to_the_pauses(self, world: World) -> None:
        world.called()
        world.gallery.scores[ZHANG] = 0.1
        world.verify(world.open(look_for=ZHANG_TYPED))
        refusal_of(lambda: world.verify(world.open(), seen=captured(hints=[])))
        assert world.office.successes == {(TERMINAL, ZHANG): 1}
        assert world.office.failures == {(TERMINAL, ZHANG): 1}

    def test_a_pause_that_began_meanwhile_holds_the_next_attempt_without_counting_it(
        self, world: World
    ) -> None:
        opened = world.open()
        world.office.pausing = {ZHANG}
        assert code_of(lambda: world.verify(opened, ZHANG_TYPED)) == "test.paused"
        assert world.session(opened.session_id).attempts == 0


class TestIssuing:
    def test_a_confirmation_gives_a_proof_of_exactly_what_was_confirmed(self, world: World) -> None:
        proof = world.issue(world.called(), intent(amount_max_fen=12_34, uses=2))
        assert proof.subject == proof.beneficiary == ZHANG
        assert proof.relation is Relation.SELF
        assert (proof.intent_id, proof.scene) == ("INTENT-1", Scene.SETTLEMENT)
        assert (proof.terminal_id, proof.institution) == ("K02", HOSPITAL)
        assert (proof.amount_max_fen, proof.uses) == (12_34, 2)
        assert (proof.expires_at - world.clock.now()).total_seconds() == 300
        assert world.audited() == ["verification.session", "verification.proof_issued"]

    def test_a_face_found_by_search_confirms_what_costs_nothing(self, world: World) -> None:
        opened = world.open()
        world.verify(opened)
        assert world.issue(opened, intent(amount_max_fen=0)).amount_max_fen == 0

    def test_a_face_alone_moves_no_money(self, world: World) -> None:
        opened = world.open()
        world.verify(opened)
        refused = refusal_of(lambda: world.issue(opened, intent(amount_max_fen=1)))
        assert refused.kind.code == "verification.face_alone"
        assert refused.details == {"found": "face"}

    def test_typed_digits_beside_the_face_move_no_money(self, world: World) -> None:
        opened = world.open(look_for=ZHANG_TYPED)
        world.verify(opened)
        code = code_of(lambda: world.issue(opened, intent(amount_max_fen=1)))
        assert code == "verification.face_alone"

    def test_a_pin_joins_the_face_and_moves_money(self, world: World) -> None:
        opened = world.open(look_for=ZHANG_TYPED)
        world.verify(opened)
        assert code_of(lambda: world.issue(opened, pin="000000")) == "test.pin_wrong"
        assert world.issue(opened, pin=PIN)
        assert world.office.pins_tried == [(ZHANG, "000000"), (ZHANG, PIN)]

    def test_what_is_refused_anyway_costs_no_try_at_the_pin(self, world: World) -> None:
        opened = world.called(amount_max_fen=100)
        wrong = [
            intent(amount_max_fen=101),
            intent(uses=9),
            intent(subject=LI),
            replace(intent(), beneficiary=LI, relation=Relation.PROXY),
        ]
        for asked in wrong:
            refusal_of(partial(world.issue, opened, asked, pin=PIN))
        assert world.office.pins_tried == []

    def test_no_more_than_was_named_at_the_beginning_is_confirmed(self, world: World) -> None:
        opened = world.called(amount_max_fen=10_00)
        refused = refusal_of(lambda: world.issue(opened, intent(amount_max_fen=10_01)))
        assert refused.kind.code == "verification.amount_over_begun"
        assert world.issue(opened, intent(amount_max_fen=10_00))

    def test_a_template_replaced_lately_moves_no_money_yet(self, world: World) -> None:
        held = world.clock.now().replace(hour=23)
        world.office.standings[ZHANG] = replace(
            world.office.standings[ZHANG], payment_held_until=held
        )
        code = code_of(lambda: world.issue(world.called()))
        assert code == "verification.payment_held"
        assert world.issue(world.called(), intent(amount_max_fen=0))
        world.clock.set(held)
        assert world.issue(world.called())

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
        code = code_of(lambda: world.issue(opened, intent(subject=LI)))
        assert code == "verification.claim_subject_differs"

    def test_the_confirmed_scene_is_the_one_of_the_session(self, world: World) -> None:
        opened = world.called()
        other = replace(intent(), scene=Scene.DISPENSING)
        assert code_of(lambda: world.issue(opened, other)) == "verification.claim_scene_differs"

    def test_another_terminal_cannot_confirm(self, world: World) -> None:
        opened = world.called()
        code = code_of(lambda: world.issue(opened, terminal_id=TerminalId("K03")))
        assert code == "verification.session_other_terminal"

    @pytest.mark.parametrize("relation", [Relation.FAMILY, Relation.PROXY])
    def test_who_acts_for_another_needs_a_proven_relation(
        self, world: World, relation: Relation
    ) -> None:
        opened = world.called()
        asked = replace(intent(), relation=relation, beneficiary=LI)
        assert code_of(lambda: world.issue(opened, asked)) == "test.not_related"
        world.office.related = {(ZHANG, LI, relation)}
        world.office.stands(LI, VoucherStanding.FROZEN)
        assert code_of(lambda: world.issue(opened, asked)) == "verification.voucher_frozen"
        world.office.stands(LI, VoucherStanding.ACTIVE)
        assert world.issue(opened, asked).beneficiary == LI

    def test_a_child_for_whom_a_relative_scans_needs_no_consent_to_faces(
        self, world: World
    ) -> None:
        world.office.related = {(ZHANG, LI, Relation.FAMILY)}
        world.office.standings[LI] = replace(world.office.standings[LI], guardian_missing=True)
        asked = replace(intent(), relation=Relation.FAMILY, beneficiary=LI)
        assert world.issue(world.called(), asked).beneficiary == LI

    def test_nobody_is_a_relative_of_themselves(self, world: World) -> None:
        asked = replace(intent(), relation=Relation.FAMILY)
        code = code_of(lambda: world.issue(world.called(), asked))
        assert code == "verification.relation_not_proven"

    @pytest.mark.parametrize("uses", [-1, 0, 5])
    def test_a_proof_is_good_for_a_few_uses(self, world: World, uses: int) -> None:
        opened = world.called()
        code = code_of(lambda: world.issue(opened, intent(uses=uses)))
        assert code == "verification.uses_invalid"

    def test_a_negative_amount_is_refused(self, world: World) -> None:
        opened = world.called()
        code = code_of(lambda: world.issue(opened, intent(amount_max_fen=-1)))
        assert code == "verification.amount_invalid"

    @pytest.mark.parametrize("intent_id", ["", "I" * 31, "I\n"])
    def test_an_intent_without_a_storable_name_is_refused(
        self, world: World, intent_id: str
    ) -> None:
        asked = intent(intent_id=IntentId(intent_id))
        code = code_of(lambda: world.issue(world.called(), asked))
        assert code == "verification.text_invalid"

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


class TestOwnActs:
    def proof(self, world: World, pin: str | None = None) -> FaceProof:
        opened = world.called(scene=Scene.INSURED_SERVICES, amount_max_fen=0)
        asked = replace(intent(amount_max_fen=0), scene=Scene.INSURED_SERVICES)
        return world.issue(opened, asked, pin=pin)

    def test_a_confirmed_act_says_who_and_how_sure_and_the_same_again(self, world: World) -> None:
        proof = self.proof(world, PIN)
        confirm = partial(
            world.service.confirmed,
            proof.auth_no,
            terminal=terminal(),
            intent_id=INTENT,
            use="withdraw",
        )
        first = confirm()
        world.wait(1)
        assert confirm() == first
        assert (first.subject, first.active) == (ZHANG, True)
        assert first.factors == {Factor.FACE, Factor.CALLED, Factor.PIN}
        assert first.registry is RegistryVerdict.MATCH
        assert (world.clock.now() - first.confirmed_at).total_seconds() == 1
        assert world.rows(store.redemptions) == 1

    def test_an_old_proof_is_not_good_for_the_same_act_once_more(self, world: World) -> None:
        proof = self.proof(world)
        confirm = partial(
            world.service.confirmed,
            proof.auth_no,
            terminal=terminal(),
            intent_id=INTENT,
            use="pin.reset",
        )
        confirm()
        world.wait(299)
        assert confirm().subject == ZHANG
        world.wait(1)
        assert code_of(confirm) == "verification.proof_expired"

    def test_a_proof_of_another_scene_terminal_or_intent_confirms_nothing(
        self, world: World
    ) -> None:
        own, settlement = self.proof(world), world.proof()
        elsewhere = replace(terminal(), terminal_id=TerminalId("K03"))
        confirmed = partial(world.service.confirmed, use="withdraw")
        for work, code in (
            (
                partial(confirmed, settlement.auth_no, terminal=terminal(), intent_id=INTENT),
                "verification.proof_other_scene",
            ),
            (
                partial(confirmed, own.auth_no, terminal=elsewhere, intent_id=INTENT),
                "verification.proof_other_terminal",
            ),
            (
                partial(confirmed, own.auth_no, terminal=terminal(), intent_id=IntentId("X")),
                "verification.proof_other_intent",
            ),
        ):
            assert code_of(work) == code

    def test_the_insurers_services_always_ask_for_active_liveness(self, world: World) -> None:
        opened = world.begin(scene=Scene.INSURED_SERVICES, amount_max_fen=0)
        assert opened.liveness is LivenessLevel.ACTIVE


class TestOpenProofs:
    def redeem(
        self, world: World, *, subject: PersonNo = ZHANG, use: str = "bill 1", amount: int = 0
    ) -> Redemption:
        return world.service.redeem_open(
            expected_institution=HOSPITAL,
            expected_subject=subject,
            expected_scene=Scene.SETTLEMENT,
            use=use,
            amount_fen=Fen(amount),
        )

    def test_the_one_open_proof_of_the_person_is_redeemed_once(self, world: World) -> None:
        world.proof()
        assert self.redeem(world, amount=CONFIRMED).amount_fen == CONFIRMED
        code = code_of(lambda: self.redeem(world, amount=CONFIRMED))
        assert code == "verification.proof_not_open"

    def test_the_same_use_without_a_number_is_not_answered_again(self, world: World) -> None:
        world.proof(uses=2)
        self.redeem(world)
        assert code_of(lambda: self.redeem(world)) == "verification.intent_redeemed"
        assert self.redeem(world, use="bill 2")

    def test_several_open_proofs_cannot_be_told_apart(self, world: World) -> None:
        world.proof()
        world.issue(world.called(), intent(intent_id=IntentId("OTHER")))
        refused = refusal_of(lambda: self.redeem(world))
        assert refused.kind.code == "verification.proofs_open"
        assert refused.details == {"found": 2}

    def test_no_proof_of_another_person_an_older_one_or_for_more_money_is_open(
        self, world: World
    ) -> None:
        world.proof()
        code = code_of(lambda: self.redeem(world, subject=LI))
        assert code == "verification.proof_not_open"
        code = code_of(lambda: self.redeem(world, amount=CONFIRMED + 1))
        assert code == "verification.proof_amount_exceeded"
        world.wait(300)
        assert code_of(lambda: self.redeem(world)) == "verification.proof_not_open"


class TestAccessLog:
    def test_it_says_when_where_and_what_for_and_shows_nobody_else(self, world: World) -> None:
        world.redeem(world.proof())
        log = world.service.accesses_of(ZHANG)
        assert [access.what for access in log] == [
            AccessKind.VERIFIED,
            AccessKind.PROOF_ISSUED,
            AccessKind.PROOF_REDEEMED,
        ]
        assert {(access.institution, access.terminal_id) for access in log} == {
            (HOSPITAL, TERMINAL)
        }
        assert log[-1].use == "settle"
        assert world.service.accesses_of(LI) == []

    def test_who_acts_for_somebody_stands_in_the_log_of_both(self, world: World) -> None:
        world.office.related = {(ZHANG, LI, Relation.FAMILY)}
        world.issue(world.called(), replace(intent(), relation=Relation.FAMILY, beneficiary=LI))
        (access,) = world.service.accesses_of(LI)
        assert access.what is AccessKind.PROOF_ISSUED


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

    @pytest.mark.parametrize("use", ["", "u" * 31, "u\0"])
    def test_a_use_without_a_storable_name_is_refused(self, world: World, use: str) -> None:
        proof = world.proof()
        assert code_of(lambda: world.redeem(proof, use=use)) == "verification.text_invalid"

    def test_each_new_redemption_is_audited_once(self, world: World) -> None:
        proof = world.proof()
        world.redeem(proof)
        world.redeem(proof)
        assert world.audited()[2:] == ["verification.proof_redeemed"]

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
        assert opened.ticket.encode() not in raw
        assert all(number.value.encode() not in raw for number in ID_NUMBERS.values())

    def test_a_refusal_says_nothing_about_people(self, world: World) -> None:
        world.police.verdict = RegistryVerdict.NO_MATCH
        works: list[Callable[[], object]] = [
            lambda: world.verify(world.open(look_for=ZHANG_TYPED)),
            lambda: world.verify(world.open(look_for=TypedNumber(NOBODYS_NUMBER))),
            lambda: world.begin(look_for=LastDigits("00")),
        ]
        people = [*ID_NUMBERS, *(number.value for number in ID_NUMBERS.values()), "张示例"]
        for work in works:
            refused = refusal_of(work)
            told = str(refused) + str(refused.as_json())
            assert not any(each in told for each in people)

    def test_a_refusal_never_holds_the_number(self, world: World) -> None:
        proof = world.proof()
        for alter in dict(ALTERED).values():
            expected = alter(proof)
            refused = refusal_of(partial(world.redeem, proof, expected=expected))
            assert proof.auth_no not in str(refused) + str(refused.as_json())
