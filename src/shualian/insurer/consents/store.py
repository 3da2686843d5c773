"""The table of consents: one row for each time somebody agreed or withdrew; insert-only."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Row, String, Table, insert, select

from shualian.core.database import UtcTime
from shualian.core.identifiers import InstitutionCode, PersonNo, SessionId, StaffId, TerminalId
from shualian.insurer.consents.model import (
    ByGuardian,
    ByPerson,
    Channel,
    ChannelKind,
    ConsentChange,
    ConsentEvent,
    DocumentKind,
    GivenBy,
    GuardianRelation,
)
from shualian.insurer.erasures.model import ReceiptNo
from shualian.trust.audit.model import Reference
from shualian.verification.model import ConsentPurpose

metadata = MetaData()

_IDENTIFIER = String(30)
_CODE = String(20)

consent_events = Table(
    "consent_event",
    metadata,
    Column("psn_no", _IDENTIFIER, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("change", _CODE, nullable=False),
    Column("purpose", _CODE, nullable=False),
    Column("notice_version", _CODE),
    Column("at", UtcTime, nullable=False),
    Column("relation", _CODE),  # NULL: the person's own act
    Column("guardian", _IDENTIFIER),
    Column("document", _CODE),
    Column("checked_by", _IDENTIFIER),
    Column("channel", _CODE, nullable=False),
    Column("institution", String(20)),
    Column("terminal_id", _IDENTIFIER),
    Column("session_id", _IDENTIFIER),
    Column("partner", String(64)),
    Column("receipt_no", _IDENTIFIER),
)


def events_of(connection: Connection, psn_no: PersonNo) -> tuple[ConsentEvent, ...]:
    """Every consent given and withdrawn of a person, oldest first."""
    query = select(consent_events).where(consent_events.c.psn_no == psn_no)
    rows = connection.execute(query.order_by(consent_events.c.number))
    return tuple(_event(row) for row in rows)


def add(connection: Connection, psn_no: PersonNo, events: Sequence[ConsentEvent]) -> None:
    """Add rows; two writers of one person's next row exclude each other by its number."""
    if events:
        rows = [{"psn_no": psn_no, **_row(event)} for event in events]
        connection.execute(insert(consent_events), rows)


def _row(event: ConsentEvent) -> dict[str, Any]:
    channel, by = event.channel, event.by
    guardian = by if isinstance(by, ByGuardian) else None
    return {
        "number": event.number,
        "change": event.change.value,
        "purpose": event.purpose.value,
        "notice_version": event.notice_version,
        "at": event.at,
        "relation": guardian.relation.value if guardian else None,
        "guardian": guardian.guardian if guardian else None,
        "document": by.document.value if by.document else None,
        "checked_by": by.checked_by,
        "channel": channel.kind.value,
        "institution": channel.institution,
        "terminal_id": channel.terminal_id,
        "session_id": channel.session_id,
        "partner": channel.partner,
        "receipt_no": event.receipt_no,
    }


def _event(row: Row[Any]) -> ConsentEvent:
    return ConsentEvent(
        number=row.number,
        change=ConsentChange(row.change),
        purpose=ConsentPurpose(row.purpose),
        notice_version=row.notice_version,
        at=row.at,
        by=_by(row),
        channel=Channel(
            kind=ChannelKind(row.channel),
            institution=None if row.institution is None else InstitutionCode(row.institution),
            terminal_id=None if row.terminal_id is None else TerminalId(row.terminal_id),
            session_id=None if row.session_id is None else SessionId(row.session_id),
            partner=None if row.partner is None else Reference(row.partner),
        ),
        receipt_no=None if row.receipt_no is None else ReceiptNo(row.receipt_no),
    )


def _by(row: Row[Any]) -> GivenBy:
    document = None if row.document is None else DocumentKind(row.document)
    checked_by = None if row.checked_by is None else StaffId(row.checked_by)
    if row.relation is None:
        return ByPerson(document, checked_by)
    guardian = None if row.guardian is None else PersonNo(row.guardian)
    return ByGuardian(GuardianRelation(row.relation), guardian, document, checked_by)
