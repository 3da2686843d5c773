from datetime import date

import pytest

from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import Case, ItemLevel, Policy
from shualian.insurer.benefits.policy import PolicyBook, parse_policy
from shualian.insurer.benefits.store import packaged_policies

TEXT = (packaged_policies() / "990000-310.toml").read_text("utf-8")


def with_dates(valid_from: str, valid_to: str | None, version: str) -> Policy:
    until = "" if valid_to is None else f"\nvalid_to = {valid_to}"
    text = TEXT.replace("valid_from = 2025-01-01", f"valid_from = {valid_from}{until}")
    return parse_policy(text.replace('version = "2026.1"', f'version = "{version}"'))


def test_the_packaged_policy_says_that_it_is_an_illustration() -> None:
    policy = parse_policy(TEXT)

    assert policy.illustrative
    assert (policy.region, policy.insutype, policy.version) == ("990000", "310", "2026.1")
    assert policy.class_clauses[ItemLevel.C] == "1.3"
    assert policy.schedules[Case("11", "retired", "2")].layers[0].segments[0].ratio == 7_500


def test_every_case_of_the_scope_has_a_schedule() -> None:
    policy = parse_policy(TEXT)

    # Groups times: two kinds of outpatient visit and two of stay at three levels, two groups of
    # diseases at three levels, and the pharmacy.
    assert len(policy.schedules) == 2 * (4 * 3 + 2 * 3 + 1)
    for schedule in policy.schedules.values():
        for layer in schedule.layers:
            assert layer.segments[0].above == 0
            assert layer.segments[-1].up_to is None


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("ratio = 0.80", "ratio = 1.01", "less than or equal to 10000"),
        ("ratio = 0.80", "ratio = -0.1", "greater than or equal to 0"),
        ("ratio = 0.80", "ratio = 0.80001", "at most 4 decimals"),
        ("ratio = 0.80", "ratio = nan", "at most 4 decimals"),
        ("ratio = 0.80", 'ratio = "0.80"', "a ratio is a number"),
        ("amount_yuan = 8000", "amount_yuan = -1", "greater than or equal to 0"),
        ("amount_yuan = 8000", "amount_yuan = 0.001", "whole fen"),
        ("amount_yuan = 8000", "amount_yuan = true", "an amount in yuan is a number"),
        ("above_yuan = 5000", "above_yuan = 5001", "a gap between clauses 3.1 and 3.7"),
        ("above_yuan = 5000", "above_yuan = 4999", "clauses 3.1 and 3.7 overlap"),
        ("above_yuan = 5000", "above_yuan = 5000\nup_to_yuan = 9000", "is not open"),
        ("above_yuan = 0\n", "above_yuan = 1\n", "does not begin at 0"),
        ("up_to_yuan = 5000\n", "", "overlap"),
        ("up_to_yuan = 5000\n", "up_to_yuan = 0\n", "a gap between"),
        ('clause = "2.2"', 'clause = "2.1"', "2.1 twice"),
        ('groups = ["retired"]\nmed_types', "med_types", "2 deductibles"),
        ("amounts_yuan = [400, 300, 200]", "amounts_yuan = [400, 500]", "rises"),
        ("amounts_yuan = [400, 300, 200]", "amount_yuan = 400", "belong to period admission"),
        ('period = "admission"\n', "", "belong to period admission"),
        ("amount_yuan = 500\n", "", "amount_yuan is needed"),
        ('med_types = ["14"]\ncounter = "opsp_scope"', 'counter = "opsp_scope"', "2 tables"),
        (
            'med_types = ["14"]\ncounter = "opsp_scope"',
            'med_types = ["41"]\ncounter = "x"',
            "tables",
        ),
        ('counter = "otp_scope"', 'counter = "otp_scope"\nmode = "whole"', "needs period visit"),
        (
            'clause = "3.9"\nmed_types = ["14"]',
            'clause = "3.9"\nmed_types = ["11"]',
            "clause 3.9: its names never meet",
        ),
        ('name = "civil_servants"', 'name = "others"', "no such layer: civil_servants"),
        (
            'layer = "civil_servants"\nabove_yuan = 0\npays = "cvlserv_pay"',
            'layer = "civil_servants"\nabove_yuan = 0\npays = "hifp_pay"',
            "pays in layers basic and civil_servants",
        ),
        (
            'layer = "civil_servants"\ncounter = "cvlserv_dedc"',
            'layer = "civil_servants"\ncounter = "cvlserv_dedc"\nadmissions = "x"',
            "counted by the basic insurance only",
        ),
        ('diseases = ["chronic", "special"]', 'diseases = ["rare"]', "no such group: rare"),
        ('med_types = ["11", "13"]\ninst', 'med_types = ["11", "14"]\ninst', "without diseases"),
        ('special = ["M00500"', 'special = ["M03900"', "M03900 twice"),
        ('place = "unfiled"', 'place = "filed"', "filed twice"),
        ('place = "unfiled"', 'place = "local"', "out_of_region.1.place"),
        ("illustrative = true", "illustrative = false", "region 990000 exists nowhere"),
        ('pays = ["act_pay_dedc", "inscp', 'pays = ["inscp_selfpay", "inscp', "twice"),
        ('clause = "2.1"\ngroups = ["in_work"]', 'clause = "2.1"\ngroups = []', "never applies"),
        (
            'clause = "2.1"\ngroups = ["in_work"]',
            'clause = "2.1"\ngroups = ["old"]',
            "names old",
        ),
        ('institution_levels = ["1"]', 'institution_levels = ["4"]', "names 4"),
        ('retired = ["12"]', 'retired = ["12", "11"]', "11 twice"),
        ('pays = "hifob_pay"\nfund_pay_type', 'pays = "maf_pay"\nfund_pay_type', "not named"),
        ('pays = "hifob_pay"\nfund_pay_type', 'pays = "hifp_pay"\nfund_pay_type', "twice"),
        ('counter = "otp_hifob"', 'counter = "otp_hifp"', "also counts hifp_pay"),
        ('counter = "otp_hifob"', 'counter = "otp_scope"', "also counts segments"),
        ('"4.3", pays = "hifob_pay"', '"4.3", pays = "hifp_pay"', "already capped"),
        (
            'fund = "hifob_pay"\ncounter = "otp_hifob"',
            'fund = "hifp_pay"\ncounter = "otp_hifp"',
            "hifp_pay by year twice",
        ),
        ('chrgitm_lv = "03"', 'chrgitm_lv = "02"', "02 twice"),
        ('[[item_class]]\nclause = "1.3"\nchrgitm_lv = "03"', "", "no rule for 03"),
        ('mode = "half_up"', 'mode = "down"', "half_up"),
        ("illustrative = true", "illustrative = true\nauthor = 1", "not permitted"),
        ("valid_from = 2025-01-01", "valid_from = 2025-01-01\nvalid_to = 2024-01-01", "before"),
        ('region = "990000"', "region = 990000", "valid string"),
        ("[policy]", "[policy", "TOML"),
        ('med_types = ["11", "13"]\ninst', 'med_types = ["11", "11"]\ninst', "11/in_work/1/ twice"),
    ],
)
def test_a_wrong_policy_is_refused_with_the_place(old: str, new: str, found: str) -> None:
    changed = TEXT.replace(old, new)
    assert changed != TEXT

    with pytest.raises(Refused) as refused:
        parse_policy(changed)

    assert refused.value.kind.code == "insurer.policy_invalid"
    assert found in f"{refused.value.details['at']}: {refused.value.details['found']}"


def test_a_policy_is_found_by_region_insurance_and_day() -> None:
    book = PolicyBook(
        [
            with_dates("2026-01-01", None, "2"),
            with_dates("2025-01-01", "2025-12-31", "1"),
        ]
    )

    last_year = book.policy_for(region="990000", insutype="310", day=date(2025, 12, 31))
    this_year = book.policy_for(region="990000", insutype="310", day=date(2026, 1, 1))
    assert (last_year.version, this_year.version) == ("1", "2")


@pytest.mark.parametrize(
    ("region", "insutype", "day"),
    [
        ("990000", "310", date(2024, 12, 31)),
        ("990000", "390", date(2026, 1, 1)),
        ("110000", "310", date(2026, 1, 1)),
    ],
)
def test_a_day_region_or_insurance_without_policy_is_refused(
    region: str, insutype: str, day: date
) -> None:
    book = PolicyBook([parse_policy(TEXT)])

    with pytest.raises(Refused) as refused:
        book.policy_for(region=region, insutype=insutype, day=day)

    assert refused.value.kind.code == "insurer.no_policy"


@pytest.mark.parametrize(
    ("valid_to", "found"),
    [(None, "overlap"), ("2026-01-01", "overlap"), ("2025-12-30", "days without rules")],
)
def test_versions_that_overlap_or_leave_a_day_out_are_refused(
    valid_to: str | None, found: str
) -> None:
    versions = [with_dates("2025-01-01", valid_to, "1"), with_dates("2026-01-01", None, "2")]

    with pytest.raises(Refused) as refused:
        PolicyBook(versions)

    assert found in str(refused.value.details["found"])
