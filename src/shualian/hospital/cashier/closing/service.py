"""Use cases of the daily closing: look at the comparison at any time, close what is over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database, forbid_in_transaction
from shualian.core.identifiers import CommandId, InstitutionCode, SettlementId
from shualian.core.refusals import Refused
from shualian.hospital.cashier.closing import store
from shualian.hospital.cashier.closing.model import (
    DAY_NOT_CLOSED,
    SHIFTS_NOT_CLOSED,
    Closing,
    Difference,
    HospitalDay,
    InsurerDay,
    Near,
    bounds_of,
    check_accepted,
    check_over,
    check_same_closing,
    check_same_day,
    differences,
)
from shualian.hospital.cashier.closing.ports import InsurerBooks, WalletStatements
from shualian.hospital.cashier.model import MoneyAct, MoneyEvent
from shualian.hospital.cashier.overrides.model import checked_text
from shualian.hospital.cashier.shifts import store as shifts
from shualian.hospital.cashier.shifts.model import Shift
from shualian.hospital.payments import store as payments
from shualian.hospital.payments.model import UNDER_WAY
from shualian.hospital.payments.service import Payments
from shualian.hospital.payments.store import StoredPayment
from shualian.hospital.ports import ask_insurer
from shualian.hospital.wallet.model import Movement, MovementKind
from shualian.staff.model import Caller, Role, check_role
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record


@dataclass(frozen=True, slots=True)
class DayReport:
    """A day's books beside each other.

    Attributes:
        day: Which business day.
        hospital: The hospital's own.
        insurer: The insurer's.
        differences: In what they differ, with a proposed repair each.
        shifts: Shifts opened by its end that are not handed over and confirmed.
        closed: Whether the day is closed.
    """

    day: date
    hospital: HospitalDay
    insurer: InsurerDay
    differences: tuple[Difference, ...]
    shifts: tuple[Shift, ...]
    closed: bool


@dataclass(frozen=True, slots=True)
class _Others:
    """What insurer and wallet say of a day and of its neighbours."""

    insurer: InsurerDay
    insurer_near: frozenset[tuple[SettlementId, bool]]
    wallet: tuple[Movement, ...]
    wallet_near: tuple[Movement, ...]


class Closings:
    """The daily closing of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        payments: Payments,
        insurer: InsurerBooks,
        wallet: WalletStatements | None = None,
    ) -> None:
        """Describe it; without a wallet nothing may have come from agreed accounts."""
        self._institution = institution
        self._database = database
        self._clock = clock
        self._payments = payments
        self._insurer = insurer
        self._wallet = wallet

    def report(self, *, day: date) -> DayReport:
        """The comparison of a day as the books stand now; changes nothing.

        Raises:
            Refused: ``hospital.insurer_unreachable``, ``hospital.wallet_unreachable``.
        """
        others = self._others(day)

        def work(connection: Connection) -> DayReport:
            hospital, found = self._compared(connection, day, others)
            return DayReport(
                day=day,
                hospital=hospital,
                insurer=others.insurer,
                differences=found,
                shifts=self._open_shifts(connection, day),
                closed=store.by_day(connection, self._institution, day) is not None,
            )

        return self._database.read(work)

    def close(
        self, *, command_id: CommandId, day: date, caller: Caller, reason: str = ""
    ) -> Closing:
        """Close a day that is over, once: unpaid slips are void, its rows change no more.

        Args:
            command_id: Made and stored by the caller.
            day: Which business day.
            caller: An administrator.
            reason: Why differences are accepted; empty when there are none.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.day_not_over``, ``shifts_not_closed``,
                ``differences_open``, ``override_text`` for a reason that may not be kept,
                ``day_closed``, ``command_differs``, ``insurer_unreachable``,
                ``wallet_unreachable``.
        """
        check_role(caller, (Role.ADMINISTRATOR,))
        check_over(day, today=business_date(self._clock.now()))
        words = checked_text(reason) if reason else ""
        earlier = self._database.read(lambda connection: self._earlier(connection, command_id, day))
        if earlier is not None:
            return earlier
        self._payments.close_day(now=bounds_of(day)[1])
        others = self._others(day)

        def work(connection: Connection) -> Closing:
            known = self._earlier(connection, command_id, day)
            if known is not None:
                return known
            if self._open_shifts(connection, day):
                raise Refused(SHIFTS_NOT_CLOSED, found=day.isoformat())
            hospital, found = self._compared(connection, day, others)
            check_accepted(found, reason=words)
            closing = Closing(
                institution=self._institution,
                day=day,
                command_id=command_id,
                closed_by=caller.staff_id,
                closed_at=self._clock.now(),
                hospital=hospital,
                differences=found,
                reason=words,
            )
            store.add(connection, closing)
            self._note(connection, closing)
            return closing

        return self._database.write(work)

    def get(self, *, day: date) -> Closing:
        """A closed day, as it was closed.

        Raises:
            Refused: ``hospital.day_not_closed``.
        """
        found = self._database.read(
            lambda connection: store.by_day(connection, self._institution, day)
        )
        if found is None:
            raise Refused(DAY_NOT_CLOSED, found=day.isoformat())
        return found

    def _earlier(self, connection: Connection, command_id: CommandId, day: date) -> Closing | None:
        check_same_day(store.by_command(connection, self._institution, command_id), day=day)
        found = store.by_day(connection, self._institution, day)
        if found is not None:
            check_same_closing(found, command_id=command_id)
        return found

    def _others(self, day: date) -> _Others:
        forbid_in_transaction("a question to insurer and wallet")
        around = (day - timedelta(days=1), day + timedelta(days=1))
        # What is still to come holds nothing yet and may not be asked for.
        beside = [each for each in around if each <= business_date(self._clock.now())]
        near = [ask_insurer(self._insurer.of_day, each) for each in beside]
        return _Others(
            insurer=ask_insurer(self._insurer.of_day, day),
            insurer_near=frozenset(line.key for each in near for line in each.lines),
            wallet=self._movements([day]),
            wallet_near=self._movements(beside),
        )

    def _movements(self, days: Sequence[date]) -> tuple[Movement, ...]:
        if self._wallet is None:
            return ()
        return tuple(line for day in days for line in self._wallet.statement(day).movements)

    def _compared(
        self, connection: Connection, day: date, others: _Others
    ) -> tuple[HospitalDay, tuple[Difference, ...]]:
        hospital = store.hospital_day(connection, self._institution, day)
        near = self._near(connection, hospital, others)
        return hospital, differences(hospital, others.insurer, others.wallet, near)

    def _near(self, connection: Connection, day: HospitalDay, others: _Others) -> Near:
        """Look up elsewhere only what the others have and the day has not."""
        ours = {line.key for line in day.lines}
        lines: set[tuple[SettlementId, bool]] = set()
        undecided: set[CommandId] = set()
        for line in others.insurer.lines:
            if line.key in ours or line.command_id is None:
                continue
            stored = self._behind(connection, line.command_id)
            if stored is None:
                continue
            number = stored.payment.command_id
            of_it = payments.refunds_of(connection, self._institution, number)
            lines |= store.keys_of(stored.payment, of_it)
            if stored.payment.state in UNDER_WAY:
                undecided.add(line.command_id)
        return Near(
            lines=frozenset(lines),
            undecided=frozenset(undecided),
            insurer=others.insurer_near,
            wallet=others.wallet_near,
            holds=self._holds(connection, others.wallet),
        )

    def _behind(self, connection: Connection, command_id: CommandId) -> StoredPayment | None:
        """The payment of a command: its own, or that of a refund of some of its lines."""
        found = payments.refund_by_command(connection, self._institution, command_id)
        number = command_id if found is None else found[0].payment
        return payments.by_command(connection, self._institution, number)

    def _holds(
        self, connection: Connection, movements: Sequence[Movement]
    ) -> frozenset[tuple[CommandId, MovementKind]]:
        known = set()
        for each in movements:
            stored = payments.by_hold(connection, self._institution, each.payment)
            part = None if stored is None else stored.payment.wallet
            if part is not None and part.held.captured_fen:
                known.add((each.payment, MovementKind.CAPTURE))
            if part is not None and part.held.refunded_fen:
                known.add((each.payment, MovementKind.REFUND))
        return frozenset(known)

    def _open_shifts(self, connection: Connection, day: date) -> tuple[Shift, ...]:
        end = bounds_of(day)[1]
        waiting = shifts.not_closed(connection, self._institution)
        return tuple(shift for shift in waiting if shift.opened_at < end)

    def _note(self, connection: Connection, closing: Closing) -> None:
        event = MoneyEvent(
            act=MoneyAct.DAY_CLOSED,
            subject=Reference(closing.day.isoformat()),
            staff=closing.closed_by,
            amount_fen=closing.hospital.totals.medfee_fen,
        )
        record(connection, event, at=closing.closed_at)
