"""How many settlements a second the calculation makes on one core.

Bills of made-up lines from the sample catalogue, all classes, ceilings and limits among them, for
an employee and a resident, outpatient and inpatient in turn. Only the calculation is measured:
no database, no catalogue look-up. The rate stands beside that of splitting the same lines, which
every settlement has to do and which bounds it.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from shualian.core.identifiers import ChargeItemNo
from shualian.core.money import Fen
from shualian.insurer.benefits.catalogue import Catalogue
from shualian.insurer.benefits.model import (
    Beneficiary,
    ClassifiedItem,
    Policy,
    VisitFacts,
    settle,
    split_items,
)
from shualian.insurer.benefits.store import (
    load_catalogues,
    load_policies,
    packaged_catalogues,
    packaged_policies,
)

TARGET_PER_S = 10_000
"""With 20 lines, on one core."""
_DAY = date(2026, 5, 1)
_REGION = "990000"
_BILLS = 50
_SEED = 20260501

Bill = list[ClassifiedItem]
Asked = tuple[Policy, Beneficiary, VisitFacts]


@dataclass(frozen=True, slots=True)
class BenefitRate:
    """Settlements a second for bills of one length.

    Attributes:
        lines: Of each bill.
        settlements_per_s: Whole calculations with trace.
        split_per_s: Bills whose lines were split, nothing more.
        ratio: ``settlements_per_s`` of ``split_per_s``.
        of_target: ``settlements_per_s`` of :data:`TARGET_PER_S`.
    """

    lines: int
    settlements_per_s: int
    split_per_s: int
    ratio: float
    of_target: float


def measure(lines: int, settlements: int) -> BenefitRate:
    """Measure bills of ``lines`` lines, ``settlements`` times."""
    asked = list(_asked())
    bills = list(_bills(lines))

    def whole(turn: int) -> None:
        policy, person, visit = asked[turn % len(asked)]
        settle(policy, person, {}, visit, bills[turn % len(bills)])

    def lines_only(turn: int) -> None:
        policy, _, visit = asked[turn % len(asked)]
        split_items(policy, bills[turn % len(bills)], visit)

    whole_per_s, split_per_s = _per_s(whole, settlements), _per_s(lines_only, settlements)
    return BenefitRate(
        lines=lines,
        settlements_per_s=round(whole_per_s),
        split_per_s=round(split_per_s),
        ratio=round(whole_per_s / split_per_s, 2),
        of_target=round(whole_per_s / TARGET_PER_S, 2),
    )


def _per_s(work: Callable[[int], None], times: int) -> float:
    """Of processor time: what others do on the machine is not counted."""
    begin = time.process_time()
    for turn in range(times):
        work(turn)
    return times / (time.process_time() - begin)


def _asked() -> Iterator[Asked]:
    book = load_policies(packaged_policies())
    for insutype, psn_type in (("310", "1101"), ("390", "15")):
        policy = book.policy_for(region=_REGION, insutype=insutype, day=_DAY)
        for med_type in ("11", "21"):
            yield policy, Beneficiary(psn_type, Fen(500_00)), _visit(med_type)


def _visit(med_type: str) -> VisitFacts:
    return VisitFacts(med_type=med_type, institution_level="3", acct_used=True)


def _bills(lines: int) -> Iterator[Bill]:
    catalogue = load_catalogues(packaged_catalogues()).catalogue_for(region=_REGION, day=_DAY)
    chance = random.Random(_SEED)  # noqa: S311 - sample bills, the same on every run
    for _ in range(_BILLS):
        yield [_item(catalogue, chance, number) for number in range(lines)]


def _item(catalogue: Catalogue, chance: random.Random, number: int) -> ClassifiedItem:
    amount = chance.randint(1, 800_00)
    return catalogue.classify(
        feedetl_sn=ChargeItemNo(f"L{number:04}"),
        med_list_codg=chance.choice(sorted(catalogue.entries)),
        det_item_fee_sumamt=Fen(amount),
        cnt=Decimal(1),
        pric=Decimal(amount) / 100,
    )
