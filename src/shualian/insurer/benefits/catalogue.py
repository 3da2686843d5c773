"""The catalogue file (医保目录): what class, upfront share and price ceiling each code has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from shualian.core.identifiers import ChargeItemNo
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import (
    ITEM_NOT_IN_CATALOGUE,
    NO_POLICY,
    NOTHING,
    POLICY_INVALID,
    WHOLE,
    ClassifiedItem,
    ItemLevel,
    Ratio,
    UseLimits,
)
from shualian.insurer.benefits.policy import Versions
from shualian.insurer.benefits.tables import (
    Name,
    Names,
    Share,
    Table,
    check_sample,
    check_validity,
    parse_table,
)

_EXPECTED_SHARE = {ItemLevel.A: NOTHING, ItemLevel.C: WHOLE}


class LimitsTable(Table):
    """限用: when an item is inside the scope; at least one limit."""

    text_zh: Name
    text_en: Name
    med_types: Names | None = None
    institution_levels: Names | None = None
    diseases: Names | None = None
    approval: bool = False

    @property
    def says_nothing(self) -> bool:
        """Whether no limit is named."""
        named = (self.med_types, self.institution_levels, self.diseases)
        return not self.approval and all(names is None for names in named)

    @property
    def limits(self) -> UseLimits:
        """As the calculation asks them."""
        med_types, levels, diseases = (
            None if names is None else frozenset(names)
            for names in (self.med_types, self.institution_levels, self.diseases)
        )
        return UseLimits(med_types, levels, diseases, self.approval, self.text_zh, self.text_en)


class CatalogueEntry(Table):
    """One line of the catalogue.

    Attributes:
        med_list_codg: 医疗目录编码.
        name_zh: For people.
        name_en: For people.
        chrgitm_lv: Class.
        med_chrgitm_type: 医疗收费项目类别.
        selfpay_prop: Share paid first; only class B says its own.
        pric_uplmt_yuan: Highest unit price inside the scope, or none.
        limits: When it is inside the scope, or none.
    """

    med_list_codg: Annotated[str, Field(min_length=1, max_length=50)]
    name_zh: Name
    name_en: Name
    chrgitm_lv: ItemLevel
    med_chrgitm_type: Annotated[str, Field(pattern=r"^\d{2}$")]
    selfpay_prop: Share | None = None
    pric_uplmt_yuan: Annotated[Decimal, Field(gt=0, decimal_places=6)] | None = None
    limits: LimitsTable | None = None

    @property
    def upfront_share(self) -> Ratio:
        """The share in force: of the class for A and C, of the item for B."""
        share = _EXPECTED_SHARE.get(self.chrgitm_lv, self.selfpay_prop)
        return NOTHING if share is None else share


class _Header(Table):
    catalogue_id: Name
    version: Name
    illustrative: bool
    region: Annotated[str, Field(pattern=r"^\d{6}$")]
    valid_from: date
    valid_to: date | None = None


class _File(Table):
    catalogue: _Header
    item: Annotated[list[CatalogueEntry], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The checked catalogue of a region.

    Attributes:
        catalogue_id: Stable over versions.
        version: Of this text.
        region: Care region for which it holds.
        valid_from: First day.
        valid_to: Last day, or none.
        illustrative: Not the catalogue of any place.
        entries: By ``med_list_codg``.
    """

    catalogue_id: str
    version: str
    region: str
    valid_from: date
    valid_to: date | None
    illustrative: bool
    entries: Mapping[str, CatalogueEntry]

    def classify(
        self,
        *,
        feedetl_sn: ChargeItemNo,
        med_list_codg: str,
        det_item_fee_sumamt: Fen,
        cnt: Decimal,
        pric: Decimal,
        hosp_appr_flag: str = "0",
    ) -> ClassifiedItem:
        """A charge item with what the catalogue says of its code.

        ``hosp_appr_flag`` is the hospital's word on a limit of use: ``0`` none, ``1`` kept,
        ``2`` not kept.

        Raises:
            Refused: ``insurer.item_not_in_catalogue``.
        """
        entry = self.entries.get(med_list_codg)
        if entry is None:
            raise Refused(ITEM_NOT_IN_CATALOGUE, feedetl_sn=feedetl_sn, med_list_codg=med_list_codg)
        return ClassifiedItem(
            feedetl_sn=feedetl_sn,
            name_zh=entry.name_zh,
            name_en=entry.name_en,
            chrgitm_lv=entry.chrgitm_lv,
            med_chrgitm_type=entry.med_chrgitm_type,
            det_item_fee_sumamt=det_item_fee_sumamt,
            cnt=cnt,
            pric=pric,
            selfpay_prop=entry.upfront_share,
            pric_uplmt_amt=entry.pric_uplmt_yuan,
            limits=None if entry.limits is None else entry.limits.limits,
            hosp_appr_flag=hosp_appr_flag,
        )


def parse_catalogue(text: str) -> Catalogue:
    """Check a catalogue file.

    Raises:
        Refused: ``insurer.policy_invalid``; ``at`` names the place, ``found`` what is wrong.
    """
    file = parse_table(_File, text)
    entries: dict[str, CatalogueEntry] = {}
    for entry in file.item:
        _check_entry(entry)
        if entries.setdefault(entry.med_list_codg, entry) is not entry:
            raise Refused(POLICY_INVALID, at="item", found=f"{entry.med_list_codg} twice")
    head = file.catalogue
    check_validity("catalogue.valid_to", head.valid_from, head.valid_to)
    check_sample("catalogue.illustrative", head.region, illustrative=head.illustrative)
    return Catalogue(
        catalogue_id=head.catalogue_id,
        version=head.version,
        region=head.region,
        valid_from=head.valid_from,
        valid_to=head.valid_to,
        illustrative=head.illustrative,
        entries=entries,
    )


def _check_entry(entry: CatalogueEntry) -> None:
    is_b = entry.chrgitm_lv is ItemLevel.B
    if is_b and entry.selfpay_prop is None:
        found = "class 02 needs its selfpay_prop"
    elif not is_b and entry.selfpay_prop is not None:
        found = "only class 02 has a selfpay_prop of its own"
    elif entry.chrgitm_lv is ItemLevel.C and entry.pric_uplmt_yuan is not None:
        found = "a self-paid item has no ceiling"
    elif entry.chrgitm_lv is ItemLevel.C and entry.limits is not None:
        found = "a self-paid item has no limits of use"
    elif entry.limits is not None and entry.limits.says_nothing:
        found = "limits that limit nothing"
    else:
        return
    raise Refused(POLICY_INVALID, at=entry.med_list_codg, found=found)


class CatalogueBook:
    """The catalogues of the care regions.

    Raises:
        Refused: ``insurer.policy_invalid`` when versions overlap or leave days out.
    """

    def __init__(self, catalogues: Iterable[Catalogue]) -> None:
        regions: dict[str, list[Catalogue]] = {}
        for catalogue in catalogues:
            regions.setdefault(catalogue.region, []).append(catalogue)
        self._catalogues = {
            region: Versions(region, versions) for region, versions in regions.items()
        }

    def catalogue_for(self, *, region: str, day: date) -> Catalogue:
        """The catalogue that holds in a care region on ``day``.

        Raises:
            Refused: ``insurer.no_policy``.
        """
        versions = self._catalogues.get(region)
        catalogue = versions.on(day) if versions else None
        if catalogue is None:
            raise Refused(NO_POLICY, care_region=region, day=day.isoformat())
        return catalogue
