"""A hospital's half of the house."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from shualian.assembly.foundations import audit_of, keys_in, sqlite_url, staff_of
from shualian.core.clock import Clock
from shualian.core.database import Database, open_database
from shualian.core.identifiers import InstitutionCode
from shualian.core.mode import Mode, Side
from shualian.core.settings import Settings
from shualian.hospital.cashier.service import Cashier
from shualian.hospital.emergencies.service import EmergencyDesk
from shualian.hospital.encounters.service import Encounters
from shualian.hospital.orders.model import PriceList
from shualian.hospital.orders.service import Orders
from shualian.hospital.payments.service import Payments
from shualian.hospital.ports import FaceProofs, InsurerPlatform
from shualian.hospital.records.service import Records
from shualian.hospital.scheduling.model import BookingPolicy, Title
from shualian.hospital.scheduling.ports import Expectations, ResultsReady
from shualian.hospital.scheduling.service import (
    Appointments,
    NobodyToTell,
    NoResults,
    OrderedFees,
    Schedule,
)
from shualian.staff.service import StaffServices
from shualian.trust.audit.service import AuditChain
from shualian.trust.sealing import Sealer

REGISTRATION_FEES: Mapping[Title, str] = MappingProxyType(
    {Title.ORDINARY: "ZC001", Title.ASSOCIATE_CHIEF: "ZC002", Title.CHIEF: "ZC003"}
)
"""The charge item of the registration fee (诊察费) by title, in the price lists of the package."""


@dataclass(frozen=True, slots=True)
class HospitalSide:
    """One hospital, over its own database; it holds no template."""

    institution: InstitutionCode
    database: Database
    records: Records
    encounters: Encounters
    schedule: Schedule
    appointments: Appointments
    emergencies: EmergencyDesk
    orders: Orders
    payments: Payments
    cashier: Cashier
    staff: StaffServices
    audit: AuditChain

    def course_of_care(self) -> Sequence[tuple[str, Callable[[], object]]]:
        """What registrations and appointments have due now and then, by name."""
        return (
            ("registrations", self.encounters.resume_all),
            ("appointments", self.appointments.resume_all),
            ("missed", self.appointments.mark_missed),
        )

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
    expectations: Expectations | None = None,
    results: ResultsReady | None = None,
    booking: BookingPolicy | None = None,
) -> HospitalSide:
    """Open one hospital's half of the house.

    Args:
        settings: Where data and keys lie.
        institution: Which hospital.
        institution_name: As receipts say it.
        prices: What it charges for what.
        insurer: The insurer's platform.
        proofs: Where face proofs are read.
        mode: Sandbox or production.
        clock: For moments and business days.
        expectations: Where it tells whom it expects and calls; without it nobody is told.
        results: Where results of examinations are kept; without it none ever came.
        booking: What it decides about booking; fees by title from the price list by default.

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
    encounters = Encounters(
        institution=institution,
        database=database,
        clock=clock,
        records=records,
        insurer=insurer,
        sealer=sealer,
        expectations=expectations,
    )
    orders = Orders(
        institution=institution,
        database=database,
        clock=clock,
        insurer=insurer,
        prices=prices,
    )
    fees = OrderedFees(
        institution=institution, database=database, clock=clock, orders=orders, prices=prices
    )
    policy = booking or BookingPolicy(fees=_fees_in(prices))
    return HospitalSide(
        institution=institution,
        database=database,
        records=records,
        encounters=encounters,
        schedule=Schedule(
            institution=institution, database=database, clock=clock, fees=fees, policy=policy
        ),
        appointments=Appointments(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            encounters=encounters,
            fees=fees,
            results=results or NoResults(),
            expectations=expectations or NobodyToTell(),
            policy=policy,
        ),
        emergencies=EmergencyDesk(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            encounters=encounters,
            orders=orders,
        ),
        orders=orders,
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
            institution_name=institution_name,
            database=database,
            clock=clock,
            records=records,
        ),
        staff=staff_of(settings, database, sealer, clock),
        audit=audit_of(f"hospital-{institution.lower()}", settings, database, keys, clock),
    )


def _fees_in(prices: PriceList) -> Mapping[Title, str]:
    """The usual fees, of which the price list has the item; the other titles cost nothing."""
    return {title: code for title, code in REGISTRATION_FEES.items() if code in prices.items}
