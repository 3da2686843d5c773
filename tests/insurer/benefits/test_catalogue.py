from datetime import date
from decimal import Decimal

import pytest

from shualian.core.identifiers import ChargeItemNo
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.benefits.catalogue import CatalogueBook, parse_catalogue
from shualian.insurer.benefits.model import ClassifiedItem, ItemLevel
from shualian.insurer.benefits.store import packaged_catalogues

TEXT = (packaged_catalogues() / "990000.toml").read_text("utf-8")


def classify(code: str) -> ClassifiedItem:
    return parse_catalogue(TEXT).classify(
        feedetl_sn=ChargeItemNo("1"),
        med_list_codg=code,
        det_item_fee_sumamt=Fen(50_00),
        cnt=Decimal(2),
        pric=Decimal(25),
    )


@pytest.mark.parametrize(
    ("code", "level", "share", "ceiling"),
    [
        ("002000000010000", ItemLevel.A, 0, Decimal(50)),
        ("XA00000000000000000000", ItemLevel.B, 500, None),
        ("002000000050000", ItemLevel.B, 1_000, Decimal(180)),
        ("002000000020000", ItemLevel.C, 10_000, None),
    ],
)
def test_an_item_gets_class_share_and_ceiling_of_its_code(
    code: str, level: ItemLevel, share: int, ceiling: Decimal | None
) -> None:
    item = classify(code)

    assert (item.chrgitm_lv, item.selfpay_prop, item.pric_uplmt_amt) == (level, share, ceiling)
    assert (item.det_item_fee_sumamt, item.cnt, item.pric) == (
        Fen(50_00),
        Decimal(2),
        Decimal(25),
    )


def test_limits_of_use_come_with_the_item_and_the_hospitals_word() -> None:
    catalogue = parse_catalogue(TEXT)

    item = catalogue.classify(
        feedetl_sn=ChargeItemNo("1"),
        med_list_codg="XA00000000000000000004",
        det_item_fee_sumamt=Fen(50_00),
        cnt=Decimal(2),
        pric=Decimal(25),
        hosp_appr_flag="1",
    )

    assert item.limits is not None
    assert (item.limits.approval, item.limits.med_types, item.hosp_appr_flag) == (True, None, "1")
    assert item.limits.text_zh == "限恶性肿瘤，需医院审核"


def test_a_code_that_the_catalogue_lacks_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        classify("Z")

    assert refused.value.kind.code == "insurer.item_not_in_catalogue"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("selfpay_prop = 0.05", "", "needs its selfpay_prop"),
        ("selfpay_prop = 0.05", "selfpay_prop = 1.5", "less than or equal"),
        ('chrgitm_lv = "01"', 'chrgitm_lv = "01"\nselfpay_prop = 0', "only class 02"),
        ('chrgitm_lv = "03"', 'chrgitm_lv = "03"\npric_uplmt_yuan = 1', "has no ceiling"),
        ('chrgitm_lv = "03"', 'chrgitm_lv = "04"', "01"),
        ("pric_uplmt_yuan = 50", "pric_uplmt_yuan = 0", "greater than 0"),
        ('"002000000020000"', '"002000000010000"', "twice"),
        (
            'chrgitm_lv = "03"',
            'chrgitm_lv = "03"\nlimits = { text_zh = "限", text_en = "l" }',
            "self",
        ),
        (", approval = true", "", "limit nothing"),
        ("illustrative = true", "illustrative = false", "exists nowhere"),
        ("valid_from = 2025-01-01", "valid_from = 2025-01-01\nvalid_to = 2024-01-01", "before"),
    ],
)
def test_a_wrong_catalogue_is_refused(old: str, new: str, found: str) -> None:
    changed = TEXT.replace(old, new)
    assert changed != TEXT

    with pytest.raises(Refused) as refused:
        parse_catalogue(changed)

    assert refused.value.kind.code == "insurer.policy_invalid"
    assert found in str(refused.value.details["found"])


def test_a_catalogue_is_found_by_care_region_and_day() -> None:
    book = CatalogueBook([parse_catalogue(TEXT)])

    assert book.catalogue_for(region="990000", day=date(2026, 1, 1)).catalogue_id == "990000"
    for region, day in (("110000", date(2026, 1, 1)), ("990000", date(2024, 1, 1))):
        with pytest.raises(Refused) as refused:
            book.catalogue_for(region=region, day=day)
        assert refused.value.kind.code == "insurer.no_policy"


def test_two_catalogues_of_one_region_at_one_time_are_refused() -> None:
    with pytest.raises(Refused) as refused:
        CatalogueBook([parse_catalogue(TEXT), parse_catalogue(TEXT)])

    assert "overlap" in str(refused.value.details["found"])
