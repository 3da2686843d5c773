from hypothesis import given

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
from shualian.core.money import Fen
from shualian.insurer.benefits.model import (
    Beneficiary,
    ClassifiedItem,
    ItemLevel,
    VisitFacts,
    settle,
)
from shualian.insurer.benefits.wording import render_trace

POLICY = sample_policy()


def test_the_deductible_is_explained_with_what_was_borne_this_year() -> None:
    settlement = settle(POLICY, worker(), {"otp_dedc": Fen(320_00)}, CLINIC, [item("1", 1_000_00)])

    zh, en = (render_trace(settlement, language) for language in ("zh", "en"))

    assert "起付线 500 元，今年已经累计 320 元，这次先由个人承担 180 元" in zh
    assert (
        "Deductible 500 yuan, 320 yuan borne so far this year, this time you first bear 180 yuan"
        in en
    )


def test_a_bill_is_told_from_the_first_line_to_the_last_fen() -> None:
    bill = [
        item("1", 50_00, ItemLevel.B, ratio=500),
        item("2", 30_00),
        item("3", 12_00, ItemLevel.C),
    ]

    settlement = settle(POLICY, worker(10_00), DEDUCTIBLE_BORNE, CLINIC, bill)

    assert render_trace(settlement, "zh") == (
        "项目1：乙类，先由个人承担 5%，即 2.50 元，其余 47.50 元进入报销范围",
        "项目2：甲类，30 元全部进入报销范围",
        "项目3：丙类（自费），12 元全部由个人承担",
        "起付线 500 元，今年已经累计满，这次不用再承担",
        "起付线以上、全年 0 元到 5000 元的部分：77.50 元，统筹基金付 80%，即 62 元",
        "个人账户余额 10 元，这次付 10 元，还剩 0 元",
        "自己还要付 20 元",
    )


def test_caps_and_what_lies_beyond_are_told() -> None:
    year = {**DEDUCTIBLE_BORNE, "otp_scope": Fen(9_000_00), "otp_hifp": Fen(7_900_00)}

    settlement = settle(POLICY, worker(), year, CLINIC, [item("1", 1_000_00)])

    assert render_trace(settlement, "en")[2:5] == (
        "Above the deductible, beyond 5000 yuan of the year: 1000 yuan, "
        "the pooled fund pays 85%, 850 yuan",
        "The pooled fund pays at most 8000 yuan a year and has paid 7900 yuan: "
        "of 850 yuan it pays 100 yuan",
        "Of the 750 yuan above the cap the large-amount fund pays 60%, 450 yuan",
    )


@given(bills(), beneficiaries, years, visits)
def test_every_step_has_a_sentence_in_both_languages(
    bill: list[ClassifiedItem], person: Beneficiary, year: dict[str, Fen], visit: VisitFacts
) -> None:
    settlement = settle(POLICY, person, year, visit, bill)

    for language in ("zh", "en"):
        sentences = render_trace(settlement, language)
        assert len(sentences) == len(settlement.trace)
        assert all(sentence and "{" not in sentence for sentence in sentences)


def test_a_line_that_is_numbered_like_a_fund_is_still_a_line() -> None:
    bill = [item("hifp_pay", 10_00)]

    settlement = settle(POLICY, worker(), DEDUCTIBLE_BORNE, CLINIC, bill)

    first, *_, segment, _account, _cash = render_trace(settlement, "zh")
    assert first.startswith("项目hifp_pay：甲类")
    assert "统筹基金" in segment
