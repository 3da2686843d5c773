"""Use cases of payments: the one-scan saga.

**How a payment survives a crash.** Insurer and e-wallet are asked outside of every transaction,
and what is about to be asked is stored before, with the identifier under which it is asked:

1. ``prepare`` asks for a trial (2206), which moves nothing, and stores what the person is shown
   as ``prepared``. The batch is held, so that the bill cannot change under the person's eyes.
2. ``settle`` stores the sealed evidence: as ``holding`` with all identifiers of the account's
   part, when the person lets a part be taken from the agreed account, else as ``sent``.
3. ``holding``: the wallet holds the money; its yes is stored together with ``sent``.
4. ``sent``: the insurer settles (2207); its answer is stored as ``settled`` or ``refused``.
5. ``settled``: the wallet is told to capture. ``refused``: it is told to void.

A refund of lines (``refund_items``) is stored with its identifier as ``refunding``; the insurer
cancels and settles the rest in one step; its answer is stored together with where the money goes
back to, and the wallet is told to give back its part.

Power lost anywhere leaves one of these states, and from each ``model.next_step`` says what is to
be sent (again) under the same identifier, which both outside parties answer as the first time or
carry out now. ``resolve_all`` does that until every saga is done or undone. An outcome that is
waited for no more, because the hold is over, the hospital closes or the person left, is ended by a
reversal (2601), stored as ``giving_up`` before it is sent. Money is never captured before the
insurer has settled; when a hold has ended before it was captured, that part is open in cash. A
repeated command is answered from its stored outcome before any proof is looked at. Every decision
on money leaves an event of the audit in the transaction that stores it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    SettlementId,
    VisitId,
    new_identifier,
)
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.refunds import store as refunds
from shualian.hospital.cashier.refunds.model import RefundCause
from shualian.hospital.cashier.tenders import store as cash
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import ENCOUNTER_NOT_FOUND, Encounter
from shualian.hospital.model import (
    ANSWER_INVALID,
    WHOLE_STAY,
    Certificate,
    CertificateType,
    Evidence,
    FaceEvidence,
    PersonalSettlement,
    RefundAnswer,
    RefundRequest,
    SettlementAnswer,
    SettlementCancellation,
    SettlementCommand,
    SettlementRequest,
    SettlementReversal,
    any_evidence_from_bytes,
    check_adds_up,
    evidence_to_bytes,
    is_final,
)
from shualian.hospital.orders import store as orders
from shualian.hospital.orders.model import (
    LINES_MAX,
    UNSETTLED,
    BatchState,
    ChargeItem,
    bill_amount,
    kept_of,
    with_splits,
)
from shualian.hospital.payments import store
from shualian.hospital.payments.model import (
    BILL_CHANGED,
    CHARGES_NOT_UPLOADED,
    HOLD_FOR,
    NOT_SENT,
    NOTHING_TO_SETTLE,
    PAYMENT_CANCELLED,
    PAYMENT_CASH_TAKEN,
    PAYMENT_GIVEN_UP,
    PAYMENT_IN_PROGRESS,
    PAYMENT_LAPSED,
    PAYMENT_NOT_FOUND,
    PAYMENT_WITHDRAWN,
    SETTLING_SCENES,
    SLIP_NOT_FOUND,
    UNDECIDED,
    UNDER_WAY,
    ItemRefund,
    Kept,
    Payment,
    PaymentState,
    RefundState,
    Step,
    WalletPart,
    booked,
    cancelled,
    cancelling,
    check_quote,
    check_refundable,
    check_same_bill,
    check_same_refund,
    check_wallet_share,
    decisions,
    given_back,
    given_up,
    giving_up,
    hold_refusal,
    holding,
    lapsed,
    moved_on,
    new_slip_no,
    next_step,
    not_cancelled,
    not_given_back,
    not_given_up,
    not_held,
    parse_slip_no,
    refund_amount,
    refund_sources,
    refunding,
    refused,
    renamed,
    reserved,
    sent,
    settled,
    told,
    unknown,
    withdrawn,
)
from shualian.hospital.payments.store import StoredPayment
from shualian.hospital.ports import (
    FieldSealer,
    InsurerPlatform,
    StayBills,
    ask_insurer,
    command_insurer,
)
from shualian.hospital.records.service import Records
from shualian.hospital.wallet import store as wallet_store
from shualian.hospital.wallet.model import (
    WALLET_ANSWER_INVALID,
    WALLET_NO_AGREEMENT,
    Agreement,
    CaptureCommand,
    Declined,
    DeclineReason,
    Done,
    HoldCommand,
    News,
    Outcome,
    RefundCommand,
    Silence,
    Unknown,
    VoidCommand,
    WalletPayment,
    check_agreement,
    refusal_of,
)
from shualian.hospital.wallet.service import Agreements
from shualian.trust.audit.service import record
from shualian.verification.model import Relation

_EVIDENCE = "hospital.payment.evidence"
_RESOLVED_MAX = 100
_GIVEN_UP = frozenset((PaymentState.GIVING_UP, PaymentState.GIVEN_UP, PaymentState.WITHDRAWN))
MayCancel = Callable[[Connection, Payment], None]
"""Refuses that a settlement is taken back."""
MayRefund = Callable[[Connection, Payment, Mapping[ChargeItemNo, Decimal]], None]
"""Refuses a refund of lines of a payment; told how much of each is to stay on the bill."""
TellCharges = Callable[[EncounterNo], object]
"""Tells the insurer the lines of an encounter that it has not heard of yet (2204)."""
_NOTHING_KEPT: Mapping[ChargeItemNo, Decimal] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Bill:
    """What is open of an encounter."""

    encounter: Encounter
    chrg_bchno: str
    items: Sequence[ChargeItem]

    @property
    def told(self) -> bool:
        """Whether the insurer has classed every line."""
        return all(item.split is not None for item in self.items)


class Payments:
    """The payments of one hospital; also who is told the e-wallet's news."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        records: Records,
        insurer: InsurerPlatform,
        sealer: FieldSealer,
        agreements: Agreements | None = None,
        may_cancel: Collection[MayCancel] = (),
        may_refund: Collection[MayRefund] = (),
        stays: StayBills | None = None,
        tell_charges: TellCharges | None = None,
    ) -> None:
        """Describe it.

        Without ``agreements`` every cash share is open at the cashier, without ``stays`` every
        encounter is settled batch by batch, without ``tell_charges`` lines that the insurer has
        not heard of, such as a registration fee, are on no bill. Each of ``may_cancel`` can refuse
        a cancellation and each of ``may_refund`` a refund of lines, inside the transaction in
        which it begins: of what was handed out or carried out, for example.
        """
        self._stays = stays
        self._tell_charges = tell_charges
        self._institution = institution
        self._database = database
        self._clock = clock
        self._records = records
        self._insurer = insurer
        self._sealer = sealer
        self._agreements = agreements
        self._may_cancel = may_cancel
        self._may_refund = may_refund

    @property
    def institution(self) -> InstitutionCode:
        """Whose payments they are."""
        return self._institution

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

        def look(connection: Connection) -> Payment | _Bill:
            return self._earlier_or_bill(connection, command_id, encounter_no)

        found = self._database.read(look)
        if self._tell_charges is not None and isinstance(found, _Bill) and not found.told:
            self._tell_charges(encounter_no)
            found = self._database.read(look)
        if isinstance(found, _Bill):
            bill = found
            payment = self._quoted(command_id, bill, acct_used_flag=acct_used_flag)
            found = self._database.write(lambda connection: self._hold(connection, payment, bill))
        check_same_bill(found, encounter_no=encounter_no, acct_used_flag=acct_used_flag)
        return found

    def offer(self, *, command_id: CommandId) -> Agreement:
        """From which account the cash share could be taken (一脸付), before the person confirms.

        Raises:
            Refused: ``hospital.payment_not_found``, ``wallet_no_agreement``,
                ``wallet_over_transaction_limit``, ``wallet_over_day_limit``,
                ``wallet_unreachable``.
        """
        payment = self.get(command_id=command_id)
        if self._agreements is None:
            raise Refused(WALLET_NO_AGREEMENT)
        agreement = self._agreements.of_person(psn_no=payment.psn_no)
        due = payment.confirmed.amounts.psn_cash_pay
        return check_agreement(agreement, amount_fen=due, now=self._clock.now())

    def settle(
        self, *, command_id: CommandId, evidence: Evidence, from_wallet_fen: Fen = ZERO
    ) -> Payment:
        """Carry out what was prepared or waits at the window, on the person's confirmation.

        Args:
            command_id: Of the payment.
            evidence: That the person confirmed exactly this bill.
            from_wallet_fen: What the person confirmed, with consent to one-scan payment, to be
                taken from the agreed account: at most the cash share. Without an agreement
                nothing is, and the cash share is open at the cashier.

        Raises:
            Refused: ``hospital.payment_not_found``, ``payment_withdrawn``, ``payment_lapsed``,
                ``payment_cancelled``, ``payment_given_up``, ``scene_not_allowed``,
                ``intent_differs``, ``wallet_share_invalid``; what the insurer or the wallet
                refuses, now or the first time: then nothing was settled and nothing is kept;
                ``hospital.outcome_unknown``, ``wallet_outcome_unknown``, ``wallet_unreachable``,
                which :meth:`resolve` settles.
        """
        evidence = self._with_who_acted(command_id, evidence)
        content, context = evidence_to_bytes(evidence), self._context(command_id)
        sealed = self._sealer.seal(content, purpose=_EVIDENCE, context=context)

        def claim(connection: Connection) -> StoredPayment:
            stored = self._stored(connection, command_id)
            if stored.payment.state not in NOT_SENT:
                return stored
            after = self._claimed(connection, stored, evidence, from_wallet_fen)
            after = replace(after, evidence_sealed=sealed)
            self._change(connection, stored, after)
            return after

        return self._finish(self._database.write(claim))

    def _with_who_acted(self, command_id: CommandId, evidence: Evidence) -> Evidence:
        """The evidence of somebody who says that they act for the patient, once it is proven.

        The insurer is asked whether the binding holds at this moment. What was sent before is
        answered by its outcome, with no look at a proof.
        """
        if not isinstance(evidence, FaceEvidence) or evidence.relation is Relation.SELF:
            return evidence
        payment = self.get(command_id=command_id)
        if evidence.subject is not None or payment.state not in NOT_SENT:
            return evidence
        return self._records.shown(
            evidence, scenes=SETTLING_SCENES, expected=payment.psn_no, for_relatives=True
        ).evidence

    def resolve(self, *, command_id: CommandId) -> Payment:
        """Lead a payment that was confirmed to its end; one that was not stays as it is.

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

    def reserve(self, *, command_id: CommandId) -> Payment:
        """Keep a bill at the window under a slip number, to be paid in cash; moves nothing.

        :meth:`settle` finishes it, on one scan or on a document at the window.

        Raises:
            Refused: ``hospital.payment_not_found``, ``hospital.payment_step``.
        """

        def work(connection: Connection) -> Payment:
            stored = self._stored(connection, command_id)
            if stored.payment.state is PaymentState.RESERVED:
                return stored.payment
            slip_no = new_slip_no()
            while store.by_slip(connection, self._institution, slip_no) is not None:
                slip_no = new_slip_no()
            after = reserved(stored.payment, slip_no, now=self._clock.now())
            self._change(connection, stored, replace(stored, payment=after))
            return after

        return self._database.write(work)

    def by_slip(self, *, slip_no: str) -> Payment:
        """The payment of a slip, as somebody read its number from paper.

        Raises:
            Refused: ``hospital.slip_not_found``.
        """
        read = parse_slip_no(slip_no)
        stored = self._database.read(
            lambda connection: store.by_slip(connection, self._institution, read)
        )
        if stored is None:
            raise Refused(SLIP_NOT_FOUND)
        return stored.payment

    def close_day(self, *, now: datetime) -> Sequence[CommandId]:
        """Closing time: what waits at the window unpaid is void, nothing was settled; which.

        What was confirmed before and still has no outcome is given up; the resolver ends it.

        Args:
            now: The moment of closing, UTC; the same again finds nothing left.
        """

        def work(connection: Connection) -> Sequence[CommandId]:
            waiting = store.reserved_before(connection, self._institution, now)
            for stored in waiting:
                self._release(connection, stored, lapsed(stored.payment, now=now))
            undecided = store.undecided_before(connection, self._institution, now)
            for stored in undecided:
                self._claim_giving_up(connection, stored)
            return [stored.payment.command_id for stored in (*waiting, *undecided)]

        return self._database.write(work)

    def give_up(self, *, command_id: CommandId) -> Payment:
        """Wait for the outcome no more, because the person left or must pay otherwise (2601).

        Ends undone: nothing of it stands at the insurer, whatever came of the command, and what was
        held is given back. A bill that was not confirmed is withdrawn; one that is settled is
        cancelled instead (:meth:`cancel`).

        Raises:
            Refused: ``hospital.payment_not_found``, ``payment_step``; what the insurer refuses:
                then its outcome counts; ``hospital.outcome_unknown``, ``wallet_outcome_unknown``,
                ``wallet_unreachable``, which :meth:`resolve` settles.
        """

        def claim(connection: Connection) -> StoredPayment:
            stored = self._stored(connection, command_id)
            if stored.payment.state in NOT_SENT:
                return replace(stored, payment=self._withdraw(connection, stored))
            if stored.payment.state in _GIVEN_UP:
                return stored
            return self._claim_giving_up(connection, stored)

        return self._advanced(self._database.write(claim)).payment

    def cancel(self, *, command_id: CommandId, at_window: bool = False) -> Payment:
        """Take a settlement back (2208) and give back what was taken from an account for it.

        Its items are open again. What was taken for it at the window becomes due back in the
        transaction that stores the insurer's yes.

        Args:
            command_id: Of the payment.
            at_window: Whether somebody is there who gives back what was taken at the window.

        Raises:
            Refused: ``hospital.payment_not_found``, ``payment_step``, ``payment_cash_taken``;
                what refuses it elsewhere in the house (``dispense_not_returned``,
                ``order_performed``);
                what the insurer refuses: then it stands;
                ``hospital.outcome_unknown``, ``wallet_outcome_unknown``, ``wallet_unreachable``,
                which :meth:`resolve` settles.
        """
        cancel_id = CommandId(new_identifier())

        def claim(connection: Connection) -> StoredPayment:
            stored = self._stored(connection, command_id)
            if stored.payment.state in {PaymentState.CANCELLING, PaymentState.CANCELLED}:
                return stored
            taken = cash.by_payment(connection, self._institution, command_id)
            if taken is not None and not at_window:
                raise Refused(PAYMENT_CASH_TAKEN)
            for check in self._may_cancel:
                check(connection, stored.payment)
            payment = cancelling(stored.payment, cancel_id)
            if payment.wallet is not None and payment.wallet.back_fen:
                # A part was given back before, under the identifier that stands there.
                part = renamed(payment.wallet, Step.REFUND, CommandId(new_identifier()))
                payment = replace(payment, wallet=part)
            after = replace(stored, payment=payment)
            self._change(connection, stored, after)
            return after

        return self._advanced(self._database.write(claim)).payment

    def refund_items(
        self,
        *,
        command_id: CommandId,
        payment: CommandId,
        items: Collection[ChargeItemNo],
        keep: Mapping[ChargeItemNo, Decimal] = _NOTHING_KEPT,
    ) -> ItemRefund:
        """Give lines of a settled payment back, each to where its money came from.

        The insurer cancels the settlement and settles the rest on the original evidence, in one
        step; what an e-payment account gave goes back to it, and what was taken at the window
        becomes due there. The lines are on no bill any more.

        Args:
            command_id: Made and stored by the caller.
            payment: Command of the payment.
            items: Lines of its bill that stand, at least one.
            keep: Of which of them a part stays, and how much; it stands under a new number
                (``ItemRefund.instead``).

        Raises:
            Refused: ``hospital.payment_not_found``, ``payment_step``, ``payment_in_progress``,
                ``refund_items_invalid``, ``order_invalid``, ``command_differs``; what refuses it
                elsewhere in the house (``dispense_not_returned``, ``order_performed``); what the
                insurer refuses, now or the first time: then the payment stands;
                ``hospital.outcome_unknown``, ``wallet_outcome_unknown``,
                ``wallet_unreachable``, which :meth:`resolve` settles.
        """
        stored = self._database.write(
            lambda connection: self.refund_within(connection, command_id, payment, items, keep)
        )
        self._advanced(stored)
        return self.refund(command_id=command_id)

    def refund_within(
        self,
        connection: Connection,
        command_id: CommandId,
        payment: CommandId,
        items: Collection[ChargeItemNo],
        keep: Mapping[ChargeItemNo, Decimal] = _NOTHING_KEPT,
    ) -> StoredPayment:
        """Store a refund as a part of another use case's transaction; :meth:`resolve` does it.

        Raises:
            Refused: As :meth:`refund_items`, before the insurer is asked.
        """
        stored = self._stored(connection, payment)
        found = store.refund_by_command(connection, self._institution, command_id)
        if found is not None:
            check_same_refund(found[0], payment=payment, items=items, keep=keep)
            return stored
        after = replace(stored, payment=refunding(stored.payment, command_id))
        chrg_bchno = stored.payment.chrg_bchno
        lines = orders.items_of_batch(connection, self._institution, chrg_bchno)
        check_refundable(items, keep=keep, on_bill=[line.feedetl_sn for line in lines])
        staying = {number: keep.get(number, Decimal(0)) for number in items}
        for check in self._may_refund:
            check(connection, stored.payment, staying)
        refund = ItemRefund(
            command_id=command_id,
            institution=self._institution,
            payment=payment,
            encounter_no=stored.payment.encounter_no,
            psn_no=stored.payment.psn_no,
            items=frozenset(items),
            asked_at=self._clock.now(),
            state=RefundState.SENT,
            kept=tuple(
                Kept(line, ChargeItemNo(new_identifier()), cnt) for line, cnt in keep.items()
            ),
        )
        self._kept_lines(connection, stored.payment, refund)
        store.add_refund(connection, refund)
        self._change(connection, stored, after)
        return after

    def refund(self, *, command_id: CommandId) -> ItemRefund:
        """The refund of a command, once the insurer has decided.

        Raises:
            Refused: ``hospital.payment_not_found``, ``payment_in_progress``; what the insurer
                refused.
        """
        found = self._database.read(
            lambda connection: store.refund_by_command(connection, self._institution, command_id)
        )
        if found is None:
            raise Refused(PAYMENT_NOT_FOUND)
        refund, refused_by = found
        if refused_by is not None:
            raise refused_by
        if refund.state is RefundState.SENT:
            raise Refused(PAYMENT_IN_PROGRESS)
        return refund

    def let_go_within(self, connection: Connection, encounter_no: EncounterNo) -> None:
        """Withdraw what was prepared and not confirmed, so that the bill may change.

        Raises:
            Refused: ``hospital.payment_in_progress`` when something was confirmed and is not
                decided.
        """
        known = store.of_encounter(connection, self._institution, encounter_no)
        if any(stored.payment.state in UNDER_WAY for stored in known):
            raise Refused(PAYMENT_IN_PROGRESS)
        self._withdraw_prepared(connection, encounter_no)

    def heard(self, news: News) -> None:
        """Take note of what the wallet says by itself; the resolver acts on it.

        Raises:
            Refused: ``hospital.wallet_answer_invalid`` when it contradicts what is known.
        """

        def work(connection: Connection) -> None:
            is_new = wallet_store.use_notification(
                connection, self._institution, news.notification_id, now=self._clock.now()
            )
            stored = store.by_hold(connection, self._institution, news.status.payment)
            if is_new and stored is not None:
                self._change_part(connection, stored, lambda part: told(part, news.status))

        self._database.write(work)

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

    def _change(self, connection: Connection, before: StoredPayment, after: StoredPayment) -> None:
        """Store where a payment stands now, with what was decided about money by it."""
        store.change(connection, before, after)
        now = self._clock.now()
        for decided in decisions(before.payment, after.payment):
            record(connection, decided, at=now)

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
        if any(stored.payment.state in UNDER_WAY for stored in known):
            raise Refused(PAYMENT_IN_PROGRESS)
        for batch in orders.batches_of(connection, self._institution, encounter_no):
            if batch.state in UNSETTLED:
                items = orders.items_of_batch(connection, self._institution, batch.chrg_bchno)
                return _Bill(found.encounter, batch.chrg_bchno, items)
        raise Refused(NOTHING_TO_SETTLE)

    def _quoted(self, command_id: CommandId, bill: _Bill, *, acct_used_flag: bool) -> Payment:
        if not bill.told:
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
            if stored.payment.state in NOT_SENT:
                self._withdraw(connection, stored)

    def _withdraw(self, connection: Connection, stored: StoredPayment) -> Payment:
        after = withdrawn(stored.payment, now=self._clock.now())
        self._release(connection, stored, after)
        return after

    def _release(self, connection: Connection, stored: StoredPayment, after: Payment) -> None:
        self._change(connection, stored, replace(stored, payment=after))
        self._open_batch(connection, after)

    def _claimed(
        self,
        connection: Connection,
        stored: StoredPayment,
        evidence: Evidence,
        from_wallet_fen: Fen,
    ) -> StoredPayment:
        payment, now = stored.payment, self._clock.now()
        check_wallet_share(payment, from_wallet_fen=from_wallet_fen)
        payer_sealed = None
        if self._agreements is not None and from_wallet_fen:
            payer_sealed = wallet_store.payer_of(connection, self._institution, payment.psn_no)
        if payer_sealed is None:
            return replace(stored, payment=sent(payment, evidence, now=now))
        part = _new_part(from_wallet_fen, now)
        after = holding(payment, evidence, part, now=now)
        return replace(stored, payment=after, payer_sealed=payer_sealed)

    def _finish(self, stored: StoredPayment) -> Payment:
        return _outcome(self._advanced(stored))

    def _advanced(self, stored: StoredPayment) -> StoredPayment:
        """Do what is left to do; a step that has no outcome is a refusal and is done again."""
        while (step := next_step(stored.payment, now=self._clock.now())) is not None:
            before = stored.payment
            stored = self._take(step, stored)
            if stored.payment == before:
                raise Refused(WALLET_ANSWER_INVALID, found=f"{step.value} changed nothing")
        return stored

    def _take(self, step: Step, stored: StoredPayment) -> StoredPayment:
        if step is Step.SETTLE:
            return self._take_settlement(stored)
        if step is Step.CANCEL:
            return self._take_cancellation(stored)
        if step is Step.REVERSE:
            return self._take_reversal(stored)
        if step is Step.GIVE_BACK:
            return self._take_refund(stored)
        return self._take_at_wallet(step, stored)

    def _take_settlement(self, stored: StoredPayment) -> StoredPayment:
        command_id = stored.payment.command_id
        try:
            answer = self._send(stored)
        except Refused:
            self._database.write(lambda connection: self._note_unknown(connection, command_id))
            raise
        return self._database.write(
            lambda connection: self._record_answer(connection, command_id, answer),
        )

    def _take_cancellation(self, stored: StoredPayment) -> StoredPayment:
        payment = stored.payment
        standing = payment.standing
        if payment.cancel_id is None or standing is None or standing.setl_id is None:
            raise Refused(PAYMENT_NOT_FOUND)
        command = SettlementCancellation(
            command_id=payment.cancel_id,
            fixmedins_code=self._institution,
            psn_no=payment.psn_no,
            mdtrt_id=payment.mdtrt_id,
            setl_id=standing.setl_id,
        )
        answer: SettlementId | None = None
        refusal: Refused | None = None
        try:
            answer = command_insurer(self._insurer.cancel_settlement, command)
        except Refused as raised:
            if not is_final(raised):
                raise
            refusal = raised
        after = self._database.write(
            lambda connection: self._record_cancellation(connection, payment, answer)
        )
        if refusal is not None:
            raise refusal
        return after

    def _record_cancellation(
        self, connection: Connection, asked: Payment, answer: SettlementId | None
    ) -> StoredPayment:
        stored = self._stored(connection, asked.command_id)
        payment = stored.payment
        # Somebody else asked for the same cancellation meanwhile and got an answer.
        cancel_id = payment.cancel_id
        if payment.state is not PaymentState.CANCELLING or cancel_id != asked.cancel_id:
            return stored
        if answer is None or cancel_id is None:
            after = replace(stored, payment=not_cancelled(payment))
            self._change(connection, stored, after)
            return after
        now = self._clock.now()
        after = replace(stored, payment=cancelled(payment, answer, now=now))
        self._change(connection, stored, after)
        orders.reopen_batch(
            connection, self._institution, payment.chrg_bchno, by=payment.command_id
        )
        refunds.make_due(
            connection,
            self._institution,
            payment.command_id,
            cause=RefundCause.CANCELLED,
            cause_id=cancel_id,
            now=now,
        )
        return after

    def _claim_giving_up(self, connection: Connection, stored: StoredPayment) -> StoredPayment:
        payment = giving_up(stored.payment, now=self._clock.now())
        after = replace(stored, payment=payment)
        self._change(connection, stored, after)
        if payment.state is PaymentState.GIVEN_UP:
            self._open_batch(connection, payment)
        return after

    def _take_reversal(self, stored: StoredPayment) -> StoredPayment:
        command_id = stored.payment.command_id

        def claim(connection: Connection) -> StoredPayment:
            found = self._stored(connection, command_id)
            if found.payment.state not in UNDECIDED:
                return found
            return self._claim_giving_up(connection, found)

        stored = self._database.write(claim)
        # An answer that came meanwhile has decided it.
        if stored.payment.state is not PaymentState.GIVING_UP:
            return stored
        payment = stored.payment
        reversal = SettlementReversal(
            command_id, self._institution, payment.psn_no, payment.mdtrt_id
        )
        try:
            undone_by = command_insurer(self._insurer.reverse_settlement, reversal)
        except Refused as refusal:
            if not is_final(refusal):
                raise
            # What cannot be ended is what the insurer says that it is: the command is asked again.
            return self._take_settlement(self._database.write(self._reversal_refused(command_id)))
        return self._database.write(
            lambda connection: self._record_reversal(connection, command_id, undone_by)
        )

    def _record_reversal(
        self, connection: Connection, command_id: CommandId, undone_by: SettlementId | None
    ) -> StoredPayment:
        stored = self._stored(connection, command_id)
        # Somebody else asked for the same reversal meanwhile and got an answer.
        if stored.payment.state is not PaymentState.GIVING_UP:
            return stored
        payment = given_up(stored.payment, undone_by, now=self._clock.now())
        after = replace(stored, payment=payment)
        self._change(connection, stored, after)
        self._open_batch(connection, payment)
        return after

    def _reversal_refused(self, command_id: CommandId) -> Callable[[Connection], StoredPayment]:
        def work(connection: Connection) -> StoredPayment:
            stored = self._stored(connection, command_id)
            if stored.payment.state is not PaymentState.GIVING_UP:
                return stored
            after = replace(stored, payment=not_given_up(stored.payment, now=self._clock.now()))
            self._change(connection, stored, after)
            return after

        return work

    def _open_batch(self, connection: Connection, payment: Payment) -> None:
        orders.release_batch(
            connection, self._institution, payment.chrg_bchno, by=payment.command_id
        )

    def _take_refund(self, stored: StoredPayment) -> StoredPayment:
        payment = stored.payment
        refund = self._refund_under_way(payment)
        standing = payment.standing
        if standing is None or standing.setl_id is None:
            raise Refused(PAYMENT_NOT_FOUND)
        kept = self._database.read(lambda connection: self._kept_lines(connection, payment, refund))
        request = RefundRequest(
            command_id=refund.command_id,
            fixmedins_code=self._institution,
            psn_no=payment.psn_no,
            mdtrt_id=payment.mdtrt_id,
            setl_id=standing.setl_id,
            give_back=tuple(sorted(refund.items)),
            chrg_bchno=payment.chrg_bchno,
            instead=tuple(line.detail for line in kept),
        )
        answer: RefundAnswer | Refused
        try:
            answer = command_insurer(self._insurer.refund_settlement, request)
        except Refused as raised:
            if not is_final(raised):
                raise
            answer = raised
        after = self._database.write(
            lambda connection: self._record_refund(connection, refund, answer)
        )
        if isinstance(answer, Refused):
            raise answer
        return after

    def _refund_under_way(self, payment: Payment) -> ItemRefund:
        refund_id = payment.refund_id
        found = refund_id and self._database.read(
            lambda connection: store.refund_by_command(connection, self._institution, refund_id)
        )
        if not found:
            raise Refused(PAYMENT_NOT_FOUND)
        return found[0]

    def _record_refund(
        self, connection: Connection, refund: ItemRefund, answer: RefundAnswer | Refused
    ) -> StoredPayment:
        stored = self._stored(connection, refund.payment)
        # Somebody else asked for the same refund meanwhile and got an answer.
        if stored.payment.refund_id != refund.command_id:
            return stored
        now = self._clock.now()
        if isinstance(answer, Refused):
            after = replace(stored, payment=not_given_back(stored.payment))
            refused_refund = replace(refund, state=RefundState.REFUSED, decided_at=now)
            store.change_refund(connection, refused_refund, answer)
            self._change(connection, stored, after)
            return after
        return self._give_back(connection, stored, refund, answer, now)

    def _give_back(
        self,
        connection: Connection,
        stored: StoredPayment,
        refund: ItemRefund,
        answer: RefundAnswer,
        now: datetime,
    ) -> StoredPayment:
        payment = stored.payment
        kept = with_splits(self._kept_lines(connection, payment, refund), answer.splits)
        self._check_rest(connection, payment, refund, answer)
        left = refunds.left_of(connection, self._institution, payment.command_id)
        back = refund_sources(payment, answer.rest, at_window=left)
        wallet_id = CommandId(new_identifier())
        after = replace(stored, payment=given_back(payment, answer, back, wallet_id, now))
        self._change(connection, stored, after)
        done = replace(
            refund,
            state=RefundState.DONE,
            decided_at=now,
            cancellation=answer.cancellation,
            back=back,
            undone=booked(payment.standing),
            rest=booked(answer.rest),
        )
        store.change_refund(connection, done, None)
        if back.window_fen:
            refunds.make_due(
                connection,
                self._institution,
                payment.command_id,
                cause=RefundCause.PARTIAL,
                cause_id=refund.command_id,
                amount_fen=back.window_fen,
                now=now,
            )
        orders.withdraw_items(connection, self._institution, refund.items, at=now)
        if kept:
            orders.add_items(connection, kept)
            orders.add_splits(connection, kept)
        if answer.rest is None:
            number, ended = payment.chrg_bchno, BatchState.WITHDRAWN
            orders.end_batch(connection, self._institution, number, ended)
        return after

    def _kept_lines(
        self, connection: Connection, payment: Payment, refund: ItemRefund
    ) -> Sequence[ChargeItem]:
        """The lines by which the kept quantities will stand, in the order of the bill."""
        lines = orders.items_of_batch(connection, self._institution, payment.chrg_bchno)
        of_lines = {kept.of: kept for kept in refund.kept}
        made: list[ChargeItem] = []
        for line in lines:
            kept = of_lines.get(line.feedetl_sn)
            if kept is not None:
                of_command = orders.items_of_command(connection, self._institution, line.command_id)
                earlier = [each for each in [*of_command, *made] if each.line_no >= LINES_MAX]
                same = [each for each in earlier if each.command_id == line.command_id]
                place = LINES_MAX + len(same)
                made.append(kept_of(line, cnt=kept.cnt, number=kept.number, line_no=place))
        return made

    def _check_rest(
        self, connection: Connection, payment: Payment, refund: ItemRefund, answer: RefundAnswer
    ) -> None:
        """What the insurer settled instead must be what stays on the bill, and add up."""
        lines = orders.items_of_batch(connection, self._institution, payment.chrg_bchno)
        whole = [line for line in lines if line.feedetl_sn not in refund.items]
        kept = bill_amount([*whole, *self._kept_lines(connection, payment, refund)])
        found = ZERO if answer.rest is None else answer.rest.amounts.medfee_sumamt
        if found != kept:
            raise Refused(ANSWER_INVALID, found_fen=found, expected_fen=kept)
        if answer.rest is not None:
            check_adds_up(answer.rest.amounts)

    def _take_at_wallet(self, step: Step, stored: StoredPayment) -> StoredPayment:
        outcome = self._ask_wallet(step, stored)
        if isinstance(outcome, Done):
            status = outcome.status
            return self._record_part(stored, lambda part: told(part, status))
        if isinstance(outcome, Unknown):
            raise refusal_of(outcome)
        return self._declined(step, stored, outcome)

    def _ask_wallet(self, step: Step, stored: StoredPayment) -> Outcome:
        part = _part_of(stored)
        payment, hold = part.held.command_id, part.held
        if self._agreements is None or stored.payer_sealed is None:
            return Unknown(payment, Silence.NOT_SENT)
        wallet = self._agreements.wallet
        if step is Step.HOLD:
            payer = self._agreements.payer(stored.payer_sealed, stored.payment.psn_no)
            return wallet.hold(HoldCommand(payment, payer, hold.amount_fen, hold.expires_at))
        if step is Step.CAPTURE:
            amount = stored.payment.capture_fen
            return wallet.capture(CaptureCommand(part.capture_id, payment, amount))
        if step is Step.REFUND:
            amount = refund_amount(stored.payment)
            return wallet.refund(RefundCommand(part.refund_id, payment, amount))
        return wallet.void(VoidCommand(part.void_id, payment))

    def _declined(self, step: Step, stored: StoredPayment, outcome: Declined) -> StoredPayment:
        """Learn why the wallet does not do it; what could be done later gets a new identifier."""
        if step is Step.HOLD and outcome.reason is not DeclineReason.COMMAND_DIFFERS:
            return self._record_part(stored, lambda part: not_held(part, outcome.reason))
        held = _part_of(stored).held
        if self._agreements is None:
            raise refusal_of(outcome)
        status = self._agreements.wallet.query(held.command_id).payment
        if status is None and step is Step.HOLD:
            # Nothing is held under the identifier; it is ruled out, so that nothing ever will be.
            return self._take_at_wallet(Step.VOID, stored)
        if status is None and step is not Step.VOID:
            raise Refused(WALLET_ANSWER_INVALID, found=outcome.reason.value)
        after = stored
        if status is not None:
            after = self._record_part(stored, lambda part: told(part, status))
        if _part_of(after).held.state is held.state:
            new_id = CommandId(new_identifier())
            self._record_part(after, lambda part: renamed(part, step, new_id))
            raise refusal_of(outcome)
        return after

    def _record_part(
        self, stored: StoredPayment, change: Callable[[WalletPart], WalletPart]
    ) -> StoredPayment:
        command_id = stored.payment.command_id
        return self._database.write(
            lambda connection: self._change_part(
                connection, self._stored(connection, command_id), change
            )
        )

    def _change_part(
        self,
        connection: Connection,
        stored: StoredPayment,
        change: Callable[[WalletPart], WalletPart],
    ) -> StoredPayment:
        part = change(_part_of(stored))
        payment = moved_on(stored.payment, part, now=self._clock.now())
        if payment == stored.payment:
            return stored
        after = replace(stored, payment=payment)
        ended = payment.state is PaymentState.REFUSED is not stored.payment.state
        if ended:
            after = replace(after, refused=hold_refusal(part))
            self._open_batch(connection, payment)
        self._change(connection, stored, after)
        return after

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
            evidence=any_evidence_from_bytes(evidence),
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
        goes_on = None if self._stays is None else self._stays.goes_on(encounter.encounter_no)
        return SettlementRequest(
            fixmedins_code=self._institution,
            psn_no=encounter.psn_no,
            certificate=Certificate(CertificateType.ID_CARD, identity.id_number.value),
            mdtrt_id=mdtrt_id,
            chrg_bchno=chrg_bchno if goes_on is None else WHOLE_STAY,
            med_type=encounter.med_type,
            insutype=encounter.insutype,
            medfee_sumamt=medfee_sumamt,
            psn_setlway=PersonalSettlement.BY_ITEM,
            acct_used_flag=acct_used_flag,
            mid_setl_flag=goes_on is True,
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
        # Somebody else asked for the same command meanwhile and got an answer.
        if stored.payment.state not in {*UNDECIDED, PaymentState.REFUSED}:
            return stored
        payment = settled(stored.payment, answer, now=self._clock.now())
        after = replace(stored, payment=payment, refused=None)
        self._change(connection, stored, after)
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
        self._change(connection, stored, after)
        self._open_batch(connection, payment)
        return after

    def _note_unknown(self, connection: Connection, command_id: CommandId) -> None:
        stored = self._stored(connection, command_id)
        if stored.payment.state in UNDECIDED:
            payment = unknown(stored.payment, now=self._clock.now())
            self._change(connection, stored, replace(stored, payment=payment))

    def _undecided(self) -> Sequence[CommandId]:
        return self._database.read(
            lambda connection: store.open_sagas(connection, self._institution, _RESOLVED_MAX)
        )

    def _stored(self, connection: Connection, command_id: CommandId) -> StoredPayment:
        found = store.by_command(connection, self._institution, command_id)
        if found is None:
            raise Refused(PAYMENT_NOT_FOUND)
        return found

    def _context(self, command_id: CommandId) -> bytes:
        return f"{self._institution}/{command_id}".encode()


def _new_part(amount_fen: Fen, now: datetime) -> WalletPart:
    hold_id, capture_id, void_id, refund_id = [CommandId(new_identifier()) for _ in range(4)]
    held = WalletPayment(hold_id, None, amount_fen, now, now + HOLD_FOR)
    return WalletPart(held, capture_id, void_id, refund_id)


def _part_of(stored: StoredPayment) -> WalletPart:
    if stored.payment.wallet is None:
        raise Refused(PAYMENT_NOT_FOUND)
    return stored.payment.wallet


_ENDED = {
    PaymentState.WITHDRAWN: PAYMENT_WITHDRAWN,
    PaymentState.LAPSED: PAYMENT_LAPSED,
    PaymentState.CANCELLED: PAYMENT_CANCELLED,
    PaymentState.GIVEN_UP: PAYMENT_GIVEN_UP,
}


def _outcome(stored: StoredPayment) -> Payment:
    if stored.refused is not None:
        raise stored.refused
    if stored.payment.state in _ENDED:
        raise Refused(_ENDED[stored.payment.state])
    return stored.payment
