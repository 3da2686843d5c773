"""ID numbers: every living person's is accepted, every slip of a digit is not."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.id_number import IdNumber, check_character, parse_id_number
from shualian.core.refusals import Refused

TODAY = date(2025, 6, 30)
# GB 11643-1999, table of weights and of check characters.
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
BY_REMAINDER = "10X98765432"


def complete(first_seventeen: str) -> str:
    """The number with the check character by the standard's tables."""
    weighted = sum(w * int(d) for w, d in zip(WEIGHTS, first_seventeen, strict=True))
    return first_seventeen + BY_REMAINDER[weighted % 11]


@st.composite
def numbers(draw: st.DrawFn, first: date = date(1900, 1, 1), last: date = TODAY) -> str:
    region = draw(st.integers(110000, 829999))
    birth = draw(st.dates(first, last))
    return complete(f"{region}{birth:%Y%m%d}{draw(st.integers(0, 999)):03d}")


@pytest.mark.parametrize("number", ["11010519491231002X", "440524188001010014"])
def test_the_examples_of_the_standard_have_their_check_characters(number: str) -> None:
    assert check_character(number[:17]) == number[17]


@given(st.text("0123456789", min_size=17, max_size=17))
def test_the_check_character_agrees_with_the_standards_tables(digits: str) -> None:
    assert digits + check_character(digits) == complete(digits)


@given(numbers(date(1930, 1, 1), date(1980, 12, 31)))
def test_older_peoples_numbers_are_accepted_whatever_their_region(number: str) -> None:
    assert parse_id_number(number, today=TODAY).value == number


@pytest.mark.parametrize(
    ("region", "since"),
    [
        ("510202", "Chongqing belonged to Sichuan until 1997"),
        ("460001", "Tongshi in Hainan was renamed in 2001"),
        ("440104", "a district of Guangzhou by the borders of today"),
        ("110103", "Chongwen in Beijing was dissolved in 2010"),
        ("310103", "Luwan in Shanghai was dissolved in 2011"),
        ("920000", "no region that we know"),
        ("510200", "the whole of Chongqing while it belonged to Sichuan"),
        ("500101", "Chongqing as it is since 1997, given to people born long before"),
        ("500382", "Hechuan was a town of Chongqing until 2006"),
        ("310225", "Nanhui in Shanghai was joined to Pudong in 2009"),
        ("110104", "Xuanwu in Beijing was dissolved in 2010"),
        ("330103", "Xiacheng in Hangzhou was dissolved in 2021"),
        ("440520", "a code of Guangdong that was abolished in 1992"),
    ],
)
def test_people_of_regions_that_changed_are_accepted(region: str, since: str) -> None:
    for birth in ("19300615", "19550101", "19801231"):
        number = complete(f"{region}{birth}123")
        assert parse_id_number(number, today=TODAY).value == number, since


def test_an_unknown_province_is_a_note() -> None:
    known = parse_id_number(complete("11010119800101001"), today=TODAY)
    unknown = parse_id_number(complete("92010119800101001"), today=TODAY)
    assert known.province_known
    assert not unknown.province_known


@given(numbers())
def test_what_the_number_says_is_read_from_it(number: str) -> None:
    checked = parse_id_number(f" {number.lower()}\n", today=TODAY)
    assert checked.value == number
    assert f"{checked.birth_date:%Y%m%d}" == number[6:14]
    assert checked.is_female == (number[16] in "02468")
    assert not checked.is_sandbox


def test_sample_numbers_are_known_as_such() -> None:
    assert parse_id_number(complete("99000019900307002"), today=TODAY).is_sandbox


@given(numbers())
def test_a_number_never_shows_itself_in_text(number: str) -> None:
    checked = IdNumber(number)
    for shown in (repr(checked), str(checked), f"{checked}", f"{checked!r}", checked.masked):
        assert number not in shown
        assert number[6:14] not in shown
        assert sum(character.isdigit() or character == "X" for character in shown) <= 4
    assert len(checked.masked) == 18


@given(numbers(), st.integers(0, 17), st.integers(1, 9))
def test_every_single_wrong_digit_is_refused(number: str, place: int, step: int) -> None:
    digit = 10 if number[place] == "X" else int(number[place])
    wrong = number[:place] + str((digit + step) % 10) + number[place + 1 :]
    if wrong != number:
        with pytest.raises(Refused):
            parse_id_number(wrong, today=TODAY)


@given(numbers(), st.integers(0, 15))
def test_two_digits_that_changed_places_are_refused(number: str, place: int) -> None:
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    if swapped != number:
        with pytest.raises(Refused):
            parse_id_number(swapped, today=TODAY)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "not 17 digits"),
        ("110105491231002", "not 17 digits"),
        ("11010519491231002X0", "not 17 digits"),
        ("１１０１０５１９４９１２３１００２X", "not 17 digits"),
        ("1101051949123100²X", "not 17 digits"),
        (complete("11010519490230002"), "no such date"),
        (complete("11010519491301002"), "no such date"),
        (complete("11010518991231002"), "out of range"),
        (complete(f"110105{TODAY + timedelta(days=1):%Y%m%d}002"), "out of range"),
        ("110105194912310021", "check character"),
        ("11010519491231002Y", "check character"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_never_the_number(text: str, found: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_id_number(text, today=TODAY)
    assert refused.value.kind.code == "core.id_number_invalid"
    assert str(refused.value.details["found"]).find(found) >= 0
    assert not text or text not in str(refused.value)


def test_a_child_born_today_has_a_number() -> None:
    assert parse_id_number(complete(f"110105{TODAY:%Y%m%d}002"), today=TODAY).birth_date == TODAY


def test_the_first_day_that_counts_is_the_first_of_1900() -> None:
    first = complete("11010519000101002")
    assert parse_id_number(first, today=TODAY).birth_date == date(1900, 1, 1)
    with pytest.raises(Refused):
        parse_id_number(complete("11010518991231002"), today=TODAY)


@pytest.mark.parametrize(
    ("birth", "real"),
    [
        ("19040229", True),
        ("19400229", True),
        ("20000229", True),
        ("20240229", True),
        ("19000229", False),
        ("19350229", False),
        ("20250229", False),
        ("19600431", False),
    ],
)
def test_a_leap_day_counts_in_leap_years_only(birth: str, *, real: bool) -> None:
    number = complete(f"110105{birth}002")
    if real:
        assert f"{parse_id_number(number, today=TODAY).birth_date:%Y%m%d}" == birth
    else:
        with pytest.raises(Refused):
            parse_id_number(number, today=TODAY)


@given(st.text())
def test_any_text_is_a_number_or_a_refusal(text: str) -> None:
    try:
        number = parse_id_number(text, today=TODAY)
    except Refused:
        return
    assert complete(number.value[:17]) == number.value
