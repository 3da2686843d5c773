from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital.world import DOCTOR, HOSPITAL, INTERNAL, PRICES, START, classed
from shualian.core.identifiers import ChargeItemNo, CommandId, EncounterNo
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.model import ANSWER_INVALID, FeeSplit
from shualian.hospital.orders.model import (
    ITEM_NOT_PRICED,
    LINES_MAX,
    ORDER_INVALID,
    PRICE_LIST_INVALID,
    ChargeItem,
    OrderLine,
    bill_amount,
    check_lines,
    line_amount,
    parse_price_list,
    with_splits,
)
from shualian.insurer.benefits.store import load_catalogues, packaged_catalogues

HEADER = "medins_list_codg,med_list_codg,name_zh,name_en,pric_yuan\n"
ROW = "A1,X1,项目,Item,1.5\n"


def item(number: str, code: str = "ZC001") -> ChargeItem:
    priced = PRICES.priced(code)
    return ChargeItem(
        feedetl_sn=ChargeItemNo(number),
        institution=HOSPITAL,
        encounter_no=EncounterNo("E1"),
        chrg_bchno="B1",
        command_id=CommandId("C1"),
        line_no=0,
        medins_list_codg=code,
        med_list_codg=priced.med_list_codg,
        name_zh=priced.name_zh,
        name_en=priced.name_en,
        pric=priced.pric_yuan,
        cnt=Decimal(1),
        det_item_fee_sumamt=line_amount(priced.pric_yuan, Decimal(1)),
        fee_ocur_time=START,
        bilg_dept_codg=INTERNAL.dept_code,
        bilg_dept_name=INTERNAL.dept_name,
        bilg_dr_codg=DOCTOR.dr_code,
        bilg_dr_name=DOCTOR.dr_name,
    )


@pytest.mark.parametrize("region", ["990000", "990100"])
def test_every_code_of_the_sample_price_list_is_in_the_sample_catalogues(region: str) -> None:
    day = START.date()
    catalogue = load_catalogues(packaged_catalogues()).catalogue_for(region=region, day=day)
    codes = {priced.med_list_codg for priced in PRICES.items.values()}
    assert codes <= set(catalogue.entries)


def test_an_item_that_has_no_price_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        PRICES.priced("nothing")
    assert refused.value.kind is ITEM_NOT_PRICED


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER,
        HEADER + ROW + ROW,
        HEADER + "A1,X1,项目,Item,-1\n",
        HEADER + "A1,X1,项目,Item,1.1234567\n",
        HEADER + "A1,X1,项目,Item,nan\n",
        HEADER + "A1,X1,项目,Item,inf\n",
        HEADER + "A1,X1,项目,Item,\n",
        HEADER + "A1,X1,项目,Item\n",
        HEADER + "A1,X1,项目,Item,1,extra\n",
        HEADER + "A 1,X1,项目,Item,1\n",
        HEADER + ",X1,项目,Item,1\n",
        HEADER + 'A1,X1,"项目,Item,1\n',
        "medins_list_codg,med_list_codg,name_zh,name_en\nA1,X1,项目,Item\n",
    ],
)
def test_a_price_list_with_an_error_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_price_list(text)
    assert refused.value.kind is PRICE_LIST_INVALID


def test_the_row_of_an_error_is_named() -> None:
    with pytest.raises(Refused) as refused:
        parse_price_list(HEADER + ROW + "A2,X1,项目,Item,much\n")
    assert refused.value.details["row"] == 2
    assert refused.value.details["at"] == "pric_yuan"


@pytest.mark.parametrize(
    ("pric", "cnt", "fen"),
    [("25", "1", 25_00), ("0.85", "3", 2_55), ("0.005", "1", 1), ("0.0149", "1", 1), ("0", "9", 0)],
)
def test_a_line_is_rounded_half_up_to_a_fen(pric: str, cnt: str, fen: int) -> None:
    assert line_amount(Decimal(pric), Decimal(cnt)) == fen


@pytest.mark.parametrize("cnt", ["0", "-1", "1.00001", "10001", "NaN", "Infinity"])
def test_a_quantity_out_of_range_is_refused(cnt: str) -> None:
    with pytest.raises(Refused) as refused:
        check_lines([OrderLine("ZC001", Decimal(1)), OrderLine("ZC001", Decimal(cnt))])
    assert refused.value.kind is ORDER_INVALID
    assert refused.value.details["line"] == 1


def test_an_order_has_one_line_at_least_and_not_too_many() -> None:
    line = OrderLine("ZC001", Decimal("0.5"))
    check_lines([line] * LINES_MAX)
    for count in (0, LINES_MAX + 1):
        with pytest.raises(Refused):
            check_lines([line] * count)


@given(st.permutations([item("F1"), item("F2", "JC002"), item("F3", "YP004")]))
def test_the_order_of_the_answer_does_not_matter(answered: list[ChargeItem]) -> None:
    lines = [item("F1"), item("F2", "JC002"), item("F3", "YP004")]
    found = with_splits(lines, [classed(each.detail) for each in answered])
    assert [each.split for each in found] == [classed(each.detail) for each in lines]
    assert bill_amount(found) == 25_00 + 220_00 + 18_00


def answer() -> list[FeeSplit]:
    return [classed(item("F1").detail), classed(item("F2").detail)]


@pytest.mark.parametrize(
    "wrong",
    [
        answer()[:1],
        answer() + answer()[:1],
        [answer()[0], answer()[0]],
        [answer()[0], replace(answer()[1], feedetl_sn=ChargeItemNo("F9"))],
        [answer()[0], replace(answer()[1], inscp_scp_amt=Fen(1))],
        [
            answer()[0],
            replace(answer()[1], det_item_fee_sumamt=Fen(1), inscp_scp_amt=Fen(1)),
        ],
        [
            answer()[0],
            replace(answer()[1], preselfpay_amt=Fen(-1), inscp_scp_amt=Fen(25_01)),
        ],
    ],
)
def test_an_answer_that_does_not_fit_its_lines_is_refused(wrong: list[FeeSplit]) -> None:
    with pytest.raises(Refused) as refused:
        with_splits([item("F1"), item("F2")], wrong)
    assert refused.value.kind is ANSWER_INVALID
