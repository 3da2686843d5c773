"""Side and mode of the database."""

from shualian.migrations.stamp import create_stamp, drop_stamp

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make this revision."""
    create_stamp()


def downgrade() -> None:
    """Undo this revision."""
    drop_stamp()
