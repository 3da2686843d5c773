"""Table of looks at access logs, and queries over the register of terminals and the audit."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import (
    Column,
    Connection,
    Index,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import InstitutionCode, PersonNo, TerminalId, new_identifier
from shualian.insurer.accesses.model import LogView, Viewer
from shualian.terminals.model import Place
from shualian.terminals.store import places, terminals
from shualian.trust.audit.model import moment_text
from shualian.trust.audit.store import events

metadata = MetaData()

_IDENTIFIER = String(30)
_PAGE = 2_000

access_log_view = Table(
    "access_log_view",
    metadata,
    Column("view_id", _IDENTIFIER, primary_key=True),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("viewer", String(20), nullable=False),
    Column("institution", String(20)),  # NULL: the insurer's own office
    Index("ix_access_log_view_person", "psn_no"),
    Index("ix_access_log_view_at", "at"),
)


def add_view(connection: Connection, view: LogView) -> None:
    """Note that somebody looked at a log."""
    connection.execute(
        insert(access_log_view).values(
            view_id=new_identifier(),
            psn_no=view.psn_no,
            at=view.at,
            viewer=view.viewer.value,
            institution=view.institution,
        )
    )


def views_of(connection: Connection, psn_no: PersonNo) -> Sequence[LogView]:
    """Who looked at a person's log."""
    query = select(access_log_view).where(access_log_view.c.psn_no == psn_no)
    return [
        LogView(
            psn_no=psn_no,
            at=row.at,
            viewer=Viewer(row.viewer),
            institution=None if row.institution is None else InstitutionCode(row.institution),
        )
        for row in connection.execute(query)
    ]


def forget_views(connection: Connection, before: datetime) -> int:
    """Delete the looks before a moment; how many."""
    return connection.execute(delete(access_log_view).where(access_log_view.c.at < before)).rowcount


def places_of(connection: Connection, wanted: Collection[TerminalId]) -> Mapping[TerminalId, Place]:
    """Where these terminals stand, as far as they are in the register."""
    query = (
        select(terminals.c.terminal_id, places.c.name, places.c.department)
        .join(places, places.c.place_id == terminals.c.place_id)
        .where(terminals.c.terminal_id.in_(list(wanted)))
    )
    return {
        TerminalId(row.terminal_id): Place(name=row.name, department=row.department)
        for row in connection.execute(query)
    }


def audited(
    connection: Connection, *, since: datetime, until: datetime
) -> Iterator[tuple[str, str, str]]:
    """Kind, moment and payload of every audit record in ``since <= at < until``, oldest first."""
    last = 0
    within = (events.c.at >= moment_text(since)) & (events.c.at < moment_text(until))
    while True:
        page = connection.execute(
            select(events)
            .where(within, events.c.event_id > last)
            .order_by(events.c.event_id)
            .limit(_PAGE)
        ).all()
        for row in page:
            yield row.kind, row.at, row.payload
        if len(page) < _PAGE:
            return
        last = page[-1].event_id
