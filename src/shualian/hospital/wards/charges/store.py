"""Table of the days of a stay that are charged."""

from collections.abc import Collection, Sequence
from datetime import date

from sqlalchemy import Column, Connection, Date, MetaData, String, Table, insert, select, update

from shualian.core.identifiers import ChargeItemNo, CommandId, EncounterNo, InstitutionCode
from shualian.hospital.orders.store import batches, items

metadata = MetaData()

_IDENTIFIER = String(30)

charged_days = Table(
    "stay_day",
    metadata,
    # One row for each day: its key is what keeps a day from being charged twice.
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("stay_no", _IDENTIFIER, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("command_id", _IDENTIFIER, nullable=False),
)


def add_day(
    connection: Connection,
    institution: InstitutionCode,
    stay_no: EncounterNo,
    day: date,
    command_id: CommandId,
) -> None:
    """Note that a day is charged, and by which command its lines are known."""
    connection.execute(
        insert(charged_days).values(
            institution=institution, stay_no=stay_no, day=day, command_id=command_id
        )
    )


def days_of(
    connection: Connection, institution: InstitutionCode, stay_no: EncounterNo
) -> Sequence[date]:
    """The days of a stay that are charged, the earliest first."""
    query = (
        select(charged_days.c.day)
        .filter_by(institution=institution, stay_no=stay_no)
        .order_by(charged_days.c.day)
    )
    return list(connection.scalars(query))


def gather(
    connection: Connection,
    institution: InstitutionCode,
    numbers: Collection[ChargeItemNo],
    chrg_bchno: str,
) -> None:
    """Move lines of a stay into one batch."""
    connection.execute(
        update(items)
        .where(items.c.institution == institution, items.c.feedetl_sn.in_(sorted(numbers)))
        .values(chrg_bchno=chrg_bchno)
    )


def settled_batches(
    connection: Connection, institution: InstitutionCode, encounter_no: EncounterNo
) -> frozenset[str]:
    """The batches of an encounter that are settled."""
    query = select(batches.c.chrg_bchno).where(
        batches.c.institution == institution,
        batches.c.encounter_no == encounter_no,
        batches.c.state == "settled",
    )
    return frozenset(connection.scalars(query))
