"""Tables of vouchers, shown codes and PINs: tokens as digests, one of them sealed beside."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import InstitutionCode, IntentId, PersonNo, SessionId
from shualian.insurer.vouchers.model import (
    AtTerminal,
    ByChannel,
    CodeRedemption,
    Evidence,
    Freeze,
    FreezeReason,
    FrozenBy,
    PinAttempts,
    ShownCode,
    Voucher,
)

metadata = MetaData()

voucher = Table(
    "voucher",
    metadata,
    Column("psn_no", String(30), primary_key=True),
    Column("token_digest", LargeBinary, nullable=False, unique=True),
    Column("token_sealed", LargeBinary, nullable=False),
    Column("session_id", String(30)),
    Column("channel", String(30)),
    Column("channel_reference", String(64)),
    Column("activated_at", UtcTime, nullable=False),
    Column("last_used_at", UtcTime, nullable=False),
    Column("frozen_by", String(20)),
    Column("freeze_reason", String(30)),
    Column("frozen_at", UtcTime),
    Column("closed_at", UtcTime),
    CheckConstraint(
        "(session_id IS NULL) <> (channel IS NULL)", name="ck_voucher_session_or_channel"
    ),
)
voucher_code = Table(
    "voucher_code",
    metadata,
    Column("token_digest", LargeBinary, primary_key=True),
    Column("psn_no", String(30), nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("institution", String(12)),
    Column("intent_id", String(64)),
    Column("use", String(30)),
    Column("redeemed_at", UtcTime),
    Index("ix_voucher_code_psn_no_redeemed_at", "psn_no", "redeemed_at"),
)
voucher_pin = Table(
    "voucher_pin",
    metadata,
    Column("psn_no", String(30), primary_key=True),
    Column("hash_sealed", LargeBinary, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_failed_at", UtcTime),
    Column("joins_from", UtcTime),
)


@dataclass(frozen=True, slots=True)
class KeptToken:
    """A voucher's token as the database holds it.

    Attributes:
        digest: Keyed hash, by which it is found.
        sealed: Encrypted.
    """

    digest: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class KeptPin:
    """A PIN as the database holds it.

    Attributes:
        hash_sealed: Its argon2id hash, encrypted.
        attempts: Wrong ones in a row; ``None``: none.
        joins_from: From when on it joins a face, UTC; ``None``: always did.
    """

    hash_sealed: bytes
    attempts: PinAttempts | None
    joins_from: datetime | None = None


def find(connection: Connection, psn_no: PersonNo, *, locked: bool = False) -> Voucher | None:
    """A person's voucher; ``locked`` keeps others from changing it until the transaction ends."""
    query = select(voucher).where(voucher.c.psn_no == psn_no)
    row = connection.execute(query.with_for_update() if locked else query).one_or_none()
    return None if row is None else _voucher(row)


def add(connection: Connection, made: Voucher, token: KeptToken) -> None:
    """Insert a new voucher with its token."""
    values = {
        "psn_no": made.psn_no,
        "token_digest": token.digest,
        "token_sealed": token.sealed,
        "activated_at": made.activated_at,
        **_evidence_values(made.evidence),
        **_changing_values(made),
    }
    connection.execute(insert(voucher).values(values))


def put(connection: Connection, changed: Voucher) -> None:
    """Write what can change of a voucher that is there."""
    change = update(voucher).where(voucher.c.psn_no == changed.psn_no)
    connection.execute(change.values(_changing_values(changed)))


def token_of(connection: Connection, psn_no: PersonNo) -> bytes | None:
    """The sealed token of a person's voucher."""
    return connection.scalar(select(voucher.c.token_sealed).where(voucher.c.psn_no == psn_no))


def by_token(connection: Connection, digest: bytes) -> Voucher | None:
    """The voucher whose token has this digest."""
    row = connection.execute(select(voucher).where(voucher.c.token_digest == digest)).one_or_none()
    return None if row is None else _voucher(row)


def show_code(
    connection: Connection, digest: bytes, code: ShownCode, *, ended_before: datetime
) -> None:
    """Insert a shown code in the place of the person's unused one; forget unused ones of old."""
    table = voucher_code
    unused = table.c.redeemed_at.is_(None)
    connection.execute(delete(table).where(unused, table.c.psn_no == code.psn_no))
    connection.execute(delete(table).where(unused, table.c.expires_at < ended_before))
    connection.execute(
        insert(table).values(token_digest=digest, psn_no=code.psn_no, expires_at=code.expires_at)
    )


def code_of(connection: Connection, digest: bytes, *, locked: bool = False) -> ShownCode | None:
    """The shown code whose token has this digest; ``locked`` as in :func:`find`."""
    table = voucher_code
    query = select(table).where(table.c.token_digest == digest)
    row = connection.execute(query.with_for_update() if locked else query).one_or_none()
    if row is None:
        return None
    redemption = None if row.redeemed_at is None else _redemption(row)
    return ShownCode(PersonNo(row.psn_no), row.expires_at, redemption)


def latest_redemption(connection: Connection, psn_no: PersonNo) -> CodeRedemption | None:
    """The person's latest redemption of a code."""
    table = voucher_code
    query = (
        select(table)
        .where(table.c.psn_no == psn_no, table.c.redeemed_at.is_not(None))
        .order_by(table.c.redeemed_at.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _redemption(row)


def put_redemption(connection: Connection, digest: bytes, made: CodeRedemption) -> None:
    """Bind a shown code to what it was redeemed for."""
    table = voucher_code
    connection.execute(
        update(table)
        .where(table.c.token_digest == digest)
        .values(
            institution=made.institution,
            intent_id=made.intent_id,
            use=made.use,
            redeemed_at=made.redeemed_at,
        )
    )


def pin_of(connection: Connection, psn_no: PersonNo) -> KeptPin | None:
    """A person's PIN."""
    table = voucher_pin
    row = connection.execute(select(table).where(table.c.psn_no == psn_no)).one_or_none()
    if row is None:
        return None
    attempts = None
    if row.last_failed_at is not None:
        attempts = PinAttempts(row.failures, row.last_failed_at)
    return KeptPin(row.hash_sealed, attempts, row.joins_from)


def put_pin(
    connection: Connection, psn_no: PersonNo, hash_sealed: bytes, *, joins_from: datetime | None
) -> None:
    """Keep a PIN in the place of an earlier one; no failure counts any more."""
    table = voucher_pin
    connection.execute(delete(table).where(table.c.psn_no == psn_no))
    connection.execute(
        insert(table).values(
            psn_no=psn_no, hash_sealed=hash_sealed, failures=0, joins_from=joins_from
        )
    )


def put_attempts(connection: Connection, psn_no: PersonNo, attempts: PinAttempts | None) -> None:
    """Keep the wrong PINs in a row; ``None``: none."""
    failures, at = (0, None) if attempts is None else (attempts.failures, attempts.last_failed_at)
    change = update(voucher_pin).where(voucher_pin.c.psn_no == psn_no)
    connection.execute(change.values(failures=failures, last_failed_at=at))


def _evidence_values(evidence: Evidence) -> dict[str, str]:
    if isinstance(evidence, AtTerminal):
        return {"session_id": evidence.session_id}
    return {"channel": evidence.channel, "channel_reference": evidence.reference}


def _changing_values(changed: Voucher) -> dict[str, Any]:
    freeze = changed.freeze
    return {
        "last_used_at": changed.last_used_at,
        "frozen_by": None if freeze is None else freeze.by.value,
        "freeze_reason": None if freeze is None else freeze.reason.value,
        "frozen_at": None if freeze is None else freeze.at,
        "closed_at": changed.closed_at,
    }


def _voucher(row: Row[Any]) -> Voucher:
    freeze = None
    if row.frozen_at is not None:
        freeze = Freeze(FrozenBy(row.frozen_by), FreezeReason(row.freeze_reason), row.frozen_at)
    evidence: Evidence = (
        ByChannel(row.channel, row.channel_reference)
        if row.session_id is None
        else AtTerminal(SessionId(row.session_id))
    )
    return Voucher(
        psn_no=PersonNo(row.psn_no),
        evidence=evidence,
        activated_at=row.activated_at,
        last_used_at=row.last_used_at,
        freeze=freeze,
        closed_at=row.closed_at,
    )


def _redemption(row: Row[Any]) -> CodeRedemption:
    return CodeRedemption(
        PersonNo(row.psn_no),
        InstitutionCode(row.institution),
        IntentId(row.intent_id),
        row.use,
        row.redeemed_at,
    )
