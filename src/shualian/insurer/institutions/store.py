"""Table of contracted institutions."""

from sqlalchemy import Column, Connection, MetaData, String, Table, delete, insert, select

from shualian.core.identifiers import InstitutionCode
from shualian.insurer.institutions.model import Institution

metadata = MetaData()

contracted_institution = Table(
    "contracted_institution",
    metadata,
    Column("fixmedins_code", String(12), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("level", String(2), nullable=False),
    Column("region", String(6), nullable=False),
)


def put(connection: Connection, institution: Institution) -> None:
    """Insert an institution or replace what is known of it."""
    table = contracted_institution
    code = institution.fixmedins_code
    connection.execute(delete(table).where(table.c.fixmedins_code == code))
    connection.execute(
        insert(table).values(
            fixmedins_code=code,
            name=institution.name,
            level=institution.level,
            region=institution.region,
        )
    )


def find(connection: Connection, code: InstitutionCode) -> Institution | None:
    """The institution with this code."""
    table = contracted_institution
    row = connection.execute(select(table).where(table.c.fixmedins_code == code)).one_or_none()
    return None if row is None else Institution(*row)
