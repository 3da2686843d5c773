"""Use cases of the pharmacy: review, prepare, pay and release in one scan, deliver in part.

**How a release survives a crash.** The boxes are told to the insurer before anybody pays, under
the lines' own numbers, so the fund's side is right when the money moves; telling again changes
nothing. Then:

1. ``bill`` stores what is about to be told, tells it, prepares the payment of the open batch
   where something is not paid, and stores the handover as ``ready`` with what the person confirms.
2. ``release`` checks who stands there, stores them (``paying``), and lets the payments saga settle
   on that one confirmation.
3. Only when the lines are settled and paid, one transaction moves the stock, counts the lines and
   marks the boxes.

Power lost before 3 leaves ``paying``, which :meth:`Dispensing.unreleased` shows: the same command
goes on, without another scan once the payment was sent. Unknown outcomes stay ``paying`` until
the resolver of payments has ended them. A payment that came to nothing leads back to
``prepared``.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    StaffId,
    TerminalId,
    new_identifier,
)
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.hospital.dispensing import store
from shualian.hospital.dispensing.collectors.service import Collectors, is_of_another
from shualian.hospital.dispensing.model import (
    DISPENSE_CODE_USED,
    DISPENSE_EXPIRED,
    DISPENSE_NO_MEDICINE,
    DISPENSE_NOT_FOUND,
    DISPENSE_OTHER_BILL,
    DISPENSE_OTHER_PERSON,
    DISPENSE_PROOF_USED,
    DISPENSE_STEP,
    LISTED_STATES,
    UNDER_WAY,
    Collector,
    DispenseRequest,
    DispensingPolicy,
    Handover,
    HandoverNo,
    HandoverPart,
    HandoverState,
    Picked,
    PrescribedLine,
    Proxy,
    RequestNo,
    RequestState,
    Standing,
    Unreleased,
    check_may_release,
    check_paid,
    check_picked,
    check_traced,
    handover_moved,
    may_withdraw,
    missing_of,
    moved,
    new_line,
    released,
    reviewed,
    stood_by,
    trace_line,
)
from shualian.hospital.dispensing.ports import Prescriptions
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import ENCOUNTER_NOT_FOUND, Encounter
from shualian.hospital.model import (
    COMMAND_DIFFERS,
    FUND_REFUSED,
    NOTHING_SAID,
    Evidence,
    FeeSplit,
    TraceEnding,
    TraceTelling,
)
from shualian.hospital.orders import store as orders
from shualian.hospital.payments import store as payment_store
from shualian.hospital.payments.model import (
    NOT_SENT,
    NOT_SETTLED,
    PAYMENT_NOT_FOUND,
    Payment,
    PaymentState,
    new_slip_no,
    parse_slip_no,
)
from shualian.hospital.payments.service import Payments
from shualian.hospital.ports import Calls, FaceProofs, FieldSealer, InsurerPlatform, ask_insurer
from shualian.hospital.records.service import Records
from shualian.hospital.stock import store as stock
from shualian.hospital.stock.model import Movement, MovementKind, Place, picked
from shualian.staff.model import Caller, Role, check_role

_PHARMACIST = frozenset((Role.PHARMACIST,))
_DOCTOR = frozenset((Role.DOCTOR,))
_ENDINGS_MAX = 500


@dataclass(frozen=True, slots=True)
class _Case:
    """A handover with everything that decides about it."""

    request: DispenseRequest
    handover: Handover
    standings: Mapping[ChargeItemNo, Standing]

    def standing(self, part: HandoverPart) -> Standing:
        """Whether a part's line is paid."""
        return self.standings[self.request.line(part.line_no).feedetl_sn]

    @property
    def unpaid(self) -> bool:
        """Whether something of it is still to be paid."""
        return any(standing is Standing.OPEN for standing in self.standings.values())


class Dispensing:
    """The pharmacy of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        records: Records,
        payments: Payments,
        prescriptions: Prescriptions,
        proofs: FaceProofs,
        insurer: InsurerPlatform,
        sealer: FieldSealer,
        calls: Calls | None = None,
        policy: DispensingPolicy | None = None,
    ) -> None:
        """Describe it; without ``calls`` no terminal can be told for whom it waits."""
        self._institution = institution
        self._database = database
        self._clock = clock
        self._payments = payments
        self._prescriptions = prescriptions
        self._insurer = insurer
        self._collectors = Collectors(
            institution=institution, records=records, proofs=proofs, sealer=sealer
        )
        self._calls = calls
        self._policy = policy or DispensingPolicy()

    def open(self, *, command_id: CommandId, encounter_no: EncounterNo) -> DispenseRequest:
        """Put an encounter's medicine that is on no request yet into the pharmacy's queue.

        For medicine that no prescription was signed for here; once for a command.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``encounter_not_open``,
                ``dispense_no_medicine``, ``command_differs``.
        """
        request_no, now = RequestNo(new_identifier()), self._clock.now()

        def work(connection: Connection) -> DispenseRequest:
            earlier = store.request_of_command(connection, self._institution, command_id)
            if earlier is not None:
                if earlier.encounter_no != encounter_no:
                    raise Refused(COMMAND_DIFFERS)
                return earlier
            encounter = self._encounter(connection, encounter_no)
            lines = self._not_requested(connection, encounter_no)
            if not lines:
                raise Refused(DISPENSE_NO_MEDICINE)
            new = self._new(connection, command_id, request_no, encounter, lines, now)
            store.add_request(connection, new)
            return new

        return self._database.write(work)

    def prescribed(
        self, connection: Connection, *, command_id: CommandId, encounter_no: EncounterNo
    ) -> None:
        """A prescription was signed: its medicine is in the queue from now on; again nothing.

        Part of another use case's transaction; the request has the command that charged it.

        Raises:
            Refused: ``hospital.encounter_not_found``.
        """
        if store.request_of_command(connection, self._institution, command_id) is not None:
            return
        waiting = self._not_requested(connection, encounter_no)
        lines = [line for line in waiting if line.ordered_by == command_id]
        if not lines:
            return
        request_no, now = RequestNo(new_identifier()), self._clock.now()
        encounter = self._encounter(connection, encounter_no)
        new = self._new(connection, command_id, request_no, encounter, lines, now)
        store.add_request(connection, new)

    def withdrawn(self, connection: Connection, *, command_id: CommandId) -> None:
        """A prescription was withdrawn: what it asked for leaves the queue; again nothing.

        Part of another use case's transaction. What was given out, or came back, stays as it is.
        """
        request = store.request_of_command(connection, self._institution, command_id)
        if request is None or not may_withdraw(request):
            return
        under_way = store.open_handover(connection, self._institution, request.request_no)
        if under_way is not None:
            if under_way.state is HandoverState.PAYING:
                # Its payment has ended, or the prescription could not have been withdrawn.
                under_way = handover_moved(under_way, HandoverState.PREPARED)
            self._drop(connection, under_way)
        store.put_request(connection, moved(request, RequestState.WITHDRAWN))

    def withdraw(self, *, request_no: RequestNo) -> DispenseRequest:
        """Take a request back whose orders were withdrawn; nothing of it may be under way.

        Raises:
            Refused: ``hospital.dispense_not_found``, ``dispense_step``.
        """

        def work(connection: Connection) -> DispenseRequest:
            request = self._request(connection, request_no)
            if request.state is RequestState.WITHDRAWN:
                return request
            under_way = store.open_handover(connection, self._institution, request_no)
            after = moved(request, RequestState.WITHDRAWN)
            if under_way is not None:
                self._drop(connection, under_way)
            store.put_request(connection, after)
            return after

        return self._database.write(work)

    def get(self, *, request_no: RequestNo) -> DispenseRequest:
        """A request as it stands.

        Raises:
            Refused: ``hospital.dispense_not_found``.
        """
        return self._database.read(lambda connection: self._request(connection, request_no))

    def by_slip(self, caller: Caller, *, slip_no: str) -> DispenseRequest:
        """The request whose rest is owed under a slip, as somebody reads it from paper.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.slip_not_found``, ``dispense_not_found``.
        """
        check_role(caller, _PHARMACIST)
        read = parse_slip_no(slip_no)
        found = self._database.read(
            lambda connection: store.request_of_slip(connection, self._institution, read)
        )
        if found is None:
            raise Refused(DISPENSE_NOT_FOUND)
        return found

    def of_encounter(self, *, encounter_no: EncounterNo) -> Sequence[DispenseRequest]:
        """The requests of an encounter: what a patient asks for at a terminal."""
        return self._database.read(
            lambda connection: store.requests_of(connection, self._institution, encounter_no)
        )

    def ahead_of(self, request: DispenseRequest) -> int:
        """How many of the same day stand before a request and are not given out."""
        if request.state not in LISTED_STATES:
            return 0
        before = self._database.read(
            lambda connection: store.requests_in(
                connection, self._institution, LISTED_STATES, day=request.day
            )
        )
        return sum(each.queue_place < request.queue_place for each in before)

    def waiting(self, caller: Caller) -> Sequence[DispenseRequest]:
        """What the pharmacy has to do, in the order of the numbers.

        Raises:
            Refused: ``staff.role_missing``.
        """
        check_role(caller, _PHARMACIST)
        return self._database.read(
            lambda connection: store.requests_in(connection, self._institution, LISTED_STATES)
        )

    def handover(self, caller: Caller, *, request_no: RequestNo) -> Handover | None:
        """The handover of a request that is under way, if there is one.

        Raises:
            Refused: ``staff.role_missing``.
        """
        check_role(caller, _PHARMACIST)
        return self._database.read(
            lambda connection: store.open_handover(connection, self._institution, request_no)
        )

    def unreleased(self, caller: Caller) -> Sequence[Unreleased]:
        """What people have confirmed and nobody has handed out yet, the oldest first.

        Raises:
            Refused: ``staff.role_missing``.
        """
        check_role(caller, _PHARMACIST)

        def work(connection: Connection) -> Sequence[Unreleased]:
            paying = store.handovers_in(connection, self._institution, HandoverState.PAYING)
            return [Unreleased(each, self._is_settled(connection, each)) for each in paying]

        return self._database.read(work)

    def call(
        self, caller: Caller, *, request_no: RequestNo, terminal_id: TerminalId
    ) -> DispenseRequest:
        """Call a number to the window: its terminal waits for this one patient, 1:1.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.dispense_not_found``, ``dispense_step``
                when nothing waits to be handed out; what refuses the call.
        """
        check_role(caller, _PHARMACIST)
        request = self.get(request_no=request_no)
        if request.state not in LISTED_STATES or self._calls is None:
            raise Refused(DISPENSE_STEP, found=request.state.value, asked="call")
        self._calls.call(terminal_id, request.psn_no)
        return request

    def review(
        self, caller: Caller, *, request_no: RequestNo, refused_because: str = ""
    ) -> DispenseRequest:
        """Review a prescription (审方); with a reason it goes back to its doctor.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.dispense_not_found``, ``dispense_step``,
                ``dispense_lines``.
        """
        check_role(caller, _PHARMACIST)
        now = self._clock.now()
        return self._change(
            request_no,
            lambda request: reviewed(
                request, caller.staff_id, now=now, refused_because=refused_because
            ),
        )

    def stand_by(self, caller: Caller, *, request_no: RequestNo, note: str) -> DispenseRequest:
        """The doctor answers a refused review: stands by the prescription, and why (双签字).

        Raises:
            Refused: ``staff.role_missing``, ``hospital.dispense_not_found``, ``dispense_step``,
                ``dispense_lines``.
        """
        check_role(caller, _DOCTOR)
        return self._change(request_no, lambda request: stood_by(request, note=note))

    def prepare(
        self, caller: Caller, *, request_no: RequestNo, taken: Sequence[Picked]
    ) -> Handover:
        """Take off the shelf and scan what goes out now; it is set aside until it has gone out.

        Batches are chosen by expiry. Again, it takes the place of what was prepared before. What
        is short is left out or given as a smaller quantity, and owed.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.dispense_not_found``, ``dispense_step``,
                ``dispense_lines``, ``stock_short``, ``dispense_code_used``; what keeps a
                confirmed payment from being given up.
        """
        check_role(caller, _PHARMACIST)
        self._unblock(request_no)
        self.tell_endings()
        number, now = HandoverNo(new_identifier()), self._clock.now()

        def work(connection: Connection) -> Handover:
            request = self._request(connection, request_no)
            check_picked(request, taken)
            before = store.open_handover(connection, self._institution, request_no)
            kept = {code for each in taken for code in each.codes}
            if before is not None:
                self._drop(connection, before, but=kept)
            self._check_codes(connection, kept, before)
            handover = Handover(
                handover_no=number,
                institution=self._institution,
                request_no=request_no,
                parts=self._set_aside(connection, request, taken, now),
                prepared_by=caller.staff_id,
                prepared_at=now,
                told=before is not None and before.told,
            )
            store.add_handover(connection, handover)
            if request.state is RequestState.REVIEWED:
                store.put_request(connection, moved(request, RequestState.PREPARED))
            return handover

        return self._database.write(work)

    def bill(self, caller: Caller, *, command_id: CommandId, request_no: RequestNo) -> Handover:
        """Make a prepared handover ready for the person: boxes told, bill known; moves no money.

        The person confirms its ``intent_id`` next; where it ``pays``, for the amount of the
        payment with the same command. A repeated command is answered as the first time.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.dispense_not_found``, ``dispense_step``,
                ``command_differs``, ``dispense_trace_missing``, ``dispense_cash_open``,
                ``dispense_not_paid``, ``dispense_other_bill``; ``insurer.trace_used`` for a box
                that was sold before; what refuses a bill.
        """
        check_role(caller, _PHARMACIST)
        earlier = self._of_command(command_id)
        if earlier is not None:
            if earlier.request_no != request_no:
                raise Refused(COMMAND_DIFFERS)
            return earlier
        self._unblock(request_no)
        case = self._database.write(lambda connection: self._about_to_tell(connection, request_no))
        splits = ask_insurer(self._insurer.tell_traces, self._telling(case))
        self._database.write(lambda connection: self._told(connection, case, splits))
        payment = self._bill_of(case, command_id) if case.unpaid else None
        intent_id = IntentId(new_identifier()) if payment is None else payment.intent_id
        return self._database.write(
            lambda connection: self._ready(
                connection, case, command_id, intent_id, pays=payment is not None
            )
        )

    def release(
        self,
        caller: Caller,
        *,
        command_id: CommandId,
        evidence: Evidence | None = None,
        proxy: Proxy | None = None,
        from_wallet_fen: Fen = ZERO,
    ) -> DispenseRequest:
        """Hand out what is ready, on one confirmation; pays on the same where it is not paid.

        A repeated command is answered, or goes on, from what is stored; a proof is looked at only
        the first time.

        Args:
            caller: Who hands it out; by default not who reviewed it.
            command_id: Of :meth:`bill`.
            evidence: That the patient, or a relative whom the insurer knows, confirmed it. May be
                left out where a proxy collects what is paid, and when the command goes on.
            proxy: Who collects for the patient; moves no money.
            from_wallet_fen: As in ``Payments.settle``.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.dispense_not_found``, ``dispense_step``,
                ``dispense_other_person``, ``dispense_proxy_cannot_pay``,
                ``dispense_evidence_missing``, ``dispense_proof_used``, ``intent_differs``,
                ``scene_not_allowed``, ``proof_not_fitting``; what refuses or delays the payment:
                then nothing goes out; ``dispense_cash_open``, ``dispense_not_paid``,
                ``dispense_expired``.
        """
        check_role(caller, _PHARMACIST)
        case = self._found_case(command_id)
        if case.handover.state is HandoverState.RELEASED:
            return case.request
        check_may_release(case.request, caller.staff_id, policy=self._policy)
        if self._is_unconfirmed(case, command_id):
            collector, evidence = self._collectors.who(case.request, case.handover, evidence, proxy)
            case = self._database.write(
                lambda connection: self._confirmed(connection, command_id, collector)
            )
        if case.handover.pays:
            self._pay(command_id, evidence, from_wallet_fen)
        outcome = self._database.write(
            lambda connection: self._release(connection, command_id, caller.staff_id)
        )
        if isinstance(outcome, Refused):
            raise outcome
        return outcome

    def tell_endings(self) -> int:
        """Tell the insurer of boxes that came back or never went out; how many are left to tell.

        The resolver runs it; what has no answer is told again.
        """
        pending = self._database.read(
            lambda connection: store.pending_endings(connection, self._institution, _ENDINGS_MAX)
        )
        left = 0
        for _, of_cause in groupby(pending, key=lambda each: (each.cause, each.handed_out)):
            group = list(of_cause)
            with suppress(Refused):
                self._tell_ending(group)
                continue
            left += len(group)
        return left

    def _not_requested(
        self, connection: Connection, encounter_no: EncounterNo
    ) -> Sequence[PrescribedLine]:
        """Medicine of an encounter that is on no request yet."""
        medicine = self._prescriptions.medicine(connection, encounter_no)
        numbers = [line.feedetl_sn for line in medicine]
        known = store.on_requests(connection, self._institution, numbers)
        return [line for line in medicine if line.feedetl_sn not in known]

    def _encounter(self, connection: Connection, encounter_no: EncounterNo) -> Encounter:
        found = encounters.by_number(connection, self._institution, encounter_no)
        if found is None:
            raise Refused(ENCOUNTER_NOT_FOUND)
        return found.encounter

    def _new(
        self,
        connection: Connection,
        command_id: CommandId,
        request_no: RequestNo,
        encounter: Encounter,
        new: Sequence[PrescribedLine],
        now: datetime,
    ) -> DispenseRequest:
        day = business_date(now)
        return DispenseRequest(
            request_no=request_no,
            institution=self._institution,
            command_id=command_id,
            encounter_no=encounter.encounter_no,
            record_no=encounter.record_no,
            psn_no=encounter.psn_no,
            mdtrt_id=encounter.visit_id,
            dr_code=new[0].dr_code,
            dr_name=new[0].dr_name,
            day=day,
            queue_place=store.next_place(connection, self._institution, day),
            opened_at=now,
            lines=tuple(new_line(place, line) for place, line in enumerate(new)),
        )

    def _set_aside(
        self,
        connection: Connection,
        request: DispenseRequest,
        taken: Sequence[Picked],
        now: datetime,
    ) -> tuple[HandoverPart, ...]:
        parts = []
        for each in taken:
            line = request.line(each.line_no)
            batches = stock.of_medicine(connection, self._institution, line.medins_list_codg)
            picks = picked(batches, each.quantity, today=business_date(now))
            # Before the next line is picked: two lines may be of the same medicine.
            stock.set_aside(connection, picks)
            parts.append(HandoverPart(each, missing_of(line, each), picks))
        return tuple(parts)

    def _check_codes(
        self, connection: Connection, codes: Collection[str], before: Handover | None
    ) -> None:
        but = None if before is None else before.handover_no
        if store.taken_codes(connection, self._institution, codes, but=but):
            raise Refused(DISPENSE_CODE_USED)

    def _drop(
        self, connection: Connection, handover: Handover, *, but: Collection[str] = ()
    ) -> None:
        """A handover never comes to be: its stock and boxes are free again."""
        stock.let_go(connection, handover.picks)
        store.put_boxes(connection, handover.handover_no, store.BoxState.DROPPED)
        store.put_handover(connection, handover_moved(handover, HandoverState.DROPPED))
        if handover.told:
            store.add_endings(
                connection,
                self._institution,
                handover.request_no,
                cause=handover.handover_no,
                codes=[code for code in handover.codes if code not in but],
                handed_out=False,
            )

    def _unblock(self, request_no: RequestNo) -> None:
        """Give up a confirmation whose payment came to nothing, or was never sent."""
        found = self._database.read(
            lambda connection: store.open_handover(connection, self._institution, request_no)
        )
        if found is None or found.command_id is None:
            return
        command_id = found.command_id
        if not found.pays:
            # Confirmed and not released: what was paid then is not paid any more, or nobody waited.
            self._database.write(lambda connection: self._back_to_prepared(connection, command_id))
            return
        payment = self._payments.get(command_id=command_id)
        if payment.state in NOT_SENT:
            payment = self._payments.withdraw(command_id=command_id)
        if payment.state in NOT_SETTLED:
            self._database.write(lambda connection: self._back_to_prepared(connection, command_id))

    def _back_to_prepared(self, connection: Connection, command_id: CommandId) -> None:
        found = store.handover_of(connection, self._institution, command_id)
        if found is None or found.state not in {HandoverState.READY, HandoverState.PAYING}:
            return
        after = handover_moved(found, HandoverState.PREPARED)
        after = replace(after, command_id=None, pays=False, intent_id=None, collector=None)
        store.put_handover(connection, after)

    def _about_to_tell(self, connection: Connection, request_no: RequestNo) -> _Case:
        request = self._request(connection, request_no)
        handover = store.open_handover(connection, self._institution, request_no)
        if handover is None or handover.state is HandoverState.PAYING:
            raise Refused(DISPENSE_STEP, found=request.state.value, asked="bill")
        case = self._case(connection, request, handover)
        for part in handover.parts:
            check_traced(request.line(part.line_no), part, case.standing(part))
        if not case.unpaid:
            check_paid(case.standings)
        if not handover.told:
            store.put_handover(connection, replace(handover, told=True))
        return case

    def _telling(self, case: _Case) -> TraceTelling:
        request = case.request
        return TraceTelling(
            fixmedins_code=self._institution,
            psn_no=request.psn_no,
            mdtrt_id=request.mdtrt_id,
            lines=tuple(
                trace_line(request.line(part.line_no), part) for part in case.handover.parts
            ),
        )

    def _told(self, connection: Connection, case: _Case, splits: Sequence[FeeSplit]) -> None:
        """The insurer knows the boxes: its splits of the lines are newer than ours."""
        orders.replace_splits(connection, splits)
        # Said again with every later upload: of what stays after a refund, of lines that moved.
        for flag, numbers in _flags(case).items():
            orders.flag_items(connection, self._institution, numbers, flag)
        request = self._request(connection, case.request.request_no)
        store.put_request(connection, _traced(request, case))

    def _bill_of(self, case: _Case, command_id: CommandId) -> Payment:
        encounter_no = case.request.encounter_no
        payment = self._payments.prepare(command_id=command_id, encounter_no=encounter_no)
        items = self._database.read(
            lambda connection: orders.items_of_batch(
                connection, self._institution, payment.chrg_bchno
            )
        )
        billed = {item.feedetl_sn for item in items}
        open_lines = {
            number for number, standing in case.standings.items() if standing is Standing.OPEN
        }
        if not open_lines <= billed:
            self._payments.withdraw(command_id=command_id)
            raise Refused(DISPENSE_OTHER_BILL)
        return payment

    def _ready(
        self,
        connection: Connection,
        case: _Case,
        command_id: CommandId,
        intent_id: IntentId,
        *,
        pays: bool,
    ) -> Handover:
        number = case.handover.handover_no
        found = store.open_handover(connection, self._institution, case.request.request_no)
        if found is None or found.handover_no != number:
            raise Refused(DISPENSE_STEP, found="prepared anew", asked="bill")
        after = replace(
            handover_moved(found, HandoverState.READY),
            command_id=command_id,
            pays=pays,
            intent_id=intent_id,
            told=True,
        )
        store.put_handover(connection, after)
        return after

    def _found_case(self, command_id: CommandId) -> _Case:
        case = self._database.read(lambda connection: self._case_of(connection, command_id))
        if case is not None:
            return case
        try:
            # A command whose payment was refused is refused again in the same words.
            self._payments.resolve(command_id=command_id)
        except Refused as refused:
            if refused.kind is not PAYMENT_NOT_FOUND:
                raise
        raise Refused(DISPENSE_NOT_FOUND)

    def _is_unconfirmed(self, case: _Case, command_id: CommandId) -> bool:
        """Whether nobody has confirmed it, as far as the outside world can know."""
        if case.handover.state is not HandoverState.PAYING:
            return True
        return case.handover.pays and self._payments.get(command_id=command_id).state in NOT_SENT

    def _confirmed(
        self, connection: Connection, command_id: CommandId, collector: Collector
    ) -> _Case:
        """Store who confirmed; somebody who pays is ``paying`` from now on."""
        case = self._known_case(connection, command_id)
        handover = case.handover
        if handover.state not in {HandoverState.READY, HandoverState.PAYING}:
            return case
        digest = collector.proof_digest
        if digest is not None and store.proof_is_used(
            connection, self._institution, digest, by=handover.handover_no
        ):
            raise Refused(DISPENSE_PROOF_USED)
        if handover.state is HandoverState.READY:
            handover = handover_moved(handover, HandoverState.PAYING)
        after = replace(handover, collector=collector)
        store.put_handover(connection, after)
        return replace(case, handover=after)

    def _pay(self, command_id: CommandId, evidence: Evidence | None, from_wallet_fen: Fen) -> None:
        """Let the saga come to its end; only a settled payment comes back from here."""
        try:
            if evidence is None:
                self._payments.resolve(command_id=command_id)
            else:
                self._payments.settle(
                    command_id=command_id, evidence=evidence, from_wallet_fen=from_wallet_fen
                )
        except Refused as refused:
            self._give_up(command_id)
            if is_of_another(refused):
                raise Refused(DISPENSE_OTHER_PERSON) from refused
            raise

    def _give_up(self, command_id: CommandId) -> None:
        """After a refusal: back to prepared, if the payment came to nothing for good."""
        if self._payments.get(command_id=command_id).state in NOT_SETTLED:
            self._database.write(lambda connection: self._back_to_prepared(connection, command_id))

    def _release(
        self, connection: Connection, command_id: CommandId, by: StaffId
    ) -> DispenseRequest | Refused:
        case = self._known_case(connection, command_id)
        handover, now = case.handover, self._clock.now()
        if handover.state is HandoverState.RELEASED:
            return case.request
        if handover.state is not HandoverState.PAYING:
            raise Refused(DISPENSE_STEP, found=handover.state.value, asked="release")
        check_paid(case.standings)
        for part in handover.parts:
            check_traced(case.request.line(part.line_no), part, case.standing(part))
        if self._has_expired(connection, handover, now):
            # Kept as it is paid: what is on the shelf is picked anew.
            self._drop(connection, handover_moved(handover, HandoverState.PREPARED))
            return Refused(DISPENSE_EXPIRED)
        self._take_out(connection, handover, by, now)
        gone = handover_moved(handover, HandoverState.RELEASED)
        store.put_handover(connection, replace(gone, released_by=by, released_at=now))
        store.put_boxes(connection, handover.handover_no, store.BoxState.RELEASED)
        after = released(case.request, handover.parts, now=now)
        if after.owed and after.slip_no is None:
            after = replace(after, slip_no=self._new_slip(connection))
        store.put_request(connection, after)
        return after

    def _has_expired(self, connection: Connection, handover: Handover, now: datetime) -> bool:
        today = business_date(now)
        batches = [
            stock.by_id(connection, self._institution, pick.batch_id) for pick in handover.picks
        ]
        return any(batch is None or not batch.usable_on(today) for batch in batches)

    def _take_out(
        self, connection: Connection, handover: Handover, by: StaffId, now: datetime
    ) -> None:
        stock.let_go(connection, handover.picks)
        for pick in handover.picks:
            gone = Movement(
                institution=self._institution,
                cause=handover.handover_no,
                batch_id=pick.batch_id,
                place=Place.SHELF,
                kind=MovementKind.DISPENSED,
                quantity=-pick.quantity,
                by=by,
                at=now,
            )
            stock.move(connection, gone)

    def _new_slip(self, connection: Connection) -> str:
        slip_no = new_slip_no()
        while store.request_of_slip(connection, self._institution, slip_no) is not None:
            slip_no = new_slip_no()
        return slip_no

    def _tell_ending(self, group: Sequence[store.PendingEnding]) -> None:
        request = self.get(request_no=group[0].request_no)
        ending = TraceEnding(
            fixmedins_code=self._institution,
            psn_no=request.psn_no,
            mdtrt_id=request.mdtrt_id,
            codes=tuple(each.code for each in group),
            handed_out=group[0].handed_out,
        )
        ask_insurer(self._insurer.end_traces, ending)
        now = self._clock.now()
        self._database.write(
            lambda connection: store.endings_told(connection, self._institution, group, at=now)
        )

    def _is_settled(self, connection: Connection, handover: Handover) -> bool:
        if not handover.pays or handover.command_id is None:
            return True
        found = payment_store.by_command(connection, self._institution, handover.command_id)
        return found is not None and found.payment.state is PaymentState.SETTLED

    def _of_command(self, command_id: CommandId) -> Handover | None:
        return self._database.read(
            lambda connection: store.handover_of(connection, self._institution, command_id)
        )

    def _known_case(self, connection: Connection, command_id: CommandId) -> _Case:
        case = self._case_of(connection, command_id)
        if case is None:
            raise Refused(DISPENSE_NOT_FOUND)
        return case

    def _case_of(self, connection: Connection, command_id: CommandId) -> _Case | None:
        handover = store.handover_of(connection, self._institution, command_id)
        if handover is None:
            return None
        if handover.state not in UNDER_WAY | {HandoverState.RELEASED}:
            raise Refused(DISPENSE_STEP, found=handover.state.value, asked="release")
        request = self._request(connection, handover.request_no)
        return self._case(connection, request, handover)

    def _case(self, connection: Connection, request: DispenseRequest, handover: Handover) -> _Case:
        numbers = [request.line(part.line_no).feedetl_sn for part in handover.parts]
        standings = self._prescriptions.standings(connection, request.encounter_no, numbers)
        return _Case(request, handover, standings)

    def _change(
        self, request_no: RequestNo, change: Callable[[DispenseRequest], DispenseRequest]
    ) -> DispenseRequest:
        def work(connection: Connection) -> DispenseRequest:
            after = change(self._request(connection, request_no))
            store.put_request(connection, after)
            return after

        return self._database.write(work)

    def _request(self, connection: Connection, request_no: RequestNo) -> DispenseRequest:
        found = store.request_of(connection, self._institution, request_no)
        if found is None:
            raise Refused(DISPENSE_NOT_FOUND)
        return found


def _flags(case: _Case) -> Mapping[str, Sequence[ChargeItemNo]]:
    """What is said of the lines whose boxes were told, while nobody has paid for them."""
    flags: dict[str, list[ChargeItemNo]] = {}
    for part in case.handover.parts:
        if case.standing(part) is Standing.OPEN:
            flag = FUND_REFUSED if part.missing > 0 else NOTHING_SAID
            flags.setdefault(flag, []).append(case.request.line(part.line_no).feedetl_sn)
    return flags


def _traced(request: DispenseRequest, case: _Case) -> DispenseRequest:
    """The request after its boxes were told: which lines are wholly self-paid for want of codes."""
    told = {part.line_no: part for part in case.handover.parts}
    lines = []
    for line in request.lines:
        part = told.get(line.line_no)
        if part is not None and case.standing(part) is Standing.OPEN:
            line = replace(line, untraced=part.missing > 0)  # noqa: PLW2901
        lines.append(line)
    return replace(request, lines=tuple(lines))
