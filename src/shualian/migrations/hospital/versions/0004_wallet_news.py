"""News of the e-wallet, each used once."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES = ("wallet_notification",)


def upgrade() -> None:
    """Make this revision."""
    _create_wallet_notification()


def downgrade() -> None:
    """Undo this revision."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_wallet_notification() -> None:
    op.create_table(
        "wallet_notification",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("notification_id", sa.String(length=64), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("institution", "notification_id"),
    )
    op.create_index(
        op.f("ix_wallet_notification_heard_at"), "wallet_notification", ["heard_at"], unique=False
    )
