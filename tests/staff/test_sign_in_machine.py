"""Sign-in, pauses and sessions under any order of trying, waiting, ending and suspending."""

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from shualian.core.database import SqliteDatabase
from shualian.core.refusals import Refused
from shualian.staff.model import Role
from shualian.staff.passwords.model import FORGOTTEN_AFTER, pause_after
from shualian.staff.sessions.model import SessionPolicy, SignedIn
from staff.house import PHRASE, Ward, code_of, supervisor_elsewhere

LOGINS = ("doctor", "nobody")
POLICY = SessionPolicy()


class SignInMachine(RuleBasedStateMachine):
    sessions = Bundle("sessions")

    @initialize()
    def open_ward(self) -> None:
        self.folder = TemporaryDirectory()
        folder = Path(self.folder.name)
        self.ward = Ward(SqliteDatabase(f"sqlite:///{folder}/staff.db"), folder / "keys")
        self.failures = dict.fromkeys(LOGINS, 0)
        self.last: dict[str, datetime] = {}
        self.active = True
        self.told: dict[str, tuple[datetime, datetime]] = {}
        """Token of each session that should live: when it was opened and last used."""

    @rule(login=st.sampled_from(LOGINS), times=st.integers(1, 3))
    def fail(self, login: str, times: int) -> None:
        for _ in range(times):
            paused = self._paused(login)
            self._forget(login)
            assert self._answer(login, "a wrong phrase") == (paused or "staff.sign_in_failed")
            if not paused:
                self.failures[login] += 1
                self.last[login] = self.ward.clock.now()

    @rule(target=sessions)
    def succeed(self) -> str:
        paused = self._paused("doctor")
        answer = self._answer("doctor", PHRASE)
        if isinstance(answer, SignedIn):
            assert paused is None
            assert self.active
            self.failures["doctor"] = 0
            now = self.ward.clock.now()
            self.told[answer.token] = (now, now)
            return answer.token
        assert answer == (paused or "staff.account_suspended")
        if not paused:
            # Only a sign-in that ends in a session forgets failures.
            self._forget("doctor")
            self.failures["doctor"] += 1
            self.last["doctor"] = self.ward.clock.now()
        return ""

    @rule(token=sessions)
    def use(self, token: str) -> None:
        now = self.ward.clock.now()
        assert self._resolves(token) == self._lives(token)
        if self._lives(token):
            self.told[token] = (self.told[token][0], now)

    @rule(token=sessions)
    def sign_out(self, token: str) -> None:
        if self._lives(token):
            self.ward.services.sessions.sign_out(self.ward.services.sessions.resolve(token))
            del self.told[token]

    @rule()
    def revoke_all(self) -> None:
        self.ward.services.accounts.revoke_sessions(
            self.ward.chief, staff_id=self.ward.doctor.staff_id
        )
        self.told.clear()

    @rule()
    def suspend_or_bring_back(self) -> None:
        accounts, staff_id = self.ward.services.accounts, self.ward.doctor.staff_id
        if self.active:
            accounts.suspend(self.ward.chief, staff_id=staff_id)
        else:
            accounts.propose_roles(self.ward.chief, staff_id=staff_id, roles=(Role.DOCTOR,))
            self.ward.approve(self.ward.chief, supervisor_elsewhere(), staff_id)
        self.active = not self.active
        self.told.clear()

    @rule(minutes=st.sampled_from([1, 2, 16, 29, 31, 180, 1500]))
    def wait(self, minutes: int) -> None:
        self.ward.wait(timedelta(minutes=minutes))

    @invariant()
    def nobody_is_paused_for_good(self) -> None:
        for login in LOGINS:
            assert pause_after(self.failures[login]) <= timedelta(hours=1)

    def teardown(self) -> None:
        self.ward.database.close()
        self.folder.cleanup()

    def _answer(self, login: str, phrase: str) -> SignedIn | str:
        try:
            return self.ward.by_password(login, phrase)
        except Refused as refused:
            return refused.kind.code

    def _resolves(self, token: str) -> bool:
        code = code_of(lambda: self.ward.services.sessions.resolve(token))
        assert code in {"", "staff.signed_out"}
        return code == ""

    def _lives(self, token: str) -> bool:
        if token not in self.told:
            return False
        opened, used = self.told[token]
        now = self.ward.clock.now()
        return now < opened + POLICY.absolute and now - used < POLICY.idle

    def _paused(self, login: str) -> str | None:
        if login not in self.last:
            return None
        ends = self.last[login] + pause_after(self.failures[login])
        return "staff.sign_in_paused" if self.ward.clock.now() < ends else None

    def _forget(self, login: str) -> None:
        if login in self.last and self.ward.clock.now() - self.last[login] > FORGOTTEN_AFTER:
            self.failures[login] = 0


TestSignInMachine = SignInMachine.TestCase
TestSignInMachine.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
