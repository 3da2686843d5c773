"""The stand-in's own database: sealed people, answers given, callers, nonces."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    select,
)

from shualian.core.database import UtcTime
from shualian.gateway.police_registry.model import Verdict
from shualian.terminals.enrolment.model import KeyId
from shualian.trust.signatures import Algorithm, PublicKey

metadata = MetaData()

people = Table(
    "registry_person",
    metadata,
    Column("number_hash", LargeBinary(32), primary_key=True),
    Column("reference", String(26), nullable=False, unique=True),
    Column("identity", LargeBinary, nullable=False),
    Column("photo", LargeBinary),
    Column("template", LargeBinary),
    Column("path_id", String(16), nullable=False),
    Column("until", UtcTime, nullable=False, index=True),
)
answers = Table(
    "registry_answer",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("request_id", String(64), primary_key=True),
    Column("request_hash", LargeBinary(32), nullable=False),
    Column("verdict", String(24), nullable=False),
    Column("answered_at", UtcTime, nullable=False, index=True),
)
callers = Table(
    "registry_caller",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("algorithm", String(24), nullable=False),
    Column("public_key", LargeBinary(65), nullable=False),
)
nonces = Table(
    "registry_nonce",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("nonce", String(64), primary_key=True),
    Column("created_at", UtcTime, nullable=False, index=True),
)


@dataclass(frozen=True, slots=True)
class SealedPerson:
    """A row of a person; everything that says who it is is sealed.

    Attributes:
        number_hash: Keyed hash of the number, by which the row is found.
        reference: Made up.
        identity: Sealed number and name.
        photo: Sealed JPEG.
        template: Sealed little-endian 32-bit floats.
        path_id: Of the template.
        until: When it is deleted.
    """

    number_hash: bytes = field(repr=False)
    reference: str
    identity: bytes = field(repr=False)
    photo: bytes | None = field(repr=False)
    template: bytes | None = field(repr=False)
    path_id: str
    until: datetime


def delete_expired(connection: Connection, *, now: datetime) -> int:
    """Delete everybody whose time is over; how many."""
    expired = delete(people).where(people.c.until <= now)
    return connection.execute(expired.execution_options(preserve_rowcount=True)).rowcount


def forget(connection: Connection, *, answers_before: datetime, nonces_before: datetime) -> None:
    """Forget old answers and nonces that nobody would believe any more."""
    connection.execute(delete(answers).where(answers.c.answered_at < answers_before))
    connection.execute(delete(nonces).where(nonces.c.created_at < nonces_before))


def put_person(connection: Connection, person: SealedPerson) -> None:
    """Put a person in the place of an earlier row of the same number."""
    connection.execute(delete(people).where(people.c.number_hash == person.number_hash))
    connection.execute(
        insert(people).values(
            number_hash=person.number_hash,
            reference=person.reference,
            identity=person.identity,
            photo=person.photo,
            template=person.template,
            path_id=person.path_id,
            until=person.until,
        )
    )


def person_by_hash(
    connection: Connection, number_hash: bytes, *, now: datetime
) -> SealedPerson | None:
    """The person of a number, unless the time is over."""
    wanted = select(people).where(people.c.number_hash == number_hash, people.c.until > now)
    row = connection.execute(wanted).first()
    return None if row is None else _person(row)


def everybody(connection: Connection, *, now: datetime) -> Sequence[SealedPerson]:
    """Everybody whose time is not over, the newest first."""
    wanted = select(people).where(people.c.until > now).order_by(people.c.reference.desc())
    return [_person(row) for row in connection.execute(wanted)]


def count_people(connection: Connection) -> int:
    """How many rows of people."""
    return connection.execute(select(func.count()).select_from(people)).scalar_one()


def delete_person(connection: Connection, reference: str) -> bool:
    """Delete one person; whether there was one."""
    wanted = delete(people).where(people.c.reference == reference)
    found = connection.execute(wanted.execution_options(preserve_rowcount=True))
    return found.rowcount == 1


def add_caller(connection: Connection, key_id: KeyId, key: PublicKey) -> None:
    """Know a platform's key; again is no change."""
    if caller_key(connection, key_id) is None:
        connection.execute(
            insert(callers).values(key_id=key_id, algorithm=key.algorithm.value, public_key=key.raw)
        )


def caller_key(connection: Connection, key_id: KeyId) -> PublicKey | None:
    """A known platform's key."""
    row = connection.execute(select(callers).where(callers.c.key_id == key_id)).first()
    return None if row is None else PublicKey(Algorithm(row.algorithm), row.public_key)


def use_nonce(connection: Connection, key_id: KeyId, nonce: str, *, created: datetime) -> bool:
    """Use a nonce up; whether it was new. Writers stand in line, so nobody comes between."""
    used = select(nonces.c.nonce).where(nonces.c.key_id == key_id, nonces.c.nonce == nonce)
    if connection.execute(used).first() is not None:
        return False
    connection.execute(insert(nonces).values(key_id=key_id, nonce=nonce, created_at=created))
    return True


def answer_of(
    connection: Connection, key_id: KeyId, request_id: str
) -> tuple[bytes, Verdict] | None:
    """Hash of the request and verdict that was given on it."""
    wanted = select(answers).where(answers.c.key_id == key_id, answers.c.request_id == request_id)
    row = connection.execute(wanted).first()
    return None if row is None else (row.request_hash, Verdict(row.verdict))


def add_answer(
    connection: Connection,
    key_id: KeyId,
    request_id: str,
    *,
    request_hash: bytes,
    verdict: Verdict,
    at: datetime,
) -> None:
    """Keep the verdict for the same request sent again."""
    connection.execute(
        insert(answers).values(
            key_id=key_id,
            request_id=request_id,
            request_hash=request_hash,
            verdict=verdict.value,
            answered_at=at,
        )
    )


def _person(row: Row[tuple[object, ...]]) -> SealedPerson:
    return SealedPerson(
        number_hash=row.number_hash,
        reference=row.reference,
        identity=row.identity,
        photo=row.photo,
        template=row.template,
        path_id=row.path_id,
        until=row.until,
    )
