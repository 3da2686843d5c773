"""Captures: tickets, claims, the registry's answer; pauses, expectations, emergencies."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = (
    "verification_call",
    "verification_emergency",
    "verification_expected",
    "verification_failure",
    "verification_emergency_suggested",
)
_SHORT_LIVED = (
    "verification_redemption",
    "verification_proof",
    "verification_person",
    "verification_consent",
    "verification_session",
)
"""Sessions live 90 seconds and proofs 5 minutes; what is left of them cannot be completed."""


def upgrade() -> None:
    """Make this revision."""
    _forget_captures()
    _create_verification_call()
    _create_verification_emergency()
    _create_verification_expected()
    _create_verification_failure()
    _create_verification_emergency_suggested()
    _change_verification_person()
    _change_verification_proof()
    _change_verification_session()


def downgrade() -> None:
    """Undo this revision."""
    _forget_captures()
    _change_back_verification_session()
    _change_back_verification_proof()
    _change_back_verification_person()
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_verification_call() -> None:
    op.create_table(
        "verification_call",
        sa.Column("terminal_id", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("terminal_id"),
    )
    op.create_index(
        op.f("ix_verification_call_psn_no"), "verification_call", ["psn_no"], unique=False
    )


def _create_verification_emergency() -> None:
    op.create_table(
        "verification_emergency",
        sa.Column("emergency_id", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("words_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("proposed_by", sa.String(length=64), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.String(length=64), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_on", sa.Date(), nullable=True),
        sa.Column("suggestions", sa.Integer(), nullable=True),
        sa.Column("reviewed_by", sa.String(length=64), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finding", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("emergency_id"),
    )
    op.create_index(
        "ix_verification_emergency_institution_used_on",
        "verification_emergency",
        ["institution", "used_on"],
        unique=False,
    )


def _create_verification_expected() -> None:
    op.create_table(
        "verification_expected",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("institution", "day", "psn_no", "why"),
    )
    op.create_index(
        op.f("ix_verification_expected_day"), "verification_expected", ["day"], unique=False
    )


def _create_verification_failure() -> None:
    op.create_table(
        "verification_failure",
        sa.Column("counted", sa.String(length=10), nullable=False),
        sa.Column("identifier", sa.String(length=30), nullable=False),
        sa.Column("counted_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("pauses", sa.Integer(), nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("counted", "identifier"),
    )


def _create_verification_emergency_suggested() -> None:
    op.create_table(
        "verification_emergency_suggested",
        sa.Column("emergency_id", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.ForeignKeyConstraint(["emergency_id"], ["verification_emergency.emergency_id"]),
        sa.PrimaryKeyConstraint("emergency_id", "psn_no"),
    )
    op.create_index(
        op.f("ix_verification_emergency_suggested_psn_no"),
        "verification_emergency_suggested",
        ["psn_no"],
        unique=False,
    )


def _change_verification_person() -> None:
    with op.batch_alter_table("verification_person", schema=None) as batch_op:
        batch_op.add_column(sa.Column("basis", sa.String(length=10), nullable=False))
        batch_op.add_column(sa.Column("registry", sa.String(length=24), nullable=True))
        batch_op.add_column(sa.Column("active", sa.Boolean(), nullable=False))
        batch_op.alter_column("score", existing_type=sa.FLOAT(), nullable=True)
        batch_op.alter_column("fmr", existing_type=sa.FLOAT(), nullable=True)
        batch_op.alter_column("fmr_upper95", existing_type=sa.FLOAT(), nullable=True)
        batch_op.alter_column("threshold", existing_type=sa.FLOAT(), nullable=True)
        batch_op.alter_column("path_id", existing_type=sa.VARCHAR(length=200), nullable=True)
        batch_op.alter_column("data", existing_type=sa.VARCHAR(length=200), nullable=True)
        batch_op.alter_column("error_upper95", existing_type=sa.FLOAT(), nullable=True)
        batch_op.create_index(
            batch_op.f("ix_verification_person_subject"), ["subject"], unique=False
        )


def _change_back_verification_person() -> None:
    with op.batch_alter_table("verification_person", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_verification_person_subject"))
        batch_op.alter_column("error_upper95", existing_type=sa.FLOAT(), nullable=False)
        batch_op.alter_column("data", existing_type=sa.VARCHAR(length=200), nullable=False)
        batch_op.alter_column("path_id", existing_type=sa.VARCHAR(length=200), nullable=False)
        batch_op.alter_column("threshold", existing_type=sa.FLOAT(), nullable=False)
        batch_op.alter_column("fmr_upper95", existing_type=sa.FLOAT(), nullable=False)
        batch_op.alter_column("fmr", existing_type=sa.FLOAT(), nullable=False)
        batch_op.alter_column("score", existing_type=sa.FLOAT(), nullable=False)
        batch_op.drop_column("active")
        batch_op.drop_column("registry")
        batch_op.drop_column("basis")


def _change_verification_proof() -> None:
    with op.batch_alter_table("verification_proof", schema=None) as batch_op:
        batch_op.add_column(sa.Column("factors", sa.String(length=60), nullable=False))
        batch_op.add_column(sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False))
        batch_op.create_index(
            batch_op.f("ix_verification_proof_beneficiary"), ["beneficiary"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_verification_proof_subject"), ["subject"], unique=False
        )


def _change_back_verification_proof() -> None:
    with op.batch_alter_table("verification_proof", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_verification_proof_subject"))
        batch_op.drop_index(batch_op.f("ix_verification_proof_beneficiary"))
        batch_op.drop_column("issued_at")
        batch_op.drop_column("factors")


def _change_verification_session() -> None:
    with op.batch_alter_table("verification_session", schema=None) as batch_op:
        batch_op.add_column(sa.Column("key_id", sa.String(length=64), nullable=False))
        batch_op.add_column(sa.Column("amount_max_fen", sa.BigInteger(), nullable=False))
        batch_op.add_column(sa.Column("liveness", sa.String(length=10), nullable=False))
        batch_op.add_column(sa.Column("sought_by", sa.String(length=10), nullable=False))
        batch_op.add_column(sa.Column("digits", sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column("claimed", sa.String(length=30), nullable=True))
        batch_op.add_column(sa.Column("ticket_digest", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("attempting", sa.Boolean(), nullable=False))
        batch_op.add_column(sa.Column("unknown", sa.String(length=20), nullable=True))
        batch_op.add_column(sa.Column("activated", sa.Boolean(), nullable=False))
        batch_op.create_index(
            "verification_session_decided", ["terminal_id", "decided_at"], unique=False
        )


def _change_back_verification_session() -> None:
    with op.batch_alter_table("verification_session", schema=None) as batch_op:
        batch_op.drop_index("verification_session_decided")
        batch_op.drop_column("activated")
        batch_op.drop_column("unknown")
        batch_op.drop_column("attempting")
        batch_op.drop_column("ticket_digest")
        batch_op.drop_column("claimed")
        batch_op.drop_column("digits")
        batch_op.drop_column("sought_by")
        batch_op.drop_column("liveness")
        batch_op.drop_column("amount_max_fen")
        batch_op.drop_column("key_id")


def _forget_captures() -> None:
    for table in _SHORT_LIVED:
        op.execute(sa.delete(sa.table(table)))
