"""Price lists: each holds from a day on, and what was ordered keeps the price of its day."""

from datetime import date, timedelta

import pytest

from hospital.world import CLERK, CONSULTATION, OTHER_HOSPITAL, PRICES, World
from shualian.core.clock import business_date
from shualian.core.refusals import Refused
from shualian.hospital.orders.model import (
    PRICE_LIST_INVALID,
    ItemCategory,
    parse_price_list,
)
from shualian.hospital.prices.model import (
    NO_PRICE_LIST,
    PRICE_LIST_EXISTS,
    PRICE_LIST_PAST,
)
from shualian.hospital.prices.service import PriceLists

HEADER = "medins_list_codg,med_list_codg,name_zh,name_en,pric_yuan\n"


def priced(yuan: int) -> str:
    return HEADER + f"{CONSULTATION},002000000010000,普通门诊诊察费,Consultation,{yuan}\n"


def imported(world: World, yuan: int, in_days: int) -> date:
    day = business_date(world.clock.now()) + timedelta(days=in_days)
    world.prices.import_list(text=priced(yuan), valid_from=day, imported_by=CLERK)
    return day


def test_what_is_ordered_has_the_price_of_the_day_on_which_it_was_ordered(any_world: World) -> None:
    encounter = any_world.registered()
    imported(any_world, 30, in_days=1)

    (before,) = any_world.ordered(encounter, CONSULTATION)
    any_world.wait(timedelta(days=1))
    old, new = any_world.ordered(encounter, CONSULTATION)

    assert [str(item.pric) for item in (before, old, new)] == ["25", "25", "30"]


def test_the_newest_list_that_has_begun_holds(world: World) -> None:
    day = imported(world, 40, in_days=0)
    imported(world, 50, in_days=3)

    prices = [world.prices.on(day + timedelta(days=n)).priced(CONSULTATION) for n in (0, 2, 3, 9)]

    assert [each.pric_yuan for each in prices] == [40, 40, 50, 50]
    assert [each.item_count for each in world.prices.versions()] == [1, 1]


def test_a_price_list_cannot_hold_from_a_day_that_is_over(world: World) -> None:
    with pytest.raises(Refused) as refused:
        imported(world, 30, in_days=-1)
    assert refused.value.kind is PRICE_LIST_PAST


def test_a_day_has_one_list_and_the_same_again_changes_nothing(world: World) -> None:
    imported(world, 30, in_days=2)
    imported(world, 30, in_days=2)

    with pytest.raises(Refused) as refused:
        imported(world, 31, in_days=2)

    assert refused.value.kind is PRICE_LIST_EXISTS
    assert len(world.prices.versions()) == 1


def test_a_list_with_an_error_is_not_taken(world: World) -> None:
    with pytest.raises(Refused) as refused:
        world.prices.import_list(
            text=HEADER + "A1,X1,项目,Item,-1\n",
            valid_from=date(2030, 1, 1),
            imported_by=CLERK,
        )
    assert refused.value.kind is PRICE_LIST_INVALID
    assert world.prices.versions() == []


def test_without_any_list_nothing_has_a_price(world: World) -> None:
    empty = PriceLists(institution=OTHER_HOSPITAL, database=world.database, clock=world.clock)
    with pytest.raises(Refused) as refused:
        empty.on(date(2026, 1, 5))
    assert refused.value.kind is NO_PRICE_LIST


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("amxljn", "阿莫西林胶囊"),
        ("AMXL", "阿莫西林胶囊"),
        ("阿莫西林", "阿莫西林胶囊"),
        ("yp009", "阿莫西林胶囊"),
        ("amoxicillin caps", "阿莫西林胶囊"),
        ("xbct", "胸部 CT 平扫"),
    ],
)
def test_an_item_is_found_by_pinyin_name_code_and_english(typed: str, first: str) -> None:
    assert PRICES.search(typed)[0].name_zh == first


def test_a_search_stays_in_its_categories_and_under_its_limit() -> None:
    found = PRICES.search("x", categories={ItemCategory.LAB}, limit=3)

    assert len(found) == 3
    assert {item.category for item in found} == {ItemCategory.LAB}
    assert PRICES.search("  ") == []


def test_the_sample_list_has_hundreds_of_items_and_every_medicine_says_what_it_is() -> None:
    medicines = [item for item in PRICES.items.values() if item.category is ItemCategory.MEDICINE]

    assert len(PRICES.items) >= 300
    assert len(medicines) >= 150
    assert all(item.spec and item.unit and item.ingredients for item in medicines)
    assert all(item.pinyin for item in PRICES.items.values())


def test_a_list_of_codes_and_prices_only_is_still_a_price_list() -> None:
    item = parse_price_list(priced(25)).priced(CONSULTATION)
    assert (item.category, item.spec, item.substances) == (ItemCategory.SERVICE, "", frozenset())
