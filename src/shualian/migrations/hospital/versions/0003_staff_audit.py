"""Staff of the hospital, the audit."""

from shualian.migrations.audit import create_audit, drop_audit
from shualian.migrations.staff import create_staff, drop_staff

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make this revision."""
    create_audit()
    create_staff()


def downgrade() -> None:
    """Undo this revision."""
    drop_staff()
    drop_audit()
