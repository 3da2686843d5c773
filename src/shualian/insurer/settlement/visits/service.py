"""Use cases of a visit before its money: open, tell, upload, withdraw, discharge, cancel."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.database.statements import own_locks
from shualian.core.identifiers import (
    ChargeItemNo,
    EncounterNo,
    InstitutionCode,
    PersonNo,
    VisitId,
    new_identifier,
)
from shualian.core.money import ZERO
from shualian.core.refusals import Refused
from shualian.insurer.benefits.model import CHARGE_INVALID, LineSplit, split_items
from shualian.insurer.institutions import store as institutions
from shualian.insurer.persons import store as persons
from shualian.insurer.settlement import store
from shualian.insurer.settlement.evidence.model import EVIDENCE_INVALID, FaceEvidence
from shualian.insurer.settlement.model import (
    BATCH_WITHDRAWN,
    CHARGE_DIFFERS,
    DISEASE_DIFFERS,
    INTENT_USED,
    REGISTER_USE,
    REGISTERING_SCENES,
    STAY_STATE,
    VISIT_DIFFERS,
    VISIT_ENDED,
    VISIT_HAS_CHARGES,
    VISIT_NOT_FOUND,
    ChargeItem,
    Ordered,
    Registration,
    Visit,
    VisitInformation,
    check_begin,
    check_charge_item,
)
from shualian.insurer.settlement.ports import AnswerSealer, FaceProofs, OrderingDoctors
from shualian.insurer.settlement.visits.model import Books, Rules, check_inpatient, check_open

WHOLE_VISIT = "0000"
"""As ``chrg_bchno`` of 2205: every open line of the visit."""

_INFORMATION = "insurer.visit.information"
_CONTENT = TypeAdapter(VisitInformation)

T = TypeVar("T")


class Visits:
    """Visits of every institution; each sees its own only."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        books: Books,
        proofs: FaceProofs,
        sealer: AnswerSealer,
        ordering: OrderingDoctors | None = None,
    ) -> None:
        """Describe it; without ``ordering`` nobody asks whether doctors were signed in."""
        self._ordering = ordering
        self._database = database
        self._clock = clock
        self._books = books
        self._proofs = proofs
        self._sealer = sealer
        sealer.seal(b"", purpose=_INFORMATION, context=b"")

    def open_visit(
        self,
        *,
        institution: InstitutionCode,
        registration: Registration,
        evidence: FaceEvidence | None = None,
    ) -> Visit:
        """Open a visit or admit an inpatient (2201, 2401); a repeat gives the same visit.

        The proof is redeemed before, in a transaction of its own: power lost between the two
        leaves a used proof and no visit, and the repeat goes through, because redeeming is
        idempotent for (intent, use).

        Args:
            institution: Who asks.
            registration: What it says; its own visit number makes a repeat known.
            evidence: Without it the visit is a claim, on which nothing is paid: a settlement
                brings evidence of its own.

        Raises:
            Refused: ``insurer.visit_time_invalid``, ``institution_not_contracted``,
                ``person_not_found``, ``not_insured``, ``no_policy``, ``visit_differs``,
                ``visit_cancelled``, ``evidence_invalid``, ``intent_used``; and what refuses the
                proof.
        """
        intent_id = evidence.intent_id if evidence else None
        opened = Visit(VisitId(new_identifier()), institution, registration, intent_id)
        earlier = self._database.read(lambda connection: self._earlier(connection, opened))
        if earlier is not None:
            return earlier
        if evidence is not None:
            self._redeem(evidence, institution, registration.psn_no)
        return self._database.write(lambda connection: self._opened(connection, opened))

    def _opened(self, connection: Connection, opened: Visit) -> Visit:
        earlier = self._earlier(connection, opened)
        if earlier is None:
            add_visit(connection, opened)
        return earlier or opened

    def _redeem(
        self, evidence: FaceEvidence, institution: InstitutionCode, psn_no: PersonNo
    ) -> None:
        if evidence.scene not in REGISTERING_SCENES:
            raise Refused(EVIDENCE_INVALID, found=evidence.scene.value)
        self._proofs.redeem(
            evidence.auth_no,
            intent_id=evidence.intent_id,
            use=REGISTER_USE,
            amount_fen=ZERO,
            expected_institution=institution,
            expected_terminal=evidence.terminal_id,
            expected_scene=evidence.scene,
            expected_subject=evidence.subject,
            expected_beneficiary=psn_no,
            expected_relation=evidence.relation,
        )

    def _earlier(self, connection: Connection, opened: Visit) -> Visit | None:
        """The same visit as it was opened before; or nothing, when it may be opened."""
        registration, intent_id = opened.registration, opened.intent_id
        number = registration.ipt_otp_no
        earlier = store.visit_by_encounter(connection, opened.institution, number)
        if earlier is not None:
            if (earlier.registration, earlier.intent_id) != (registration, intent_id):
                raise Refused(VISIT_DIFFERS, ipt_otp_no=number)
            check_open(earlier)
            return earlier
        # Redeeming is idempotent for an intent, so the intent itself must not open two visits.
        if intent_id and store.visit_by_intent(connection, opened.institution, intent_id):
            raise Refused(INTENT_USED)
        check_begin(registration.begntime, now=self._clock.now())
        self.rules(connection, opened)
        return None

    def check_new(self, connection: Connection, visit: Visit) -> None:
        """Check that a visit may be opened and was not.

        Raises:
            Refused: As :meth:`open_visit`; ``insurer.visit_differs`` when it was opened.
        """
        if self._earlier(connection, visit) is not None:
            raise Refused(VISIT_DIFFERS, ipt_otp_no=visit.registration.ipt_otp_no)

    def rules(self, connection: Connection, visit: Visit) -> Rules:
        """What holds for a visit.

        Raises:
            Refused: As :meth:`Books.rules`.
        """
        registration = visit.registration
        contract = institutions.find(connection, visit.institution)
        insurance = persons.insurance_of(connection, registration.psn_no, registration.insutype)
        return self._books.rules(
            visit.institution,
            (contract.level, contract.region) if contract else (None, ""),
            insurance,
            registration.insutype,
            registration.begntime,
        )

    def cancel_visit(
        self,
        *,
        institution: InstitutionCode,
        mdtrt_id: VisitId,
        psn_no: PersonNo,
        ipt_otp_no: EncounterNo,
    ) -> None:
        """Cancel a registration or an admission (2202, 2404); again changes nothing.

        Raises:
            Refused: ``insurer.visit_not_found``, ``visit_has_charges``.
        """

        def work(connection: Connection, visit: Visit) -> None:
            if visit.registration.ipt_otp_no != ipt_otp_no:
                raise Refused(VISIT_NOT_FOUND)
            if visit.cancelled:
                return
            if store.has_items(connection, mdtrt_id):
                raise Refused(VISIT_HAS_CHARGES)
            store.cancel_visit(connection, mdtrt_id)

        self._change(institution, mdtrt_id, psn_no, work)

    def tell_information(
        self,
        *,
        institution: InstitutionCode,
        mdtrt_id: VisitId,
        psn_no: PersonNo,
        information: VisitInformation,
    ) -> None:
        """Take what is said of the illness (2203); it takes the place of what was said before.

        Raises:
            Refused: ``insurer.visit_not_found``, ``visit_cancelled``.
        """
        now = self._clock.now()
        content = _CONTENT.dump_json(information)
        sealed = self._sealer.seal(content, purpose=_INFORMATION, context=mdtrt_id.encode())

        def work(connection: Connection, visit: Visit) -> None:
            check_open(visit)
            store.put_information(connection, mdtrt_id, sealed, at=now)

        self._change(institution, mdtrt_id, psn_no, work)

    def information(
        self, *, institution: InstitutionCode, mdtrt_id: VisitId, psn_no: PersonNo
    ) -> VisitInformation | None:
        """What was said of the illness, to the institution that said it (5202).

        Raises:
            Refused: ``insurer.visit_not_found``.
        """

        def work(connection: Connection) -> bytes | None:
            own_visit(connection, institution, mdtrt_id, psn_no)
            return store.information_of(connection, mdtrt_id)

        sealed = self._database.read(work)
        if sealed is None:
            return None
        content = self._sealer.open(sealed, purpose=_INFORMATION, context=mdtrt_id.encode())
        return _CONTENT.validate_json(content)

    def upload_charge_items(
        self,
        *,
        institution: InstitutionCode,
        mdtrt_id: VisitId,
        psn_no: PersonNo,
        items: Sequence[ChargeItem],
    ) -> tuple[LineSplit, ...]:
        """Take charge items and give the split of each (2204, 2301), in the order of ``items``.

        An item that was uploaded before with the same content is answered again; all are taken
        or none. A batch that was withdrawn takes no new ones, because a copy of its upload may
        arrive after the withdrawal.

        Raises:
            Refused: ``insurer.visit_not_found``, ``visit_cancelled``, ``visit_ended``,
                ``charge_invalid``, ``charge_differs``, ``disease_differs``,
                ``batch_withdrawn``, ``item_not_in_catalogue``, ``doctor_not_signed_in``.
        """
        check_items(items)

        def work(connection: Connection, visit: Visit) -> tuple[LineSplit, ...]:
            check_open(visit)
            rules = self.rules(connection, visit)
            splits = split_items(rules.policy, rules.classified(items))
            new = add_items(connection, visit, items)
            batches = {item.chrg_bchno for item in new}
            for ended in store.withdrawn_batches(connection, mdtrt_id, batches):
                raise Refused(BATCH_WITHDRAWN, chrg_bchno=ended)
            self._check_doctors(connection, visit, rules, splits, new)
            return splits

        splits = self._change(institution, mdtrt_id, psn_no, work)
        by_number = {split.item.feedetl_sn: split for split in splits}
        return tuple(by_number[item.feedetl_sn] for item in items)

    def _check_doctors(
        self,
        connection: Connection,
        visit: Visit,
        rules: Rules,
        splits: Sequence[LineSplit],
        new: Sequence[ChargeItem],
    ) -> None:
        # What a doctor orders who is not at work is refused here, where it comes in, and so is
        # never there to be settled.
        if self._ordering is None or not new:
            return
        kinds = {split.item.feedetl_sn: split.item.med_chrgitm_type for split in splits}
        ordered = [
            Ordered(each.feedetl_sn, each.bilg_dr_codg, each.fee_ocur_time, kinds[each.feedetl_sn])
            for each in new
        ]
        self._ordering.check(
            connection,
            institution=visit.institution,
            region=rules.catalogue.region,
            ordered=ordered,
        )

    def withdraw_charge_items(
        self,
        *,
        institution: InstitutionCode,
        mdtrt_id: VisitId,
        psn_no: PersonNo,
        chrg_bchno: str = WHOLE_VISIT,
    ) -> int:
        """Forget the open charge items of a batch, or of the visit (2205, 2302); how many.

        Settled ones stay: cancel the settlement first. Again changes nothing. The batch, or each
        whose items were forgotten, has ended: new items come under a new number.

        Raises:
            Refused: ``insurer.visit_not_found``.
        """
        batch = None if chrg_bchno == WHOLE_VISIT else chrg_bchno

        def work(connection: Connection, _: Visit) -> int:
            return store.withdraw_items(connection, mdtrt_id, batch)

        return self._change(institution, mdtrt_id, psn_no, work)

    def discharge(
        self,
        *,
        institution: InstitutionCode,
        mdtrt_id: VisitId,
        psn_no: PersonNo,
        endtime: datetime,
    ) -> None:
        """An inpatient has left (2402); the same again changes nothing.

        Raises:
            Refused: ``insurer.visit_not_found``, ``visit_cancelled``, ``stay_state``.
        """

        def work(connection: Connection, visit: Visit) -> None:
            check_open(visit)
            check_inpatient(visit)
            if visit.discharged_at not in {None, endtime}:
                raise Refused(STAY_STATE, discharged=1)
            if endtime < visit.registration.begntime:
                raise Refused(STAY_STATE, found="an end before the begin")
            store.set_discharge(connection, mdtrt_id, endtime)

        self._change(institution, mdtrt_id, psn_no, work)

    def cancel_discharge(
        self, *, institution: InstitutionCode, mdtrt_id: VisitId, psn_no: PersonNo
    ) -> None:
        """The stay goes on (2405); a settlement to its end must be cancelled first.

        Raises:
            Refused: ``insurer.visit_not_found``, ``stay_state``, ``visit_ended``.
        """

        def work(connection: Connection, visit: Visit) -> None:
            check_inpatient(visit)
            if store.is_settled_to_end(connection, mdtrt_id):
                raise Refused(VISIT_ENDED)
            store.set_discharge(connection, mdtrt_id, None)

        self._change(institution, mdtrt_id, psn_no, work)

    def _change(
        self,
        institution: InstitutionCode,
        mdtrt_id: VisitId,
        psn_no: PersonNo,
        work: Callable[[Connection, Visit], T],
    ) -> T:
        """Run work on an own visit while nobody else moves the person's charges or money."""

        def alone(connection: Connection) -> T:
            own_locks(connection)
            store.lock_person(connection, psn_no)
            return work(connection, own_visit(connection, institution, mdtrt_id, psn_no))

        return self._database.write(alone)


def own_visit(
    connection: Connection, institution: InstitutionCode, mdtrt_id: VisitId, psn_no: PersonNo
) -> Visit:
    """The institution's own visit of this person.

    Raises:
        Refused: ``insurer.visit_not_found``.
    """
    visit = store.visit_by_id(connection, mdtrt_id)
    # Nobody learns whether a number of another institution or person exists.
    if visit is None or visit.institution != institution or visit.registration.psn_no != psn_no:
        raise Refused(VISIT_NOT_FOUND)
    return visit


def add_visit(connection: Connection, visit: Visit) -> None:
    """Insert a visit; its begin decides whose year's counters it moves."""
    store.add_visit(connection, visit, year=business_date(visit.registration.begntime).year)


def check_items(items: Sequence[ChargeItem]) -> None:
    """Check each item, and that no number stands twice.

    Raises:
        Refused: ``insurer.charge_invalid``.
    """
    numbers = [item.feedetl_sn for item in items]
    if len(set(numbers)) != len(numbers):
        raise Refused(CHARGE_INVALID, found="a feedetl_sn twice")
    for item in items:
        check_charge_item(item)


def add_items(
    connection: Connection, visit: Visit, items: Sequence[ChargeItem]
) -> Sequence[ChargeItem]:
    """Insert the items that are new, and give them.

    Raises:
        Refused: ``insurer.charge_differs``, ``disease_differs``, ``visit_ended``.
    """
    numbers: list[ChargeItemNo] = [item.feedetl_sn for item in items]
    earlier = store.charge_items(connection, visit.mdtrt_id, numbers)
    for item in items:
        if earlier.get(item.feedetl_sn, item) != item:
            raise Refused(CHARGE_DIFFERS, feedetl_sn=item.feedetl_sn)
    new = [item for item in items if item.feedetl_sn not in earlier]
    if new and visit.discharged_at and store.is_settled_to_end(connection, visit.mdtrt_id):
        raise Refused(VISIT_ENDED)
    store.add_charge_items(connection, visit.mdtrt_id, new)
    for batch in {item.chrg_bchno for item in new}:
        if len(store.diseases_of(connection, visit.mdtrt_id, batch)) > 1:
            raise Refused(DISEASE_DIFFERS, chrg_bchno=batch)
    return new
