"""Supervision: alerts, captures of known people, doctors and their sign-ins, ward checks."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLES = (
    "supervision_alert",
    "supervision_capture",
    "supervision_doctor",
    "ward_check_plan",
    "supervision_doctor_consent",
    "supervision_practice",
    "supervision_sign_in",
    "ward_check_draw",
    "ward_check",
)


def upgrade() -> None:
    """Make this revision."""
    _create_supervision_alert()
    _create_supervision_capture()
    _create_supervision_doctor()
    _create_ward_check_plan()
    _create_supervision_doctor_consent()
    _create_supervision_practice()
    _create_supervision_sign_in()
    _create_ward_check_draw()
    _create_ward_check()


def downgrade() -> None:
    """Undo this revision."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_supervision_alert() -> None:
    op.create_table(
        "supervision_alert",
        sa.Column("alert_id", sa.String(length=30), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=12), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_by", sa.String(length=30), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("alert_id"),
        sa.UniqueConstraint("kind", "institution", "reference", name="uq_supervision_alert_about"),
    )
    op.create_index("ix_supervision_alert_raised", "supervision_alert", ["raised_at"], unique=False)


def _create_supervision_capture() -> None:
    op.create_table(
        "supervision_capture",
        sa.Column("session_id", sa.String(length=30), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=30), nullable=False),
        sa.Column("reference", sa.String(length=30), nullable=False),
        sa.Column("terminal_id", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=12), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("notice_version", sa.String(length=30), nullable=False),
        sa.Column("consents", sa.String(length=60), nullable=False),
        sa.Column("liveness", sa.String(length=10), nullable=False),
        sa.Column("nonce_digest", sa.String(length=64), nullable=False),
        sa.Column("ticket_digest", sa.String(length=64), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempting", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("mismatches", sa.Integer(), nullable=False),
        sa.Column("unknown", sa.String(length=20), nullable=True),
        sa.Column("basis", sa.String(length=10), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("fmr_upper95", sa.Float(), nullable=True),
        sa.Column("registry", sa.String(length=30), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_because", sa.String(length=48), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("session_id"),
    )
    op.create_index(
        "ix_supervision_capture_opened", "supervision_capture", ["opened_at"], unique=False
    )
    op.create_index(
        "ix_supervision_capture_reference",
        "supervision_capture",
        ["purpose", "reference"],
        unique=False,
    )
    op.create_index(
        "ix_supervision_capture_subject",
        "supervision_capture",
        ["purpose", "subject"],
        unique=False,
    )


def _create_supervision_doctor() -> None:
    op.create_table(
        "supervision_doctor",
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("id_number_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code"),
    )


def _create_ward_check_plan() -> None:
    op.create_table(
        "ward_check_plan",
        sa.Column("institution", sa.String(length=12), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("commitment", sa.String(length=64), nullable=False),
        sa.Column("seed_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("draws", sa.Integer(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("institution", "day"),
    )


def _create_supervision_doctor_consent() -> None:
    op.create_table(
        "supervision_doctor_consent",
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("notice_version", sa.String(length=30), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["code"],
            ["supervision_doctor.code"],
        ),
        sa.PrimaryKeyConstraint("code", "given_at"),
    )


def _create_supervision_practice() -> None:
    op.create_table(
        "supervision_practice",
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=12), nullable=False),
        sa.Column("dept_code", sa.String(length=30), nullable=False),
        sa.ForeignKeyConstraint(
            ["code"],
            ["supervision_doctor.code"],
        ),
        sa.PrimaryKeyConstraint("code", "institution", "dept_code"),
    )
    op.create_index(
        "ix_supervision_practice_institution", "supervision_practice", ["institution"], unique=False
    )


def _create_supervision_sign_in() -> None:
    op.create_table(
        "supervision_sign_in",
        sa.Column("sign_in_id", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("doctor", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=12), nullable=False),
        sa.Column("dept_code", sa.String(length=30), nullable=False),
        sa.Column("means", sa.String(length=10), nullable=False),
        sa.Column("terminal_id", sa.String(length=30), nullable=True),
        sa.Column("confirmed_by", sa.String(length=30), nullable=True),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed_out_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["doctor"],
            ["supervision_doctor.code"],
        ),
        sa.PrimaryKeyConstraint("sign_in_id"),
        sa.UniqueConstraint("command_id"),
    )
    op.create_index(
        "ix_supervision_sign_in_doctor",
        "supervision_sign_in",
        ["doctor", "signed_in_at"],
        unique=False,
    )
    op.create_index(
        "ix_supervision_sign_in_institution",
        "supervision_sign_in",
        ["institution", "signed_in_at"],
        unique=False,
    )


def _create_ward_check_draw() -> None:
    op.create_table(
        "ward_check_draw",
        sa.Column("institution", sa.String(length=12), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("draw", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("population", sa.Text(), nullable=False),
        sa.Column("weights", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution", "day"],
            ["ward_check_plan.institution", "ward_check_plan.day"],
        ),
        sa.PrimaryKeyConstraint("institution", "day", "draw"),
    )


def _create_ward_check() -> None:
    op.create_table(
        "ward_check",
        sa.Column("check_id", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=12), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("draw", sa.Integer(), nullable=False),
        sa.Column("mdtrt_id", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("ward", sa.String(length=30), nullable=False),
        sa.Column("ipt_otp_no", sa.String(length=30), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("terminal_id", sa.String(length=30), nullable=True),
        sa.Column("reason", sa.String(length=25), nullable=True),
        sa.Column("proposed_by", sa.String(length=30), nullable=True),
        sa.Column("countersigned_by", sa.String(length=30), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["institution", "day", "draw"],
            ["ward_check_draw.institution", "ward_check_draw.day", "ward_check_draw.draw"],
        ),
        sa.PrimaryKeyConstraint("check_id"),
        sa.UniqueConstraint("institution", "day", "draw", "mdtrt_id", name="uq_ward_check_once"),
    )
    op.create_index("ix_ward_check_institution", "ward_check", ["institution", "day"], unique=False)
    op.create_index("ix_ward_check_state", "ward_check", ["state", "deadline"], unique=False)
    op.create_index("ix_ward_check_stay", "ward_check", ["mdtrt_id"], unique=False)
