import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital.world import HOSPITAL, START, classed, split_bill
from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    EncounterNo,
    SettlementId,
    StaffId,
    VisitId,
)
from shualian.core.money import ZERO, Fen, format_yuan
from shualian.hospital.cashier.model import (
    Receipt,
    ReceiptLine,
    burden_of,
    check_receipt,
)
from shualian.hospital.cashier.tenders.model import Taking, Tender, TenderKind
from shualian.hospital.cashier.wording import Language, paid_by, render_receipt
from shualian.hospital.model import FeeDetail, Label, Reason
from shualian.hospital.orders.model import line_amount

REASON = Reason(
    rule="deductible",
    clause="2.1",
    subject="",
    before=Fen(2),
    after=Fen(1),
    facts={},
    zh="起付线 20 元",
    en="Deductible 20 yuan",
)


def charge(number: int, code: str, pric: Decimal, cnt: Decimal) -> ReceiptLine:
    detail = FeeDetail(
        feedetl_sn=ChargeItemNo(f"F{number}"),
        fee_ocur_time=START,
        med_list_codg="X",
        medins_list_codg=code,
        det_item_fee_sumamt=line_amount(pric, cnt),
        cnt=cnt,
        pric=pric,
        bilg_dept_codg="A",
        bilg_dept_name="A",
        bilg_dr_codg="D",
        bilg_dr_name="D",
    )
    return ReceiptLine(f"项目{number}", f"Item {number}", pric, cnt, classed(detail))


def made(lines: Sequence[ReceiptLine], *, balance: int, change: int) -> Receipt:
    """The receipt of a bill as the insurer of the tests would settle it."""
    amounts = split_bill([line.split for line in lines], Fen(balance))
    due = amounts.psn_cash_pay
    cash = Taking(
        command_id=CommandId("T1"),
        institution=HOSPITAL,
        payment=CommandId("C1"),
        tenders=(Tender(TenderKind.CASH, due, Fen(due + change)),),
        taken_by=StaffId("S1"),
        taken_at=START,
    )
    return Receipt(
        institution_name="示例市第一医院",
        setl_id=SettlementId("S1"),
        mdtrt_id=VisitId("V1"),
        encounter_no=EncounterNo("E1"),
        masked_name="张*国",
        masked_id_number="99**************10",
        dept_name="内科",
        dr_name="示例医生",
        settled_at=START,
        lines=tuple(lines),
        amounts=amounts,
        setldetail=(),
        burden=burden_of(amounts),
        cash=cash if due else None,
        reasons=(REASON,),
        label=None,
    )


@st.composite
def receipts(draw: st.DrawFn) -> Receipt:
    codes = draw(
        st.lists(st.sampled_from(["ZC001", "JC002", "YP003", "YP004"]), min_size=1, max_size=6)
    )
    prices = st.decimals(min_value=0, max_value=900, places=2)
    counts = st.decimals(min_value=Decimal("0.5"), max_value=9, places=2)
    lines = [charge(number, code, draw(prices), draw(counts)) for number, code in enumerate(codes)]
    return made(lines, balance=draw(st.integers(0, 500_00)), change=draw(st.integers(0, 100_00)))


@given(receipts())
def test_every_right_receipt_passes_its_own_check(receipt: Receipt) -> None:
    check_receipt(receipt)


@given(receipts())
def test_the_payers_of_a_receipt_pay_the_bill_exactly(receipt: Receipt) -> None:
    assert sum(paid_by(receipt.amounts).values()) == receipt.amounts.medfee_sumamt


@given(receipts(), st.sampled_from(["zh", "en"]))
def test_the_printed_amounts_of_the_payers_add_up(receipt: Receipt, language: Language) -> None:
    printed = render_receipt(receipt, language)
    (line,) = [text for text in printed if text.startswith(("以上相加", "Together"))]
    parts, _, whole = line.partition("=")
    numbers = [Decimal(number) for number in re.findall(r"\d+\.\d\d", parts)]
    assert sum(numbers, Decimal(0)) == Decimal(format_yuan(receipt.amounts.medfee_sumamt))
    assert format_yuan(receipt.amounts.medfee_sumamt) in whole


@given(receipts(), st.sampled_from(["zh", "en"]))
def test_a_label_begins_every_line(receipt: Receipt, language: Language) -> None:
    label = Label("【模拟终端】", "[SIMULATED TERMINAL]")
    plain = render_receipt(receipt, language)
    labelled = render_receipt(replace(receipt, label=label), language)
    words = label.zh if language == "zh" else label.en
    assert labelled == tuple(f"{words} {line}" for line in plain)
    assert len(plain) >= 12


@given(receipts())
def test_no_line_breaks_into_two(receipt: Receipt) -> None:
    for line in render_receipt(receipt, "zh") + render_receipt(receipt, "en"):
        assert line.splitlines() == [line]


def whole(receipt: Receipt, language: Language) -> str:
    return "\n".join(render_receipt(receipt, language))


@pytest.fixture
def receipt() -> Receipt:
    lines = [
        charge(0, "ZC001", Decimal(25), Decimal(1)),
        charge(1, "JC002", Decimal(220), Decimal(1)),
        charge(2, "YP004", Decimal(18), Decimal(2)),
    ]
    return made(lines, balance=30_00, change=49_20)


def test_a_receipt_in_chinese(receipt: Receipt) -> None:
    assert render_receipt(receipt, "zh") == (
        "示例市第一医院 门诊结算单",
        "结算号 S1，就诊号 E1，医保就诊号 V1",
        "姓名 张*国，证件号 99**************10",
        "内科，医生 示例医生，2026-01-05 09:00",
        "【费用】",
        "项目0（甲类）：25 元 × 1 = 25.00 元",
        "项目1（乙类）：220 元 × 1 = 220.00 元，其中超限价 40.00 元，先行自付 18.00 元",
        "项目2（丙类，自费）：18 元 × 2 = 36.00 元",
        "合计 281.00 元",
        "【谁付】",
        "基本医疗保险统筹基金：100.20 元",
        "本人个人账户：30.00 元，账户还剩 0.00 元",
        "本人现金：150.80 元，收 200.00 元，找零 49.20 元",
        "以上相加 100.20 + 30.00 + 150.80 = 281.00 元",
        "【个人负担 180.80 元，为什么】",
        "医保内自付 104.80 元：先行自付 18.00 元，起付线 20.00 元，按比例自付 66.80 元",
        "医保外自费 76.00 元：全自费 36.00 元，超限价 40.00 元",
        "【医保怎么算的】",
        "1. 起付线 20 元（2.1）",
    )


def test_a_receipt_in_english(receipt: Receipt) -> None:
    text = whole(receipt, "en")
    assert "Item 1 (class B): 220 yuan x 1 = 220.00 yuan" in text
    assert "Own share inside the insurance 104.80 yuan" in text
    assert "Self-paid outside the insurance 76.00 yuan" in text
    assert "1. Deductible 20 yuan (2.1)" in text


def test_a_class_of_a_region_is_printed_as_it_is(receipt: Receipt) -> None:
    line = receipt.lines[0]
    local = replace(line, split=replace(line.split, chrgitm_lv="08"))
    assert "项目0（08）" in whole(replace(receipt, lines=(local,)), "zh")


def test_a_payer_of_nothing_is_not_named(receipt: Receipt) -> None:
    names = paid_by(receipt.amounts)
    assert list(names) == ["hifp_pay", "acct_pay", "psn_cash_pay"]
    assert ZERO not in names.values()
    assert "医院承担" not in whole(receipt, "zh")
