"""Stock of medicine, dispensing, handovers and returns."""

import sqlalchemy as sa
from alembic import op

from shualian.migrations.insert_only import allow_changes, forbid_changes

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLES = (
    "stock_batch",
    "stock_balance",
    "stock_movement",
    "dispense_request",
    "dispense_handover",
    "dispense_line",
    "dispense_return",
    "dispense_trace_ending",
    "dispense_part",
    "dispense_return_part",
    "dispense_return_pick",
    "dispense_box",
    "dispense_pick",
)
_INSERT_ONLY = ("stock_movement",)


def upgrade() -> None:
    """Make this revision."""
    _create_stock_batch()
    _create_stock_balance()
    _create_stock_movement()
    _create_dispense_request()
    _create_dispense_handover()
    _create_dispense_line()
    _create_dispense_return()
    _create_dispense_trace_ending()
    _create_dispense_part()
    _create_dispense_return_part()
    _create_dispense_return_pick()
    _create_dispense_box()
    _create_dispense_pick()
    for table in _INSERT_ONLY:
        forbid_changes(table)


def downgrade() -> None:
    """Undo this revision."""
    for table in _INSERT_ONLY:
        allow_changes(table)
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_stock_batch() -> None:
    op.create_table(
        "stock_batch",
        sa.Column("batch_id", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("medins_list_codg", sa.String(length=150), nullable=False),
        sa.Column("lot_no", sa.String(length=50), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id"),
        sa.UniqueConstraint(
            "institution", "medins_list_codg", "lot_no", "expires_on", name="uq_stock_batch_lot"
        ),
    )


def _create_stock_balance() -> None:
    op.create_table(
        "stock_balance",
        sa.Column("batch_id", sa.String(length=30), nullable=False),
        sa.Column("place", sa.String(length=10), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("set_aside", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity >= set_aside", name="ck_stock_balance_quantity"),
        sa.CheckConstraint("set_aside >= 0", name="ck_stock_balance_set_aside"),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["stock_batch.batch_id"],
        ),
        sa.PrimaryKeyConstraint("batch_id", "place"),
    )


def _create_stock_movement() -> None:
    op.create_table(
        "stock_movement",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("cause", sa.String(length=30), nullable=False),
        sa.Column("batch_id", sa.String(length=30), nullable=False),
        sa.Column("place", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(length=30), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["stock_batch.batch_id"],
        ),
        sa.PrimaryKeyConstraint("institution", "cause", "batch_id", "place"),
    )
    op.create_index(
        "ix_stock_movement_batch", "stock_movement", ["batch_id", "place"], unique=False
    )


def _create_dispense_request() -> None:
    op.create_table(
        "dispense_request",
        sa.Column("request_no", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("encounter_no", sa.String(length=30), nullable=False),
        sa.Column("record_no", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("mdtrt_id", sa.String(length=30), nullable=False),
        sa.Column("dr_code", sa.String(length=30), nullable=False),
        sa.Column("dr_name", sa.String(length=50), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("queue_place", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("reviewed_by", sa.String(length=30), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(length=100), nullable=False),
        sa.Column("slip_no", sa.String(length=10), nullable=True),
        sa.PrimaryKeyConstraint("request_no"),
        sa.UniqueConstraint("institution", "command_id", name="uq_dispense_request_command"),
        sa.UniqueConstraint("institution", "day", "queue_place", name="uq_dispense_request_queue"),
        sa.UniqueConstraint("institution", "slip_no", name="uq_dispense_request_slip"),
    )
    op.create_index(
        op.f("ix_dispense_request_encounter_no"), "dispense_request", ["encounter_no"], unique=False
    )
    op.create_index(
        "ix_dispense_request_state", "dispense_request", ["institution", "state"], unique=False
    )


def _create_dispense_handover() -> None:
    op.create_table(
        "dispense_handover",
        sa.Column("handover_no", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("request_no", sa.String(length=30), nullable=False),
        sa.Column("open_request", sa.String(length=30), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=True),
        sa.Column("pays", sa.Boolean(), nullable=False),
        sa.Column("intent_id", sa.String(length=30), nullable=True),
        sa.Column("prepared_by", sa.String(length=30), nullable=False),
        sa.Column("prepared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("collector", sa.String(length=10), nullable=True),
        sa.Column("channel", sa.String(length=10), nullable=True),
        sa.Column("collector_psn_no", sa.String(length=30), nullable=True),
        sa.Column("id_number_hash", sa.LargeBinary(), nullable=True),
        sa.Column("kinship", sa.String(length=10), nullable=True),
        sa.Column("seen_by", sa.String(length=30), nullable=True),
        sa.Column("proof_digest", sa.LargeBinary(), nullable=True),
        sa.Column("released_by", sa.String(length=30), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_no"],
            ["dispense_request.request_no"],
        ),
        sa.PrimaryKeyConstraint("handover_no"),
        sa.UniqueConstraint("institution", "command_id", name="uq_dispense_handover_command"),
        sa.UniqueConstraint("institution", "proof_digest", name="uq_dispense_handover_proof"),
        sa.UniqueConstraint("open_request"),
    )
    op.create_index(
        op.f("ix_dispense_handover_request_no"), "dispense_handover", ["request_no"], unique=False
    )
    op.create_index(
        "ix_dispense_handover_state", "dispense_handover", ["institution", "state"], unique=False
    )


def _create_dispense_line() -> None:
    op.create_table(
        "dispense_line",
        sa.Column("request_no", sa.String(length=30), nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("feedetl_sn", sa.String(length=30), nullable=False),
        sa.Column("medins_list_codg", sa.String(length=150), nullable=False),
        sa.Column("name_zh", sa.String(length=100), nullable=False),
        sa.Column("name_en", sa.String(length=100), nullable=False),
        sa.Column("unit", sa.String(length=20), nullable=False),
        sa.Column("dose_zh", sa.String(length=200), nullable=False),
        sa.Column("med_chrgitm_type", sa.String(length=6), nullable=False),
        sa.Column("ordered", sa.BigInteger(), nullable=False),
        sa.Column("released", sa.BigInteger(), nullable=False),
        sa.Column("returned", sa.BigInteger(), nullable=False),
        sa.Column("coming_back", sa.BigInteger(), nullable=False),
        sa.Column("untraced", sa.Boolean(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "released >= 0 AND released <= ordered", name="ck_dispense_line_released"
        ),
        sa.CheckConstraint(
            "returned >= 0 AND coming_back >= 0 AND returned + coming_back <= released",
            name="ck_dispense_line_returned",
        ),
        sa.ForeignKeyConstraint(
            ["request_no"],
            ["dispense_request.request_no"],
        ),
        sa.PrimaryKeyConstraint("request_no", "line_no"),
        sa.UniqueConstraint("institution", "feedetl_sn", name="uq_dispense_line_charge"),
    )


def _create_dispense_return() -> None:
    op.create_table(
        "dispense_return",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("request_no", sa.String(length=30), nullable=False),
        sa.Column("reason", sa.String(length=100), nullable=False),
        sa.Column("taken_by", sa.String(length=30), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), nullable=True),
        sa.Column("refused_code", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_no"],
            ["dispense_request.request_no"],
        ),
        sa.PrimaryKeyConstraint("institution", "command_id"),
    )
    op.create_index(
        op.f("ix_dispense_return_request_no"), "dispense_return", ["request_no"], unique=False
    )
    op.create_index(
        "ix_dispense_return_state", "dispense_return", ["institution", "state"], unique=False
    )


def _create_dispense_trace_ending() -> None:
    op.create_table(
        "dispense_trace_ending",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("cause", sa.String(length=30), nullable=False),
        sa.Column("code", sa.String(length=100), nullable=False),
        sa.Column("request_no", sa.String(length=30), nullable=False),
        sa.Column("handed_out", sa.Boolean(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_no"],
            ["dispense_request.request_no"],
        ),
        sa.PrimaryKeyConstraint("institution", "cause", "code"),
    )
    op.create_index(
        "ix_dispense_trace_ending_told_at",
        "dispense_trace_ending",
        ["institution", "told_at"],
        unique=False,
    )


def _create_dispense_part() -> None:
    op.create_table(
        "dispense_part",
        sa.Column("handover_no", sa.String(length=30), nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("exception", sa.String(length=20), nullable=True),
        sa.Column("reason", sa.String(length=100), nullable=False),
        sa.Column("mother_code", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(
            ["handover_no"],
            ["dispense_handover.handover_no"],
        ),
        sa.PrimaryKeyConstraint("handover_no", "line_no"),
    )


def _create_dispense_return_part() -> None:
    op.create_table(
        "dispense_return_part",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("codes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution", "command_id"],
            ["dispense_return.institution", "dispense_return.command_id"],
        ),
        sa.PrimaryKeyConstraint("institution", "command_id", "line_no"),
    )


def _create_dispense_return_pick() -> None:
    op.create_table(
        "dispense_return_pick",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("batch_id", sa.String(length=30), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution", "command_id"],
            ["dispense_return.institution", "dispense_return.command_id"],
        ),
        sa.PrimaryKeyConstraint("institution", "command_id", "line_no", "batch_id"),
    )


def _create_dispense_box() -> None:
    op.create_table(
        "dispense_box",
        sa.Column("handover_no", sa.String(length=30), nullable=False),
        sa.Column("code", sa.String(length=100), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("request_no", sa.String(length=30), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("place_no", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("live_code", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(
            ["handover_no", "line_no"],
            ["dispense_part.handover_no", "dispense_part.line_no"],
        ),
        sa.PrimaryKeyConstraint("handover_no", "code"),
        sa.UniqueConstraint("institution", "live_code", name="uq_dispense_box_live"),
    )


def _create_dispense_pick() -> None:
    op.create_table(
        "dispense_pick",
        sa.Column("handover_no", sa.String(length=30), nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("batch_id", sa.String(length=30), nullable=False),
        sa.Column("place_no", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["handover_no", "line_no"],
            ["dispense_part.handover_no", "dispense_part.line_no"],
        ),
        sa.PrimaryKeyConstraint("handover_no", "line_no", "batch_id"),
    )
