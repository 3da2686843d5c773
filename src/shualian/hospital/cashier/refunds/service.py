"""Use cases of refunds: take a settlement back at the window and give each part back.

**How a cancellation survives a crash.** ``payments.cancel`` stores that it is asked for before
the insurer is asked (2208). The insurer's yes is stored together with what is due back of what
was taken at the window; what came from an agreed account goes back by the saga. Power lost in
between leaves ``cancelling``, and the resolver goes on. Cash leaves the drawer in the same
transaction that stores the part as paid, under the caller's identifier.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import CommandId, InstitutionCode, StaffId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.closing import store as closing
from shualian.hospital.cashier.model import MoneyAct, MoneyEvent
from shualian.hospital.cashier.overrides import store as overrides
from shualian.hospital.cashier.overrides.model import (
    OVERRIDE_NEEDED,
    OverrideId,
    OverrideKind,
)
from shualian.hospital.cashier.refunds import store
from shualian.hospital.cashier.refunds.model import (
    REFUND_NOT_FOUND,
    RefundDue,
    RefundId,
    RefundState,
    asked,
    check_same_giving,
    check_same_refund,
    diverted,
    given,
    not_given,
    paid_out,
)
from shualian.hospital.cashier.shifts import store as shifts
from shualian.hospital.cashier.shifts.model import Entry, EntryKind
from shualian.hospital.cashier.tenders.model import TenderKind, check_reference
from shualian.hospital.payments import store as payments
from shualian.hospital.payments.model import PAYMENT_NOT_FOUND, Payment, PaymentState
from shualian.hospital.payments.service import Payments
from shualian.trust.audit.model import Code, Reference
from shualian.trust.audit.service import record


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A payment that was taken back, with what is due back of what was taken at the window."""

    payment: Payment
    dues: tuple[RefundDue, ...]


class Refunds:
    """What one hospital gives back."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        payments: Payments,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._payments = payments

    def cancel(
        self, *, payment: CommandId, by: StaffId, override_id: OverrideId | None = None
    ) -> Cancelled:
        """Take a settlement back whole (2208); again gives what was decided the first time.

        Args:
            payment: Command of the payment.
            by: The clerk.
            override_id: What allows it on a later business day than that of the settlement.

        Raises:
            Refused: ``hospital.payment_not_found``, ``override_needed``, ``override_differs``,
                ``override_step``; else as ``Payments.cancel``.
        """
        self._database.write(lambda connection: self._allow(connection, payment, by, override_id))
        after = self._payments.cancel(command_id=payment, at_window=True)
        return Cancelled(after, tuple(self.of_payment(payment=payment)))

    def of_payment(self, *, payment: CommandId) -> Sequence[RefundDue]:
        """What is or was due back of what was taken for a payment at the window."""
        return self._database.read(
            lambda connection: store.of_payment(connection, self._institution, payment)
        )

    def open(self) -> Sequence[RefundDue]:
        """What is still to be given, the oldest first."""
        return self._database.read(lambda connection: store.not_paid(connection, self._institution))

    def pay_out(self, *, command_id: CommandId, refund_id: RefundId, by: StaffId) -> RefundDue:
        """Give a part back in cash, out of the drawer of the clerk's open shift, once.

        Raises:
            Refused: ``hospital.refund_not_found``, ``refund_step``, ``refund_other_way``,
                ``no_open_shift``, ``drawer_short``, ``day_closed``, ``command_differs``.
        """

        def work(connection: Connection) -> RefundDue:
            due = self._due(connection, refund_id)
            if self._repeats(connection, due, command_id):
                return due
            now = self._clock.now()
            closing.check_day_open(connection, self._institution, business_date(now))
            shift = shifts.open_of(connection, self._institution, by)
            after = paid_out(due, command_id, by, shift.shift_id, now=now)
            out = Entry(EntryKind.REFUND, command_id, Fen(-due.amount_fen), now)
            shifts.move(connection, shift, out)
            return self._changed(connection, MoneyAct.REFUND_PAID, after, by)

        return self._database.write(work)

    def ask(self, *, command_id: CommandId, refund_id: RefundId, by: StaffId) -> RefundDue:
        """Note that a part is about to be given back at the bank's or institution's terminal.

        Raises:
            Refused: ``hospital.refund_not_found``, ``refund_step``, ``refund_other_way``,
                ``no_open_shift``, ``day_closed``, ``command_differs``.
        """

        def work(connection: Connection) -> RefundDue:
            due = self._due(connection, refund_id)
            if self._repeats(connection, due, command_id):
                return due
            now = self._clock.now()
            closing.check_day_open(connection, self._institution, business_date(now))
            shift = shifts.open_of(connection, self._institution, by)
            after = replace(asked(due, command_id, by), shift_id=shift.shift_id)
            return self._changed(connection, MoneyAct.REFUND_ASKED, after, by)

        return self._database.write(work)

    def given(self, *, refund_id: RefundId, reference: str, by: StaffId) -> RefundDue:
        """Note under which number the terminal gave a part back; again changes nothing.

        Raises:
            Refused: ``hospital.refund_not_found``, ``refund_step``, ``refund_other_way``,
                ``tender_reference``.
        """

        def change(due: RefundDue) -> RefundDue:
            if due.state is RefundState.PAID and due.given_reference == reference:
                return due
            check_reference(due.way, reference)
            return given(due, reference, now=self._clock.now())

        return self._step(refund_id, MoneyAct.REFUND_GIVEN, by, change)

    def not_given(self, *, refund_id: RefundId, by: StaffId) -> RefundDue:
        """Note that the terminal refused: the part is due as before.

        Raises:
            Refused: ``hospital.refund_not_found``, ``refund_step``, ``refund_other_way``.
        """
        return self._step(refund_id, MoneyAct.REFUND_NOT_GIVEN, by, not_given)

    def divert(
        self, *, refund_id: RefundId, way: TenderKind, override_id: OverrideId, by: StaffId
    ) -> RefundDue:
        """Let a part go back another way than it came, which two people have agreed to.

        Raises:
            Refused: ``hospital.refund_not_found``, ``refund_step``, ``refund_other_way``,
                ``override_not_found``, ``override_differs``, ``override_step``.
        """

        def work(connection: Connection) -> RefundDue:
            due = self._due(connection, refund_id)
            if due.override_id == override_id and due.way is way:
                return due
            after = diverted(due, way, override_id)
            overrides.use(
                connection,
                self._institution,
                override_id,
                OverrideKind.REFUND_OTHER_SOURCE,
                payment=due.payment,
                amount_fen=due.amount_fen,
                now=self._clock.now(),
            )
            return self._changed(connection, MoneyAct.REFUND_DIVERTED, after, by)

        return self._database.write(work)

    def _allow(
        self,
        connection: Connection,
        command_id: CommandId,
        by: StaffId,
        override_id: OverrideId | None,
    ) -> None:
        stored = payments.by_command(connection, self._institution, command_id)
        if stored is None:
            raise Refused(PAYMENT_NOT_FOUND)
        payment = stored.payment
        if payment.state is not PaymentState.SETTLED or payment.settled is None:
            return
        now = self._clock.now()
        if business_date(payment.settled.setl_time) < business_date(now):
            if override_id is None:
                raise Refused(OVERRIDE_NEEDED, override=OverrideKind.LATE_CANCELLATION.value)
            overrides.use(
                connection,
                self._institution,
                override_id,
                OverrideKind.LATE_CANCELLATION,
                payment=command_id,
                now=now,
            )
        event = MoneyEvent(
            act=MoneyAct.CANCELLED,
            subject=Reference(command_id),
            payment=command_id,
            staff=by,
            amount_fen=payment.settled.amounts.medfee_sumamt,
        )
        record(connection, event, at=now)

    def _step(
        self,
        refund_id: RefundId,
        act: MoneyAct,
        by: StaffId,
        change: Callable[[RefundDue], RefundDue],
    ) -> RefundDue:
        def work(connection: Connection) -> RefundDue:
            due = self._due(connection, refund_id)
            after = change(due)
            return due if after == due else self._changed(connection, act, after, by)

        return self._database.write(work)

    def _repeats(self, connection: Connection, due: RefundDue, command_id: CommandId) -> bool:
        check_same_refund(
            store.by_command(connection, self._institution, command_id), due.refund_id
        )
        if due.state is RefundState.DUE:
            return False
        check_same_giving(due, command_id)
        return True

    def _due(self, connection: Connection, refund_id: RefundId) -> RefundDue:
        found = store.by_id(connection, self._institution, refund_id)
        if found is None:
            raise Refused(REFUND_NOT_FOUND)
        return found

    def _changed(
        self, connection: Connection, act: MoneyAct, due: RefundDue, by: StaffId
    ) -> RefundDue:
        store.change(connection, due)
        event = MoneyEvent(
            act=act,
            subject=Reference(due.refund_id),
            payment=due.payment,
            staff=by,
            amount_fen=due.amount_fen,
            detail=Code(due.way.value),
        )
        record(connection, event, at=self._clock.now())
        return due
