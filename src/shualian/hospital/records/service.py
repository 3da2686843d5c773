"""Use cases of patient records."""

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import (
    CommandId,
    InstitutionCode,
    PersonNo,
    RecordNo,
    new_identifier,
)
from shualian.core.refusals import Refused
from shualian.hospital.model import COMMAND_DIFFERS, FaceEvidence, PersonQuery, check_proof
from shualian.hospital.ports import FaceProofs, FieldSealer, InsurerPlatform, ask_insurer
from shualian.hospital.records import store
from shualian.hospital.records.model import (
    OPENING_SCENES,
    RECORD_CONFLICT,
    RECORD_NOT_FOUND,
    Identity,
    PatientRecord,
    identity_of,
    shown,
)
from shualian.hospital.records.store import Opening, SealedRecord

_NAME = "hospital.record.name"
_ID_NUMBER = "hospital.record.id_number"


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

    def open_record(self, *, command_id: CommandId, evidence: FaceEvidence) -> PatientRecord:
        """Open the record of the verified person, or find the one that they have.

        Nothing is typed: the proof names the person, the insurer says who that is. The proof is
        read and not redeemed, so that the same scan can go on to register. One person has one
        record, however many open it at once. A repeated command is answered before its proof is
        looked at.

        Raises:
            Refused: ``hospital.scene_not_allowed``, ``hospital.proof_not_fitting``,
                ``hospital.record_conflict``, ``hospital.command_differs``; what refuses the
                proof; what the insurer refuses.
        """
        earlier = self._database.read(lambda connection: self._opened(connection, command_id))
        if earlier is not None:
            return self._shown(_same_intent(earlier, evidence))
        identity = self._ask(evidence)
        record = self._sealed(identity)
        return self._shown(
            self._database.write(
                lambda connection: self._open(connection, command_id, evidence, record),
            )
        )

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
            Refused: ``hospital.record_not_found``.
        """
        return self._identity(self._stored(record_no))

    def _ask(self, evidence: FaceEvidence) -> Identity:
        proof = self._proofs.check(evidence.auth_no, expected_institution=self._institution)
        subject = check_proof(evidence, proof, OPENING_SCENES)
        query = PersonQuery(self._institution, subject, evidence)
        person = ask_insurer(self._insurer.person_information, query)
        return identity_of(person, expected_person=subject)

    def _open(
        self,
        connection: Connection,
        command_id: CommandId,
        evidence: FaceEvidence,
        record: SealedRecord,
    ) -> SealedRecord:
        earlier = self._opened(connection, command_id)
        if earlier is not None:
            return _same_intent(earlier, evidence)
        found = self._found(connection, record)
        if found is None:
            store.add_record(connection, record)
        kept = found or record
        opening = Opening(
            institution=self._institution,
            command_id=command_id,
            record_no=kept.record_no,
            intent_id=evidence.intent_id,
            channel=evidence.channel.value,
            terminal_id=evidence.terminal_id,
            first_frame_at=evidence.first_frame_at,
            opened_at=record.opened_at,
        )
        store.add_opening(connection, opening)
        return kept

    def _found(self, connection: Connection, record: SealedRecord) -> SealedRecord | None:
        by_person = store.by_person(connection, self._institution, record.psn_no)
        by_number = store.by_id_number(connection, self._institution, record.id_number_hash)
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

    def _shown(self, record: SealedRecord) -> PatientRecord:
        return shown(
            self._identity(record),
            record_no=record.record_no,
            institution=record.institution,
            opened_at=record.opened_at,
        )

    def _identity(self, record: SealedRecord) -> Identity:
        name = self._unseal(_NAME, record.record_no, record.name_sealed)
        number = self._unseal(_ID_NUMBER, record.record_no, record.id_number_sealed)
        return Identity(record.psn_no, name.decode(), IdNumber(number.decode()))

    def _seal(self, purpose: str, record_no: RecordNo, plain: bytes) -> bytes:
        return self._sealer.seal(plain, purpose=purpose, context=record_no.encode())

    def _unseal(self, purpose: str, record_no: RecordNo, sealed: bytes) -> bytes:
        return self._sealer.open(sealed, purpose=purpose, context=record_no.encode())


def _same_intent(opened: tuple[Opening, SealedRecord], evidence: FaceEvidence) -> SealedRecord:
    opening, record = opened
    if opening.intent_id != evidence.intent_id:
        raise Refused(COMMAND_DIFFERS)
    return record
