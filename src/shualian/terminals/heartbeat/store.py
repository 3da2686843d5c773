"""Queries on heartbeats and on the tallies of captures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from shualian.core.identifiers import InstitutionCode, TerminalId
from shualian.terminals.heartbeat.model import Beat, Tally
from shualian.terminals.model import TerminalState
from shualian.terminals.register.model import PlaceId, SoftwareVersion, parse_version
from shualian.terminals.store import heartbeats, keys, models, places, tallies, terminals


@dataclass(frozen=True, slots=True)
class Watched:
    """A terminal that should beat, with what the register says about it.

    Attributes:
        terminal_id: Which.
        institution: Whose.
        place_id: Where.
        state: Active or suspended.
        state_at: Since when.
        software: Named last.
        software_current: Of its model.
        key_made_at: Of its present key.
        beat: The last one.
    """

    terminal_id: TerminalId
    institution: InstitutionCode
    place_id: PlaceId
    state: TerminalState
    state_at: datetime
    software: SoftwareVersion
    software_current: SoftwareVersion
    key_made_at: datetime
    beat: Beat | None


def put_beat(connection: Connection, terminal_id: TerminalId, beat: Beat) -> None:
    """Put a beat in the place of the one before."""
    values = {
        "beaten_at": beat.at,
        "camera_ok": beat.camera_ok,
        "disk_free_percent": beat.disk_free_percent,
        "in_place": beat.in_place,
        "tampered_at": beat.tampered_at,
    }
    owned = heartbeats.c.terminal_id == terminal_id
    if connection.execute(update(heartbeats).where(owned).values(**values)).rowcount == 0:
        connection.execute(insert(heartbeats).values(terminal_id=terminal_id, **values))


def beat_of(connection: Connection, terminal_id: TerminalId) -> Beat | None:
    """The last beat."""
    query = select(heartbeats).where(heartbeats.c.terminal_id == terminal_id)
    row = connection.execute(query).first()
    return None if row is None else _beat(row)


def clear_tamper(connection: Connection, terminal_id: TerminalId) -> None:
    """Forget that tampering was reported."""
    owned = heartbeats.c.terminal_id == terminal_id
    connection.execute(update(heartbeats).where(owned).values(tampered_at=None))


def add_to_tally(
    connection: Connection, terminal_id: TerminalId, hour: datetime, added: Tally
) -> None:
    """Count captures into an hour."""
    values = {
        "captures": tallies.c.captures + added.captures,
        "failures": tallies.c.failures + added.failures,
        "pad_alarms": tallies.c.pad_alarms + added.pad_alarms,
    }
    owned = (tallies.c.terminal_id == terminal_id) & (tallies.c.hour == hour)
    if connection.execute(update(tallies).where(owned).values(**values)).rowcount == 0:
        connection.execute(
            insert(tallies).values(
                terminal_id=terminal_id,
                hour=hour,
                captures=added.captures,
                failures=added.failures,
                pad_alarms=added.pad_alarms,
            )
        )


def tallies_since(
    connection: Connection, since: datetime, terminal_id: TerminalId | None
) -> dict[TerminalId, list[tuple[datetime, Tally]]]:
    """The hours of a terminal, or of all, from a moment on."""
    query = select(tallies).where(tallies.c.hour >= since)
    if terminal_id is not None:
        query = query.where(tallies.c.terminal_id == terminal_id)
    found: dict[TerminalId, list[tuple[datetime, Tally]]] = {}
    for row in connection.execute(query):
        counted = Tally(row.captures, row.failures, row.pad_alarms)
        found.setdefault(TerminalId(row.terminal_id), []).append((row.hour, counted))
    return found


def watched(connection: Connection, terminal_id: TerminalId) -> Watched | None:
    """A terminal that is active or suspended."""
    row = connection.execute(_watched().where(terminals.c.terminal_id == terminal_id)).first()
    return None if row is None else _watched_of(row)


def all_watched(connection: Connection, institution: InstitutionCode | None) -> Sequence[Watched]:
    """The active and suspended terminals of an institution, or of all, by number."""
    query = _watched().order_by(terminals.c.terminal_id)
    if institution is not None:
        query = query.where(places.c.institution == institution)
    return [_watched_of(row) for row in connection.execute(query)]


def _watched() -> Select[Any]:
    beating = (TerminalState.ACTIVE.value, TerminalState.SUSPENDED.value)
    return (
        select(
            terminals.c.terminal_id.label("number"),
            terminals.c.place_id,
            terminals.c.state,
            terminals.c.state_at,
            terminals.c.software,
            places.c.institution,
            models.c.software_current,
            keys.c.made_at,
            heartbeats,
        )
        .join(places, places.c.place_id == terminals.c.place_id)
        .join(models, models.c.certificate == terminals.c.certificate)
        .join(keys, (keys.c.terminal_id == terminals.c.terminal_id) & keys.c.retired_at.is_(None))
        .outerjoin(heartbeats, heartbeats.c.terminal_id == terminals.c.terminal_id)
        .where(terminals.c.state.in_(beating))
    )


def _watched_of(row: Row[Any]) -> Watched:
    return Watched(
        terminal_id=TerminalId(row.number),
        institution=InstitutionCode(row.institution),
        place_id=PlaceId(row.place_id),
        state=TerminalState(row.state),
        state_at=row.state_at,
        software=parse_version(row.software),
        software_current=parse_version(row.software_current),
        key_made_at=row.made_at,
        beat=None if row.beaten_at is None else _beat(row),
    )


def _beat(row: Row[Any]) -> Beat:
    return Beat(row.beaten_at, row.camera_ok, row.disk_free_percent, row.in_place, row.tampered_at)
