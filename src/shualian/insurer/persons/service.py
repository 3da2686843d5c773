"""Use cases of the register of insured persons."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from sqlalchemy import Connection

from shualian.core.clock import Clock, SystemClock, business_date
from shualian.core.database import Database, forbid_in_transaction
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import PersonNo, StaffId, new_identifier
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.insurer.persons import store
from shualian.insurer.persons.model import (
    ALREADY_REGISTERED,
    LAST_DIGITS_HASHED,
    LIST_BYTES_MAX,
    LIST_UNREADABLE,
    NOT_INSURED,
    PERSON_NOT_FOUND,
    ImportReport,
    Insurance,
    InsuranceNote,
    InsuranceNotice,
    InsuranceStatus,
    Insured,
    ListColumn,
    ListedPerson,
    PersonsImported,
    WrongLine,
    check_real,
    checked_last_digits,
    checked_name,
    decoded_list,
    insurance_note,
    parse_list,
)
from shualian.insurer.persons.ports import PersonSealer
from shualian.insurer.persons.store import SealedPerson
from shualian.trust.audit.model import Digest
from shualian.trust.audit.service import record
from shualian.verification.model import Identity

_CERTNO = "insurer.person.certno"
_NAME = "insurer.person.psn_name"
_LAST_DIGITS = "insurer.person.last_digits"

_Known = Mapping[bytes, tuple[SealedPerson, tuple[Insurance, ...]]]


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A listed person, sealed under a number of their own in case they are new."""

    listed: ListedPerson
    sealed: SealedPerson


class Persons:
    """Who is insured; names and ID numbers are in the clear only in memory.

    Proven: both are encrypted and authenticated at rest, bound to the person's number, and equal
    ID numbers are found without opening any. Not proven: whoever holds key and database reads
    all, and whoever holds the hash key can test guessed numbers.
    """

    def __init__(
        self, *, database: Database, sealer: PersonSealer, mode: Mode, clock: Clock | None = None
    ) -> None:
        """Open the register.

        Args:
            database: Has the tables of ``store`` and, for lists, those of the audit.
            sealer: For names and numbers.
            mode: Production takes no sample numbers.
            clock: For the age of ID numbers in lists and for the audit; the machine's by default.
        """
        self._database = database
        self._sealer = sealer
        self._mode = mode
        self._clock = clock or SystemClock()

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

    def by_number(self, id_number: IdNumber) -> PersonNo | None:
        """The number of the person with this ID number, if insured here; opens nothing."""
        id_number_hash = self._hash(id_number)
        return self._database.read(lambda connection: store.number_of(connection, id_number_hash))

    def by_last_digits(self, digits: str) -> frozenset[PersonNo]:
        """The people whose ID numbers end with these four to eight characters.

        Four are found by their keyed hash; of more, the numbers that share them are opened.

        Raises:
            Refused: ``insurer.last_digits_invalid``.
        """
        last = checked_last_digits(digits)
        hashed = self._last_digits_hash(last[-LAST_DIGITS_HASHED:])
        found = self._database.read(lambda connection: store.by_last_digits(connection, hashed))
        alike = len(last) == LAST_DIGITS_HASHED
        return frozenset(
            each.psn_no for each in found if alike or self._number_of(each).endswith(last)
        )

    def identity(self, subject: PersonNo) -> Identity:
        """Who a person is, for the registry's question and for the masked line on a screen.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        person = self.get(subject)
        return Identity(
            subject, person.name, person.id_number, person.region, person.id_number.birth_date
        )

    def birth_date(self, psn_no: PersonNo) -> date:
        """When a person was born, by the ID number.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        return self.get(psn_no).id_number.birth_date

    def insurance_note(
        self, psn_no: PersonNo, *, care_region: str | None = None
    ) -> InsuranceNotice | None:
        """What to tell a person about an insurance that is not in force; ``None``: one is.

        Args:
            psn_no: Who.
            care_region: 就医地, 6 digits.
        """
        held = self._database.read(lambda connection: store.insurances_of(connection, psn_no))
        return insurance_note(held, care_region=care_region)

    def import_csv(self, path_or_text: Path | str, *, actor: StaffId | None = None) -> ImportReport:
        """Take a list in whole, or not at all when one line is wrong.

        A line that says what is known changes nothing; status, type, region and note of a known
        insurance are changed, new insurances and people added. Nobody is removed. A name is never
        changed by a list: another one than the register's is a wrong line.

        Args:
            path_or_text: A file in UTF-8 or GB18030, or the text itself; see :func:`parse_list`.
            actor: Who brought it; ``None``: an operator at the command line.

        Raises:
            Refused: ``insurer.list_unreadable``.
        """
        content = _content(path_or_text)
        today = business_date(self._clock.now())
        parsed = parse_list(decoded_list(content), today=today, mode=self._mode)
        if parsed.wrong:
            return ImportReport(parsed.lines, wrong=parsed.wrong)
        arrivals = {each.sealed.id_number_hash: each for each in map(self._arrival, parsed.people)}
        known = self._database.read(lambda each: store.by_hashes(each, arrivals.keys()))
        wrong = self._misnamed(arrivals, known)
        if wrong:
            return ImportReport(parsed.lines, wrong=wrong)
        event = PersonsImported(
            file=Digest(hashlib.sha256(content).hexdigest()),
            lines=parsed.lines,
            added=0,
            updated=0,
            actor=actor,
        )
        return self._database.write(
            lambda connection: self._take_in(
                connection, parsed.lines, arrivals, event, known.keys()
            )
        )

    def set_insurance_status(
        self,
        *,
        psn_no: PersonNo,
        insutype: str,
        status: InsuranceStatus,
        note: InsuranceNote | None = None,
    ) -> None:
        """Pause, end or renew an insurance.

        Args:
            psn_no: Whose.
            insutype: Which.
            status: From now on.
            note: Beside a status that is not in force: arrears or not synchronised.

        Raises:
            Refused: ``insurer.person_not_found``.
            ValueError: For a note that does not go with the status.
        """
        Insurance(insutype, "", "", status, note)

        def work(connection: Connection) -> None:
            if not store.set_status(connection, psn_no, insutype, status, note):
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
            last_digits_hash=self._last_digits_hash(person.id_number.value[-LAST_DIGITS_HASHED:]),
        )

    def _arrival(self, listed: ListedPerson) -> _Arrival:
        person = Insured(
            PersonNo(new_identifier()), listed.id_number, listed.name, listed.insurances
        )
        return _Arrival(listed, self._sealed(person))

    def _misnamed(self, arrivals: Mapping[bytes, _Arrival], known: _Known) -> tuple[WrongLine, ...]:
        found = "not the name that is registered for this number"
        return tuple(
            WrongLine(arrivals[key].listed.line, ListColumn.PSN_NAME.value, found)
            for key, (sealed, _) in known.items()
            if self._name_of(sealed) != arrivals[key].listed.name
        )

    def _take_in(
        self,
        connection: Connection,
        lines: int,
        arrivals: Mapping[bytes, _Arrival],
        event: PersonsImported,
        named: Collection[bytes],
    ) -> ImportReport:
        known = store.by_hashes(connection, arrivals.keys())
        # Nearly always none: people who were registered since the names were compared.
        since = {key: found for key, found in known.items() if key not in named}
        wrong = self._misnamed(arrivals, since)
        if wrong:
            return ImportReport(lines, wrong=wrong)
        new = [each for key, each in arrivals.items() if key not in known]
        added, changed = _differences(arrivals, known)
        store.add_many(connection, [(each.sealed, each.listed.insurances) for each in new])
        store.add_insurances(connection, added)
        store.change_insurances(connection, changed)
        updated = len(added) + len(changed)
        of_new = sum(len(each.listed.insurances) for each in new)
        if new or updated:
            made = replace(event, added=len(new), updated=updated)
            record(connection, made, at=self._clock.now())
        return ImportReport(lines, len(new), updated, lines - of_new - updated)

    def _number_of(self, sealed: SealedPerson) -> str:
        return self._open(sealed.psn_no, _CERTNO, sealed.certno_sealed)

    def _name_of(self, sealed: SealedPerson) -> str:
        return self._open(sealed.psn_no, _NAME, sealed.psn_name_sealed)

    def _last_digits_hash(self, last: str) -> bytes:
        return self._sealer.keyed_hash(last.encode(), purpose=_LAST_DIGITS)

    def _opened(self, sealed: SealedPerson, insurances: tuple[Insurance, ...]) -> Insured:
        number = IdNumber(self._number_of(sealed))
        return Insured(sealed.psn_no, number, self._name_of(sealed), insurances)

    def _hash(self, id_number: IdNumber) -> bytes:
        return self._sealer.keyed_hash(id_number.value.encode(), purpose=_CERTNO)

    def _seal(self, psn_no: PersonNo, purpose: str, plain: str) -> bytes:
        return self._sealer.seal(plain.encode(), purpose=purpose, context=psn_no.encode())

    def _open(self, psn_no: PersonNo, purpose: str, sealed: bytes) -> str:
        return self._sealer.open(sealed, purpose=purpose, context=psn_no.encode()).decode()


def _content(path_or_text: Path | str) -> bytes:
    if isinstance(path_or_text, str):
        return path_or_text.encode()
    forbid_in_transaction("reading a list")
    try:
        with path_or_text.open("rb") as opened:
            return opened.read(LIST_BYTES_MAX + 1)
    except OSError as failure:
        raise Refused(LIST_UNREADABLE, found=failure.strerror or "cannot be read") from None


_Held = list[tuple[PersonNo, Insurance]]


def _differences(arrivals: Mapping[bytes, _Arrival], known: _Known) -> tuple[_Held, _Held]:
    """Insurances of known people that are new, and those that changed."""
    added: _Held = []
    changed: _Held = []
    for key, (sealed, held) in known.items():
        by_type = {each.insutype: each for each in held}
        for listed in arrivals[key].listed.insurances:
            before = by_type.get(listed.insutype)
            if before is None:
                added.append((sealed.psn_no, listed))
            elif before != listed:
                changed.append((sealed.psn_no, listed))
    return added, changed
