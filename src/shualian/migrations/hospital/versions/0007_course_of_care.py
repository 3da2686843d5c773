"""Sessions and appointments; entries and looks of records; patients whom nobody knows yet."""

import sqlalchemy as sa
from alembic import op

from shualian.migrations.insert_only import allow_changes, forbid_changes

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = (
    "clinic_session",
    "department",
    "expectation_news",
    "practitioner",
    "appointment",
    "record_entry",
    "record_look",
    "record_entry_removal",
    "scheduling_command",
)
_INSERT_ONLY = ("record_entry", "record_entry_removal", "record_look")


def upgrade() -> None:
    """Make this revision."""
    _create_clinic_session()
    _create_department()
    _create_expectation_news()
    _create_practitioner()
    _create_appointment()
    _create_record_entry()
    _create_record_look()
    _create_record_entry_removal()
    _create_scheduling_command()
    _change_encounter()
    _change_patient_record()
    _change_record_opening()
    for table in _INSERT_ONLY:
        forbid_changes(table)


def downgrade() -> None:
    """Undo this revision; patients whom nobody knows, and visits without evidence, go with it."""
    for table in _INSERT_ONLY:
        allow_changes(table)
    for table in reversed(_TABLES):
        op.drop_table(table)
    _change_back()


def _create_clinic_session() -> None:
    op.create_table(
        "clinic_session",
        sa.Column("session_no", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("dept_code", sa.String(length=30), nullable=False),
        sa.Column("dr_code", sa.String(length=30), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("room", sa.String(length=50), nullable=False),
        sa.Column("room_en", sa.String(length=50), nullable=False),
        sa.Column("terminal_id", sa.String(length=30), nullable=True),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("session_no"),
        sa.UniqueConstraint(
            "institution", "dr_code", "day", "period", name="uq_clinic_session_doctor"
        ),
    )
    with op.batch_alter_table("clinic_session", schema=None) as batch_op:
        batch_op.create_index(
            "ix_clinic_session_day", ["institution", "day", "dept_code"], unique=False
        )


def _create_department() -> None:
    op.create_table(
        "department",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("dept_code", sa.String(length=30), nullable=False),
        sa.Column("dept_name", sa.String(length=100), nullable=False),
        sa.Column("name_en", sa.String(length=100), nullable=False),
        sa.Column("caty", sa.String(length=6), nullable=False),
        sa.Column("queue_letter", sa.String(length=2), nullable=False),
        sa.PrimaryKeyConstraint("institution", "dept_code"),
    )


def _create_expectation_news() -> None:
    op.create_table(
        "expectation_news",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("mark", sa.String(length=30), nullable=False),
        sa.PrimaryKeyConstraint("institution", "psn_no", "day"),
    )


def _create_practitioner() -> None:
    op.create_table(
        "practitioner",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("dr_code", sa.String(length=30), nullable=False),
        sa.Column("dr_name", sa.String(length=50), nullable=False),
        sa.Column("name_en", sa.String(length=50), nullable=False),
        sa.Column("dept_code", sa.String(length=30), nullable=False),
        sa.Column("title", sa.String(length=20), nullable=False),
        sa.Column("staff_id", sa.String(length=30), nullable=True),
        sa.PrimaryKeyConstraint("institution", "dr_code"),
    )
    with op.batch_alter_table("practitioner", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_practitioner_dept_code"), ["dept_code"], unique=False)


def _create_appointment() -> None:
    op.create_table(
        "appointment",
        sa.Column("appointment_no", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("session_no", sa.String(length=30), nullable=False),
        sa.Column("slot_no", sa.Integer(), nullable=False),
        sa.Column("held_slot", sa.Integer(), nullable=True),
        sa.Column("held_by", sa.String(length=30), nullable=True),
        sa.Column("record_no", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("origin", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=True),
        sa.Column("terminal_id", sa.String(length=30), nullable=True),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("encounter_no", sa.String(length=30), nullable=True),
        sa.Column("register_command", sa.String(length=30), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fee_command", sa.String(length=30), nullable=True),
        sa.Column("fee_reason", sa.String(length=20), nullable=True),
        sa.Column("fee_code", sa.String(length=50), nullable=True),
        sa.Column("fee_earlier", sa.String(length=30), nullable=True),
        sa.Column("fee_charged", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_no"],
            ["clinic_session.session_no"],
        ),
        sa.PrimaryKeyConstraint("appointment_no"),
        sa.UniqueConstraint("session_no", "held_by", name="uq_appointment_person"),
        sa.UniqueConstraint("session_no", "held_slot", name="uq_appointment_slot"),
    )
    with op.batch_alter_table("appointment", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_appointment_encounter_no"), ["encounter_no"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_appointment_record_no"), ["record_no"], unique=False)
        batch_op.create_index("ix_appointment_state", ["institution", "state"], unique=False)


def _create_record_entry() -> None:
    op.create_table(
        "record_entry",
        sa.Column("entry_no", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("record_no", sa.String(length=30), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("content_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", sa.String(length=30), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_no"],
            ["patient_record.record_no"],
        ),
        sa.PrimaryKeyConstraint("entry_no"),
        sa.UniqueConstraint("institution", "command_id", name="uq_record_entry_command"),
    )
    with op.batch_alter_table("record_entry", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_record_entry_record_no"), ["record_no"], unique=False)


def _create_record_look() -> None:
    op.create_table(
        "record_look",
        sa.Column("look_no", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("record_no", sa.String(length=30), nullable=False),
        sa.Column("staff_id", sa.String(length=30), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("related", sa.Boolean(), nullable=False),
        sa.Column("encounter_no", sa.String(length=30), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_no"],
            ["patient_record.record_no"],
        ),
        sa.PrimaryKeyConstraint("look_no"),
    )
    with op.batch_alter_table("record_look", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_record_look_record_no"), ["record_no"], unique=False)


def _create_record_entry_removal() -> None:
    op.create_table(
        "record_entry_removal",
        sa.Column("entry_no", sa.String(length=30), nullable=False),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("removed_by", sa.String(length=30), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_no"],
            ["record_entry.entry_no"],
        ),
        sa.PrimaryKeyConstraint("entry_no"),
    )


def _create_scheduling_command() -> None:
    op.create_table(
        "scheduling_command",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("act", sa.String(length=10), nullable=False),
        sa.Column("asked", sa.String(length=100), nullable=False),
        sa.Column("appointment_no", sa.String(length=30), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_no"],
            ["appointment.appointment_no"],
        ),
        sa.PrimaryKeyConstraint("institution", "command_id"),
    )


def _change_encounter() -> None:
    with op.batch_alter_table("encounter", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("dept_name_en", sa.String(length=100), server_default="", nullable=False)
        )
        batch_op.add_column(
            sa.Column("dr_name_en", sa.String(length=50), server_default="", nullable=False)
        )
        batch_op.add_column(sa.Column("queue_turn", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("queue_rank", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("session_no", sa.String(length=30), nullable=True))
        batch_op.add_column(
            sa.Column("aged", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        batch_op.add_column(sa.Column("triage", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("seen_by", sa.String(length=30), nullable=True))
        batch_op.add_column(sa.Column("override_by", sa.String(length=30), nullable=True))
        batch_op.add_column(sa.Column("override_reason", sa.String(length=20), nullable=True))
        batch_op.add_column(
            sa.Column("identity_verified_at", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.add_column(sa.Column("identity_channel", sa.String(length=10), nullable=True))
        batch_op.add_column(sa.Column("identified_by_command", sa.String(length=30), nullable=True))
        batch_op.add_column(sa.Column("identity_told_by", sa.String(length=10), nullable=True))
        batch_op.add_column(sa.Column("called_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("called_to", sa.String(length=30), nullable=True))
        batch_op.add_column(sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("misses", sa.Integer(), server_default="0", nullable=False))
        batch_op.alter_column("intent_id", existing_type=sa.String(length=30), nullable=True)
        batch_op.alter_column("channel", existing_type=sa.String(length=10), nullable=True)
        batch_op.alter_column("terminal_id", existing_type=sa.String(length=30), nullable=True)
        batch_op.alter_column(
            "first_frame_at", existing_type=sa.DateTime(timezone=True), nullable=True
        )
        batch_op.alter_column("evidence_sealed", existing_type=sa.LargeBinary(), nullable=True)
        batch_op.create_index(batch_op.f("ix_encounter_session_no"), ["session_no"], unique=False)
    # Who waits now goes on waiting, by number.
    op.execute(
        "UPDATE encounter SET queue_turn = 2, queue_rank = queue_place * 1000 "
        "WHERE queue_place IS NOT NULL"
    )


def _change_patient_record() -> None:
    with op.batch_alter_table("patient_record", schema=None) as batch_op:
        batch_op.add_column(sa.Column("estimated_sex", sa.String(length=1), nullable=True))
        batch_op.add_column(sa.Column("estimated_age_band", sa.String(length=5), nullable=True))
        batch_op.add_column(sa.Column("unknown_day", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("merged_into", sa.String(length=30), nullable=True))
        batch_op.alter_column("psn_no", existing_type=sa.String(length=30), nullable=True)
        batch_op.alter_column("id_number_hash", existing_type=sa.LargeBinary(), nullable=True)
        batch_op.alter_column("id_number_sealed", existing_type=sa.LargeBinary(), nullable=True)
        batch_op.create_index(
            batch_op.f("ix_patient_record_merged_into"), ["merged_into"], unique=False
        )


def _change_record_opening() -> None:
    with op.batch_alter_table("record_opening", schema=None) as batch_op:
        batch_op.add_column(sa.Column("opened_by", sa.String(length=30), nullable=True))
        batch_op.alter_column("intent_id", existing_type=sa.String(length=30), nullable=True)
        batch_op.alter_column("channel", existing_type=sa.String(length=10), nullable=True)
        batch_op.alter_column("terminal_id", existing_type=sa.String(length=30), nullable=True)
        batch_op.alter_column(
            "first_frame_at", existing_type=sa.DateTime(timezone=True), nullable=True
        )


def _change_back() -> None:
    # Rows that an older program cannot read.
    op.execute("DELETE FROM record_opening WHERE first_frame_at IS NULL")
    op.execute("DELETE FROM encounter WHERE first_frame_at IS NULL")
    op.execute("DELETE FROM patient_record WHERE psn_no IS NULL")
    with op.batch_alter_table("record_opening", schema=None) as batch_op:
        batch_op.alter_column("intent_id", existing_type=sa.String(length=30), nullable=False)
        batch_op.alter_column("channel", existing_type=sa.String(length=10), nullable=False)
        batch_op.alter_column("terminal_id", existing_type=sa.String(length=30), nullable=False)
        batch_op.alter_column(
            "first_frame_at", existing_type=sa.DateTime(timezone=True), nullable=False
        )
        batch_op.drop_column("opened_by")
    with op.batch_alter_table("patient_record", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_patient_record_merged_into"))
        batch_op.alter_column("psn_no", existing_type=sa.String(length=30), nullable=False)
        batch_op.alter_column("id_number_hash", existing_type=sa.LargeBinary(), nullable=False)
        batch_op.alter_column("id_number_sealed", existing_type=sa.LargeBinary(), nullable=False)
        batch_op.drop_column("estimated_sex")
        batch_op.drop_column("estimated_age_band")
        batch_op.drop_column("unknown_day")
        batch_op.drop_column("merged_into")
    with op.batch_alter_table("encounter", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_encounter_session_no"))
        batch_op.alter_column("intent_id", existing_type=sa.String(length=30), nullable=False)
        batch_op.alter_column("channel", existing_type=sa.String(length=10), nullable=False)
        batch_op.alter_column("terminal_id", existing_type=sa.String(length=30), nullable=False)
        batch_op.alter_column(
            "first_frame_at", existing_type=sa.DateTime(timezone=True), nullable=False
        )
        batch_op.alter_column("evidence_sealed", existing_type=sa.LargeBinary(), nullable=False)
        batch_op.drop_column("dept_name_en")
        batch_op.drop_column("dr_name_en")
        batch_op.drop_column("queue_turn")
        batch_op.drop_column("queue_rank")
        batch_op.drop_column("session_no")
        batch_op.drop_column("aged")
        batch_op.drop_column("triage")
        batch_op.drop_column("seen_by")
        batch_op.drop_column("override_by")
        batch_op.drop_column("override_reason")
        batch_op.drop_column("identity_verified_at")
        batch_op.drop_column("identity_channel")
        batch_op.drop_column("identified_by_command")
        batch_op.drop_column("identity_told_by")
        batch_op.drop_column("called_at")
        batch_op.drop_column("called_to")
        batch_op.drop_column("returned_at")
        batch_op.drop_column("misses")
