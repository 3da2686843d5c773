"""Use cases of patient records."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    PersonNo,
    RecordNo,
    StaffId,
    TerminalId,
    new_identifier,
)
from shualian.core.refusals import Refused
from shualian.hospital.encounters import store as encounters
from shualian.hospital.model import (
    COMMAND_DIFFERS,
    PROOF_NOT_FITTING,
    DocumentEvidence,
    Evidence,
    FaceEvidence,
    InsuredPerson,
    PersonQuery,
    age_band,
    check_document,
    check_proof,
    check_proof_for_relative,
)
from shualian.hospital.ports import FaceProofs, FieldSealer, InsurerPlatform, ask_insurer
from shualian.hospital.records import store
from shualian.hospital.records.model import (
    ENTRY_NOT_FOUND,
    NOBODY,
    OPENING_SCENES,
    OWN_RECORD_SCENES,
    PATIENT_UNKNOWN,
    READING_ROLES,
    RECORD_CONFLICT,
    RECORD_NOT_FOUND,
    WRITING_ROLES,
    Chart,
    Entry,
    EntryKind,
    EntryNo,
    Estimate,
    Identity,
    Look,
    LookReason,
    PatientRecord,
    Removal,
    Sex,
    acting_role,
    check_look,
    checked_text,
    identity_of,
    sex_of,
    shown,
    unknown_label,
)
from shualian.hospital.records.store import (
    EntryRow,
    Opening,
    SealedEntry,
    SealedLook,
    SealedRecord,
    SealedRemoval,
)
from shualian.hospital.scheduling import store as scheduling
from shualian.staff.model import Caller, Role, check_role
from shualian.verification.model import Relation, Scene

_NAME = "hospital.record.name"
_ID_NUMBER = "hospital.record.id_number"
_ENTRY = "hospital.record.entry"
_REMOVAL = "hospital.record.removal"
_NOTE = "hospital.record.look"
_LOOKS_SHOWN_MAX = 200


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown, once everybody who had to was asked.

    Attributes:
        person: Whose matter it is.
        evidence: With who acted, where that is not the person.
    """

    person: InsuredPerson
    evidence: Evidence


class Records:
    """The patient records of one hospital; names and ID numbers are clear only in memory."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        proofs: FaceProofs,
        insurer: InsurerPlatform,
        sealer: FieldSealer,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._proofs = proofs
        self._insurer = insurer
        self._sealer = sealer
        # A missing key stops the start-up, and none is read from disk inside a transaction.
        sealer.seal(b"", purpose=_NAME, context=b"")

    def open_record(
        self,
        *,
        command_id: CommandId,
        evidence: Evidence,
        terminal_id: TerminalId | None = None,
    ) -> PatientRecord:
        """Open the record of the person who showed something, or find the one that they have.

        Whoever acts for a bound relative opens that one's.

        Nothing is typed: the evidence names the person, the insurer says who that is. It is read
        and not used up, so that the same scan can go on to register. One person has one record,
        however many open it at once. A repeated command is answered before its evidence is looked
        at.

        Args:
            command_id: Made and stored by the caller.
            evidence: A face taken for it, a code, a card, or a document that a clerk saw.
            terminal_id: Where a code or card was read; a face says it itself.

        Raises:
            Refused: ``hospital.scene_not_allowed``, ``hospital.proof_not_fitting``,
                ``hospital.record_conflict``, ``hospital.command_differs``; what refuses the
                evidence; what the insurer refuses.
        """
        earlier = self._database.read(lambda connection: self._opened(connection, command_id))
        if earlier is not None:
            return self._shown(_same_intent(earlier, evidence))
        person = self.shown(evidence, scenes=OPENING_SCENES, for_relatives=True).person
        record = self._sealed(identity_of(person))
        return self._shown(
            self._database.write(
                lambda connection: self._open(
                    connection, command_id, evidence, record, terminal_id
                ),
            )
        )

    def open_unknown(
        self, *, command_id: CommandId, estimate: Estimate, by: StaffId
    ) -> PatientRecord:
        """Open a record for somebody whom nobody knows, under a label of the day; once.

        Raises:
            Refused: ``hospital.command_differs``.
        """
        now = self._clock.now()
        day, record_no = business_date(now), RecordNo(new_identifier())

        def work(connection: Connection) -> SealedRecord:
            earlier = self._opened(connection, command_id)
            if earlier is not None:
                if earlier[0].intent_id is not None:
                    raise Refused(COMMAND_DIFFERS)
                return earlier[1]
            # Counted in the transaction: no two of a day have the same label.
            count = store.unknown_on(connection, self._institution, day) + 1
            record = self._unknown(record_no, estimate, day, count)
            store.add_record(connection, record)
            opening = Opening(
                institution=self._institution,
                command_id=command_id,
                record_no=record_no,
                intent_id=None,
                channel=None,
                terminal_id=None,
                first_frame_at=None,
                opened_at=now,
                opened_by=by,
            )
            store.add_opening(connection, opening)
            return record

        return self._shown(self._database.write(work))

    def person_of(
        self,
        evidence: Evidence,
        *,
        scenes: frozenset[Scene],
        expected: PersonNo | None = None,
        uses_up: bool = False,
    ) -> InsuredPerson:
        """Who showed this, for themselves; see :meth:`shown`.

        Raises:
            Refused: As :meth:`shown`.
        """
        return self.shown(evidence, scenes=scenes, expected=expected, uses_up=uses_up).person

    def shown(
        self,
        evidence: Evidence,
        *,
        scenes: frozenset[Scene],
        expected: PersonNo | None = None,
        uses_up: bool = False,
        for_relatives: bool = False,
    ) -> Shown:
        """Whose matter it is by what was shown, by the insurer (1101): the one way to ask it.

        Args:
            evidence: Of any kind.
            scenes: For which a face must have been taken.
            expected: Whose it must be; none where the evidence alone says it.
            uses_up: Whether a shown code is used up, because nothing else that does so follows.
            for_relatives: Whether a face may act for a bound relative, whose matter it then is;
                the insurer says whether the binding holds at this moment.

        Raises:
            Refused: ``hospital.scene_not_allowed``, ``proof_not_fitting``; what refuses the
                evidence; what the insurer refuses; ``hospital.insurer_unreachable``.
        """
        if isinstance(evidence, FaceEvidence):
            whose, evidence = self._face(evidence, scenes, for_relatives=for_relatives)
            if expected not in {None, whose}:
                raise Refused(PROOF_NOT_FITTING, differs="person")
            expected = whose
        query = PersonQuery(self._institution, expected, evidence, uses_up)
        person = ask_insurer(self._insurer.person_information, query)
        identity_of(person, expected_person=expected)
        check_document(evidence, person.certno)
        return Shown(person, evidence)

    def _face(
        self, evidence: FaceEvidence, scenes: frozenset[Scene], *, for_relatives: bool
    ) -> tuple[PersonNo, FaceEvidence]:
        proof = self._proofs.check(evidence.auth_no, expected_institution=self._institution)
        if for_relatives and evidence.relation is not Relation.SELF:
            return check_proof_for_relative(evidence, proof, scenes)
        return check_proof(evidence, proof, scenes), evidence

    def own_record(
        self, evidence: Evidence, *, scenes: frozenset[Scene], for_relatives: bool = False
    ) -> PatientRecord:
        """The record of who showed this, or of the relative for whom they came.

        Raises:
            Refused: As :meth:`shown`; ``hospital.record_not_found``.
        """
        person = self.shown(evidence, scenes=scenes, for_relatives=for_relatives).person
        found = self.find_by_person(psn_no=person.psn_no)
        if found is None:
            raise Refused(RECORD_NOT_FOUND)
        return found

    def get(self, *, record_no: RecordNo) -> PatientRecord:
        """The record as it may be shown.

        Raises:
            Refused: ``hospital.record_not_found``.
        """
        return self._shown(self._stored(record_no))

    def find_by_person(self, *, psn_no: PersonNo) -> PatientRecord | None:
        """The record of the person with the insurer's number, if there is one."""
        found = self._database.read(
            lambda connection: store.by_person(connection, self._institution, psn_no)
        )
        return None if found is None else self._shown(found)

    def find_by_id_number(self, *, id_number: IdNumber) -> PatientRecord | None:
        """The record of the person with this ID number, if there is one."""
        hashed = self._sealer.keyed_hash(id_number.value.encode(), purpose=_ID_NUMBER)
        found = self._database.read(
            lambda connection: store.by_id_number(connection, self._institution, hashed)
        )
        return None if found is None else self._shown(found)

    def identity(self, *, record_no: RecordNo) -> Identity:
        """Who a record is of, whole: for messages to the insurer, never for a screen.

        Raises:
            Refused: ``hospital.record_not_found``; ``hospital.patient_unknown``.
        """
        return self._identity(self._stored(record_no))

    def look(
        self,
        *,
        caller: Caller,
        record_no: RecordNo,
        why: LookReason,
        note: str = "",
        encounter_no: EncounterNo | None = None,
    ) -> Chart:
        """The whole record, for staff; who looks, and why, is logged in the same transaction.

        There is no other way to a whole record. Staff to whom nothing of the patient's own leads
        (an open visit, an appointment of today or tomorrow) say that it is an emergency or another
        reason and write down which; the patient sees every look.

        Args:
            caller: Who looks.
            record_no: At which record.
            why: For what.
            note: In words.
            encounter_no: For which visit.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.record_not_found``, ``look_unrelated``,
                ``entry_invalid``.
        """
        check_role(caller, READING_ROLES)
        now, look_no = self._clock.now(), new_identifier()
        note = checked_text(note) if note.strip() else ""
        note_sealed = self._seal_text(_NOTE, look_no, note)

        def work(connection: Connection) -> tuple[SealedRecord, Sequence[EntryRow]]:
            record = self._by_number(connection, record_no)
            related = self._related(connection, record.record_no, encounter_no, business_date(now))
            check_look(why, note, related=related)
            look = SealedLook(
                look_no=look_no,
                institution=self._institution,
                record_no=record.record_no,
                staff_id=caller.staff_id,
                role=acting_role(caller.roles, READING_ROLES).value,
                why=why.value,
                note_sealed=note_sealed,
                related=related,
                encounter_no=encounter_no,
                looked_at=now,
            )
            store.add_look(connection, look)
            return record, store.entries_of(connection, self._institution, record.record_no)

        return self._chart(*self._database.write(work))

    def substances(self, record_no: RecordNo) -> frozenset[str]:
        """Codes of the allergies in a record, for a check that no eye sees and no log names.

        Raises:
            Refused: ``hospital.record_not_found``.
        """

        def work(connection: Connection) -> Sequence[EntryRow]:
            record = self._by_number(connection, record_no)
            return store.entries_of(connection, self._institution, record.record_no)

        entries = map(self._entry, self._database.read(work))
        return frozenset(each.code for each in entries if _is_standing_allergy(each))

    def looks(self, *, evidence: Evidence) -> Sequence[Look]:
        """Who looked at the own record, the latest first, for the patient who shows who they are.

        Raises:
            Refused: As :meth:`own_record`.
        """
        record = self.own_record(evidence, scenes=OWN_RECORD_SCENES)
        found = self._database.read(
            lambda connection: store.looks_at(
                connection, self._institution, record.record_no, _LOOKS_SHOWN_MAX
            )
        )
        return [self._look(each) for each in found]

    def add_entry(
        self,
        *,
        caller: Caller,
        command_id: CommandId,
        record_no: RecordNo,
        kind: EntryKind,
        text: str,
        code: str = "",
    ) -> Entry:
        """Add an allergy, a past illness or a lasting medication; once for a command.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.record_not_found``, ``entry_invalid``,
                ``command_differs``.
        """
        check_role(caller, WRITING_ROLES)
        entry_no, now = EntryNo(new_identifier()), self._clock.now()
        content = json.dumps({"text": checked_text(text), "code": code.strip()})
        sealed = self._seal_text(_ENTRY, entry_no, content)

        def work(connection: Connection) -> EntryRow:
            earlier = store.entry_of_command(connection, self._institution, command_id)
            if earlier is not None:
                return earlier
            record = self._by_number(connection, record_no)
            added = SealedEntry(
                entry_no=entry_no,
                institution=self._institution,
                command_id=command_id,
                record_no=record.record_no,
                kind=kind.value,
                content_sealed=sealed,
                added_by=caller.staff_id,
                added_at=now,
            )
            store.add_entry(connection, added)
            return added, None

        made = self._entry(self._database.write(work))
        wanted = json.loads(content)
        if (made.kind, made.text, made.code) != (kind, wanted["text"], wanted["code"]):
            raise Refused(COMMAND_DIFFERS)
        return made

    def remove_entry(self, *, caller: Caller, entry_no: EntryNo, reason: str) -> Entry:
        """Say that an entry holds no more, or never did; it stays readable.

        Again changes nothing.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.entry_not_found``, ``entry_invalid``.
        """
        check_role(caller, WRITING_ROLES)
        sealed = self._seal_text(_REMOVAL, entry_no, checked_text(reason))
        removal = SealedRemoval(entry_no, sealed, caller.staff_id, self._clock.now())

        def work(connection: Connection) -> EntryRow:
            found = store.entry(connection, self._institution, entry_no)
            if found is None:
                raise Refused(ENTRY_NOT_FOUND)
            if found[1] is not None:
                return found
            store.add_removal(connection, removal)
            return found[0], removal

        return self._entry(self._database.write(work))

    def _related(
        self,
        connection: Connection,
        record_no: RecordNo,
        encounter_no: EncounterNo | None,
        day: date,
    ) -> bool:
        visits = encounters.open_of_record(connection, self._institution, record_no)
        if encounter_no is not None:
            return encounter_no in visits
        return bool(visits) or scheduling.is_expected(
            connection, self._institution, record_no, day=day
        )

    def _open(
        self,
        connection: Connection,
        command_id: CommandId,
        evidence: Evidence,
        record: SealedRecord,
        terminal_id: TerminalId | None,
    ) -> SealedRecord:
        earlier = self._opened(connection, command_id)
        if earlier is not None:
            return _same_intent(earlier, evidence)
        found = self._found(connection, record)
        if found is None:
            store.add_record(connection, record)
        kept = found or record
        face = evidence if isinstance(evidence, FaceEvidence) else None
        opening = Opening(
            institution=self._institution,
            command_id=command_id,
            record_no=kept.record_no,
            intent_id=evidence.intent_id,
            channel=evidence.channel.value,
            terminal_id=terminal_id if face is None else face.terminal_id,
            first_frame_at=None if face is None else face.first_frame_at,
            opened_at=record.opened_at,
            opened_by=evidence.seen_by if isinstance(evidence, DocumentEvidence) else None,
        )
        store.add_opening(connection, opening)
        return kept

    def _found(self, connection: Connection, record: SealedRecord) -> SealedRecord | None:
        by_person = store.by_person(connection, self._institution, record.psn_no or NOBODY)
        by_number = store.by_id_number(connection, self._institution, record.id_number_hash or b"")
        # The insurer gave one number to two people, or two numbers to one: a person must look.
        if by_person != by_number:
            raise Refused(RECORD_CONFLICT)
        return by_person

    def _opened(
        self, connection: Connection, command_id: CommandId
    ) -> tuple[Opening, SealedRecord] | None:
        opening = store.opening_of(connection, self._institution, command_id)
        if opening is None:
            return None
        return opening, self._by_number(connection, opening.record_no)

    def _stored(self, record_no: RecordNo) -> SealedRecord:
        return self._database.read(lambda connection: self._by_number(connection, record_no))

    def _by_number(self, connection: Connection, record_no: RecordNo) -> SealedRecord:
        found = store.by_number(connection, self._institution, record_no)
        if found is None:
            raise Refused(RECORD_NOT_FOUND)
        return found

    def _sealed(self, identity: Identity) -> SealedRecord:
        record_no = RecordNo(new_identifier())
        number = identity.id_number.value.encode()
        return SealedRecord(
            record_no=record_no,
            institution=self._institution,
            psn_no=identity.psn_no,
            id_number_hash=self._sealer.keyed_hash(number, purpose=_ID_NUMBER),
            name_sealed=self._seal(_NAME, record_no, identity.name.encode()),
            id_number_sealed=self._seal(_ID_NUMBER, record_no, number),
            opened_at=self._clock.now(),
        )

    def _unknown(
        self, record_no: RecordNo, estimate: Estimate, day: date, count: int
    ) -> SealedRecord:
        return SealedRecord(
            record_no=record_no,
            institution=self._institution,
            psn_no=None,
            id_number_hash=None,
            name_sealed=self._seal(_NAME, record_no, unknown_label(day, count).encode()),
            id_number_sealed=None,
            opened_at=self._clock.now(),
            estimated_sex=estimate.sex.value,
            estimated_age_band=estimate.age_band,
            unknown_day=day,
        )

    def _shown(self, record: SealedRecord) -> PatientRecord:
        if record.psn_no is None:
            return PatientRecord(
                record_no=record.record_no,
                institution=record.institution,
                psn_no=NOBODY,
                masked_name=self._name(record),
                masked_id_number="",
                opened_at=record.opened_at,
            )
        return shown(
            self._identity(record),
            record_no=record.record_no,
            institution=record.institution,
            opened_at=record.opened_at,
        )

    def _chart(self, record: SealedRecord, entries: Sequence[EntryRow]) -> Chart:
        opened = tuple(self._entry(each) for each in entries)
        if record.psn_no is None:
            sex = Sex(record.estimated_sex or Sex.UNKNOWN.value)
            band = record.estimated_age_band or ""
            return Chart(self._shown(record), self._name(record), sex, None, band, opened)
        identity = self._identity(record)
        birth = identity.id_number.birth_date
        band = age_band(birth, business_date(self._clock.now()))
        sex = sex_of(identity.id_number)
        return Chart(self._shown(record), identity.name, sex, birth, band, opened)

    def _entry(self, row: EntryRow) -> Entry:
        sealed, removed = row
        content = json.loads(self._open_text(_ENTRY, sealed.entry_no, sealed.content_sealed))
        removal = None
        if removed is not None:
            reason = self._open_text(_REMOVAL, removed.entry_no, removed.reason_sealed)
            removal = Removal(StaffId(removed.removed_by), removed.removed_at, reason)
        return Entry(
            entry_no=EntryNo(sealed.entry_no),
            record_no=sealed.record_no,
            kind=EntryKind(sealed.kind),
            text=content["text"],
            code=content["code"],
            added_by=StaffId(sealed.added_by),
            added_at=sealed.added_at,
            removal=removal,
        )

    def _look(self, sealed: SealedLook) -> Look:
        number = sealed.encounter_no
        return Look(
            look_no=sealed.look_no,
            record_no=sealed.record_no,
            by=StaffId(sealed.staff_id),
            role=Role(sealed.role),
            why=LookReason(sealed.why),
            note=self._open_text(_NOTE, sealed.look_no, sealed.note_sealed),
            related=sealed.related,
            encounter_no=None if number is None else EncounterNo(number),
            at=sealed.looked_at,
        )

    def _name(self, record: SealedRecord) -> str:
        return self._unseal(_NAME, record.record_no, record.name_sealed).decode()

    def _identity(self, record: SealedRecord) -> Identity:
        if record.psn_no is None or record.id_number_sealed is None:
            raise Refused(PATIENT_UNKNOWN)
        number = self._unseal(_ID_NUMBER, record.record_no, record.id_number_sealed)
        return Identity(record.psn_no, self._name(record), IdNumber(number.decode()))

    def _seal_text(self, purpose: str, context: str, text: str) -> bytes:
        return self._sealer.seal(text.encode(), purpose=purpose, context=context.encode())

    def _open_text(self, purpose: str, context: str, sealed: bytes) -> str:
        return self._sealer.open(sealed, purpose=purpose, context=context.encode()).decode()

    def _seal(self, purpose: str, record_no: RecordNo, plain: bytes) -> bytes:
        return self._sealer.seal(plain, purpose=purpose, context=record_no.encode())

    def _unseal(self, purpose: str, record_no: RecordNo, sealed: bytes) -> bytes:
        return self._sealer.open(sealed, purpose=purpose, context=record_no.encode())


def _same_intent(opened: tuple[Opening, SealedRecord], evidence: Evidence) -> SealedRecord:
    opening, record = opened
    if opening.intent_id != evidence.intent_id:
        raise Refused(COMMAND_DIFFERS)
    return record


def _is_standing_allergy(entry: Entry) -> bool:
    return entry.kind is EntryKind.ALLERGY and entry.removal is None and entry.code != ""
