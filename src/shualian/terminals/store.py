"""Tables of terminals, shared by the subjects of this part; their queries stand beside them.

``terminal_nonce`` and ``terminal_nonce_floor`` are unlogged on PostgreSQL: a crash empties both
at once, and a missing floor means that nothing signed before is believed.
"""

from sqlalchemy import (
    DDL,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    event,
)

from shualian.core.database import UtcTime

metadata = MetaData()

models = Table(
    "terminal_model",
    metadata,
    Column("certificate", String(64), primary_key=True),
    Column("maker", String(60), nullable=False),
    Column("model", String(60), nullable=False),
    Column("terminal_class", String(20), nullable=False),
    Column("valid_until", Date, nullable=False),
    Column("software_min", String(32), nullable=False),
    Column("software_current", String(32), nullable=False),
    Column("withdrawn_at", UtcTime),
)
places = Table(
    "terminal_place",
    metadata,
    Column("place_id", String(26), primary_key=True),
    Column("institution", String(30), nullable=False, index=True),
    Column("created_by", String(64), nullable=False),
    Column("name", String(60), nullable=False),
    Column("department", String(60), nullable=False),
    Column("latitude", Float(53), nullable=False),
    Column("longitude", Float(53), nullable=False),
    Column("fence_m", Integer, nullable=False),
    Column("terminal_class", String(20), nullable=False),
    Column("scenes", Text, nullable=False),
    Column("mobile", Boolean, nullable=False),
    Column("networks", Text, nullable=False),
)
terminals = Table(
    "terminal",
    metadata,
    Column("terminal_id", String(26), primary_key=True),
    Column("place_id", ForeignKey("terminal_place.place_id"), nullable=False, index=True),
    Column("state", String(20), nullable=False),
    Column("state_at", UtcTime, nullable=False),
    Column("invited_by", String(64), nullable=False),
    Column("approved_by", String(64)),
    Column("certificate", ForeignKey("terminal_model.certificate")),
    Column("software", String(32)),
)
invitations = Table(
    "terminal_invitation",
    metadata,
    Column("terminal_id", ForeignKey("terminal.terminal_id"), primary_key=True),
    Column("handle", String(6), nullable=False, unique=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False),
)
keys = Table(
    "terminal_key",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("terminal_id", ForeignKey("terminal.terminal_id"), nullable=False, index=True),
    Column("algorithm", String(32), nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("retired_at", UtcTime),
)
nonces = Table(
    "terminal_nonce",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("nonce", String(64), primary_key=True),
    Column("created_at", UtcTime, nullable=False),
    Index("ix_terminal_nonce_created_at", "created_at"),
)
nonce_floors = Table(
    "terminal_nonce_floor",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("floor", UtcTime, nullable=False),
    CheckConstraint("id = 1", name="ck_terminal_nonce_floor_one_row"),
)
heartbeats = Table(
    "terminal_heartbeat",
    metadata,
    Column("terminal_id", ForeignKey("terminal.terminal_id"), primary_key=True),
    Column("beaten_at", UtcTime, nullable=False),
    Column("camera_ok", Boolean, nullable=False),
    Column("disk_free_percent", Integer, nullable=False),
    Column("in_place", Boolean, nullable=False),
    # Stays until the insurer's staff have looked at the terminal.
    Column("tampered_at", UtcTime),
)
tallies = Table(
    "terminal_tally",
    metadata,
    Column("terminal_id", ForeignKey("terminal.terminal_id"), primary_key=True),
    Column("hour", UtcTime, primary_key=True),
    Column("captures", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("pad_alarms", Integer, nullable=False),
)

_UNLOGGED = DDL("ALTER TABLE %(fullname)s SET UNLOGGED")  # type: ignore[no-untyped-call]

for _table in (nonces, nonce_floors):
    event.listen(
        _table,
        "after_create",
        _UNLOGGED.execute_if(dialect="postgresql"),
    )
