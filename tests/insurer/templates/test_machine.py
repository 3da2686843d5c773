"""Whatever happens in whatever order: no template without consent, and receipts for all."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from insurer.face_world import (
    CLERK,
    NOW,
    PARENT,
    PAYMENT,
    PERSON,
    SECOND,
    TEMPLATE,
    FaceWorld,
    PowerCutError,
    Scanned,
    scanned,
)
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import PersonNo
from shualian.core.refusals import Refused
from shualian.insurer.consents.model import CONSENT_NOT_IN_FORCE, DocumentKind, Withdrawal
from shualian.insurer.erasures.model import ERASURE_UNFINISHED, DeletionReceipt, StoreName
from shualian.insurer.templates.model import TEMPLATE_EXISTS, TEMPLATE_MISSING, Replacement
from terminals.district import answer_of

PEOPLE = st.sampled_from([PERSON, PARENT])
UP = precondition(lambda self: not self.down)


class Templates(RuleBasedStateMachine):
    """The program against what a person would expect of it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = SqliteDatabase(f"sqlite:///{self.folder.name}/insurer.db")
        self.world = FaceWorld(self.database, Path(self.folder.name))
        self.agreed: set[PersonNo] = set()
        self.kept = {PERSON: 0, PARENT: 0}
        self.sessions: dict[PersonNo, Scanned] = {}
        self.unfinished: set[PersonNo] = set()
        self.down = False

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    @UP
    @rule(psn_no=PEOPLE)
    def give(self, psn_no: PersonNo) -> None:
        given = answer_of(lambda: self.world.give(psn_no, TEMPLATE, PAYMENT))
        if given is ERASURE_UNFINISHED:
            assert psn_no in self.unfinished
        else:
            self.agreed.add(psn_no)

    @UP
    @rule(psn_no=PEOPLE, failing=st.booleans())
    def withdraw(self, psn_no: PersonNo, *, failing: bool) -> None:
        self.world.memory.failing = failing
        answer = answer_of(lambda: self.world.withdraw(psn_no))
        self.world.memory.failing = False
        self.agreed.discard(psn_no)
        if failing:
            assert answer is ERASURE_UNFINISHED
            self.unfinished.add(psn_no)
        else:
            assert isinstance(answer, Withdrawal)
            assert self.world.left(psn_no) == 0
            self.unfinished.discard(psn_no)

    @UP
    @rule()
    def finish(self) -> None:
        self.world.consents.finish_open_withdrawals()
        self.unfinished.clear()

    @UP
    @rule(psn_no=PEOPLE)
    def withdraw_payment(self, psn_no: PersonNo) -> None:
        assert self.world.withdraw(psn_no, PAYMENT).receipt is None

    @UP
    @rule(psn_no=PEOPLE, again=st.booleans())
    def enrol(self, psn_no: PersonNo, *, again: bool) -> None:
        self.world.wait()
        earlier = self.sessions.get(psn_no) if again else None
        session = earlier or scanned(psn_no)
        answer = answer_of(lambda: self.world.enrol(psn_no, session=session))
        if psn_no not in self.agreed:
            assert answer is CONSENT_NOT_IN_FORCE
        elif isinstance(answer, bool):
            self.kept[psn_no] += answer
            self.sessions[psn_no] = session
        else:
            assert answer is TEMPLATE_EXISTS

    @UP
    @rule(psn_no=PEOPLE, after_gallery=st.booleans())
    def power_cut_while_enrolling(self, psn_no: PersonNo, *, after_gallery: bool) -> None:
        original = self.world.gallery.enrol

        def cut(*given: Any) -> None:
            if after_gallery:
                original(*given)
            raise PowerCutError

        self.world.gallery.enrol = cut  # type: ignore[assignment, method-assign]
        try:
            self.world.enrol(psn_no)
        except PowerCutError:
            self.down = True
        except Refused:
            self.world.gallery.enrol = original  # type: ignore[method-assign]

    @UP
    @rule(psn_no=PEOPLE)
    def power_cut_while_withdrawing(self, psn_no: PersonNo) -> None:
        def cut(_subject: str) -> None:
            raise PowerCutError

        self.world.gallery.delete_subject = cut  # type: ignore[assignment, method-assign]
        try:
            self.world.withdraw(psn_no)
        except PowerCutError:
            self.down = True
        self.agreed.discard(psn_no)

    @precondition(lambda self: self.down)
    @rule()
    def start(self) -> None:
        self.world.restart()
        self.world.consents.finish_open_withdrawals()
        self.world.templates.finish_waiting()
        self.unfinished.clear()
        self.down = False

    @UP
    @rule(psn_no=PEOPLE)
    def replace(self, psn_no: PersonNo) -> None:
        templates, document = self.world.templates, DocumentKind.ID_CARD
        made = answer_of(
            lambda: templates.propose_replacement(psn_no, actor=CLERK, document=document)
        )
        if isinstance(made, Replacement):
            templates.approve_replacement(made.proposal_id, actor=SECOND)
            assert templates.payment_held_until(psn_no) is not None
        else:
            assert made is TEMPLATE_MISSING
        assert not self.world.reachable(psn_no)

    @UP
    @rule(months=st.integers(1, 13), psn_no=PEOPLE)
    def time_goes_by(self, months: int, psn_no: PersonNo) -> None:
        world = self.world
        world.clock.set(world.clock.now() + (NOW.replace(year=2027) - NOW) / 12 * months)
        world.templates.used(psn_no, world.clock.now())
        world.templates.expire(world.clock.now())

    @UP
    @invariant()
    def no_template_can_be_reached_without_consent_in_force(self) -> None:
        for psn_no in (PERSON, PARENT):
            in_force = self.world.consents.in_force(psn_no)
            assert (TEMPLATE in in_force) == (psn_no in self.agreed)
            if TEMPLATE not in in_force:
                assert not self.world.reachable(psn_no)

    @UP
    @invariant()
    def register_gallery_and_index_agree(self) -> None:
        for psn_no in (PERSON, PARENT):
            found = self.world.erasures.holdings(psn_no)
            assert found[StoreName.GALLERY_RECORDS] == found[StoreName.SEARCH_INDEX]
            assert found[StoreName.GALLERY_RECORDS] == found[StoreName.TEMPLATE_REGISTER]
            assert found[StoreName.WAITING_ENROLMENTS] == 0

    @UP
    @invariant()
    def every_template_that_was_kept_is_there_or_on_a_receipt(self) -> None:
        for psn_no in {PERSON, PARENT} - self.unfinished:
            receipts = self.world.erasures.receipts_of(psn_no)
            deleted = sum(_of(each, StoreName.TEMPLATE_REGISTER) for each in receipts)
            there = self.world.erasures.holdings(psn_no)[StoreName.TEMPLATE_REGISTER]
            assert self.kept[psn_no] == there + deleted


def _of(receipt: DeletionReceipt, name: StoreName) -> int:
    return sum(each.deleted for each in receipt.stores if each.name is name)


TestTemplates = Templates.TestCase
TestTemplates.settings = settings(max_examples=20, stateful_step_count=25)
