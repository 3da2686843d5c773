"""The windows: tenders, shifts, refunds, overrides, closed days."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLES = (
    "cash_shift",
    "drawer_count",
    "drawer_entry",
    "override",
    "refund_due",
    "day_closing",
    "tender",
)


def upgrade() -> None:
    """Make this revision."""
    _create_cash_shift()
    _create_drawer()
    _create_override()
    _create_refund_due()
    _create_day_closing()
    _create_tender()
    _change_cash_taking()


def downgrade() -> None:
    """Undo this revision; what was not paid in cash alone is added up to one amount."""
    _change_back_cash_taking()
    for table in reversed(_TABLES):
        op.drop_table(table)


def _identifier(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=30), nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _create_cash_shift() -> None:
    op.create_table(
        "cash_shift",
        _identifier("institution"),
        _identifier("shift_id"),
        _identifier("drawer"),
        _identifier("clerk"),
        sa.Column("float_fen", sa.BigInteger(), nullable=False),
        _moment("opened_at"),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("counted_fen", sa.BigInteger(), nullable=True),
        sa.Column("expected_fen", sa.BigInteger(), nullable=True),
        sa.Column("left_fen", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=15), nullable=True),
        _moment("counted_at", nullable=True),
        _identifier("confirmed_by", nullable=True),
        _moment("confirmed_at", nullable=True),
        sa.PrimaryKeyConstraint("institution", "shift_id"),
    )
    op.create_index(
        "ix_cash_shift_drawer", "cash_shift", ["institution", "drawer", "opened_at"], unique=False
    )
    op.create_index("ix_cash_shift_state", "cash_shift", ["institution", "state"], unique=False)


def _create_drawer() -> None:
    op.create_table(
        "drawer_count",
        _identifier("institution"),
        _identifier("shift_id"),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("denomination_fen", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution", "shift_id"], ["cash_shift.institution", "cash_shift.shift_id"]
        ),
        sa.PrimaryKeyConstraint("institution", "shift_id", "attempt", "denomination_fen"),
    )
    op.create_table(
        "drawer_entry",
        _identifier("institution"),
        _identifier("shift_id"),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        _identifier("cause"),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        _moment("at"),
        sa.ForeignKeyConstraint(
            ["institution", "shift_id"], ["cash_shift.institution", "cash_shift.shift_id"]
        ),
        sa.PrimaryKeyConstraint("institution", "shift_id", "place"),
        sa.UniqueConstraint("institution", "kind", "cause", name="uq_drawer_entry_cause"),
    )


def _create_override() -> None:
    op.create_table(
        "override",
        _identifier("institution"),
        _identifier("override_id"),
        sa.Column("kind", sa.String(length=20), nullable=False),
        _identifier("payment"),
        _identifier("encounter_no"),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("text", sa.String(length=200), nullable=False),
        _identifier("proposed_by"),
        _moment("proposed_at"),
        sa.Column("state", sa.String(length=10), nullable=False),
        _identifier("decided_by", nullable=True),
        _moment("decided_at", nullable=True),
        _moment("used_at", nullable=True),
        sa.PrimaryKeyConstraint("institution", "override_id"),
    )
    op.create_index("ix_override_payment", "override", ["institution", "payment"], unique=False)
    op.create_index("ix_override_state", "override", ["institution", "state"], unique=False)


def _create_refund_due() -> None:
    op.create_table(
        "refund_due",
        _identifier("institution"),
        _identifier("refund_id"),
        _identifier("payment"),
        sa.Column("cause", sa.String(length=10), nullable=False),
        _identifier("cause_id"),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("reference", sa.String(length=40), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        _moment("due_at"),
        sa.Column("way", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        _identifier("override_id", nullable=True),
        _identifier("command_id", nullable=True),
        _identifier("given_by", nullable=True),
        _moment("given_at", nullable=True),
        _identifier("shift_id", nullable=True),
        sa.Column("given_reference", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("institution", "refund_id"),
        sa.UniqueConstraint("institution", "cause_id", "place", name="uq_refund_due_cause"),
        sa.UniqueConstraint("institution", "command_id", name="uq_refund_due_command"),
    )
    for name, column in (("payment", "payment"), ("state", "state"), ("given", "given_at")):
        op.create_index(
            f"ix_refund_due_{name}", "refund_due", ["institution", column], unique=False
        )


def _create_day_closing() -> None:
    op.create_table(
        "day_closing",
        _identifier("institution"),
        sa.Column("day", sa.Date(), nullable=False),
        _identifier("command_id"),
        _identifier("closed_by"),
        _moment("closed_at"),
        sa.Column("books", sa.Text(), nullable=False),
        sa.Column("differences", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("institution", "day"),
        sa.UniqueConstraint("institution", "command_id", name="uq_day_closing_command"),
    )


def _create_tender() -> None:
    op.create_table(
        "tender",
        _identifier("institution"),
        _identifier("command_id"),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("tendered_fen", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution", "command_id"], ["cash_taking.institution", "cash_taking.command_id"]
        ),
        sa.PrimaryKeyConstraint("institution", "command_id", "place"),
    )
    op.create_index(
        "ix_tender_reference", "tender", ["institution", "kind", "reference"], unique=False
    )
    op.execute(
        "INSERT INTO tender"
        " (institution, command_id, place, kind, amount_fen, tendered_fen, reference)"
        " SELECT institution, command_id, 0, 'cash', due_fen, tendered_fen, '' FROM cash_taking"
    )


def _change_cash_taking() -> None:
    with op.batch_alter_table("cash_taking", schema=None) as batch_op:
        batch_op.add_column(sa.Column("shift_id", sa.String(length=30), nullable=True))
        batch_op.drop_column("due_fen")
        batch_op.drop_column("tendered_fen")
        batch_op.create_index("ix_cash_taking_time", ["institution", "taken_at"], unique=False)


def _change_back_cash_taking() -> None:
    with op.batch_alter_table("cash_taking", schema=None) as batch_op:
        batch_op.drop_index("ix_cash_taking_time")
        batch_op.add_column(
            sa.Column("tendered_fen", sa.BigInteger(), nullable=False, server_default="0")
        )
        batch_op.add_column(
            sa.Column("due_fen", sa.BigInteger(), nullable=False, server_default="0")
        )
        batch_op.drop_column("shift_id")
    for new, old in (("due_fen", "amount_fen"), ("tendered_fen", "tendered_fen")):
        op.execute(
            f"UPDATE cash_taking SET {new} = (SELECT sum(tender.{old}) FROM tender"  # noqa: S608
            " WHERE tender.institution = cash_taking.institution"
            " AND tender.command_id = cash_taking.command_id)"
        )
