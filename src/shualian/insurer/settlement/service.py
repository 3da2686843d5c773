"""Use cases of a visit's money: open, upload, pre-settle, settle, cancel.

**How a settlement survives a crash.** The proof is redeemed in a transaction of its own, before
the transaction that moves money:

1. An earlier answer to the command is looked up and, if there is one, given again; the proof is
   not looked at.
2. The amounts are computed and compared, so that a proof is not spent on a wrong bill.
3. The proof is redeemed for (intent, ``settle``), durably.
4. One transaction looks for the earlier answer again, computes and compares again, and writes
   settlement, charge items, counters, ledger posting, personal account and answer together.

Power lost between 3 and 4 leaves a proof that is used and no money that moved. The sender, who
stored the command before sending it, repeats it: 1 finds nothing, 3 is answered as before because
redeeming is idempotent for (intent, use), 4 goes through. Lost after 4, the repeat ends at 1. A
sender who never repeats leaves a spent proof, which pays for nothing else: the intent is bound to
one settlement by a unique key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    InstitutionCode,
    IntentId,
    PersonNo,
    SettlementId,
    VisitId,
    new_identifier,
)
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.insurer.benefits.catalogue import Catalogue, CatalogueBook
from shualian.insurer.benefits.model import (
    CHARGE_INVALID,
    Beneficiary,
    ClassifiedItem,
    LineSplit,
    Policy,
    Settlement,
    VisitFacts,
    broken_identities,
    mirrored,
    settle,
    split_items,
)
from shualian.insurer.benefits.policy import PolicyBook
from shualian.insurer.funds import store as ledger
from shualian.insurer.funds.model import COMMAND_DIFFERS, Cause, Posting, PostingId, mirror
from shualian.insurer.institutions import store as institutions
from shualian.insurer.institutions.model import INSTITUTION_NOT_CONTRACTED, Institution
from shualian.insurer.persons import store as persons
from shualian.insurer.persons.model import PERSON_NOT_FOUND, Insurance
from shualian.insurer.settlement import store
from shualian.insurer.settlement.model import (
    ALREADY_CANCELLED,
    CHARGE_DIFFERS,
    EVIDENCE_INVALID,
    INSURANCE_DIFFERS,
    INTENT_USED,
    NOTHING_TO_SETTLE,
    REGISTER_USE,
    REGISTERING_SCENES,
    SETTLE_USE,
    SETTLEMENT_NOT_FOUND,
    SETTLING_SCENES,
    VISIT_DIFFERS,
    VISIT_NOT_FOUND,
    Bill,
    CancelCommand,
    ChargeItem,
    Confirmed,
    FaceEvidence,
    Registration,
    SettleCommand,
    SettlementKind,
    SettlementRecord,
    Visit,
    check_begin,
    check_charge_item,
    check_confirmed,
    check_total,
    command_digest,
    entries_of,
)
from shualian.insurer.settlement.ports import AnswerSealer, FaceProofs
from shualian.verification.model import Scene

_ANSWER = "insurer.settlement.answer"
_RECORD = TypeAdapter(SettlementRecord)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What holds for a visit."""

    policy: Policy
    catalogue: Catalogue
    institution: Institution
    insurance: Insurance
    year: int


@dataclass(frozen=True, slots=True)
class _Computed:
    """A bill as it would be settled now."""

    visit: Visit
    rules: _Rules
    settlement: Settlement

    @property
    def numbers(self) -> list[ChargeItemNo]:
        return [line.item.feedetl_sn for line in self.settlement.lines]


@dataclass(frozen=True, slots=True)
class _Command:
    """What the books keep of a command."""

    command_id: CommandId
    digest: bytes
    intent_id: IntentId | None = None
    proof_use: str | None = None


class Settlements:
    """The insurer's side of a visit, from registration to cancellation.

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
    ) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies
        self._catalogues = catalogues
        self._proofs = proofs
        self._sealer = sealer
        # A missing key stops the start-up, and none is read from disk inside a transaction.
        sealer.seal(b"", purpose=_ANSWER, context=b"")

    def open_visit(
        self,
        *,
        institution: InstitutionCode,
        registration: Registration,
        evidence: FaceEvidence | None = None,
    ) -> Visit:
        """Open a visit (2201); the same registration again gives the same visit.

        Args:
            institution: Who asks.
            registration: What it says; its own visit number makes a repeat known.
            evidence: Redeemed like that of :meth:`settle`. Without it the visit is a claim, on
                which nothing is paid: a settlement brings evidence of its own.

        Raises:
            Refused: ``insurer.visit_time_invalid``, ``institution_not_contracted``,
                ``person_not_found``, ``not_insured``, ``no_policy``, ``visit_differs``,
                ``evidence_invalid``, ``intent_used``; and what refuses the proof.
        """
        intent_id = evidence.intent_id if evidence else None
        opened = Visit(VisitId(new_identifier()), institution, registration, intent_id)
        earlier = self._database.read(lambda connection: self._earlier_visit(connection, opened))
        if earlier is not None:
            return earlier
        if evidence is not None:
            _check_scene(evidence, REGISTERING_SCENES)
            self._redeem(REGISTER_USE, evidence, institution, registration.psn_no, ZERO)

        def work(connection: Connection) -> Visit:
            earlier = self._earlier_visit(connection, opened)
            if earlier is None:
                store.add_visit(connection, opened)
            return earlier or opened

        return self._database.write(work)

    def upload_charge_items(
        self,
        *,
        institution: InstitutionCode,
        mdtrt_id: VisitId,
        psn_no: PersonNo,
        items: Sequence[ChargeItem],
    ) -> tuple[LineSplit, ...]:
        """Take charge items and give the split of each (2204), in the order of ``items``.

        An item that was uploaded before with the same content is answered again; all are taken
        or none.

        Raises:
            Refused: ``insurer.visit_not_found``, ``charge_invalid``, ``charge_differs``,
                ``item_not_in_catalogue``.
        """
        numbers = [item.feedetl_sn for item in items]
        if len(set(numbers)) != len(numbers):
            raise Refused(CHARGE_INVALID, found="a feedetl_sn twice")
        for item in items:
            check_charge_item(item)

        def work(connection: Connection) -> tuple[LineSplit, ...]:
            visit = _own_visit(connection, institution, mdtrt_id, psn_no)
            rules = self._rules(connection, visit)
            splits = split_items(rules.policy, _classified(rules.catalogue, items))
            earlier = store.charge_items(connection, mdtrt_id, numbers)
            for item in items:
                if earlier.get(item.feedetl_sn, item) != item:
                    raise Refused(CHARGE_DIFFERS, feedetl_sn=item.feedetl_sn)
            new = [item for item in items if item.feedetl_sn not in earlier]
            store.add_charge_items(connection, mdtrt_id, new)
            return splits

        by_number = {split.item.feedetl_sn: split for split in self._database.write(work)}
        return tuple(by_number[number] for number in numbers)

    def pre_settle(self, *, institution: InstitutionCode, bill: Bill) -> Settlement:
        """What a settlement of the bill would be now (2206); changes nothing.

        Raises:
            Refused: ``insurer.visit_not_found``, ``insurance_differs``, ``not_insured``,
                ``nothing_to_settle``, ``no_benefit_rule``, ``amounts_differ``.
        """
        computed = self._database.read(
            lambda connection: self._compute(connection, institution, bill)
        )
        return computed.settlement

    def settle(
        self,
        *,
        institution: InstitutionCode,
        command_id: CommandId,
        bill: Bill,
        confirmed: Confirmed,
        evidence: FaceEvidence,
    ) -> SettlementRecord:
        """Settle a bill on a face proof (2207), once for each command.

        Args:
            institution: Who asks.
            command_id: Stored by the sender before sending; a repeat is answered from the books.
            bill: What is to be settled.
            confirmed: The amounts that the person confirmed; each must be ours.
            evidence: The proof; redeemed at most once, see the text of this module.

        Raises:
            Refused: As :meth:`pre_settle`; ``insurer.command_differs``, ``evidence_invalid``,
                ``intent_used``, ``account_too_low``; and what refuses the proof.
        """
        command = SettleCommand(institution, bill, confirmed, evidence)
        digest = command_digest(command)
        before = self._database.read(
            lambda connection: self._answer_or_compute(connection, command_id, command, digest)
        )
        if isinstance(before, SettlementRecord):
            return before
        self._redeem(SETTLE_USE, evidence, institution, bill.psn_no, bill.medfee_sumamt)
        setl_id, now = SettlementId(new_identifier()), self._clock.now()

        def work(connection: Connection) -> SettlementRecord:
            computed = self._answer_or_compute(connection, command_id, command, digest)
            if isinstance(computed, SettlementRecord):
                return computed
            record = _record(setl_id, bill, computed, now)
            self._write(
                connection,
                record,
                _posting(record, computed.rules.policy),
                _Command(command_id, digest, evidence.intent_id, SETTLE_USE),
            )
            store.hold_items(connection, record, computed.numbers)
            return record

        return self._database.write(work)

    def cancel_settlement(
        self,
        *,
        institution: InstitutionCode,
        command_id: CommandId,
        setl_id: SettlementId,
        mdtrt_id: VisitId,
        psn_no: PersonNo,
    ) -> SettlementRecord:
        """Undo a settlement whole (2208), once: mirror entries, counters and account as before.

        Its charge items can be settled again. Later settlements of the year stand as they are;
        the next one finds the counters without the cancelled one.

        Raises:
            Refused: ``insurer.settlement_not_found``, ``already_cancelled``, ``command_differs``.
        """
        command = CancelCommand(institution, setl_id, mdtrt_id, psn_no)
        digest = command_digest(command)
        new_id, now = SettlementId(new_identifier()), self._clock.now()

        def work(connection: Connection) -> SettlementRecord:
            earlier = self._answered(connection, institution, command_id, digest)
            if earlier is not None:
                return earlier
            original = self._cancellable(connection, command)
            return self._cancel(connection, original, new_id, now, _Command(command_id, digest))

        return self._database.write(work)

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

    def _earlier_visit(self, connection: Connection, opened: Visit) -> Visit | None:
        """The same visit as it was opened before; or nothing, when it may be opened."""
        registration, intent_id = opened.registration, opened.intent_id
        number = registration.ipt_otp_no
        earlier = store.visit_by_encounter(connection, opened.institution, number)
        if earlier is not None:
            if (earlier.registration, earlier.intent_id) != (registration, intent_id):
                raise Refused(VISIT_DIFFERS, ipt_otp_no=number)
            return earlier
        # Redeeming is idempotent for an intent, so the intent itself must not open two visits.
        if intent_id and store.visit_by_intent(connection, opened.institution, intent_id):
            raise Refused(INTENT_USED)
        check_begin(registration.begntime, now=self._clock.now())
        self._rules(connection, opened)
        return None

    def _rules(self, connection: Connection, visit: Visit) -> _Rules:
        """Policy and catalogue of the day on which the visit began."""
        registration = visit.registration
        institution = institutions.find(connection, visit.institution)
        if institution is None:
            raise Refused(INSTITUTION_NOT_CONTRACTED, fixmedins_code=visit.institution)
        insurance = persons.insurance_of(connection, registration.psn_no, registration.insutype)
        if insurance is None:
            raise Refused(PERSON_NOT_FOUND, insutype=registration.insutype)
        insurance.check_in_force()
        day = business_date(registration.begntime)
        return _Rules(
            policy=self._policies.policy_for(
                region=insurance.insuplc_admdvs, insutype=insurance.insutype, day=day
            ),
            catalogue=self._catalogues.catalogue_for(region=institution.region, day=day),
            institution=institution,
            insurance=insurance,
            year=day.year,
        )

    def _compute(
        self, connection: Connection, institution: InstitutionCode, bill: Bill
    ) -> _Computed:
        visit = _own_visit(connection, institution, bill.mdtrt_id, bill.psn_no)
        if bill.insutype != visit.registration.insutype:
            raise Refused(
                INSURANCE_DIFFERS, found=bill.insutype, expected=visit.registration.insutype
            )
        rules = self._rules(connection, visit)
        items = store.unsettled(connection, bill.mdtrt_id, bill.chrg_bchno)
        if not items:
            raise Refused(NOTHING_TO_SETTLE, chrg_bchno=bill.chrg_bchno)
        settlement = settle(
            rules.policy,
            Beneficiary(rules.insurance.psn_type, ledger.balance(connection, bill.psn_no)),
            store.counters(connection, bill.psn_no, bill.insutype, rules.year),
            VisitFacts(bill.med_type, rules.institution.level, bill.acct_used),
            _classified(rules.catalogue, items),
        )
        check_total(bill, settlement.amounts)
        return _Computed(visit, rules, settlement)

    def _answer_or_compute(
        self,
        connection: Connection,
        command_id: CommandId,
        command: SettleCommand,
        digest: bytes,
    ) -> SettlementRecord | _Computed:
        """The earlier answer; or, when there is none, the bill as the person confirmed it."""
        institution, evidence = command.institution, command.evidence
        earlier = self._answered(connection, institution, command_id, digest)
        if earlier is not None:
            return earlier
        _check_scene(evidence, SETTLING_SCENES)
        # Redeeming is idempotent for an intent, so the intent itself must not pay twice.
        if store.intent_settled(connection, institution, evidence.intent_id, SETTLE_USE):
            raise Refused(INTENT_USED)
        computed = self._compute(connection, institution, command.bill)
        check_confirmed(command.confirmed, computed.settlement.amounts)
        return computed

    def _answered(
        self,
        connection: Connection,
        institution: InstitutionCode,
        command_id: CommandId,
        digest: bytes,
    ) -> SettlementRecord | None:
        stored = store.answer_to(connection, institution, command_id)
        if stored is None:
            return None
        if stored.command_digest != digest:
            raise Refused(COMMAND_DIFFERS)
        return self._opened(stored)

    def _redeem(
        self,
        use: str,
        evidence: FaceEvidence,
        institution: InstitutionCode,
        beneficiary: PersonNo,
        amount: Fen,
    ) -> None:
        self._proofs.redeem(
            evidence.auth_no,
            intent_id=evidence.intent_id,
            use=use,
            amount_fen=amount,
            expected_institution=institution,
            expected_terminal=evidence.terminal_id,
            expected_scene=evidence.scene,
            expected_subject=evidence.subject,
            expected_beneficiary=beneficiary,
            expected_relation=evidence.relation,
        )

    def _write(
        self,
        connection: Connection,
        record: SettlementRecord,
        posting: Posting,
        command: _Command,
    ) -> None:
        if broken := broken_identities(record.settlement.amounts):
            raise AssertionError(f"a settlement that does not add up: {broken}")
        store.add_settlement(
            connection,
            record,
            command_id=command.command_id,
            command_digest=command.digest,
            intent_id=command.intent_id,
            proof_use=command.proof_use,
            answer_sealed=self._sealer.seal(
                _RECORD.dump_json(record), purpose=_ANSWER, context=record.setl_id.encode()
            ),
        )
        store.add_to_counters(connection, record, record.settlement.accrual)
        ledger.book(connection, posting, booked_at=record.setl_time)

    def _cancellable(self, connection: Connection, command: CancelCommand) -> SettlementRecord:
        original = self._own_record(connection, command.institution, command.setl_id)
        is_it = (
            original.kind is SettlementKind.SETTLEMENT
            and original.mdtrt_id == command.mdtrt_id
            and original.psn_no == command.psn_no
        )
        if not is_it:
            raise Refused(SETTLEMENT_NOT_FOUND)
        if store.is_cancelled(connection, command.setl_id):
            raise Refused(ALREADY_CANCELLED)
        return original

    def _cancel(
        self,
        connection: Connection,
        original: SettlementRecord,
        setl_id: SettlementId,
        now: datetime,
        command: _Command,
    ) -> SettlementRecord:
        refund = original.settlement.amounts.acct_pay
        balc = Fen(ledger.balance(connection, original.psn_no) + refund)
        record = replace(
            original,
            setl_id=setl_id,
            kind=SettlementKind.CANCELLATION,
            cancels=original.setl_id,
            setl_time=now,
            settlement=mirrored(original.settlement, balc=balc),
        )
        booked = ledger.posting_of(connection, Cause.SETTLEMENT, original.setl_id)
        if booked is None:
            raise AssertionError("a settlement without a posting")
        undone = mirror(
            booked, posting_id=PostingId(setl_id), cause=Cause.CANCELLATION, cause_id=setl_id
        )
        self._write(connection, record, undone, command)
        store.release_items(connection, original.setl_id)
        return record

    def _own_record(
        self, connection: Connection, institution: InstitutionCode, setl_id: SettlementId
    ) -> SettlementRecord:
        stored = store.answer_of(connection, setl_id)
        record = None if stored is None else self._opened(stored)
        # Nobody learns whether a number of another institution exists.
        if record is None or record.institution != institution:
            raise Refused(SETTLEMENT_NOT_FOUND)
        return record

    def _opened(self, stored: store.StoredAnswer) -> SettlementRecord:
        answer = self._sealer.open(
            stored.answer_sealed, purpose=_ANSWER, context=stored.setl_id.encode()
        )
        return _RECORD.validate_json(answer)


def _check_scene(evidence: FaceEvidence, allowed: frozenset[Scene]) -> None:
    if evidence.scene not in allowed:
        raise Refused(EVIDENCE_INVALID, found=evidence.scene.value)


def _own_visit(
    connection: Connection, institution: InstitutionCode, mdtrt_id: VisitId, psn_no: PersonNo
) -> Visit:
    visit = store.visit_by_id(connection, mdtrt_id)
    # Nobody learns whether a number of another institution or person exists.
    if visit is None or visit.institution != institution or visit.registration.psn_no != psn_no:
        raise Refused(VISIT_NOT_FOUND)
    return visit


def _classified(catalogue: Catalogue, items: Sequence[ChargeItem]) -> list[ClassifiedItem]:
    return [
        catalogue.classify(
            feedetl_sn=item.feedetl_sn,
            med_list_codg=item.med_list_codg,
            det_item_fee_sumamt=item.det_item_fee_sumamt,
            cnt=item.cnt,
            pric=item.pric,
        )
        for item in items
    ]


def _record(
    setl_id: SettlementId, bill: Bill, computed: _Computed, now: datetime
) -> SettlementRecord:
    insurance = computed.rules.insurance
    return SettlementRecord(
        setl_id=setl_id,
        kind=SettlementKind.SETTLEMENT,
        cancels=None,
        mdtrt_id=bill.mdtrt_id,
        psn_no=bill.psn_no,
        institution=computed.visit.institution,
        insutype=insurance.insutype,
        insuplc_admdvs=insurance.insuplc_admdvs,
        psn_type=insurance.psn_type,
        med_type=bill.med_type,
        chrg_bchno=bill.chrg_bchno,
        setl_time=now,
        year=computed.rules.year,
        settlement=computed.settlement,
    )


def _posting(record: SettlementRecord, policy: Policy) -> Posting:
    return Posting(
        posting_id=PostingId(record.setl_id),
        cause=Cause.SETTLEMENT,
        cause_id=record.setl_id,
        entries=entries_of(record, policy),
    )
