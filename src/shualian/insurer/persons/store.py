"""Tables of insured persons: number and name sealed, found by keyed hash."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    bindparam,
    insert,
    select,
    update,
)

from shualian.core.identifiers import PersonNo
from shualian.insurer.persons.model import Insurance, InsuranceNote, InsuranceStatus

_Value = TypeVar("_Value")
_CHANGING = ("psn_type", "insuplc_admdvs", "psn_insu_stas", "note")
_AT_ONCE = 500
"""Values in one IN list; SQLite and PostgreSQL both take many more."""

metadata = MetaData()

insured_person = Table(
    "insured_person",
    metadata,
    Column("psn_no", String(30), primary_key=True),
    Column("id_number_hash", LargeBinary, nullable=False, unique=True),
    Column("certno_sealed", LargeBinary, nullable=False),
    Column("psn_name_sealed", LargeBinary, nullable=False),
    Column("last_digits_hash", LargeBinary, nullable=False, index=True),
)
insurance = Table(
    "insurance",
    metadata,
    Column("psn_no", String(30), ForeignKey("insured_person.psn_no"), primary_key=True),
    Column("insutype", String(6), primary_key=True),
    Column("psn_type", String(6), nullable=False),
    Column("insuplc_admdvs", String(6), nullable=False),
    Column("psn_insu_stas", String(6), nullable=False),
    # Why it is not in force, where the national code does not tell.
    Column("note", String(20)),
)


@dataclass(frozen=True, slots=True)
class SealedPerson:
    """A person as the database holds it.

    Attributes:
        psn_no: Number of the person.
        id_number_hash: Keyed hash of the ID number.
        certno_sealed: The ID number, encrypted.
        psn_name_sealed: The name, encrypted.
        last_digits_hash: Keyed hash of the number's last four characters. It has about 10,000
            values: without the key it still shows who ends alike.
    """

    psn_no: PersonNo
    id_number_hash: bytes
    certno_sealed: bytes
    psn_name_sealed: bytes
    last_digits_hash: bytes


def add(connection: Connection, person: SealedPerson, insurances: Sequence[Insurance]) -> None:
    """Insert a person with at least one insurance."""
    add_many(connection, [(person, insurances)])


def add_many(
    connection: Connection, people: Sequence[tuple[SealedPerson, Sequence[Insurance]]]
) -> None:
    """Insert people, each with at least one insurance."""
    if not people:
        return
    connection.execute(insert(insured_person), [asdict(person) for person, _ in people])
    add_insurances(connection, [(person.psn_no, each) for person, held in people for each in held])


def add_insurances(connection: Connection, additions: Sequence[tuple[PersonNo, Insurance]]) -> None:
    """Insert insurances of people who are there."""
    if additions:
        connection.execute(insert(insurance), [_values(*each) for each in additions])


def change_insurances(
    connection: Connection, changes: Sequence[tuple[PersonNo, Insurance]]
) -> None:
    """Put insurances in the place of those of the same person and type."""
    if changes:
        connection.execute(_CHANGE, [_changed(*each) for each in changes])


_CHANGE = (
    update(insurance)
    .where(
        insurance.c.psn_no == bindparam("of_person"), insurance.c.insutype == bindparam("of_type")
    )
    .values({name: bindparam(f"new_{name}") for name in _CHANGING})
)


def _changed(psn_no: PersonNo, held: Insurance) -> dict[str, str | None]:
    values = _values(psn_no, held)
    new = {f"new_{name}": values[name] for name in _CHANGING}
    return {"of_person": psn_no, "of_type": held.insutype, **new}


def _values(psn_no: PersonNo, held: Insurance) -> dict[str, str | None]:
    return {
        "psn_no": psn_no,
        "insutype": held.insutype,
        "psn_type": held.psn_type,
        "insuplc_admdvs": held.insuplc_admdvs,
        "psn_insu_stas": held.psn_insu_stas.value,
        "note": None if held.note is None else held.note.value,
    }


def by_hash(connection: Connection, id_number_hash: bytes) -> SealedPerson | None:
    """The person whose ID number has this keyed hash."""
    query = select(insured_person).where(insured_person.c.id_number_hash == id_number_hash)
    row = connection.execute(query).one_or_none()
    return None if row is None else SealedPerson(*row)


def by_number(connection: Connection, psn_no: PersonNo) -> SealedPerson | None:
    """The person with this number."""
    query = select(insured_person).where(insured_person.c.psn_no == psn_no)
    row = connection.execute(query).one_or_none()
    return None if row is None else SealedPerson(*row)


def by_hashes(
    connection: Connection, hashes: Collection[bytes]
) -> Mapping[bytes, tuple[SealedPerson, tuple[Insurance, ...]]]:
    """The people whose ID numbers have these keyed hashes, with their insurances."""
    people: dict[PersonNo, SealedPerson] = {}
    held: defaultdict[PersonNo, list[Insurance]] = defaultdict(list)
    for some in _portions(sorted(hashes)):
        query = select(insured_person).where(insured_person.c.id_number_hash.in_(some))
        people |= {row.psn_no: SealedPerson(*row) for row in connection.execute(query)}
    for numbers in _portions(sorted(people)):
        rows = select(insurance).where(insurance.c.psn_no.in_(numbers))
        for row in connection.execute(rows):
            held[row.psn_no].append(_insurance(row))
    return {each.id_number_hash: (each, tuple(held[each.psn_no])) for each in people.values()}


def by_last_digits(connection: Connection, last_digits_hash: bytes) -> list[SealedPerson]:
    """The people whose ID numbers end with the four characters of this keyed hash."""
    query = select(insured_person).where(insured_person.c.last_digits_hash == last_digits_hash)
    return [SealedPerson(*row) for row in connection.execute(query)]


def number_of(connection: Connection, id_number_hash: bytes) -> PersonNo | None:
    """The number of the person whose ID number has this keyed hash."""
    table = insured_person
    query = select(table.c.psn_no).where(table.c.id_number_hash == id_number_hash)
    found = connection.scalar(query)
    return None if found is None else PersonNo(found)


def insurances_of(connection: Connection, psn_no: PersonNo) -> tuple[Insurance, ...]:
    """All insurances of a person, by ``insutype``."""
    query = select(insurance).where(insurance.c.psn_no == psn_no).order_by(insurance.c.insutype)
    return tuple(_insurance(row) for row in connection.execute(query))


def _insurance(row: Row[Any]) -> Insurance:
    return Insurance(
        row.insutype,
        row.psn_type,
        row.insuplc_admdvs,
        InsuranceStatus(row.psn_insu_stas),
        None if row.note is None else InsuranceNote(row.note),
    )


def _portions(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


def insurance_of(connection: Connection, psn_no: PersonNo, insutype: str) -> Insurance | None:
    """One insurance of a person."""
    return next((i for i in insurances_of(connection, psn_no) if i.insutype == insutype), None)


def set_status(
    connection: Connection,
    psn_no: PersonNo,
    insutype: str,
    status: InsuranceStatus,
    note: InsuranceNote | None = None,
) -> bool:
    """Change status and note of an insurance; whether there is such an insurance."""
    change = (
        update(insurance)
        .where(insurance.c.psn_no == psn_no, insurance.c.insutype == insutype)
        .values(psn_insu_stas=status.value, note=None if note is None else note.value)
    )
    return connection.execute(change).rowcount == 1
