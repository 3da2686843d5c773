"""Trace codes of medicine and the reports of codes told twice."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLES = (
    "trace_alert",
    "trace_box",
    "trace_line",
)


def upgrade() -> None:
    """Make this revision."""
    _create_trace_alert()
    _create_trace_box()
    _create_trace_line()


def downgrade() -> None:
    """Undo this revision."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_trace_alert() -> None:
    op.create_table(
        "trace_alert",
        sa.Column("alert_id", sa.String(length=30), nullable=False),
        sa.Column("code", sa.String(length=100), nullable=False),
        sa.Column("first_institution", sa.String(length=12), nullable=False),
        sa.Column("second_institution", sa.String(length=12), nullable=False),
        sa.Column("mdtrt_id", sa.String(length=30), nullable=False),
        sa.Column("feedetl_sn", sa.String(length=30), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("alert_id"),
        sa.UniqueConstraint("code", "mdtrt_id", "feedetl_sn", name="uq_trace_alert_line"),
    )


def _create_trace_box() -> None:
    op.create_table(
        "trace_box",
        sa.Column("code", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("institution", sa.String(length=12), nullable=False),
        sa.Column("mdtrt_id", sa.String(length=30), nullable=False),
        sa.Column("feedetl_sn", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("code"),
    )
    op.create_index("ix_trace_box_line", "trace_box", ["mdtrt_id", "feedetl_sn"], unique=False)


def _create_trace_line() -> None:
    op.create_table(
        "trace_line",
        sa.Column("mdtrt_id", sa.String(length=30), nullable=False),
        sa.Column("feedetl_sn", sa.String(length=30), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("exception", sa.String(length=20), nullable=True),
        sa.Column("reason", sa.String(length=100), nullable=False),
        sa.Column("mother_code", sa.String(length=100), nullable=True),
        sa.Column("said_flag", sa.String(length=3), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("mdtrt_id", "feedetl_sn"),
    )
