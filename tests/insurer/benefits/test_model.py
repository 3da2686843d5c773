from dataclasses import fields, replace
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurer.benefits.bills import (
    CLINIC,
    DEDUCTIBLE_BORNE,
    beneficiaries,
    bills,
    item,
    sample_policy,
    visits,
    worker,
    years,
)
from shualian.core.money import ZERO, Fen, parse_yuan
from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import (
    Amounts,
    Beneficiary,
    ClassifiedItem,
    Fund,
    ItemLevel,
    Ratio,
    Rule,
    Settlement,
    VisitFacts,
    broken_identities,
    mirrored,
    payers_by_line,
    portion,
    settle,
    split_items,
)

POLICY = sample_policy()
A, B, C = ItemLevel.A, ItemLevel.B, ItemLevel.C

Year = dict[str, Fen]


def grown(year: Year, settlement: Settlement) -> Year:
    after = dict(year)
    for counter, amount in settlement.accrual.items():
        after[counter] = Fen(after.get(counter, ZERO) + amount)
    return after


def amounts_of(**yuan: str) -> Amounts:
    values = {field.name: ZERO for field in fields(Amounts)}
    values |= {name: parse_yuan(text) for name, text in yuan.items()}
    return Amounts(**values)


# Amounts of real replies, from the arithmetic of the national interface (2.12).
REAL = {
    "outpatient, all under the deductible": amounts_of(
        medfee_sumamt="4.52",
        preselfpay_amt="0.23",
        inscp_scp_amt="4.29",
        act_pay_dedc="4.29",
        psn_part_amt="4.52",
        acct_pay="4.52",
    ),
    "inpatient with a hospital's share": amounts_of(
        medfee_sumamt="23442.46",
        fulamt_ownpay_amt="2533.97",
        overlmt_selfpay="1396.89",
        preselfpay_amt="703.44",
        inscp_scp_amt="18808.16",
        hifob_pay="18785.39",
        fund_pay_sumamt="18785.39",
        psn_part_amt="4152.06",
        acct_pay="170.04",
        psn_cash_pay="3982.02",
        hosp_part_amt="505.01",
    ),
    "inpatient with a deductible": amounts_of(
        medfee_sumamt="5792.53",
        fulamt_ownpay_amt="296.20",
        preselfpay_amt="522.61",
        inscp_scp_amt="4973.72",
        act_pay_dedc="800.00",
        hifp_pay="3106.54",
        fund_pay_sumamt="3106.54",
        psn_part_amt="2685.99",
        psn_cash_pay="2685.99",
    ),
    "cancelled inpatient": amounts_of(
        medfee_sumamt="-3379.26",
        fulamt_ownpay_amt="-956.34",
        overlmt_selfpay="-186.31",
        preselfpay_amt="-197.22",
        inscp_scp_amt="-2039.39",
        hifp_pay="-2039.39",
        fund_pay_sumamt="-2039.39",
        psn_part_amt="-1307.01",
        psn_cash_pay="-1307.01",
        hosp_part_amt="-32.86",
    ),
    "cancelled outpatient": amounts_of(
        medfee_sumamt="-25.10",
        preselfpay_amt="-0.23",
        inscp_scp_amt="-24.87",
        psn_part_amt="-25.10",
        psn_cash_pay="-25.10",
    ),
}


@pytest.mark.parametrize("amounts", REAL.values(), ids=REAL.keys())
def test_identities_hold_for_real_replies(amounts: Amounts) -> None:
    assert broken_identities(amounts) == ()


@pytest.mark.parametrize(
    "field",
    [
        field.name
        for field in fields(Amounts)
        if field.name not in {"balc", "act_pay_dedc", "acct_mulaid_pay"}
    ],
)
@pytest.mark.parametrize("amounts", REAL.values(), ids=REAL.keys())
def test_one_fen_too_much_breaks_an_identity(amounts: Amounts, field: str) -> None:
    wrong = replace(amounts, **{field: Fen(getattr(amounts, field) + 1)})

    assert broken_identities(wrong)


def test_a_deductible_larger_than_the_scope_breaks_an_identity() -> None:
    wrong = replace(REAL["outpatient, all under the deductible"], act_pay_dedc=Fen(430))

    assert "act_pay_dedc lies inside inscp_scp_amt" in broken_identities(wrong)


@given(st.integers(0, 10**12), st.integers(0, 10_000))
def test_a_portion_is_rounded_half_up(amount: int, ratio: int) -> None:
    exact = Decimal(amount) * ratio / 10_000

    rounded = portion(Fen(amount), Ratio(ratio))

    assert rounded == exact.to_integral_value(ROUND_HALF_UP)
    assert portion(Fen(1), Ratio(5_000)) == 1
    assert portion(Fen(1), Ratio(4_999)) == 0


@given(bills(), beneficiaries, years, visits)
def test_identities_hold_for_every_bill_and_its_cancellation(
    bill: list[ClassifiedItem], person: Beneficiary, year: Year, visit: VisitFacts
) -> None:
    settlement = settle(POLICY, person, year, visit, bill)

    assert broken_identities(settlement.amounts) == ()
    cancelled = mirrored(settlement, balc=person.account_balance)
    assert broken_identities(cancelled.amounts) == ()


@given(bills(), beneficiaries, years, visits)
def test_every_line_adds_up_and_the_bill_is_the_sum_of_its_lines(
    bill: list[ClassifiedItem], person: Beneficiary, year: Year, visit: VisitFacts
) -> None:
    settlement = settle(POLICY, person, year, visit, bill)

    lines, amounts = settlement.lines, settlement.amounts
    for line in lines:
        parts = (
            line.fulamt_ownpay_amt,
            line.overlmt_amt,
            line.preselfpay_amt,
            line.inscp_scp_amt,
        )
        assert sum(parts) == line.item.det_item_fee_sumamt
        assert min(parts) >= 0
    assert amounts.medfee_sumamt == sum(i.det_item_fee_sumamt for i in bill)
    assert amounts.fulamt_ownpay_amt == sum(line.fulamt_ownpay_amt for line in lines)
    assert amounts.overlmt_selfpay == sum(line.overlmt_amt for line in lines)
    assert amounts.preselfpay_amt == sum(line.preselfpay_amt for line in lines)
    assert amounts.inscp_scp_amt == sum(line.inscp_scp_amt for line in lines)


@given(bills(), beneficiaries, years, visits)
def test_each_fen_of_each_line_has_one_payer(
    bill: list[ClassifiedItem], person: Beneficiary, year: Year, visit: VisitFacts
) -> None:
    settlement = settle(POLICY, person, year, visit, bill)

    payers, amounts = payers_by_line(POLICY, settlement), settlement.amounts
    for line, paid in zip(settlement.lines, payers, strict=True):
        whole = (*paid.funds.values(), paid.acct_pay, paid.psn_cash_pay)
        assert sum(whole) == line.item.det_item_fee_sumamt
        assert min(whole) >= 0
    for fund in Fund:
        assert sum(paid.funds.get(fund, ZERO) for paid in payers) == amounts.paid_by(fund)
    assert sum(paid.acct_pay for paid in payers) == amounts.acct_pay
    assert sum(paid.psn_cash_pay for paid in payers) == amounts.psn_cash_pay


@given(bills(), beneficiaries, years, visits, st.randoms(use_true_random=False))
def test_the_order_of_items_does_not_matter(
    bill: list[ClassifiedItem], person: Beneficiary, year: Year, visit: VisitFacts, rng: object
) -> None:
    shuffled = list(bill)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]

    one, other = (settle(POLICY, person, year, visit, items) for items in (bill, shuffled))
    assert one == other
    assert payers_by_line(POLICY, one) == payers_by_line(POLICY, other)


@given(
    st.lists(st.integers(0, 90), min_size=2, max_size=2),
    st.sampled_from(["1101", "12"]),
    visits,
)
def test_two_visits_equal_one_where_nothing_is_rounded(
    hundreds: list[int], psn_type: str, visit: VisitFacts
) -> None:
    # Every threshold of the policy is a multiple of 100 yuan and every ratio has two decimals.
    person = Beneficiary(psn_type, Fen(1_000_00))
    first, second = (item(f"L{i}", 100_00 * count) for i, count in enumerate(hundreds))

    both = settle(POLICY, person, {}, visit, [first, second])
    one = settle(POLICY, person, {}, visit, [first])
    after = Beneficiary(psn_type, one.amounts.balc)
    other = settle(POLICY, after, grown({}, one), visit, [second])

    for field in fields(Amounts):
        if field.name != "balc":
            split = getattr(one.amounts, field.name) + getattr(other.amounts, field.name)
            assert getattr(both.amounts, field.name) == split, field.name
    assert other.amounts.balc == both.amounts.balc
    assert grown(grown({}, one), other) == grown({}, both)


@given(bills("L"), bills("M"), beneficiaries, years, visits)
def test_two_visits_differ_from_one_by_roundings_only(
    first: list[ClassifiedItem],
    second: list[ClassifiedItem],
    person: Beneficiary,
    year: Year,
    visit: VisitFacts,
) -> None:
    both = settle(POLICY, person, year, visit, first + second)
    one = settle(POLICY, person, year, visit, first)
    after = Beneficiary(person.psn_type, one.amounts.balc)
    other = settle(POLICY, after, grown(year, one), visit, second)

    split = one.amounts.fund_pay_sumamt + other.amounts.fund_pay_sumamt
    assert abs(both.amounts.fund_pay_sumamt - split) <= 4
    for counter in ("otp_dedc", "otp_scope"):
        assert grown(grown(year, one), other).get(counter) == grown(year, both).get(counter)


@given(bills(), beneficiaries, years, visits, st.data())
def test_a_dearer_bill_never_costs_the_person_less(
    bill: list[ClassifiedItem],
    person: Beneficiary,
    year: Year,
    visit: VisitFacts,
    data: st.DataObject,
) -> None:
    if not bill:
        return
    place = data.draw(st.integers(0, len(bill) - 1))
    more = Fen(bill[place].det_item_fee_sumamt + data.draw(st.integers(1, 50_00)))
    dearer = [*bill[:place], replace(bill[place], det_item_fee_sumamt=more), *bill[place + 1 :]]

    before = settle(POLICY, person, year, visit, bill).amounts
    after = settle(POLICY, person, year, visit, dearer).amounts
    assert after.psn_part_amt >= before.psn_part_amt
    assert after.fund_pay_sumamt >= before.fund_pay_sumamt


@given(bills(), beneficiaries, years, visits)
def test_the_trace_moves_every_fen_of_the_scope_and_of_the_burden(
    bill: list[ClassifiedItem], person: Beneficiary, year: Year, visit: VisitFacts
) -> None:
    settlement = settle(POLICY, person, year, visit, bill)

    amounts, left = settlement.amounts, settlement.amounts.inscp_scp_amt
    for step in settlement.trace:
        if step.rule in {Rule.DEDUCTIBLE, Rule.SEGMENT}:
            assert step.before == left
            left = step.after
    assert left == 0
    burden = amounts.psn_part_amt
    for step in settlement.trace:
        if step.rule in {Rule.ACCOUNT, Rule.CASH}:
            assert step.before == burden
            burden = step.after
    assert burden == 0


@given(bills(), beneficiaries, years, visits)
def test_caps_are_never_passed(
    bill: list[ClassifiedItem], person: Beneficiary, year: Year, visit: VisitFacts
) -> None:
    settlement = settle(POLICY, person, year, visit, bill)

    for cap in POLICY.schedule_for(person, visit).layers[0].caps:
        used = year.get(cap.counter, ZERO)
        assert used + settlement.amounts.paid_by(cap.fund) <= max(cap.amount, used)


def test_a_small_bill_below_the_deductible_is_the_persons_own() -> None:
    bill = [item("1", 452, B, ratio=500)]

    amounts = settle(POLICY, worker(10_00), {}, CLINIC, bill).amounts

    assert replace(amounts, balc=ZERO) == REAL["outpatient, all under the deductible"]
    assert amounts.balc == 10_00 - 452


def test_the_worked_bill_of_the_interface_gives_62_yuan_from_the_pooled_fund() -> None:
    bill = [item("1", 50_00, B, ratio=500), item("2", 30_00), item("3", 12_00, C)]

    settlement = settle(POLICY, worker(200_00), DEDUCTIBLE_BORNE, CLINIC, bill)

    amounts = settlement.amounts
    assert (amounts.fulamt_ownpay_amt, amounts.preselfpay_amt) == (12_00, 2_50)
    assert (amounts.inscp_scp_amt, amounts.hifp_pay) == (77_50, 62_00)
    assert (amounts.acct_pay, amounts.psn_cash_pay, amounts.balc) == (18_00, 12_00, 182_00)
    assert settlement.pool_prop_selfpay == 8_000
    assert [(row.fund_pay_type, row.fund_payamt) for row in settlement.details] == [
        ("310100", 62_00),
        ("310200", 18_00),
    ]


def test_a_bill_that_crosses_deductible_and_segments_is_split_at_each() -> None:
    year = {"otp_dedc": Fen(320_00), "otp_scope": Fen(4_900_00)}

    settlement = settle(POLICY, worker(), year, CLINIC, [item("1", 1_000_00)])

    assert settlement.amounts.act_pay_dedc == 180_00
    assert settlement.amounts.hifp_pay == 80_00 + 612_00
    steps = [
        (step.clause, step.before, step.after)
        for step in settlement.trace
        if step.rule is Rule.SEGMENT
    ]
    assert steps == [("3.1", 820_00, 720_00), ("3.7", 720_00, 0)]
    assert settlement.accrual == {
        "otp_dedc": 180_00,
        "otp_scope": 820_00,
        "otp_hifp": 692_00,
    }


def test_above_the_cap_the_large_amount_fund_pays_its_part() -> None:
    year = {**DEDUCTIBLE_BORNE, "otp_scope": Fen(9_000_00), "otp_hifp": Fen(7_900_00)}

    amounts = settle(POLICY, worker(), year, CLINIC, [item("1", 1_000_00)]).amounts

    assert (amounts.hifp_pay, amounts.hifob_pay) == (100_00, 450_00)
    assert amounts.psn_cash_pay == 450_00


def test_above_both_caps_the_person_pays() -> None:
    year = {**DEDUCTIBLE_BORNE, "otp_hifp": Fen(8_000_00), "otp_hifob": Fen(20_000_00)}

    amounts = settle(POLICY, worker(), year, CLINIC, [item("1", 100_00)]).amounts

    assert (amounts.fund_pay_sumamt, amounts.psn_cash_pay) == (0, 100_00)


def test_retired_people_and_larger_hospitals_have_their_own_rules() -> None:
    retired = Beneficiary("12", ZERO)
    hospital = VisitFacts("11", "3", acct_used=False)

    amounts = settle(POLICY, retired, {}, hospital, [item("1", 400_00)]).amounts

    assert (amounts.act_pay_dedc, amounts.hifp_pay) == (300_00, 65_00)


def test_what_is_above_the_price_ceiling_is_paid_before_the_upfront_share() -> None:
    bill = [item("1", 500_00, B, ratio=1_000, ceiling=Decimal("180.005"), cnt="2")]

    (line,) = split_items(POLICY, bill)

    assert line.overlmt_amt == 500_00 - 360_01
    assert line.preselfpay_amt == 36_00
    assert line.inscp_scp_amt == 360_01 - 36_00


def test_the_account_leaves_self_paid_items_to_cash() -> None:
    amounts = settle(POLICY, worker(100_00), {}, CLINIC, [item("1", 80_00, C)]).amounts

    assert (amounts.acct_pay, amounts.psn_cash_pay) == (0, 80_00)


def test_the_account_stays_untouched_when_it_is_not_to_be_used() -> None:
    visit = replace(CLINIC, acct_used=False)

    amounts = settle(POLICY, worker(100_00), {}, visit, [item("1", 80_00)]).amounts

    assert (amounts.acct_pay, amounts.psn_cash_pay, amounts.balc) == (0, 80_00, 100_00)


def test_equal_lines_share_a_remainder_by_their_numbers() -> None:
    bill = [item(number, 1) for number in "cab"]
    settlement = settle(POLICY, worker(), DEDUCTIBLE_BORNE, CLINIC, bill)

    payers = payers_by_line(POLICY, settlement)

    assert settlement.amounts.hifp_pay == 2
    assert [(paid.feedetl_sn, dict(paid.funds)) for paid in payers] == [
        ("a", {Fund.POOLED: 1}),
        ("b", {Fund.POOLED: 1}),
        ("c", {}),
    ]


@pytest.mark.parametrize(
    ("person", "visit"),
    [
        (Beneficiary("15", ZERO), CLINIC),
        (worker(), replace(CLINIC, med_type="51")),
        (worker(), replace(CLINIC, med_type="14", dise_codg="unknown")),
        (worker(), replace(CLINIC, med_type="14")),
        (worker(), replace(CLINIC, institution_level="9")),
    ],
)
def test_a_case_without_a_rule_is_refused(person: Beneficiary, visit: VisitFacts) -> None:
    with pytest.raises(Refused) as refused:
        settle(POLICY, person, {}, visit, [item("1", 1)])

    assert refused.value.kind.code == "insurer.no_benefit_rule"


@pytest.mark.parametrize("bill", [[item("1", 1), item("1", 2)], [item("1", -1)]])
def test_a_bill_with_a_number_twice_or_a_negative_line_is_refused(
    bill: list[ClassifiedItem],
) -> None:
    with pytest.raises(Refused) as refused:
        settle(POLICY, worker(), {}, CLINIC, bill)

    assert refused.value.kind.code == "insurer.charge_invalid"
