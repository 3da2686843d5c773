"""Terminals under any order of decisions: only active ones pass, and a revoked one never again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

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

from shualian.core.database import SqliteDatabase
from shualian.core.refusals import RefusalKind
from shualian.terminals.agent.model import RotationBody
from shualian.terminals.enrolment.model import (
    MOVES,
    STATE_DIFFERS,
    EnrolmentCode,
    key_id_of,
)
from shualian.terminals.model import TerminalClass, TerminalState
from shualian.terminals.register.model import MODEL_WITHDRAWN
from shualian.terminals.requests.model import (
    KEY_RETIRED,
    KEY_UNKNOWN,
    TERMINAL_PENDING,
    TERMINAL_REVOKED,
    TERMINAL_SUSPENDED,
    VerifiedRequest,
)
from shualian.trust.signatures import SigningKey
from terminals.district import (
    ADMINISTRATOR,
    ALGORITHM_OF,
    CERTIFICATES,
    SUPERVISOR,
    Device,
    District,
    answer_of,
    place_spec,
    signed,
)

EXPECTED = {
    TerminalState.PENDING: TERMINAL_PENDING,
    TerminalState.SUSPENDED: TERMINAL_SUSPENDED,
    TerminalState.REVOKED: TERMINAL_REVOKED,
}
CLASSES = st.sampled_from([TerminalClass.SCAN_FACE_PAY, TerminalClass.BROWSER])


@dataclass
class Told:
    """What the machine believes about one terminal."""

    device: Device
    terminal_class: TerminalClass
    code: EnrolmentCode
    state: TerminalState = TerminalState.INVITED
    former: SigningKey | None = None
    has_enrolled: bool = False

    def expected_refusal(self) -> RefusalKind:
        return EXPECTED[self.state] if self.has_enrolled else KEY_UNKNOWN


class TerminalMachine(RuleBasedStateMachine):
    terminals = Bundle("terminals")

    @initialize()
    def open_district(self) -> None:
        self.folder = TemporaryDirectory()
        database = SqliteDatabase(f"sqlite:///{Path(self.folder.name)}/test.db")
        self.district = District(database)
        self.district.register_models()
        self.told: list[Told] = []
        self.withdrawn: set[TerminalClass] = set()

    @precondition(lambda self: len(self.told) < 3)
    @rule(target=terminals, terminal_class=CLASSES)
    def invite(self, terminal_class: TerminalClass) -> Told:
        spec = place_spec(f"{len(self.told)} 号机", terminal_class=terminal_class)
        invitation = self.district.invite(spec)
        device = self.district.device(invitation, terminal_class=terminal_class)
        told = Told(device, terminal_class, invitation.code)
        self.told.append(told)
        return told

    @rule(told=terminals)
    def enrol(self, told: Told) -> None:
        request = told.device.enrolment(told.code)
        answer = answer_of(lambda: self.district.enrolments.enrol(request))
        if told.state is TerminalState.INVITED and told.terminal_class not in self.withdrawn:
            assert not isinstance(answer, RefusalKind)
            told.state, told.has_enrolled = TerminalState.PENDING, True
        elif told.state is not TerminalState.PENDING:
            assert isinstance(answer, RefusalKind)

    @rule(told=terminals)
    def approve(self, told: Told) -> None:
        refused = answer_of(lambda: self.district.approve(told.device))
        if told.state is not TerminalState.PENDING:
            assert refused is STATE_DIFFERS
        elif told.terminal_class in self.withdrawn:
            assert refused is MODEL_WITHDRAWN
        else:
            assert refused is None
            told.state = TerminalState.ACTIVE

    @rule(told=terminals)
    def suspend(self, told: Told) -> None:
        number = told.device.terminal_id
        self._move(
            told,
            TerminalState.SUSPENDED,
            lambda: self.district.enrolments.suspend(actor=ADMINISTRATOR, terminal_id=number),
        )

    @rule(told=terminals)
    def resume(self, told: Told) -> None:
        number = told.device.terminal_id
        refused = answer_of(
            lambda: self.district.enrolments.resume(actor=SUPERVISOR, terminal_id=number)
        )
        assert (refused is None) == (told.state is TerminalState.SUSPENDED)
        if refused is None:
            told.state = TerminalState.ACTIVE

    @rule(told=terminals)
    def revoke(self, told: Told) -> None:
        number = told.device.terminal_id
        self._move(
            told,
            TerminalState.REVOKED,
            lambda: self.district.enrolments.revoke(actor=SUPERVISOR, terminal_id=number),
        )

    @rule(told=terminals)
    def rotate(self, told: Told) -> None:
        new_key = SigningKey.generate(ALGORITHM_OF[told.terminal_class])
        request = RotationBody.made(told.device.key, new_key).request()
        answer = answer_of(lambda: self.district.enrolments.rotate_key(request))
        assert isinstance(answer, RefusalKind) == (told.state is not TerminalState.ACTIVE)
        if not isinstance(answer, RefusalKind):
            told.former = told.device.key
            told.device = Device(
                told.device.terminal_id, told.device.place_id, new_key, told.device.certificate
            )

    @precondition(lambda self: not self.withdrawn and len(self.told) == 3)
    @rule()
    def withdraw_the_browser(self) -> None:
        certificate = CERTIFICATES[TerminalClass.BROWSER]
        self.district.register.withdraw_model(actor=SUPERVISOR, certificate=certificate)
        self.withdrawn.add(TerminalClass.BROWSER)

    @rule(minutes=st.integers(1, 60))
    def wait(self, minutes: int) -> None:
        """At most 20 steps of an hour, so that no code ends."""
        self.district.wait(timedelta(minutes=minutes))

    @invariant()
    def only_active_terminals_pass(self) -> None:
        for told in getattr(self, "told", []):
            answer = answer_of(
                partial(self.district.requests.verify, self.district.request(told.device))
            )
            if told.state is not TerminalState.ACTIVE:
                assert answer is told.expected_refusal()
            elif told.terminal_class in self.withdrawn:
                assert answer is MODEL_WITHDRAWN
            else:
                assert isinstance(answer, VerifiedRequest)
                assert answer.key_id == key_id_of(told.device.key.public_key)

    @invariant()
    def no_former_key_passes(self) -> None:
        for told in getattr(self, "told", []):
            if told.former is not None:
                request = signed(told.former, self.district.now())
                answer = answer_of(partial(self.district.requests.verify, request))
                revoked = told.state is TerminalState.REVOKED
                assert answer is (TERMINAL_REVOKED if revoked else KEY_RETIRED)

    def _move(self, told: Told, wanted: TerminalState, work: Callable[[], None]) -> None:
        refused = answer_of(work)
        assert (refused is None) == (wanted in MOVES[told.state])
        if refused is None:
            told.state = wanted

    def teardown(self) -> None:
        if hasattr(self, "district"):
            self.district.database.close()
            self.folder.cleanup()


TestTerminals = TerminalMachine.TestCase
TestTerminals.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
