"""Records, encounters, orders, payments and cash."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make this revision."""
    _create_cash_taking()
    _create_charge_batch()
    _create_encounter()
    _create_patient_record()
    _create_payment()
    _create_charge_item()
    _create_payment_answer()
    _create_record_opening()
    _create_charge_split()
    _create_payment_fund()
    _create_payment_reason()


def downgrade() -> None:
    """Undo this revision."""
    op.drop_table("payment_reason")
    op.drop_table("payment_fund")
    op.drop_table("charge_split")
    op.drop_table("record_opening")
    op.drop_table("payment_answer")
    with op.batch_alter_table("charge_item", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_charge_item_encounter_no"))
        batch_op.drop_index(batch_op.f("ix_charge_item_chrg_bchno"))

    op.drop_table("charge_item")
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.drop_index("ix_payment_state")
        batch_op.drop_index("ix_payment_encounter")

    op.drop_table("payment")
    op.drop_table("patient_record")
    with op.batch_alter_table("encounter", schema=None) as batch_op:
        batch_op.drop_index("ix_encounter_state")
        batch_op.drop_index(batch_op.f("ix_encounter_record_no"))

    op.drop_table("encounter")
    with op.batch_alter_table("charge_batch", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_charge_batch_encounter_no"))

    op.drop_table("charge_batch")
    op.drop_table("cash_taking")


def _create_cash_taking() -> None:
    op.create_table(
        "cash_taking",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("payment", sa.String(length=30), nullable=False),
        sa.Column("due_fen", sa.BigInteger(), nullable=False),
        sa.Column("tendered_fen", sa.BigInteger(), nullable=False),
        sa.Column("taken_by", sa.String(length=30), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("institution", "command_id"),
        sa.UniqueConstraint("institution", "payment", name="uq_cash_taking_payment"),
    )


def _create_charge_batch() -> None:
    op.create_table(
        "charge_batch",
        sa.Column("chrg_bchno", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("encounter_no", sa.String(length=30), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("held_by", sa.String(length=30), nullable=True),
        sa.PrimaryKeyConstraint("chrg_bchno"),
    )
    with op.batch_alter_table("charge_batch", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_charge_batch_encounter_no"), ["encounter_no"], unique=False
        )


def _create_encounter() -> None:
    op.create_table(
        "encounter",
        sa.Column("encounter_no", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("record_no", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("dept_code", sa.String(length=30), nullable=False),
        sa.Column("dept_name", sa.String(length=100), nullable=False),
        sa.Column("caty", sa.String(length=6), nullable=False),
        sa.Column("queue_letter", sa.String(length=2), nullable=False),
        sa.Column("dr_code", sa.String(length=30), nullable=False),
        sa.Column("dr_name", sa.String(length=50), nullable=False),
        sa.Column("insutype", sa.String(length=6), nullable=False),
        sa.Column("med_type", sa.String(length=6), nullable=False),
        sa.Column("intent_id", sa.String(length=30), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("terminal_id", sa.String(length=30), nullable=False),
        sa.Column("first_frame_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("age_band", sa.String(length=5), nullable=False),
        sa.Column("begntime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("evidence_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("mdtrt_id", sa.String(length=30), nullable=True),
        sa.Column("queue_place", sa.Integer(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("encounter_no"),
        sa.UniqueConstraint("institution", "command_id", name="uq_encounter_command"),
        sa.UniqueConstraint(
            "institution", "day", "dept_code", "queue_place", name="uq_encounter_queue"
        ),
        sa.UniqueConstraint("institution", "intent_id", name="uq_encounter_intent"),
    )
    with op.batch_alter_table("encounter", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_encounter_record_no"), ["record_no"], unique=False)
        batch_op.create_index("ix_encounter_state", ["institution", "state"], unique=False)


def _create_patient_record() -> None:
    op.create_table(
        "patient_record",
        sa.Column("record_no", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("id_number_hash", sa.LargeBinary(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("id_number_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("record_no"),
        sa.UniqueConstraint("institution", "id_number_hash", name="uq_patient_record_id_number"),
        sa.UniqueConstraint("institution", "psn_no", name="uq_patient_record_psn_no"),
    )


def _create_payment() -> None:
    op.create_table(
        "payment",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("encounter_no", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("mdtrt_id", sa.String(length=30), nullable=False),
        sa.Column("chrg_bchno", sa.String(length=30), nullable=False),
        sa.Column("acct_used_flag", sa.Boolean(), nullable=False),
        sa.Column("intent_id", sa.String(length=30), nullable=False),
        sa.Column("prepared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=True),
        sa.Column("terminal_id", sa.String(length=30), nullable=True),
        sa.Column("first_frame_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evidence_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unknown_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("institution", "command_id"),
        sa.UniqueConstraint("institution", "intent_id", name="uq_payment_intent"),
    )
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.create_index("ix_payment_encounter", ["institution", "encounter_no"], unique=False)
        batch_op.create_index("ix_payment_state", ["institution", "state"], unique=False)


def _create_charge_item() -> None:
    op.create_table(
        "charge_item",
        sa.Column("feedetl_sn", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("encounter_no", sa.String(length=30), nullable=False),
        sa.Column("chrg_bchno", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("medins_list_codg", sa.String(length=150), nullable=False),
        sa.Column("med_list_codg", sa.String(length=50), nullable=False),
        sa.Column("name_zh", sa.String(length=100), nullable=False),
        sa.Column("name_en", sa.String(length=100), nullable=False),
        sa.Column("pric", sa.String(length=30), nullable=False),
        sa.Column("cnt", sa.String(length=30), nullable=False),
        sa.Column("det_item_fee_sumamt", sa.BigInteger(), nullable=False),
        sa.Column("fee_ocur_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bilg_dept_codg", sa.String(length=30), nullable=False),
        sa.Column("bilg_dept_name", sa.String(length=100), nullable=False),
        sa.Column("bilg_dr_codg", sa.String(length=30), nullable=False),
        sa.Column("bilg_dr_name", sa.String(length=50), nullable=False),
        sa.ForeignKeyConstraint(
            ["chrg_bchno"],
            ["charge_batch.chrg_bchno"],
        ),
        sa.PrimaryKeyConstraint("feedetl_sn"),
        sa.UniqueConstraint("institution", "command_id", "line_no", name="uq_charge_item_line"),
    )
    with op.batch_alter_table("charge_item", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_charge_item_chrg_bchno"), ["chrg_bchno"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_charge_item_encounter_no"), ["encounter_no"], unique=False
        )


def _create_payment_answer() -> None:
    op.create_table(
        "payment_answer",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("setl_id", sa.String(length=30), nullable=True),
        sa.Column("setl_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("medfee_sumamt", sa.BigInteger(), nullable=False),
        sa.Column("fulamt_ownpay_amt", sa.BigInteger(), nullable=False),
        sa.Column("overlmt_selfpay", sa.BigInteger(), nullable=False),
        sa.Column("preselfpay_amt", sa.BigInteger(), nullable=False),
        sa.Column("inscp_scp_amt", sa.BigInteger(), nullable=False),
        sa.Column("act_pay_dedc", sa.BigInteger(), nullable=False),
        sa.Column("hifp_pay", sa.BigInteger(), nullable=False),
        sa.Column("cvlserv_pay", sa.BigInteger(), nullable=False),
        sa.Column("hifes_pay", sa.BigInteger(), nullable=False),
        sa.Column("hifmi_pay", sa.BigInteger(), nullable=False),
        sa.Column("hifob_pay", sa.BigInteger(), nullable=False),
        sa.Column("maf_pay", sa.BigInteger(), nullable=False),
        sa.Column("hifdm_pay", sa.BigInteger(), nullable=False),
        sa.Column("oth_pay", sa.BigInteger(), nullable=False),
        sa.Column("fund_pay_sumamt", sa.BigInteger(), nullable=False),
        sa.Column("psn_part_amt", sa.BigInteger(), nullable=False),
        sa.Column("acct_pay", sa.BigInteger(), nullable=False),
        sa.Column("acct_mulaid_pay", sa.BigInteger(), nullable=False),
        sa.Column("psn_cash_pay", sa.BigInteger(), nullable=False),
        sa.Column("hosp_part_amt", sa.BigInteger(), nullable=False),
        sa.Column("balc", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution", "command_id"],
            ["payment.institution", "payment.command_id"],
        ),
        sa.PrimaryKeyConstraint("institution", "command_id", "stage"),
    )


def _create_record_opening() -> None:
    op.create_table(
        "record_opening",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("record_no", sa.String(length=30), nullable=False),
        sa.Column("intent_id", sa.String(length=30), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("terminal_id", sa.String(length=30), nullable=False),
        sa.Column("first_frame_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_no"],
            ["patient_record.record_no"],
        ),
        sa.PrimaryKeyConstraint("institution", "command_id"),
    )


def _create_charge_split() -> None:
    op.create_table(
        "charge_split",
        sa.Column("feedetl_sn", sa.String(length=30), nullable=False),
        sa.Column("fulamt_ownpay_amt", sa.BigInteger(), nullable=False),
        sa.Column("overlmt_amt", sa.BigInteger(), nullable=False),
        sa.Column("preselfpay_amt", sa.BigInteger(), nullable=False),
        sa.Column("inscp_scp_amt", sa.BigInteger(), nullable=False),
        sa.Column("chrgitm_lv", sa.String(length=3), nullable=False),
        sa.Column("med_chrgitm_type", sa.String(length=6), nullable=False),
        sa.Column("selfpay_prop", sa.String(length=30), nullable=False),
        sa.Column("pric_uplmt_amt", sa.String(length=30), nullable=True),
        sa.ForeignKeyConstraint(
            ["feedetl_sn"],
            ["charge_item.feedetl_sn"],
        ),
        sa.PrimaryKeyConstraint("feedetl_sn"),
    )


def _create_payment_fund() -> None:
    op.create_table(
        "payment_fund",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fund_pay_type", sa.String(length=6), nullable=False),
        sa.Column("fund_pay_type_name", sa.String(length=200), nullable=False),
        sa.Column("inscp_scp_amt", sa.BigInteger(), nullable=False),
        sa.Column("crt_payb_lmt_amt", sa.BigInteger(), nullable=False),
        sa.Column("fund_payamt", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution", "command_id", "stage"],
            ["payment_answer.institution", "payment_answer.command_id", "payment_answer.stage"],
        ),
        sa.PrimaryKeyConstraint("institution", "command_id", "stage", "place"),
    )


def _create_payment_reason() -> None:
    op.create_table(
        "payment_reason",
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("command_id", sa.String(length=30), nullable=False),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rule", sa.String(length=50), nullable=False),
        sa.Column("clause", sa.String(length=200), nullable=False),
        sa.Column("subject", sa.String(length=50), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("zh", sa.Text(), nullable=False),
        sa.Column("en", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution", "command_id", "stage"],
            ["payment_answer.institution", "payment_answer.command_id", "payment_answer.stage"],
        ),
        sa.PrimaryKeyConstraint("institution", "command_id", "stage", "place"),
    )
