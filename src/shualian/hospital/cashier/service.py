"""Use cases of the cashier's window."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import CommandId, InstitutionCode, StaffId
from shualian.core.money import ZERO, Fen, total
from shualian.core.refusals import Refused
from shualian.hospital.cashier.closing import store as closings
from shualian.hospital.cashier.closing.ports import InsurerBooks, WalletStatements
from shualian.hospital.cashier.closing.service import Closings
from shualian.hospital.cashier.model import (
    CASH_OPEN,
    MoneyAct,
    MoneyEvent,
    Receipt,
    burden_of,
    check_receipt,
    receipt_line,
)
from shualian.hospital.cashier.overrides import store as overrides
from shualian.hospital.cashier.overrides.model import OverrideId, OverrideKind
from shualian.hospital.cashier.overrides.service import Overrides
from shualian.hospital.cashier.refunds import store as refunds
from shualian.hospital.cashier.refunds.model import RefundCause
from shualian.hospital.cashier.refunds.service import Refunds
from shualian.hospital.cashier.shifts import store as shifts
from shualian.hospital.cashier.shifts.model import Entry, EntryKind
from shualian.hospital.cashier.shifts.service import Shifts
from shualian.hospital.cashier.tenders import store as tenders
from shualian.hospital.cashier.tenders.model import (
    CASH_TAKEN,
    TENDER_USED,
    Offer,
    Taking,
    Tender,
    TenderKind,
    check_same_taking,
    tenders_for,
)
from shualian.hospital.cashier.window.model import WindowPolicy
from shualian.hospital.cashier.window.service import Window
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import ENCOUNTER_NOT_FOUND, Encounter
from shualian.hospital.model import ANSWER_INVALID, Label, check_adds_up
from shualian.hospital.orders import store as orders
from shualian.hospital.orders.model import ChargeItem
from shualian.hospital.payments import store as payments
from shualian.hospital.payments.model import PAYMENT_NOT_FOUND, Payment
from shualian.hospital.payments.service import Payments
from shualian.hospital.ports import FaceProofs
from shualian.hospital.records.service import Records
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record


@dataclass(frozen=True, slots=True)
class _Paid:
    """Everything that a receipt is made of."""

    payment: Payment
    encounter: Encounter
    items: Sequence[ChargeItem]
    cash: Taking | None
    back_fen: Fen


class Cashier:
    """The cashier of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        institution_name: str,
        database: Database,
        clock: Clock,
        records: Records,
    ) -> None:
        self._institution = institution
        self._institution_name = institution_name
        self._database = database
        self._clock = clock
        self._records = records

    def take_cash(
        self, *, command_id: CommandId, payment: CommandId, tendered_fen: Fen, taken_by: StaffId
    ) -> Taking:
        """Take the whole cash share in cash; as :meth:`take` with one tender."""
        offer = Offer(TenderKind.CASH, tendered_fen)
        return self.take(command_id=command_id, payment=payment, offers=[offer], taken_by=taken_by)

    def take(
        self,
        *,
        command_id: CommandId,
        payment: CommandId,
        offers: Sequence[Offer],
        taken_by: StaffId,
    ) -> Taking:
        """Take what of ``psn_cash_pay`` did not come from an account: once, whole, to the fen.

        Args:
            command_id: Made and stored by the caller.
            payment: Command of the payment.
            offers: What was given; what is too much in cash is given back.
            taken_by: The clerk, in whose open shift it is taken.

        Raises:
            Refused: ``hospital.payment_not_found``, ``payment_not_settled``, ``answer_invalid``,
                ``payment_in_progress``, ``no_cash_due``, ``cash_invalid``, ``cash_too_little``,
                ``tender_over``, ``tender_reference``, ``tender_used``, ``tenders_invalid``,
                ``cash_taken``, ``no_open_shift``, ``day_closed``, ``command_differs``; of a
                waiver also ``override_not_found``, ``override_differs``, ``override_step``.
        """
        taken_at = self._clock.now()

        def work(connection: Connection) -> Taking:
            earlier = tenders.by_command(connection, self._institution, command_id)
            if earlier is not None:
                check_same_taking(earlier, payment=payment, offers=offers)
                return earlier
            taking = Taking(
                command_id=command_id,
                institution=self._institution,
                payment=payment,
                tenders=self._due_tenders(connection, payment, offers),
                taken_by=taken_by,
                taken_at=taken_at,
            )
            return self._take(connection, taking)

        return self._database.write(work)

    def _due_tenders(
        self, connection: Connection, command_id: CommandId, offers: Sequence[Offer]
    ) -> tuple[Tender, ...]:
        settled = self._payment(connection, command_id)
        check_adds_up(settled.answer.amounts)
        found = tenders_for(settled.cash_due_fen, offers)
        if tenders.by_payment(connection, self._institution, command_id) is not None:
            raise Refused(CASH_TAKEN)
        for tender in found:
            key = connection, self._institution, tender.kind, tender.reference
            if tender.reference and tenders.reference_used(*key):
                raise Refused(TENDER_USED, tender=tender.kind.value)
        return found

    def _take(self, connection: Connection, asked: Taking) -> Taking:
        day = business_date(asked.taken_at)
        closings.check_day_open(connection, self._institution, day)
        shift = shifts.open_of(connection, self._institution, asked.taken_by)
        taking = replace(asked, shift_id=shift.shift_id)
        self._waive(connection, taking)
        tenders.add(connection, taking)
        if taking.cash_fen:
            entry = Entry(EntryKind.TAKING, taking.command_id, taking.cash_fen, taking.taken_at)
            shifts.move(connection, shift, entry)
        event = MoneyEvent(
            act=MoneyAct.TAKEN,
            subject=Reference(taking.command_id),
            payment=taking.payment,
            staff=taking.taken_by,
            amount_fen=taking.due_fen,
        )
        record(connection, event, at=taking.taken_at)
        return taking

    def _waive(self, connection: Connection, taking: Taking) -> None:
        for tender in taking.tenders:
            if tender.kind is TenderKind.WAIVER:
                overrides.use(
                    connection,
                    self._institution,
                    OverrideId(tender.reference),
                    OverrideKind.WAIVER,
                    payment=taking.payment,
                    amount_fen=tender.amount_fen,
                    now=taking.taken_at,
                )

    def receipt(self, *, payment: CommandId, label: Label | None = None) -> Receipt:
        """The receipt of a payment that is settled and paid; the same each time it is asked for.

        Args:
            payment: Command of the payment.
            label: Words that must stand on every printed line, in a sandbox for example.

        Raises:
            Refused: ``hospital.payment_not_found``, ``payment_not_settled``,
                ``payment_in_progress``, ``cash_open``,
                ``receipt_wrong``.
        """
        paid = self._database.read(lambda connection: self._paid(connection, payment))
        receipt = self._made_of(paid, label)
        check_receipt(receipt)
        return receipt

    def _made_of(self, paid: _Paid, label: Label | None) -> Receipt:
        answer = paid.payment.answer
        if answer.setl_id is None:
            raise Refused(ANSWER_INVALID, infno="2207", broken="no setl_id")
        wallet = paid.payment.wallet
        patient = self._records.get(record_no=paid.encounter.record_no)
        return Receipt(
            institution_name=self._institution_name,
            setl_id=answer.setl_id,
            mdtrt_id=paid.payment.mdtrt_id,
            encounter_no=paid.encounter.encounter_no,
            masked_name=patient.masked_name,
            masked_id_number=patient.masked_id_number,
            dept_name=paid.encounter.department.dept_name,
            dr_name=paid.encounter.doctor.dr_name,
            settled_at=answer.setl_time,
            lines=tuple(receipt_line(item) for item in paid.items),
            amounts=answer.amounts,
            setldetail=answer.setldetail,
            burden=burden_of(answer.amounts),
            cash=paid.cash,
            wallet_fen=ZERO if wallet is None else wallet.taken_fen,
            back_fen=paid.back_fen,
            reasons=answer.reasons,
            label=label,
        )

    def _paid(self, connection: Connection, command_id: CommandId) -> _Paid:
        payment = self._payment(connection, command_id)
        cash = tenders.by_payment(connection, self._institution, command_id)
        if cash is None and payment.cash_due_fen:
            raise Refused(CASH_OPEN, due_fen=payment.cash_due_fen)
        found = encounters.by_number(connection, self._institution, payment.encounter_no)
        if found is None:
            raise Refused(ENCOUNTER_NOT_FOUND)
        items = orders.items_of_batch(connection, self._institution, payment.chrg_bchno)
        dues = refunds.of_payment(connection, self._institution, command_id)
        back = total([due.amount_fen for due in dues if due.cause is RefundCause.PARTIAL])
        return _Paid(payment, found.encounter, items, cash, back)

    def _payment(self, connection: Connection, command_id: CommandId) -> Payment:
        stored = payments.by_command(connection, self._institution, command_id)
        if stored is None:
            raise Refused(PAYMENT_NOT_FOUND)
        return stored.payment


@dataclass(frozen=True, slots=True)
class CashierServices:
    """Everything that the windows of one hospital do, put together.

    Attributes:
        cashier: Takes money and prints receipts.
        window: Finds what is open and settles it.
        shifts: Who has which drawer.
        refunds: What is given back.
        overrides: What is done outside of the rules.
        closings: The daily closing.
    """

    cashier: Cashier
    window: Window
    shifts: Shifts
    refunds: Refunds
    overrides: Overrides
    closings: Closings


def cashier_services(
    *,
    cashier: Cashier,
    institution: InstitutionCode,
    database: Database,
    clock: Clock,
    records: Records,
    payments: Payments,
    proofs: FaceProofs,
    books: InsurerBooks,
    wallet: WalletStatements | None = None,
    policy: WindowPolicy | None = None,
) -> CashierServices:
    """All use cases of the windows over one hospital's database.

    Args:
        cashier: Of the same hospital.
        institution: Whose.
        database: Has the tables of ``cashier.store.metadata`` and of the audit.
        clock: For days and shifts.
        records: Whose bills they are.
        payments: Settles and takes back.
        proofs: For looking up by face.
        books: The insurer's of a day.
        wallet: Its statements; none where nothing comes from agreed accounts.
        policy: What the hospital asks for at its windows.
    """
    return CashierServices(
        cashier=cashier,
        window=Window(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            payments=payments,
            proofs=proofs,
            policy=policy,
        ),
        shifts=Shifts(institution=institution, database=database, clock=clock),
        refunds=Refunds(institution=institution, database=database, clock=clock, payments=payments),
        overrides=Overrides(institution=institution, database=database, clock=clock),
        closings=Closings(
            institution=institution,
            database=database,
            clock=clock,
            payments=payments,
            insurer=books,
            wallet=wallet,
        ),
    )
