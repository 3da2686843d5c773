"""The services of a hospital's wards, and how they are put together."""

from dataclasses import dataclass

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode
from shualian.hospital.orders.service import Orders
from shualian.hospital.payments.service import Payments
from shualian.hospital.ports import Calls, FaceProofs, FieldSealer, InsurerPlatform
from shualian.hospital.records.service import Records
from shualian.hospital.wards.bedside.service import Bedside
from shualian.hospital.wards.charges.ports import PricesOn
from shualian.hospital.wards.charges.service import WardCharges
from shualian.hospital.wards.dialysis.service import Dialysis
from shualian.hospital.wards.stays.service import Stays


@dataclass(frozen=True, slots=True)
class WardServices:
    """The wards of one hospital.

    Attributes:
        records: For the masked name on a list.
        stays: Beds, admissions, discharges, wristbands.
        charges: Orders on the ward, and each day once.
        bedside: Settlements of stays.
        dialysis: Sessions, and who has not settled.
    """

    records: Records
    stays: Stays
    charges: WardCharges
    bedside: Bedside
    dialysis: Dialysis


def ward_services(
    *,
    institution: InstitutionCode,
    database: Database,
    clock: Clock,
    records: Records,
    proofs: FaceProofs,
    insurer: InsurerPlatform,
    sealer: FieldSealer,
    orders: Orders,
    payments: Payments,
    prices: PricesOn,
    calls: Calls,
) -> WardServices:
    """The wards over a hospital's other services.

    Args:
        institution: Whose.
        database: Of the hospital.
        clock: Asked for the time.
        records: Whose stays.
        proofs: Where the face of an admission is looked at.
        insurer: Admits and discharges.
        sealer: For evidence and wristbands.
        orders: Upload what is charged.
        payments: Made with ``stays=StayBillsOf(...)`` over the same database.
        prices: Gives the price list of a day.
        calls: Arms the devices at the beds.
    """
    charges = WardCharges(institution=institution, database=database, clock=clock, prices=prices)
    stays = Stays(
        institution=institution,
        database=database,
        clock=clock,
        records=records,
        proofs=proofs,
        insurer=insurer,
        sealer=sealer,
        charges=charges,
    )
    bedside = Bedside(
        institution=institution,
        database=database,
        clock=clock,
        records=records,
        orders=orders,
        payments=payments,
        charges=charges,
        stays=stays,
        calls=calls,
    )
    dialysis = Dialysis(institution=institution, database=database, clock=clock, charges=charges)
    return WardServices(records, stays, charges, bedside, dialysis)
