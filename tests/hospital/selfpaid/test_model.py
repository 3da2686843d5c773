from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital.world import CHEST_CT, CONSULTATION, PRICES, VITAMINS
from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    EncounterNo,
    SettlementId,
    VisitId,
    new_identifier,
)
from shualian.core.money import Fen
from shualian.hospital.model import FeeDetail, broken_identities
from shualian.hospital.selfpaid.model import (
    is_self_paid,
    own_answer,
    own_split,
    settlement_number,
    visit_number,
)

NOW = datetime(2026, 11, 29, 2, 0, tzinfo=UTC)
S30 = 30


def detail(code: str, *, fen: int = 1_00, national: str | None = None) -> FeeDetail:
    item = PRICES.items.get(code)
    return FeeDetail(
        feedetl_sn=ChargeItemNo("1"),
        fee_ocur_time=NOW,
        med_list_codg=national or (item.med_list_codg if item else "0"),
        medins_list_codg=code,
        det_item_fee_sumamt=Fen(fen),
        cnt=Decimal(1),
        pric=Decimal(1),
        bilg_dept_codg="A03",
        bilg_dept_name="内科",
        bilg_dr_codg="D1",
        bilg_dr_name="示例医生",
    )


@given(st.integers(min_value=1, max_value=10**9))
def test_every_fen_of_a_bill_without_insurance_is_the_persons_own(fen: int) -> None:
    amounts = own_answer(Fen(fen), setl_id=None, now=NOW).amounts

    assert broken_identities(amounts) == ()
    assert amounts.psn_cash_pay == amounts.medfee_sumamt == fen
    assert amounts.fund_pay_sumamt == amounts.acct_pay == 0


@given(st.integers(min_value=0, max_value=10**9))
def test_a_line_without_insurance_is_wholly_self_paid(fen: int) -> None:
    split = own_split(detail(CONSULTATION, fen=fen), PRICES)

    assert split.adds_up
    assert split.fulamt_ownpay_amt == fen


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (detail(CHEST_CT), "03"),
        (detail(VITAMINS), "09"),
        (detail(VITAMINS, national="ZA01"), "11"),
        (detail(VITAMINS, national="T001"), "10"),
        (detail(CONSULTATION), "14"),
        (detail("not on the list any more"), "14"),
    ],
)
def test_the_kind_of_fee_comes_from_the_price_list(line: FeeDetail, kind: str) -> None:
    assert own_split(line, PRICES).med_chrgitm_type == kind


def test_numbers_fit_their_fields_and_say_that_no_insurer_knows_them() -> None:
    visit = visit_number(EncounterNo(new_identifier()))
    command = CommandId("a command of any length, also one longer than the field of a number")
    settlement = settlement_number(command)

    assert max(len(visit), len(settlement)) <= S30
    assert is_self_paid(visit)
    assert is_self_paid(settlement)
    assert settlement == settlement_number(command)
    assert settlement != settlement_number(CommandId("another"))
    assert not is_self_paid(VisitId("01JDX0000000000000000000V1"))
    assert not is_self_paid(SettlementId(""))
