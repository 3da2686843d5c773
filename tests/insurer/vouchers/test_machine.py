"""Voucher, code and PIN in any order: the service agrees with a model that a person can read."""

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from insurer.vouchers.wallet import (
    BILL,
    CLERK,
    ELSEWHERE,
    HERE,
    OPERATOR,
    OTHER_BILL,
    OTHER_PIN,
    PIN,
    REGION,
    Wallet,
    scanned,
)
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import InstitutionCode, IntentId, SessionId
from shualian.core.refusals import Refused
from shualian.insurer.vouchers.model import (
    CODE_VALID,
    DORMANT_AFTER,
    ELSEWHERE_WITHIN,
    PIN_FAILURES_MAX,
    FreezeReason,
    FrozenBy,
    QrCode,
    VoucherState,
)

ASKED = FreezeReason.PERSON_ASKED


class VoucherMachine(RuleBasedStateMachine):
    """One person's voucher; what happened is remembered as plainly as can be."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        place = Path(self.folder.name)
        self.database = SqliteDatabase(f"sqlite:///{place}/test.db")
        self.wallet = Wallet(self.database, place)
        self.psn_no = self.wallet.person()
        self.exists = self.is_closed = False
        self.frozen_by: FrozenBy | None = None
        self.used_at = self.wallet.now()
        self.code: QrCode | None = None
        self.redeemed: dict[str, tuple[InstitutionCode, IntentId]] = {}
        self.last_place: tuple[InstitutionCode, object] | None = None
        self.pin: str | None = None
        self.tries = 0

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    @property
    def state(self) -> VoucherState:
        if not self.exists:
            return VoucherState.NOT_ACTIVATED
        if self.is_closed:
            return VoucherState.CLOSED
        if self.frozen_by is not None:
            return VoucherState.FROZEN
        slept = self.wallet.now() - self.used_at >= DORMANT_AFTER
        return VoucherState.DORMANT if slept else VoucherState.ACTIVE

    def allowed(self, work: object) -> bool:
        try:
            work()  # type: ignore[operator]
        except Refused:
            return False
        return True

    @rule(seconds=st.sampled_from((1, 10, 29, 30, 61, 3_600)))
    def time_passes(self, seconds: int) -> None:
        self.wallet.wait(timedelta(seconds=seconds))

    @rule()
    def a_year_passes(self) -> None:
        self.wallet.wait(DORMANT_AFTER)

    @rule()
    def the_person_scans(self) -> None:
        may = self.state not in {VoucherState.FROZEN, VoucherState.CLOSED}
        done = self.allowed(
            lambda: self.wallet.vouchers.activate_at_terminal(
                self.psn_no, region=REGION, session_id=SessionId("SCAN-3"), at=self.wallet.now()
            )
        )
        assert done is may
        if done:
            self.exists, self.used_at = True, self.wallet.now()

    @rule(by=st.sampled_from(tuple(FrozenBy)))
    def somebody_freezes(self, by: FrozenBy) -> None:
        vouchers = self.wallet.vouchers
        if by is FrozenBy.PERSON:
            done = self.allowed(lambda: vouchers.freeze_own(scanned(self.psn_no), reason=ASKED))
        else:
            actor = OPERATOR if by is FrozenBy.INSURER else CLERK
            done = self.allowed(lambda: vouchers.freeze(self.psn_no, reason=ASKED, actor=actor))
        assert done is (self.exists and not self.is_closed)
        if done and (self.frozen_by is None or by is FrozenBy.INSURER):
            self.frozen_by = by

    @rule(by=st.sampled_from(tuple(FrozenBy)))
    def somebody_unfreezes(self, by: FrozenBy) -> None:
        vouchers = self.wallet.vouchers
        if by is FrozenBy.PERSON:
            done = self.allowed(lambda: vouchers.unfreeze_own(scanned(self.psn_no)))
        else:
            actor = OPERATOR if by is FrozenBy.INSURER else CLERK
            done = self.allowed(lambda: vouchers.unfreeze(self.psn_no, actor=actor))
        own = by is FrozenBy.PERSON and self.frozen_by is not FrozenBy.INSURER
        may = self.state is VoucherState.FROZEN and (own or by is FrozenBy.INSURER)
        assert done is may
        if done:
            self.frozen_by = None

    @precondition(lambda self: self.exists)
    @rule(sure=st.integers(0, 9))
    def the_insurer_closes(self, sure: int) -> None:
        if sure == 0:
            self.wallet.vouchers.close(self.psn_no, actor=OPERATOR)
            self.is_closed = True

    @rule()
    def the_phone_shows_a_code(self) -> None:
        may = self.state is VoucherState.ACTIVE
        try:
            self.code = self.wallet.vouchers.show_code(self.psn_no)
        except Refused:
            assert not may
        else:
            assert may

    @precondition(lambda self: self.code is not None)
    @rule(
        institution=st.sampled_from((HERE, ELSEWHERE)),
        intent_id=st.sampled_from((BILL, OTHER_BILL)),
    )
    def a_counter_redeems(self, institution: InstitutionCode, intent_id: IntentId) -> None:
        assert self.code is not None
        token, now = self.code.token, self.wallet.now()
        asked = (institution, intent_id)
        if token in self.redeemed:
            may = self.redeemed[token] == asked
        else:
            may = now < self.code.expires_at and self.state is VoucherState.ACTIVE
            may = may and not self.used_just_now_at_another(institution)
        done = self.allowed(lambda: self.wallet.redeem(token, institution, intent_id))
        assert done is may
        if done and token not in self.redeemed:
            self.redeemed[token] = asked
            self.last_place, self.used_at = (institution, now), now

    def used_just_now_at_another(self, institution: InstitutionCode) -> bool:
        if self.last_place is None or self.last_place[0] == institution:
            return False
        return self.wallet.now() - self.last_place[1] < ELSEWHERE_WITHIN  # type: ignore[operator, no-any-return]

    @rule(pin=st.sampled_from((PIN, OTHER_PIN)), first=st.booleans())
    def the_person_sets_a_pin(self, pin: str, *, first: bool) -> None:
        pins = self.wallet.pins
        act = pins.set if first else pins.reset
        done = self.allowed(lambda: act(scanned(self.psn_no), pin))
        assert done is (not first or self.pin is None)
        if done:
            self.pin, self.tries = pin, 0

    @rule(pin=st.sampled_from((PIN, OTHER_PIN, "135792")))
    def somebody_types_a_pin(self, pin: str) -> None:
        self.wallet.wait(timedelta(minutes=15))
        done = self.allowed(lambda: self.wallet.pins.check(self.psn_no, pin))
        assert done is (self.pin == pin and self.tries < PIN_FAILURES_MAX)
        self.tries = 0 if done else min(self.tries + 1, PIN_FAILURES_MAX)
        if self.pin is None:
            self.tries = 0

    @invariant()
    def the_service_says_what_the_model_says(self) -> None:
        assert self.wallet.vouchers.standing(self.psn_no) is self.state

    @invariant()
    def a_code_lives_thirty_seconds(self) -> None:
        if self.code is not None:
            assert self.code.expires_at <= self.wallet.now() + CODE_VALID


TestVoucherMachine = VoucherMachine.TestCase
TestVoucherMachine.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
