"""Price lists, diagnoses, clinical orders, examinations with reports, and refunds of lines."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLES = (
    "clinical_order",
    "diagnosis_statement",
    "examination",
    "price_list",
    "report_collection",
    "clinical_order_line",
    "payment_refund",
    "report_version",
)


def upgrade() -> None:
    """Make this revision."""
    _create_clinical_order()
    _create_diagnosis_statement()
    _create_examination()
    _create_price_list()
    _create_report_collection()
    _create_clinical_order_line()
    _create_payment_refund()
    _create_report_version()
    _change()


def downgrade() -> None:
    """Undo this revision."""
    _change_back()
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_clinical_order() -> None:
    op.create_table(
        "clinical_order",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("order_no", sa.String(length=30), nullable=False),
        sa.Column("encounter_no", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("kind", sa.String(length=15), nullable=False),
        sa.Column("dr_code", sa.String(length=30), nullable=False),
        sa.Column("dr_name", sa.String(length=50), nullable=False),
        sa.Column("drafted_by", sa.String(length=30), nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("amends", sa.String(length=30), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(length=30), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("refund_id", sa.String(length=30), nullable=True),
        sa.PrimaryKeyConstraint("institution", "order_no"),
        sa.UniqueConstraint("institution", "command_id", name="uq_clinical_order_command"),
    )
    op.create_index(
        "ix_clinical_order_encounter",
        "clinical_order",
        ["institution", "encounter_no"],
        unique=False,
    )
    op.create_index(
        "ix_clinical_order_state", "clinical_order", ["institution", "kind", "state"], unique=False
    )


def _create_diagnosis_statement() -> None:
    op.create_table(
        "diagnosis_statement",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("encounter_no", sa.String(length=30), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("dr_code", sa.String(length=30), nullable=False),
        sa.Column("dr_name", sa.String(length=50), nullable=False),
        sa.Column("stated_by", sa.String(length=30), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("institution", "encounter_no", "place"),
        sa.UniqueConstraint("institution", "command_id", name="uq_diagnosis_statement_command"),
    )


def _create_examination() -> None:
    op.create_table(
        "examination",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("order_no", sa.String(length=30), nullable=False),
        sa.Column("encounter_no", sa.String(length=30), nullable=False),
        sa.Column("record_no", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("kind", sa.String(length=15), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("terminal_id", sa.String(length=30), nullable=True),
        sa.Column("received_by", sa.String(length=30), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("performed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("performed_by", sa.String(length=30), nullable=True),
        sa.PrimaryKeyConstraint("institution", "order_no"),
    )
    op.create_index("ix_examination_person", "examination", ["institution", "psn_no"], unique=False)
    op.create_index("ix_examination_state", "examination", ["institution", "state"], unique=False)


def _create_price_list() -> None:
    op.create_table(
        "price_list",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_by", sa.String(length=30), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("institution", "valid_from"),
    )


def _create_report_collection() -> None:
    op.create_table(
        "report_collection",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("order_no", sa.String(length=30), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("collected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("collector", sa.String(length=30), nullable=False),
        sa.Column("is_proxy", sa.Boolean(), nullable=False),
        sa.Column("terminal_id", sa.String(length=30), nullable=True),
        sa.Column("given_by", sa.String(length=30), nullable=True),
        sa.PrimaryKeyConstraint("institution", "command_id"),
    )
    op.create_index(
        "ix_report_collection_order", "report_collection", ["institution", "order_no"], unique=False
    )


def _create_clinical_order_line() -> None:
    op.create_table(
        "clinical_order_line",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("order_no", sa.String(length=30), nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("medins_list_codg", sa.String(length=150), nullable=False),
        sa.Column("cnt", sa.String(length=30), nullable=False),
        sa.Column("dose", sa.String(length=100), nullable=True),
        sa.Column("frequency", sa.String(length=100), nullable=True),
        sa.Column("route", sa.String(length=100), nullable=True),
        sa.Column("days", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["institution", "order_no"], ["clinical_order.institution", "clinical_order.order_no"]
        ),
        sa.PrimaryKeyConstraint("institution", "order_no", "line_no"),
    )


def _create_payment_refund() -> None:
    op.create_table(
        "payment_refund",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("payment", sa.String(length=30), nullable=False),
        sa.Column("encounter_no", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("kept", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancellation", sa.String(length=30), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("fund_fen", sa.BigInteger(), nullable=True),
        sa.Column("account_fen", sa.BigInteger(), nullable=True),
        sa.Column("wallet_fen", sa.BigInteger(), nullable=True),
        sa.Column("window_fen", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["institution", "payment"], ["payment.institution", "payment.command_id"]
        ),
        sa.PrimaryKeyConstraint("institution", "command_id"),
    )
    op.create_index(
        "ix_payment_refund_payment", "payment_refund", ["institution", "payment"], unique=False
    )


def _create_report_version() -> None:
    op.create_table(
        "report_version",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("order_no", sa.String(length=30), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("encounter_no", sa.String(length=30), nullable=False),
        sa.Column("dr_code", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("content_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("critical", sa.Boolean(), nullable=False),
        sa.Column("entered_by", sa.String(length=30), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed_by", sa.String(length=30), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_by", sa.String(length=30), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["institution", "order_no"], ["examination.institution", "examination.order_no"]
        ),
        sa.PrimaryKeyConstraint("institution", "order_no", "version"),
        sa.UniqueConstraint("institution", "command_id", name="uq_report_version_command"),
    )
    op.create_index(
        "ix_report_version_doctor",
        "report_version",
        ["institution", "dr_code", "critical"],
        unique=False,
    )
    op.create_index(
        "ix_report_version_encounter",
        "report_version",
        ["institution", "encounter_no"],
        unique=False,
    )


def _change() -> None:
    with op.batch_alter_table("charge_item", schema=None) as batch_op:
        batch_op.add_column(sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.add_column(sa.Column("refund_id", sa.String(length=30), nullable=True))

    with op.batch_alter_table("payment_wallet", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("back_fen", sa.BigInteger(), server_default="0", nullable=False)
        )


def _change_back() -> None:
    for table, column in (
        ("payment_wallet", "back_fen"),
        ("payment", "refund_id"),
        ("charge_item", "withdrawn_at"),
    ):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column(column)
