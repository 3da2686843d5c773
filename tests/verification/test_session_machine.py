"""Sessions, consents, vouchers and proofs under any order of what people and terminals do."""

from collections.abc import Callable
from dataclasses import dataclass, replace
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
from shualian.verification.model import (
    Called,
    ConsentPurpose,
    Expected,
    FaceProof,
    Factor,
    IdentificationOutcome,
    LastDigits,
    LookFor,
    Redemption,
    SessionState,
    TypedNumber,
    VoucherStanding,
)
from shualian.verification.registry.model import RegistryVerdict
from shualian.verification.sessions.model import OpenedSession
from verification.world import (
    DEGRADED_MAX,
    ID_NUMBERS,
    LI,
    NOBODYS_NUMBER,
    PIN,
    ZHANG,
    World,
    captured,
    intent,
)

T = TypeVar("T")

LOOKED_FOR: list[LookFor] = [
    Expected(),
    Called(),
    LastDigits(ID_NUMBERS[ZHANG].value[-4:]),
    TypedNumber(ID_NUMBERS[ZHANG]),
    TypedNumber(ID_NUMBERS[LI]),
    TypedNumber(NOBODYS_NUMBER),
]
FINAL = {SessionState.VERIFIED, SessionState.REFUSED, SessionState.EXPIRED}
NEXT = {
    SessionState.OPENED: {SessionState.CAPTURING, SessionState.REFUSED, SessionState.EXPIRED},
    SessionState.CAPTURING: FINAL,
    # What follows from a verified person may fail.
    SessionState.VERIFIED: {SessionState.REFUSED},
    SessionState.REFUSED: set(),
    SessionState.EXPIRED: set(),
}
SESSIONS_MAX = 4
AMOUNTS = st.sampled_from([0, DEGRADED_MAX, 50_00])


@dataclass
class Told:
    """What the machine believes about one session and its proof."""

    opened: OpenedSession
    amount_max: int
    state: SessionState = SessionState.OPENED
    proof: FaceProof | None = None


def answer_of(work: Callable[[], T]) -> T | Refused:
    try:
        return work()
    except Refused as refused:
        return refused


class SessionMachine(RuleBasedStateMachine):
    sessions = Bundle("sessions")

    @initialize()
    def open_world(self) -> None:
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.told: list[Told] = []
        self.refusals: list[Refused] = []

    @precondition(lambda self: len(self.told) < SESSIONS_MAX)
    @rule(
        target=sessions,
        look_for=st.sampled_from(LOOKED_FOR),
        amount=AMOUNTS,
        agreed=st.sets(st.sampled_from(ConsentPurpose)),
    )
    def begin(self, look_for: LookFor, amount: int, agreed: set[ConsentPurpose]) -> Told | None:
        begin = partial(self.world.begin, look_for=look_for, amount_max_fen=amount, consents=agreed)
        opened = self.kept(begin)
        if isinstance(opened, Refused):
            return None
        assert ConsentPurpose.COMPARISON in agreed
        told = Told(opened, amount)
        self.told.append(told)
        return told

    @rule(told=sessions)
    def open_stream(self, told: Told | None) -> None:
        if told is not None:
            answer = self.kept(partial(self.world.open_capture, told.opened))
            assert isinstance(answer, Refused) or told.state is SessionState.OPENED

    @rule(
        told=sessions,
        look_for=st.one_of(st.none(), st.sampled_from(LOOKED_FOR)),
        live=st.booleans(),
        active=st.booleans(),
    )
    def verify(
        self, told: Told | None, look_for: LookFor | None, *, live: bool, active: bool
    ) -> None:
        if told is None:
            return
        standing = self.world.office.standings[ZHANG]
        seen = captured(live=live, active=active)
        answer = self.kept(partial(self.world.verify, told.opened, look_for, seen=seen))
        if not isinstance(answer, IdentificationOutcome) or answer.person is None:
            return
        assert told.state is SessionState.CAPTURING
        assert (answer.person.subject, live) == (ZHANG, True)
        assert standing.voucher not in {VoucherStanding.FROZEN, VoucherStanding.CLOSED}
        assert standing.template_consent or answer.person.score is None
        if standing.voucher is not VoucherStanding.ACTIVE or answer.person.score is None:
            assert active
            assert answer.person.registry is RegistryVerdict.MATCH

    @rule(told=sessions)
    def lose_the_stream(self, told: Told | None) -> None:
        if told is not None:
            code = "captures.connection_lost"
            self.world.service.abandon(told.opened.session_id, reason=code)

    @rule(told=sessions, amount=AMOUNTS, pin=st.sampled_from([None, PIN, "000000"]))
    def confirm(self, told: Told | None, amount: int, pin: str | None) -> None:
        if told is None:
            return
        asked = intent(intent_id=IntentId(f"INTENT-{self.told.index(told)}"), amount_max_fen=amount)
        proof = self.kept(partial(self.world.issue, told.opened, asked, pin=pin))
        if isinstance(proof, Refused):
            return
        assert told.proof is None
        assert told.state is SessionState.VERIFIED
        assert self.world.office.standings[ZHANG].voucher is VoucherStanding.ACTIVE
        assert amount <= told.amount_max
        person = self.world.session(told.opened.session_id).person
        assert person is not None
        if amount:
            assert person.factors & {Factor.CALLED} or pin == PIN
            matched = person.registry is RegistryVerdict.MATCH
            assert matched or amount <= DEGRADED_MAX
        told.proof = proof

    @rule(told=sessions, amount=AMOUNTS, use=st.sampled_from(["register", "settle"]))
    def redeem(self, told: Told | None, amount: int, use: str) -> None:
        if told is None or told.proof is None:
            return
        answer = self.kept(partial(self.world.redeem, told.proof, use=use, amount_fen=amount))
        if isinstance(answer, Redemption):
            assert answer.redeemed_at < told.proof.expires_at

    @rule(voucher=st.sampled_from(VoucherStanding))
    def change_the_voucher(self, voucher: VoucherStanding) -> None:
        self.world.office.stands(ZHANG, voucher)

    @rule(consent=st.booleans())
    def change_the_consent(self, *, consent: bool) -> None:
        standing = self.world.office.standings[ZHANG]
        self.world.office.standings[ZHANG] = replace(standing, template_consent=consent)

    @rule(verdict=st.sampled_from(RegistryVerdict))
    def change_the_registry(self, verdict: RegistryVerdict) -> None:
        self.world.police.verdict = verdict

    @rule(score=st.sampled_from([0.1, 0.8]))
    def somebody_else_steps_up(self, score: float) -> None:
        self.world.gallery.scores[ZHANG] = score

    @rule(seconds=st.sampled_from([1, 11, 60, 300]))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)

    @invariant()
    def a_session_goes_forward_only(self) -> None:
        for told in self.told:
            session = self.world.session(told.opened.session_id)
            found = session.state_at(self.world.clock.now())
            assert found is told.state or found in NEXT[told.state]
            assert not session.attempting
            assert session.attempts <= self.world.policy.attempts_max
            told.state = found

    @invariant()
    def no_proof_without_consent_and_at_most_one_for_a_session(self) -> None:
        with_proof = self.world.database.read(
            lambda connection: connection.scalars(select(store.proofs.c.session_id)).all()
        )
        assert len(with_proof) == len(set(with_proof))
        assert set(with_proof) == {
            told.opened.session_id for told in self.told if told.proof is not None
        }
        for session_id in with_proof:
            assert self.world.session(session_id).agreed(ConsentPurpose.COMPARISON)

    @invariant()
    def nothing_was_moved_beyond_what_was_confirmed(self) -> None:
        rows = self.world.database.read(
            lambda connection: connection.execute(select(store.redemptions)).all()
        )
        for told in self.told:
            if told.proof is not None:
                made = [row for row in rows if row.intent_id == told.proof.intent_id]
                assert len(made) <= told.proof.uses
                assert sum(row.amount_fen for row in made) <= told.proof.amount_max_fen

    @invariant()
    def refusals_say_nothing_about_people(self) -> None:
        secret = [*ID_NUMBERS, *(number.value for number in ID_NUMBERS.values()), "张示例"]
        for refused in self.refusals:
            told = str(refused) + str(refused.as_json())
            assert not any(each in told for each in secret)
        self.refusals.clear()

    def kept(self, work: Callable[[], T]) -> T | Refused:
        answer = answer_of(work)
        if isinstance(answer, Refused):
            self.refusals.append(answer)
        return answer

    def teardown(self) -> None:
        self.world.close()
        self.folder.cleanup()


TestSessions = SessionMachine.TestCase
TestSessions.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
