"""Policies, bills and strategies for the tests of benefits."""

from datetime import date
from decimal import Decimal

from hypothesis import strategies as st

from shualian.core.identifiers import ChargeItemNo
from shualian.core.money import Fen
from shualian.insurer.benefits import store
from shualian.insurer.benefits.model import (
    Beneficiary,
    ClassifiedItem,
    ItemLevel,
    Policy,
    Ratio,
    VisitFacts,
)

DAY = date(2026, 5, 1)
CLINIC = VisitFacts(med_type="11", institution_level="1", acct_used=True)
DEDUCTIBLE_BORNE = {"otp_dedc": Fen(500_00)}


def sample_policy() -> Policy:
    book = store.load_policies(store.packaged_policies())
    return book.policy_for(region="990000", insutype="310", day=DAY)


def worker(balance: int = 0) -> Beneficiary:
    return Beneficiary(psn_type="1101", account_balance=Fen(balance))


def item(
    number: str,
    amount: int,
    level: ItemLevel = ItemLevel.A,
    *,
    ratio: int = 0,
    ceiling: Decimal | None = None,
    cnt: str = "1",
) -> ClassifiedItem:
    share = {ItemLevel.A: 0, ItemLevel.B: ratio, ItemLevel.C: 10_000}[level]
    return ClassifiedItem(
        feedetl_sn=ChargeItemNo(number),
        name_zh=f"项目{number}",
        name_en=f"item {number}",
        chrgitm_lv=level,
        med_chrgitm_type="09",
        det_item_fee_sumamt=Fen(amount),
        cnt=Decimal(cnt),
        pric=Decimal(amount) / 100 / Decimal(cnt),
        selfpay_prop=Ratio(share),
        pric_uplmt_amt=ceiling,
    )


@st.composite
def classified_items(draw: st.DrawFn, number: str) -> ClassifiedItem:
    ceiling = st.none() | st.decimals("0.01", "3000", places=6)
    level = draw(st.sampled_from(ItemLevel))
    return item(
        number,
        draw(st.integers(0, 5_000_00)),
        level,
        ratio=draw(st.integers(0, 10_000)),
        ceiling=None if level is ItemLevel.C else draw(ceiling),
        cnt=str(draw(st.integers(1, 9))),
    )


@st.composite
def bills(draw: st.DrawFn, prefix: str = "L") -> list[ClassifiedItem]:
    count = draw(st.integers(0, 6))
    return [draw(classified_items(f"{prefix}{i}")) for i in range(count)]


beneficiaries = st.builds(
    Beneficiary,
    psn_type=st.sampled_from(["11", "1101", "12"]),
    account_balance=st.integers(0, 3_000_00).map(Fen),
)
visits = st.builds(
    VisitFacts,
    med_type=st.just("11"),
    institution_level=st.sampled_from("123"),
    acct_used=st.booleans(),
)
years = st.fixed_dictionaries(
    {},
    optional={
        "otp_dedc": st.integers(0, 500_00).map(Fen),
        "otp_scope": st.integers(0, 30_000_00).map(Fen),
        "otp_hifp": st.integers(0, 10_000_00).map(Fen),
        "otp_hifob": st.integers(0, 20_000_00).map(Fen),
    },
)
