"""Use cases of shifts: open with a counted float, see what must be there, hand over to somebody."""

from dataclasses import dataclass

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import CommandId, InstitutionCode, StaffId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.closing import store as closing
from shualian.hospital.cashier.model import MoneyAct, MoneyEvent
from shualian.hospital.cashier.shifts import store
from shualian.hospital.cashier.shifts.model import (
    NO_OPEN_SHIFT,
    SHIFT_NOT_FOUND,
    SHIFT_OPEN,
    SHIFT_STEP,
    Count,
    DifferenceReason,
    DrawerNo,
    Handover,
    Shift,
    ShiftId,
    ShiftState,
    check_float,
    check_same_opening,
    confirmed,
    counted,
    disputed,
    handed_over,
)
from shualian.hospital.cashier.tenders import store as tenders
from shualian.hospital.cashier.tenders.model import TenderKind
from shualian.staff.model import check_two_people
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record


@dataclass(frozen=True, slots=True)
class ShiftView:
    """A shift with what its drawer must hold and what its slips must add up to.

    Attributes:
        shift: Where it stands.
        expected_fen: Cash that must be in the drawer.
        card_fen: By bank card, on the slips of the card terminal.
        epay_fen: By payment code.
        takings: How many payments were taken.
    """

    shift: Shift
    expected_fen: Fen
    card_fen: Fen
    epay_fen: Fen
    takings: int


class Shifts:
    """The shifts of one hospital's windows."""

    def __init__(self, *, institution: InstitutionCode, database: Database, clock: Clock) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock

    def open(
        self, *, command_id: CommandId, drawer: DrawerNo, clerk: StaffId, count: Count
    ) -> Shift:
        """Open a shift with what was counted in the drawer.

        Args:
            command_id: Made and stored by the caller; also the number of the shift.
            drawer: At which drawer.
            clerk: Who answers for it.
            count: The float by denomination; what the shift before left there.

        Raises:
            Refused: ``hospital.count_invalid``, ``shift_open``, ``float_differs``,
                ``day_closed``, ``command_differs``.
        """
        float_fen = counted(count)

        def work(connection: Connection) -> Shift:
            earlier = store.by_id(connection, self._institution, ShiftId(command_id))
            if earlier is not None:
                check_same_opening(earlier, drawer=drawer, clerk=clerk, float_fen=float_fen)
                return earlier
            now = self._clock.now()
            closing.check_day_open(connection, self._institution, business_date(now))
            self._check_free(connection, drawer, clerk)
            last = store.last_of_drawer(connection, self._institution, drawer)
            left = None if last is None or last.handover is None else last.handover.left_fen
            check_float(float_fen, left_fen=left)
            shift = Shift(ShiftId(command_id), self._institution, drawer, clerk, float_fen, now)
            store.add(connection, shift, count)
            self._note(connection, MoneyAct.SHIFT_OPENED, shift, clerk, float_fen)
            return shift

        return self._database.write(work)

    def hand_over(
        self,
        *,
        shift_id: ShiftId,
        clerk: StaffId,
        count: Count,
        left_fen: Fen,
        reason: DifferenceReason = DifferenceReason.NONE,
    ) -> Shift:
        """Count the drawer at the end of a shift; again with the same count changes nothing.

        Args:
            shift_id: Whose drawer.
            clerk: Its clerk.
            count: What was counted, by denomination.
            left_fen: What stays as the next float; the rest goes to the safe.
            reason: Why the count is not what was expected.

        Raises:
            Refused: ``hospital.shift_not_found``, ``no_open_shift`` for another clerk's,
                ``count_invalid``, ``difference_unexplained``, ``shift_step``.
        """
        counted_fen = counted(count)

        def work(connection: Connection) -> Shift:
            shift = self._shift(connection, shift_id)
            if shift.clerk != clerk:
                raise Refused(NO_OPEN_SHIFT)
            now = self._clock.now()
            expected = store.book_of(connection, self._institution, shift_id).balance_fen
            handover = Handover(counted_fen, expected, left_fen, reason, now)
            if shift.handover is not None:
                return _same_handover(shift, handover)
            after = handed_over(shift, handover)
            store.change(connection, after)
            store.add_count(connection, after, count)
            self._note(connection, MoneyAct.SHIFT_COUNTED, after, clerk, counted_fen)
            return after

        return self._database.write(work)

    def confirm(self, *, shift_id: ShiftId, by: StaffId) -> Shift:
        """Confirm a handover after counting the same; somebody else than its clerk.

        Raises:
            Refused: ``hospital.shift_not_found``, ``shift_step``, ``staff.same_person``.
        """

        def work(connection: Connection) -> Shift:
            shift = self._shift(connection, shift_id)
            check_two_people(by, shift.clerk)
            if shift.state is ShiftState.CLOSED and shift.confirmed_by == by:
                return shift
            after = confirmed(shift, by, now=self._clock.now())
            store.change(connection, after)
            found = after.handover.difference_fen if after.handover else Fen(0)
            self._note(connection, MoneyAct.SHIFT_CONFIRMED, after, by, found)
            return after

        return self._database.write(work)

    def dispute(self, *, shift_id: ShiftId, by: StaffId) -> Shift:
        """Say that something else is in the drawer: its clerk has to count again.

        Raises:
            Refused: ``hospital.shift_not_found``, ``shift_step``, ``staff.same_person``.
        """

        def work(connection: Connection) -> Shift:
            shift = self._shift(connection, shift_id)
            check_two_people(by, shift.clerk)
            after = disputed(shift)
            store.change(connection, after)
            self._note(connection, MoneyAct.SHIFT_DISPUTED, after, by, Fen(0))
            return after

        return self._database.write(work)

    def standing(self, *, shift_id: ShiftId) -> ShiftView:
        """A shift with what its drawer must hold now.

        Raises:
            Refused: ``hospital.shift_not_found``.
        """
        return self._database.read(
            lambda connection: self._view(connection, self._shift(connection, shift_id))
        )

    def of_clerk(self, *, clerk: StaffId) -> ShiftView:
        """The open shift of a clerk.

        Raises:
            Refused: ``hospital.no_open_shift``.
        """
        return self._database.read(
            lambda connection: self._view(
                connection, store.open_of(connection, self._institution, clerk)
            )
        )

    def not_closed(self) -> tuple[ShiftView, ...]:
        """Shifts that are not handed over and confirmed, the oldest first."""
        return self._database.read(
            lambda connection: tuple(
                self._view(connection, shift)
                for shift in store.not_closed(connection, self._institution)
            )
        )

    def _view(self, connection: Connection, shift: Shift) -> ShiftView:
        taken = tenders.of_shift(connection, self._institution, shift.shift_id)
        book = store.book_of(connection, self._institution, shift.shift_id)
        return ShiftView(
            shift=shift,
            expected_fen=book.balance_fen,
            card_fen=Fen(sum(each.paid_by(TenderKind.CARD) for each in taken)),
            epay_fen=Fen(sum(each.paid_by(TenderKind.EPAY) for each in taken)),
            takings=len(taken),
        )

    def _check_free(self, connection: Connection, drawer: DrawerNo, clerk: StaffId) -> None:
        for shift in store.not_closed(connection, self._institution):
            # A clerk who has counted may go on at another drawer; the drawer itself may not.
            busy = shift.clerk == clerk and shift.state is ShiftState.OPEN
            if shift.drawer == drawer or busy:
                raise Refused(SHIFT_OPEN, drawer=shift.drawer)

    def _shift(self, connection: Connection, shift_id: ShiftId) -> Shift:
        found = store.by_id(connection, self._institution, shift_id)
        if found is None:
            raise Refused(SHIFT_NOT_FOUND)
        return found

    def _note(
        self, connection: Connection, act: MoneyAct, shift: Shift, by: StaffId, amount_fen: Fen
    ) -> None:
        event = MoneyEvent(
            act=act,
            subject=Reference(shift.shift_id),
            staff=by,
            second=None if by == shift.clerk else shift.clerk,
            amount_fen=amount_fen,
        )
        record(connection, event, at=self._clock.now())


def _same_handover(shift: Shift, asked: Handover) -> Shift:
    found = shift.handover
    if found is None or (found.counted_fen, found.left_fen, found.reason) != (
        asked.counted_fen,
        asked.left_fen,
        asked.reason,
    ):
        raise Refused(SHIFT_STEP, found=shift.state.value, expected=ShiftState.OPEN.value)
    return shift
