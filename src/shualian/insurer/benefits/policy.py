"""The policy file compiled: the schedule of every case it covers, and the book of all policies.

A file is refused when it leaves a gap or an overlap, when a ratio lies outside 0..1, when a rule
can never apply, or when a dearer bill would cost the person less. It is text in,
:class:`~shualian.insurer.benefits.model.Policy` out; where the text lies is the matter of
``store``.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

from shualian.core.money import ZERO
from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import (
    NO_POLICY,
    AboveCap,
    AccountRule,
    Cap,
    CarePlace,
    Case,
    Deductible,
    Fund,
    FundName,
    HospitalRule,
    ItemLevel,
    Layer,
    Mode,
    OutOfRegion,
    Period,
    Policy,
    Schedule,
    Segment,
)
from shualian.insurer.benefits.soundness import check_soundness
from shualian.insurer.benefits.tables import (
    BASIC,
    AccountTable,
    CapRule,
    DeductibleRule,
    HospitalTable,
    LayerTable,
    PolicyFile,
    SegmentRule,
    Selector,
    check_sample,
    check_validity,
    parse_table,
    refuse,
)

D = TypeVar("D", bound="Dated")
R = TypeVar("R", bound="_InLayer")


class _InLayer(Protocol):
    """A rule of one layer."""

    @property
    def layer(self) -> str: ...

    def covers(self, case: Case) -> bool: ...


def parse_policy(text: str) -> Policy:
    """Check a policy file and compile it.

    Raises:
        Refused: ``insurer.policy_invalid``; ``at`` names the place, ``found`` what is wrong.
    """
    file = parse_table(PolicyFile, text)
    _check_file(file)
    head = file.policy
    policy = Policy(
        policy_id=head.policy_id,
        version=head.version,
        title_zh=head.title_zh,
        title_en=head.title_en,
        region=head.region,
        insutype=head.insutype,
        valid_from=head.valid_from,
        valid_to=head.valid_to,
        illustrative=head.illustrative,
        class_clauses={rule.chrgitm_lv: rule.clause for rule in file.item_class},
        ceiling_clause=file.ceiling.clause,
        limit_clause=file.limits.clause,
        cash_clause=file.cash.clause,
        groups=_inverted(file.groups),
        diseases=_inverted(file.diseases),
        by_disease=frozenset(
            kind for scope in file.scope if scope.diseases for kind in scope.med_types
        ),
        funds={row.pays: FundName(row.fund_pay_type, row.name) for row in file.fund},
        out_of_region={
            CarePlace(rule.place): OutOfRegion(rule.clause, rule.share, rule.ratio_off)
            for rule in file.out_of_region
        },
        account=_account(file.account),
        family_account=_account(file.family_account),
        schedules={case: _schedule(file, case) for case in file.cases()},
    )
    check_soundness(policy)
    return policy


def _inverted(groups: Mapping[str, list[str]]) -> dict[str, str]:
    return {member: name for name, members in groups.items() for member in members}


def _check_file(file: PolicyFile) -> None:
    head = file.policy
    check_validity("policy.valid_to", head.valid_from, head.valid_to)
    check_sample("policy.illustrative", head.region, illustrative=head.illustrative)
    _check_once("clause", file.clauses())
    _check_once("groups", (kind for kinds in file.groups.values() for kind in kinds))
    _check_once("diseases", (code for codes in file.diseases.values() for code in codes))
    _check_once("fund", (row.pays for row in file.fund))
    _check_once("scope", ("/".join(case) for case in file.cases()))
    _check_once("out_of_region", (rule.place for rule in file.out_of_region))
    _check_once("layer", (layer.name for layer in file.layers()))
    _check_once("item_class", (rule.chrgitm_lv for rule in file.item_class))
    if missing := set(ItemLevel) - {rule.chrgitm_lv for rule in file.item_class}:
        refuse("item_class", f"no rule for {min(missing)}")
    _check_diseases(file)
    _check_funds(file)
    _check_layers(file)
    _check_counters(file)
    cases = list(file.cases())
    for rule in (*file.rules(), *file.segments):
        _check_reachable(file, rule, cases)


def _check_once(at: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            refuse(at, f"{name} twice")
        seen.add(name)


def _check_diseases(file: PolicyFile) -> None:
    by_disease: dict[str, bool] = {}
    for scope in file.scope:
        for name in scope.diseases or ():
            if name not in file.diseases:
                refuse("scope.diseases", f"no such group: {name}")
        for kind in scope.med_types:
            if by_disease.setdefault(kind, scope.diseases is not None) != (
                scope.diseases is not None
            ):
                refuse("scope", f"med_type {kind} with and without diseases")


def _check_funds(file: PolicyFile) -> None:
    """Each fund that is used has a name and pays in one layer only."""
    named = {row.pays for row in file.fund}
    used = [(rule.pays, rule.layer) for rule in file.segment]
    used += [(cap.fund, cap.layer) for cap in file.cap]
    used += [(cap.beyond.pays, cap.layer) for cap in file.cap if cap.beyond]
    layer_of: dict[Fund, str] = {}
    for fund, layer in used:
        if fund not in named:
            refuse("fund", f"{fund} is used and not named")
        if layer_of.setdefault(fund, layer) != layer:
            refuse("fund", f"{fund} pays in layers {layer_of[fund]} and {layer}")


def _check_layers(file: PolicyFile) -> None:
    names = {layer.name for layer in file.layers()}
    named = [(rule.place, rule.layer) for rule in file.deductible]
    named += [(rule.place, rule.layer) for rule in file.segments]
    named += [(rule.place, rule.layer) for rule in file.segment]
    named += [(rule.place, rule.layer) for rule in file.cap]
    for place, layer in named:
        if layer not in names:
            refuse(place, f"no such layer: {layer}")
    for deductible in file.deductible:
        if deductible.layer != BASIC and deductible.admissions is not None:
            refuse(deductible.place, "admissions are counted by the basic insurance only")


def _check_counters(file: PolicyFile) -> None:
    """A counter counts one kind of money: a deductible, the scope above it, or one fund."""
    counted = [(rule.counter, f"segments of {rule.layer}") for rule in file.segments]
    counted += [(rule.counter, f"deductible of {rule.layer}") for rule in file.deductible]
    counted += [(rule.admissions, "admissions") for rule in file.deductible if rule.admissions]
    counted += [(cap.counter, cap.fund.value) for cap in file.cap]
    kinds: dict[str, str] = {}
    for counter, kind in counted:
        if kinds.setdefault(counter, kind) != kind:
            refuse(kind, f"counter {counter} also counts {kinds[counter]}")


def _check_reachable(file: PolicyFile, rule: Selector, cases: list[Case]) -> None:
    """A rule names what exists, and at least one case is covered by all of its names."""
    scopes = file.scope
    known = (
        ("med_types", rule.med_types, [kind for scope in scopes for kind in scope.med_types]),
        ("groups", rule.groups, list(file.groups)),
        (
            "institution_levels",
            rule.institution_levels,
            [level for scope in scopes for level in scope.institution_levels],
        ),
        ("diseases", rule.diseases, [name for scope in scopes for name in scope.diseases or ()]),
    )
    for selector, names, possible in known:
        if names is None:
            continue
        if not names:
            refuse(rule.place, f"{selector} is empty: the rule never applies")
        for name in names:
            if name not in possible:
                refuse(rule.place, f"{selector} names {name}, out of scope")
    if not any(rule.covers(case) for case in cases):
        refuse(rule.place, "its names never meet: the rule never applies")


def _account(table: AccountTable | None) -> AccountRule | None:
    if table is None:
        return None
    _check_once(f"clause {table.clause}", table.pays)
    name = FundName(table.fund_pay_type, table.name)
    return AccountRule(table.clause, name, tuple(table.pays))


def _schedule(file: PolicyFile, case: Case) -> Schedule:
    where = f"case {'/'.join(case)}".rstrip("/")
    layers = [_layer(file, table, case, where) for table in file.layers()]
    hospitals = [rule for rule in file.hospital if rule.covers(case)]
    if len(hospitals) > 1:
        refuse(where, f"{len(hospitals)} rules of the hospital's part")
    return Schedule(
        layers=tuple(layer for layer in layers if layer is not None),
        hospital=_hospital(hospitals[0]) if hospitals else None,
    )


def _layer(file: PolicyFile, table: LayerTable, case: Case, where: str) -> Layer | None:
    if table.name != BASIC:
        where = f"{where}, layer {table.name}"
    deductibles = _of(file.deductible, table, case)
    meters = _of(file.segments, table, case)
    segments = _of(file.segment, table, case)
    caps = _of(file.cap, table, case)
    if table.name != BASIC and not (deductibles or meters or segments or caps):
        return None
    if len(deductibles) != 1:
        refuse(where, f"{len(deductibles)} deductibles, one is needed (it may be 0)")
    if len(meters) != 1:
        refuse(where, f"{len(meters)} tables of segments, one is needed")
    meter = meters[0]
    if meter.mode is Mode.WHOLE and meter.period is Period.YEAR:
        refuse(where, "a ratio for the whole bill needs period visit")
    return Layer(
        name=table.name,
        identity=table.identity,
        deductible=_deductible(deductibles[0]),
        counter=meter.counter,
        period=Period(meter.period),
        mode=meter.mode,
        segments=_segments(segments, where),
        caps=_caps(caps, where),
    )


def _of(rules: Sequence[R], table: LayerTable, case: Case) -> list[R]:
    return [rule for rule in rules if rule.layer == table.name and rule.covers(case)]


def _deductible(rule: DeductibleRule) -> Deductible:
    falling = rule.period is Period.ADMISSION
    if (rule.amounts_yuan is not None, rule.admissions is not None) != (falling, falling):
        refuse(rule.place, "amounts_yuan and admissions belong to period admission, and both")
    if (rule.amount_yuan is None) != falling:
        refuse(rule.place, "amount_yuan is needed, except with period admission")
    amounts = tuple(rule.amounts_yuan or ()) or (rule.amount_yuan or ZERO,)
    if any(later > earlier for earlier, later in pairwise(amounts)):
        refuse(rule.place, "the deductible rises with a later admission")
    return Deductible(rule.clause, rule.counter, rule.period, amounts, rule.admissions)


def _segments(rules: list[SegmentRule], where: str) -> tuple[Segment, ...]:
    ordered = sorted(rules, key=lambda rule: rule.above_yuan)
    if not ordered or ordered[0].above_yuan != ZERO:
        refuse(where, "the first segment does not begin at 0")
    for rule, following in pairwise(ordered):
        if rule.up_to_yuan is None or rule.up_to_yuan > following.above_yuan:
            refuse(where, f"clauses {rule.clause} and {following.clause} overlap")
        if rule.up_to_yuan < following.above_yuan:
            refuse(where, f"a gap between clauses {rule.clause} and {following.clause}")
        if rule.up_to_yuan <= rule.above_yuan:
            refuse(where, f"clause {rule.clause} is empty")
    if ordered[-1].up_to_yuan is not None:
        refuse(where, f"the last segment, clause {ordered[-1].clause}, is not open")
    return tuple(
        Segment(rule.clause, rule.above_yuan, rule.up_to_yuan, rule.pays, rule.ratio)
        for rule in ordered
    )


def _caps(rules: list[CapRule], where: str) -> tuple[Cap, ...]:
    _check_once(where, (f"{rule.fund} by {rule.period}" for rule in rules))
    done: set[Fund] = set()
    for rule in rules:
        done.add(rule.fund)
        if rule.beyond is not None and rule.beyond.pays in done:
            refuse(where, f"clause {rule.beyond.clause} hands on to a fund already capped")
    return tuple(_cap(rule) for rule in rules)


def _cap(rule: CapRule) -> Cap:
    on = rule.beyond
    beyond = None if on is None else AboveCap(on.clause, on.pays, on.ratio)
    period = Period(rule.period)
    return Cap(rule.clause, rule.fund, rule.counter, period, rule.amount_yuan, beyond)


def _hospital(rule: HospitalTable) -> HospitalRule:
    name = FundName(rule.fund_pay_type, rule.name)
    return HospitalRule(rule.clause, name, tuple(rule.parts), rule.above_share)


class Dated(Protocol):
    """A text with a version that holds for a time."""

    @property
    def version(self) -> str:
        """Of the text."""
        ...

    @property
    def valid_from(self) -> date:
        """First day."""
        ...

    @property
    def valid_to(self) -> date | None:
        """Last day, or none."""
        ...


class Versions(Generic[D]):
    """Texts on one subject, one after the other without a day between or twice.

    Raises:
        Refused: ``insurer.policy_invalid`` when two overlap or leave days out.
    """

    def __init__(self, at: str, texts: Iterable[D]) -> None:
        self._texts = sorted(texts, key=lambda text: text.valid_from)
        for earlier, later in pairwise(self._texts):
            if earlier.valid_to is None or later.valid_from <= earlier.valid_to:
                refuse(at, f"versions {earlier.version} and {later.version} overlap")
            if later.valid_from > earlier.valid_to + timedelta(days=1):
                refuse(at, f"days without rules before version {later.version}")

    def on(self, day: date) -> D | None:
        """The one that holds on ``day``."""
        for text in self._texts:
            if text.valid_from <= day and (text.valid_to is None or day <= text.valid_to):
                return text
        return None


class PolicyBook:
    """All policies of an insurer, by insured region and insurance.

    Raises:
        Refused: ``insurer.policy_invalid`` when versions overlap or leave days out.
    """

    def __init__(self, policies: Iterable[Policy]) -> None:
        subjects: dict[tuple[str, str], list[Policy]] = {}
        for policy in policies:
            subjects.setdefault((policy.region, policy.insutype), []).append(policy)
        self._policies = {
            subject: Versions("/".join(subject), versions) for subject, versions in subjects.items()
        }

    def policy_for(self, *, region: str, insutype: str, day: date) -> Policy:
        """The policy that holds there on ``day``.

        Raises:
            Refused: ``insurer.no_policy``.
        """
        versions = self._policies.get((region, insutype))
        policy = versions.on(day) if versions else None
        if policy is None:
            raise Refused(NO_POLICY, region=region, insutype=insutype, day=day.isoformat())
        return policy
