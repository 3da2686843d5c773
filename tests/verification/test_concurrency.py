"""Many at once, on both engines: one proof is used as often as was confirmed, never more."""

import threading
from functools import partial

import pytest

from shualian.core.database import Database
from shualian.core.identifiers import IntentId
from shualian.core.refusals import Refused
from shualian.verification import store
from shualian.verification.model import FaceProof, Redemption
from shualian.verification.sessions.model import RunningCapture
from verification.world import INTENT, World, in_parallel

THREADS = 100


@pytest.fixture
def crowded(any_database: Database) -> World:
    # Closed by the fixture of the database.
    return World(database=any_database)


def attempt(world: World, proof: FaceProof, number: int) -> Redemption:
    """One of a hundred: another use, and every second one for another intent."""
    intent_id = INTENT if number % 2 else IntentId(f"OTHER-{number}")
    return world.service.redeem(
        proof.auth_no,
        intent_id=intent_id,
        use=f"use-{number}",
        amount_fen=proof.amount_max_fen,
        expected_institution=proof.institution,
        expected_terminal=proof.terminal_id,
        expected_scene=proof.scene,
        expected_subject=proof.subject,
        expected_beneficiary=proof.beneficiary,
        expected_relation=proof.relation,
    )


def test_a_hundred_threads_redeem_one_proof_and_one_wins(crowded: World) -> None:
    proof = crowded.proof()
    results = in_parallel([partial(attempt, crowded, proof, n) for n in range(THREADS)])
    won = [result for result in results if isinstance(result, Redemption)]
    codes = {result.kind.code for result in results if isinstance(result, Refused)}
    assert len(results) == THREADS
    assert len(won) == 1
    assert codes == {"verification.proof_used_up", "verification.proof_other_intent"}
    assert crowded.rows(store.redemptions) == 1
    assert crowded.audited().count("verification.proof_redeemed") == 1


def test_of_many_streams_one_claims_the_session(crowded: World) -> None:
    opened = crowded.begin()
    claim = partial(
        crowded.service.open_capture, opened.session_id, ticket=opened.ticket, nonce=opened.nonce
    )
    results = in_parallel([claim] * 20)
    assert sum(isinstance(result, RunningCapture) for result in results) == 1


def test_of_many_confirmations_one_gets_a_proof(crowded: World) -> None:
    opened = crowded.called()
    results = in_parallel([lambda: crowded.issue(opened)] * 20)
    assert sum(isinstance(result, FaceProof) for result in results) == 1
    assert crowded.rows(store.proofs) == 1


def test_of_many_redemptions_without_a_number_one_takes_the_open_proof(crowded: World) -> None:
    proof = crowded.proof()
    redeem = [
        partial(
            crowded.service.redeem_open,
            expected_institution=proof.institution,
            expected_subject=proof.subject,
            expected_scene=proof.scene,
            use=f"bill-{number}",
            amount_fen=proof.amount_max_fen,
        )
        for number in range(20)
    ]
    results = in_parallel(redeem)
    codes = {result.kind.code for result in results if isinstance(result, Refused)}
    assert sum(isinstance(result, Redemption) for result in results) == 1
    assert codes == {"verification.proof_not_open"}


def test_a_capture_lost_while_it_is_decided_ends_one_way(crowded: World) -> None:
    opened = crowded.open()
    deciding = threading.Event()
    crowded.gallery.meanwhile = deciding.set

    def lose() -> None:
        deciding.wait()
        crowded.service.abandon(opened.session_id, reason="captures.connection_lost")

    in_parallel([lambda: crowded.verify(opened), lose])
    result = crowded.result(opened)
    assert (result.state, result.person is None) in {("verified", False), ("refused", True)}
    assert crowded.audited().count("verification.session") == 1
