"""Terminals, staff of the insurer, the audit."""

import sqlalchemy as sa
from alembic import op

from shualian.migrations.audit import create_audit, drop_audit
from shualian.migrations.staff import create_staff, drop_staff

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = (
    "terminal_model",
    "terminal_nonce",
    "terminal_nonce_floor",
    "terminal_place",
    "terminal",
    "terminal_heartbeat",
    "terminal_invitation",
    "terminal_key",
    "terminal_tally",
)
_UNLOGGED = ("terminal_nonce", "terminal_nonce_floor")


def upgrade() -> None:
    """Make this revision."""
    create_audit()
    create_staff()
    _create_terminal_model()
    _create_terminal_nonce()
    _create_terminal_nonce_floor()
    _create_terminal_place()
    _create_terminal()
    _create_terminal_heartbeat()
    _create_terminal_invitation()
    _create_terminal_key()
    _create_terminal_tally()
    if op.get_bind().dialect.name == "postgresql":
        for table in _UNLOGGED:
            op.execute(f"ALTER TABLE {table} SET UNLOGGED")


def downgrade() -> None:
    """Undo this revision."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    drop_staff()
    drop_audit()


def _create_terminal_model() -> None:
    op.create_table(
        "terminal_model",
        sa.Column("certificate", sa.String(length=64), nullable=False),
        sa.Column("maker", sa.String(length=60), nullable=False),
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column("terminal_class", sa.String(length=20), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.Column("software_min", sa.String(length=32), nullable=False),
        sa.Column("software_current", sa.String(length=32), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("certificate"),
    )


def _create_terminal_nonce() -> None:
    op.create_table(
        "terminal_nonce",
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "nonce"),
    )
    with op.batch_alter_table("terminal_nonce", schema=None) as batch_op:
        batch_op.create_index("ix_terminal_nonce_created_at", ["created_at"], unique=False)


def _create_terminal_nonce_floor() -> None:
    op.create_table(
        "terminal_nonce_floor",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("floor", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_terminal_nonce_floor_one_row"),
        sa.PrimaryKeyConstraint("id"),
    )


def _create_terminal_place() -> None:
    op.create_table(
        "terminal_place",
        sa.Column("place_id", sa.String(length=26), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("department", sa.String(length=60), nullable=False),
        sa.Column("latitude", sa.Float(precision=53), nullable=False),
        sa.Column("longitude", sa.Float(precision=53), nullable=False),
        sa.Column("fence_m", sa.Integer(), nullable=False),
        sa.Column("terminal_class", sa.String(length=20), nullable=False),
        sa.Column("scenes", sa.Text(), nullable=False),
        sa.Column("mobile", sa.Boolean(), nullable=False),
        sa.Column("networks", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("place_id"),
    )
    with op.batch_alter_table("terminal_place", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_terminal_place_institution"), ["institution"], unique=False
        )


def _create_terminal() -> None:
    op.create_table(
        "terminal",
        sa.Column("terminal_id", sa.String(length=26), nullable=False),
        sa.Column("place_id", sa.String(length=26), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("invited_by", sa.String(length=64), nullable=False),
        sa.Column("approved_by", sa.String(length=64), nullable=True),
        sa.Column("certificate", sa.String(length=64), nullable=True),
        sa.Column("software", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["certificate"],
            ["terminal_model.certificate"],
        ),
        sa.ForeignKeyConstraint(
            ["place_id"],
            ["terminal_place.place_id"],
        ),
        sa.PrimaryKeyConstraint("terminal_id"),
    )
    with op.batch_alter_table("terminal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_terminal_place_id"), ["place_id"], unique=False)


def _create_terminal_heartbeat() -> None:
    op.create_table(
        "terminal_heartbeat",
        sa.Column("terminal_id", sa.String(length=26), nullable=False),
        sa.Column("beaten_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("camera_ok", sa.Boolean(), nullable=False),
        sa.Column("disk_free_percent", sa.Integer(), nullable=False),
        sa.Column("in_place", sa.Boolean(), nullable=False),
        sa.Column("tampered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["terminal_id"],
            ["terminal.terminal_id"],
        ),
        sa.PrimaryKeyConstraint("terminal_id"),
    )


def _create_terminal_invitation() -> None:
    op.create_table(
        "terminal_invitation",
        sa.Column("terminal_id", sa.String(length=26), nullable=False),
        sa.Column("handle", sa.String(length=6), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["terminal_id"],
            ["terminal.terminal_id"],
        ),
        sa.PrimaryKeyConstraint("terminal_id"),
        sa.UniqueConstraint("handle"),
    )


def _create_terminal_key() -> None:
    op.create_table(
        "terminal_key",
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("terminal_id", sa.String(length=26), nullable=False),
        sa.Column("algorithm", sa.String(length=32), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["terminal_id"],
            ["terminal.terminal_id"],
        ),
        sa.PrimaryKeyConstraint("key_id"),
    )
    with op.batch_alter_table("terminal_key", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_terminal_key_terminal_id"), ["terminal_id"], unique=False
        )


def _create_terminal_tally() -> None:
    op.create_table(
        "terminal_tally",
        sa.Column("terminal_id", sa.String(length=26), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("captures", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("pad_alarms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["terminal_id"],
            ["terminal.terminal_id"],
        ),
        sa.PrimaryKeyConstraint("terminal_id", "hour"),
    )
