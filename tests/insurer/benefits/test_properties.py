"""What holds for every bill under every policy of the package."""

import random
from collections import Counter
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from insurer.benefits.bills import (
    DAY,
    POLICIES,
    Occasion,
    bills,
    dearer,
    grown,
    occasions,
)
from shualian.core.money import ZERO, Fen
from shualian.insurer.benefits.model import (
    Amounts,
    Beneficiary,
    ClassifiedItem,
    Fund,
    Period,
    Settlement,
    VisitFacts,
    broken_identities,
    mirrored,
    payers_by_line,
    settle,
)
from shualian.insurer.benefits.soundness import visit_of
from shualian.insurer.benefits.wording import render_trace

STORED = TypeAdapter(Settlement)


def settled(occasion: Occasion, bill: list[ClassifiedItem]) -> Settlement:
    return settle(occasion.policy, occasion.person, occasion.year, occasion.visit, bill)


@given(occasions(), bills())
def test_identities_hold_for_every_bill_and_its_cancellation(
    occasion: Occasion, bill: list[ClassifiedItem]
) -> None:
    settlement = settled(occasion, bill)

    assert broken_identities(settlement.amounts) == ()
    assert settlement.amounts.medfee_sumamt == sum(item.det_item_fee_sumamt for item in bill)
    cancelled = mirrored(settlement, balc=occasion.person.account_balance)
    assert broken_identities(cancelled.amounts) == ()


@given(occasions(), bills())
def test_each_fen_of_each_line_is_in_one_bucket(
    occasion: Occasion, bill: list[ClassifiedItem]
) -> None:
    settlement = settled(occasion, bill)
    amounts, payers = settlement.amounts, payers_by_line(occasion.policy, settlement)

    for line, paid in zip(settlement.lines, payers, strict=True):
        split = (line.fulamt_ownpay_amt, line.overlmt_amt, line.preselfpay_amt, line.inscp_scp_amt)
        accounts = (paid.acct_pay, paid.acct_mulaid_pay, paid.psn_cash_pay)
        whole = (*paid.funds.values(), paid.hosp_part_amt, *accounts)
        assert sum(split) == sum(whole) == line.item.det_item_fee_sumamt
        assert min(*split, *whole) >= 0
    for fund in Fund:
        assert sum(paid.funds.get(fund, ZERO) for paid in payers) == amounts.paid_by(fund)
    for name in ("hosp_part_amt", "acct_pay", "acct_mulaid_pay", "psn_cash_pay"):
        assert sum(getattr(paid, name) for paid in payers) == getattr(amounts, name), name


@given(occasions(), bills())
def test_the_details_list_every_payer_but_cash_once(
    occasion: Occasion, bill: list[ClassifiedItem]
) -> None:
    settlement = settled(occasion, bill)

    amounts = settlement.amounts
    listed = sum(row.fund_payamt for row in settlement.details)
    assert listed == amounts.medfee_sumamt - amounts.psn_cash_pay
    assert all(row.fund_payamt > 0 for row in settlement.details)
    kinds = [row.fund_pay_type for row in settlement.details]
    assert len(kinds) == len(set(kinds))


@given(occasions(), bills(), st.randoms(use_true_random=False))
def test_the_order_of_items_does_not_matter(
    occasion: Occasion, bill: list[ClassifiedItem], rng: random.Random
) -> None:
    shuffled = rng.sample(bill, len(bill))

    one, other = settled(occasion, bill), settled(occasion, shuffled)

    assert one == other
    assert payers_by_line(occasion.policy, one) == payers_by_line(occasion.policy, other)


@given(occasions(), bills(min_size=1), st.data())
def test_a_dearer_bill_never_costs_the_person_less(
    occasion: Occasion, bill: list[ClassifiedItem], data: st.DataObject
) -> None:
    before = settled(occasion, bill).amounts
    after = settled(occasion, data.draw(dearer(bill))).amounts

    assert after.psn_part_amt >= before.psn_part_amt


@given(occasions(), bills())
def test_a_settlement_survives_being_written_as_json(
    occasion: Occasion, bill: list[ClassifiedItem]
) -> None:
    settlement = settled(occasion, bill)

    assert STORED.validate_json(STORED.dump_json(settlement)) == settlement


@given(occasions(), bills())
def test_no_cap_is_passed(occasion: Occasion, bill: list[ClassifiedItem]) -> None:
    amounts = settled(occasion, bill).amounts

    for layer in occasion.policy.schedule_for(occasion.person, occasion.visit).layers:
        for cap in layer.caps:
            counters = occasion.year if cap.period is Period.YEAR else occasion.visit.so_far
            used = counters.get(cap.counter, ZERO)
            assert used + amounts.paid_by(cap.fund) <= max(cap.amount, used)


@given(occasions(), bills())
def test_every_step_has_a_clause_of_the_policy_and_a_sentence_in_both_languages(
    occasion: Occasion, bill: list[ClassifiedItem]
) -> None:
    settlement = settled(occasion, bill)

    assert all(step.clause for step in settlement.trace)
    for language in ("zh", "en"):
        sentences = render_trace(settlement, language)
        assert len(sentences) == len(settlement.trace)
        assert all(sentence and "{" not in sentence for sentence in sentences)


@given(occasions(), bills("L"), bills("M"))
def test_two_settlements_of_one_visit_are_one_but_for_roundings(
    occasion: Occasion, first: list[ClassifiedItem], second: list[ClassifiedItem]
) -> None:
    # A ratio for the whole visit, and the hospital's part, look at each bill by itself.
    schedule = occasion.policy.schedule_for(occasion.person, occasion.visit)
    if schedule.hospital or any(layer.mode == "whole" for layer in schedule.layers):
        return

    both = settled(occasion, first + second)
    one = settled(occasion, first)
    other = settled(occasion.after(one, same_visit=True), second)

    apart = both.amounts.fund_pay_sumamt - sum(
        each.amounts.fund_pay_sumamt for each in (one, other)
    )
    assert abs(apart) <= 6
    for layer in schedule.layers[:1]:
        for counter in (layer.deductible.counter, layer.counter):
            split = one.accrual.get(counter, 0) + other.accrual.get(counter, 0)
            assert abs(both.accrual.get(counter, 0) - split) <= 1
        if admissions := layer.deductible.admissions:
            counted = [each.accrual.get(admissions, 0) for each in (one, other)]
            assert counted == [0 if admissions in occasion.visit.so_far else 1, 0]


@given(st.sampled_from(POLICIES), st.data())
def test_replaying_the_year_gives_the_accumulators(policy: Any, data: st.DataObject) -> None:
    """Visits of all kinds in any order, some cancelled: the books are the sum of what stands."""
    groups = sorted(policy.groups)
    person = Beneficiary(data.draw(st.sampled_from(groups)), ZERO)
    group = policy.groups[person.psn_type]
    cases = [case for case in policy.schedules if case.group == group]
    year: dict[str, Fen] = {}
    standing: list[Settlement] = []
    for number in range(data.draw(st.integers(1, 5))):
        visit = visit_of(policy, data.draw(st.sampled_from(cases)))
        settlement = settle(policy, person, year, visit, data.draw(bills(f"V{number}-")))
        year = grown(year, settlement)
        standing.append(settlement)
        if data.draw(st.booleans()):
            undone = standing.pop(data.draw(st.integers(0, len(standing) - 1)))
            year = grown(year, mirrored(undone, balc=ZERO))

    replayed: Counter[str] = Counter()
    for settlement in standing:
        replayed.update(settlement.accrual)
    assert {name: amount for name, amount in year.items() if amount} == {
        name: amount for name, amount in replayed.items() if amount
    }
    for fund in Fund:
        paid = sum(settlement.amounts.paid_by(fund) for settlement in standing)
        counters = {
            cap.counter
            for schedule in policy.schedules.values()
            for layer in schedule.layers
            for cap in layer.caps
            if cap.fund is fund
        }
        assert sum(year.get(counter, ZERO) for counter in counters) <= paid


def test_how_a_person_was_recognised_is_not_known_to_the_calculation() -> None:
    known = {field.name for kind in (Beneficiary, VisitFacts) for field in fields(kind)}

    assert not known & {"mdtrt_cert_type", "evidence", "auth_no", "terminal_id", "subject"}


# Two visits against one: what the equality is depends on what the policy counts, and over what.
CLINIC = VisitFacts(med_type="11", institution_level="1", acct_used=False)
HUNDREDS = st.integers(0, 90).map(lambda count: Fen(count * 100_00))


def pair(insutype: str, region: str) -> tuple[Any, Beneficiary]:
    policy = next(each for each in POLICIES if (each.region, each.insutype) == (region, insutype))
    return policy, Beneficiary("1101" if insutype == "310" else "15", ZERO)


def one_and_two(
    insutype: str, region: str, amounts: tuple[Fen, Fen], visit: VisitFacts
) -> tuple[Settlement, Settlement, Settlement]:
    """One bill of both amounts; the first alone; the second as another visit after it."""
    policy, person = pair(insutype, region)
    first, second = (plain(f"L{i}", amount) for i, amount in enumerate(amounts))
    both = settle(policy, person, {}, visit, [first, second])
    one = settle(policy, person, {}, visit, [first])
    return both, one, settle(policy, person, grown({}, one), visit, [second])


def plain(number: str, amount: Fen) -> ClassifiedItem:
    from insurer.benefits.bills import item

    return item(number, amount)


@pytest.mark.parametrize("insutype", ["310", "390"])
@given(HUNDREDS, HUNDREDS)
def test_990000_counts_the_year_so_two_outpatient_visits_cost_what_one_costs(
    insutype: str, first: Fen, second: Fen
) -> None:
    # Thresholds are multiples of 100 yuan and ratios have two decimals: nothing is rounded.
    both, one, other = one_and_two(insutype, "990000", (first, second), CLINIC)

    for field in fields(Amounts):
        if field.name != "balc":
            split = getattr(one.amounts, field.name) + getattr(other.amounts, field.name)
            assert getattr(both.amounts, field.name) == split, field.name
    assert grown(grown({}, one), other) == grown({}, both)


@given(st.integers(21, 400), st.integers(21, 400))
def test_990100_employees_bear_one_more_deductible_for_a_second_visit(
    first: int, second: int
) -> None:
    # Below the caps for a visit: 20 yuan for each visit at level 1, then the fund pays 60 %.
    amounts = (Fen(first * 100), Fen(second * 100))
    if first + second > 500:
        return

    both, one, other = one_and_two("310", "990100", amounts, CLINIC)

    apart = one.amounts.psn_part_amt + other.amounts.psn_part_amt - both.amounts.psn_part_amt
    assert apart == 20_00 * 60 // 100


@given(st.integers(1, 200), st.integers(1, 200))
def test_990100_residents_pay_a_tenth_less_for_two_small_visits_than_for_one_large(
    first: int, second: int
) -> None:
    # Up to 200 yuan 60 %, above 50 % of all of it, at most 150 yuan for a visit.
    amounts = (Fen(first * 100), Fen(second * 100))

    both, one, other = one_and_two("390", "990100", amounts, CLINIC)

    split = one.amounts.hifp_pay + other.amounts.hifp_pay
    whole = sum(amounts)
    assert split == whole * 60 // 100
    ratio = 60 if first + second <= 200 else 50
    assert both.amounts.hifp_pay == min(150_00, whole * ratio // 100)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.policy_id)
@given(st.integers(0, 40).map(lambda count: Fen(count * 1_000_00)))
def test_a_second_stay_costs_less_by_what_the_deductible_fell(policy: Any, amount: Fen) -> None:
    person = Beneficiary(next(iter(policy.groups)), ZERO)
    visit = VisitFacts("21", "3", acct_used=False)
    bill = [plain("1", Fen(amount + 10_000_00))]
    rule = policy.schedule_for(person, visit).layers[0].deductible

    first = settle(policy, person, {}, visit, bill)
    second = settle(policy, person, {rule.admissions: Fen(1)}, visit, bill)

    assert rule.amounts[0] > rule.amounts[1]
    fell = first.amounts.act_pay_dedc - second.amounts.act_pay_dedc
    assert fell == rule.amounts[0] - rule.amounts[1]
    assert second.amounts.psn_part_amt <= first.amounts.psn_part_amt
    assert first.accrual[rule.admissions] == second.accrual[rule.admissions] == 1


def test_every_policy_of_the_package_is_of_the_day() -> None:
    assert [(policy.region, policy.insutype) for policy in POLICIES] == [
        ("990000", "310"),
        ("990000", "390"),
        ("990100", "310"),
        ("990100", "390"),
    ]
    assert all(policy.illustrative and policy.valid_from <= DAY for policy in POLICIES)
    assert replace(POLICIES[0]) == POLICIES[0]
