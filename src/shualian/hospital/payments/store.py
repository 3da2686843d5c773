"""Tables of payments: the command, what the person was shown, what the insurer settled."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SettlementId,
    TerminalId,
    VisitId,
)
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.model import (
    Amounts,
    Channel,
    FundDetail,
    Reason,
    SettlementAnswer,
    refusal_from_text,
    refusal_to_text,
)
from shualian.hospital.payments.model import Payment, PaymentState

metadata = MetaData()

_IDENTIFIER = String(30)
_AMOUNTS = tuple(each.name for each in fields(Amounts))


class Stage(StrEnum):
    """Which answer of the insurer a row belongs to."""

    CONFIRMED = "confirmed"
    SETTLED = "settled"


def _key(*more: str) -> list[Column[Any]]:
    return [
        Column("institution", _IDENTIFIER, primary_key=True),
        Column("command_id", _IDENTIFIER, primary_key=True),
        Column("stage", String(10), primary_key=True),
        *[Column(name, Integer, primary_key=True, autoincrement=False) for name in more],
    ]


def _of_answer() -> ForeignKeyConstraint:
    key = ["institution", "command_id", "stage"]
    return ForeignKeyConstraint(key, [f"payment_answer.{name}" for name in key])


payments = Table(
    "payment",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("encounter_no", _IDENTIFIER, nullable=False),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("mdtrt_id", _IDENTIFIER, nullable=False),
    Column("chrg_bchno", _IDENTIFIER, nullable=False),
    Column("acct_used_flag", Boolean, nullable=False),
    Column("intent_id", _IDENTIFIER, nullable=False),
    Column("prepared_at", UtcTime, nullable=False),
    Column("state", String(10), nullable=False),
    Column("channel", String(10)),
    Column("terminal_id", _IDENTIFIER),
    Column("first_frame_at", UtcTime),
    Column("evidence_sealed", LargeBinary),
    Column("sent_at", UtcTime),
    Column("unknown_since", UtcTime),
    Column("decided_at", UtcTime),
    Column("refusal", Text),
    UniqueConstraint("institution", "intent_id", name="uq_payment_intent"),
    Index("ix_payment_encounter", "institution", "encounter_no"),
    Index("ix_payment_state", "institution", "state"),
)

answers = Table(
    "payment_answer",
    metadata,
    *_key(),
    Column("setl_id", _IDENTIFIER),
    Column("setl_time", UtcTime, nullable=False),
    *[Column(name, BigInteger, nullable=False) for name in _AMOUNTS],
    ForeignKeyConstraint(
        ["institution", "command_id"], [payments.c.institution, payments.c.command_id]
    ),
)

funds = Table(
    "payment_fund",
    metadata,
    *_key("place"),
    Column("fund_pay_type", String(6), nullable=False),
    Column("fund_pay_type_name", String(200), nullable=False),
    Column("inscp_scp_amt", BigInteger, nullable=False),
    Column("crt_payb_lmt_amt", BigInteger, nullable=False),
    Column("fund_payamt", BigInteger, nullable=False),
    _of_answer(),
)

reasons = Table(
    "payment_reason",
    metadata,
    *_key("place"),
    Column("rule", String(50), nullable=False),
    Column("clause", String(200), nullable=False),
    Column("subject", String(50), nullable=False),
    Column("before", BigInteger, nullable=False),
    Column("after", BigInteger, nullable=False),
    Column("facts", Text, nullable=False),
    Column("zh", Text, nullable=False),
    Column("en", Text, nullable=False),
    _of_answer(),
)


@dataclass(frozen=True, slots=True)
class StoredPayment:
    """A payment with what only its sending needs.

    Attributes:
        payment: The payment.
        evidence_sealed: With what the person confirmed it, encrypted; none before it was sent.
        refused: What refused it, if anything did.
    """

    payment: Payment
    evidence_sealed: bytes | None = None
    refused: Refused | None = None


def add(connection: Connection, payment: Payment) -> None:
    """Insert a prepared payment with what the person is shown."""
    connection.execute(insert(payments).values(_row(payment)))
    _add_answer(connection, payment, Stage.CONFIRMED, payment.confirmed)


def change(connection: Connection, before: StoredPayment, after: StoredPayment) -> None:
    """Store where a payment stands now, and the settlement when there is one newly."""
    payment = after.payment
    refusal = None if after.refused is None else refusal_to_text(after.refused)
    connection.execute(
        update(payments)
        .where(
            payments.c.institution == payment.institution,
            payments.c.command_id == payment.command_id,
        )
        .values(_row(payment) | {"evidence_sealed": after.evidence_sealed, "refusal": refusal})
    )
    if before.payment.settled is None and payment.settled is not None:
        _add_answer(connection, payment, Stage.SETTLED, payment.settled)


def by_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> StoredPayment | None:
    """The payment of a command."""
    found = _stored(connection, institution, payments.c.command_id == command_id)
    return found[0] if found else None


def of_encounter(
    connection: Connection, institution: InstitutionCode, encounter_no: EncounterNo
) -> Sequence[StoredPayment]:
    """All payments of an encounter, the oldest first."""
    return _stored(connection, institution, payments.c.encounter_no == encounter_no)


def commands_in_states(
    connection: Connection,
    institution: InstitutionCode,
    states: frozenset[PaymentState],
    limit: int,
) -> Sequence[CommandId]:
    """The oldest ``limit`` payments that stand in one of ``states``."""
    query = (
        select(payments.c.command_id)
        .where(
            payments.c.institution == institution,
            payments.c.state.in_([state.value for state in states]),
        )
        .order_by(payments.c.prepared_at, payments.c.command_id)
        .limit(limit)
    )
    return [CommandId(command_id) for command_id in connection.scalars(query)]


def _stored(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> list[StoredPayment]:
    query = (
        select(payments)
        .where(payments.c.institution == institution, condition)
        .order_by(payments.c.prepared_at, payments.c.command_id)
    )
    return [_stored_payment(connection, row) for row in connection.execute(query).all()]


def _stored_payment(connection: Connection, row: Row[Any]) -> StoredPayment:
    institution, command_id = InstitutionCode(row.institution), CommandId(row.command_id)
    answered = _answers(connection, institution, command_id)
    payment = Payment(
        command_id=command_id,
        institution=institution,
        encounter_no=EncounterNo(row.encounter_no),
        psn_no=PersonNo(row.psn_no),
        mdtrt_id=VisitId(row.mdtrt_id),
        chrg_bchno=row.chrg_bchno,
        acct_used_flag=row.acct_used_flag,
        intent_id=IntentId(row.intent_id),
        prepared_at=row.prepared_at,
        confirmed=answered[Stage.CONFIRMED],
        state=PaymentState(row.state),
        channel=None if row.channel is None else Channel(row.channel),
        terminal_id=None if row.terminal_id is None else TerminalId(row.terminal_id),
        first_frame_at=row.first_frame_at,
        sent_at=row.sent_at,
        unknown_since=row.unknown_since,
        decided_at=row.decided_at,
        settled=answered.get(Stage.SETTLED),
    )
    refused = None if row.refusal is None else refusal_from_text(row.refusal)
    return StoredPayment(payment, row.evidence_sealed, refused)


def _row(payment: Payment) -> dict[str, Any]:
    return {
        "institution": payment.institution,
        "command_id": payment.command_id,
        "encounter_no": payment.encounter_no,
        "psn_no": payment.psn_no,
        "mdtrt_id": payment.mdtrt_id,
        "chrg_bchno": payment.chrg_bchno,
        "acct_used_flag": payment.acct_used_flag,
        "intent_id": payment.intent_id,
        "prepared_at": payment.prepared_at,
        "state": payment.state.value,
        "channel": None if payment.channel is None else payment.channel.value,
        "terminal_id": payment.terminal_id,
        "first_frame_at": payment.first_frame_at,
        "sent_at": payment.sent_at,
        "unknown_since": payment.unknown_since,
        "decided_at": payment.decided_at,
    }


def _add_answer(
    connection: Connection, payment: Payment, stage: Stage, answer: SettlementAnswer
) -> None:
    key = {
        "institution": payment.institution,
        "command_id": payment.command_id,
        "stage": stage.value,
    }
    amounts = {name: getattr(answer.amounts, name) for name in _AMOUNTS}
    head = {"setl_id": answer.setl_id, "setl_time": answer.setl_time}
    connection.execute(insert(answers).values(key | head | amounts))
    if answer.setldetail:
        connection.execute(
            insert(funds),
            [
                key
                | {"place": place}
                | {each.name: getattr(detail, each.name) for each in fields(detail)}
                for place, detail in enumerate(answer.setldetail)
            ],
        )
    if answer.reasons:
        connection.execute(
            insert(reasons),
            [
                key | {"place": place} | _reason_row(each)
                for place, each in enumerate(answer.reasons)
            ],
        )


def _reason_row(reason: Reason) -> dict[str, Any]:
    row: dict[str, Any] = {each.name: getattr(reason, each.name) for each in fields(reason)}
    return row | {"facts": json.dumps(dict(reason.facts), sort_keys=True)}


def _answers(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> dict[Stage, SettlementAnswer]:
    return {
        Stage(row.stage): SettlementAnswer(
            setl_id=None if row.setl_id is None else SettlementId(row.setl_id),
            setl_time=row.setl_time,
            amounts=Amounts(**{name: Fen(getattr(row, name)) for name in _AMOUNTS}),
            setldetail=tuple(
                FundDetail(
                    fund.fund_pay_type,
                    fund.fund_pay_type_name,
                    Fen(fund.inscp_scp_amt),
                    Fen(fund.crt_payb_lmt_amt),
                    Fen(fund.fund_payamt),
                )
                for fund in _rows(connection, funds, institution, command_id, row.stage)
            ),
            reasons=tuple(
                _reason(each)
                for each in _rows(connection, reasons, institution, command_id, row.stage)
            ),
        )
        for row in connection.execute(
            select(answers).where(
                answers.c.institution == institution, answers.c.command_id == command_id
            )
        ).all()
    }


def _rows(
    connection: Connection,
    table: Table,
    institution: InstitutionCode,
    command_id: CommandId,
    stage: str,
) -> Sequence[Row[Any]]:
    query = (
        select(table)
        .where(
            table.c.institution == institution,
            table.c.command_id == command_id,
            table.c.stage == stage,
        )
        .order_by(table.c.place)
    )
    return connection.execute(query).all()


def _reason(row: Row[Any]) -> Reason:
    return Reason(
        rule=row.rule,
        clause=row.clause,
        subject=row.subject,
        before=Fen(row.before),
        after=Fen(row.after),
        facts=json.loads(row.facts),
        zh=row.zh,
        en=row.en,
    )
