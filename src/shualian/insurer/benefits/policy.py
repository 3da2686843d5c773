"""The policy file: TOML, schema-checked, compiled into the schedule of every case it covers.

A file is refused when it leaves a gap or an overlap, when a ratio lies outside 0..1, or when a
rule can never apply. It is text in, :class:`~shualian.insurer.benefits.model.Policy` out; where
the text lies is the matter of ``store``.
"""

import tomllib
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise, product
from typing import Annotated, Generic, Literal, NoReturn, Protocol, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shualian.core.money import ZERO, Fen, parse_yuan
from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import (
    NO_POLICY,
    POLICY_INVALID,
    WHOLE,
    AboveCap,
    AccountRule,
    Cap,
    Case,
    Deductible,
    Fund,
    FundName,
    ItemLevel,
    PersonPart,
    Policy,
    Ratio,
    Schedule,
    Segment,
)


def _fen(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("an amount in yuan is a number")  # noqa: TRY004 - pydantic's protocol
    return parse_yuan(str(value))


def _ratio(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("a ratio is a number")  # noqa: TRY004 - pydantic's protocol
    scaled = Decimal(value) * WHOLE
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError("a ratio has at most 4 decimals")
    return int(scaled)


Yuan = Annotated[Fen, BeforeValidator(_fen), Field(ge=0)]
"""An amount written in yuan, at least 0."""
Share = Annotated[Ratio, BeforeValidator(_ratio), Field(ge=0, le=WHOLE)]
"""A ratio written as a fraction 0..1 with at most 4 decimals."""
Name = Annotated[str, Field(min_length=1, max_length=200)]
Counter = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")]


class Table(BaseModel):
    """A table of a policy or catalogue file: nothing unknown, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


T = TypeVar("T", bound=Table)
D = TypeVar("D", bound="Dated")


class _Header(Table):
    policy_id: Name
    version: Name
    illustrative: bool
    region: Annotated[str, Field(pattern=r"^\d{6}$")]
    insutype: Annotated[str, Field(pattern=r"^\d{3}$")]
    valid_from: date
    valid_to: date | None = None
    title_zh: Name
    title_en: Name


class _Rounding(Table):
    """Written out so that a reader of the policy sees it; there is one way so far."""

    mode: Literal["half_up"]
    classes: Literal["per_item"]
    funds: Literal["per_segment_on_bill"]
    remainder: Literal["largest_fraction_then_feedetl_sn"]


class _Scope(Table):
    med_types: Annotated[list[Name], Field(min_length=1)]
    institution_levels: Annotated[list[Name], Field(min_length=1)]


class _Clause(Table):
    clause: Name


class _ClassRule(_Clause):
    chrgitm_lv: ItemLevel


class _FundRow(Table):
    pays: Fund
    fund_pay_type: Annotated[str, Field(pattern=r"^\d{6}$")]
    name: Name


class _Rule(_Clause):
    """A rule for the cases that it names; a selector that is left out means all."""

    med_types: list[Name] | None = None
    groups: list[Name] | None = None
    institution_levels: list[Name] | None = None

    def covers(self, case: Case) -> bool:
        chosen = (self.med_types, self.groups, self.institution_levels)
        return all(names is None or name in names for names, name in zip(chosen, case, strict=True))


class _DeductibleRule(_Rule):
    counter: Counter
    amount_yuan: Yuan


class _SegmentRule(_Rule):
    above_yuan: Yuan
    up_to_yuan: Yuan | None = None
    pays: Fund
    ratio: Share


class _Beyond(_Clause):
    pays: Fund
    ratio: Share


class _CapRule(_Rule):
    fund: Fund
    counter: Counter
    amount_yuan: Yuan
    beyond: _Beyond | None = None


class _AccountTable(_Clause):
    fund_pay_type: Annotated[str, Field(pattern=r"^\d{6}$")]
    name: Name
    pays: list[PersonPart]


class _Segments(Table):
    counter: Counter


class _File(Table):
    policy: _Header
    rounding: _Rounding
    scope: _Scope
    groups: Annotated[dict[Name, list[Name]], Field(min_length=1)]
    fund: Annotated[list[_FundRow], Field(min_length=1)]
    item_class: list[_ClassRule]
    ceiling: _Clause
    deductible: list[_DeductibleRule]
    segments: _Segments
    segment: list[_SegmentRule]
    cap: list[_CapRule] = Field(default_factory=list)
    account: _AccountTable
    cash: _Clause

    def cases(self) -> Iterator[Case]:
        names = product(self.scope.med_types, self.groups, self.scope.institution_levels)
        return (Case(*case) for case in names)

    def rules(self) -> Iterator[_Rule]:
        yield from self.deductible
        yield from self.segment
        yield from self.cap

    def clauses(self) -> Iterator[str]:
        yield from (rule.clause for rule in self.item_class)
        yield from (rule.clause for rule in self.rules())
        yield from (cap.beyond.clause for cap in self.cap if cap.beyond)
        yield from (self.ceiling.clause, self.account.clause, self.cash.clause)


def parse_policy(text: str) -> Policy:
    """Check a policy file and compile it.

    Raises:
        Refused: ``insurer.policy_invalid``; ``at`` names the place, ``found`` what is wrong.
    """
    file = parse_table(_File, text)
    _check_file(file)
    head = file.policy
    return Policy(
        policy_id=head.policy_id,
        version=head.version,
        region=head.region,
        insutype=head.insutype,
        valid_from=head.valid_from,
        valid_to=head.valid_to,
        illustrative=head.illustrative,
        class_clauses={rule.chrgitm_lv: rule.clause for rule in file.item_class},
        ceiling_clause=file.ceiling.clause,
        cash_clause=file.cash.clause,
        groups={psn_type: name for name, types in file.groups.items() for psn_type in types},
        funds={row.pays: FundName(row.fund_pay_type, row.name) for row in file.fund},
        account=_account(file.account),
        schedules={case: _schedule(file, case) for case in file.cases()},
    )


def parse_table(kind: type[T], text: str) -> T:
    """Read TOML text as a table of ``kind``; numbers with a point become exact decimals.

    Raises:
        Refused: ``insurer.policy_invalid``.
    """
    try:
        return kind.model_validate(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as invalid:
        raise Refused(POLICY_INVALID, at="TOML", found=str(invalid)) from None
    except ValidationError as invalid:
        first = invalid.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused(POLICY_INVALID, at=place, found=first["msg"]) from None


def check_validity(at: str, valid_from: date, valid_to: date | None) -> None:
    """Check that a text does not end before it begins.

    Raises:
        Refused: ``insurer.policy_invalid``.
    """
    if valid_to is not None and valid_to < valid_from:
        _refuse(at, "before valid_from")


def _refuse(at: str, found: str) -> NoReturn:
    raise Refused(POLICY_INVALID, at=at, found=found)


def _check_file(file: _File) -> None:
    head = file.policy
    check_validity("policy.valid_to", head.valid_from, head.valid_to)
    _check_once("clause", file.clauses())
    _check_once("groups", (kind for kinds in file.groups.values() for kind in kinds))
    _check_once("fund", (row.pays for row in file.fund))
    _check_once("scope.med_types", file.scope.med_types)
    _check_once("scope.institution_levels", file.scope.institution_levels)
    _check_once("item_class", (rule.chrgitm_lv for rule in file.item_class))
    if missing := set(ItemLevel) - {rule.chrgitm_lv for rule in file.item_class}:
        _refuse("item_class", f"no rule for {min(missing)}")
    _check_funds_named(file)
    _check_counters(file)
    for rule in file.rules():
        _check_reachable(file, rule)


def _check_once(at: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            _refuse(at, f"{name} twice")
        seen.add(name)


def _check_funds_named(file: _File) -> None:
    named = {row.pays for row in file.fund}
    used = [rule.pays for rule in file.segment] + [cap.fund for cap in file.cap]
    used += [cap.beyond.pays for cap in file.cap if cap.beyond]
    for fund in used:
        if fund not in named:
            _refuse("fund", f"{fund} is used and not named")


def _check_counters(file: _File) -> None:
    """A counter counts one kind of money: a deductible, the scope above it, or one fund."""
    kinds = {file.segments.counter: "segments"}
    counted = [(rule.counter, "deductible") for rule in file.deductible]
    counted += [(cap.counter, cap.fund.value) for cap in file.cap]
    for counter, kind in counted:
        if kinds.setdefault(counter, kind) != kind:
            _refuse(kind, f"counter {counter} also counts {kinds[counter]}")


def _check_reachable(file: _File, rule: _Rule) -> None:
    known = (
        ("med_types", rule.med_types, file.scope.med_types),
        ("groups", rule.groups, list(file.groups)),
        ("institution_levels", rule.institution_levels, file.scope.institution_levels),
    )
    for selector, names, possible in known:
        if names is None:
            continue
        if not names:
            _refuse(f"clause {rule.clause}", f"{selector} is empty: the rule never applies")
        for name in names:
            if name not in possible:
                _refuse(f"clause {rule.clause}", f"{selector} names {name}, out of scope")


def _account(table: _AccountTable) -> AccountRule:
    name = FundName(table.fund_pay_type, table.name)
    return AccountRule(table.clause, name, frozenset(table.pays))


def _schedule(file: _File, case: Case) -> Schedule:
    where = f"case {'/'.join(case)}"
    deductibles = [rule for rule in file.deductible if rule.covers(case)]
    if len(deductibles) != 1:
        _refuse(where, f"{len(deductibles)} deductibles, one is needed (it may be 0)")
    rule = deductibles[0]
    return Schedule(
        deductible=Deductible(rule.clause, rule.counter, rule.amount_yuan),
        scope_counter=file.segments.counter,
        segments=_segments([rule for rule in file.segment if rule.covers(case)], where),
        caps=_caps([rule for rule in file.cap if rule.covers(case)], where),
    )


def _segments(rules: list[_SegmentRule], where: str) -> tuple[Segment, ...]:
    ordered = sorted(rules, key=lambda rule: rule.above_yuan)
    if not ordered or ordered[0].above_yuan != ZERO:
        _refuse(where, "the first segment does not begin at 0")
    for rule, following in pairwise(ordered):
        if rule.up_to_yuan is None or rule.up_to_yuan > following.above_yuan:
            _refuse(where, f"clauses {rule.clause} and {following.clause} overlap")
        if rule.up_to_yuan < following.above_yuan:
            _refuse(where, f"a gap between clauses {rule.clause} and {following.clause}")
        if rule.up_to_yuan <= rule.above_yuan:
            _refuse(where, f"clause {rule.clause} is empty")
    if ordered[-1].up_to_yuan is not None:
        _refuse(where, f"the last segment, clause {ordered[-1].clause}, is not open")
    return tuple(
        Segment(rule.clause, rule.above_yuan, rule.up_to_yuan, rule.pays, rule.ratio)
        for rule in ordered
    )


def _caps(rules: list[_CapRule], where: str) -> tuple[Cap, ...]:
    _check_once(where, (rule.fund for rule in rules))
    done: set[Fund] = set()
    for rule in rules:
        done.add(rule.fund)
        if rule.beyond is not None and rule.beyond.pays in done:
            _refuse(where, f"clause {rule.beyond.clause} hands on to a fund already capped")
    return tuple(_cap(rule) for rule in rules)


def _cap(rule: _CapRule) -> Cap:
    on = rule.beyond
    beyond = None if on is None else AboveCap(on.clause, on.pays, on.ratio)
    return Cap(rule.clause, rule.fund, rule.counter, rule.amount_yuan, beyond)


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
                _refuse(at, f"versions {earlier.version} and {later.version} overlap")
            if later.valid_from > earlier.valid_to + timedelta(days=1):
                _refuse(at, f"days without rules before version {later.version}")

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
