"""Wards: beds, stays, placements, wristbands, charged days, dialysis."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TABLES = (
    "dialysis_session",
    "dialysis_standing_order",
    "stay",
    "stay_day",
    "stay_placement",
    "stay_wristband",
    "stay_wristband_settlement",
    "ward",
    "ward_bed",
)


def upgrade() -> None:
    """Make this revision."""
    _create_dialysis_session()
    _create_dialysis_standing_order()
    _create_stay()
    _create_stay_day()
    _create_stay_placement()
    _create_stay_wristband()
    _create_stay_wristband_settlement()
    _create_ward()
    _create_ward_bed()


def downgrade() -> None:
    """Undo this revision."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_dialysis_session() -> None:
    op.create_table(
        "dialysis_session",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("session_no", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("record_no", sa.String(length=30), nullable=False),
        sa.Column("encounter_no", sa.String(length=30), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("nurse", sa.String(length=30), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("institution", "session_no"),
        sa.UniqueConstraint("institution", "command_id", name="uq_dialysis_session_command"),
        sa.UniqueConstraint("institution", "record_no", "day", name="uq_dialysis_session_day"),
    )


def _create_dialysis_standing_order() -> None:
    op.create_table(
        "dialysis_standing_order",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("record_no", sa.String(length=30), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("dr_code", sa.String(length=30), nullable=False),
        sa.Column("dr_name", sa.String(length=50), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("institution", "record_no"),
    )


def _create_stay() -> None:
    op.create_table(
        "stay",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("stay_no", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("record_no", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("dept_code", sa.String(length=30), nullable=False),
        sa.Column("dept_name", sa.String(length=100), nullable=False),
        sa.Column("caty", sa.String(length=6), nullable=False),
        sa.Column("letter", sa.String(length=2), nullable=False),
        sa.Column("dr_code", sa.String(length=30), nullable=False),
        sa.Column("dr_name", sa.String(length=50), nullable=False),
        sa.Column("insutype", sa.String(length=6), nullable=False),
        sa.Column("med_type", sa.String(length=6), nullable=False),
        sa.Column("intent_id", sa.String(length=30), nullable=True),
        sa.Column("channel", sa.String(length=10), nullable=True),
        sa.Column("terminal_id", sa.String(length=30), nullable=True),
        sa.Column("first_frame_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_by", sa.String(length=30), nullable=True),
        sa.Column("check_reason", sa.String(length=20), nullable=True),
        sa.Column("age_band", sa.String(length=5), nullable=False),
        sa.Column("admitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("mdtrt_id", sa.String(length=30), nullable=True),
        sa.Column("discharged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evidence_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("institution", "stay_no"),
        sa.UniqueConstraint("institution", "command_id", name="uq_stay_command"),
        sa.UniqueConstraint("institution", "intent_id", name="uq_stay_intent"),
    )
    op.create_index("ix_stay_record", "stay", ["institution", "record_no"], unique=False)
    op.create_index("ix_stay_state", "stay", ["institution", "state"], unique=False)


def _create_stay_day() -> None:
    op.create_table(
        "stay_day",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("stay_no", sa.String(length=30), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.PrimaryKeyConstraint("institution", "stay_no", "day"),
    )


def _create_stay_placement() -> None:
    op.create_table(
        "stay_placement",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("stay_no", sa.String(length=30), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ward", sa.String(length=30), nullable=False),
        sa.Column("bed_no", sa.String(length=20), nullable=False),
        sa.Column("bed_item", sa.String(length=50), nullable=False),
        sa.Column("nursing", sa.String(length=10), nullable=False),
        sa.Column("nursing_item", sa.String(length=50), nullable=False),
        sa.PrimaryKeyConstraint("institution", "stay_no", "since"),
    )


def _create_stay_wristband() -> None:
    op.create_table(
        "stay_wristband",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("stay_no", sa.String(length=30), nullable=False),
        sa.Column("printed_by", sa.String(length=30), nullable=False),
        sa.Column("printed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("institution", "code_hash"),
    )
    op.create_index(op.f("ix_stay_wristband_stay_no"), "stay_wristband", ["stay_no"], unique=False)


def _create_stay_wristband_settlement() -> None:
    op.create_table(
        "stay_wristband_settlement",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("stay_no", sa.String(length=30), nullable=False),
        sa.Column("nurse", sa.String(length=30), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("institution", "command_id"),
    )
    op.create_index(
        op.f("ix_stay_wristband_settlement_stay_no"),
        "stay_wristband_settlement",
        ["stay_no"],
        unique=False,
    )


def _create_ward() -> None:
    op.create_table(
        "ward",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("caty", sa.String(length=6), nullable=False),
        sa.Column("letter", sa.String(length=2), nullable=False),
        sa.Column("nursing", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("institution", "code"),
    )


def _create_ward_bed() -> None:
    op.create_table(
        "ward_bed",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("ward", sa.String(length=30), nullable=False),
        sa.Column("bed_no", sa.String(length=20), nullable=False),
        sa.Column("item", sa.String(length=50), nullable=False),
        sa.Column("stay_no", sa.String(length=30), nullable=True),
        sa.PrimaryKeyConstraint("institution", "ward", "bed_no"),
        sa.UniqueConstraint("institution", "stay_no", name="uq_ward_bed_stay"),
    )
