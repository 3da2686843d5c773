"""Queries of the window over other rooms' tables; none of its own."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from shualian.core.identifiers import EncounterNo, InstitutionCode, RecordNo
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import Encounter

_SHOWN_MAX = 20


def encounters_of(
    connection: Connection, institution: InstitutionCode, record_no: RecordNo
) -> Sequence[Encounter]:
    """The newest 20 encounters of a record, the newest first."""
    table = encounters.encounters
    query = (
        select(table.c.encounter_no)
        .filter_by(institution=institution, record_no=record_no)
        .order_by(table.c.begntime.desc(), table.c.encounter_no.desc())
        .limit(_SHOWN_MAX)
    )
    numbers = [EncounterNo(number) for number in connection.scalars(query)]
    found = [encounters.by_number(connection, institution, number) for number in numbers]
    return [stored.encounter for stored in found if stored is not None]
