"""What is said of a charge item stays with it; which prescriptions the pharmacy has."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make this revision."""
    with op.batch_alter_table("charge_item") as table:
        table.add_column(
            sa.Column("hosp_appr_flag", sa.String(length=3), nullable=False, server_default="0")
        )
    with op.batch_alter_table("clinical_order") as table:
        table.add_column(sa.Column("at_pharmacy_at", sa.DateTime(timezone=True), nullable=True))
        table.create_index(
            "ix_clinical_order_pharmacy", ["institution", "kind", "at_pharmacy_at", "state"]
        )
    with op.batch_alter_table("payment_refund") as table:
        table.add_column(sa.Column("undone", sa.Text(), nullable=True))
        table.add_column(sa.Column("rest", sa.Text(), nullable=True))
        table.add_column(sa.Column("booked_at", sa.DateTime(timezone=True), nullable=True))
        table.create_index("ix_payment_refund_booked", ["institution", "booked_at"])
    with op.batch_alter_table("dispense_line") as table:
        table.alter_column(
            "dose_zh",
            existing_type=sa.String(length=200),
            type_=sa.String(length=400),
            existing_nullable=False,
        )


def downgrade() -> None:
    """Undo this revision."""
    with op.batch_alter_table("dispense_line") as table:
        table.alter_column(
            "dose_zh",
            existing_type=sa.String(length=400),
            type_=sa.String(length=200),
            existing_nullable=False,
        )
    with op.batch_alter_table("payment_refund") as table:
        table.drop_index("ix_payment_refund_booked")
        for name in ("booked_at", "rest", "undone"):
            table.drop_column(name)
    with op.batch_alter_table("clinical_order") as table:
        table.drop_index("ix_clinical_order_pharmacy")
        table.drop_column("at_pharmacy_at")
    with op.batch_alter_table("charge_item") as table:
        table.drop_column("hosp_appr_flag")
