from dataclasses import replace

import pytest

from insurer.benefits.bills import POLICIES
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import Case, Mode, Period, Policy, Ratio
from shualian.insurer.benefits.policy import parse_policy
from shualian.insurer.benefits.soundness import check_by_trial, check_soundness
from shualian.insurer.benefits.store import packaged_policies


def text(name: str) -> str:
    return (packaged_policies() / name).read_text("utf-8")


def refused(changed: str) -> str:
    with pytest.raises(Refused) as found:
        parse_policy(changed)
    assert found.value.kind.code == "insurer.policy_invalid"
    return f"{found.value.details['at']}: {found.value.details['found']}"


def test_a_ratio_for_the_whole_bill_that_rises_is_refused() -> None:
    changed = text("990100-390.toml").replace("ratio = 0.50", "ratio = 0.61")

    assert "clause B3: a dearer bill would cost the person less" in refused(changed)


def test_a_ratio_for_the_whole_bill_that_stays_or_falls_is_allowed() -> None:
    parse_policy(text("990100-390.toml").replace("ratio = 0.50", "ratio = 0.60"))


@pytest.mark.parametrize(
    ("name", "old", "new", "found"),
    [
        # 30,000 yuan at 90 % reach a cap of 25,000 without anybody beyond it, for both groups.
        (
            "990000-310.toml",
            'amount_yuan = 400000\nbeyond = { clause = "4.10", pays = "hifob_pay", ratio = 0.85 }',
            "amount_yuan = 25000",
            "unreachable: cap 4.9 stops its fund before it",
        ),
        (
            "990100-390.toml",
            "amount_yuan = 150000",
            "amount_yuan = 5000",
            "clause D7: unreachable: cap D8",
        ),
        (
            "990000-390.toml",
            "amount_yuan = 400000",
            "amount_yuan = 30000",
            "clause 5.3: unreachable: cap 5.4",
        ),
    ],
)
def test_a_segment_that_a_cap_has_stopped_before_it_begins_is_refused(
    name: str, old: str, new: str, found: str
) -> None:
    changed = text(name).replace(old, new)
    assert changed != text(name)

    assert found in refused(changed)


def test_a_segment_stays_reachable_while_another_case_pays_less_before_it() -> None:
    # At level 3 the fund has paid 3,000 yuan when segment 3.7 begins, at level 1 already 4,000.
    changed = text("990000-310.toml")
    for beyond, amount in (
        ('8000\nbeyond = { clause = "4.3", pays = "hifob_pay", ratio = 0.60 }', 3_500),
        ('10000\nbeyond = { clause = "4.4", pays = "hifob_pay", ratio = 0.70 }', 3_500),
    ):
        assert beyond in changed
        changed = changed.replace(beyond, str(amount))

    parse_policy(changed)
    assert "clause 3.7: unreachable" in refused(changed.replace("= 3500", "= 3000"))


def rising(policy: Policy, case: Case) -> Policy:
    """The policy with a last segment that pays more of the whole visit."""
    schedule = policy.schedules[case]
    basic = schedule.layers[0]
    low = basic.segments[0]._replace(up_to=Fen(100_00), ratio=Ratio(5_000))
    high = low._replace(above=Fen(100_00), up_to=None, ratio=Ratio(8_000))
    layer = replace(basic, mode=Mode.WHOLE, period=Period.VISIT, segments=(low, high), caps=())
    return replace(policy, schedules={case: replace(schedule, layers=(layer,))})


def test_trying_bills_finds_a_dearer_one_that_costs_less() -> None:
    wrong = rising(POLICIES[3], Case("11", "resident", "1"))

    with pytest.raises(Refused) as found:
        check_by_trial(wrong)

    assert found.value.details == {
        "at": "case 11/resident/1",
        "found": "a bill of 10000 fen costs the person 5000 fen, one of 10001 only 2000",
    }
    with pytest.raises(Refused):
        check_soundness(wrong)


def test_trying_bills_passes_a_packaged_policy() -> None:
    assert check_by_trial(POLICIES[3]) > 10_000
