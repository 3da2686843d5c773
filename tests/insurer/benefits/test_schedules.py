"""The kinds of rule, each on a bill small enough to work out by hand."""

from dataclasses import replace

import pytest

from insurer.benefits.bills import POLICIES, grown, item
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import (
    Amounts,
    Beneficiary,
    CarePlace,
    ClassifiedItem,
    ItemLevel,
    PersonPart,
    Settlement,
    UseLimits,
    VisitFacts,
    payers_by_line,
    settle,
    split_items,
)
from shualian.insurer.benefits.wording import render_trace

WORKERS_A, RESIDENTS_A, WORKERS_B, RESIDENTS_B = POLICIES
WORKER = Beneficiary("1101", ZERO)
ADULT = Beneficiary("15", ZERO)
CLINIC = VisitFacts("11", "1", acct_used=False)
STAY = VisitFacts("21", "3", acct_used=False)
LEVEL_2_UP = UseLimits(institution_levels=frozenset("23"), text_zh="限二级", text_en="level 2")


def told(settlement: Settlement, words: str) -> bool:
    return any(words in sentence for sentence in render_trace(settlement, "zh"))


def paid(settlement: Settlement, *names: str) -> list[Fen]:
    return [getattr(settlement.amounts, name) for name in names]


def test_the_deductible_falls_with_each_admission_and_the_last_repeats() -> None:
    year: dict[str, Fen] = {}
    borne = []
    for number in range(4):
        stay = settle(WORKERS_A, WORKER, year, STAY, [item(f"{number}", 2_000_00)])
        borne.append(stay.amounts.act_pay_dedc)
        year = grown(year, stay)

    assert borne == [1_000_00, 700_00, 500_00, 500_00]
    assert year["ipt_admissions"] == 4
    assert told(
        stay, "今年第 4 次住院，起付线 500 元，这次住院已经承担 0 元，现在先由个人承担 500 元"
    )


def test_a_stay_settled_in_the_middle_bears_its_deductible_once() -> None:
    first = settle(WORKERS_B, WORKER, {}, STAY, [item("1", 700_00)])
    rest = replace(STAY, so_far=first.accrual)
    second = settle(WORKERS_B, WORKER, grown({}, first), rest, [item("2", 1_500_00)])

    assert paid(first, "act_pay_dedc", "hifp_pay") == [700_00, 0]
    assert paid(second, "act_pay_dedc", "hifp_pay") == [500_00, 800_00]
    assert grown(first.accrual, second)["stays"] == 1


def test_a_fund_pays_at_most_its_cap_for_a_visit_and_for_the_year() -> None:
    visit = settle(WORKERS_B, WORKER, {}, CLINIC, [item("1", 1_000_00)])
    last = settle(WORKERS_B, WORKER, {"otp_hifp": Fen(4_900_00)}, CLINIC, [item("1", 1_000_00)])
    later = replace(CLINIC, so_far=visit.accrual)
    more = settle(WORKERS_B, WORKER, visit.accrual, later, [item("2", 100_00)])

    assert paid(visit, "act_pay_dedc", "hifp_pay") == [20_00, 300_00]
    assert paid(last, "hifp_pay") == [100_00]
    assert paid(more, "act_pay_dedc", "hifp_pay") == [0, 0]
    assert visit.details[0].crt_payb_lmt_amt == 300_00
    assert told(visit, "统筹基金每次就诊最多付 300 元")


def test_one_ratio_for_all_of_a_visit_when_it_grows_past_a_line() -> None:
    small = settle(RESIDENTS_B, ADULT, {}, CLINIC, [item("1", 200_00)])
    large = settle(RESIDENTS_B, ADULT, {}, CLINIC, [item("1", 200_02)])

    assert (small.amounts.hifp_pay, large.amounts.hifp_pay) == (120_00, 100_01)
    assert told(large, "这次就诊起付线以上的费用按一个比例：200.02 元，统筹基金付 50%")


def test_chronic_and_special_diseases_have_their_own_ratios_and_caps() -> None:
    visit = VisitFacts("14", "2", acct_used=False)
    bill = [item("1", 1_000_00)]

    chronic = settle(WORKERS_A, WORKER, {}, replace(visit, dise_codg="M03900"), bill)
    special = settle(WORKERS_A, WORKER, {}, replace(visit, dise_codg="M00500"), bill)

    assert (chronic.amounts.hifp_pay, special.amounts.hifp_pay) == (800_00, 900_00)
    assert (chronic.accrual["chronic_hifp"], special.accrual["ipt_hifp"]) == (800_00, 900_00)


def test_a_pharmacy_is_paid_by_the_fund_in_one_region_and_by_the_account_in_the_other() -> None:
    pharmacy = VisitFacts("41", "0", acct_used=True)
    person = replace(WORKER, account_balance=Fen(1_000_00))
    bill = [item("1", 600_00), item("2", 50_00, ItemLevel.C)]

    here = settle(WORKERS_A, person, {}, pharmacy, bill)
    there = settle(WORKERS_B, person, {}, pharmacy, bill)

    assert paid(here, "hifp_pay", "acct_pay", "psn_cash_pay") == [80_00, 520_00, 50_00]
    assert paid(there, "hifp_pay", "acct_pay", "psn_cash_pay") == [0, 650_00, 0]


def test_critical_illness_pays_of_what_the_person_bears_beyond_a_threshold_of_the_year() -> None:
    first = settle(RESIDENTS_A, ADULT, {}, STAY, [item("1", 30_900_00)])
    second = settle(RESIDENTS_A, ADULT, grown({}, first), STAY, [item("2", 20_700_00)])

    # 35 % of 30,000 are 10,500 of the 12,000; then 35 % of 20,000 are 7,000, 5,500 beyond.
    assert paid(first, "hifp_pay", "hifmi_pay") == [19_500_00, 0]
    assert paid(second, "hifp_pay", "hifmi_pay") == [13_000_00, 3_300_00]
    assert told(second, "大病保险付 60%，即 3300 元")


def test_a_further_layer_pays_for_those_who_have_the_identity_only() -> None:
    bill = [item("1", 1_500_00)]
    servant = replace(WORKER, identities=frozenset(["civil_servant"]))
    poor = replace(ADULT, identities=frozenset(["assistance"]))
    honoured = replace(WORKER, identities=frozenset(["honoured"]))

    assert paid(settle(WORKERS_A, WORKER, {}, CLINIC, bill), "cvlserv_pay") == [0]
    assert paid(settle(WORKERS_A, servant, {}, CLINIC, bill), "cvlserv_pay") == [100_00]
    assert paid(settle(RESIDENTS_A, poor, {}, CLINIC, bill), "hifp_pay", "maf_pay") == [
        780_00,
        364_00,
    ]
    assert paid(settle(WORKERS_B, honoured, {}, STAY, bill), "hifp_pay", "oth_pay") == [
        240_00,
        30_00,
    ]


def test_the_hospital_bears_what_lies_outside_the_scope_above_a_tenth_of_a_stay() -> None:
    bill = [item("1", 1_700_00), item("2", 300_00, ItemLevel.C)]

    settlement = settle(WORKERS_B, WORKER, {}, STAY, bill)

    assert paid(settlement, "fulamt_ownpay_amt", "hosp_part_amt") == [300_00, 100_00]
    assert paid(settlement, "psn_part_amt", "hifp_pay") == [1_500_00, 400_00]
    assert [row.fund_pay_type for row in settlement.details] == ["310100", "999996"]
    lines = payers_by_line(WORKERS_B, settlement)
    assert [line.hosp_part_amt for line in lines] == [0, 100_00]
    assert told(settlement, "目录外费用 300 元，超过总费用 10% 的 100 元由医院承担")


def test_the_hospital_bears_the_first_fen_above_a_tenth_and_nothing_below() -> None:
    bears = [
        settle(WORKERS_B, WORKER, {}, STAY, [item("1", 900_00), item("2", own, ItemLevel.C)])
        for own in (Fen(100_00), Fen(101_00))
    ]

    assert [settlement.amounts.hosp_part_amt for settlement in bears] == [0, 90]


def test_a_disease_matters_for_the_visits_that_are_paid_by_disease_only() -> None:
    bill = [item("1", 1_000_00)]

    plain = settle(WORKERS_A, WORKER, {}, CLINIC, bill)
    with_code = settle(WORKERS_A, WORKER, {}, replace(CLINIC, dise_codg="M03900"), bill)

    assert plain == with_code


def test_one_ratio_for_all_of_a_visit_falls_too_when_care_is_elsewhere() -> None:
    elsewhere = replace(CLINIC, place=CarePlace.UNFILED)

    assert settle(RESIDENTS_B, ADULT, {}, elsewhere, [item("1", 200_00)]).amounts.hifp_pay == 70_00


@pytest.mark.parametrize(
    ("place", "employees_a", "employees_b"),
    [
        (CarePlace.LOCAL, 800_00, 588_00),
        (CarePlace.FILED, 800_00, 539_00),
        (CarePlace.UNFILED, 640_00, 392_00),
    ],
)
def test_care_elsewhere_costs_a_share_first_or_points_of_the_ratio(
    place: CarePlace, employees_a: int, employees_b: int
) -> None:
    visit = replace(CLINIC, place=place, med_type="13")
    borne = {"otp_dedc": Fen(500_00)}
    bill = [item("1", 1_000_00)]

    here = settle(WORKERS_A, WORKER, borne, replace(visit, med_type="11"), bill)
    there = settle(WORKERS_B, WORKER, {}, visit, bill)

    assert here.amounts.hifp_pay == employees_a
    assert there.amounts.hifp_pay == employees_b
    if place is CarePlace.UNFILED:
        assert told(here, "1000 元里先由个人承担 20%，即 200 元")
        assert told(there, "基金支付比例降低 20%")


def test_care_elsewhere_without_a_rule_is_refused() -> None:
    silent = replace(WORKERS_A, out_of_region={})

    with pytest.raises(Refused) as refused:
        settle(silent, WORKER, {}, replace(CLINIC, place=CarePlace.FILED), [item("1", 1)])

    assert refused.value.kind.code == "insurer.no_benefit_rule"


def test_where_care_is_given_follows_from_the_two_regions() -> None:
    at_home = CarePlace.of(care_region="990000", insured_region="990000", filed=False)
    filed = CarePlace.of(care_region="990000", insured_region="990100", filed=True)
    unfiled = CarePlace.of(care_region="990000", insured_region="990100", filed=False)

    assert (at_home, filed, unfiled) == (CarePlace.LOCAL, CarePlace.FILED, CarePlace.UNFILED)


def test_a_relatives_account_pays_after_ones_own_and_before_cash() -> None:
    person = Beneficiary("1101", Fen(100_00), Fen(150_00))
    visit = replace(CLINIC, acct_used=True)
    bill = [item("1", 200_00), item("2", 100_00, ItemLevel.C)]

    settlement = settle(WORKERS_A, person, {}, visit, bill)
    resident = settle(RESIDENTS_A, replace(ADULT, family_balance=Fen(150_00)), {}, CLINIC, bill)

    assert paid(settlement, "acct_pay", "acct_mulaid_pay", "psn_cash_pay", "balc") == [
        100_00,
        100_00,
        100_00,
        0,
    ]
    assert [row.fund_pay_type for row in settlement.details] == ["310200", "310201"]
    assert paid(resident, "acct_pay", "acct_mulaid_pay", "psn_cash_pay") == [0, 150_00, 150_00]
    assert told(settlement, "家庭共济账户可用 150 元，这次付 100 元，还剩 50 元")


def test_the_account_pays_parts_in_the_order_of_the_policy() -> None:
    person = replace(WORKER, account_balance=Fen(50_00))
    visit = replace(CLINIC, acct_used=True)
    bill = [item("a", 40_00, ItemLevel.C), item("b", 60_00)]
    account = WORKERS_B.account
    assert account is not None
    own_first = replace(account, pays=(PersonPart.OWN, PersonPart.DEDUCTIBLE))

    last = payers_by_line(WORKERS_B, settle(WORKERS_B, person, {}, visit, bill))
    policy = replace(WORKERS_B, account=own_first)
    first = payers_by_line(policy, settle(policy, person, {}, visit, bill))

    # Deductible 20 and share 16 of line b, then line a; or line a, then the deductible of b.
    assert [line.acct_pay for line in last] == [14_00, 36_00]
    assert [line.acct_pay for line in first] == [40_00, 10_00]


@pytest.mark.parametrize(
    ("limits", "flag", "level", "inside"),
    [
        (LEVEL_2_UP, "0", "2", True),
        (LEVEL_2_UP, "0", "1", False),
        (LEVEL_2_UP, "2", "2", False),
        (None, "2", "2", False),
        (UseLimits(approval=True), "1", "1", True),
        (UseLimits(approval=True), "0", "1", False),
        (UseLimits(med_types=frozenset(["21"])), "1", "1", False),
        (UseLimits(diseases=frozenset(["M03900"])), "0", "1", False),
        (UseLimits(med_types=frozenset(["11"]), diseases=None), "0", "1", True),
    ],
)
def test_an_item_used_outside_its_limits_is_wholly_self_paid(
    limits: UseLimits | None, flag: str, level: str, inside: bool
) -> None:
    visit = replace(CLINIC, institution_level=level)
    bill = [item("1", 100_00, ItemLevel.B, ratio=1_000, limits=limits, hosp_appr_flag=flag)]

    settlement = settle(WORKERS_A, WORKER, {}, visit, bill)

    (line,) = settlement.lines
    split = (line.fulamt_ownpay_amt, line.preselfpay_amt, line.inscp_scp_amt)
    assert split == ((0, 10_00, 90_00) if inside else (100_00, 0, 0))
    assert told(settlement, "不符合限定使用范围") is not inside
    assert split_items(WORKERS_A, bill, visit) == settlement.lines


def test_before_the_visit_is_known_only_the_hospitals_word_decides() -> None:
    at_level_2 = item("1", 100_00, limits=LEVEL_2_UP)
    unapproved: ClassifiedItem = item("2", 100_00, limits=UseLimits(approval=True))

    splits = split_items(WORKERS_A, [at_level_2, unapproved])

    assert [split.inscp_scp_amt for split in splits] == [100_00, 0]


def test_the_limit_is_told_in_its_own_words() -> None:
    settlement = settle(WORKERS_A, WORKER, {}, CLINIC, [item("1", 100_00, limits=LEVEL_2_UP)])

    assert render_trace(settlement, "zh")[0] == (
        "项目1：不符合限定使用范围（限二级），100 元全部由个人承担"
    )
    assert render_trace(settlement, "en")[0] == (
        "Item 1: used outside its limits (level 2): 100 yuan, all yours to pay"
    )


def test_every_amount_of_the_interface_can_be_reached() -> None:
    """No field of setlinfo stands for ever at nought, but those of funds that no policy uses."""
    servant = Beneficiary("1101", Fen(9_000_00), Fen(9_000_00), frozenset(["civil_servant"]))
    poor = replace(ADULT, identities=frozenset(["assistance"]), family_balance=Fen(100_00))
    honoured = replace(WORKER, identities=frozenset(["honoured"]))
    bill = [
        item("1", 90_000_00),
        item("2", 1_000_00, ItemLevel.B, ratio=1_000),
        item("3", 20_000_00, ItemLevel.C),
    ]
    reached: set[str] = set()
    for policy, person in ((WORKERS_A, servant), (RESIDENTS_A, poor), (WORKERS_B, honoured)):
        amounts = settle(policy, person, {}, replace(STAY, acct_used=True), bill).amounts
        reached |= {name for name in Amounts.__slots__ if getattr(amounts, name)}

    assert set(Amounts.__slots__) - reached == {"overlmt_selfpay", "hifes_pay", "hifdm_pay"}
