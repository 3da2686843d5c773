"""Use cases of a visit's money: pre-settle, settle, refund, cancel, reverse.

**How a settlement survives a crash.** It is one transaction: an earlier answer to the command is
looked for, the amounts are computed and compared with what was confirmed, the evidence is decided
on, and settlement, charge items, counters, ledger posting, personal account, the use of the proof
or code, the audit's event and the command's own row are written together. Power lost at any moment
leaves all of it or nothing; the sender, who stored the command before sending it, repeats it.

**What a command ends as.** Done: the same command is answered from its sealed record, before any
evidence is looked at. Refused for good: the same refusal, also for a late copy. Reversed (2601):
undone or never done, and every later copy is refused. A refusal that asking again can help with is
not remembered. Other content under the same identifier is refused and remembered by nobody.

**Who waits for whom.** Everything that moves a person's money or charges locks the person's row
first, so that what it reads stays as it is until it has written. Commands under one identifier
meet in the key of ``insurer_command``. Settlements of different people that come at the same time
share one transaction; when anything goes wrong in it, each has one of its own.
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.database.statements import Filled, Row, ask, own_locks, tell, tell_together
from shualian.core.database.together import Alone, Raised, Together
from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    InstitutionCode,
    IntentId,
    PersonNo,
    SettlementId,
    StaffId,
    VisitId,
    new_identifier,
)
from shualian.core.money import Fen, total
from shualian.core.refusals import Finality, RefusalKind, Refused
from shualian.insurer.benefits import model as benefits
from shualian.insurer.benefits.catalogue import CatalogueBook
from shualian.insurer.benefits.model import (
    Beneficiary,
    LineSplit,
    Policy,
    Settlement,
    broken_identities,
    mirrored,
    settle,
)
from shualian.insurer.benefits.policy import PolicyBook
from shualian.insurer.funds import model as funds
from shualian.insurer.funds import store as ledger
from shualian.insurer.funds.model import COMMAND_DIFFERS, Cause, Posting, PostingId, mirror
from shualian.insurer.institutions import model as institutions
from shualian.insurer.persons import model as persons
from shualian.insurer.settlement import model, statements, store
from shualian.insurer.settlement.evidence import model as evidences
from shualian.insurer.settlement.evidence.model import (
    EVIDENCE_INVALID,
    HIGHEST,
    CardEvidence,
    CodeEvidence,
    DocumentEvidence,
    Evidence,
    EvidenceKind,
    FaceEvidence,
    Limits,
    Proven,
    check_limit,
)
from shualian.insurer.settlement.evidence.ports import Codes, People, Pins
from shualian.insurer.settlement.evidence.service import Accepted, Asking, Evidences, Readied
from shualian.insurer.settlement.model import (
    ALREADY_CANCELLED,
    COMMAND_REVERSED,
    INSURANCE_DIFFERS,
    INTENT_USED,
    NOT_REVERSIBLE,
    NOTHING_TO_SETTLE,
    REFUND_DEARER,
    REFUND_INVALID,
    SETTLE_USE,
    SETTLEMENT_NOT_FOUND,
    SETTLING_SCENES,
    VISIT_NOT_FOUND,
    Bill,
    CancelCommand,
    ChargeItem,
    Command,
    Confirmed,
    Found,
    MoneySettled,
    OpenItem,
    Purchase,
    PurchaseCommand,
    Refund,
    RefundCommand,
    Registration,
    Reversal,
    ReversalOutcome,
    SettleCommand,
    SettlementKind,
    SettlementRecord,
    Visit,
    VisitKind,
    check_confirmed,
    check_total,
    command_digest,
    entries_of,
)
from shualian.insurer.settlement.ports import AnswerSealer, FaceProofs, OrderingDoctors
from shualian.insurer.settlement.statements import Known, Rests
from shualian.insurer.settlement.visits.model import WHOLE_STAY, Books, Rules, check_stay
from shualian.insurer.settlement.visits.service import (
    Visits,
    add_items,
    add_visit,
    check_items,
)
from shualian.insurer.vouchers import model as vouchers
from shualian.verification import model as verification

_ANSWER = "insurer.settlement.answer"
_COMMAND = "insurer.settlement.command"
_RECORD = TypeAdapter(SettlementRecord)
_KINDS: Mapping[str, RefusalKind] = {
    kind.code: kind
    for part in (
        model,
        evidences,
        benefits,
        funds,
        institutions,
        persons,
        vouchers,
        verification,
    )
    for kind in part.REFUSALS
}
"""What a remembered refusal can be."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Key:
    """How a command is known again."""

    institution: InstitutionCode
    command_id: CommandId
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Computed:
    """A bill as it would be settled now."""

    found: Found
    rules: Rules
    settlement: Settlement


@dataclass(frozen=True, slots=True)
class _Asked:
    """A settlement that is asked for, as it is carried out.

    Attributes:
        key: Of the command.
        command: What is asked for.
        readied: Its evidence.
        asking: For what the evidence is looked at.
        setl_id: The settlement's number.
    """

    key: _Key
    command: SettleCommand
    readied: Readied
    asking: Asking
    setl_id: SettlementId


@dataclass(frozen=True, slots=True)
class _Decided:
    """A settlement that is decided and not written.

    Attributes:
        record: What it says.
        told: Everything that makes it so; the second marks the charge items.
        items: How many charge items it settles.
    """

    record: SettlementRecord
    told: Sequence[Filled]
    items: int


_Outcome: TypeAlias = SettlementRecord | Refused | Raised | Alone


class Settlements:
    """The insurer's side of a visit's money.

    Every use case is told by ``institution`` who asks, and sees that institution's visits only.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        policies: PolicyBook,
        catalogues: CatalogueBook,
        proofs: FaceProofs,
        sealer: AnswerSealer,
        pins: Pins | None = None,
        codes: Codes | None = None,
        people: People | None = None,
        limits: Mapping[str, Limits] | None = None,
        ordering: OrderingDoctors | None = None,
    ) -> None:
        """Settle under these policies.

        Args:
            database: The insurer's.
            clock: For moments and business days.
            policies: Of the insured regions.
            catalogues: Of the care regions.
            proofs: Where the proof of a registration is redeemed.
            sealer: For answers, information and digests.
            pins: Without it no card is taken as evidence.
            codes: Without it no shown code is.
            people: Without it no document is.
            limits: Without a PIN, by insured region; they only tighten ``HIGHEST``.
            ordering: Without it nobody asks whether ordering doctors were signed in.
        """
        self._database = database
        self._clock = clock
        self._books = Books(policies, catalogues)
        self._sealer = sealer
        self._limits = dict(limits or {})
        self._evidences = Evidences(hasher=sealer, pins=pins, codes=codes, people=people)
        self.visits = Visits(
            database=database,
            clock=clock,
            books=self._books,
            proofs=proofs,
            sealer=sealer,
            ordering=ordering,
        )
        self._settling = Together(
            database,
            alone=self._settle,
            together=self._settle_together,
            # What is decided on a person must be written before it is asked about again.
            apart=lambda asked: asked.command.bill.psn_no,
        )
        # A missing key stops the start-up, and none is read from disk inside a transaction.
        sealer.seal(b"", purpose=_ANSWER, context=b"")

    def open_visit(
        self,
        *,
        institution: InstitutionCode,
        registration: Registration,
        evidence: FaceEvidence | None = None,
    ) -> Visit:
        """See :meth:`Visits.open_visit` (2201, 2401)."""
        return self.visits.open_visit(
            institution=institution, registration=registration, evidence=evidence
        )

    def upload_charge_items(
        self,
        *,
        institution: InstitutionCode,
        mdtrt_id: VisitId,
        psn_no: PersonNo,
        items: Sequence[ChargeItem],
    ) -> tuple[LineSplit, ...]:
        """See :meth:`Visits.upload_charge_items` (2204, 2301)."""
        return self.visits.upload_charge_items(
            institution=institution, mdtrt_id=mdtrt_id, psn_no=psn_no, items=items
        )

    def pre_settle(self, *, institution: InstitutionCode, bill: Bill) -> Settlement:
        """What a settlement of the bill would be now (2206, 2303); changes nothing.

        Raises:
            Refused: ``insurer.visit_not_found``, ``visit_cancelled``, ``stay_state``,
                ``insurance_differs``, ``not_insured``, ``in_arrears``, ``not_synchronised``,
                ``nothing_to_settle``, ``no_benefit_rule``, ``amounts_differ``.
        """

        def work(connection: Connection) -> Settlement:
            answers = ask(connection, _ask_visit(bill))
            return self._compute(institution, bill, statements.found(answers)).settlement

        return self._database.read(work)

    def estimate(
        self, *, institution: InstitutionCode, bill: Bill, items: Sequence[ChargeItem]
    ) -> Settlement:
        """What a settlement of these lines would be now, uploaded or not; changes nothing.

        Args:
            institution: Who asks.
            bill: Of the visit; its amount is the sum of the lines.
            items: All lines of the bill that is asked about.

        Raises:
            Refused: As :meth:`pre_settle` and :meth:`Visits.upload_charge_items`.
        """
        check_items(items)

        def work(connection: Connection) -> Settlement:
            found = statements.found(ask(connection, _ask_visit(bill)))
            if found is not None:
                found = replace(found, items=tuple([_open(item) for item in items]))
            return self._compute(institution, bill, found).settlement

        return self._database.read(work)

    def pre_settle_purchase(
        self, *, institution: InstitutionCode, purchase: Purchase
    ) -> Settlement:
        """What a pharmacy's sale would be settled as now (2101); changes nothing.

        Raises:
            Refused: As :meth:`pre_settle` and :meth:`Visits.upload_charge_items`.
        """
        check_items(purchase.items)
        visit = Visit(VisitId(""), institution, purchase.registration)

        def work(connection: Connection) -> Settlement:
            rules = self.visits.rules(connection, visit)
            found = _purchase_found(connection, visit, purchase, rules)
            return self._compute(institution, _bill_of(purchase, visit), found).settlement

        return self._database.read(work)

    def settle(
        self,
        *,
        institution: InstitutionCode,
        command_id: CommandId,
        bill: Bill,
        confirmed: Confirmed,
        evidence: Evidence,
    ) -> SettlementRecord:
        """Settle a bill (2207, 2304), once for each command.

        Args:
            institution: Who asks.
            command_id: Stored by the sender before sending; a repeat is answered from the books.
            bill: What is to be settled.
            confirmed: The amounts that the person confirmed; each must be ours.
            evidence: On what it rests; used up in the same transaction.

        Raises:
            Refused: As :meth:`pre_settle`; ``insurer.command_differs``, ``command_reversed``,
                ``evidence_invalid``, ``evidence_not_taken``, ``evidence_of_another``,
                ``limit_without_pin``, ``intent_used``, ``account_too_low``; and what refuses the
                evidence.
        """
        command = SettleCommand(institution, bill, confirmed, evidence)
        key = self._key(institution, command_id, command)
        readied = self._readied(key, evidence, bill.psn_no)
        if not isinstance(readied, Readied):
            return readied
        asked = self._asked(key, command, readied, self._clock.now())
        if isinstance(evidence, CodeEvidence):
            # Its use has a transaction to itself, because it is written step by step.
            return _given(self._database.write(lambda connection: self._settle(connection, asked)))
        return _given(self._settling.write(asked))

    def settle_purchase(
        self,
        *,
        institution: InstitutionCode,
        command_id: CommandId,
        purchase: Purchase,
        confirmed: Confirmed,
        evidence: Evidence,
    ) -> SettlementRecord:
        """Open, charge and settle a pharmacy's sale in one step (2102), once for each command.

        Raises:
            Refused: As :meth:`settle` and :meth:`Visits.open_visit`.
        """
        check_items(purchase.items)
        command = PurchaseCommand(institution, purchase, confirmed, evidence)
        key = self._key(institution, command_id, command)
        psn_no = purchase.registration.psn_no
        readied = self._readied(key, evidence, psn_no)
        if not isinstance(readied, Readied):
            return readied
        visit = Visit(VisitId(new_identifier()), institution, purchase.registration)
        settling = SettleCommand(institution, _bill_of(purchase, visit), confirmed, evidence)
        asked = self._asked(key, settling, readied, self._clock.now())

        def sell(connection: Connection) -> SettlementRecord | Refused:
            self.visits.check_new(connection, visit)
            add_visit(connection, visit)
            add_items(connection, visit, purchase.items)
            # The command is known to be new.
            answers = ask(connection, self._questions(asked))
            return self._carried_out(connection, asked, self._decided(asked, answers))

        return _given(self._commanded(key, psn_no, asked.asking.now, sell))

    def cancelled_by(self, setl_id: SettlementId) -> SettlementId | None:
        """The cancellation that undid a settlement; none when it stands."""
        return self._database.read(lambda connection: store.cancellation_of(connection, setl_id))

    def cancel_settlement(
        self,
        *,
        institution: InstitutionCode,
        command_id: CommandId,
        setl_id: SettlementId,
        mdtrt_id: VisitId,
        psn_no: PersonNo,
    ) -> SettlementRecord:
        """Undo a settlement whole (2208, 2305, 2103), once: mirror entries, counters, account.

        Its charge items can be settled again; a pharmacy's are given back. Later settlements of
        the year stand as they are; the next one finds the counters without the cancelled one.

        Raises:
            Refused: ``insurer.settlement_not_found``, ``already_cancelled``, ``command_differs``,
                ``command_reversed``.
        """
        command = CancelCommand(institution, setl_id, mdtrt_id, psn_no)
        key = self._key(institution, command_id, command)
        new_id, now = SettlementId(new_identifier()), self._clock.now()

        def cancel(connection: Connection) -> SettlementRecord:
            original = self._cancellable(connection, command)
            record = self._cancel(connection, original, new_id, now, command_id)
            tell(connection, [_done(key, now, record)])
            return record

        return _given(self._commanded(key, psn_no, now, cancel))

    def refund(
        self,
        *,
        institution: InstitutionCode,
        command_id: CommandId,
        setl_id: SettlementId,
        mdtrt_id: VisitId,
        psn_no: PersonNo,
        give_back: Sequence[ChargeItemNo],
        instead: Sequence[ChargeItem] = (),
    ) -> Refund:
        """Give lines of a settlement back: cancel it and settle the rest, both or neither.

        The rest rests on the original evidence: the person pays no more than they confirmed, in
        all, from the account and in cash. Given-back lines are never settled again.

        Args:
            institution: Who asks.
            command_id: As in :meth:`settle`.
            setl_id: What is refunded.
            mdtrt_id: Of which visit.
            psn_no: Of whom.
            give_back: Lines that are given back, at least one.
            instead: The quantity that was kept of such lines, under new numbers.

        Raises:
            Refused: As :meth:`cancel_settlement`; ``insurer.refund_invalid``, ``refund_dearer``;
                what refuses a charge item.
        """
        command = RefundCommand(
            institution, setl_id, mdtrt_id, psn_no, tuple(give_back), tuple(instead)
        )
        check_items(instead)
        key = self._key(institution, command_id, command)
        numbers = SettlementId(new_identifier()), SettlementId(new_identifier())
        now = self._clock.now()

        def give(connection: Connection) -> Refund:
            original = self._cancellable(connection, command)
            made = self._refund(connection, command, original, numbers, now, command_id)
            rest = made.rest.setl_id if made.rest else None
            tell(connection, [_done(key, now, made.cancellation, rest)])
            return made

        done = self._commanded(key, psn_no, now, give)
        if isinstance(done, Refused):
            raise done
        return done if isinstance(done, Refund) else self._refund_of(institution, done)

    def reverse(
        self, *, institution: InstitutionCode, command_id: CommandId, psn_no: PersonNo
    ) -> Reversal:
        """End a command whose outcome the sender does not know (2601); again, the same answer.

        A settlement that was done is undone, with what was settled of its rest; one that was not
        is barred: a copy of it that still arrives is refused.

        Raises:
            Refused: ``insurer.not_reversible`` for a cancellation or refund that was done;
                ``insurer.settlement_not_found`` when it was another person's.
        """
        new_id, now = SettlementId(new_identifier()), self._clock.now()

        def work(connection: Connection) -> tuple[ReversalOutcome, SettlementId | None]:
            own_locks(connection)
            _, rows = ask(
                connection,
                (statements.lock_person(psn_no), statements.ask_command(institution, command_id)),
            )
            earlier = store.find_reversal(connection, institution, command_id)
            if earlier is not None:
                return ReversalOutcome(earlier.outcome), earlier.undone_by
            known = statements.known(rows)
            key = _Key(institution, command_id, b"")
            outcome, undone_by = self._reversed(connection, key, known, psn_no, new_id, now)
            stored = store.StoredReversal(psn_no, outcome.value, undone_by)
            store.add_reversal(connection, institution, command_id, stored, at=now)
            return outcome, undone_by

        outcome, undone_by = self._database.write(work)
        if undone_by is None:
            return Reversal(outcome)
        return Reversal(outcome, self.find_settlement(institution=institution, setl_id=undone_by))

    def find_settlement(
        self, *, institution: InstitutionCode, setl_id: SettlementId
    ) -> SettlementRecord:
        """A settlement or cancellation of the institution (5203).

        Raises:
            Refused: ``insurer.settlement_not_found``.
        """
        return self._database.read(
            lambda connection: self._own_record(connection, institution, setl_id)
        )

    def year_counters(self, *, psn_no: PersonNo, insutype: str, year: int) -> dict[str, Fen]:
        """The year's counters of a person (5206), by the names that the policy gives them."""
        return self._database.read(
            lambda connection: store.counters(connection, psn_no, insutype, year)
        )

    # Commands

    def _key(self, institution: InstitutionCode, command_id: CommandId, command: Command) -> _Key:
        digest = command_digest(command)
        # A number on a card or document could be guessed from a bare digest; a token cannot.
        if isinstance(getattr(command, "evidence", None), CardEvidence | DocumentEvidence):
            digest = self._sealer.keyed_hash(digest, purpose=_COMMAND)
        return _Key(institution, command_id, digest)

    def _readied(
        self, key: _Key, evidence: Evidence, psn_no: PersonNo
    ) -> Readied | SettlementRecord:
        """The evidence when what takes long is done; or the earlier answer, before any of it."""
        if isinstance(evidence, FaceEvidence):
            if evidence.scene not in SETTLING_SCENES:
                self._remember_outside(key, Refused(EVIDENCE_INVALID, found=evidence.scene.value))
            return Readied(evidence)
        earlier = self._database.read(lambda connection: self._earlier(connection, key))
        if earlier is not None:
            return _given(earlier)
        try:
            return self._evidences.ready(evidence, psn_no)
        except Refused as refused:
            self._remember_outside(key, refused)
            raise

    def _remember_outside(self, key: _Key, refused: Refused) -> None:
        """Remember a refusal from outside the command's transaction; raises what holds now."""
        now = self._clock.now()

        def work(connection: Connection) -> SettlementRecord | Refused:
            own_locks(connection)
            earlier = self._earlier(connection, key)
            return earlier or _remembered(connection, key, refused, now)

        _given(self._database.write(work))

    def _commanded(
        self, key: _Key, psn_no: PersonNo, now: datetime, do: Callable[[Connection], T]
    ) -> T | SettlementRecord | Refused:
        """Do what a command says, all or nothing, unless it is known already."""

        def work(connection: Connection) -> T | SettlementRecord | Refused:
            own_locks(connection)
            asked = statements.ask_command(key.institution, key.command_id)
            _, rows = ask(connection, (statements.lock_person(psn_no), asked))
            earlier = self._answer(key, statements.known(rows))
            if earlier is not None:
                return earlier
            try:
                with connection.begin_nested():
                    return do(connection)
            except Refused as refused:
                return _remembered(connection, key, refused, now)

        return self._database.write(work)

    def _earlier(self, connection: Connection, key: _Key) -> SettlementRecord | Refused | None:
        (rows,) = ask(connection, [statements.ask_command(key.institution, key.command_id)])
        return self._answer(key, statements.known(rows))

    def _answer(self, key: _Key, known: Known) -> SettlementRecord | Refused | None:
        """The earlier answer to a command; none for a new one."""
        if known.reversed is not None:
            return Refused(COMMAND_REVERSED)
        if known.command_digest is None:
            return None
        if known.command_digest != key.digest:
            raise Refused(COMMAND_DIFFERS)
        if known.refusal_code is not None:
            return _refusal(known.refusal_code, known.refusal_details or "{}")
        if known.setl_id is None or known.answer_sealed is None:
            raise AssertionError("a command without an outcome")
        return self._opened(known.setl_id, known.answer_sealed)

    # Settling

    def _asked(self, key: _Key, command: SettleCommand, readied: Readied, now: datetime) -> _Asked:
        bill = command.bill
        asking = Asking(command.institution, bill.psn_no, bill.medfee_sumamt, SETTLE_USE, now)
        return _Asked(key, command, readied, asking, SettlementId(new_identifier()))

    def _questions(self, asked: _Asked) -> tuple[Filled, ...]:
        """What :meth:`_decided` must be told, behind the lock and what is known of the command."""
        key, bill, now = asked.key, asked.command.bill, asked.asking.now
        intent: IntentId = asked.command.evidence.intent_id
        return (
            statements.lock_person(bill.psn_no),
            statements.ask_command(key.institution, key.command_id),
            statements.ask_day(bill.psn_no, now, key.institution, intent, SETTLE_USE),
            *_ask_visit(bill),
            *self._evidences.questions(asked.readied, asked.asking),
        )

    def _settle(self, connection: Connection, asked: _Asked) -> SettlementRecord | Refused:
        own_locks(connection)
        answers = ask(connection, self._questions(asked))
        earlier = self._answer(asked.key, statements.known(answers[1]))
        if earlier is not None:
            return earlier
        try:
            return self._carried_out(connection, asked, self._decided(asked, answers))
        except Refused as refused:
            return _remembered(connection, asked.key, refused, asked.asking.now)

    def _settle_together(
        self, connection: Connection, those: Sequence[_Asked]
    ) -> Sequence[_Outcome]:
        """:meth:`_settle` for different people: all are locked and asked about, then written."""
        own_locks(connection)
        questions = [self._questions(asked)[1:] for asked in those]
        locks = statements.lock_people([asked.command.bill.psn_no for asked in those])
        locked, *answers = ask(connection, [locks, *itertools.chain(*questions)])
        people = {psn_no for (psn_no,) in locked}
        found = iter(answers)
        decided: list[tuple[_Outcome, _Decided | Filled | None]] = []
        for asked, each in zip(those, questions, strict=True):
            # In the place of the lock's own answer.
            told: list[list[Row]] = [[], *itertools.islice(found, len(each))]
            is_locked = asked.command.bill.psn_no in people
            decided.append(self._outcome(asked, told) if is_locked else (Alone.ALONE, None))
        self._send_together(connection, [each for _, each in decided if each is not None])
        return [outcome for outcome, _ in decided]

    def _outcome(
        self, asked: _Asked, answers: Sequence[Sequence[Row]]
    ) -> tuple[_Outcome, _Decided | Filled | None]:
        """How a settlement ends, and what is to be written for it."""
        try:
            earlier = self._answer(asked.key, statements.known(answers[1]))
            if earlier is not None:
                return earlier, None
            decided = self._decided(asked, answers)
        except Refused as refused:
            if not _is_remembered(refused):
                return Raised(refused), None
            return refused, _refused_row(asked.key, refused, asked.asking.now)
        return decided.record, decided

    def _send_together(self, connection: Connection, those: Sequence[_Decided | Filled]) -> None:
        done = [each for each in those if isinstance(each, _Decided)]
        told = [row for each in done for row in each.told]
        refused = [each for each in those if isinstance(each, Filled)]
        changed = iter(tell_together(connection, [*told, *refused]))
        for each in done:
            _check_changed(each, list(itertools.islice(changed, len(each.told))))

    def _decided(self, asked: _Asked, answers: Sequence[Sequence[Row]]) -> _Decided:
        """Compute, compare, decide on the evidence; depends on the answers and nothing else.

        Raises:
            Refused: As :meth:`settle`.
        """
        command, asking = asked.command, asked.asking
        bill, day = command.bill, statements.day(answers[2])
        # The use of evidence is idempotent for an intent, so the intent must not pay twice.
        if day.intent_used:
            raise Refused(INTENT_USED)
        computed = self._compute(command.institution, bill, statements.found(answers[3:7]))
        amounts = computed.settlement.amounts
        check_confirmed(command.confirmed, amounts)
        accepted = self._evidences.accept(asked.readied, answers[7:], asking)
        unpinned = check_limit(
            amounts.psn_part_amt,
            strong=accepted.strong,
            limits=self.limits_in(computed.rules.insurance.insuplc_admdvs).tightened(day.own),
            paid_today=day.paid_fen,
        )
        record = _record(asked.setl_id, bill, computed, accepted.proven.kind, asking.now)
        rests = Rests(
            command_id=asked.key.command_id,
            proven=accepted.proven,
            unpinned=unpinned,
            intent_id=command.evidence.intent_id,
            use=SETTLE_USE,
            mid_setl=bill.mid_setl,
        )
        told = self._settlement_rows(asked.key, record, rests, accepted, computed)
        return _Decided(record, told, len(computed.found.items))

    def _settlement_rows(
        self,
        key: _Key,
        record: SettlementRecord,
        rests: Rests,
        accepted: Accepted,
        computed: _Computed,
    ) -> list[Filled]:
        posting = _posting(record, computed.rules.policy)
        batch = None if record.chrg_bchno == WHOLE_STAY else record.chrg_bchno
        hold = statements.hold_items(record.mdtrt_id, batch, record.setl_id)
        row, *others = self._rows(record, rests, posting)
        return [row, hold, *others, *accepted.writes, _done(key, record.setl_time, record)]

    def _carried_out(
        self, connection: Connection, asked: _Asked, decided: _Decided
    ) -> SettlementRecord | Refused:
        refused = self._evidences.use_up(connection, asked.readied, asked.asking)
        if refused is not None:
            return refused
        _check_changed(decided, self._send(connection, decided.told))
        return decided.record

    def _send(self, connection: Connection, told: Sequence[Filled]) -> list[int]:
        """All rows of a settlement in one round trip."""
        return tell(connection, told)

    def _rows(self, record: SettlementRecord, rests: Rests, posting: Posting) -> list[Filled]:
        """The record with everything that it moves, without its items and its command."""
        if broken := broken_identities(record.settlement.amounts):
            raise AssertionError(f"a settlement that does not add up: {broken}")
        sealed = self._sealer.seal(
            _RECORD.dump_json(record), purpose=_ANSWER, context=record.setl_id.encode()
        )
        return [
            statements.settlement_row(record, rests, sealed),
            *statements.grow_counters(record),
            *ledger.booked(posting, booked_at=record.setl_time),
            statements.event(_event(record, rests.proven), record.setl_time),
        ]

    def _compute(self, institution: InstitutionCode, bill: Bill, found: Found | None) -> _Computed:
        # Nobody learns whether a number of another institution or person exists.
        if found is None or found.institution != institution or found.psn_no != bill.psn_no:
            raise Refused(VISIT_NOT_FOUND)
        if bill.insutype != found.insutype:
            raise Refused(INSURANCE_DIFFERS, found=bill.insutype, expected=found.insutype)
        check_stay(bill, found)
        rules = self._books.rules(
            institution,
            (found.level, found.region),
            found.insurance,
            found.insutype,
            found.begntime,
        )
        settlement = _settlement(bill, found, rules)
        check_total(bill, settlement.amounts)
        return _Computed(found, rules, settlement)

    def limits_in(self, region: str) -> Limits:
        """The limits without a PIN that hold in an insured region."""
        return HIGHEST.tightened(self._limits.get(region))

    # Undoing

    def _cancellable(
        self, connection: Connection, command: CancelCommand | RefundCommand
    ) -> SettlementRecord:
        original = self._own_record(connection, command.institution, command.setl_id)
        is_it = (
            original.kind is SettlementKind.SETTLEMENT
            and original.mdtrt_id == command.mdtrt_id
            and original.psn_no == command.psn_no
        )
        if not is_it:
            raise Refused(SETTLEMENT_NOT_FOUND)
        if store.cancellation_of(connection, command.setl_id) is not None:
            raise Refused(ALREADY_CANCELLED)
        return original

    def _cancel(
        self,
        connection: Connection,
        original: SettlementRecord,
        setl_id: SettlementId,
        now: datetime,
        command_id: CommandId,
    ) -> SettlementRecord:
        proven, unpinned = store.evidence_of(connection, original.setl_id)
        balance = ledger.balance(connection, original.psn_no)
        balc = Fen(balance + original.settlement.amounts.acct_pay)
        record = replace(
            original,
            setl_id=setl_id,
            kind=SettlementKind.CANCELLATION,
            cancels=original.setl_id,
            setl_time=now,
            settlement=mirrored(original.settlement, balc=balc),
            rests_on=None,
        )
        booked = ledger.posting_of(connection, Cause.SETTLEMENT, original.setl_id)
        if booked is None:
            raise AssertionError("a settlement without a posting")
        undone = mirror(
            booked, posting_id=PostingId(setl_id), cause=Cause.CANCELLATION, cause_id=setl_id
        )
        rests = Rests(command_id, proven, Fen(-unpinned))
        told = self._rows(record, rests, undone)
        ledger.check_booked(told, tell(connection, told))
        self._let_go(connection, original, setl_id)
        return record

    def _let_go(
        self, connection: Connection, original: SettlementRecord, cancellation: SettlementId
    ) -> None:
        visit = store.visit_by_id(connection, original.mdtrt_id)
        if visit is not None and visit.registration.kind is VisitKind.PHARMACY:
            held = store.items_of(connection, original.setl_id)
            store.give_items_back(connection, original.mdtrt_id, list(held), cancellation)
        else:
            store.release_items(connection, original.setl_id)

    def _refund(
        self,
        connection: Connection,
        command: RefundCommand,
        original: SettlementRecord,
        numbers: tuple[SettlementId, SettlementId],
        now: datetime,
        command_id: CommandId,
    ) -> Refund:
        held = store.items_of(connection, original.setl_id)
        kept = _kept(held, command)
        evidence = store.evidence_of(connection, original.setl_id)
        cancellation = self._cancel(connection, original, numbers[0], now, command_id)
        store.give_items_back(
            connection, original.mdtrt_id, command.give_back, cancellation.setl_id
        )
        if not kept:
            return Refund(cancellation, None)
        visit = store.visit_by_id(connection, original.mdtrt_id)
        if visit is None:
            raise AssertionError("a settlement without a visit")
        add_items(connection, visit, command.instead)
        bill = _rest_bill(original, kept, store.is_mid_stay(connection, original.setl_id))
        computed = self._compute_rest(connection, visit, bill, kept, original)
        _check_not_dearer(original, computed.settlement)
        rest = replace(
            _record(numbers[1], bill, computed, EvidenceKind.ORIGINAL, now),
            rests_on=original.setl_id,
        )
        self._write_rest(connection, rest, computed, bill, evidence, command_id)
        return Refund(cancellation, rest)

    def _compute_rest(
        self,
        connection: Connection,
        visit: Visit,
        bill: Bill,
        kept: Sequence[ChargeItem],
        original: SettlementRecord,
    ) -> _Computed:
        found = statements.found(ask(connection, _ask_visit(bill)))
        if found is None:
            raise Refused(VISIT_NOT_FOUND)
        held = found.balance
        # No more from the account than the person confirmed, whatever it holds by now.
        limit = original.settlement.amounts.acct_pay
        found = replace(
            found,
            items=tuple([_open(item) for item in kept]),
            balance=Fen(min(held, limit)),
        )
        computed = self._compute(visit.institution, bill, found)
        amounts = computed.settlement.amounts
        amounts = replace(amounts, balc=Fen(held - amounts.acct_pay))
        return replace(computed, settlement=replace(computed.settlement, amounts=amounts))

    def _write_rest(
        self,
        connection: Connection,
        rest: SettlementRecord,
        computed: _Computed,
        bill: Bill,
        evidence: tuple[Proven, Fen],
        command_id: CommandId,
    ) -> None:
        proven, unpinned = evidence
        counted = min(unpinned, computed.settlement.amounts.psn_part_amt)
        rests = Rests(command_id, proven, Fen(counted), mid_setl=bill.mid_setl)
        told = self._rows(rest, rests, _posting(rest, computed.rules.policy))
        ledger.check_booked(told, tell(connection, told))
        numbers = [item.feedetl_sn for item in computed.found.items]
        store.hold_items(connection, rest, numbers)

    def _reversed(
        self,
        connection: Connection,
        key: _Key,
        known: Known,
        psn_no: PersonNo,
        new_id: SettlementId,
        now: datetime,
    ) -> tuple[ReversalOutcome, SettlementId | None]:
        if known.command_digest is None:
            # Its row takes the place that a late copy would need.
            bar = (COMMAND_REVERSED.code, "{}")
            row = statements.refused_row(key.institution, key.command_id, key.digest, bar, now)
            tell(connection, [row])
        if known.setl_id is None or known.answer_sealed is None:
            return ReversalOutcome.NEVER_DONE, None
        record = self._opened(known.setl_id, known.answer_sealed)
        if record.psn_no != psn_no:
            raise Refused(SETTLEMENT_NOT_FOUND)
        if record.kind is not SettlementKind.SETTLEMENT:
            raise Refused(NOT_REVERSIBLE)
        return ReversalOutcome.UNDONE, self._undo(connection, record, new_id, now, key)

    def _undo(
        self,
        connection: Connection,
        record: SettlementRecord,
        new_id: SettlementId,
        now: datetime,
        key: _Key,
    ) -> SettlementId:
        """Cancel what stands of a settlement; gives the cancellation that ended it."""
        undone_by = store.cancellation_of(connection, record.setl_id)
        if undone_by is None:
            self._cancel(connection, record, new_id, now, key.command_id)
            return new_id
        rest = store.rest_of(connection, record.setl_id)
        if rest is None:
            return undone_by
        standing = self._own_record(connection, key.institution, rest)
        return self._undo(connection, standing, new_id, now, key)

    # Records

    def _refund_of(self, institution: InstitutionCode, done: SettlementRecord) -> Refund:
        """The answer to a repeated refund."""

        def work(connection: Connection) -> SettlementRecord | None:
            rest = store.rest_of(connection, done.cancels) if done.cancels else None
            return None if rest is None else self._own_record(connection, institution, rest)

        return Refund(done, self._database.read(work))

    def _own_record(
        self, connection: Connection, institution: InstitutionCode, setl_id: SettlementId
    ) -> SettlementRecord:
        sealed = store.answer_of(connection, setl_id)
        record = None if sealed is None else self._opened(setl_id, sealed)
        # Nobody learns whether a number of another institution exists.
        if record is None or record.institution != institution:
            raise Refused(SETTLEMENT_NOT_FOUND)
        return record

    def _opened(self, setl_id: SettlementId, sealed: bytes) -> SettlementRecord:
        answer = self._sealer.open(sealed, purpose=_ANSWER, context=setl_id.encode())
        return _RECORD.validate_json(answer)


def _given(outcome: SettlementRecord | Refused) -> SettlementRecord:
    """The answer of a transaction; a refusal that it left in the books is raised now."""
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def _remembered(connection: Connection, key: _Key, refused: Refused, now: datetime) -> Refused:
    """The refusal, in the books when it is final.

    Raises:
        Refused: The refusal itself, when asking again can help or it is another command's.
    """
    if not _is_remembered(refused):
        raise refused
    tell(connection, [_refused_row(key, refused, now)])
    return refused


def _is_remembered(refused: Refused) -> bool:
    return refused.kind.finality is Finality.FINAL and refused.kind is not COMMAND_DIFFERS


def _refused_row(key: _Key, refused: Refused, now: datetime) -> Filled:
    said = (refused.kind.code, json.dumps(dict(refused.details)))
    return statements.refused_row(key.institution, key.command_id, key.digest, said, now)


def _check_changed(decided: _Decided, changed: Sequence[int]) -> None:
    """Check that what was written found what was decided on."""
    ledger.check_booked(decided.told, changed)
    if changed[1] != decided.items:
        raise AssertionError("a charge item changed although the person is locked")


def _refusal(code: str, details: str) -> Refused:
    kind = _KINDS.get(code)
    if kind is None:
        return Refused(model.COMMAND_REFUSED, found=code)
    return Refused(kind, **json.loads(details))


def _done(
    key: _Key, now: datetime, record: SettlementRecord, rest: SettlementId | None = None
) -> Filled:
    done = (record.setl_id, rest)
    return statements.done_row(key.institution, key.command_id, key.digest, done, now)


def _ask_visit(bill: Bill) -> tuple[Filled, ...]:
    return statements.ask_visit(bill, whole_visit=bill.chrg_bchno == WHOLE_STAY)


def _settlement(bill: Bill, found: Found, rules: Rules) -> Settlement:
    if not found.items:
        raise Refused(NOTHING_TO_SETTLE, chrg_bchno=bill.chrg_bchno)
    diseases = {item.dise_codg for item in found.items if item.dise_codg}
    disease = min(diseases, default="")
    return settle(
        rules.policy,
        Beneficiary(rules.insurance.psn_type, found.balance),
        found.counters,
        rules.facts(bill, found, disease),
        rules.classified(found.items),
    )


def _bill_of(purchase: Purchase, visit: Visit) -> Bill:
    batches = {item.chrg_bchno for item in purchase.items}
    if len(batches) != 1:
        raise Refused(benefits.CHARGE_INVALID, found="more than one charge batch, or none")
    registration = purchase.registration
    return Bill(
        mdtrt_id=visit.mdtrt_id,
        psn_no=registration.psn_no,
        insutype=registration.insutype,
        chrg_bchno=min(batches),
        med_type=purchase.med_type,
        acct_used=purchase.acct_used,
        medfee_sumamt=purchase.medfee_sumamt,
    )


def _purchase_found(
    connection: Connection, visit: Visit, purchase: Purchase, rules: Rules
) -> Found:
    """A sale as it would be found once its visit was opened."""
    registration = visit.registration
    psn_no, insutype = registration.psn_no, registration.insutype
    return Found(
        institution=visit.institution,
        psn_no=psn_no,
        insutype=insutype,
        begntime=registration.begntime,
        year=rules.year,
        kind=registration.kind,
        cancelled=False,
        discharged=False,
        level=rules.level,
        region=rules.catalogue.region,
        insurance=rules.insurance,
        balance=ledger.balance(connection, psn_no),
        items=tuple([_open(item) for item in purchase.items]),
        counters=store.counters(connection, psn_no, insutype, rules.year),
        so_far={},
    )


def _open(item: ChargeItem) -> OpenItem:
    return OpenItem(
        item.feedetl_sn,
        item.med_list_codg,
        item.det_item_fee_sumamt,
        item.cnt,
        item.pric,
        item.hosp_appr_flag,
        item.dise_codg,
    )


def _kept(held: Mapping[ChargeItemNo, ChargeItem], command: RefundCommand) -> list[ChargeItem]:
    """What stays of a settlement after lines were given back."""
    given = set(command.give_back)
    returned = total([held[number].det_item_fee_sumamt for number in given & held.keys()])
    instead = total([item.det_item_fee_sumamt for item in command.instead])
    batches = {item.chrg_bchno for item in held.values()}
    fits = all(item.chrg_bchno in batches for item in command.instead)
    if not given or not given <= held.keys() or instead > returned or not fits:
        raise Refused(REFUND_INVALID, found_fen=instead, limit_fen=returned)
    stays = [item for number, item in held.items() if number not in given]
    return [*stays, *command.instead]


def _rest_bill(original: SettlementRecord, kept: Sequence[ChargeItem], mid_setl: bool) -> Bill:  # noqa: FBT001
    return Bill(
        mdtrt_id=original.mdtrt_id,
        psn_no=original.psn_no,
        insutype=original.insutype,
        chrg_bchno=original.chrg_bchno,
        med_type=original.med_type,
        acct_used=original.settlement.amounts.acct_pay > 0,
        medfee_sumamt=total([item.det_item_fee_sumamt for item in kept]),
        mid_setl=mid_setl,
    )


def _check_not_dearer(original: SettlementRecord, rest: Settlement) -> None:
    """Check that nobody pays more for less.

    Raises:
        Refused: ``insurer.refund_dearer``.
    """
    for name in ("psn_part_amt", "psn_cash_pay", "acct_pay"):
        before: Fen = getattr(original.settlement.amounts, name)
        after: Fen = getattr(rest.amounts, name)
        if after > before:
            raise Refused(REFUND_DEARER, field=name, found_fen=after, limit_fen=before)


def _record(
    setl_id: SettlementId, bill: Bill, computed: _Computed, evidence: EvidenceKind, now: datetime
) -> SettlementRecord:
    insurance = computed.rules.insurance
    return SettlementRecord(
        setl_id=setl_id,
        kind=SettlementKind.SETTLEMENT,
        cancels=None,
        mdtrt_id=bill.mdtrt_id,
        psn_no=bill.psn_no,
        institution=computed.found.institution,
        insutype=insurance.insutype,
        insuplc_admdvs=insurance.insuplc_admdvs,
        psn_type=insurance.psn_type,
        med_type=bill.med_type,
        chrg_bchno=bill.chrg_bchno,
        setl_time=now,
        year=computed.rules.year,
        settlement=computed.settlement,
        evidence=evidence,
    )


def _posting(record: SettlementRecord, policy: Policy) -> Posting:
    return Posting(
        posting_id=PostingId(record.setl_id),
        cause=Cause.SETTLEMENT,
        cause_id=record.setl_id,
        entries=entries_of(record, policy),
    )


def _event(record: SettlementRecord, proven: Proven) -> MoneySettled:
    amounts = record.settlement.amounts
    return MoneySettled(
        change=record.kind,
        setl_id=record.setl_id,
        of=record.cancels or record.rests_on,
        subject=record.psn_no,
        institution=record.institution,
        bill_fen=amounts.medfee_sumamt,
        fund_fen=amounts.fund_pay_sumamt,
        account_fen=amounts.acct_pay,
        cash_fen=amounts.psn_cash_pay,
        evidence=record.evidence,
        second=proven.second,
        seen_by=StaffId(proven.seen_by) if proven.seen_by else None,
    )
