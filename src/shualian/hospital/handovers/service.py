"""Use cases of a face at a desk: ask the terminal beside it, hand over, use.

Everything lives in the memory of the one process that serves the hospital, for minutes: nothing of
a proof is ever written, and after a power cut the desk asks again.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from threading import Lock

from shualian.core.clock import Clock
from shualian.core.identifiers import (
    CommandId,
    InstitutionCode,
    IntentId,
    RecordNo,
    StaffId,
    TerminalId,
    new_identifier,
)
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.hospital.clinical.model import OrderNo
from shualian.hospital.dispensing.model import DISPENSE_STEP, HandoverState, RequestNo
from shualian.hospital.dispensing.service import Dispensing
from shualian.hospital.examinations.service import Examinations
from shualian.hospital.handovers.model import (
    ASKED_FOR,
    HANDOVER_NOT_ASKED,
    Asked,
    AskedNo,
    AskedState,
    Desk,
    Wanted,
    handed_over,
)
from shualian.hospital.model import HANDOVER_GONE, AtTerminal, FaceEvidence, check_proof
from shualian.hospital.payments.model import NOT_SENT, Payment
from shualian.hospital.payments.service import Payments
from shualian.hospital.ports import Calls, FaceProofs
from shualian.hospital.records.model import PatientRecord
from shualian.hospital.records.service import Records
from shualian.staff.model import Caller


class FacesAtDesks:
    """What the desks of one hospital asked of their terminals."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        clock: Clock,
        calls: Calls,
        proofs: FaceProofs,
        records: Records,
        payments: Payments,
        dispensing: Dispensing,
        examinations: Examinations,
    ) -> None:
        self._institution = institution
        self._clock = clock
        self._calls = calls
        self._proofs = proofs
        self._records = records
        self._payments = payments
        self._dispensing = dispensing
        self._examinations = examinations
        self._lock = Lock()
        self._by_terminal: dict[TerminalId, Asked] = {}

    def ask_to_pay(
        self,
        caller: Caller,
        *,
        desk: Desk,
        terminal_id: TerminalId,
        payment: CommandId,
        from_wallet: bool = False,
    ) -> Asked:
        """Have the terminal scan for exactly this bill of exactly this person.

        Args:
            caller: Who asks.
            desk: Of the cashier or at the bed.
            terminal_id: Beside the desk.
            payment: Prepared, or waiting under its slip.
            from_wallet: Whether the own share is to come from the agreed account, where there is
                one.

        Raises:
            Refused: ``hospital.payment_not_found``, ``handover_not_asked`` for a bill that needs
                no confirmation; what refuses the call.
        """
        found = self._payments.get(command_id=payment)
        if found.state not in NOT_SENT:
            raise Refused(HANDOVER_NOT_ASKED, found=found.state.value)
        share = self._share(found) if from_wallet else ZERO
        return self._ask(caller, desk, terminal_id, self._bill(found), share)

    def ask_to_collect(
        self,
        caller: Caller,
        *,
        terminal_id: TerminalId,
        request_no: RequestNo,
        from_wallet: bool = False,
    ) -> Asked:
        """Have the terminal scan for exactly the medicine that is ready for this patient.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.dispense_not_found``, ``dispense_step``
                while nothing is ready; what refuses the call.
        """
        handover = self._dispensing.handover(caller, request_no=request_no)
        if handover is None or handover.state is not HandoverState.READY:
            found = "" if handover is None else handover.state.value
            raise Refused(DISPENSE_STEP, found=found, asked="scan")
        if handover.command_id is None or handover.intent_id is None:
            raise Refused(DISPENSE_STEP, found=handover.state.value, asked="scan")
        if handover.pays:
            bill = self._payments.get(command_id=handover.command_id)
            share = self._share(bill) if from_wallet else ZERO
            wanted = replace(self._bill(bill), intent_id=handover.intent_id)
            return self._ask(caller, Desk.PHARMACY, terminal_id, wanted, share)
        request = self._dispensing.get(request_no=request_no)
        record = self._records.get(record_no=request.record_no)
        wanted = Wanted(
            psn_no=request.psn_no,
            masked_name=record.masked_name,
            intent_id=handover.intent_id,
        )
        return self._ask(caller, Desk.PHARMACY, terminal_id, wanted, ZERO)

    def ask_to_admit(
        self, caller: Caller, *, terminal_id: TerminalId, record_no: RecordNo
    ) -> Asked:
        """Have the terminal scan for the admission of exactly the person of a record.

        Raises:
            Refused: ``hospital.record_not_found``, ``handover_not_asked`` for a record of which
                nobody knows whose it is; what refuses the call.
        """
        record = self._records.get(record_no=record_no)
        return self._ask(caller, Desk.ADMISSION, terminal_id, _presence(record), ZERO)

    def ask_to_arrive(self, caller: Caller, *, terminal_id: TerminalId, order_no: OrderNo) -> Asked:
        """Have the terminal scan for the arrival of exactly the patient of a paid order.

        Raises:
            Refused: ``hospital.order_not_found``, ``not_examined_here``, ``order_not_paid``,
                ``examination_step`` when they are here already; what refuses the call.
        """
        record_no = self._examinations.expected(order_no=order_no)
        record = self._records.get(record_no=record_no)
        return self._ask(caller, Desk.EXAMINATION, terminal_id, _presence(record), ZERO)

    def get(self, caller: Caller, *, asked_no: AskedNo) -> Asked:
        """How an asking stands.

        Raises:
            Refused: ``hospital.handover_gone``.
        """
        return self._own(asked_no, caller.staff_id)

    def end(self, caller: Caller, *, asked_no: AskedNo) -> None:
        """Ask no more; what was handed over is forgotten."""
        with suppress(Refused):
            asked = self._own(asked_no, caller.staff_id)
            with self._lock:
                self._by_terminal.pop(asked.terminal_id, None)
            # A call that nobody can end now ends by itself.
            self._calls.end_call(asked.terminal_id)

    def at(self, terminal: AtTerminal) -> Asked | None:
        """What this terminal is asked for now; nothing once it has handed over."""
        asked = self._alive(terminal.terminal_id)
        return None if asked is None or asked.evidence is not None else asked

    def hand_over(
        self,
        terminal: AtTerminal,
        *,
        asked_no: AskedNo,
        evidence: FaceEvidence,
        from_wallet: bool = False,
    ) -> Asked:
        """Take what the person has just confirmed; again changes nothing.

        Without ``from_wallet``, which is the person's own yes at this scan, the own share stays
        for the window.

        Raises:
            Refused: ``hospital.handover_not_asked``, ``proof_not_fitting``,
                ``scene_not_allowed``; what refuses the proof.
        """
        asked = self._asked_here(terminal, asked_no)
        proof = self._proofs.check(evidence.auth_no, expected_institution=self._institution)
        shown_by = check_proof(evidence, proof, frozenset((asked.scene,)))

        def take(now: Asked) -> Asked:
            share = now.from_wallet_fen if from_wallet else ZERO
            after = handed_over(now, evidence, shown_by=shown_by, until=proof.expires_at)
            return replace(after, from_wallet_fen=share)

        return self._change(terminal, asked_no, take)

    def note_refused(self, terminal: AtTerminal, *, asked_no: AskedNo, code: str) -> Asked:
        """The terminal did not recognise the person whom it is asked for, or they declined.

        Raises:
            Refused: ``hospital.handover_not_asked``.
        """
        return self._change(terminal, asked_no, lambda now: replace(now, refused=code))

    def evidence(self, asked_no: AskedNo, by: StaffId) -> FaceEvidence:
        """What was handed over, for the act of the one who asked for it.

        It stays until the proof ends, so that an act whose answer was lost can be repeated; the
        intent is of one act only, and the insurer redeems a proof once.

        Raises:
            Refused: ``hospital.handover_gone``.
        """
        asked = self._own(asked_no, by)
        if asked.evidence is None:
            raise Refused(HANDOVER_GONE, found=asked.state(self._clock.now()).value)
        return asked.evidence

    # --- inside --------------------------------------------------------------------------------

    def _ask(
        self, caller: Caller, desk: Desk, terminal_id: TerminalId, wanted: Wanted, share: Fen
    ) -> Asked:
        self._calls.call(terminal_id, wanted.psn_no)
        asked = Asked(
            asked_no=new_identifier(),
            desk=desk,
            terminal_id=terminal_id,
            by=caller.staff_id,
            wanted=wanted,
            from_wallet_fen=share,
            expires_at=self._clock.now() + ASKED_FOR,
        )
        with self._lock:
            # Whoever asks last stands at the desk: what was asked before is over.
            self._by_terminal[terminal_id] = asked
        return asked

    def _bill(self, payment: Payment) -> Wanted:
        record = self._records.find_by_person(psn_no=payment.psn_no)
        return Wanted(
            psn_no=payment.psn_no,
            masked_name="" if record is None else record.masked_name,
            intent_id=payment.intent_id,
            amount_max_fen=payment.amount_max_fen,
            amounts=payment.confirmed.amounts,
        )

    def _share(self, payment: Payment) -> Fen:
        """The own share, where an agreed account would pay it; else it stays for the window."""
        try:
            self._payments.offer(command_id=payment.command_id)
        except Refused:
            return ZERO
        return payment.confirmed.amounts.psn_cash_pay

    def _alive(self, terminal_id: TerminalId) -> Asked | None:
        now = self._clock.now()
        with self._lock:
            over = [
                each
                for each, asked in self._by_terminal.items()
                if asked.state(now) is AskedState.EXPIRED
            ]
            for each in over:
                del self._by_terminal[each]
            return self._by_terminal.get(terminal_id)

    def _own(self, asked_no: AskedNo, by: StaffId) -> Asked:
        now = self._clock.now()
        with self._lock:
            for asked in self._by_terminal.values():
                if asked.asked_no == asked_no and asked.by == by:
                    if asked.state(now) is AskedState.EXPIRED:
                        break
                    return asked
        raise Refused(HANDOVER_GONE)

    def _asked_here(self, terminal: AtTerminal, asked_no: AskedNo) -> Asked:
        asked = self._alive(terminal.terminal_id)
        if asked is None or asked.asked_no != asked_no:
            raise Refused(HANDOVER_NOT_ASKED)
        return asked

    def _change(
        self, terminal: AtTerminal, asked_no: AskedNo, change: Callable[[Asked], Asked]
    ) -> Asked:
        self._asked_here(terminal, asked_no)
        with self._lock:
            now = self._by_terminal.get(terminal.terminal_id)
            if now is None or now.asked_no != asked_no:
                raise Refused(HANDOVER_NOT_ASKED)
            after = change(now)
            self._by_terminal[terminal.terminal_id] = after
            return after


def _presence(record: PatientRecord) -> Wanted:
    """That the person of a record is here, under an intent of its own; nothing is paid by it."""
    if not record.person_known:
        raise Refused(HANDOVER_NOT_ASKED, found="unknown")
    return Wanted(
        psn_no=record.psn_no,
        masked_name=record.masked_name,
        intent_id=IntentId(new_identifier()),
    )
