"""Tables of trace codes: boxes, what was told of charge items, alerts."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Index,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    func,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import ChargeItemNo, InstitutionCode, PersonNo, VisitId
from shualian.insurer.settlement.store import charge_item
from shualian.insurer.traces.model import (
    Box,
    BoxState,
    LineState,
    LineTraces,
    ToldLine,
    TraceAlert,
    TraceCode,
)

metadata = MetaData()

_IDENTIFIER = String(30)

boxes = Table(
    "trace_box",
    metadata,
    # The key is the promise: one row, one live line for a code in the whole region.
    Column("code", String(100), primary_key=True),
    Column("state", String(10), nullable=False),
    Column("institution", String(12), nullable=False),
    Column("mdtrt_id", _IDENTIFIER, nullable=False),
    Column("feedetl_sn", _IDENTIFIER, nullable=False),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Index("ix_trace_box_line", "mdtrt_id", "feedetl_sn"),
)
lines = Table(
    "trace_line",
    metadata,
    Column("mdtrt_id", _IDENTIFIER, primary_key=True),
    Column("feedetl_sn", _IDENTIFIER, primary_key=True),
    Column("state", String(10), nullable=False),
    Column("exception", String(20)),
    Column("reason", String(100), nullable=False),
    Column("mother_code", String(100)),
    Column("said_flag", String(3), nullable=False),
    Column("told_at", UtcTime, nullable=False),
)
alerts = Table(
    "trace_alert",
    metadata,
    Column("alert_id", _IDENTIFIER, primary_key=True),
    Column("code", String(100), nullable=False),
    Column("first_institution", String(12), nullable=False),
    Column("second_institution", String(12), nullable=False),
    Column("mdtrt_id", _IDENTIFIER, nullable=False),
    Column("feedetl_sn", _IDENTIFIER, nullable=False),
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("code", "mdtrt_id", "feedetl_sn", name="uq_trace_alert_line"),
)


def box_of(connection: Connection, code: TraceCode, *, locked: bool = False) -> Box | None:
    """The box with this code; ``locked``: nobody else changes it until the transaction ends."""
    query = select(boxes).where(boxes.c.code == code)
    if locked:
        query = query.with_for_update()
    row = connection.execute(query).one_or_none()
    return None if row is None else _box(row)


def put_box(connection: Connection, box: Box, *, is_new: bool) -> None:
    """Store where a box stands now."""
    row: dict[str, Any] = {each.name: getattr(box, each.name) for each in fields(box)}
    row["state"] = box.state.value
    if is_new:
        connection.execute(insert(boxes).values(row))
    else:
        connection.execute(update(boxes).where(boxes.c.code == box.code).values(row))


def live_codes(connection: Connection, mdtrt_id: VisitId, number: ChargeItemNo) -> int:
    """How many boxes a charge item has."""
    query = select(func.count()).where(
        boxes.c.mdtrt_id == mdtrt_id,
        boxes.c.feedetl_sn == number,
        boxes.c.state == BoxState.LIVE.value,
    )
    return int(connection.scalar(query) or 0)


def told_line(connection: Connection, mdtrt_id: VisitId, number: ChargeItemNo) -> ToldLine | None:
    """What was told of a charge item."""
    query = select(lines).where(lines.c.mdtrt_id == mdtrt_id, lines.c.feedetl_sn == number)
    row = connection.execute(query).one_or_none()
    return None if row is None else ToldLine(LineState(row.state), row.said_flag)


def put_line(
    connection: Connection,
    mdtrt_id: VisitId,
    told: LineTraces,
    *,
    said_flag: str,
    at: datetime,
    is_new: bool,
) -> None:
    """Keep what is told of a charge item in the place of what was told before."""
    key = {"mdtrt_id": mdtrt_id, "feedetl_sn": told.feedetl_sn}
    values = {
        "state": told.state.value,
        "exception": None if told.exception is None else told.exception.value,
        "reason": told.reason,
        "mother_code": told.mother_code,
        "said_flag": said_flag,
        "told_at": at,
    }
    if is_new:
        connection.execute(insert(lines).values(key | values))
    else:
        connection.execute(update(lines).filter_by(**key).values(values))


def set_flag(
    connection: Connection, mdtrt_id: VisitId, number: ChargeItemNo, hosp_appr_flag: str
) -> None:
    """Change the approval flag of an open charge item; a settled one stays as it was settled."""
    table = charge_item
    connection.execute(
        update(table)
        .where(
            table.c.mdtrt_id == mdtrt_id,
            table.c.feedetl_sn == number,
            table.c.settled_by.is_(None),
        )
        .values(hosp_appr_flag=hosp_appr_flag)
    )


def settled_numbers(
    connection: Connection, mdtrt_id: VisitId, numbers: Collection[ChargeItemNo]
) -> set[ChargeItemNo]:
    """Those of the charge items that are settled."""
    table = charge_item
    query = select(table.c.feedetl_sn).where(
        table.c.mdtrt_id == mdtrt_id,
        table.c.feedetl_sn.in_(numbers),
        table.c.settled_by.is_not(None),
    )
    return {ChargeItemNo(number) for number in connection.scalars(query)}


def add_alert(connection: Connection, alert: TraceAlert) -> bool:
    """Insert an alert unless the same line has one for this code; whether it was new."""
    known = select(alerts.c.alert_id).where(
        alerts.c.code == alert.code,
        alerts.c.mdtrt_id == alert.mdtrt_id,
        alerts.c.feedetl_sn == alert.feedetl_sn,
    )
    if connection.execute(known).first() is not None:
        return False
    connection.execute(
        insert(alerts).values(
            alert_id=alert.alert_id,
            code=alert.code,
            first_institution=alert.first,
            second_institution=alert.second,
            mdtrt_id=alert.mdtrt_id,
            feedetl_sn=alert.feedetl_sn,
            at=alert.at,
        )
    )
    return True


def newest_alerts(connection: Connection, limit: int) -> Sequence[TraceAlert]:
    """The newest alerts."""
    query = select(alerts).order_by(alerts.c.at.desc(), alerts.c.alert_id.desc()).limit(limit)
    return [
        TraceAlert(
            alert_id=row.alert_id,
            code=TraceCode(row.code),
            first=InstitutionCode(row.first_institution),
            second=InstitutionCode(row.second_institution),
            mdtrt_id=VisitId(row.mdtrt_id),
            feedetl_sn=ChargeItemNo(row.feedetl_sn),
            at=row.at,
        )
        for row in connection.execute(query)
    ]


def _box(row: Row[Any]) -> Box:
    return Box(
        code=TraceCode(row.code),
        state=BoxState(row.state),
        institution=InstitutionCode(row.institution),
        mdtrt_id=VisitId(row.mdtrt_id),
        feedetl_sn=ChargeItemNo(row.feedetl_sn),
        psn_no=PersonNo(row.psn_no),
        since=row.since,
        ended_at=row.ended_at,
    )
