"""Tables of certified channels and of the activations that they asked for."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import PersonNo
from shualian.insurer.channels.model import Channel, KeptActivation
from shualian.terminals.enrolment.model import KeyId
from shualian.trust.signatures import Algorithm, PublicKey

metadata = MetaData()

channel = Table(
    "activation_channel",
    metadata,
    Column("code", String(30), primary_key=True),
    Column("name", String(60), nullable=False),
    Column("key_id", String(64), nullable=False, unique=True),
    Column("algorithm", String(30), nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("certified_at", UtcTime, nullable=False),
    Column("withdrawn_at", UtcTime),
)
channel_activation = Table(
    "channel_activation",
    metadata,
    Column("channel", ForeignKey("activation_channel.code"), primary_key=True),
    Column("request_no", String(64), primary_key=True),
    Column("body_digest", LargeBinary, nullable=False),
    Column("psn_no", String(30), nullable=False),
    Column("at", UtcTime, nullable=False),
    Index("ix_channel_activation_person", "psn_no"),
)


def add(connection: Connection, made: Channel) -> None:
    """Insert a channel."""
    connection.execute(
        insert(channel).values(
            code=made.code,
            name=made.name,
            key_id=made.key_id,
            algorithm=made.public_key.algorithm.value,
            public_key=made.public_key.raw,
            certified_at=made.certified_at,
        )
    )


def taken(connection: Connection, code: str, key_id: KeyId) -> bool:
    """Whether a channel has this code or this key."""
    query = select(channel.c.code).where((channel.c.code == code) | (channel.c.key_id == key_id))
    return connection.execute(query).first() is not None


def by_code(connection: Connection, code: str) -> Channel | None:
    """The channel with this code."""
    row = connection.execute(select(channel).where(channel.c.code == code)).one_or_none()
    return None if row is None else _channel(row)


def by_key(connection: Connection, key_id: KeyId) -> Channel | None:
    """The channel whose key has this name."""
    row = connection.execute(select(channel).where(channel.c.key_id == key_id)).one_or_none()
    return None if row is None else _channel(row)


def everything(connection: Connection) -> list[Channel]:
    """Every channel, withdrawn ones too, by code."""
    return [_channel(row) for row in connection.execute(select(channel).order_by(channel.c.code))]


def withdraw(connection: Connection, code: str, *, at: datetime) -> None:
    """Believe a channel no longer."""
    connection.execute(update(channel).where(channel.c.code == code).values(withdrawn_at=at))


def activation_of(connection: Connection, code: str, request_no: str) -> KeptActivation | None:
    """What a channel asked under this number."""
    table = channel_activation
    query = select(table.c.body_digest, table.c.psn_no, table.c.at)
    found = connection.execute(
        query.where(table.c.channel == code, table.c.request_no == request_no)
    ).one_or_none()
    return None if found is None else KeptActivation(found[0], PersonNo(found[1]), found[2])


def keep_activation(
    connection: Connection, code: str, request_no: str, kept: KeptActivation
) -> None:
    """Insert what was carried out."""
    connection.execute(
        insert(channel_activation).values(
            channel=code,
            request_no=request_no,
            body_digest=kept.body_digest,
            psn_no=kept.psn_no,
            at=kept.at,
        )
    )


def activated(connection: Connection, code: str, psn_no: PersonNo) -> bool:
    """Whether a channel ever activated a person."""
    table = channel_activation
    query = select(table.c.at).where(table.c.psn_no == psn_no, table.c.channel == code)
    return connection.execute(query.limit(1)).first() is not None


def _channel(row: Row[Any]) -> Channel:
    key = PublicKey(Algorithm(row.algorithm), row.public_key)
    return Channel(row.code, row.name, key, row.certified_at, row.withdrawn_at)
