"""A hospital's half of the house."""

from dataclasses import dataclass

from shualian.assembly.foundations import audit_of, keys_in, sqlite_url, staff_of
from shualian.core.clock import Clock
from shualian.core.database import Database, open_database
from shualian.core.identifiers import InstitutionCode
from shualian.core.mode import Mode, Side
from shualian.core.settings import Settings
from shualian.hospital.cashier.service import Cashier
from shualian.hospital.encounters.service import Encounters
from shualian.hospital.orders.model import PriceList
from shualian.hospital.orders.service import Orders
from shualian.hospital.payments.service import Payments
from shualian.hospital.ports import FaceProofs, InsurerPlatform
from shualian.hospital.records.service import Records
from shualian.hospital.wards.service import WardServices, ward_services
from shualian.hospital.wards.stays.service import StayBillsOf
from shualian.staff.service import StaffServices
from shualian.trust.audit.service import AuditChain
from shualian.trust.sealing import Sealer


@dataclass(frozen=True, slots=True)
class HospitalSide:
    """One hospital, over its own database; it holds no template."""

    institution: InstitutionCode
    database: Database
    records: Records
    encounters: Encounters
    orders: Orders
    payments: Payments
    cashier: Cashier
    wards: WardServices
    staff: StaffServices
    audit: AuditChain

    def close(self) -> None:
        """Finish and close the database."""
        self.database.close()


def open_hospital_side(
    settings: Settings,
    *,
    institution: InstitutionCode,
    institution_name: str,
    prices: PriceList,
    insurer: InsurerPlatform,
    proofs: FaceProofs,
    mode: Mode,
    clock: Clock,
) -> HospitalSide:
    """Open one hospital's half of the house.

    Raises:
        Refused: When keys or the database are not as they must be.
    """
    database = open_database(
        settings.hospital_database_url or sqlite_url(settings.data_dir / "hospital.sqlite"),
        side=Side.HOSPITAL,
        mode=mode,
    )
    keys = keys_in(settings.data_dir / "hospital-keys", mode)
    sealer = Sealer(keys)
    records = Records(
        institution=institution,
        database=database,
        clock=clock,
        proofs=proofs,
        insurer=insurer,
        sealer=sealer,
    )
    orders = Orders(
        institution=institution,
        database=database,
        clock=clock,
        insurer=insurer,
        prices=prices,
    )
    payments = Payments(
        institution=institution,
        database=database,
        clock=clock,
        records=records,
        insurer=insurer,
        sealer=sealer,
        stays=StayBillsOf(institution=institution, database=database),
    )
    return HospitalSide(
        institution=institution,
        database=database,
        records=records,
        encounters=Encounters(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            proofs=proofs,
            insurer=insurer,
            sealer=sealer,
        ),
        orders=orders,
        payments=payments,
        cashier=Cashier(
            institution=institution,
            institution_name=institution_name,
            database=database,
            clock=clock,
            records=records,
        ),
        wards=ward_services(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            proofs=proofs,
            insurer=insurer,
            sealer=sealer,
            orders=orders,
            payments=payments,
            prices=lambda _day: prices,
        ),
        staff=staff_of(settings, database, sealer, clock),
        audit=audit_of(f"hospital-{institution.lower()}", settings, database, keys, clock),
    )
