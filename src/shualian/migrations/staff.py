"""Tables of staff as revision 0003 of both sides makes them."""

import sqlalchemy as sa
from alembic import op

_TABLES = (
    "staff_account",
    "staff_challenge",
    "staff_sign_in_attempt",
    "staff_enrolment_code",
    "staff_passkey",
    "staff_password",
    "staff_proposal",
    "staff_session",
)


def create_staff() -> None:
    """Create the tables."""
    _create_account()
    _create_challenge()
    _create_sign_in_attempt()
    _create_enrolment_code()
    _create_passkey()
    _create_password()
    _create_proposal()
    _create_session()


def drop_staff() -> None:
    """Drop the tables, with their indexes."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_account() -> None:
    op.create_table(
        "staff_account",
        sa.Column("staff_id", sa.String(length=30), nullable=False),
        sa.Column("employer", sa.String(length=20), nullable=False),
        sa.Column("login_hash", sa.LargeBinary(), nullable=False),
        sa.Column("login_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("roles", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(length=30), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.String(length=30), nullable=True),
        sa.PrimaryKeyConstraint("staff_id"),
        sa.UniqueConstraint("login_hash"),
    )
    with op.batch_alter_table("staff_account", schema=None) as batch_op:
        batch_op.create_index("ix_staff_account_employer", ["employer"], unique=False)


def _create_challenge() -> None:
    op.create_table(
        "staff_challenge",
        sa.Column("challenge_hash", sa.LargeBinary(), nullable=False),
        sa.Column("ceremony", sa.String(length=10), nullable=False),
        sa.Column("staff_id", sa.String(length=30), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("challenge_hash"),
    )
    with op.batch_alter_table("staff_challenge", schema=None) as batch_op:
        batch_op.create_index("ix_staff_challenge_expires_at", ["expires_at"], unique=False)


def _create_sign_in_attempt() -> None:
    op.create_table(
        "staff_sign_in_attempt",
        sa.Column("login_hash", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("login_hash"),
    )
    with op.batch_alter_table("staff_sign_in_attempt", schema=None) as batch_op:
        batch_op.create_index(
            "ix_staff_sign_in_attempt_last_failed_at", ["last_failed_at"], unique=False
        )


def _create_enrolment_code() -> None:
    op.create_table(
        "staff_enrolment_code",
        sa.Column("staff_id", sa.String(length=30), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"],
            ["staff_account.staff_id"],
        ),
        sa.PrimaryKeyConstraint("staff_id"),
        sa.UniqueConstraint("code_hash"),
    )


def _create_passkey() -> None:
    op.create_table(
        "staff_passkey",
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("staff_id", sa.String(length=30), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["staff_id"],
            ["staff_account.staff_id"],
        ),
        sa.PrimaryKeyConstraint("credential_id"),
    )
    with op.batch_alter_table("staff_passkey", schema=None) as batch_op:
        batch_op.create_index("ix_staff_passkey_staff_id", ["staff_id"], unique=False)


def _create_password() -> None:
    op.create_table(
        "staff_password",
        sa.Column("staff_id", sa.String(length=30), nullable=False),
        sa.Column("hash_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"],
            ["staff_account.staff_id"],
        ),
        sa.PrimaryKeyConstraint("staff_id"),
    )


def _create_proposal() -> None:
    op.create_table(
        "staff_proposal",
        sa.Column("staff_id", sa.String(length=30), nullable=False),
        sa.Column("proposal_id", sa.String(length=30), nullable=False),
        sa.Column("roles", sa.String(length=120), nullable=False),
        sa.Column("new_credentials", sa.Boolean(), nullable=False),
        sa.Column("proposed_by", sa.String(length=30), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"],
            ["staff_account.staff_id"],
        ),
        sa.PrimaryKeyConstraint("staff_id"),
    )


def _create_session() -> None:
    op.create_table(
        "staff_session",
        sa.Column("session_id", sa.String(length=30), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("staff_id", sa.String(length=30), nullable=False),
        sa.Column("account_version", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"],
            ["staff_account.staff_id"],
        ),
        sa.PrimaryKeyConstraint("session_id"),
        sa.UniqueConstraint("token_hash"),
    )
    with op.batch_alter_table("staff_session", schema=None) as batch_op:
        batch_op.create_index("ix_staff_session_expires_at", ["expires_at"], unique=False)
        batch_op.create_index("ix_staff_session_staff_id", ["staff_id"], unique=False)
