"""Proofs under any order of confirming, redeeming, waiting and trying what is not allowed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import select

from shualian.core.identifiers import IntentId
from shualian.core.refusals import Refused
from shualian.verification import store
from shualian.verification.model import FaceProof, Redemption
from verification.world import ALTERED, HOSPITAL, World, intent

T = TypeVar("T")

INTENTS = st.sampled_from([IntentId("REGISTER-1"), IntentId("SETTLE-1")])
USES = st.sampled_from(["register", "settle", "dispense"])
PROOFS_MAX = 3
"""Few, so that each meets many attempts."""
CONFIRMED = 50_00
AMOUNTS = st.sampled_from([0, 30_00])


@dataclass
class Told:
    """What the machine believes about one proof."""

    proof: FaceProof
    redeemed: dict[str, Redemption] = field(default_factory=dict)


def answer_of(work: Callable[[], T]) -> T | str:
    """What ``work`` gave, or the code by which it was refused."""
    try:
        return work()
    except Refused as refused:
        return refused.kind.code


class ProofMachine(RuleBasedStateMachine):
    proofs = Bundle("proofs")

    @initialize()
    def open_world(self) -> None:
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.told: list[Told] = []

    @precondition(lambda self: len(self.told) < PROOFS_MAX)
    @rule(target=proofs, intent_id=INTENTS, uses=st.integers(1, 2))
    def confirm(self, intent_id: IntentId, uses: int) -> Told:
        opened = self.world.called()
        asked = intent(intent_id=intent_id, uses=uses, amount_max_fen=CONFIRMED)
        told = Told(self.world.issue(opened, asked))
        self.told.append(told)
        return told

    @rule(told=proofs, use=USES, amount=AMOUNTS)
    def redeem(self, told: Told, use: str, amount: int) -> None:
        why_not = self._why_not(told, use, amount)
        answer = answer_of(partial(self.world.redeem, told.proof, use=use, amount_fen=amount))
        if isinstance(answer, Redemption):
            assert why_not is None
            assert told.redeemed.setdefault(use, answer) == answer
        else:
            assert answer == f"verification.{why_not}"

    @rule(told=proofs, use=USES, altered=st.sampled_from(ALTERED))
    def redeem_for_something_else(
        self, told: Told, use: str, altered: tuple[str, Callable[[FaceProof], FaceProof]]
    ) -> None:
        code, alter = altered
        expected = alter(told.proof)
        work = partial(self.world.redeem, told.proof, use=use, amount_fen=0, expected=expected)
        assert answer_of(work) == code

    @rule(told=proofs)
    def check(self, told: Told) -> None:
        expired = self.world.clock.now() >= told.proof.expires_at
        work = partial(self.world.service.check, told.proof.auth_no, expected_institution=HOSPITAL)
        assert answer_of(work) == ("verification.proof_expired" if expired else told.proof)

    @rule(seconds=st.sampled_from([1, 60, 300]))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)

    @invariant()
    def the_database_holds_what_was_told_and_no_more(self) -> None:
        rows = self.world.database.read(
            lambda connection: connection.execute(select(store.redemptions)).all()
        )
        told = [each for proof in self.told for each in proof.redeemed.values()]
        assert {(row.intent_id, row.use) for row in rows} == {
            (each.intent_id, each.use) for each in told
        }
        assert len(rows) == len(told)

    @invariant()
    def no_proof_did_more_than_was_confirmed(self) -> None:
        for told in self.told:
            made = told.redeemed.values()
            assert len(made) <= told.proof.uses
            assert sum(each.amount_fen for each in made) <= told.proof.amount_max_fen
            assert all(each.intent_id == told.proof.intent_id for each in made)
            assert all(each.redeemed_at < told.proof.expires_at for each in made)

    def teardown(self) -> None:
        self.world.close()
        self.folder.cleanup()

    def _why_not(self, told: Told, use: str, amount: int) -> str | None:
        if use in told.redeemed:
            same = told.redeemed[use].amount_fen == amount
            return None if same else "redemption_differs"
        moved = sum(each.amount_fen for each in told.redeemed.values())
        reasons = {
            "intent_redeemed": any(
                use in other.redeemed and other.proof.intent_id == told.proof.intent_id
                for other in self.told
            ),
            "proof_expired": self.world.clock.now() >= told.proof.expires_at,
            "proof_used_up": len(told.redeemed) >= told.proof.uses,
            "proof_amount_exceeded": moved + amount > told.proof.amount_max_fen,
        }
        return next((reason for reason, holds in reasons.items() if holds), None)


TestProofs = ProofMachine.TestCase
TestProofs.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
)
