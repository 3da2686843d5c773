"""Charge batches that were withdrawn, so that a late upload does not bring them back."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make this revision."""
    op.create_table(
        "insurer_withdrawn_batch",
        sa.Column("mdtrt_id", sa.String(length=30), nullable=False),
        sa.Column("chrg_bchno", sa.String(length=30), nullable=False),
        sa.ForeignKeyConstraint(["mdtrt_id"], ["insurer_visit.mdtrt_id"]),
        sa.PrimaryKeyConstraint("mdtrt_id", "chrg_bchno"),
    )


def downgrade() -> None:
    """Undo this revision."""
    op.drop_table("insurer_withdrawn_batch")
