"""A hospital's half of the house."""

from dataclasses import dataclass

from shualian.assembly.foundations import audit_of, keys_in, sqlite_url, staff_of
from shualian.core.clock import Clock
from shualian.core.database import Database, open_database
from shualian.core.identifiers import InstitutionCode
from shualian.core.mode import Mode, Side
from shualian.core.settings import HospitalSettings, Settings
from shualian.hospital.cashier.service import Cashier
from shualian.hospital.encounters.service import Encounters
from shualian.hospital.orders.model import PriceList
from shualian.hospital.orders.service import Orders
from shualian.hospital.payments.service import Payments
from shualian.hospital.ports import FaceProofs, InsurerPlatform
from shualian.hospital.records.service import Records
from shualian.staff.service import StaffServices
from shualian.trust.audit.service import AuditChain
from shualian.trust.sealing import Sealer


@dataclass(frozen=True, slots=True)
class HospitalSide:
    """One hospital, over its own database; it holds no template.

    Its ``origin`` is that of its terminals' listener.
    """

    institution: InstitutionCode
    name: str
    origin: str
    database: Database
    records: Records
    encounters: Encounters
    orders: Orders
    payments: Payments
    cashier: Cashier
    staff: StaffServices
    audit: AuditChain

    def close(self) -> None:
        """Finish and close the database."""
        self.database.close()


def open_hospital_side(
    settings: Settings,
    *,
    hospital: HospitalSettings,
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
    institution, folder = InstitutionCode(hospital.code), hospital.folder(settings.data_dir)
    database = open_database(
        hospital.database_url or sqlite_url(folder / "hospital.sqlite"),
        side=Side.HOSPITAL,
        mode=mode,
    )
    keys = keys_in(folder / "hospital-keys", mode)
    sealer = Sealer(keys)
    records = Records(
        institution=institution,
        database=database,
        clock=clock,
        proofs=proofs,
        insurer=insurer,
        sealer=sealer,
    )
    return HospitalSide(
        institution=institution,
        name=hospital.name,
        origin=hospital.terminal_origin,
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
        orders=Orders(
            institution=institution,
            database=database,
            clock=clock,
            insurer=insurer,
            prices=prices,
        ),
        payments=Payments(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            insurer=insurer,
            sealer=sealer,
        ),
        cashier=Cashier(
            institution=institution,
            institution_name=hospital.name,
            database=database,
            clock=clock,
            records=records,
        ),
        staff=staff_of(hospital.staff_origin, database, sealer, clock),
        audit=audit_of(f"hospital-{institution.lower()}", settings, database, keys, clock),
    )
