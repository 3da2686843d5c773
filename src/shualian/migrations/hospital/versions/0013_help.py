"""Calls for help from terminals."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make this revision."""
    op.create_table(
        "help_call",
        sa.Column("call_no", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("terminal_id", sa.String(length=30), nullable=False),
        sa.Column("place", sa.String(length=200), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("helper_id", sa.String(length=30), nullable=True),
        sa.Column("helper_name_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("helper_role", sa.String(length=30), nullable=True),
        sa.Column("coming_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("call_no"),
    )
    op.create_index("ix_help_call_open", "help_call", ["institution", "ended_at", "asked_at"])


def downgrade() -> None:
    """Undo this revision."""
    op.drop_index("ix_help_call_open", "help_call")
    op.drop_table("help_call")
