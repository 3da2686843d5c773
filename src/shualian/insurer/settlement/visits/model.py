"""What holds for a visit: policy, catalogue, insurance; and when it takes which step; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shualian.core.clock import business_date
from shualian.core.identifiers import InstitutionCode
from shualian.core.refusals import Refused
from shualian.insurer.benefits.catalogue import Catalogue, CatalogueBook
from shualian.insurer.benefits.model import CarePlace, ClassifiedItem, Policy, VisitFacts
from shualian.insurer.benefits.policy import PolicyBook
from shualian.insurer.institutions.model import INSTITUTION_NOT_CONTRACTED
from shualian.insurer.persons.model import PERSON_NOT_FOUND, Insurance
from shualian.insurer.settlement.model import (
    STAY_STATE,
    VISIT_CANCELLED,
    Bill,
    ChargeItem,
    Found,
    OpenItem,
    Visit,
    VisitKind,
)

WHOLE_STAY = ""
"""As ``chrg_bchno`` of an inpatient's bill: 2304 has none, all open lines are settled."""
SELF_PAID = "self_paid"
"""Named in the refusals of an insurance that is not in force: the way that stays open."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for a visit, by the day on which it began.

    Attributes:
        policy: Of the insured region.
        catalogue: Of the care region.
        insurance: In force.
        level: Of the institution.
        year: Whose counters it moves.
    """

    policy: Policy
    catalogue: Catalogue
    insurance: Insurance
    level: str
    year: int

    def facts(self, bill: Bill, found: Found, disease: str) -> VisitFacts:
        """What the calculation needs to know of a visit."""
        place = CarePlace.of(
            care_region=found.region, insured_region=self.insurance.insuplc_admdvs, filed=False
        )
        return VisitFacts(
            bill.med_type,
            self.level,
            bill.acct_used,
            disease,
            place,
            so_far=found.so_far,
            care_region=found.region,
        )

    def classified(self, items: Sequence[ChargeItem | OpenItem]) -> list[ClassifiedItem]:
        """Charge items with what the catalogue says of them.

        Raises:
            Refused: ``insurer.item_not_in_catalogue``.
        """
        classify = self.catalogue.classify
        return [
            classify(
                feedetl_sn=item.feedetl_sn,
                med_list_codg=item.med_list_codg,
                det_item_fee_sumamt=item.det_item_fee_sumamt,
                cnt=item.cnt,
                pric=item.pric,
                hosp_appr_flag=item.hosp_appr_flag,
            )
            for item in items
        ]


@dataclass(frozen=True, slots=True)
class Books:
    """The policies and catalogues."""

    policies: PolicyBook
    catalogues: CatalogueBook

    def rules(
        self,
        institution: InstitutionCode,
        contract: tuple[str | None, str],
        insurance: Insurance | None,
        insutype: str,
        begntime: datetime,
    ) -> Rules:
        """Policy and catalogue of the day on which a visit began.

        Args:
            institution: Where.
            contract: Its level, none without a contract, and its region.
            insurance: Of the person, if there is one of this type.
            insutype: Which was asked for.
            begntime: When the visit began, UTC.

        Raises:
            Refused: ``insurer.institution_not_contracted``, ``person_not_found``, ``not_insured``,
                ``in_arrears``, ``not_synchronised``, ``no_policy``.
        """
        level, region = contract
        if level is None:
            raise Refused(INSTITUTION_NOT_CONTRACTED, fixmedins_code=institution)
        if insurance is None:
            raise Refused(PERSON_NOT_FOUND, insutype=insutype)
        check_in_force(insurance)
        day = business_date(begntime)
        return Rules(
            policy=self.policies.policy_for(
                region=insurance.insuplc_admdvs, insutype=insurance.insutype, day=day
            ),
            catalogue=self.catalogues.catalogue_for(region=region, day=day),
            insurance=insurance,
            level=level,
            year=day.year,
        )


def check_in_force(insurance: Insurance) -> None:
    """Check that benefits may be given; the refusal names what stays open.

    Raises:
        Refused: ``insurer.not_insured``, ``in_arrears``, ``not_synchronised``, each with
            ``fallback``.
    """
    try:
        insurance.check_in_force()
    except Refused as refused:
        raise Refused(refused.kind, **refused.details, fallback=SELF_PAID) from None


def check_open(visit: Visit) -> None:
    """Check that a visit was not cancelled.

    Raises:
        Refused: ``insurer.visit_cancelled``.
    """
    if visit.cancelled:
        raise Refused(VISIT_CANCELLED)


def check_stay(bill: Bill, found: Found) -> None:
    """Check that a bill fits the visit: a batch, or all of a stay, in its middle or at its end.

    A discharge settlement may come before or after the discharge is told (2402): clients do both.

    Raises:
        Refused: ``insurer.visit_cancelled``, ``insurer.stay_state``.
    """
    if found.cancelled:
        raise Refused(VISIT_CANCELLED)
    stay = found.kind is VisitKind.INPATIENT
    wrong_end = bill.mid_setl and (not stay or found.discharged)
    if wrong_end or stay is not (bill.chrg_bchno == WHOLE_STAY):
        raise Refused(STAY_STATE, found=found.kind.value, discharged=int(found.discharged))


def check_inpatient(visit: Visit) -> None:
    """Check that a visit is a stay.

    Raises:
        Refused: ``insurer.stay_state``.
    """
    if visit.registration.kind is not VisitKind.INPATIENT:
        raise Refused(STAY_STATE, found=visit.registration.kind.value)
