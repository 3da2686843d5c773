"""One-scan payments: the wallet's part, slips, cancellations."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = (
    "wallet_payer",
    "payment_wallet",
)


def upgrade() -> None:
    """Make this revision."""
    _change_payment()
    _create_wallet_payer()
    _create_payment_wallet()


def downgrade() -> None:
    """Undo this revision."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    _change_back_payment()


def _create_wallet_payer() -> None:
    op.create_table(
        "wallet_payer",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("payer_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("consented_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("institution", "psn_no"),
    )


def _create_payment_wallet() -> None:
    op.create_table(
        "payment_wallet",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("hold_id", sa.String(length=30), nullable=False),
        sa.Column("capture_id", sa.String(length=30), nullable=False),
        sa.Column("void_id", sa.String(length=30), nullable=False),
        sa.Column("refund_id", sa.String(length=30), nullable=False),
        sa.Column("payer_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("captured_fen", sa.BigInteger(), nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("declined", sa.String(length=30), nullable=True),
        sa.ForeignKeyConstraint(
            ["institution", "command_id"], ["payment.institution", "payment.command_id"]
        ),
        sa.PrimaryKeyConstraint("institution", "command_id"),
        sa.UniqueConstraint("institution", "hold_id", name="uq_payment_wallet_hold"),
    )
    op.create_index(
        "ix_payment_wallet_state", "payment_wallet", ["institution", "state"], unique=False
    )


def _change_payment() -> None:
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.add_column(sa.Column("slip_no", sa.String(length=10), nullable=True))
        batch_op.add_column(sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("cancel_id", sa.String(length=30), nullable=True))
        batch_op.add_column(sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("cancellation", sa.String(length=30), nullable=True))
        batch_op.create_unique_constraint("uq_payment_slip", ["institution", "slip_no"])


def _change_back_payment() -> None:
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.drop_constraint("uq_payment_slip", type_="unique")
        batch_op.drop_column("cancellation")
        batch_op.drop_column("cancelled_at")
        batch_op.drop_column("cancel_id")
        batch_op.drop_column("reserved_at")
        batch_op.drop_column("slip_no")
