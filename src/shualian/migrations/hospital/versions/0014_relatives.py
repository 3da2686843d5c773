"""Who acted for a patient by their own face: of visits and payments."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_TABLES = ("encounter", "payment")


def upgrade() -> None:
    """Make this revision."""
    for name in _TABLES:
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column("acted_by", sa.String(length=30), nullable=True))


def downgrade() -> None:
    """Undo this revision."""
    for name in _TABLES:
        with op.batch_alter_table(name) as table:
            table.drop_column("acted_by")
