"""What people are told, who looked at them, impact assessments."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = (
    "access_log_view",
    "filing_mark",
    "person_message",
    "privacy_assessment",
)


def upgrade() -> None:
    """Make this revision."""
    _create_access_log_view()
    _create_filing_mark()
    _create_person_message()
    _create_privacy_assessment()
    _change_channel_activation()
    _change_verification_session()


def downgrade() -> None:
    """Undo this revision."""
    _change_back_verification_session()
    _change_back_channel_activation()
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_access_log_view() -> None:
    op.create_table(
        "access_log_view",
        sa.Column("view_id", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("viewer", sa.String(length=20), nullable=False),
        sa.Column("institution", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("view_id"),
    )
    op.create_index("ix_access_log_view_at", "access_log_view", ["at"], unique=False)
    op.create_index("ix_access_log_view_person", "access_log_view", ["psn_no"], unique=False)


def _create_filing_mark() -> None:
    op.create_table(
        "filing_mark",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reached_on", sa.Date(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_filing_mark_one_row"),
        sa.PrimaryKeyConstraint("id"),
    )


def _create_person_message() -> None:
    op.create_table(
        "person_message",
        sa.Column("message_id", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index("ix_person_message_age", "person_message", ["seen_at", "told_at"], unique=False)
    op.create_index("ix_person_message_person", "person_message", ["psn_no"], unique=False)


def _create_privacy_assessment() -> None:
    op.create_table(
        "privacy_assessment",
        sa.Column("assessment_id", sa.String(length=30), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("configuration_digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("assessment_id"),
    )
    op.create_index(
        op.f("ix_privacy_assessment_configuration_digest"),
        "privacy_assessment",
        ["configuration_digest"],
        unique=False,
    )


def _change_channel_activation() -> None:
    with op.batch_alter_table("channel_activation", schema=None) as batch_op:
        batch_op.create_index("ix_channel_activation_person", ["psn_no"], unique=False)


def _change_back_channel_activation() -> None:
    with op.batch_alter_table("channel_activation", schema=None) as batch_op:
        batch_op.drop_index("ix_channel_activation_person")


def _change_verification_session() -> None:
    with op.batch_alter_table("verification_session", schema=None) as batch_op:
        batch_op.create_index(
            "verification_session_over", ["decided_at", "expires_at"], unique=False
        )


def _change_back_verification_session() -> None:
    with op.batch_alter_table("verification_session", schema=None) as batch_op:
        batch_op.drop_index("verification_session_over")
