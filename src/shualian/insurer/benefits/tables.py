"""The tables of a policy file: what may be written in the TOML text, each by itself.

Numbers with a point are exact decimals; amounts are written in yuan, ratios as fractions.
"""

import tomllib
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import product
from typing import Annotated, Literal, NoReturn, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shualian.core.money import Fen, parse_yuan
from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import (
    NOTHING,
    POLICY_INVALID,
    WHOLE,
    CarePlace,
    Case,
    Fund,
    ItemLevel,
    Mode,
    Period,
    PersonPart,
    Ratio,
)

T = TypeVar("T", bound="Table")


def refuse(at: str, found: str) -> NoReturn:
    """Refuse a file.

    Raises:
        Refused: ``insurer.policy_invalid``.
    """
    raise Refused(POLICY_INVALID, at=at, found=found)


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
Names = Annotated[list[Name], Field(min_length=1)]
PayType = Annotated[str, Field(pattern=r"^\d{6}$")]
Counter = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")]

BASIC = "basic"
"""The layer to which a rule belongs that names none."""
SAMPLE_REGIONS = "99"
"""No province of GB/T 2260 begins so: regions of samples do, 990000 and 990100 among them."""


class Table(BaseModel):
    """A table of a policy or catalogue file: nothing unknown, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Header(Table):
    """Whose policy it is and when it holds."""

    policy_id: Name
    version: Name
    illustrative: bool
    region: Annotated[str, Field(pattern=r"^\d{6}$")]
    insutype: Annotated[str, Field(pattern=r"^\d{3}$")]
    valid_from: date
    valid_to: date | None = None
    title_zh: Name
    title_en: Name


class Rounding(Table):
    """Written out so that a reader of the policy sees it; there is one way so far."""

    mode: Literal["half_up"]
    classes: Literal["per_item"]
    funds: Literal["per_segment_on_bill"]
    remainder: Literal["largest_fraction_then_feedetl_sn"]


class Scope(Table):
    """Kinds of visit, at which institutions; with ``diseases`` for each of these groups."""

    med_types: Names
    institution_levels: Names
    diseases: Names | None = None

    def cases(self, groups: Iterable[str]) -> Iterator[Case]:
        """The cases for these groups of people."""
        names = product(self.med_types, groups, self.institution_levels, self.diseases or [""])
        return (Case(*case) for case in names)


class Clause(Table):
    """A clause of the policy."""

    clause: Name


class ClassRule(Clause):
    """The clause of an item class."""

    chrgitm_lv: ItemLevel


class FundRow(Table):
    """How a fund is called in ``setldetail``."""

    pays: Fund
    fund_pay_type: PayType
    name: Name


class LayerTable(Table):
    """A later layer; with ``identity`` only for persons who have it."""

    name: Name
    identity: Name | None = None


class Selector(Table):
    """For the cases that it names; a selector that is left out means all."""

    med_types: list[Name] | None = None
    groups: list[Name] | None = None
    institution_levels: list[Name] | None = None
    diseases: list[Name] | None = None

    def covers(self, case: Case) -> bool:
        """Whether the rule speaks of a case."""
        chosen = (self.med_types, self.groups, self.institution_levels, self.diseases)
        return all(names is None or name in names for names, name in zip(chosen, case, strict=True))

    @property
    def place(self) -> str:
        """Where in the file, for a refusal."""
        return type(self).__name__


class Rule(Selector):
    """A rule of the file, with its clause."""

    clause: Name

    @property
    def place(self) -> str:
        """Where in the file, for a refusal."""
        return f"clause {self.clause}"


class DeductibleRule(Rule):
    """What is borne first; an amount, or one for each admission."""

    layer: Name = BASIC
    counter: Counter
    period: Period = Period.YEAR
    amount_yuan: Yuan | None = None
    amounts_yuan: Annotated[list[Yuan], Field(min_length=1)] | None = None
    admissions: Counter | None = None


class MeterTable(Selector):
    """What the segments of a layer count, and over which time."""

    layer: Name = BASIC
    counter: Counter
    period: Literal[Period.YEAR, Period.VISIT] = Period.YEAR
    mode: Mode = Mode.MARGINAL

    @property
    def place(self) -> str:
        """Where in the file, for a refusal."""
        return f"segments of {self.counter}"


class SegmentRule(Rule):
    """A stretch and who pays how much of it."""

    layer: Name = BASIC
    above_yuan: Yuan
    up_to_yuan: Yuan | None = None
    pays: Fund
    ratio: Share


class Beyond(Clause):
    """Who pays of what a cap cuts off."""

    pays: Fund
    ratio: Share


class CapRule(Rule):
    """The most that a fund pays."""

    layer: Name = BASIC
    fund: Fund
    counter: Counter
    period: Literal[Period.YEAR, Period.VISIT] = Period.YEAR
    amount_yuan: Yuan
    beyond: Beyond | None = None


class OutOfRegionRule(Clause):
    """What care elsewhere costs more."""

    place: Literal[CarePlace.FILED, CarePlace.UNFILED]
    share: Share = NOTHING
    ratio_off: Share = NOTHING


class HospitalTable(Rule):
    """What the hospital bears."""

    fund_pay_type: PayType
    name: Name
    parts: Annotated[
        list[Literal[PersonPart.OVER_LIMIT, PersonPart.OWN]], Field(min_length=1, max_length=2)
    ]
    above_share: Share


class AccountTable(Clause):
    """What an account may pay, in this order."""

    fund_pay_type: PayType
    name: Name
    pays: list[PersonPart]


class PolicyFile(Table):
    """A whole file."""

    policy: Header
    rounding: Rounding
    scope: Annotated[list[Scope], Field(min_length=1)]
    groups: Annotated[dict[Name, list[Name]], Field(min_length=1)]
    diseases: dict[Name, list[Name]] = Field(default_factory=dict)
    fund: Annotated[list[FundRow], Field(min_length=1)]
    item_class: list[ClassRule]
    ceiling: Clause
    limits: Clause
    out_of_region: list[OutOfRegionRule] = Field(default_factory=list)
    layer: list[LayerTable] = Field(default_factory=list)
    deductible: list[DeductibleRule]
    segments: list[MeterTable]
    segment: list[SegmentRule]
    cap: list[CapRule] = Field(default_factory=list)
    hospital: list[HospitalTable] = Field(default_factory=list)
    account: AccountTable | None = None
    family_account: AccountTable | None = None
    cash: Clause

    def cases(self) -> Iterator[Case]:
        """Every case that the policy covers."""
        for scope in self.scope:
            yield from scope.cases(self.groups)

    def layers(self) -> Iterator[LayerTable]:
        """The basic insurance and the later layers."""
        yield LayerTable(name=BASIC)
        yield from self.layer

    def rules(self) -> Iterator[Rule]:
        """The rules that name cases and have a clause."""
        yield from self.deductible
        yield from self.segment
        yield from self.cap
        yield from self.hospital

    def clauses(self) -> Iterator[str]:
        """Every clause, in no order."""
        yield from (rule.clause for rule in self.item_class)
        yield from (rule.clause for rule in self.rules())
        yield from (rule.clause for rule in self.out_of_region)
        yield from (cap.beyond.clause for cap in self.cap if cap.beyond)
        accounts = (self.account, self.family_account)
        yield from (account.clause for account in accounts if account)
        yield from (self.ceiling.clause, self.limits.clause, self.cash.clause)


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
        refuse(at, "before valid_from")


def check_sample(at: str, region: str, *, illustrative: bool) -> None:
    """Check that a text for a sample region says that it is an illustration.

    Raises:
        Refused: ``insurer.policy_invalid``.
    """
    if region.startswith(SAMPLE_REGIONS) and not illustrative:
        refuse(at, f"region {region} exists nowhere: the text must be illustrative")
