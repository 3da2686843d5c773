"""Use cases of the cashier's window."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import CommandId, InstitutionCode, StaffId
from shualian.core.money import ZERO, Fen, total
from shualian.core.refusals import Refused
from shualian.hospital.cashier import store
from shualian.hospital.cashier.model import (
    CASH_OPEN,
    CASH_TAKEN,
    CashTaking,
    Receipt,
    burden_of,
    check_cash,
    check_receipt,
    check_same_taking,
    receipt_line,
)
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import ENCOUNTER_NOT_FOUND, Encounter
from shualian.hospital.model import ANSWER_INVALID, Label, check_adds_up
from shualian.hospital.orders import store as orders
from shualian.hospital.orders.model import ChargeItem
from shualian.hospital.payments import store as payments
from shualian.hospital.payments.model import PAYMENT_NOT_FOUND, Payment
from shualian.hospital.records.service import Records


@dataclass(frozen=True, slots=True)
class _Paid:
    """Everything that a receipt is made of."""

    payment: Payment
    encounter: Encounter
    items: Sequence[ChargeItem]
    cash: CashTaking | None
    cash_back_fen: Fen


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
    ) -> CashTaking:
        """Take cash for what of ``psn_cash_pay`` did not come from an account, once.

        Args:
            command_id: Made and stored by the caller.
            payment: Command of the payment.
            tendered_fen: What was given; the rest is given back.
            taken_by: Who takes it.

        Raises:
            Refused: ``hospital.payment_not_found``, ``payment_not_settled``, ``answer_invalid``,
                ``payment_in_progress``, ``no_cash_due``, ``cash_invalid``,
                ``cash_too_little``, ``cash_taken``, ``command_differs``.
        """
        taken_at = self._clock.now()

        def work(connection: Connection) -> CashTaking:
            earlier = store.by_command(connection, self._institution, command_id)
            if earlier is not None:
                check_same_taking(earlier, payment=payment, tendered_fen=tendered_fen)
                return earlier
            settled = self._payment(connection, payment)
            check_adds_up(settled.answer.amounts)
            due_fen = settled.cash_due_fen
            check_cash(tendered_fen, due_fen=due_fen)
            if store.by_payment(connection, self._institution, payment) is not None:
                raise Refused(CASH_TAKEN)
            taking = CashTaking(
                command_id=command_id,
                institution=self._institution,
                payment=payment,
                due_fen=due_fen,
                tendered_fen=tendered_fen,
                taken_by=taken_by,
                taken_at=taken_at,
            )
            store.add(connection, taking)
            return taking

        return self._database.write(work)

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
        record = self._records.get(record_no=paid.encounter.record_no)
        return Receipt(
            institution_name=self._institution_name,
            setl_id=answer.setl_id,
            mdtrt_id=paid.payment.mdtrt_id,
            encounter_no=paid.encounter.encounter_no,
            masked_name=record.masked_name,
            masked_id_number=record.masked_id_number,
            dept_name=paid.encounter.department.dept_name,
            dr_name=paid.encounter.doctor.dr_name,
            settled_at=answer.setl_time,
            lines=tuple(receipt_line(item) for item in paid.items),
            amounts=answer.amounts,
            setldetail=answer.setldetail,
            burden=burden_of(answer.amounts),
            cash=paid.cash,
            wallet_fen=ZERO if wallet is None else wallet.taken_fen,
            cash_back_fen=paid.cash_back_fen,
            reasons=answer.reasons,
            label=label,
        )

    def _paid(self, connection: Connection, command_id: CommandId) -> _Paid:
        payment = self._payment(connection, command_id)
        cash = store.by_payment(connection, self._institution, command_id)
        if cash is None and payment.cash_due_fen:
            raise Refused(CASH_OPEN, due_fen=payment.cash_due_fen)
        found = encounters.by_number(connection, self._institution, payment.encounter_no)
        if found is None:
            raise Refused(ENCOUNTER_NOT_FOUND)
        items = orders.items_of_batch(connection, self._institution, payment.chrg_bchno)
        dues = payments.refunds_due_of(connection, self._institution, command_id)
        back = total([due.back.cash_fen for due in dues])
        return _Paid(payment, found.encounter, items, cash, back)

    def _payment(self, connection: Connection, command_id: CommandId) -> Payment:
        stored = payments.by_command(connection, self._institution, command_id)
        if stored is None:
            raise Refused(PAYMENT_NOT_FOUND)
        return stored.payment
