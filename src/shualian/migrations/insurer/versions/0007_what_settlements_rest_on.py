"""Settlements that say what they rest on; commands and reversals; visits and pending money.

Every new column is part of what a settlement means and cannot be made up afterwards, so the money
tables are made anew, and a database with settlements in it is refused. None was served before.
"""

from importlib import import_module

import sqlalchemy as sa
from alembic import op

from shualian.migrations.insert_only import allow_changes, forbid_changes

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


_MADE_ANEW = (
    "insurer_visit",
    "ledger_posting",
    "ledger_entry",
    "settlement",
    "insurer_charge_item",
)
_INSERT_ONLY = (
    "ledger_posting",
    "ledger_entry",
    "settlement",
    "insurer_command",
    "insurer_reversal",
)
_INSERT_ONLY_BEFORE = _INSERT_ONLY[:3]


def upgrade() -> None:
    """Make this revision."""
    _forget_money(_INSERT_ONLY_BEFORE)
    _create_insured_card()
    _create_insurer_visit()
    _create_ledger_posting()
    _create_payment_limit()
    _create_insurer_visit_information()
    _create_ledger_entry()
    _create_settlement()
    _create_insurer_charge_item()
    _create_insurer_command()
    _create_insurer_reversal()
    for table in _INSERT_ONLY:
        forbid_changes(table)


def downgrade() -> None:
    """Undo this revision."""
    for table in _INSERT_ONLY[3:]:
        allow_changes(table)
    for table in ("insurer_reversal", "insurer_command", "insurer_visit_information"):
        op.drop_table(table)
    _forget_money(_INSERT_ONLY_BEFORE)
    for table in ("payment_limit", "insured_card"):
        op.drop_table(table)
    before = import_module("shualian.migrations.insurer.versions.0002_tables")
    for table in _MADE_ANEW:
        getattr(before, f"_create_{table}")()
    for table in _INSERT_ONLY_BEFORE:
        forbid_changes(table)


def _forget_money(insert_only: tuple[str, ...]) -> None:
    """Drop the money tables, if no money was settled in them."""
    table = sa.table("settlement")
    settled = op.get_bind().scalar(sa.select(sa.func.count()).select_from(table))
    if settled:
        raise RuntimeError(f"{settled} settlements would be lost; keep this database as it is")
    for name in insert_only:
        allow_changes(name)
    for name in reversed(_MADE_ANEW):
        op.drop_table(name)


def _create_insured_card() -> None:
    op.create_table(
        "insured_card",
        sa.Column("card_hash", sa.LargeBinary(), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("card_hash"),
    )
    op.create_index(op.f("ix_insured_card_psn_no"), "insured_card", ["psn_no"], unique=False)


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
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("discharged_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("mdtrt_id"),
        sa.UniqueConstraint("institution", "intent_id"),
        sa.UniqueConstraint("institution", "ipt_otp_no"),
    )
    op.create_index(op.f("ix_insurer_visit_psn_no"), "insurer_visit", ["psn_no"], unique=False)


def _create_ledger_posting() -> None:
    op.create_table(
        "ledger_posting",
        sa.Column("posting_id", sa.String(length=30), nullable=False),
        sa.Column("cause", sa.String(length=20), nullable=False),
        sa.Column("cause_id", sa.String(length=60), nullable=False),
        sa.Column("undoes", sa.String(length=30), nullable=True),
        sa.Column("phase", sa.String(length=10), nullable=False),
        sa.Column("resolves", sa.String(length=30), nullable=True),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["resolves"], ["ledger_posting.posting_id"]),
        sa.ForeignKeyConstraint(["undoes"], ["ledger_posting.posting_id"]),
        sa.PrimaryKeyConstraint("posting_id"),
        sa.UniqueConstraint("cause", "cause_id"),
        sa.UniqueConstraint("resolves"),
        sa.UniqueConstraint("undoes"),
    )


def _create_payment_limit() -> None:
    op.create_table(
        "payment_limit",
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("transaction_fen", sa.BigInteger(), nullable=False),
        sa.Column("day_fen", sa.BigInteger(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("psn_no"),
    )


def _create_insurer_visit_information() -> None:
    op.create_table(
        "insurer_visit_information",
        sa.Column("mdtrt_id", sa.String(length=30), nullable=False),
        sa.Column("content_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["mdtrt_id"], ["insurer_visit.mdtrt_id"]),
        sa.PrimaryKeyConstraint("mdtrt_id"),
    )


def _create_ledger_entry() -> None:
    op.create_table(
        "ledger_entry",
        sa.Column("posting_id", sa.String(length=30), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_kind", sa.String(length=20), nullable=False),
        sa.Column("account_owner", sa.String(length=60), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("pending", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["posting_id"], ["ledger_posting.posting_id"]),
        sa.PrimaryKeyConstraint("posting_id", "line"),
    )
    op.create_index(
        op.f("ix_ledger_entry_account_owner"), "ledger_entry", ["account_owner"], unique=False
    )


def _create_settlement() -> None:
    op.create_table(
        "settlement",
        sa.Column("setl_id", sa.String(length=30), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("cancels", sa.String(length=30), nullable=True),
        sa.Column("institution", sa.String(length=12), nullable=False),
        sa.Column("command_id", sa.String(length=60), nullable=False),
        sa.Column("intent_id", sa.String(length=30), nullable=True),
        sa.Column("proof_use", sa.String(length=30), nullable=True),
        sa.Column("rests_on", sa.String(length=30), nullable=True),
        sa.Column("evidence", sa.String(length=10), nullable=False),
        sa.Column("evidence_reference", sa.String(length=64), nullable=False),
        sa.Column("second_factor", sa.String(length=10), nullable=False),
        sa.Column("subject", sa.String(length=30), nullable=False),
        sa.Column("relation", sa.String(length=10), nullable=False),
        sa.Column("terminal_id", sa.String(length=30), nullable=False),
        sa.Column("seen_by", sa.String(length=30), nullable=False),
        sa.Column("unpinned_fen", sa.BigInteger(), nullable=False),
        sa.Column("mdtrt_id", sa.String(length=30), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("insutype", sa.String(length=6), nullable=False),
        sa.Column("insuplc_admdvs", sa.String(length=6), nullable=False),
        sa.Column("med_type", sa.String(length=6), nullable=False),
        sa.Column("chrg_bchno", sa.String(length=30), nullable=False),
        sa.Column("mid_setl_flag", sa.String(length=1), nullable=False),
        sa.Column("setl_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business_day", sa.String(length=10), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("accrual", sa.String(length=2000), nullable=False),
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
        sa.ForeignKeyConstraint(["cancels"], ["settlement.setl_id"]),
        sa.ForeignKeyConstraint(["mdtrt_id"], ["insurer_visit.mdtrt_id"]),
        sa.ForeignKeyConstraint(["rests_on"], ["settlement.setl_id"]),
        sa.PrimaryKeyConstraint("setl_id"),
        sa.UniqueConstraint("cancels"),
        sa.UniqueConstraint("institution", "intent_id", "proof_use"),
        sa.UniqueConstraint("rests_on"),
    )
    op.create_index(
        "ix_settlement_institution_business_day",
        "settlement",
        ["institution", "business_day"],
        unique=False,
    )
    op.create_index(op.f("ix_settlement_mdtrt_id"), "settlement", ["mdtrt_id"], unique=False)
    op.create_index(
        "ix_settlement_psn_no_business_day", "settlement", ["psn_no", "business_day"], unique=False
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
        sa.Column("hosp_appr_flag", sa.String(length=3), nullable=False),
        sa.Column("dise_codg", sa.String(length=30), nullable=False),
        sa.Column("settled_by", sa.String(length=30), nullable=True),
        sa.ForeignKeyConstraint(["mdtrt_id"], ["insurer_visit.mdtrt_id"]),
        sa.ForeignKeyConstraint(["settled_by"], ["settlement.setl_id"]),
        sa.PrimaryKeyConstraint("mdtrt_id", "feedetl_sn"),
    )
    op.create_index(
        op.f("ix_insurer_charge_item_settled_by"),
        "insurer_charge_item",
        ["settled_by"],
        unique=False,
    )


def _create_insurer_command() -> None:
    op.create_table(
        "insurer_command",
        sa.Column("institution", sa.String(length=12), nullable=False),
        sa.Column("command_id", sa.String(length=60), nullable=False),
        sa.Column("command_digest", sa.LargeBinary(), nullable=False),
        sa.Column("setl_id", sa.String(length=30), nullable=True),
        sa.Column("rest_setl_id", sa.String(length=30), nullable=True),
        sa.Column("refusal_code", sa.String(length=60), nullable=True),
        sa.Column("refusal_details", sa.String(length=1000), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(setl_id IS NULL) <> (refusal_code IS NULL)", name="ck_insurer_command_done_or_refused"
        ),
        sa.ForeignKeyConstraint(["rest_setl_id"], ["settlement.setl_id"]),
        sa.ForeignKeyConstraint(["setl_id"], ["settlement.setl_id"]),
        sa.PrimaryKeyConstraint("institution", "command_id"),
    )


def _create_insurer_reversal() -> None:
    op.create_table(
        "insurer_reversal",
        sa.Column("institution", sa.String(length=12), nullable=False),
        sa.Column("command_id", sa.String(length=60), nullable=False),
        sa.Column("psn_no", sa.String(length=30), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("undone_by", sa.String(length=30), nullable=True),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["undone_by"], ["settlement.setl_id"]),
        sa.PrimaryKeyConstraint("institution", "command_id"),
    )
