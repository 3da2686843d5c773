"""Use cases of payments.

**How a payment survives a crash.** The insurer is asked outside of every transaction, and what is
about to be asked is stored before:

1. ``prepare`` asks for a trial (2206), which moves nothing, and stores what the person is shown
   as ``prepared``. The batch is held, so that the bill cannot change under the person's eyes.
2. ``settle`` stores the sealed evidence as ``sent``, then sends the command (2207).
3. The answer is stored as ``settled`` or ``refused``; no answer as ``unknown``.

Power lost before 2 leaves a bill that can be confirmed or replaced. Lost between 2 and 3, or
``unknown``: only the insurer knows. ``resolve`` asks again with the stored command under the same
identifier, which the insurer answers as the first time or carries out now; either way there is at
most one settlement. A repeated command is answered from its stored outcome before any proof is
looked at.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    VisitId,
    new_identifier,
)
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import ENCOUNTER_NOT_FOUND, Encounter
from shualian.hospital.model import (
    ANSWER_INVALID,
    Certificate,
    CertificateType,
    FaceEvidence,
    PersonalSettlement,
    SettlementAnswer,
    SettlementCommand,
    SettlementRequest,
    evidence_from_bytes,
    evidence_to_bytes,
    is_final,
)
from shualian.hospital.orders import store as orders
from shualian.hospital.orders.model import BatchState, ChargeItem, bill_amount
from shualian.hospital.payments import store
from shualian.hospital.payments.model import (
    BILL_CHANGED,
    CHARGES_NOT_UPLOADED,
    NOTHING_TO_SETTLE,
    PAYMENT_IN_PROGRESS,
    PAYMENT_NOT_FOUND,
    PAYMENT_WITHDRAWN,
    UNDECIDED,
    Payment,
    PaymentState,
    check_quote,
    check_same_bill,
    refused,
    sent,
    settled,
    unknown,
    withdrawn,
)
from shualian.hospital.payments.store import StoredPayment
from shualian.hospital.ports import FieldSealer, InsurerPlatform, ask_insurer, command_insurer
from shualian.hospital.records.service import Records

_EVIDENCE = "hospital.payment.evidence"
_RESOLVED_MAX = 100


@dataclass(frozen=True, slots=True)
class _Bill:
    """What is open of an encounter."""

    encounter: Encounter
    chrg_bchno: str
    items: Sequence[ChargeItem]


class Payments:
    """The settlements of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        records: Records,
        insurer: InsurerPlatform,
        sealer: FieldSealer,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._records = records
        self._insurer = insurer
        self._sealer = sealer

    def prepare(
        self, *, command_id: CommandId, encounter_no: EncounterNo, acct_used_flag: bool = True
    ) -> Payment:
        """Find out who would pay what of the oldest open batch (2206); moves nothing.

        The person confirms its ``intent_id`` for its ``amount_max_fen`` next. A bill that was
        prepared before and not confirmed is withdrawn.

        Args:
            command_id: Made and stored by the caller; :meth:`settle` takes the same.
            encounter_no: Whose open items.
            acct_used_flag: Whether the personal account may be used.

        Raises:
            Refused: ``hospital.command_differs``, ``encounter_not_found``,
                ``encounter_not_open``, ``nothing_to_settle``, ``charges_not_uploaded``,
                ``payment_in_progress``, ``bill_changed``, ``answer_invalid``,
                ``insurer_unreachable``; what the insurer refuses.
        """
        found = self._database.read(
            lambda connection: self._earlier_or_bill(connection, command_id, encounter_no)
        )
        if isinstance(found, _Bill):
            bill = found
            payment = self._quoted(command_id, bill, acct_used_flag=acct_used_flag)
            found = self._database.write(lambda connection: self._hold(connection, payment, bill))
        check_same_bill(found, encounter_no=encounter_no, acct_used_flag=acct_used_flag)
        return found

    def settle(self, *, command_id: CommandId, evidence: FaceEvidence) -> Payment:
        """Settle what was prepared, on the person's confirmation (2207).

        Raises:
            Refused: ``hospital.payment_not_found``, ``payment_withdrawn``,
                ``scene_not_allowed``, ``intent_differs``; what the insurer refuses, now or the
                first time; ``hospital.outcome_unknown``, which :meth:`resolve` settles.
        """
        content, context = evidence_to_bytes(evidence), self._context(command_id)
        sealed = self._sealer.seal(content, purpose=_EVIDENCE, context=context)
        return self._finish(
            self._database.write(
                lambda connection: self._claim(connection, command_id, evidence, sealed),
            )
        )

    def resolve(self, *, command_id: CommandId) -> Payment:
        """Ask again for the outcome of a payment that was sent; one that was not stays as it is.

        Raises:
            Refused: ``hospital.payment_not_found``; else as :meth:`settle`.
        """
        stored = self._database.read(lambda connection: self._stored(connection, command_id))
        return self._finish(stored)

    def resolve_all(self) -> Sequence[CommandId]:
        """Resolve what was interrupted, at most 100; gives what is still undecided."""
        for command_id in self._undecided():
            # What still has no answer is told at the end, by what is stored.
            with suppress(Refused):
                self.resolve(command_id=command_id)
        return self._undecided()

    def withdraw(self, *, command_id: CommandId) -> Payment:
        """Withdraw a bill that was not confirmed, so that its items are open again.

        Raises:
            Refused: ``hospital.payment_not_found``, ``hospital.payment_step``.
        """

        def work(connection: Connection) -> Payment:
            stored = self._stored(connection, command_id)
            if stored.payment.state is PaymentState.WITHDRAWN:
                return stored.payment
            return self._withdraw(connection, stored)

        return self._database.write(work)

    def get(self, *, command_id: CommandId) -> Payment:
        """The payment of a command, as it stands.

        Raises:
            Refused: ``hospital.payment_not_found``.
        """
        return self._database.read(lambda connection: self._stored(connection, command_id).payment)

    def of_encounter(self, *, encounter_no: EncounterNo) -> Sequence[Payment]:
        """All payments of an encounter, the oldest first."""
        return self._database.read(
            lambda connection: [
                stored.payment
                for stored in store.of_encounter(connection, self._institution, encounter_no)
            ]
        )

    def _earlier_or_bill(
        self, connection: Connection, command_id: CommandId, encounter_no: EncounterNo
    ) -> Payment | _Bill:
        earlier = store.by_command(connection, self._institution, command_id)
        if earlier is not None:
            return earlier.payment
        return self._bill(connection, encounter_no)

    def _bill(self, connection: Connection, encounter_no: EncounterNo) -> _Bill:
        found = encounters.by_number(connection, self._institution, encounter_no)
        if found is None:
            raise Refused(ENCOUNTER_NOT_FOUND)
        known = store.of_encounter(connection, self._institution, encounter_no)
        # A bill under way may still count against the year's accumulators.
        if any(stored.payment.state in UNDECIDED for stored in known):
            raise Refused(PAYMENT_IN_PROGRESS)
        for batch in orders.batches_of(connection, self._institution, encounter_no):
            if batch.state is not BatchState.SETTLED:
                items = orders.items_of_batch(connection, self._institution, batch.chrg_bchno)
                return _Bill(found.encounter, batch.chrg_bchno, items)
        raise Refused(NOTHING_TO_SETTLE)

    def _quoted(self, command_id: CommandId, bill: _Bill, *, acct_used_flag: bool) -> Payment:
        if any(item.split is None for item in bill.items):
            raise Refused(CHARGES_NOT_UPLOADED)
        encounter, medfee_sumamt = bill.encounter, bill_amount(bill.items)
        request = self._request(
            encounter,
            mdtrt_id=encounter.visit_id,
            chrg_bchno=bill.chrg_bchno,
            medfee_sumamt=medfee_sumamt,
            acct_used_flag=acct_used_flag,
        )
        answer = ask_insurer(self._insurer.pre_settle, request)
        check_quote(answer.amounts, expected_fen=medfee_sumamt)
        return Payment(
            command_id=command_id,
            institution=self._institution,
            encounter_no=encounter.encounter_no,
            psn_no=encounter.psn_no,
            mdtrt_id=encounter.visit_id,
            chrg_bchno=bill.chrg_bchno,
            acct_used_flag=acct_used_flag,
            intent_id=IntentId(new_identifier()),
            prepared_at=self._clock.now(),
            confirmed=answer,
        )

    def _hold(self, connection: Connection, payment: Payment, quoted: _Bill) -> Payment:
        found = self._earlier_or_bill(connection, payment.command_id, payment.encounter_no)
        if isinstance(found, Payment):
            return found
        # What the insurer counted must be what is held now.
        if (found.chrg_bchno, found.items) != (quoted.chrg_bchno, quoted.items):
            raise Refused(BILL_CHANGED)
        self._withdraw_prepared(connection, payment.encounter_no)
        store.add(connection, payment)
        orders.hold_batch(connection, self._institution, payment.chrg_bchno, by=payment.command_id)
        return payment

    def _withdraw_prepared(self, connection: Connection, encounter_no: EncounterNo) -> None:
        for stored in store.of_encounter(connection, self._institution, encounter_no):
            if stored.payment.state is PaymentState.PREPARED:
                self._withdraw(connection, stored)

    def _withdraw(self, connection: Connection, stored: StoredPayment) -> Payment:
        after = withdrawn(stored.payment, now=self._clock.now())
        store.change(connection, stored, replace(stored, payment=after))
        orders.release_batch(connection, self._institution, after.chrg_bchno, by=after.command_id)
        return after

    def _claim(
        self, connection: Connection, command_id: CommandId, evidence: FaceEvidence, sealed: bytes
    ) -> StoredPayment:
        stored = self._stored(connection, command_id)
        if stored.payment.state is not PaymentState.PREPARED:
            return stored
        payment = sent(stored.payment, evidence, now=self._clock.now())
        after = replace(stored, payment=payment, evidence_sealed=sealed)
        store.change(connection, stored, after)
        return after

    def _finish(self, stored: StoredPayment) -> Payment:
        if stored.payment.state not in UNDECIDED:
            return _outcome(stored)
        command_id = stored.payment.command_id
        try:
            answer = self._send(stored)
        except Refused:
            self._database.write(lambda connection: self._note_unknown(connection, command_id))
            raise
        return _outcome(
            self._database.write(
                lambda connection: self._record_answer(connection, command_id, answer),
            )
        )

    def _send(self, stored: StoredPayment) -> SettlementAnswer | Refused:
        command = self._command(stored)
        try:
            answer = command_insurer(self._insurer.settle, command)
        except Refused as refusal:
            if is_final(refusal):
                return refusal
            raise
        if answer.setl_id is None:
            raise Refused(ANSWER_INVALID, infno="2207", broken="no setl_id")
        return answer

    def _command(self, stored: StoredPayment) -> SettlementCommand:
        payment = stored.payment
        found = self._database.read(
            lambda connection: encounters.by_number(
                connection, self._institution, payment.encounter_no
            )
        )
        if found is None or stored.evidence_sealed is None:
            raise Refused(PAYMENT_NOT_FOUND)
        evidence = self._sealer.open(
            stored.evidence_sealed, purpose=_EVIDENCE, context=self._context(payment.command_id)
        )
        return SettlementCommand(
            command_id=payment.command_id,
            request=self._request(
                found.encounter,
                mdtrt_id=payment.mdtrt_id,
                chrg_bchno=payment.chrg_bchno,
                medfee_sumamt=payment.confirmed.amounts.medfee_sumamt,
                acct_used_flag=payment.acct_used_flag,
            ),
            confirmed=payment.confirmed.amounts,
            evidence=evidence_from_bytes(evidence),
        )

    def _request(
        self,
        encounter: Encounter,
        *,
        mdtrt_id: VisitId,
        chrg_bchno: str,
        medfee_sumamt: Fen,
        acct_used_flag: bool,
    ) -> SettlementRequest:
        identity = self._records.identity(record_no=encounter.record_no)
        return SettlementRequest(
            fixmedins_code=self._institution,
            psn_no=encounter.psn_no,
            certificate=Certificate(CertificateType.ID_CARD, identity.id_number.value),
            mdtrt_id=mdtrt_id,
            chrg_bchno=chrg_bchno,
            med_type=encounter.med_type,
            insutype=encounter.insutype,
            medfee_sumamt=medfee_sumamt,
            psn_setlway=PersonalSettlement.BY_ITEM,
            acct_used_flag=acct_used_flag,
        )

    def _record_answer(
        self,
        connection: Connection,
        command_id: CommandId,
        answer: SettlementAnswer | Refused,
    ) -> StoredPayment:
        stored = self._stored(connection, command_id)
        if isinstance(answer, Refused):
            return self._record_refusal(connection, stored, answer)
        if stored.payment.state is PaymentState.SETTLED:
            return stored
        payment = settled(stored.payment, answer, now=self._clock.now())
        after = replace(stored, payment=payment, refused=None)
        store.change(connection, stored, after)
        # Only after a late answer: another bill for the same items is not to be shown any more.
        self._withdraw_prepared(connection, payment.encounter_no)
        orders.settle_batch(connection, self._institution, payment.chrg_bchno, by=command_id)
        return after

    def _record_refusal(
        self, connection: Connection, stored: StoredPayment, refusal: Refused
    ) -> StoredPayment:
        # Somebody else asked for the same command meanwhile and got an answer.
        if stored.payment.state not in UNDECIDED:
            return stored
        payment = refused(stored.payment, now=self._clock.now())
        after = replace(stored, payment=payment, refused=refusal)
        store.change(connection, stored, after)
        orders.release_batch(
            connection, self._institution, payment.chrg_bchno, by=payment.command_id
        )
        return after

    def _note_unknown(self, connection: Connection, command_id: CommandId) -> None:
        stored = self._stored(connection, command_id)
        if stored.payment.state in UNDECIDED:
            payment = unknown(stored.payment, now=self._clock.now())
            store.change(connection, stored, replace(stored, payment=payment))

    def _undecided(self) -> Sequence[CommandId]:
        return self._database.read(
            lambda connection: store.commands_in_states(
                connection, self._institution, UNDECIDED, _RESOLVED_MAX
            )
        )

    def _stored(self, connection: Connection, command_id: CommandId) -> StoredPayment:
        found = store.by_command(connection, self._institution, command_id)
        if found is None:
            raise Refused(PAYMENT_NOT_FOUND)
        return found

    def _context(self, command_id: CommandId) -> bytes:
        return f"{self._institution}/{command_id}".encode()


def _outcome(stored: StoredPayment) -> Payment:
    if stored.refused is not None:
        raise stored.refused
    if stored.payment.state is PaymentState.WITHDRAWN:
        raise Refused(PAYMENT_WITHDRAWN)
    return stored.payment
