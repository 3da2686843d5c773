"""Tables of insured persons: number and name sealed, found by keyed hash."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    MetaData,
    String,
    Table,
    insert,
    select,
    update,
)

from shualian.core.identifiers import PersonNo
from shualian.insurer.persons.model import Insurance, InsuranceStatus

metadata = MetaData()

insured_person = Table(
    "insured_person",
    metadata,
    Column("psn_no", String(30), primary_key=True),
    Column("id_number_hash", LargeBinary, nullable=False, unique=True),
    Column("certno_sealed", LargeBinary, nullable=False),
    Column("psn_name_sealed", LargeBinary, nullable=False),
)
insurance = Table(
    "insurance",
    metadata,
    Column("psn_no", String(30), ForeignKey("insured_person.psn_no"), primary_key=True),
    Column("insutype", String(6), primary_key=True),
    Column("psn_type", String(6), nullable=False),
    Column("insuplc_admdvs", String(6), nullable=False),
    Column("psn_insu_stas", String(6), nullable=False),
)


@dataclass(frozen=True, slots=True)
class SealedPerson:
    """A person as the database holds it.

    Attributes:
        psn_no: Number of the person.
        id_number_hash: Keyed hash of the ID number.
        certno_sealed: The ID number, encrypted.
        psn_name_sealed: The name, encrypted.
    """

    psn_no: PersonNo
    id_number_hash: bytes
    certno_sealed: bytes
    psn_name_sealed: bytes


def add(connection: Connection, person: SealedPerson, insurances: Sequence[Insurance]) -> None:
    """Insert a person with at least one insurance."""
    connection.execute(
        insert(insured_person).values(
            psn_no=person.psn_no,
            id_number_hash=person.id_number_hash,
            certno_sealed=person.certno_sealed,
            psn_name_sealed=person.psn_name_sealed,
        )
    )
    connection.execute(
        insert(insurance),
        [
            {
                "psn_no": person.psn_no,
                "insutype": each.insutype,
                "psn_type": each.psn_type,
                "insuplc_admdvs": each.insuplc_admdvs,
                "psn_insu_stas": each.psn_insu_stas.value,
            }
            for each in insurances
        ],
    )


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


def insurances_of(connection: Connection, psn_no: PersonNo) -> tuple[Insurance, ...]:
    """All insurances of a person, by ``insutype``."""
    query = select(insurance).where(insurance.c.psn_no == psn_no).order_by(insurance.c.insutype)
    return tuple(
        Insurance(
            row.insutype, row.psn_type, row.insuplc_admdvs, InsuranceStatus(row.psn_insu_stas)
        )
        for row in connection.execute(query)
    )


def insurance_of(connection: Connection, psn_no: PersonNo, insutype: str) -> Insurance | None:
    """One insurance of a person."""
    return next((i for i in insurances_of(connection, psn_no) if i.insutype == insutype), None)


def set_status(
    connection: Connection, psn_no: PersonNo, insutype: str, status: InsuranceStatus
) -> bool:
    """Change the status of an insurance; whether there is such an insurance."""
    change = (
        update(insurance)
        .where(insurance.c.psn_no == psn_no, insurance.c.insutype == insutype)
        .values(psn_insu_stas=status.value)
    )
    return connection.execute(change).rowcount == 1
