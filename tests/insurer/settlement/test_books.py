"""Any course of contributions, settlements and cancellations leaves coherent books."""

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from insurer.office import (
    ANTIBIOTIC,
    BLOOD_COUNT,
    CLINIC,
    FOLDER,
    HOSPITAL,
    Charged,
    Office,
    charge,
)
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import PersonNo
from shualian.insurer.benefits.model import broken_identities
from shualian.insurer.funds import store as ledger
from shualian.insurer.funds.model import balances, personal
from shualian.insurer.settlement import store
from shualian.insurer.settlement.model import SettlementRecord

ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("credit"), st.integers(0, 1), st.integers(1, 900_00)),
        st.tuples(st.just("settle"), st.integers(0, 1), st.integers(0, 9_000_00)),
        st.tuples(st.just("cancel"), st.integers(0, 9), st.just(0)),
    ),
    max_size=9,
)


def play(office: Office, people: list[PersonNo], acts: list[tuple[str, int, int]]) -> None:
    done: list[tuple[Charged, SettlementRecord]] = []
    for act, who, amount in acts:
        if act == "credit":
            office.credit(people[who], amount)
        elif act == "settle":
            items = [
                charge(code, amount // part, code)
                for part, code in enumerate((BLOOD_COUNT, ANTIBIOTIC, FOLDER), start=1)
            ]
            institution = (CLINIC, HOSPITAL)[amount % 2]
            charged = office.charged(people[who], *items, institution=institution)
            done.append((charged, charged.settle()))
        elif done:
            charged, record = done.pop(who % len(done))
            charged.cancel(record)


def replayed(office: Office, psn_no: PersonNo) -> Counter[str]:
    """The year's counters as the sum of what each record of the books moved."""
    counters: Counter[str] = Counter()
    for institution in (CLINIC, HOSPITAL):
        for number in office.database.read(
            lambda c, i=institution: store.settlement_ids(c, i, psn_no, 2026)  # type: ignore[misc]
        ):
            record = office.settlements.find_settlement(institution=institution, setl_id=number)
            counters.update(record.settlement.accrual)
            assert broken_identities(record.settlement.amounts) == ()
    return counters


@settings(max_examples=25, deadline=None)
@given(ACTS)
def test_books_counters_and_accounts_agree_after_any_course(
    acts: list[tuple[str, int, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = SqliteDatabase(f"sqlite:///{folder}/books.db")
        office = Office(database, Path(folder))
        people = [office.insured(1).psn_no, office.insured(2, psn_type="12").psn_no]

        play(office, people, acts)

        assert office.funds.check_books().coherent
        booked = balances(database.read(ledger.all_postings))
        assert sum(booked.values()) == 0
        for psn_no in people:
            assert booked.get(personal(psn_no), 0) == office.funds.balance(psn_no) >= 0
            counters = office.settlements.year_counters(psn_no=psn_no, insutype="310", year=2026)
            assert replayed(office, psn_no) == Counter(counters)
            assert all(amount >= 0 for amount in counters.values())
        database.close()
