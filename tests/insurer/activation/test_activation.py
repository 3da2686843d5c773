"""After a verified scan: voucher and consents together, the template after, once per session."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from insurer.channels.book import NOTICE, Book
from insurer.office import id_number
from insurer.vouchers.wallet import HERE, Wallet, scanned
from shualian.core.database import Database
from shualian.core.identifiers import PersonNo, SessionId, TerminalId
from shualian.core.money import ZERO
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.face.liveness.decision import LivenessLevel
from shualian.insurer.activation import store
from shualian.insurer.activation.model import TemplateStep
from shualian.insurer.activation.service import Activation, InsuredDesk
from shualian.insurer.persons.model import InsuranceNote, InsuranceStatus
from shualian.insurer.vouchers.model import DORMANT_AFTER, FreezeReason, VoucherState
from shualian.terminals.model import TerminalClass
from shualian.verification.model import (
    Basis,
    Consent,
    ConsentPurpose,
    Factor,
    Scene,
    SessionState,
    VerifiedPerson,
    VoucherStanding,
)
from shualian.verification.ports import NewTemplate
from shualian.verification.registry.model import RegistryVerdict
from shualian.verification.sessions.model import CaptureSession, Sought, SoughtBy

BUSY = RefusalKind("test.busy", "忙", "Busy", "等", "Wait", Helper.SELF, Finality.TEMPORARY)
THERE = RefusalKind("test.there", "有", "There", "用", "Use it", Helper.SELF, Finality.FINAL)
TEMPLATE = NewTemplate(np.full(4, 0.5, dtype=np.float32), "path", 80)
PAYS = ConsentPurpose.ONE_SCAN_PAYMENT


class CrashError(Exception):
    """The process dies."""


@dataclass
class Templates:
    """Keeps templates, or fails as told."""

    fails: Exception | None = None
    kept: dict[PersonNo, SessionId] = field(default_factory=dict)
    uses: list[PersonNo] = field(default_factory=list)
    held: dict[PersonNo, datetime] = field(default_factory=dict)

    def enrol(
        self, psn_no: PersonNo, new_template: NewTemplate, *, session: CaptureSession
    ) -> bool:
        if self.fails is not None:
            raise self.fails
        assert new_template is TEMPLATE
        return self.kept.setdefault(psn_no, session.session_id) == session.session_id

    def used(self, psn_no: PersonNo, at: datetime) -> None:
        assert at.tzinfo is not None
        self.uses.append(psn_no)

    def payment_held_until(self, psn_no: PersonNo) -> datetime | None:
        return self.held.get(psn_no)


class Desk:
    """The aftermath over real vouchers and a real register."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.wallet = Wallet(database, folder)
        database.create_tables(store.metadata)
        self.database = database
        self.book = Book(database)
        self.templates = Templates()
        self.activation = Activation(
            database=database,
            clock=self.wallet.clock,
            register=self.wallet.persons,
            vouchers=self.wallet.vouchers,
            book=self.book,
            templates=self.templates,
        )
        self.psn_no = self.wallet.person()

    def session(
        self,
        number: str = "SESSION-1",
        *,
        ticks: tuple[ConsentPurpose, ...] = (ConsentPurpose.TEMPLATE,),
        notice: str = NOTICE,
        active: bool = True,
        registry: RegistryVerdict | None = RegistryVerdict.MATCH,
        factors: frozenset[Factor] = frozenset((Factor.FACE, Factor.DIGITS)),
        sought_by: SoughtBy = SoughtBy.NUMBER,
    ) -> CaptureSession:
        now = self.wallet.now()
        purposes = (ConsentPurpose.COMPARISON, *ticks)
        person = VerifiedPerson(
            subject=self.psn_no,
            score=None,
            point=None,
            comparisons=0,
            error_upper95=None,
            factors=factors,
            basis=Basis.REGISTRY,
            registry=registry,
            active=active,
        )
        return CaptureSession(
            session_id=SessionId(number),
            terminal_id=TerminalId("T1"),
            institution=HERE,
            terminal_class=TerminalClass.SCAN_FACE,
            key_id="0" * 64,
            scene=Scene.REGISTRATION,
            consents=tuple(Consent(each, notice, now) for each in purposes),
            amount_max_fen=ZERO,
            liveness=LivenessLevel.ACTIVE,
            sought=Sought(sought_by, claimed=self.psn_no),
            nonce_digest="",
            ticket_digest=None,
            opened_at=now,
            expires_at=now + timedelta(seconds=90),
            state=SessionState.VERIFIED,
            person=person,
            decided_at=now,
        )

    def state(self) -> VoucherState:
        return self.wallet.vouchers.standing(self.psn_no)

    def step(self, number: str = "SESSION-1") -> TemplateStep:
        found = self.database.read(lambda each: store.find(each, SessionId(number)))
        assert found is not None
        return found.template


@pytest.fixture
def desk(sqlite_database: Database, tmp_path: Path) -> Desk:
    return Desk(sqlite_database, tmp_path)


@pytest.fixture
def any_desk(any_database: Database, tmp_path: Path) -> Desk:
    return Desk(any_database, tmp_path)


def test_a_first_scan_activates_agrees_and_enrols(any_desk: Desk) -> None:
    desk = any_desk
    session = desk.session(ticks=(ConsentPurpose.TEMPLATE, PAYS))
    assert desk.activation.verified(session, TEMPLATE)
    assert desk.state() is VoucherState.ACTIVE
    assert desk.book.of(desk.psn_no) == ["one_scan_payment", "template"]
    assert desk.templates.kept == {desk.psn_no: session.session_id}
    assert desk.step() is TemplateStep.ENROLLED


def test_the_same_session_again_changes_nothing_more(any_desk: Desk) -> None:
    desk = any_desk
    session = desk.session()
    answers = [desk.activation.verified(session, TEMPLATE) for _ in range(3)]
    assert answers == [True, True, True]
    assert desk.book.of(desk.psn_no) == ["template"]
    assert len([event for event in desk.wallet.changes() if '"activated"' in event]) == 1


def test_without_the_tick_nothing_is_kept(desk: Desk) -> None:
    assert desk.activation.verified(desk.session(ticks=()), TEMPLATE)
    assert desk.state() is VoucherState.ACTIVE
    assert desk.book.of(desk.psn_no) == []
    assert desk.templates.kept == {}
    assert desk.step() is TemplateStep.NONE


def test_a_consent_that_cannot_be_given_undoes_the_activation(any_desk: Desk) -> None:
    desk = any_desk
    with pytest.raises(Refused) as refused:
        desk.activation.verified(desk.session(notice="2020-01"), TEMPLATE)
    assert refused.value.kind.code == "test.notice_outdated"
    assert desk.state() is VoucherState.NOT_ACTIVATED
    assert desk.templates.kept == {}
    assert desk.activation.verified(desk.session(), TEMPLATE)


def test_what_a_child_ticks_counts_for_nothing_and_refuses_nothing(any_desk: Desk) -> None:
    desk = any_desk
    desk.book.children.add(desk.psn_no)
    assert desk.activation.verified(desk.session(ticks=(ConsentPurpose.TEMPLATE, PAYS)), None)
    assert desk.state() is VoucherState.ACTIVE
    assert desk.book.of(desk.psn_no) == []


def test_a_crash_before_the_template_is_completed_by_the_same_session(any_desk: Desk) -> None:
    desk = any_desk
    desk.templates.fails = CrashError()
    with pytest.raises(CrashError):
        desk.activation.verified(desk.session(), TEMPLATE)
    assert desk.state() is VoucherState.ACTIVE
    assert desk.step() is TemplateStep.WANTED
    desk.templates.fails = None
    assert desk.activation.verified(desk.session(), TEMPLATE)
    assert desk.step() is TemplateStep.ENROLLED
    assert desk.book.of(desk.psn_no) == ["template"]


def test_a_crash_before_the_template_is_completed_by_the_next_scan(desk: Desk) -> None:
    desk.templates.fails = CrashError()
    with pytest.raises(CrashError):
        desk.activation.verified(desk.session(), TEMPLATE)
    desk.templates.fails = None
    assert not desk.activation.verified(desk.session("SESSION-2"), TEMPLATE)
    assert desk.templates.kept == {desk.psn_no: SessionId("SESSION-2")}


@pytest.mark.parametrize(
    ("kind", "step"), [(BUSY, TemplateStep.WANTED), (THERE, TemplateStep.REFUSED)]
)
def test_a_template_that_is_refused_undoes_nothing(
    desk: Desk, kind: RefusalKind, step: TemplateStep
) -> None:
    desk.templates.fails = Refused(kind)
    assert desk.activation.verified(desk.session(), TEMPLATE)
    assert desk.state() is VoucherState.ACTIVE
    assert desk.step() is step


@pytest.mark.parametrize(
    "weak",
    [
        {"active": False},
        {"registry": None},
        {"registry": RegistryVerdict.UNAVAILABLE},
        {"factors": frozenset((Factor.FACE,))},
    ],
)
def test_a_weak_scan_neither_activates_nor_agrees_nor_enrols(
    desk: Desk, weak: dict[str, object]
) -> None:
    session = desk.session(**weak)  # type: ignore[arg-type]
    assert not desk.activation.verified(session, TEMPLATE)
    assert desk.state() is VoucherState.NOT_ACTIVATED
    assert desk.book.of(desk.psn_no) == []
    assert desk.templates.kept == {}


@pytest.mark.parametrize("sought_by", [SoughtBy.EXPECTED, SoughtBy.DIGITS, SoughtBy.CALLED])
def test_who_was_found_by_a_search_is_not_enrolled(desk: Desk, sought_by: SoughtBy) -> None:
    assert desk.activation.verified(desk.session(sought_by=sought_by), TEMPLATE)
    assert desk.templates.kept == {}
    assert desk.step() is TemplateStep.NONE


def test_a_weak_scan_does_not_wake_and_a_strong_one_does(any_desk: Desk) -> None:
    desk = any_desk
    desk.activation.verified(desk.session(), None)
    desk.wallet.wait(DORMANT_AFTER)
    assert not desk.activation.verified(desk.session("SESSION-2", active=False), None)
    assert desk.state() is VoucherState.DORMANT
    assert desk.activation.verified(desk.session("SESSION-3", ticks=()), None)
    assert desk.state() is VoucherState.ACTIVE
    assert desk.activation.verified(desk.session("SESSION-3", ticks=()), None)


def test_a_use_of_an_active_voucher_keeps_it_awake(desk: Desk) -> None:
    desk.activation.verified(desk.session(), None)
    desk.wallet.wait(DORMANT_AFTER - timedelta(days=1))
    passive = desk.session("SESSION-2", active=False, registry=None)
    assert not desk.activation.verified(passive, None)
    desk.wallet.wait(timedelta(days=2))
    assert desk.state() is VoucherState.ACTIVE


def test_a_frozen_voucher_is_left_alone_and_its_owner_may_unfreeze_it(desk: Desk) -> None:
    desk.activation.verified(desk.session(ticks=()), None)
    desk.wallet.vouchers.freeze_own(scanned(desk.psn_no), reason=FreezeReason.LOST_PHONE)
    assert not desk.activation.verified(desk.session("SESSION-2"), TEMPLATE)
    assert desk.state() is VoucherState.FROZEN
    assert desk.templates.kept == {}
    desk.wallet.vouchers.unfreeze_own(scanned(desk.psn_no))
    assert desk.state() is VoucherState.ACTIVE


def test_a_template_that_decided_is_noted_as_used(desk: Desk) -> None:
    session = desk.session()
    assert session.person is not None
    by_template = replace(session, person=replace(session.person, basis=Basis.TEMPLATE))
    desk.activation.verified(by_template, None)
    assert desk.templates.uses == [desk.psn_no]


def test_an_unverified_session_is_a_fault(desk: Desk) -> None:
    with pytest.raises(ValueError, match="not verified"):
        desk.activation.verified(replace(desk.session(), person=None), None)


@dataclass(frozen=True)
class Terms:
    in_force: frozenset[ConsentPurpose]
    guardian_missing: bool
    ask_again: frozenset[ConsentPurpose] = frozenset()


@dataclass(frozen=True)
class TermsOf:
    people: dict[PersonNo, Terms]

    def terms(self, psn_no: PersonNo) -> Terms:
        return self.people[psn_no]


def test_what_verification_is_told_of_a_person(desk: Desk) -> None:
    template = frozenset((ConsentPurpose.TEMPLATE,))
    held = Terms(template, guardian_missing=True, ask_again=template)
    terms = TermsOf({desk.psn_no: held})
    desk.templates.held[desk.psn_no] = desk.wallet.now()
    people = InsuredDesk(
        register=desk.wallet.persons,
        vouchers=desk.wallet.vouchers,
        terms=terms,
        holds=desk.templates,
    )
    now = desk.wallet.now()
    before = people.standing(desk.psn_no, now=now)
    assert before.voucher is VoucherStanding.NOT_ACTIVATED
    assert before.template_consent
    assert before.guardian_missing
    assert before.consent_outdated
    assert before.insurance_note is None
    assert before.payment_held_until == now
    desk.activation.verified(desk.session(ticks=()), None)
    desk.wallet.persons.set_insurance_status(
        psn_no=desk.psn_no,
        insutype="310",
        status=InsuranceStatus.PAUSED,
        note=InsuranceNote.ARREARS,
    )
    after = people.standing(desk.psn_no, now=now)
    assert after.voucher is VoucherStanding.ACTIVE
    assert after.insurance_note == "arrears"
    later = people.standing(desk.psn_no, now=now + DORMANT_AFTER)
    assert later.voucher is VoucherStanding.DORMANT
    assert people.by_number(id_number(1)) == desk.psn_no
    assert people.by_last_digits(id_number(1).value[-4:]) == {desk.psn_no}
    assert people.identity(desk.psn_no).id_number == id_number(1)


def test_every_state_of_a_voucher_has_its_standing() -> None:
    assert {each.value for each in VoucherState} == {each.value for each in VoucherStanding}
