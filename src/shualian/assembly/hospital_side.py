"""A hospital's half of the house."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from shualian.assembly.foundations import (
    WALLET_CALLS,
    audit_of,
    keys_in,
    sqlite_url,
    staff_of,
)
from shualian.core.clock import Clock, last_time_of_day
from shualian.core.database import Database, open_database
from shualian.core.identifiers import InstitutionCode
from shualian.core.mode import Mode, Side
from shualian.core.settings import HospitalSettings, Settings
from shualian.gateway.ewallet.model import NOTIFICATION_PATH
from shualian.gateway.ewallet.service import EWalletClient, NoWallet, open_ewallet
from shualian.hospital.bills.ports import PeopleAtTerminals
from shualian.hospital.bills.service import OwnBills
from shualian.hospital.cashier.closing.ports import InsurerBooks
from shualian.hospital.cashier.service import Cashier, cashier_services
from shualian.hospital.clinical.service import (
    ClinicalOrders,
    Diagnoses,
    refuse_performed,
    refuse_refund_of_performed,
)
from shualian.hospital.desk.service import DoctorDesk
from shualian.hospital.dispensing.prescriptions.service import (
    SignedPrescriptions,
    refuse_handed_out,
    refuse_refund_of_handed_out,
)
from shualian.hospital.dispensing.returns.service import PaymentRefunds, Returns
from shualian.hospital.dispensing.service import Dispensing
from shualian.hospital.emergencies.service import EmergencyDesk
from shualian.hospital.encounters.service import Encounters
from shualian.hospital.examinations.service import Examinations, ResultsOfVisits
from shualian.hospital.handovers.service import FacesAtDesks
from shualian.hospital.help.service import HelpCalls
from shualian.hospital.orders.model import PriceList
from shualian.hospital.orders.ports import DoctorSignIns
from shualian.hospital.orders.service import Orders
from shualian.hospital.payments.service import Payments
from shualian.hospital.ports import FaceProofs, InsurerPlatform
from shualian.hospital.prices.service import PriceLists
from shualian.hospital.records.service import Records
from shualian.hospital.scheduling.model import BookingPolicy, Title
from shualian.hospital.scheduling.ports import Expectations
from shualian.hospital.scheduling.service import Appointments, OrderedFees, Schedule
from shualian.hospital.selfpaid.service import Payers, SelfPaid
from shualian.hospital.stock.service import Stock
from shualian.hospital.wallet.service import Agreements
from shualian.hospital.wards.service import ward_services
from shualian.hospital.wards.stays.service import StayBillsOf
from shualian.staff.passwords.model import HashCost
from shualian.staff.service import StaffServices
from shualian.trust.keys import KeyProvider
from shualian.trust.sealing import Sealer

REGISTRATION_FEES: Mapping[Title, str] = MappingProxyType(
    {Title.ORDINARY: "ZC001", Title.ASSOCIATE_CHIEF: "ZC002", Title.CHIEF: "ZC003"}
)
"""The charge item of a registration by title, in the packaged price list."""


@dataclass(frozen=True, slots=True)
class InsurerPorts:
    """Everything that a hospital reaches of the insurer.

    Attributes:
        platform: The national transactions.
        proofs: Where an authorisation number becomes a person.
        books: For the comparison at closing time.
        sign_ins: Which doctors are at work.
        expectations: Whom terminals may look for.
        people: Who stands at a terminal.
    """

    platform: InsurerPlatform
    proofs: FaceProofs
    books: InsurerBooks
    sign_ins: DoctorSignIns
    expectations: Expectations
    people: PeopleAtTerminals


class HospitalSide:
    """One hospital, over its own database; it holds no template."""

    def __init__(
        self,
        settings: Settings,
        *,
        hospital: HospitalSettings,
        prices: PriceList,
        insurer: InsurerPorts,
        mode: Mode,
        clock: Clock,
        database: Database,
    ) -> None:
        """Put the rooms together over an open database.

        Args:
            settings: Of the whole house.
            hospital: Of this hospital.
            prices: Hold before every imported list.
            insurer: The other half.
            mode: Sandbox or production.
            clock: For moments and business days.
            database: Its own.

        Raises:
            Refused: When keys are not as they must be.
        """
        self.settings = hospital
        self.mode = mode
        self.clock = clock
        self.institution = institution = InstitutionCode(hospital.code)
        self.database = database
        self._insurer = insurer
        folder = hospital.folder(settings.data_dir)
        keys = keys_in(folder / "hospital-keys", mode)
        self._sealer = Sealer(keys)
        self.wallet = _wallet(settings, hospital, keys, mode=mode, clock=clock)
        self.staff = staff_of(hospital.staff_origin, database, self._sealer, clock)
        self.audit = audit_of(f"hospital-{institution.lower()}", settings, database, keys, clock)
        self.prices = PriceLists(
            institution=institution, database=database, clock=clock, first=prices
        )
        self._payers = Payers(
            insurer=insurer.platform,
            self_paid=SelfPaid(
                institution=institution,
                database=database,
                clock=clock,
                prices=self.prices,
                insurer=insurer.platform,
                proofs=insurer.proofs,
            ),
        )
        self._build_people()
        self._build_money()
        self._build_pharmacy()
        self._build_appointments()
        self._build_clinic()
        self._build_wards()
        self.help = HelpCalls(
            institution=institution,
            database=database,
            clock=clock,
            sealer=self._sealer,
            names=self.staff.accounts,
        )
        self._build_desks()

    def sample_staff(self, cost: HashCost) -> StaffServices:
        """The same accounts, with cheaper hashes for many sample accounts of one pass-phrase.

        Whoever signs in with such an account has it hashed anew at the full cost.

        Raises:
            ValueError: In production.
        """
        if self.mode is not Mode.SANDBOX:
            raise ValueError("sample accounts exist in the sandbox only")
        origin = self.settings.staff_origin
        return staff_of(origin, self.database, self._sealer, self.clock, cost=cost)

    def _build_people(self) -> None:
        self.records = Records(
            institution=self.institution,
            database=self.database,
            clock=self.clock,
            proofs=self._insurer.proofs,
            insurer=self._payers,
            sealer=self._sealer,
        )
        self.encounters = Encounters(
            institution=self.institution,
            database=self.database,
            clock=self.clock,
            records=self.records,
            insurer=self._payers,
            sealer=self._sealer,
            expectations=self._insurer.expectations,
        )

    def _build_money(self) -> None:
        institution, database, clock = self.institution, self.database, self.clock
        self.orders = Orders(
            institution=institution,
            database=database,
            clock=clock,
            insurer=self._payers,
            prices=self.prices,
        )
        self.agreements = Agreements(
            institution=institution,
            database=database,
            clock=clock,
            sealer=self._sealer,
            wallet=self.wallet,
        )
        self.payments = Payments(
            institution=institution,
            database=database,
            clock=clock,
            records=self.records,
            insurer=self._payers,
            sealer=self._sealer,
            agreements=self.agreements,
            may_cancel=(refuse_handed_out, refuse_performed),
            may_refund=(refuse_refund_of_handed_out, refuse_refund_of_performed),
            stays=StayBillsOf(institution=institution, database=database),
            tell_charges=lambda number: self.orders.upload(encounter_no=number),
        )
        self.cashier = Cashier(
            institution=institution,
            institution_name=self.settings.name,
            database=database,
            clock=clock,
            records=self.records,
        )
        self.desk = cashier_services(
            cashier=self.cashier,
            institution=institution,
            database=database,
            clock=clock,
            records=self.records,
            payments=self.payments,
            proofs=self._insurer.proofs,
            books=self._insurer.books,
            wallet=self.wallet,
        )
        self.bills = OwnBills(
            window=self.desk.window,
            records=self.records,
            encounters=self.encounters,
            people=self._insurer.people,
        )

    def _build_clinic(self) -> None:
        institution, database, clock = self.institution, self.database, self.clock
        self.diagnoses = Diagnoses(
            institution=institution,
            database=database,
            clock=clock,
            insurer=self._payers,
            sealer=self._sealer,
        )
        self.doctor_desk = DoctorDesk(
            institution=institution,
            database=database,
            clock=clock,
            schedule=self.schedule,
            sign_ins=self._insurer.sign_ins,
            records=self.records,
            visits=self.encounters,
            diagnoses=self.diagnoses,
            clinical=self.clinical,
            examinations=self.examinations,
        )
        self.emergencies = EmergencyDesk(
            institution=institution,
            database=database,
            clock=clock,
            records=self.records,
            encounters=self.encounters,
            orders=self.orders,
        )

    def _build_appointments(self) -> None:
        institution, database, clock = self.institution, self.database, self.clock
        self.clinical = ClinicalOrders(
            institution=institution,
            database=database,
            clock=clock,
            records=self.records,
            orders=self.orders,
            payments=self.payments,
            insurer=self._payers,
            sign_ins=self._insurer.sign_ins,
            allergies=self.records,
            pharmacy=self.dispensing,
        )
        self.examinations = Examinations(
            institution=institution,
            database=database,
            clock=clock,
            records=self.records,
            clinical=self.clinical,
            proofs=self._insurer.proofs,
            identities=self.records,
            sealer=self._sealer,
        )
        policy = BookingPolicy(fees=REGISTRATION_FEES)
        fees = OrderedFees(
            institution=institution, database=database, clock=clock, orders=self.orders
        )
        self.schedule = Schedule(
            institution=institution, database=database, clock=clock, fees=fees, policy=policy
        )
        self.appointments = Appointments(
            institution=institution,
            database=database,
            clock=clock,
            records=self.records,
            encounters=self.encounters,
            fees=fees,
            results=ResultsOfVisits(self.examinations, self.encounters),
            expectations=self._insurer.expectations,
            policy=policy,
        )

    def _build_pharmacy(self) -> None:
        institution, database, clock = self.institution, self.database, self.clock
        self.stock = Stock(institution=institution, database=database, clock=clock)
        self.dispensing = Dispensing(
            institution=institution,
            database=database,
            clock=clock,
            records=self.records,
            payments=self.payments,
            prescriptions=SignedPrescriptions(institution=institution, prices=self.prices),
            proofs=self._insurer.proofs,
            insurer=self._payers,
            sealer=self._sealer,
            calls=self._insurer.expectations,
        )
        self.returns = Returns(
            institution=institution,
            database=database,
            clock=clock,
            refunds=PaymentRefunds(
                institution=institution, database=database, payments=self.payments
            ),
        )

    def _build_desks(self) -> None:
        self.faces_at_desks = FacesAtDesks(
            institution=self.institution,
            clock=self.clock,
            calls=self._insurer.expectations,
            proofs=self._insurer.proofs,
            records=self.records,
            payments=self.payments,
            dispensing=self.dispensing,
            examinations=self.examinations,
        )

    def _build_wards(self) -> None:
        self.wards = ward_services(
            institution=self.institution,
            database=self.database,
            clock=self.clock,
            records=self.records,
            proofs=self._insurer.proofs,
            insurer=self._payers,
            sealer=self._sealer,
            orders=self.orders,
            payments=self.payments,
            prices=self.prices.on,
            calls=self._insurer.expectations,
        )

    def housekeeping(self) -> Sequence[tuple[str, Callable[[], object]]]:
        """What is due every few seconds, by name: end what was interrupted, close the day.

        Each stands alone: one that fails keeps none of the others from running.
        """
        return (
            ("encounters", self.encounters.resume_all),
            ("appointments", self.appointments.resume_all),
            ("missed appointments", self.appointments.mark_missed),
            ("expected people", self.appointments.tell_expected),
            # What was refunded or cancelled is decided before the orders that wait for it.
            ("payments", self.payments.resolve_all),
            ("clinical orders", self.clinical.resume_all),
            ("diagnoses", self.diagnoses.tell_all),
            ("returns", self.returns.resolve_all),
            ("trace codes", self.dispensing.tell_endings),
            ("stays", self.wards.stays.resume_all),
            ("ward days", self.wards.charges.charge_days),
            ("closing", self.close_day),
        )

    def daily_housekeeping(self) -> Sequence[tuple[str, Callable[[], object]]]:
        """What looks at everybody and is due once a day."""
        return (
            ("agreements", self.agreements.forget_ended),
            ("wallet news", self.agreements.purge_news),
            ("calls for help", self.help.forget_old),
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
    insurer: InsurerPorts,
    mode: Mode,
    clock: Clock,
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
    return HospitalSide(
        settings,
        hospital=hospital,
        prices=prices,
        insurer=insurer,
        mode=mode,
        clock=clock,
        database=database,
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
