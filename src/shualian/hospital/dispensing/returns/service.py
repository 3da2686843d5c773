"""Use cases of medicine that comes back: the money first, then the books of the pharmacy.

**How a return survives a crash.** What comes back is promised on its lines and stored as ``asked``
before the refund is asked for, under the same command; the refund answers a repeat as the first
time. Its yes is stored together with the stock, which goes into quarantine, and with the boxes,
whose codes the insurer is told of afterwards. A refund that is refused for good lets the lines go;
every other end is asked again by the same command, or by :meth:`Returns.resolve_all`.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import ChargeItemNo, CommandId, EncounterNo, InstitutionCode
from shualian.core.money import total
from shualian.core.refusals import Refused
from shualian.hospital.dispensing import store
from shualian.hospital.dispensing.model import (
    DISPENSE_LINES,
    DISPENSE_NOT_FOUND,
    RETURN_OF_TWO_PAYMENTS,
    DispenseRequest,
    DispensingPolicy,
    MedicineReturn,
    RequestNo,
    ReturnPart,
    ReturnState,
    check_reason,
    check_return,
    check_same_return,
    not_returned,
    returned,
    returning,
    summed,
    taken_back,
)
from shualian.hospital.dispensing.ports import RefundDone, Refunds
from shualian.hospital.model import OUTCOME_UNKNOWN, is_final
from shualian.hospital.orders import store as orders
from shualian.hospital.orders.model import ChargeItem
from shualian.hospital.payments.service import Payments
from shualian.hospital.stock import store as stock
from shualian.hospital.stock.model import Movement, MovementKind, Pick, Place
from shualian.staff.model import Caller, Role, check_role

_PHARMACIST = frozenset((Role.PHARMACIST,))


class Returns:
    """What comes back to the pharmacy of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        refunds: Refunds,
        policy: DispensingPolicy | None = None,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._refunds = refunds
        self._policy = policy or DispensingPolicy()

    def give_back(
        self,
        caller: Caller,
        *,
        command_id: CommandId,
        request_no: RequestNo,
        parts: Sequence[ReturnPart],
        unopened: bool,
        reason: str,
    ) -> MedicineReturn:
        """Take medicine back and give its money back to where it came from, once for a command.

        Args:
            caller: The pharmacist who saw it.
            command_id: Made and stored by the caller.
            request_no: On which request it went out.
            parts: What comes back; with the codes of its boxes where they have some.
            unopened: Whether the pharmacist says so.
            reason: In words.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.dispense_not_found``, ``dispense_lines``,
                ``dispense_not_returnable``, ``command_differs``; what refuses the refund: then
                nothing came back; ``hospital.outcome_unknown``, after which the same command goes
                on.
        """
        check_role(caller, _PHARMACIST)
        check_reason(reason)
        wanted = MedicineReturn(
            command_id=command_id,
            institution=self._institution,
            request_no=request_no,
            parts=tuple(sorted(parts, key=lambda part: part.line_no)),
            reason=reason.strip(),
            taken_by=caller.staff_id,
            asked_at=self._clock.now(),
        )
        asked = self._database.write(
            lambda connection: self._asked(connection, wanted, unopened=unopened)
        )
        return self._finish(asked)

    def get(self, *, command_id: CommandId) -> MedicineReturn:
        """A return as it stands.

        Raises:
            Refused: ``hospital.dispense_not_found``.
        """
        return self._database.read(lambda connection: self._return(connection, command_id))

    def resolve_all(self) -> Sequence[CommandId]:
        """Lead what was interrupted to its end; gives what is still undecided."""
        for command_id in self._undecided():
            # What still has no answer is told at the end, by what is stored.
            with suppress(Refused):
                self._finish(self.get(command_id=command_id))
        return self._undecided()

    def _undecided(self) -> Sequence[CommandId]:
        return self._database.read(
            lambda connection: store.returns_in(connection, self._institution, ReturnState.ASKED)
        )

    def _asked(
        self, connection: Connection, wanted: MedicineReturn, *, unopened: bool
    ) -> MedicineReturn:
        earlier = store.return_of(connection, self._institution, wanted.command_id)
        if earlier is not None:
            check_same_return(earlier, wanted)
            return earlier
        request = self._request(connection, wanted.request_no)
        now = wanted.asked_at
        check_return(request, wanted.parts, unopened=unopened, policy=self._policy, now=now)
        for part in wanted.parts:
            self._check_codes(connection, request, part)
        self._mark(connection, wanted, store.BoxState.COMING_BACK)
        store.put_request(connection, returning(request, wanted.parts))
        store.add_return(connection, wanted)
        return wanted

    def _check_codes(
        self, connection: Connection, request: DispenseRequest, part: ReturnPart
    ) -> None:
        """Boxes that went out with codes come back with them, one code for each."""
        out = store.released_codes(connection, self._institution, request.request_no, part.line_no)
        line = request.line(part.line_no)
        # What of the line went out without a code can come back without one.
        without = max(Decimal(0), line.kept - len(out))
        needed = max(Decimal(0), part.quantity - without)
        codes = set(part.codes)
        right = len(codes) == len(part.codes) and codes <= out and len(codes) <= part.quantity
        if not right or len(codes) < needed:
            raise Refused(DISPENSE_LINES, line_no=part.line_no, broken="codes of the boxes")

    def _finish(self, asked: MedicineReturn) -> MedicineReturn:
        if asked.state is ReturnState.ASKED:
            outcome = self._refunded(asked)
            asked = self._database.write(
                lambda connection: self._record(connection, asked.command_id, outcome)
            )
            if isinstance(outcome, Refused):
                raise outcome
        if asked.state is ReturnState.REFUSED:
            raise Refused(DISPENSE_LINES, broken="the refund was refused", code=asked.refused_code)
        return asked

    def _refunded(self, asked: MedicineReturn) -> RefundDone | Refused:
        request = self._database.read(
            lambda connection: self._request(connection, asked.request_no)
        )
        quantities: dict[ChargeItemNo, Decimal] = {
            request.line(part.line_no).feedetl_sn: part.quantity for part in asked.parts
        }
        try:
            return self._refunds.refund(
                command_id=asked.command_id,
                encounter_no=request.encounter_no,
                quantities=quantities,
                reason=asked.reason,
            )
        except Exception as failure:
            if is_final(failure):
                return failure
            if isinstance(failure, Refused):
                raise
            raise Refused(OUTCOME_UNKNOWN, found=type(failure).__name__) from failure

    def _record(
        self, connection: Connection, command_id: CommandId, outcome: RefundDone | Refused
    ) -> MedicineReturn:
        asked = self._return(connection, command_id)
        # Somebody else asked for the same command meanwhile and got an answer.
        if asked.state is not ReturnState.ASKED:
            return asked
        request = self._request(connection, asked.request_no)
        if isinstance(outcome, Refused):
            code = outcome.kind.code
            ended = replace(asked, state=ReturnState.REFUSED, refused_code=code)
            self._mark(connection, asked, store.BoxState.RELEASED)
            store.put_request(connection, not_returned(request, asked.parts))
        else:
            ended = replace(asked, state=ReturnState.DONE, refunded_fen=outcome.refunded_fen)
            self._take_in(connection, asked)
            store.put_request(connection, returned(request, asked.parts, instead=outcome.instead))
        store.put_return(connection, ended)
        return ended

    def _take_in(self, connection: Connection, asked: MedicineReturn) -> None:
        """Into quarantine, by the batches from which it went out; its codes are told later."""
        back: list[Pick] = []
        for part in asked.parts:
            given = store.given_picks(connection, self._institution, asked.request_no, part.line_no)
            picks = taken_back(given, part.quantity)
            store.add_return_picks(connection, asked, part.line_no, picks)
            back.extend(picks)
        for pick in summed(back):
            came = Movement(
                institution=self._institution,
                cause=asked.command_id,
                batch_id=pick.batch_id,
                place=Place.QUARANTINE,
                kind=MovementKind.RETURNED,
                quantity=pick.quantity,
                by=asked.taken_by,
                at=self._clock.now(),
            )
            stock.move(connection, came)
        codes = self._mark(connection, asked, store.BoxState.RETURNED)
        store.add_endings(
            connection,
            self._institution,
            asked.request_no,
            cause=asked.command_id,
            codes=codes,
            handed_out=True,
        )

    def _mark(
        self, connection: Connection, asked: MedicineReturn, state: store.BoxState
    ) -> Sequence[str]:
        codes = [code for part in asked.parts for code in part.codes]
        store.live_boxes(connection, self._institution, codes, state)
        return codes

    def _return(self, connection: Connection, command_id: CommandId) -> MedicineReturn:
        found = store.return_of(connection, self._institution, command_id)
        if found is None:
            raise Refused(DISPENSE_NOT_FOUND)
        return found

    def _request(self, connection: Connection, request_no: RequestNo) -> DispenseRequest:
        found = store.request_of(connection, self._institution, request_no)
        if found is None:
            raise Refused(DISPENSE_NOT_FOUND)
        return found


class PaymentRefunds:
    """The port ``Refunds`` over the hospital's payments: lines of one payment at a time."""

    def __init__(
        self, *, institution: InstitutionCode, database: Database, payments: Payments
    ) -> None:
        self._institution = institution
        self._database = database
        self._payments = payments

    def refund(
        self,
        *,
        command_id: CommandId,
        encounter_no: EncounterNo,
        quantities: Mapping[ChargeItemNo, Decimal],
        reason: str,  # noqa: ARG002 - kept with the return
    ) -> RefundDone:
        """See :class:`Refunds`.

        Raises:
            Refused: ``hospital.return_of_two_payments``; as :meth:`Payments.refund_items`.
        """
        lines = self._database.read(
            lambda connection: orders.every_item_of(connection, self._institution, encounter_no)
        )
        back = [line for line in lines if line.feedetl_sn in quantities]
        left = {line.feedetl_sn: line.cnt - quantities[line.feedetl_sn] for line in back}
        done = self._payments.refund_items(
            command_id=command_id,
            payment=self._payment_of(encounter_no, back),
            items=quantities.keys(),
            keep={number: kept for number, kept in left.items() if kept},
        )
        if done.back is None:
            raise Refused(DISPENSE_NOT_FOUND)
        sources = done.back
        parts = (sources.fund_fen, sources.account_fen, sources.wallet_fen, sources.window_fen)
        return RefundDone(total(parts), done.instead)

    def _payment_of(self, encounter_no: EncounterNo, lines: Sequence[ChargeItem]) -> CommandId:
        batches = self._database.read(
            lambda connection: orders.batches_of(connection, self._institution, encounter_no)
        )
        numbers = {line.chrg_bchno for line in lines}
        holders = {batch.held_by for batch in batches if batch.chrg_bchno in numbers}
        payment = holders.pop() if len(holders) == 1 else None
        if payment is None:
            raise Refused(RETURN_OF_TWO_PAYMENTS)
        return payment
