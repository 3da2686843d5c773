"""Any course of visits, settlements, cancellations, refunds and reversals, with crashes between.

A crash breaks a transaction off at one of the statements that it sends; the sender repeats the
command, reverses it, or never asks again. After every step the whole is asked whether it is
coherent.
"""

import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import func, select

from insurer.office import (
    ANTIBIOTIC,
    BLOOD_COUNT,
    CLINIC,
    CONSULTATION,
    HOSPITAL,
    Charged,
    Office,
    charge,
    confirmed,
)
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import PersonNo, new_identifier
from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import broken_identities
from shualian.insurer.funds import store as ledger
from shualian.insurer.funds.model import balances, personal
from shualian.insurer.settlement import statements, store
from shualian.insurer.settlement.evidence.model import Evidence
from shualian.insurer.settlement.model import Confirmed, Refund, SettlementRecord
from shualian.verification import store as verification_store

PLACES = ("settlement_row", "hold_items", "grow_counters", "event", "done_row", "ask_visit")


class CrashError(Exception):
    """The power is gone."""


@dataclass
class Sent:
    """A settling command as its sender stored it."""

    command: str
    charged: Charged
    agreed: Confirmed
    evidence: Evidence
    reversed: bool = False


class Course(RuleBasedStateMachine):
    """A sender that crashes, repeats, cancels, refunds and reverses."""

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.database = SqliteDatabase(f"sqlite:///{folder}/course.db")
        self.stack.callback(self.database.close)
        self.office = Office(self.database, Path(folder))
        self.people: list[PersonNo] = [
            self.office.insured(1, balance=400_00).psn_no,
            self.office.insured(2, psn_type="12").psn_no,
        ]
        self.sent: list[Sent] = []
        self.records: list[tuple[Charged, SettlementRecord]] = []

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.stack.close()

    def settle(self, sent: Sent) -> SettlementRecord:
        return sent.charged.settle(sent.command, agreed=sent.agreed, evidence=sent.evidence)

    @rule(who=st.integers(0, 1), amount=st.integers(1, 900_00))
    def credit(self, who: int, amount: int) -> None:
        self.office.credit(self.people[who], amount)

    @rule(
        who=st.integers(0, 1),
        amount=st.integers(4, 3_000_00),
        place=st.sampled_from((None, *PLACES)),
        institution=st.sampled_from((CLINIC, HOSPITAL)),
    )
    def pay(self, who: int, amount: int, place: str | None, institution: Any) -> None:
        items = [
            charge(str(number), amount // number, code)
            for number, code in enumerate((BLOOD_COUNT, ANTIBIOTIC, CONSULTATION), start=1)
        ]
        charged = self.office.charged(self.people[who], *items, institution=institution)
        agreed = confirmed(charged.pre_settle())
        sent = Sent(new_identifier(), charged, agreed, charged.proof(pin=True))
        self.sent.append(sent)
        if place is None:
            self.records.append((charged, self.settle(sent)))
            return
        with pytest.MonkeyPatch.context() as power:
            power.setattr(statements, place, _crash)
            with pytest.raises(CrashError):
                self.settle(sent)

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0, 99))
    def repeat(self, which: int) -> None:
        sent = self.sent[which % len(self.sent)]
        record: SettlementRecord | None = None
        code = ""
        try:
            record = self.settle(sent)
        except Refused as refused:
            code = refused.kind.code
        if sent.reversed:
            assert code == "insurer.command_reversed"
            return
        if record is None:
            # The split changed since it was confirmed.
            assert code == "insurer.amounts_differ"
            return
        known = {each.setl_id for _, each in self.records}
        if record.setl_id not in known:
            self.records.append((sent.charged, record))

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0, 99))
    def reverse(self, which: int) -> None:
        sent = self.sent[which % len(self.sent)]
        first = sent.charged.reverse(sent.command)
        assert sent.charged.reverse(sent.command) == first
        sent.reversed = True

    @precondition(lambda self: self.records)
    @rule(which=st.integers(0, 99), crash=st.booleans())
    def cancel(self, which: int, crash: bool) -> None:
        charged, record = self.records[which % len(self.records)]
        command = new_identifier()
        if crash:
            with pytest.MonkeyPatch.context() as power:
                power.setattr(store, "release_items", _crash)
                with pytest.raises((CrashError, Refused)):
                    charged.cancel(record, command)
        self.tolerating(lambda: charged.cancel(record, command))

    @precondition(lambda self: self.records)
    @rule(which=st.integers(0, 99), line=st.sampled_from("123"), crash=st.booleans())
    def refund(self, which: int, line: str, crash: bool) -> None:
        charged, record = self.records[which % len(self.records)]
        command = new_identifier()
        if crash:
            with pytest.MonkeyPatch.context() as power:
                power.setattr(store, "give_items_back", _crash)
                with pytest.raises((CrashError, Refused)):
                    charged.refund(record, line, command=command)
        made = self.tolerating(lambda: charged.refund(record, line, command=command))
        if isinstance(made, Refund) and made.rest:
            self.records.append((charged, made.rest))

    def tolerating(self, do: Any) -> object:
        try:
            return do()
        except Refused as refused:
            code = refused.kind.code
        expected = {
            "insurer.already_cancelled",
            "insurer.refund_invalid",
            "insurer.refund_dearer",
        }
        assert code in expected
        return None

    @invariant()
    def books_sum_to_zero_and_people_agree(self) -> None:
        if not hasattr(self, "office"):
            return
        assert self.office.funds.check_books().coherent
        booked = balances(self.database.read(ledger.all_postings))
        assert sum(booked.values()) == 0
        for psn_no in self.people:
            assert booked.get(personal(psn_no), 0) == self.office.funds.balance(psn_no) >= 0

    @invariant()
    def accumulators_equal_a_replay(self) -> None:
        if not hasattr(self, "office"):
            return
        for psn_no in self.people:
            replay: Counter[str] = Counter()
            for institution in (CLINIC, HOSPITAL):
                numbers = self.database.read(
                    lambda c, i=institution, p=psn_no: store.settlement_ids(c, i, p, 2026)  # type: ignore[misc]
                )
                for number in numbers:
                    record = self.office.settlements.find_settlement(
                        institution=institution, setl_id=number
                    )
                    replay.update(record.settlement.accrual)
                    assert broken_identities(record.settlement.amounts) == ()
            counters = self.office.settlements.year_counters(
                psn_no=psn_no, insutype="310", year=2026
            )
            assert Counter(counters) == replay
            assert all(amount >= 0 for amount in counters.values())

    @invariant()
    def every_bill_is_in_one_final_state_and_no_proof_was_used_twice(self) -> None:
        if not hasattr(self, "office"):
            return
        table, undoing = store.settlement, store.settlement.alias()
        standing = (
            select(table.c.mdtrt_id, func.count())
            .where(
                table.c.kind == "settlement",
                ~select(undoing.c.setl_id).where(undoing.c.cancels == table.c.setl_id).exists(),
            )
            .group_by(table.c.mdtrt_id)
        )
        rows = self.database.read(lambda c: c.execute(standing).all())
        assert all(count == 1 for _, count in rows)
        used = select(verification_store.redemptions.c.auth_digest)
        digests = self.database.read(lambda c: c.execute(used).scalars().all())
        assert len(set(digests)) == len(digests)
        rested = select(table.c.evidence_reference).where(table.c.intent_id.is_not(None))
        references = self.database.read(lambda c: c.execute(rested).scalars().all())
        assert sorted(references) == sorted(digests)


def _crash(*_: object, **__: object) -> None:
    raise CrashError


Course.TestCase.settings = settings(
    max_examples=12, stateful_step_count=14, deadline=None, print_blob=True
)
TestCourse = Course.TestCase
