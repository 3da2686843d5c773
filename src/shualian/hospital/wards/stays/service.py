"""Use cases of stays: beds, admission, transfer, wristbands, discharge, and taking each back.

**How a step survives a crash.** What the insurer is asked (2401, 2402, 2404, 2405) is stored as a
state of its own first and asked outside of every transaction. Its answer leads on or back; no
answer leaves the state, and whoever repeats the step, or :meth:`Stays.resume_all` after a restart,
asks again under the same numbers, which the insurer answers as the first time.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    PersonNo,
    RecordNo,
    StaffId,
    VisitId,
    new_identifier,
)
from shualian.core.refusals import Refused
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import (
    INTENT_USED,
    Encounter,
    EncounterState,
    insurance_in_force,
)
from shualian.hospital.encounters.store import StoredEncounter
from shualian.hospital.model import (
    ANSWER_INVALID,
    PROOF_NOT_FITTING,
    Admission,
    Certificate,
    CertificateType,
    Evidence,
    FaceEvidence,
    StayMessage,
    age_band,
    any_evidence_from_bytes,
    check_document,
    check_proof,
    evidence_to_bytes,
    is_final,
)
from shualian.hospital.orders import store as orders
from shualian.hospital.orders.model import PriceList
from shualian.hospital.payments import store as payments
from shualian.hospital.payments.model import NOT_SENT
from shualian.hospital.payments.model import UNDER_WAY as PAYMENT_UNDER_WAY
from shualian.hospital.ports import (
    FaceProofs,
    FieldSealer,
    InsurerPlatform,
    command_insurer,
)
from shualian.hospital.records.service import Records
from shualian.hospital.scheduling.model import Doctor
from shualian.hospital.wards.charges.service import WardCharges
from shualian.hospital.wards.stays import store
from shualian.hospital.wards.stays.model import (
    ADMISSION_SCENES,
    BED_NOT_FOUND,
    BED_TAKEN,
    BEDS_IN_USE,
    IN_BED,
    INSURANCE_NOT_NAMED,
    LIVE,
    NO_STAFF_CHECK,
    ORDINARY_INPATIENT,
    PAYMENT_OPEN,
    STAY_CHARGED,
    STAY_NOT_FOUND,
    STAY_NOT_SETTLED,
    STAY_OPEN,
    UNDER_WAY,
    WRISTBAND_INVALID,
    Bed,
    NursingClass,
    Placement,
    StaffCheck,
    Stay,
    StayState,
    Ward,
    check_admitted,
    check_same_admission,
    moved,
    new_wristband,
    placed,
)
from shualian.hospital.wards.stays.store import StoredStay

_EVIDENCE = "hospital.stay.evidence"
_WRISTBAND = "hospital.stay.wristband"
_RESUMED_MAX = 100

_Answer = VisitId | None
"""What the insurer says: the number of the stay, or nothing but yes."""


@dataclass(frozen=True, slots=True)
class BedAndStay:
    """A bed, and the stay of who lies in it."""

    bed: Bed
    stay: Stay | None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An admission as it is asked for, before a bed is taken."""

    command_id: CommandId
    record_no: RecordNo
    psn_no: PersonNo
    doctor: Doctor
    evidence: Evidence | None
    check: StaffCheck | None
    insutype: str
    med_type: str
    age_band: str
    now: datetime

    def stay(
        self, stay_no: EncounterNo, institution: InstitutionCode, ward: Ward, lies: Placement
    ) -> Stay:
        """The stay that it begins."""
        shown = self.evidence
        face = shown if isinstance(shown, FaceEvidence) else None
        return Stay(
            stay_no=stay_no,
            institution=institution,
            command_id=self.command_id,
            record_no=self.record_no,
            psn_no=self.psn_no,
            department=ward.department,
            doctor=self.doctor,
            insutype=self.insutype,
            med_type=self.med_type,
            placement=lies,
            intent_id=None if shown is None else shown.intent_id,
            channel=None if shown is None else shown.channel,
            terminal_id=None if face is None else face.terminal_id,
            first_frame_at=None if face is None else face.first_frame_at,
            check=self.check,
            age_band=self.age_band,
            admitted_at=self.now,
            day=business_date(self.now),
        )


class StayBillsOf:
    """Which encounters of a hospital are stays; payments ask it."""

    def __init__(self, *, institution: InstitutionCode, database: Database) -> None:
        self._institution = institution
        self._database = database

    def goes_on(self, encounter_no: EncounterNo) -> bool | None:
        """Whether a stay goes on, so that its settlement is one in the middle; none of no stay."""
        found = self._database.read(
            lambda connection: store.by_number(connection, self._institution, encounter_no)
        )
        return None if found is None else found.stay.goes_on


class Stays:
    """The wards, beds and stays of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        records: Records,
        proofs: FaceProofs,
        insurer: InsurerPlatform,
        sealer: FieldSealer,
        charges: WardCharges,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._records = records
        self._proofs = proofs
        self._insurer = insurer
        self._sealer = sealer
        self._charges = charges

    def set_up_ward(self, ward: Ward, beds: Sequence[Bed]) -> None:
        """Say which beds a ward has and what its nursing costs; again replaces it.

        Raises:
            Refused: ``hospital.beds_in_use`` when a bed with a patient is missing.
        """
        wanted = {bed.bed_no: replace(bed, ward=ward.code, stay=None) for bed in beds}

        def work(connection: Connection) -> None:
            store.put_ward(connection, self._institution, ward)
            known = {
                bed.bed_no: bed for bed in store.beds_of(connection, self._institution, ward.code)
            }
            for gone in set(known) - set(wanted):
                if known[gone].stay is not None:
                    raise Refused(BEDS_IN_USE, bed_no=gone)
                store.remove_bed(connection, self._institution, known[gone])
            new = [wanted[number] for number in wanted if number not in known]
            store.add_beds(connection, self._institution, new)
            for number in set(known) & set(wanted):
                store.put_bed_item(connection, self._institution, wanted[number])

        self._database.write(work)

    def wards(self) -> Sequence[Ward]:
        """The wards."""
        return self._database.read(
            lambda connection: store.all_wards(connection, self._institution)
        )

    def beds(self, ward: str) -> Sequence[BedAndStay]:
        """The beds of a ward, and who lies in each."""

        def work(connection: Connection) -> list[BedAndStay]:
            in_bed = {
                stored.stay.stay_no: stored.stay
                for stored in store.in_states(connection, self._institution, IN_BED)
            }
            found = store.beds_of(connection, self._institution, ward)
            return [
                BedAndStay(bed, None if bed.stay is None else in_bed.get(bed.stay)) for bed in found
            ]

        return self._database.read(work)

    def live(self) -> Sequence[Stay]:
        """Every stay that is not over: in a bed, or discharged and not settled to its end."""
        found = self._database.read(
            lambda connection: store.in_states(connection, self._institution, LIVE)
        )
        return [stored.stay for stored in found]

    def get(self, *, stay_no: EncounterNo) -> Stay:
        """The stay with this number.

        Raises:
            Refused: ``hospital.stay_not_found``.
        """
        return self._database.read(lambda connection: self._stored(connection, stay_no)).stay

    def admit(
        self,
        *,
        command_id: CommandId,
        record_no: RecordNo,
        ward: str,
        bed_no: str,
        nursing: NursingClass,
        doctor: Doctor,
        evidence: Evidence | None = None,
        check: StaffCheck | None = None,
        insutype: str | None = None,
        med_type: str = ORDINARY_INPATIENT,
    ) -> Stay:
        """Admit a patient into an empty bed (2401), by face or on a staff check with a reason.

        A repeated command is answered from its stored outcome before any proof is looked at.

        Args:
            command_id: Made and stored by the caller.
            record_no: Whose stay.
            ward: Code of the ward.
            bed_no: An empty bed of it.
            nursing: How the patient is nursed.
            doctor: In charge.
            evidence: A face taken for the admission of the record's person, or what else was
                shown; anything but a face needs ``check`` too.
            check: Who answers for it, and why without a face.
            insutype: Under which insurance, or ``SELF_PAID``; asked of the insurer with what was
                shown when not given.
            med_type: 医疗类别.

        Raises:
            Refused: ``hospital.command_differs``, ``stay_open``, ``bed_not_found``,
                ``bed_taken``, ``nursing_not_priced``, ``no_staff_check``,
                ``insurance_not_named``, ``scene_not_allowed``, ``proof_not_fitting``,
                ``intent_used``, ``no_insurance``, ``record_not_found``; what the insurer refuses,
                now or the first time; ``hospital.outcome_unknown``.
        """
        stored = self._by_command(command_id)
        if stored is None:
            wanted = self._wanted(
                command_id, record_no, doctor, evidence, check, insutype, med_type
            )
            stored = self._database.write(
                lambda connection: self._begin(connection, wanted, ward, bed_no, nursing)
            )
        check_same_admission(
            stored.stay, record_no=record_no, ward=ward, doctor=doctor, med_type=med_type
        )
        return self._finish(stored)

    def transfer(
        self,
        *,
        stay_no: EncounterNo,
        ward: str,
        bed_no: str,
        nursing: NursingClass,
        doctor: Doctor | None = None,
    ) -> Stay:
        """Move a patient into another bed, or nurse them otherwise in the same; again is harmless.

        Raises:
            Refused: ``hospital.stay_not_found``, ``stay_step``, ``bed_not_found``,
                ``bed_taken``, ``nursing_not_priced``.
        """

        def work(connection: Connection) -> Stay:
            stored = self._stored(connection, stay_no)
            stay = stored.stay
            check_admitted(stay)
            bed = self._bed(connection, ward, bed_no)
            placement = placed(self._ward(connection, ward), bed, nursing, since=self._clock.now())
            after = replace(stay, placement=placement, doctor=doctor or stay.doctor)
            unmoved = replace(placement, since=stay.placement.since) == stay.placement
            if unmoved and after.doctor == stay.doctor:
                return stay
            if bed.stay != stay_no:
                store.free_bed_of(connection, self._institution, stay_no)
                self._lie_down(connection, bed, stay_no)
            store.add_placement(connection, self._institution, stay_no, placement)
            store.change(connection, replace(stored, stay=after))
            return after

        return self._database.write(work)

    def print_wristband(self, *, stay_no: EncounterNo, by: StaffId) -> str:
        """A new code for the patient's wrist, shown this once; older ones are good for nothing.

        Raises:
            Refused: ``hospital.stay_not_found``, ``stay_step``.
        """
        code, now = new_wristband(), self._clock.now()
        hashed = self._hash(code)

        def work(connection: Connection) -> None:
            check_admitted(self._stored(connection, stay_no).stay)
            store.end_wristbands(connection, self._institution, stay_no, at=now)
            store.add_wristband(connection, self._institution, hashed, stay_no, by=by, at=now)

        self._database.write(work)
        return code

    def of_wristband(self, code: str) -> Stay:
        """Whose wristband it is.

        Raises:
            Refused: ``hospital.wristband_invalid``, also after the discharge.
        """
        hashed = self._hash(code)

        def work(connection: Connection) -> Stay:
            number = store.stay_of_wristband(connection, self._institution, hashed)
            if number is None:
                raise Refused(WRISTBAND_INVALID)
            return self._stored(connection, number).stay

        return self._database.read(work)

    def discharge(self, *, stay_no: EncounterNo) -> Stay:
        """Discharge a patient (2402): charge the last days, free the bed, end the wristband.

        What is open is settled afterwards, to the end of the stay. A bill that was shown before
        must be withdrawn first: it was one of the middle. Again changes nothing.

        Raises:
            Refused: ``hospital.stay_not_found``, ``stay_step``, ``stay_payment_open``,
                ``item_not_priced``; what the insurer refuses: then the stay goes on;
                ``hospital.outcome_unknown``, which :meth:`resume_all` settles.
        """
        prices = self._charges.prices_today()

        def begin(connection: Connection) -> StoredStay:
            stored = self._stored(connection, stay_no)
            if stored.stay.state in {StayState.DISCHARGING, *_LEFT}:
                return stored
            return self._begin_discharge(connection, stored, prices)

        return self._finish(self._database.write(begin))

    def cancel_discharge(self, *, stay_no: EncounterNo, ward: str, bed_no: str) -> Stay:
        """Take a discharge back (2405): the patient lies in an empty bed again.

        Raises:
            Refused: ``hospital.stay_not_found``, ``stay_step``, ``stay_payment_open``,
                ``bed_not_found``, ``bed_taken``, ``nursing_not_priced``; what the insurer
                refuses, such as a stay that is settled to its end: then it stays as it was;
                ``hospital.outcome_unknown``.
        """

        def begin(connection: Connection) -> StoredStay:
            stored = self._stored(connection, stay_no)
            if stored.stay.state is StayState.REINSTATING:
                return stored
            after = moved(stored.stay, StayState.REINSTATING)
            self._check_no_payment(connection, stay_no)
            bed = self._bed(connection, ward, bed_no)
            self._lie_down(connection, bed, stay_no)
            placement = placed(
                self._ward(connection, ward),
                bed,
                after.placement.nursing,
                since=self._clock.now(),
            )
            store.add_placement(connection, self._institution, stay_no, placement)
            return self._changed(connection, stored, replace(after, placement=placement))

        return self._finish(self._database.write(begin))

    def cancel_admission(self, *, stay_no: EncounterNo) -> Stay:
        """Take an admission back (2404), as long as nothing is charged; again changes nothing.

        Raises:
            Refused: ``hospital.stay_not_found``, ``stay_step``, ``stay_charged``; what the
                insurer refuses: then the stay goes on; ``hospital.outcome_unknown``.
        """

        def begin(connection: Connection) -> StoredStay:
            stored = self._stored(connection, stay_no)
            if stored.stay.state in {StayState.CANCELLING, StayState.CANCELLED}:
                return stored
            if orders.items_of(connection, self._institution, stay_no):
                raise Refused(STAY_CHARGED)
            after = moved(stored.stay, StayState.CANCELLING)
            self._put_encounter(connection, after, EncounterState.CLOSED)
            return self._changed(connection, stored, after)

        return self._finish(self._database.write(begin))

    def close(self, *, stay_no: EncounterNo) -> Stay:
        """End a stay of which the patient has left and nothing is open; again changes nothing.

        Raises:
            Refused: ``hospital.stay_not_found``, ``stay_step``, ``stay_not_settled``.
        """

        def work(connection: Connection) -> Stay:
            stored = self._stored(connection, stay_no)
            if stored.stay.state is StayState.CLOSED:
                return stored.stay
            after = moved(stored.stay, StayState.CLOSED)
            self._check_no_payment(connection, stay_no)
            if self._charges.open_within(connection, stay_no):
                raise Refused(STAY_NOT_SETTLED)
            return self._changed(connection, stored, after).stay

        return self._database.write(work)

    def reopen(self, *, stay_no: EncounterNo) -> Stay:
        """Note that a settlement of a closed stay was taken back; of any other nothing changes.

        Raises:
            Refused: ``hospital.stay_not_found``.
        """

        def work(connection: Connection) -> Stay:
            stored = self._stored(connection, stay_no)
            is_open = bool(self._charges.open_within(connection, stay_no))
            if stored.stay.state is not StayState.CLOSED or not is_open:
                return stored.stay
            return self._changed(connection, stored, moved(stored.stay, StayState.DISCHARGED)).stay

        return self._database.write(work)

    def resume_all(self) -> Sequence[EncounterNo]:
        """Carry on what was interrupted, at most 100; gives what is still without an answer."""
        for stay_no in self._under_way():
            # What still has no answer is told at the end, by what is stored.
            with suppress(Refused):
                self._finish(
                    self._database.read(
                        lambda connection, number=stay_no: self._stored(connection, number)  # type: ignore[misc]
                    )
                )
        return self._under_way()

    # --- admission -----------------------------------------------------------------------------

    def _wanted(
        self,
        command_id: CommandId,
        record_no: RecordNo,
        doctor: Doctor,
        evidence: Evidence | None,
        check: StaffCheck | None,
        insutype: str | None,
        med_type: str,
    ) -> _Wanted:
        if not isinstance(evidence, FaceEvidence) and check is None:
            raise Refused(NO_STAFF_CHECK)
        identity = self._records.identity(record_no=record_no)
        if isinstance(evidence, FaceEvidence):
            proof = self._proofs.check(evidence.auth_no, expected_institution=self._institution)
            # Whoever stands here must be whose record it is.
            if check_proof(evidence, proof, ADMISSION_SCENES) != identity.psn_no:
                raise Refused(PROOF_NOT_FITTING, differs="person")
        if insutype is None and evidence is not None:
            person = self._records.person_of(
                evidence, scenes=ADMISSION_SCENES, expected=identity.psn_no
            )
            insutype = insurance_in_force(person)
        else:
            # Where the insurance is named the insurer is not asked whose document it is.
            check_document(evidence, identity.id_number)
        if insutype is None:
            raise Refused(INSURANCE_NOT_NAMED)
        now = self._clock.now()
        return _Wanted(
            command_id=command_id,
            record_no=record_no,
            psn_no=identity.psn_no,
            doctor=doctor,
            evidence=evidence,
            check=check,
            insutype=insutype,
            med_type=med_type,
            age_band=age_band(identity.id_number.birth_date, business_date(now)),
            now=now,
        )

    def _begin(
        self,
        connection: Connection,
        wanted: _Wanted,
        ward: str,
        bed_no: str,
        nursing: NursingClass,
    ) -> StoredStay:
        earlier = store.by_command(connection, self._institution, wanted.command_id)
        if earlier is not None:
            return earlier
        # One confirmation admits once, and one person lies in one bed.
        evidence = wanted.evidence
        intent_id = None if evidence is None else evidence.intent_id
        if intent_id and store.by_intent(connection, self._institution, intent_id) is not None:
            raise Refused(INTENT_USED)
        if store.live_of_record(connection, self._institution, wanted.record_no) is not None:
            raise Refused(STAY_OPEN)
        found, bed = self._ward(connection, ward), self._bed(connection, ward, bed_no)
        stay_no = EncounterNo(new_identifier())
        placement = placed(found, bed, nursing, since=wanted.now)
        stored = StoredStay(
            wanted.stay(stay_no, self._institution, found, placement),
            None if evidence is None else self._seal(stay_no, evidence),
        )
        self._lie_down(connection, bed, stay_no)
        store.add(connection, stored)
        return stored

    # --- what the insurer is asked -------------------------------------------------------------

    def _finish(self, stored: StoredStay) -> Stay:
        if stored.refused is not None:
            raise stored.refused
        if stored.stay.state not in UNDER_WAY:
            return stored.stay
        answer = self._ask(stored)
        number, asked = stored.stay.stay_no, stored.stay.state
        after = self._database.write(
            lambda connection: self._record_answer(connection, number, asked, answer)
        )
        if isinstance(answer, Refused):
            raise answer
        return after.stay

    def _ask(self, stored: StoredStay) -> _Answer | Refused:
        stay = stored.stay
        try:
            if stay.state is StayState.ADMITTING:
                return self._ask_admission(stored)
            message = StayMessage(
                self._institution,
                stay.psn_no,
                stay.visit_id,
                stay.stay_no,
                stay.discharged_at if stay.state is StayState.DISCHARGING else None,
            )
            command_insurer(self._question(stay.state), message)
        except Refused as refused:
            if is_final(refused):
                return refused
            raise
        return None

    def _question(self, state: StayState) -> Callable[[StayMessage], None]:
        if state is StayState.DISCHARGING:
            return self._insurer.discharge
        if state is StayState.REINSTATING:
            return self._insurer.cancel_discharge
        return self._insurer.cancel_admission

    def _ask_admission(self, stored: StoredStay) -> VisitId:
        stay = stored.stay
        identity = self._records.identity(record_no=stay.record_no)
        admission = Admission(
            command_id=stay.command_id,
            fixmedins_code=self._institution,
            psn_no=stay.psn_no,
            insutype=stay.insutype,
            begntime=stay.admitted_at,
            certificate=Certificate(CertificateType.ID_CARD, identity.id_number.value),
            ipt_otp_no=stay.stay_no,
            atddr_no=stay.doctor.dr_code,
            dr_name=stay.doctor.dr_name,
            dept_code=stay.department.dept_code,
            dept_name=stay.department.dept_name,
            caty=stay.department.caty,
            adm_bed=stay.placement.bed_no,
            evidence=self._evidence(stored),
        )
        opened = command_insurer(self._insurer.admit, admission)
        # The answer to another message must not become the number of this stay.
        if (opened.psn_no, opened.ipt_otp_no) != (stay.psn_no, stay.stay_no):
            raise Refused(ANSWER_INVALID, infno="2401")
        return opened.mdtrt_id

    def _record_answer(
        self,
        connection: Connection,
        stay_no: EncounterNo,
        asked: StayState,
        answer: _Answer | Refused,
    ) -> StoredStay:
        stored = self._stored(connection, stay_no)
        # Somebody else carried the same step on meanwhile and got the same answer.
        if stored.stay.state is not asked:
            return stored
        after = moved(stored.stay, _AFTER[asked][isinstance(answer, Refused)])
        if isinstance(answer, Refused) and asked is StayState.ADMITTING:
            stored = replace(stored, refused=answer)
        if asked is StayState.ADMITTING and isinstance(answer, str):
            after = replace(after, mdtrt_id=answer)
        self._follow(connection, asked, after)
        if after.state is StayState.ADMITTED:
            after = replace(after, discharged_at=None)
        return self._changed(connection, stored, after)

    def _follow(self, connection: Connection, asked: StayState, after: Stay) -> None:
        """Bed, wristband and encounter after an answer."""
        if after.state not in IN_BED:
            now = self._clock.now()
            store.free_bed_of(connection, self._institution, after.stay_no)
            store.end_wristbands(connection, self._institution, after.stay_no, at=now)
        if asked is StayState.ADMITTING and after.state is StayState.ADMITTED:
            encounters.add(connection, StoredEncounter(_encounter(after), b""))
        elif after.state is StayState.ADMITTED:
            self._put_encounter(connection, after, EncounterState.IN_CONSULTATION)
        elif after.state is StayState.CANCELLED:
            self._put_encounter(connection, after, EncounterState.CANCELLED)

    def _begin_discharge(
        self, connection: Connection, stored: StoredStay, prices: PriceList
    ) -> StoredStay:
        now = self._clock.now()
        after = replace(moved(stored.stay, StayState.DISCHARGING), discharged_at=now)
        self._check_no_payment(connection, after.stay_no)
        self._charges.charge_within(connection, after, prices=prices, discharged_at=now)
        self._put_encounter(connection, after, EncounterState.CLOSED)
        return self._changed(connection, stored, after)

    # --- small steps ---------------------------------------------------------------------------

    def _check_no_payment(self, connection: Connection, stay_no: EncounterNo) -> None:
        # A bill that was shown says whether the stay goes on; it must not change under it.
        found = payments.of_encounter(connection, self._institution, stay_no)
        open_states = PAYMENT_UNDER_WAY | NOT_SENT
        if any(stored.payment.state in open_states for stored in found):
            raise Refused(PAYMENT_OPEN)

    def _put_encounter(self, connection: Connection, stay: Stay, state: EncounterState) -> None:
        found = encounters.by_number(connection, self._institution, stay.stay_no)
        if found is not None:
            changed = replace(found.encounter, state=state)
            encounters.change(connection, replace(found, encounter=changed))

    def _changed(self, connection: Connection, stored: StoredStay, after: Stay) -> StoredStay:
        changed = replace(stored, stay=after)
        store.change(connection, changed)
        return changed

    def _lie_down(self, connection: Connection, bed: Bed, stay_no: EncounterNo) -> None:
        if not store.take_bed(connection, self._institution, bed, stay_no):
            raise Refused(BED_TAKEN, bed_no=bed.bed_no)

    def _ward(self, connection: Connection, code: str) -> Ward:
        found = store.find_ward(connection, self._institution, code)
        if found is None:
            raise Refused(BED_NOT_FOUND, ward=code)
        return found

    def _bed(self, connection: Connection, ward: str, bed_no: str) -> Bed:
        found = store.find_bed(connection, self._institution, ward, bed_no)
        if found is None:
            raise Refused(BED_NOT_FOUND, ward=ward, bed_no=bed_no)
        return found

    def _seal(self, stay_no: EncounterNo, evidence: Evidence) -> bytes:
        content = evidence_to_bytes(evidence)
        return self._sealer.seal(content, purpose=_EVIDENCE, context=stay_no.encode())

    def _evidence(self, stored: StoredStay) -> Evidence | None:
        if stored.evidence_sealed is None:
            return None
        context = stored.stay.stay_no.encode()
        return any_evidence_from_bytes(
            self._sealer.open(stored.evidence_sealed, purpose=_EVIDENCE, context=context)
        )

    def _hash(self, code: str) -> bytes:
        return self._sealer.keyed_hash(code.encode(), purpose=_WRISTBAND)

    def _under_way(self) -> Sequence[EncounterNo]:
        return self._database.read(
            lambda connection: store.under_way(connection, self._institution, _RESUMED_MAX)
        )

    def _by_command(self, command_id: CommandId) -> StoredStay | None:
        return self._database.read(
            lambda connection: store.by_command(connection, self._institution, command_id)
        )

    def _stored(self, connection: Connection, stay_no: EncounterNo) -> StoredStay:
        found = store.by_number(connection, self._institution, stay_no)
        if found is None:
            raise Refused(STAY_NOT_FOUND)
        return found


_LEFT = frozenset((StayState.DISCHARGED, StayState.CLOSED))
_AFTER = {
    StayState.ADMITTING: (StayState.ADMITTED, StayState.REFUSED),
    StayState.DISCHARGING: (StayState.DISCHARGED, StayState.ADMITTED),
    StayState.REINSTATING: (StayState.ADMITTED, StayState.DISCHARGED),
    StayState.CANCELLING: (StayState.CANCELLED, StayState.ADMITTED),
}
"""Where a step leads when the insurer says yes, and when it refuses."""


def _encounter(stay: Stay) -> Encounter:
    """The stay as the encounter under which its orders and payments are kept."""
    return Encounter(
        encounter_no=stay.stay_no,
        institution=stay.institution,
        command_id=stay.command_id,
        record_no=stay.record_no,
        psn_no=stay.psn_no,
        department=stay.department,
        doctor=stay.doctor,
        insutype=stay.insutype,
        med_type=stay.med_type,
        intent_id=stay.intent_id,
        channel=stay.channel,
        terminal_id=stay.terminal_id,
        first_frame_at=stay.first_frame_at,
        age_band=stay.age_band,
        begntime=stay.admitted_at,
        day=stay.day,
        state=EncounterState.IN_CONSULTATION,
        mdtrt_id=stay.mdtrt_id,
    )
