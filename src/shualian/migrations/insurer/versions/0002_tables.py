"""Persons, institutions, ledger, settlements, gallery, sessions and proofs."""

import sqlalchemy as sa
from alembic import op

from shualian.migrations.insert_only import allow_changes, forbid_changes

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INSERT_ONLY = ("ledger_posting", "ledger_entry", "settlement")


def upgrade() -> None:
    """Make this revision."""
    _create_contracted_institution()
    _create_gallery()
    _create_insured_person()
    _create_insurer_visit()
    _create_ledger_posting()
    _create_personal_account()
    _create_verification_session()
    _create_year_counter()
    _create_gallery_template()
    _create_insurance()
    _create_ledger_entry()
    _create_settlement()
    _create_verification_consent()
    _create_verification_person()
    _create_verification_proof()
    _create_insurer_charge_item()
    _create_verification_redemption()
    for table in _INSERT_ONLY:
        forbid_changes(table)


def downgrade() -> None:
    """Undo this revision."""
    for table in _INSERT_ONLY:
        allow_changes(table)
    with op.batch_alter_table("verification_redemption", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_verification_redemption_auth_digest"))

    op.drop_table("verification_redemption")
    with op.batch_alter_table("insurer_charge_item", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_insurer_charge_item_settled_by"))

    op.drop_table("insurer_charge_item")
    op.drop_table("verification_proof")
    op.drop_table("verification_person")
    op.drop_table("verification_consent")
    with op.batch_alter_table("settlement", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_settlement_setl_time"))
        batch_op.drop_index(batch_op.f("ix_settlement_psn_no"))

    op.drop_table("settlement")
    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ledger_entry_account_owner"))

    op.drop_table("ledger_entry")
    op.drop_table("insurance")
    with op.batch_alter_table("gallery_template", schema=None) as batch_op:
        batch_op.drop_index("ix_gallery_template_subject")

    op.drop_table("gallery_template")
    op.drop_table("year_counter")
    op.drop_table("verification_session")
    op.drop_table("personal_account")
    op.drop_table("ledger_posting")
    with op.batch_alter_table("insurer_visit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_insurer_visit_psn_no"))

    op.drop_table("insurer_visit")
    op.drop_table("insured_person")
    op.drop_table("gallery")
    op.drop_table("contracted_institution")


def _create_contracted_institution() -> None:
    op.create_table(
        "contracted_institution",
        sa.Column("fixmedins_code", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("level", sa.String(length=2), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.PrimaryKeyConstraint("fixmedins_code"),
    )


def _create_gallery() -> None:
    op.create_table(
        "gallery",
        sa.Column("gallery", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("gallery"),
    )


def _create_insured_person() -> None:
    op.create_table(
        "insured_person",
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("id_number_hash", sa.LargeBinary(), nullable=False),
        sa.Column("certno_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("psn_name_sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("psn_no"),
        sa.UniqueConstraint("id_number_hash"),
    )


def _create_insurer_visit() -> None:
    op.create_table(
        "insurer_visit",
        sa.Column("mdtrt_id", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=12), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("insutype", sa.String(length=6), nullable=False),
        sa.Column("begntime", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mdtrt_cert_type", sa.String(length=3), nullable=False),
        sa.Column("ipt_otp_no", sa.String(length=30), nullable=False),
        sa.Column("atddr_no", sa.String(length=30), nullable=False),
        sa.Column("dept_code", sa.String(length=30), nullable=False),
        sa.Column("caty", sa.String(length=6), nullable=False),
        sa.Column("intent_id", sa.String(length=30), nullable=True),
        sa.PrimaryKeyConstraint("mdtrt_id"),
        sa.UniqueConstraint("institution", "intent_id"),
        sa.UniqueConstraint("institution", "ipt_otp_no"),
    )
    with op.batch_alter_table("insurer_visit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_insurer_visit_psn_no"), ["psn_no"], unique=False)


def _create_ledger_posting() -> None:
    op.create_table(
        "ledger_posting",
        sa.Column("posting_id", sa.String(length=30), nullable=False),
        sa.Column("cause", sa.String(length=20), nullable=False),
        sa.Column("cause_id", sa.String(length=60), nullable=False),
        sa.Column("undoes", sa.String(length=30), nullable=True),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["undoes"],
            ["ledger_posting.posting_id"],
        ),
        sa.PrimaryKeyConstraint("posting_id"),
        sa.UniqueConstraint("cause", "cause_id"),
        sa.UniqueConstraint("undoes"),
    )


def _create_personal_account() -> None:
    op.create_table(
        "personal_account",
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("balance_fen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("psn_no"),
    )


def _create_verification_session() -> None:
    op.create_table(
        "verification_session",
        sa.Column("session_id", sa.String(length=30), nullable=False),
        sa.Column("terminal_id", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("terminal_class", sa.String(length=10), nullable=False),
        sa.Column("scene", sa.String(length=5), nullable=False),
        sa.Column("nonce_digest", sa.String(length=64), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("comparisons", sa.Integer(), nullable=False),
        sa.Column("error_upper95", sa.Float(precision=53), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_because", sa.String(length=60), nullable=True),
        sa.Column("proof_issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("session_id"),
    )


def _create_year_counter() -> None:
    op.create_table(
        "year_counter",
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("insutype", sa.String(length=6), nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("counter", sa.String(length=30), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("psn_no", "insutype", "year", "counter"),
    )


def _create_gallery_template() -> None:
    op.create_table(
        "gallery_template",
        sa.Column("template_id", sa.String(length=26), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("gallery", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("path_id", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("quality", sa.Integer(), nullable=False),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["gallery"], ["gallery.gallery"], name="fk_gallery_template_gallery"
        ),
        sa.PrimaryKeyConstraint("template_id", "key_id"),
    )
    with op.batch_alter_table("gallery_template", schema=None) as batch_op:
        batch_op.create_index("ix_gallery_template_subject", ["gallery", "subject"], unique=False)


def _create_insurance() -> None:
    op.create_table(
        "insurance",
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("insutype", sa.String(length=6), nullable=False),
        sa.Column("psn_type", sa.String(length=6), nullable=False),
        sa.Column("insuplc_admdvs", sa.String(length=6), nullable=False),
        sa.Column("psn_insu_stas", sa.String(length=6), nullable=False),
        sa.ForeignKeyConstraint(
            ["psn_no"],
            ["insured_person.psn_no"],
        ),
        sa.PrimaryKeyConstraint("psn_no", "insutype"),
    )


def _create_ledger_entry() -> None:
    op.create_table(
        "ledger_entry",
        sa.Column("posting_id", sa.String(length=30), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_kind", sa.String(length=20), nullable=False),
        sa.Column("account_owner", sa.String(length=60), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["posting_id"],
            ["ledger_posting.posting_id"],
        ),
        sa.PrimaryKeyConstraint("posting_id", "line"),
    )
    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_ledger_entry_account_owner"), ["account_owner"], unique=False
        )


def _create_settlement() -> None:
    op.create_table(
        "settlement",
        sa.Column("setl_id", sa.String(length=30), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("cancels", sa.String(length=30), nullable=True),
        sa.Column("institution", sa.String(length=12), nullable=False),
        sa.Column("command_id", sa.String(length=60), nullable=False),
        sa.Column("command_digest", sa.LargeBinary(), nullable=False),
        sa.Column("intent_id", sa.String(length=30), nullable=True),
        sa.Column("proof_use", sa.String(length=30), nullable=True),
        sa.Column("mdtrt_id", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("insutype", sa.String(length=6), nullable=False),
        sa.Column("insuplc_admdvs", sa.String(length=6), nullable=False),
        sa.Column("med_type", sa.String(length=6), nullable=False),
        sa.Column("chrg_bchno", sa.String(length=30), nullable=False),
        sa.Column("setl_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("policy_id", sa.String(length=200), nullable=False),
        sa.Column("policy_version", sa.String(length=200), nullable=False),
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
        sa.Column("answer_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cancels"],
            ["settlement.setl_id"],
        ),
        sa.ForeignKeyConstraint(
            ["mdtrt_id"],
            ["insurer_visit.mdtrt_id"],
        ),
        sa.PrimaryKeyConstraint("setl_id"),
        sa.UniqueConstraint("cancels"),
        sa.UniqueConstraint("institution", "command_id"),
        sa.UniqueConstraint("institution", "intent_id", "proof_use"),
    )
    with op.batch_alter_table("settlement", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_settlement_psn_no"), ["psn_no"], unique=False)
        batch_op.create_index(batch_op.f("ix_settlement_setl_time"), ["setl_time"], unique=False)


def _create_verification_consent() -> None:
    op.create_table(
        "verification_consent",
        sa.Column("session_id", sa.String(length=30), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("notice_version", sa.String(length=30), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["verification_session.session_id"],
        ),
        sa.PrimaryKeyConstraint("session_id", "purpose"),
    )


def _create_verification_person() -> None:
    op.create_table(
        "verification_person",
        sa.Column("session_id", sa.String(length=30), nullable=False),
        sa.Column("subject", sa.String(length=30), nullable=False),
        sa.Column("score", sa.Float(precision=53), nullable=False),
        sa.Column("fmr", sa.Float(precision=53), nullable=False),
        sa.Column("fmr_upper95", sa.Float(precision=53), nullable=False),
        sa.Column("threshold", sa.Float(precision=53), nullable=False),
        sa.Column("path_id", sa.String(length=200), nullable=False),
        sa.Column("data", sa.String(length=200), nullable=False),
        sa.Column("proven_for_population", sa.Boolean(), nullable=False),
        sa.Column("comparisons", sa.Integer(), nullable=False),
        sa.Column("error_upper95", sa.Float(precision=53), nullable=False),
        sa.Column("factors", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["verification_session.session_id"],
        ),
        sa.PrimaryKeyConstraint("session_id"),
    )


def _create_verification_proof() -> None:
    op.create_table(
        "verification_proof",
        sa.Column("auth_digest", sa.String(length=64), nullable=False),
        sa.Column("session_id", sa.String(length=30), nullable=False),
        sa.Column("subject", sa.String(length=30), nullable=False),
        sa.Column("beneficiary", sa.String(length=30), nullable=False),
        sa.Column("relation", sa.String(length=10), nullable=False),
        sa.Column("intent_id", sa.String(length=30), nullable=False),
        sa.Column("scene", sa.String(length=5), nullable=False),
        sa.Column("terminal_id", sa.String(length=30), nullable=False),
        sa.Column("institution", sa.String(length=30), nullable=False),
        sa.Column("amount_max_fen", sa.BigInteger(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["verification_session.session_id"],
        ),
        sa.PrimaryKeyConstraint("auth_digest"),
        sa.UniqueConstraint("session_id"),
    )


def _create_insurer_charge_item() -> None:
    op.create_table(
        "insurer_charge_item",
        sa.Column("mdtrt_id", sa.String(length=30), nullable=False),
        sa.Column("feedetl_sn", sa.String(length=30), nullable=False),
        sa.Column("chrg_bchno", sa.String(length=30), nullable=False),
        sa.Column("fee_ocur_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("med_list_codg", sa.String(length=50), nullable=False),
        sa.Column("medins_list_codg", sa.String(length=150), nullable=False),
        sa.Column("det_item_fee_sumamt", sa.BigInteger(), nullable=False),
        sa.Column("cnt", sa.BigInteger(), nullable=False),
        sa.Column("pric", sa.BigInteger(), nullable=False),
        sa.Column("bilg_dept_codg", sa.String(length=30), nullable=False),
        sa.Column("bilg_dr_codg", sa.String(length=30), nullable=False),
        sa.Column("rxno", sa.String(length=30), nullable=False),
        sa.Column("settled_by", sa.String(length=30), nullable=True),
        sa.ForeignKeyConstraint(
            ["mdtrt_id"],
            ["insurer_visit.mdtrt_id"],
        ),
        sa.ForeignKeyConstraint(
            ["settled_by"],
            ["settlement.setl_id"],
        ),
        sa.PrimaryKeyConstraint("mdtrt_id", "feedetl_sn"),
    )
    with op.batch_alter_table("insurer_charge_item", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_insurer_charge_item_settled_by"), ["settled_by"], unique=False
        )


def _create_verification_redemption() -> None:
    op.create_table(
        "verification_redemption",
        sa.Column("intent_id", sa.String(length=30), nullable=False),
        sa.Column("use", sa.String(length=30), nullable=False),
        sa.Column("auth_digest", sa.String(length=64), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["auth_digest"],
            ["verification_proof.auth_digest"],
        ),
        sa.PrimaryKeyConstraint("intent_id", "use"),
    )
    with op.batch_alter_table("verification_redemption", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_verification_redemption_auth_digest"), ["auth_digest"], unique=False
        )
