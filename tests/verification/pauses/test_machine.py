"""Pauses under any order of failures, successes and waits: they stay short, justified, and end."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shualian.core.clock import SettableClock
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import PersonNo, TerminalId
from shualian.core.refusals import Refused
from shualian.trust.audit import store as audit_store
from shualian.verification.pauses import store
from shualian.verification.pauses.model import CLAIM_PAUSED, PauseRule
from shualian.verification.pauses.service import FacePauses

TERMINALS = [TerminalId("K01"), TerminalId("K02")]
PEOPLE = [PersonNo("990000001"), PersonNo("990000002")]
CLAIMED = PauseRule(
    failures_max=2,
    window=timedelta(minutes=5),
    first=timedelta(minutes=1),
    longest=timedelta(minutes=10),
    forgotten_after=timedelta(hours=1),
)
TERMINAL = PauseRule(
    failures_max=3,
    window=timedelta(minutes=3),
    first=timedelta(seconds=30),
    longest=timedelta(minutes=2),
    forgotten_after=timedelta(minutes=20),
)
WAITS = st.sampled_from([1, 31, 61, 200, 301, 1200, 3700]).map(lambda each: timedelta(seconds=each))


class PauseMachine(RuleBasedStateMachine):
    @initialize()
    def open_database(self) -> None:
        self.folder = TemporaryDirectory()
        self.database = SqliteDatabase(f"sqlite:///{Path(self.folder.name)}/test.db")
        self.database.create_tables(store.metadata)
        self.database.create_tables(audit_store.metadata)
        self.clock = SettableClock(datetime(2026, 1, 5, 1, 0, tzinfo=UTC))
        self.pauses = FacePauses(
            database=self.database, clock=self.clock, claimed_rule=CLAIMED, terminal_rule=TERMINAL
        )
        self.failures_of: dict[str, int] = {}

    @rule(at=st.sampled_from(TERMINALS), claimed=st.sampled_from([None, *PEOPLE]))
    def fail(self, at: TerminalId, claimed: PersonNo | None) -> None:
        self.pauses.failed(terminal_id=at, claimed=claimed)
        self.failures_of[at] = self.failures_of.get(at, 0) + 1
        if claimed is not None:
            self.failures_of[claimed] = self.failures_of.get(claimed, 0) + 1

    @rule(at=st.sampled_from(TERMINALS), claimed=st.sampled_from(PEOPLE))
    def succeed(self, at: TerminalId, claimed: PersonNo) -> None:
        self.pauses.succeeded(terminal_id=at, claimed=claimed)
        self.failures_of[claimed] = 0
        refused = self.refusal(at, claimed)
        assert refused is None or refused.kind is not CLAIM_PAUSED

    @rule(time=WAITS)
    def wait(self, time: timedelta) -> None:
        self.clock.set(self.clock.now() + time)

    @rule()
    def purge(self) -> None:
        """Deleting what is forgotten changes no answer."""
        before = self.answers()
        self.pauses.purge()
        assert self.answers() == before

    @invariant()
    def pauses_are_justified_short_and_end(self) -> None:
        if not hasattr(self, "pauses"):
            return
        now = self.clock.now()
        for at in TERMINALS:
            for claimed in (None, *PEOPLE):
                refused = self.refusal(at, claimed)
                if refused is None:
                    continue
                of_claim = refused.kind is CLAIM_PAUSED
                rule = CLAIMED if of_claim else TERMINAL
                whose = (claimed or "") if of_claim else at
                assert not (of_claim and claimed is None)
                assert self.failures_of.get(whose, 0) >= rule.failures_max
                assert 0 < int(refused.details["seconds"]) <= rule.longest.total_seconds()
                assert not {*PEOPLE, *TERMINALS} & {str(fact) for fact in refused.details.values()}
        self.clock.set(now + max(CLAIMED.longest, TERMINAL.longest))
        assert set(self.answers()) == {None}
        self.clock.set(now)

    def refusal(self, at: TerminalId, claimed: PersonNo | None) -> Refused | None:
        try:
            self.pauses.check(terminal_id=at, claimed=claimed)
        except Refused as refused:
            return refused
        return None

    def answers(self) -> list[str | None]:
        found = [self.refusal(at, claimed) for at in TERMINALS for claimed in (None, *PEOPLE)]
        return [None if each is None else each.kind.code for each in found]

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            self.folder.cleanup()


TestPauses = PauseMachine.TestCase
TestPauses.settings = settings(max_examples=15, stateful_step_count=25)
