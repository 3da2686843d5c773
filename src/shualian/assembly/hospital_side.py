"""A hospital's half of the house."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shualian.assembly.foundations import (
    WALLET_CALLS,
    audit_of,
    keys_in,
    sqlite_url,
    staff_of,
)
from shualian.assembly.insurer_books import NoInsurerBooks
from shualian.core.clock import Clock, last_time_of_day
from shualian.core.database import Database, open_database
from shualian.core.identifiers import InstitutionCode
from shualian.core.mode import Mode, Side
from shualian.core.settings import HospitalSettings, Settings
from shualian.gateway.ewallet.model import NOTIFICATION_PATH
from shualian.gateway.ewallet.service import EWalletClient, NoWallet, open_ewallet
from shualian.hospital.cashier.closing.ports import InsurerBooks
from shualian.hospital.cashier.service import Cashier, CashierServices, cashier_services
from shualian.hospital.dispensing.service import ChargedMedicine, Dispensing, refuse_handed_out
from shualian.hospital.encounters.service import Encounters
from shualian.hospital.orders.model import PriceList
from shualian.hospital.orders.service import Orders
from shualian.hospital.payments.service import Payments
from shualian.hospital.ports import FaceProofs, InsurerPlatform
from shualian.hospital.records.service import Records
from shualian.hospital.stock.service import Stock
from shualian.hospital.wallet.service import Agreements
from shualian.hospital.wards.service import WardServices, ward_services
from shualian.hospital.wards.stays.service import StayBillsOf
from shualian.staff.service import StaffServices
from shualian.trust.audit.service import AuditChain
from shualian.trust.keys import KeyProvider
from shualian.trust.sealing import Sealer


@dataclass(frozen=True, slots=True)
class HospitalSide:
    """One hospital, over its own database; it holds no template."""

    settings: HospitalSettings
    mode: Mode
    clock: Clock
    institution: InstitutionCode
    database: Database
    records: Records
    encounters: Encounters
    orders: Orders
    payments: Payments
    wallet: EWalletClient | NoWallet
    agreements: Agreements
    cashier: Cashier
    desk: CashierServices
    stock: Stock
    dispensing: Dispensing
    wards: WardServices
    staff: StaffServices
    audit: AuditChain

    def housekeeping(self) -> Sequence[tuple[str, Callable[[], object]]]:
        """What is due every few seconds, by name: end what was interrupted, close the day.

        Each stands alone: one that fails keeps none of the others from running.
        """
        return (
            ("encounters", self.encounters.resume_all),
            ("payments", self.payments.resolve_all),
            ("closing", self.close_day),
        )

    def daily_housekeeping(self) -> Sequence[tuple[str, Callable[[], object]]]:
        """What looks at everybody and is due once a day."""
        return (
            ("agreements", self.agreements.forget_ended),
            ("wallet news", self.agreements.purge_news),
        )

    def close_day(self) -> None:
        """End what the last closing time left open; again, there is nothing left to end."""
        now = self.clock.now()
        self.payments.close_day(now=last_time_of_day(self.settings.closing_time, now=now))

    def close(self) -> None:
        """Finish and close the database."""
        self.wallet.close()
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
    books: InsurerBooks | None = None,
) -> HospitalSide:
    """Open one hospital's half of the house.

    Raises:
        Refused: When keys or the database are not as they must be.
    """
    folder = hospital.folder(settings.data_dir)
    database = open_database(
        hospital.database_url or sqlite_url(folder / "hospital.sqlite"),
        side=Side.HOSPITAL,
        mode=mode,
    )
    return assemble_hospital(
        settings,
        hospital=hospital,
        prices=prices,
        insurer=insurer,
        proofs=proofs,
        mode=mode,
        clock=clock,
        database=database,
        books=books,
    )


def assemble_hospital(
    settings: Settings,
    *,
    hospital: HospitalSettings,
    prices: PriceList,
    insurer: InsurerPlatform,
    proofs: FaceProofs,
    mode: Mode,
    clock: Clock,
    database: Database,
    books: InsurerBooks | None = None,
) -> HospitalSide:
    """One hospital's half over an open database.

    Raises:
        Refused: When keys are not as they must be.
    """
    institution, folder = InstitutionCode(hospital.code), hospital.folder(settings.data_dir)
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
    wallet = _wallet(settings, hospital, keys, mode=mode, clock=clock)
    agreements = Agreements(
        institution=institution, database=database, clock=clock, sealer=sealer, wallet=wallet
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
        agreements=agreements,
        may_cancel=refuse_handed_out,
        stays=StayBillsOf(institution=institution, database=database),
    )
    cashier = Cashier(
        institution=institution,
        institution_name=hospital.name,
        database=database,
        clock=clock,
        records=records,
    )
    return HospitalSide(
        settings=hospital,
        mode=mode,
        clock=clock,
        institution=institution,
        database=database,
        records=records,
        encounters=Encounters(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            insurer=insurer,
            sealer=sealer,
        ),
        orders=orders,
        payments=payments,
        cashier=cashier,
        wallet=wallet,
        agreements=agreements,
        stock=Stock(institution=institution, database=database, clock=clock),
        dispensing=Dispensing(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            payments=payments,
            prescriptions=ChargedMedicine(institution=institution),
            proofs=proofs,
            insurer=insurer,
            sealer=sealer,
        ),
        desk=cashier_services(
            cashier=cashier,
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            payments=payments,
            proofs=proofs,
            books=books or NoInsurerBooks(),
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
        staff=staff_of(hospital.staff_origin, database, sealer, clock),
        audit=audit_of(f"hospital-{institution.lower()}", settings, database, keys, clock),
    )


def _wallet(
    settings: Settings,
    hospital: HospitalSettings,
    keys: KeyProvider,
    *,
    mode: Mode,
    clock: Clock,
) -> EWalletClient | NoWallet:
    news = hospital.wallet_news_origin
    return open_ewallet(
        origin=None if news is None else settings.ewallet_url,
        public_key=settings.ewallet_public_key,
        merchant=InstitutionCode(hospital.code),
        notify_url=f"{news}{NOTIFICATION_PATH}",
        keys=keys,
        first_use_file=hospital.folder(settings.data_dir) / "e-wallet.pub",
        clock=clock,
        mode=mode,
        counter=WALLET_CALLS,
    )
