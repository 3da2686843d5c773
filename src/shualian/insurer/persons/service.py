"""Use cases of the register of insured persons."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from shualian.core.database import Database
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import PersonNo, new_identifier
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.insurer.persons import store
from shualian.insurer.persons.model import (
    ALREADY_REGISTERED,
    NOT_INSURED,
    PERSON_NOT_FOUND,
    Insurance,
    InsuranceStatus,
    Insured,
    check_real,
    checked_name,
)
from shualian.insurer.persons.ports import PersonSealer
from shualian.insurer.persons.store import SealedPerson

_CERTNO = "insurer.person.certno"
_NAME = "insurer.person.psn_name"


class Persons:
    """Who is insured; names and ID numbers are in the clear only in memory.

    Proven: both are encrypted and authenticated at rest, bound to the person's number, and equal
    ID numbers are found without opening any. Not proven: whoever holds key and database reads
    all, and whoever holds the hash key can test guessed numbers.
    """

    def __init__(self, *, database: Database, sealer: PersonSealer, mode: Mode) -> None:
        self._database = database
        self._sealer = sealer
        self._mode = mode

    def register_insured(
        self, *, id_number: IdNumber, name: str, insurances: Sequence[Insurance]
    ) -> Insured:
        """Take a person into the register.

        Args:
            id_number: Checked.
            name: As in the document.
            insurances: At least one, each ``insutype`` once.

        Raises:
            Refused: ``insurer.name_invalid``, ``insurer.not_insured`` when no insurance is given,
                ``insurer.already_registered``, ``insurer.sample_number``.
        """
        check_real(id_number, mode=self._mode)
        if not insurances:
            raise Refused(NOT_INSURED, found="no insurance")
        person = Insured(
            PersonNo(new_identifier()), id_number, checked_name(name), tuple(insurances)
        )
        sealed = self._sealed(person)

        def work(connection: Connection) -> None:
            if store.by_hash(connection, sealed.id_number_hash) is not None:
                raise Refused(ALREADY_REGISTERED)
            store.add(connection, sealed, insurances)

        self._database.write(work)
        return person

    def find_by_id_number(self, id_number: IdNumber) -> Insured | None:
        """The person with this ID number, if insured here."""
        id_number_hash = self._hash(id_number)
        return self._read(lambda connection: store.by_hash(connection, id_number_hash))

    def get(self, psn_no: PersonNo) -> Insured:
        """The person with this number.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        person = self._read(lambda connection: store.by_number(connection, psn_no))
        if person is None:
            raise Refused(PERSON_NOT_FOUND)
        return person

    def set_insurance_status(
        self, *, psn_no: PersonNo, insutype: str, status: InsuranceStatus
    ) -> None:
        """Pause, end or renew an insurance.

        Raises:
            Refused: ``insurer.person_not_found``.
        """

        def work(connection: Connection) -> None:
            if not store.set_status(connection, psn_no, insutype, status):
                raise Refused(PERSON_NOT_FOUND, insutype=insutype)

        self._database.write(work)

    def _read(self, find: Callable[[Connection], SealedPerson | None]) -> Insured | None:
        def work(connection: Connection) -> tuple[SealedPerson, tuple[Insurance, ...]] | None:
            sealed = find(connection)
            if sealed is None:
                return None
            return sealed, store.insurances_of(connection, sealed.psn_no)

        found = self._database.read(work)
        return None if found is None else self._opened(*found)

    def _sealed(self, person: Insured) -> SealedPerson:
        return SealedPerson(
            psn_no=person.psn_no,
            id_number_hash=self._hash(person.id_number),
            certno_sealed=self._seal(person.psn_no, _CERTNO, person.id_number.value),
            psn_name_sealed=self._seal(person.psn_no, _NAME, person.name),
        )

    def _opened(self, sealed: SealedPerson, insurances: tuple[Insurance, ...]) -> Insured:
        number = self._open(sealed.psn_no, _CERTNO, sealed.certno_sealed)
        name = self._open(sealed.psn_no, _NAME, sealed.psn_name_sealed)
        return Insured(sealed.psn_no, IdNumber(number), name, insurances)

    def _hash(self, id_number: IdNumber) -> bytes:
        return self._sealer.keyed_hash(id_number.value.encode(), purpose=_CERTNO)

    def _seal(self, psn_no: PersonNo, purpose: str, plain: str) -> bytes:
        return self._sealer.seal(plain.encode(), purpose=purpose, context=psn_no.encode())

    def _open(self, psn_no: PersonNo, purpose: str, sealed: bytes) -> str:
        return self._sealer.open(sealed, purpose=purpose, context=psn_no.encode()).decode()
