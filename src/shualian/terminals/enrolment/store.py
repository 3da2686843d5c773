"""Queries on enrolments, their one-time codes and their keys."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, insert, select, update

from shualian.core.identifiers import InstitutionCode, StaffId, TerminalId
from shualian.terminals.enrolment.model import Enrolment, KeyId, key_id_of
from shualian.terminals.model import TerminalState
from shualian.terminals.register.model import (
    PlaceId,
    SoftwareVersion,
    parse_version,
    version_text,
)
from shualian.terminals.store import invitations, keys, places, terminals
from shualian.trust.signatures import Algorithm, PublicKey


@dataclass(frozen=True, slots=True)
class StoredCode:
    """A one-time code as the database holds it.

    Attributes:
        terminal_id: Whom it invites.
        secret_hash: Keyed hash of its secret half.
        expires_at: When it ends.
        attempts: Wrong ones so far.
    """

    terminal_id: TerminalId
    secret_hash: bytes = field(repr=False)
    expires_at: datetime
    attempts: int


def add_terminal(
    connection: Connection,
    terminal_id: TerminalId,
    *,
    place_id: PlaceId,
    invited_by: StaffId,
    at: datetime,
) -> None:
    """Insert a terminal that is invited."""
    connection.execute(
        insert(terminals).values(
            terminal_id=terminal_id,
            place_id=place_id,
            state=TerminalState.INVITED.value,
            state_at=at,
            invited_by=invited_by,
        )
    )


def put_code(connection: Connection, handle: str, code: StoredCode) -> None:
    """Put a code in the place of a terminal's older ones."""
    owned = invitations.c.terminal_id == code.terminal_id
    connection.execute(delete(invitations).where(owned))
    connection.execute(
        insert(invitations).values(
            terminal_id=code.terminal_id,
            handle=handle,
            secret_hash=code.secret_hash,
            expires_at=code.expires_at,
            attempts=code.attempts,
        )
    )


def code_by_handle(connection: Connection, handle: str) -> StoredCode | None:
    """The code whose first letters these are."""
    row = connection.execute(select(invitations).where(invitations.c.handle == handle)).first()
    if row is None:
        return None
    return StoredCode(TerminalId(row.terminal_id), row.secret_hash, row.expires_at, row.attempts)


def count_attempt(connection: Connection, handle: str) -> None:
    """One more wrong attempt."""
    connection.execute(
        update(invitations)
        .where(invitations.c.handle == handle)
        .values(attempts=invitations.c.attempts + 1)
    )


def set_inviter(connection: Connection, terminal_id: TerminalId, staff: StaffId) -> None:
    """Note who made the present code."""
    _change(connection, terminal_id, invited_by=staff)


def set_state(
    connection: Connection,
    terminal_id: TerminalId,
    state: TerminalState,
    *,
    at: datetime,
    approved_by: StaffId | None = None,
) -> None:
    """Move to a state."""
    values: dict[str, object] = {"state": state.value, "state_at": at}
    if approved_by is not None:
        values["approved_by"] = approved_by
    _change(connection, terminal_id, **values)


def set_device(
    connection: Connection, terminal_id: TerminalId, certificate: str, software: SoftwareVersion
) -> None:
    """Note which device came."""
    _change(connection, terminal_id, certificate=certificate, software=version_text(software))


def set_software(
    connection: Connection, terminal_id: TerminalId, software: SoftwareVersion
) -> None:
    """Note the version that the terminal named last."""
    _change(connection, terminal_id, software=version_text(software))


def add_key(
    connection: Connection, terminal_id: TerminalId, public_key: PublicKey, *, at: datetime
) -> None:
    """Insert a key."""
    connection.execute(
        insert(keys).values(
            key_id=key_id_of(public_key),
            terminal_id=terminal_id,
            algorithm=public_key.algorithm.value,
            public_key=public_key.raw,
            made_at=at,
        )
    )


def retire_key(connection: Connection, key_id: KeyId, *, at: datetime) -> None:
    """End a key's use."""
    connection.execute(update(keys).where(keys.c.key_id == key_id).values(retired_at=at))


def has_key(connection: Connection, key_id: KeyId) -> bool:
    """Whether a key was ever enrolled."""
    return (
        connection.execute(select(keys.c.key_id).where(keys.c.key_id == key_id)).first() is not None
    )


def key_by_id(connection: Connection, key_id: KeyId) -> tuple[TerminalId, PublicKey] | None:
    """Whose key this is or was."""
    row = connection.execute(select(keys).where(keys.c.key_id == key_id)).first()
    if row is None:
        return None
    return TerminalId(row.terminal_id), public_key_of(row.algorithm, row.public_key)


@lru_cache(maxsize=10_000)
def public_key_of(algorithm: str, raw: bytes) -> PublicKey:
    """A stored key; remembered, because the check that it lies on the curve takes its time."""
    return PublicKey(Algorithm(algorithm), raw)


def enrolment_by_id(connection: Connection, terminal_id: TerminalId) -> Enrolment | None:
    """How the enrolment of a terminal stands."""
    row = connection.execute(_enrolments().where(terminals.c.terminal_id == terminal_id)).first()
    return None if row is None else _enrolment(row)


def living_at(connection: Connection, place_id: PlaceId) -> Enrolment | None:
    """The terminal of a place that was not revoked."""
    query = _enrolments().where(
        terminals.c.place_id == place_id, terminals.c.state != TerminalState.REVOKED.value
    )
    row = connection.execute(query).first()
    return None if row is None else _enrolment(row)


def enrolments_of(
    connection: Connection, institution: InstitutionCode | None
) -> Sequence[Enrolment]:
    """The terminals of an institution, or of all, in the order of their numbers."""
    query = _enrolments().order_by(terminals.c.terminal_id)
    if institution is not None:
        query = query.where(places.c.institution == institution)
    return [_enrolment(row) for row in connection.execute(query)]


def _enrolments() -> Select[Any]:
    present = and_(keys.c.terminal_id == terminals.c.terminal_id, keys.c.retired_at.is_(None))
    return (
        select(
            terminals, places.c.institution, places.c.created_by, keys.c.key_id, keys.c.algorithm
        )
        .join(places, places.c.place_id == terminals.c.place_id)
        .outerjoin(keys, present)
    )


def _enrolment(row: Row[Any]) -> Enrolment:
    return Enrolment(
        terminal_id=TerminalId(row.terminal_id),
        place_id=PlaceId(row.place_id),
        institution=InstitutionCode(row.institution),
        state=TerminalState(row.state),
        state_at=row.state_at,
        invited_by=StaffId(row.invited_by),
        place_created_by=StaffId(row.created_by),
        certificate=row.certificate,
        software=None if row.software is None else parse_version(row.software),
        key_id=None if row.key_id is None else KeyId(row.key_id),
        algorithm=None if row.algorithm is None else Algorithm(row.algorithm),
    )


def _change(connection: Connection, terminal_id: TerminalId, **values: object) -> None:
    change = update(terminals).where(terminals.c.terminal_id == terminal_id)
    connection.execute(change.values(**values))
