"""Vouchers, consents, templates, family, channels; a register that is searched by last digits.

The new column of ``insured_person`` is a keyed hash, which SQL cannot compute: a register with
people in it is refused here and imported anew.
"""

import sqlalchemy as sa
from alembic import op

from shualian.migrations.insert_only import allow_changes, forbid_changes

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES = (
    "activation_channel",
    "consent_event",
    "face_erasure",
    "family_binding",
    "family_notice",
    "held_template",
    "payment_hold",
    "person_note",
    "scan_followed",
    "template_enrolment",
    "template_replacement",
    "voucher",
    "voucher_code",
    "voucher_pin",
    "channel_activation",
    "face_erasure_person",
    "face_erasure_store",
    "family_proposal",
)
_INSERT_ONLY = ("consent_event",)


def upgrade() -> None:
    """Make this revision."""
    _create_activation_channel()
    _create_consent_event()
    _create_face_erasure()
    _create_family_binding()
    _create_family_notice()
    _create_held_template()
    _create_payment_hold()
    _create_person_note()
    _create_scan_followed()
    _create_template_enrolment()
    _create_template_replacement()
    _create_voucher()
    _create_voucher_code()
    _create_voucher_pin()
    _create_channel_activation()
    _create_face_erasure_person()
    _create_face_erasure_store()
    _create_family_proposal()
    _change_insurance()
    _change_insured_person()
    for table in _INSERT_ONLY:
        forbid_changes(table)


def downgrade() -> None:
    """Undo this revision."""
    for table in _INSERT_ONLY:
        allow_changes(table)
    _change_back_insured_person()
    _change_back_insurance()
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_activation_channel() -> None:
    op.create_table(
        "activation_channel",
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.String(length=30), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("certified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("code"),
        sa.UniqueConstraint("key_id"),
    )


def _create_consent_event() -> None:
    op.create_table(
        "consent_event",
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("change", sa.String(length=20), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("notice_version", sa.String(length=20), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("relation", sa.String(length=20), nullable=True),
        sa.Column("guardian", sa.String(length=30), nullable=True),
        sa.Column("document", sa.String(length=20), nullable=True),
        sa.Column("checked_by", sa.String(length=30), nullable=True),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("institution", sa.String(length=20), nullable=True),
        sa.Column("terminal_id", sa.String(length=30), nullable=True),
        sa.Column("session_id", sa.String(length=30), nullable=True),
        sa.Column("partner", sa.String(length=64), nullable=True),
        sa.Column("receipt_no", sa.String(length=30), nullable=True),
        sa.PrimaryKeyConstraint("psn_no", "number"),
    )


def _create_face_erasure() -> None:
    op.create_table(
        "face_erasure",
        sa.Column("receipt_no", sa.String(length=30), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("backups_until", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("receipt_no"),
    )
    op.create_index("ix_face_erasure_completed", "face_erasure", ["completed_at"], unique=False)


def _create_family_binding() -> None:
    op.create_table(
        "family_binding",
        sa.Column("binding_id", sa.String(length=30), nullable=False),
        sa.Column("holder", sa.String(length=30), nullable=False),
        sa.Column("relative", sa.String(length=30), nullable=False),
        sa.Column("kinship", sa.String(length=20), nullable=False),
        sa.Column("ground", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("documents", sa.String(length=120), nullable=False),
        sa.Column("institution", sa.String(length=12), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("review_due_on", sa.Date(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("binding_id"),
    )
    op.create_index("ix_family_binding_holder", "family_binding", ["holder"], unique=False)
    op.create_index("ix_family_binding_relative", "family_binding", ["relative"], unique=False)
    op.create_index("ix_family_binding_review", "family_binding", ["review_due_on"], unique=False)


def _create_family_notice() -> None:
    op.create_table(
        "family_notice",
        sa.Column("notice_id", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("notice_id"),
    )


def _create_held_template() -> None:
    op.create_table(
        "held_template",
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("months_max", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("psn_no"),
    )


def _create_payment_hold() -> None:
    op.create_table(
        "payment_hold",
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("psn_no"),
    )


def _create_person_note() -> None:
    op.create_table(
        "person_note",
        sa.Column("note_id", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("what", sa.String(length=30), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("note_id"),
    )
    op.create_index("ix_person_note_told", "person_note", ["told_at"], unique=False)


def _create_scan_followed() -> None:
    op.create_table(
        "scan_followed",
        sa.Column("session_id", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("before", sa.String(length=20), nullable=False),
        sa.Column("activated", sa.Boolean(), nullable=False),
        sa.Column("template", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("session_id"),
    )
    op.create_index(op.f("ix_scan_followed_psn_no"), "scan_followed", ["psn_no"], unique=False)


def _create_template_enrolment() -> None:
    op.create_table(
        "template_enrolment",
        sa.Column("session_id", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("state", sa.String(length=30), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("session_id"),
    )
    op.create_index(
        "ix_template_enrolment_person", "template_enrolment", ["psn_no", "state"], unique=False
    )


def _create_template_replacement() -> None:
    op.create_table(
        "template_replacement",
        sa.Column("proposal_id", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=20), nullable=True),
        sa.Column("document", sa.String(length=30), nullable=False),
        sa.Column("proposed_by", sa.String(length=30), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.String(length=30), nullable=True),
        sa.Column("enrolled_in", sa.String(length=30), nullable=True),
        sa.PrimaryKeyConstraint("proposal_id"),
    )
    op.create_index(
        "ix_template_replacement_person", "template_replacement", ["psn_no"], unique=False
    )


def _create_voucher() -> None:
    op.create_table(
        "voucher",
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", sa.String(length=30), nullable=True),
        sa.Column("channel", sa.String(length=30), nullable=True),
        sa.Column("channel_reference", sa.String(length=64), nullable=True),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("frozen_by", sa.String(length=20), nullable=True),
        sa.Column("freeze_reason", sa.String(length=30), nullable=True),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(session_id IS NULL) <> (channel IS NULL)", name="ck_voucher_session_or_channel"
        ),
        sa.PrimaryKeyConstraint("psn_no"),
        sa.UniqueConstraint("token_digest"),
    )


def _create_voucher_code() -> None:
    op.create_table(
        "voucher_code",
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("institution", sa.String(length=12), nullable=True),
        sa.Column("intent_id", sa.String(length=64), nullable=True),
        sa.Column("use", sa.String(length=30), nullable=True),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("token_digest"),
    )
    op.create_index(
        "ix_voucher_code_psn_no_redeemed_at",
        "voucher_code",
        ["psn_no", "redeemed_at"],
        unique=False,
    )


def _create_voucher_pin() -> None:
    op.create_table(
        "voucher_pin",
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("hash_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("joins_from", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("psn_no"),
    )


def _create_channel_activation() -> None:
    op.create_table(
        "channel_activation",
        sa.Column("channel", sa.String(length=30), nullable=False),
        sa.Column("request_no", sa.String(length=64), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["channel"], ["activation_channel.code"]),
        sa.PrimaryKeyConstraint("channel", "request_no"),
    )


def _create_face_erasure_person() -> None:
    op.create_table(
        "face_erasure_person",
        sa.Column("receipt_no", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.ForeignKeyConstraint(["receipt_no"], ["face_erasure.receipt_no"]),
        sa.PrimaryKeyConstraint("receipt_no"),
    )
    op.create_index("ix_face_erasure_person", "face_erasure_person", ["psn_no"], unique=False)


def _create_face_erasure_store() -> None:
    op.create_table(
        "face_erasure_store",
        sa.Column("receipt_no", sa.String(length=30), nullable=False),
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["receipt_no"], ["face_erasure.receipt_no"]),
        sa.PrimaryKeyConstraint("receipt_no", "name"),
    )


def _create_family_proposal() -> None:
    op.create_table(
        "family_proposal",
        sa.Column("proposal_id", sa.String(length=30), nullable=False),
        sa.Column("holder", sa.String(length=30), nullable=False),
        sa.Column("relative", sa.String(length=30), nullable=False),
        sa.Column("kinship", sa.String(length=20), nullable=False),
        sa.Column("ground", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("documents", sa.String(length=120), nullable=False),
        sa.Column("institution", sa.String(length=12), nullable=True),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proposed_by", sa.String(length=30), nullable=True),
        sa.Column("binding_id", sa.String(length=30), nullable=True),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["binding_id"], ["family_binding.binding_id"]),
        sa.PrimaryKeyConstraint("proposal_id"),
    )
    op.create_index("ix_family_proposal_holder", "family_proposal", ["holder"], unique=False)
    op.create_index("ix_family_proposal_relative", "family_proposal", ["relative"], unique=False)


def _change_insurance() -> None:
    with op.batch_alter_table("insurance", schema=None) as batch_op:
        batch_op.add_column(sa.Column("note", sa.String(length=20), nullable=True))


def _change_back_insurance() -> None:
    with op.batch_alter_table("insurance", schema=None) as batch_op:
        batch_op.drop_column("note")


def _change_insured_person() -> None:
    with op.batch_alter_table("insured_person", schema=None) as batch_op:
        batch_op.add_column(sa.Column("last_digits_hash", sa.LargeBinary(), nullable=False))
        batch_op.create_index(
            batch_op.f("ix_insured_person_last_digits_hash"), ["last_digits_hash"], unique=False
        )


def _change_back_insured_person() -> None:
    with op.batch_alter_table("insured_person", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_insured_person_last_digits_hash"))
        batch_op.drop_column("last_digits_hash")
