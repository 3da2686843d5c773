"""What a scene asks for, over every combination of circumstances."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.mode import Mode
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.core.settings import RegistryCheck
from shualian.face.liveness.decision import LivenessLevel
from shualian.terminals.model import TerminalClass
from shualian.verification.model import (
    Basis,
    Factor,
    Scene,
    Standing,
    VerifiedPerson,
    VoucherStanding,
)
from shualian.verification.registry.model import RegistryVerdict
from shualian.verification.requirements.model import (
    PASSIVE_SCENES,
    Circumstances,
    MoneyRules,
    check_money,
    check_registry,
    liveness_level,
    may_enrol,
    registry_asked,
)
from shualian.verification.sessions.model import SoughtBy
from verification.world import START, ZHANG

ACTIVE = Standing(VoucherStanding.ACTIVE, template_consent=True)
LITTLE = Circumstances(
    scene=Scene.REGISTRATION,
    amount_max_fen=ZERO,
    terminal_class=TerminalClass.SCAN_FACE_PAY,
    sought_by=SoughtBy.EXPECTED,
    voucher=None,
    failures=0,
)
PERSON = VerifiedPerson(
    subject=ZHANG,
    score=0.8,
    point=None,
    comparisons=1,
    error_upper95=0.001,
    factors=frozenset({Factor.FACE, Factor.CALLED}),
    registry=RegistryVerdict.MATCH,
    active=True,
)


@pytest.mark.parametrize("scene", Scene)
def test_passive_liveness_is_for_scenes_that_move_nothing_and_show_little(scene: Scene) -> None:
    level = liveness_level(replace(LITTLE, scene=scene))
    assert (level is LivenessLevel.PASSIVE) == (scene in PASSIVE_SCENES)


def test_what_hands_something_out_or_changes_rights_is_no_passive_scene() -> None:
    assert PASSIVE_SCENES.isdisjoint(
        {
            Scene.SETTLEMENT,
            Scene.DISPENSING,
            Scene.REPORT_COLLECTION,
            Scene.RECORD_COPY,
            Scene.PHARMACY_PURCHASE,
            Scene.ONLINE_SETTLEMENT,
            Scene.INSURED_SERVICES,
        }
    )


@pytest.mark.parametrize(
    "riskier",
    [
        replace(LITTLE, amount_max_fen=Fen(1)),
        replace(LITTLE, terminal_class=TerminalClass.BROWSER),
        replace(LITTLE, sought_by=SoughtBy.NUMBER),
        replace(LITTLE, sought_by=SoughtBy.DOCUMENT),
        replace(LITTLE, sought_by=SoughtBy.CALLED, voucher=VoucherStanding.DORMANT),
        replace(LITTLE, sought_by=SoughtBy.CALLED, voucher=VoucherStanding.NOT_ACTIVATED),
        replace(LITTLE, failures=3),
    ],
)
def test_any_single_risk_asks_for_active_liveness(riskier: Circumstances) -> None:
    assert liveness_level(LITTLE) is LivenessLevel.PASSIVE
    assert liveness_level(riskier) is LivenessLevel.ACTIVE


def test_the_registry_is_left_out_only_by_risk_for_a_passive_match_without_money() -> None:
    combinations = product(RegistryCheck, LivenessLevel, [ZERO, Fen(1)], [True, False])
    left_out = [
        (check, level, amount, by_template)
        for check, level, amount, by_template in combinations
        if not registry_asked(check, level=level, amount_max_fen=amount, by_template=by_template)
    ]
    assert left_out == [(RegistryCheck.RISK, LivenessLevel.PASSIVE, ZERO, True)]


@pytest.mark.parametrize("voucher", VoucherStanding)
@pytest.mark.parametrize("by_template", [True, False])
@pytest.mark.parametrize("verdict", [*RegistryVerdict, None])
def test_without_a_match_only_a_known_face_with_a_voucher_in_use_goes_on(
    verdict: RegistryVerdict | None, by_template: bool, voucher: VoucherStanding
) -> None:
    standing = replace(ACTIVE, voucher=voucher)
    waking = voucher in {VoucherStanding.NOT_ACTIVATED, VoucherStanding.DORMANT}
    silent = verdict in {RegistryVerdict.UNAVAILABLE, None}
    passes = verdict is RegistryVerdict.MATCH or (silent and by_template and not waking)
    if passes:
        check_registry(verdict, standing, by_template=by_template)
    else:
        with pytest.raises(Refused):
            check_registry(verdict, standing, by_template=by_template)


@given(
    active=st.booleans(),
    verdict=st.sampled_from([*RegistryVerdict, None]),
    sought_by=st.sampled_from(SoughtBy),
    agreed=st.booleans(),
)
def test_a_template_needs_all_of_active_match_claim_and_consent(
    active: bool, verdict: RegistryVerdict | None, sought_by: SoughtBy, agreed: bool
) -> None:
    person = replace(PERSON, active=active, registry=verdict, basis=Basis.REGISTRY)
    claimed = sought_by in {SoughtBy.NUMBER, SoughtBy.DOCUMENT}
    expected = active and verdict is RegistryVerdict.MATCH and claimed and agreed
    assert may_enrol(person, sought_by=sought_by, agreed=agreed) == expected


amounts = st.integers(0, 60_000_00).map(Fen)


@given(
    amount=amounts,
    degraded_max=st.integers(0, 1000_00).map(Fen),
    verdict=st.sampled_from([RegistryVerdict.MATCH, RegistryVerdict.UNAVAILABLE, None]),
    factors=st.sets(st.sampled_from(Factor)),
    held_s=st.sampled_from([None, 0, 1]),
)
def test_money_moves_exactly_when_every_rule_carries_it(
    amount: Fen,
    degraded_max: Fen,
    verdict: RegistryVerdict | None,
    factors: set[Factor],
    held_s: int | None,
) -> None:
    held = None if held_s is None else START + timedelta(seconds=held_s)
    limit = {RegistryVerdict.MATCH: 50_000_00, RegistryVerdict.UNAVAILABLE: degraded_max}
    carried = amount == 0 or (
        Factor.FACE in factors
        and bool(factors & {Factor.CALLED, Factor.DOCUMENT, Factor.PIN})
        and (held is None or held <= START)
        and amount <= min(50_000_00, limit.get(verdict, 0) if verdict else 0)
    )
    try:
        check_money(
            amount,
            replace(PERSON, registry=verdict),
            factors=factors,
            terminal_class=TerminalClass.SCAN_FACE_PAY,
            standing=replace(ACTIVE, payment_held_until=held),
            rules=MoneyRules(Mode.PRODUCTION, degraded_max),
            now=START,
        )
    except Refused:
        assert not carried
    else:
        assert carried
