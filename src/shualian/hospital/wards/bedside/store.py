"""Table of settlements by wristband."""

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, select

from shualian.core.database import UtcTime
from shualian.core.identifiers import CommandId, EncounterNo, InstitutionCode, StaffId
from shualian.hospital.wards.bedside.model import BedsideReason, WristbandSettlement

metadata = MetaData()

_IDENTIFIER = String(30)

wristband_settlements = Table(
    "stay_wristband_settlement",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("stay_no", _IDENTIFIER, nullable=False, index=True),
    Column("nurse", _IDENTIFIER, nullable=False),
    Column("reason", String(20), nullable=False),
    Column("at", UtcTime, nullable=False),
)


def add(
    connection: Connection, institution: InstitutionCode, settlement: WristbandSettlement
) -> None:
    """Insert a settlement by wristband."""
    connection.execute(
        insert(wristband_settlements).values(
            institution=institution,
            command_id=settlement.command_id,
            stay_no=settlement.stay_no,
            nurse=settlement.nurse,
            reason=settlement.reason.value,
            at=settlement.at,
        )
    )


def find(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> WristbandSettlement | None:
    """How a payment was settled by wristband, if it was."""
    row = connection.execute(
        select(wristband_settlements).filter_by(institution=institution, command_id=command_id)
    ).one_or_none()
    if row is None:
        return None
    return WristbandSettlement(
        CommandId(row.command_id),
        EncounterNo(row.stay_no),
        StaffId(row.nurse),
        BedsideReason(row.reason),
        row.at,
    )
