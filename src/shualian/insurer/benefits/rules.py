"""A policy as it is asked: cases, deductibles, segments, caps, layers, accounts; pure values.

A case is what a policy tells apart before it looks at amounts. Its schedule is a row of layers:
the basic insurance first, then whoever pays of what that leaves with the person.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Helper, KindsOf, Refused
from shualian.insurer.benefits.amounts import Fund, ItemLevel, PersonPart, Ratio

NO_BENEFIT_RULE = KindsOf("insurer").kind(
    "no_benefit_rule",
    "待遇政策没有规定这种情况",
    "The policy has no rule for this case",
    "请核对医疗类别、病种和就医地；需要时自费结算并联系医保经办机构",
    "Check the kind of visit, the disease and the care region; if right, pay in full and ask the "
    "insurer",
    Helper.INSURER,
)


class Case(NamedTuple):
    """What a policy tells apart before it looks at amounts; ``disease`` is empty for most."""

    med_type: str
    group: str
    institution_level: str
    disease: str = ""


class Period(StrEnum):
    """Over which time a rule counts."""

    YEAR = "year"
    """Over the calendar year, all visits together."""
    VISIT = "visit"
    """Over one visit or stay, all its settlements together."""
    ADMISSION = "admission"
    """Like a visit, and the amount depends on how many admissions came before in the year."""


class Mode(StrEnum):
    """How a segment's ratio applies."""

    MARGINAL = "marginal"
    """To the stretch of the segment."""
    WHOLE = "whole"
    """To all of the bill once the segment is reached."""


class CarePlace(StrEnum):
    """Where the care is given, seen from the insured region (异地就医)."""

    LOCAL = "local"
    FILED = "filed"
    """Elsewhere, and the person filed it or was referred (备案, 转诊)."""
    UNFILED = "unfiled"
    """Elsewhere, and nobody filed anything."""

    @classmethod
    def of(cls, *, care_region: str, insured_region: str, filed: bool) -> "CarePlace":
        """Where a visit takes place; both regions have 6 digits."""
        if care_region == insured_region:
            return cls.LOCAL
        return cls.FILED if filed else cls.UNFILED


@dataclass(frozen=True, slots=True)
class Deductible:
    """起付线: what a person bears before a fund pays.

    Attributes:
        clause: Of the policy file.
        counter: Counts what was borne already.
        period: Over which time.
        amounts: One; for admissions that of the first, the second and so on, the last repeats.
        admissions: The year's counter of admissions, for :attr:`Period.ADMISSION`.
    """

    clause: str
    counter: str
    period: Period
    amounts: tuple[Fen, ...]
    admissions: str | None = None


class Segment(NamedTuple):
    """A stretch of the counted amount above the deductible, and who pays how much of it.

    Attributes:
        clause: Of the policy file.
        above: Where the stretch begins, exclusive.
        up_to: Where it ends, inclusive; none for the last.
        fund: Who pays.
        ratio: The fund's part of the stretch.
    """

    clause: str
    above: Fen
    up_to: Fen | None
    fund: Fund
    ratio: Ratio


@dataclass(frozen=True, slots=True)
class AboveCap:
    """Another fund pays a part of what a capped fund would have paid."""

    clause: str
    fund: Fund
    ratio: Ratio


@dataclass(frozen=True, slots=True)
class Cap:
    """封顶线: the most that a fund pays for a person in a year or a visit.

    Attributes:
        clause: Of the policy file.
        fund: Whose payments are capped.
        counter: Counts what it paid already.
        period: Over which time.
        amount: The most.
        beyond: Who pays of the rest; the person does when nobody is named.
    """

    clause: str
    fund: Fund
    counter: str
    period: Period
    amount: Fen
    beyond: AboveCap | None


@dataclass(frozen=True, slots=True)
class Layer:
    """Who pays of what the layers before it leave; segments touch, from 0, the last is open.

    Attributes:
        name: ``basic`` for the first.
        identity: Only for persons with this identity, or for all.
        deductible: Borne first; the threshold of a later layer.
        counter: Counts the amount above the deductible.
        period: Over which time.
        mode: How the ratios apply.
        segments: In ascending order.
        caps: In the order in which they are applied.
    """

    name: str
    identity: str | None
    deductible: Deductible
    counter: str
    period: Period
    mode: Mode
    segments: tuple[Segment, ...]
    caps: tuple[Cap, ...]


@dataclass(frozen=True, slots=True)
class FundName:
    """How a payer is called in ``setldetail``."""

    fund_pay_type: str
    name: str


@dataclass(frozen=True, slots=True)
class HospitalRule:
    """What the hospital bears (``hosp_part_amt``): too large a share outside the scope.

    Attributes:
        clause: Of the policy file.
        name: Its row in ``setldetail``.
        parts: Parts of the burden that are looked at and relieved, in this order.
        above: The share of the bill that they may have; the hospital bears what is above.
    """

    clause: str
    name: FundName
    parts: tuple[PersonPart, ...]
    above: Ratio


@dataclass(frozen=True, slots=True)
class Schedule:
    """The rules of one case, complete.

    Attributes:
        layers: The basic insurance first.
        hospital: What the hospital bears, or nothing.
    """

    layers: tuple[Layer, ...]
    hospital: HospitalRule | None


@dataclass(frozen=True, slots=True)
class OutOfRegion:
    """What care elsewhere costs the person more.

    Attributes:
        clause: Of the policy file.
        share: Of the in-scope amount, borne before everything else.
        ratio_off: Taken off every ratio of the basic insurance.
    """

    clause: str
    share: Ratio
    ratio_off: Ratio


@dataclass(frozen=True, slots=True)
class AccountRule:
    """What a personal account may pay.

    Attributes:
        clause: Of the policy file.
        name: Its row in ``setldetail``.
        pays: Parts of the person's burden that it may pay, in this order.
    """

    clause: str
    name: FundName
    pays: tuple[PersonPart, ...]


@dataclass(frozen=True, slots=True)
class Beneficiary:
    """What the calculation needs to know of a person.

    Attributes:
        psn_type: 人员类别, opaque text that the policy groups.
        account_balance: Of the personal account, at least 0.
        family_balance: What relatives' accounts may pay for this person (共济), at least 0.
        identities: Names under which the policy has further layers, such as ``civil_servant``.
    """

    psn_type: str
    account_balance: Fen
    family_balance: Fen = ZERO
    identities: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class VisitFacts:
    """What the calculation needs to know of a visit; how the person was recognised is not in it.

    Attributes:
        med_type: 医疗类别, such as ``11`` 普通门诊.
        institution_level: ``1`` to ``3``; ``0`` for a pharmacy.
        acct_used: ``acct_used_flag``: whether the personal account is to be used.
        dise_codg: 病种编码 of a chronic or special disease, or empty.
        place: Where the care is given.
        care_region: Whose catalogue classified the bill, 6 digits; empty when it was not told.
        so_far: What earlier settlements of this same visit, less cancelled ones, added to the
            counters: the sum of their ``accrual``. Empty for the first.
    """

    med_type: str
    institution_level: str
    acct_used: bool
    dise_codg: str = ""
    place: CarePlace = CarePlace.LOCAL
    so_far: Mapping[str, Fen] = field(default_factory=dict)
    care_region: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy, ready to be asked; made by ``policy.parse_policy``.

    Attributes:
        policy_id: Stable over versions.
        version: Of this text.
        title_zh: For people.
        title_en: For people.
        region: ``insuplc_admdvs`` for which it holds.
        insutype: For which it holds.
        valid_from: First day.
        valid_to: Last day, or none.
        illustrative: Not the law of any place.
        class_clauses: Clause for each item class.
        ceiling_clause: Clause of the price ceiling.
        limit_clause: Clause of the limits of use.
        cash_clause: Clause that leaves the rest to the person.
        groups: Group of each ``psn_type``.
        diseases: Group of each ``dise_codg``.
        by_disease: The ``med_type`` for which the disease matters.
        funds: Names of the funds that it uses.
        out_of_region: Rules of care elsewhere.
        account: Rule of the personal account, or none.
        family_account: Rule of relatives' accounts, or none.
        schedules: Rules of every case that it covers.
    """

    policy_id: str
    version: str
    title_zh: str
    title_en: str
    region: str
    insutype: str
    valid_from: date
    valid_to: date | None
    illustrative: bool
    class_clauses: Mapping[ItemLevel, str]
    ceiling_clause: str
    limit_clause: str
    cash_clause: str
    groups: Mapping[str, str]
    diseases: Mapping[str, str]
    by_disease: frozenset[str]
    funds: Mapping[Fund, FundName]
    out_of_region: Mapping[CarePlace, OutOfRegion]
    account: AccountRule | None
    family_account: AccountRule | None
    schedules: Mapping[Case, Schedule] = field(repr=False)

    def schedule_for(self, person: Beneficiary, visit: VisitFacts) -> Schedule:
        """The rules for this person at this visit.

        Raises:
            Refused: ``insurer.no_benefit_rule`` when the policy does not speak of the case.
        """
        med_type, level = visit.med_type, visit.institution_level
        by_disease = med_type in self.by_disease
        disease = self.diseases.get(visit.dise_codg, "") if by_disease else ""
        case = Case(med_type, self.groups.get(person.psn_type, ""), level, disease)
        schedule = self.schedules.get(case)
        if schedule is None:
            # Not the disease itself: refusals are logged.
            raise Refused(
                NO_BENEFIT_RULE,
                policy=self.policy_id,
                med_type=med_type,
                psn_type=person.psn_type,
                institution_level=level,
                disease_group=disease or "-",
            )
        return schedule

    def rule_of_place(self, place: CarePlace) -> OutOfRegion | None:
        """What care elsewhere costs more; nothing for care in the insured region.

        Raises:
            Refused: ``insurer.no_benefit_rule`` when the policy does not speak of care there.
        """
        if place is CarePlace.LOCAL:
            return None
        rule = self.out_of_region.get(place)
        if rule is None:
            raise Refused(NO_BENEFIT_RULE, policy=self.policy_id, place=place.value)
        return rule
