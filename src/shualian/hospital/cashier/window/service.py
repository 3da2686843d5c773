"""Use cases of the window: find what is open, show who would pay what, settle on evidence."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    PersonNo,
    RecordNo,
    StaffId,
)
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.model import MoneyAct, MoneyEvent
from shualian.hospital.cashier.overrides import store as overrides
from shualian.hospital.cashier.overrides.model import OverrideId, OverrideKind
from shualian.hospital.cashier.refunds import store as refunds
from shualian.hospital.cashier.tenders import store as tenders
from shualian.hospital.cashier.window import store
from shualian.hospital.cashier.window.model import (
    NOBODY_FOUND,
    OpenBatch,
    OpenItems,
    PaymentView,
    WindowPolicy,
    needs_second,
    override_needed,
)
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import ENCOUNTER_NOT_FOUND, Encounter
from shualian.hospital.model import (
    CardEvidence,
    CodeEvidence,
    DocumentEvidence,
    Evidence,
    FaceEvidence,
)
from shualian.hospital.orders import store as orders
from shualian.hospital.orders.model import BatchState, ChargeItem, bill_amount
from shualian.hospital.payments import store as payments
from shualian.hospital.payments.model import NOT_SENT, Payment
from shualian.hospital.payments.service import Payments
from shualian.hospital.ports import FaceProofs
from shualian.hospital.records.service import Records
from shualian.trust.audit.model import Code, Reference
from shualian.trust.audit.service import record


class Window:
    """The cashier's windows of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        records: Records,
        payments: Payments,
        proofs: FaceProofs,
        policy: WindowPolicy | None = None,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._records = records
        self._payments = payments
        self._proofs = proofs
        self._policy = policy or WindowPolicy()

    def of_encounter(self, *, encounter_no: EncounterNo) -> OpenItems:
        """What is open of an encounter.

        Raises:
            Refused: ``hospital.encounter_not_found``.
        """

        def work(connection: Connection) -> tuple[Encounter, OpenItems]:
            found = encounters.by_number(connection, self._institution, encounter_no)
            if found is None:
                raise Refused(ENCOUNTER_NOT_FOUND)
            return found.encounter, self._items(connection, found.encounter)

        encounter, items = self._database.read(work)
        return self._named(encounter, items)

    def of_slip(self, *, slip_no: str) -> OpenItems:
        """What is open of the encounter whose bill waits under a slip number.

        Raises:
            Refused: ``hospital.slip_not_found``.
        """
        payment = self._payments.by_slip(slip_no=slip_no)
        return self.of_encounter(encounter_no=payment.encounter_no)

    def of_record(self, *, record_no: RecordNo) -> Sequence[OpenItems]:
        """What is open of a person, the newest encounter first; only where anything is.

        Raises:
            Refused: ``hospital.record_not_found``.
        """
        self._records.get(record_no=record_no)
        found = self._database.read(
            lambda connection: [
                (encounter, self._items(connection, encounter))
                for encounter in store.encounters_of(connection, self._institution, record_no)
            ]
        )
        return [self._named(*each) for each in found if each[1].anything]

    def of_person(self, *, evidence: Evidence) -> Sequence[OpenItems]:
        """What is open of the person who shows something; uses nothing of it up.

        Raises:
            Refused: ``hospital.nobody_found``; what refuses the proof; for a code or a card as
                ``Records.person_of``.
        """
        record_no = self._record_of(evidence)
        if record_no is None:
            raise Refused(NOBODY_FOUND)
        return self.of_record(record_no=record_no)

    def settle(
        self,
        *,
        payment: CommandId,
        evidence: Evidence,
        by: StaffId,
        from_wallet_fen: Fen = ZERO,
        override_id: OverrideId | None = None,
    ) -> Payment:
        """Settle at the window; what is due in cash is taken next.

        Args:
            payment: Command of the payment, prepared or waiting under its slip.
            evidence: That the person confirmed exactly this bill.
            by: The clerk.
            from_wallet_fen: What is to come from the agreed account.
            override_id: What allows a large bill on a document alone.

        Raises:
            Refused: ``hospital.override_needed``, ``override_differs``, ``override_step``; else
                as ``Payments.settle``.
        """
        found = self._payments.get(command_id=payment)
        large = needs_second(found.confirmed.amounts, evidence, self._policy)
        if found.state in NOT_SENT and large:
            if override_id is None:
                raise override_needed()
            self._database.write(lambda connection: self._use(connection, payment, override_id, by))
        return self._payments.settle(
            command_id=payment, evidence=evidence, from_wallet_fen=from_wallet_fen
        )

    def _use(
        self, connection: Connection, payment: CommandId, override_id: OverrideId, by: StaffId
    ) -> None:
        now = self._clock.now()
        used = overrides.use(
            connection,
            self._institution,
            override_id,
            OverrideKind.SETTLE_WITHOUT_FACE,
            payment=payment,
            now=now,
        )
        event = MoneyEvent(
            act=MoneyAct.SETTLED_WITHOUT_FACE,
            subject=Reference(override_id),
            payment=payment,
            staff=by,
            second=used.decided_by,
            reason=Code(used.reason.value),
        )
        record(connection, event, at=now)

    def _record_of(self, evidence: Evidence) -> RecordNo | None:
        match evidence:
            case FaceEvidence():
                proof = self._proofs.check(evidence.auth_no, expected_institution=self._institution)
                return self._of_number(proof.beneficiary)
            case DocumentEvidence():
                found = self._records.find_by_id_number(id_number=evidence.id_number)
                return None if found is None else found.record_no
            case CodeEvidence() | CardEvidence():
                person = self._records.person_of(evidence, scenes=frozenset())
                return self._of_number(person.psn_no)

    def _of_number(self, psn_no: PersonNo) -> RecordNo | None:
        found = self._records.find_by_person(psn_no=psn_no)
        return None if found is None else found.record_no

    def _items(self, connection: Connection, encounter: Encounter) -> OpenItems:
        institution, encounter_no = self._institution, encounter.encounter_no
        batches = [
            _batch(
                batch.chrg_bchno,
                batch.state,
                orders.items_of_batch(connection, institution, batch.chrg_bchno),
            )
            for batch in orders.batches_of(connection, institution, encounter_no)
            if batch.state is not BatchState.SETTLED
        ]
        return OpenItems(
            encounter_no=encounter_no,
            masked_name="",
            dept_name=encounter.department.dept_name,
            dept_name_en=encounter.department.name_en,
            batches=tuple(batch for batch in batches if batch.items),
            payments=tuple(
                self._view(connection, stored.payment)
                for stored in payments.of_encounter(connection, institution, encounter_no)
            ),
        )

    def _view(self, connection: Connection, payment: Payment) -> PaymentView:
        key = connection, self._institution, payment.command_id
        taking = tenders.by_payment(*key)
        due = payment.cash_due_fen if payment.done and taking is None else ZERO
        return PaymentView(payment, due, taking, tuple(refunds.of_payment(*key)))

    def _named(self, encounter: Encounter, items: OpenItems) -> OpenItems:
        record_found = self._records.get(record_no=encounter.record_no)
        return replace(items, masked_name=record_found.masked_name)


def _batch(chrg_bchno: str, state: BatchState, items: Sequence[ChargeItem]) -> OpenBatch:
    uploaded = all(item.split is not None for item in items)
    return OpenBatch(chrg_bchno, state, len(items), bill_amount(items), uploaded, tuple(items))
