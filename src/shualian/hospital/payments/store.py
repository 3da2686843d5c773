"""Tables of payments: the command, what the person was shown, what the insurer settled."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
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
    delete,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.database.rows import Sought, changed_rows, find, new_row, sought, write
from shualian.core.database.statements import Filled
from shualian.core.identifiers import (
    ChargeItemNo,
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
from shualian.hospital.payments.model import (
    NOT_SETTLED,
    OPEN_AT_WALLET,
    UNDECIDED,
    UNDER_WAY,
    Booked,
    ItemRefund,
    Kept,
    Payment,
    PaymentState,
    RefundSources,
    RefundState,
    SlipNo,
    WalletPart,
)
from shualian.hospital.wallet.model import DeclineReason, WalletPayment
from shualian.hospital.wallet.model import PaymentState as WalletState

metadata = MetaData()

_IDENTIFIER = String(30)
_AMOUNTS = tuple(each.name for each in fields(Amounts))
_SOURCES = tuple(each.name for each in fields(RefundSources))


class Stage(StrEnum):
    """Which answer of the insurer a row belongs to."""

    CONFIRMED = "confirmed"
    SETTLED = "settled"
    REST = "rest"
    """The last one that a refund left; its refund says what each gave back."""


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
    Column("slip_no", String(10)),
    Column("reserved_at", UtcTime),
    Column("cancel_id", _IDENTIFIER),
    Column("cancelled_at", UtcTime),
    Column("cancellation", _IDENTIFIER),
    Column("refund_id", _IDENTIFIER),
    Column("acted_by", _IDENTIFIER),
    UniqueConstraint("institution", "intent_id", name="uq_payment_intent"),
    UniqueConstraint("institution", "slip_no", name="uq_payment_slip"),
    Index("ix_payment_encounter", "institution", "encounter_no"),
    Index("ix_payment_state", "institution", "state"),
)

wallet_parts = Table(
    "payment_wallet",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("hold_id", _IDENTIFIER, nullable=False),
    Column("capture_id", _IDENTIFIER, nullable=False),
    Column("void_id", _IDENTIFIER, nullable=False),
    Column("refund_id", _IDENTIFIER, nullable=False),
    Column("payer_sealed", LargeBinary, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("state", String(10), nullable=False),
    Column("captured_fen", BigInteger, nullable=False),
    Column("refunded_fen", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("declined", String(30)),
    Column("back_fen", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("institution", "hold_id", name="uq_payment_wallet_hold"),
    Index("ix_payment_wallet_state", "institution", "state"),
    ForeignKeyConstraint(
        ["institution", "command_id"], [payments.c.institution, payments.c.command_id]
    ),
)
"""What of a payment comes from an e-payment account; a row before the wallet is asked."""

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


refunds = Table(
    "payment_refund",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("payment", _IDENTIFIER, nullable=False),
    Column("encounter_no", _IDENTIFIER, nullable=False),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("items", Text, nullable=False),
    Column("kept", Text, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("state", String(10), nullable=False),
    Column("decided_at", UtcTime),
    Column("cancellation", _IDENTIFIER),
    Column("refusal", Text),
    *[Column(name, BigInteger) for name in _SOURCES],
    Column("undone", Text),
    Column("rest", Text),
    Column("booked_at", UtcTime),
    Index("ix_payment_refund_payment", "institution", "payment"),
    Index("ix_payment_refund_booked", "institution", "booked_at"),
    ForeignKeyConstraint(
        ["institution", "payment"], [payments.c.institution, payments.c.command_id]
    ),
)
"""One row for each time that lines of a payment are given back; before the insurer is asked."""


@dataclass(frozen=True, slots=True)
class StoredPayment:
    """A payment with what only its sending needs.

    Attributes:
        payment: The payment.
        evidence_sealed: With what the person confirmed it, encrypted; none before it was sent.
        refused: What refused it, if anything did.
        payer_sealed: The account that gives a part, encrypted; none where nothing comes from one.
    """

    payment: Payment
    evidence_sealed: bytes | None = None
    refused: Refused | None = None
    payer_sealed: bytes | None = None


def add(connection: Connection, payment: Payment) -> None:
    """Insert a prepared payment with what the person is shown."""
    shown = _answer_rows(payment, Stage.CONFIRMED, payment.confirmed)
    write(connection, [new_row(payments, _row(payment)), *shown])


def change(connection: Connection, before: StoredPayment, after: StoredPayment) -> None:
    """Store where a payment stands now, and the settlement when there is one newly."""
    payment = after.payment
    refusal = None if after.refused is None else refusal_to_text(after.refused)
    values = _row(payment) | {"evidence_sealed": after.evidence_sealed, "refusal": refusal}
    told = [changed_rows(payments, values, **_key_of(payment))]
    if before.payment.settled is None and payment.settled is not None:
        told += _answer_rows(payment, Stage.SETTLED, payment.settled)
    if payment.rest is not None and payment.rest != before.payment.rest:
        _drop_answer(connection, payment, Stage.REST)
        told += _answer_rows(payment, Stage.REST, payment.rest)
    if before.payment.wallet != payment.wallet and payment.wallet is not None:
        told.append(_part_row(after, payment.wallet, is_new=before.payment.wallet is None))
    write(connection, told)


def by_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> StoredPayment | None:
    """The payment of a command."""
    key = {"institution": institution, "command_id": command_id}
    rows, *parts = find(connection, sought(payments, **key), *_parts_of(**key))
    return _stored_payment(rows[0], parts) if rows else None


def of_encounter(
    connection: Connection, institution: InstitutionCode, encounter_no: EncounterNo
) -> Sequence[StoredPayment]:
    """All payments of an encounter, the oldest first."""
    order = ("prepared_at", "command_id")
    one = sought(payments, *order, institution=institution, encounter_no=encounter_no)
    return _stored_payments(connection, find(connection, one)[0])


def cancelling_of(
    connection: Connection, institution: InstitutionCode, encounter_no: EncounterNo
) -> frozenset[CommandId]:
    """The payments of an encounter whose cancellation has begun and has no outcome."""
    query = select(payments.c.command_id).filter_by(
        institution=institution, encounter_no=encounter_no, state=PaymentState.CANCELLING.value
    )
    return frozenset(CommandId(command_id) for command_id in connection.scalars(query))


def by_slip(
    connection: Connection, institution: InstitutionCode, slip_no: SlipNo
) -> StoredPayment | None:
    """The payment that waits or waited under a slip number."""
    one = sought(payments, institution=institution, slip_no=slip_no)
    found = _stored_payments(connection, find(connection, one)[0])
    return found[0] if found else None


def by_hold(
    connection: Connection, institution: InstitutionCode, hold_id: CommandId
) -> StoredPayment | None:
    """The payment whose account part the wallet knows by this identifier."""
    query = select(wallet_parts.c.command_id).filter_by(institution=institution, hold_id=hold_id)
    command_id = connection.scalars(query).one_or_none()
    return None if command_id is None else by_command(connection, institution, command_id)


def reserved_before(
    connection: Connection, institution: InstitutionCode, moment: datetime
) -> Sequence[StoredPayment]:
    """What waits at the window since ``moment`` or longer."""
    waits = payments.c.state == PaymentState.RESERVED.value
    return _stored(connection, institution, waits & (payments.c.reserved_at <= moment))


def undecided_before(
    connection: Connection, institution: InstitutionCode, moment: datetime
) -> Sequence[StoredPayment]:
    """What was confirmed at ``moment`` or earlier and is neither settled nor refused."""
    waits = payments.c.state.in_(_values({*UNDECIDED, PaymentState.HOLDING}))
    return _stored(connection, institution, waits & (payments.c.sent_at <= moment))


def settled_between(
    connection: Connection, institution: InstitutionCode, since: datetime, until: datetime
) -> Sequence[Payment]:
    """What the insurer settled from one moment to before another, also if taken back later."""
    settled_then = select(answers.c.command_id).where(
        answers.c.institution == institution,
        answers.c.stage == Stage.SETTLED.value,
        answers.c.setl_time >= since,
        answers.c.setl_time < until,
    )
    found = _stored(connection, institution, payments.c.command_id.in_(settled_then))
    return [stored.payment for stored in found]


def cancelled_between(
    connection: Connection, institution: InstitutionCode, since: datetime, until: datetime
) -> Sequence[Payment]:
    """What was taken back from one moment to before another."""
    inside = (payments.c.cancelled_at >= since) & (payments.c.cancelled_at < until)
    return [stored.payment for stored in _stored(connection, institution, inside)]


def undecided_between(
    connection: Connection, institution: InstitutionCode, since: datetime, until: datetime
) -> Sequence[CommandId]:
    """What was sent from one moment to before another and has no outcome yet."""
    query = (
        select(payments.c.command_id)
        .where(
            payments.c.institution == institution,
            payments.c.state.in_(_values(UNDER_WAY)),
            payments.c.sent_at >= since,
            payments.c.sent_at < until,
        )
        .order_by(payments.c.sent_at, payments.c.command_id)
    )
    return [CommandId(command_id) for command_id in connection.scalars(query)]


def open_sagas(
    connection: Connection, institution: InstitutionCode, limit: int
) -> Sequence[CommandId]:
    """The oldest ``limit`` payments in which something is left to do."""
    part = wallet_parts.c
    state = payments.c.state
    is_captured = part.state == WalletState.CAPTURED.value
    owes = (state == PaymentState.SETTLED.value) & (part.back_fen > part.refunded_fen)
    kept = is_captured & (state.in_(_values(NOT_SETTLED)) | owes)
    query = (
        select(payments.c.command_id)
        .select_from(
            payments.outerjoin(
                wallet_parts,
                (part.institution == payments.c.institution)
                & (part.command_id == payments.c.command_id),
            )
        )
        .where(
            payments.c.institution == institution,
            state.in_(_values(UNDER_WAY)) | part.state.in_(_values(OPEN_AT_WALLET)) | kept,
        )
        .order_by(payments.c.prepared_at, payments.c.command_id)
        .limit(limit)
    )
    return [CommandId(command_id) for command_id in connection.scalars(query)]


def refund_by_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> tuple[ItemRefund, Refused | None] | None:
    """The refund of a command, and what refused it if anything did."""
    key = {"institution": institution, "command_id": command_id}
    row = connection.execute(select(refunds).filter_by(**key)).one_or_none()
    if row is None:
        return None
    return _refund(row), None if row.refusal is None else refusal_from_text(row.refusal)


def refunds_of(
    connection: Connection, institution: InstitutionCode, payment: CommandId
) -> Sequence[ItemRefund]:
    """All refunds of a payment, the oldest first."""
    query = (
        select(refunds)
        .filter_by(institution=institution, payment=payment)
        .order_by(refunds.c.asked_at, refunds.c.command_id)
    )
    return [_refund(row) for row in connection.execute(query)]


def refunds_between(
    connection: Connection, institution: InstitutionCode, since: datetime, until: datetime
) -> Sequence[ItemRefund]:
    """The refunds that left something, done from one moment to before another."""
    of = refunds.c
    query = (
        select(refunds)
        .where(of.institution == institution, of.booked_at >= since, of.booked_at < until)
        .order_by(of.booked_at, of.command_id)
    )
    return [_refund(row) for row in connection.execute(query)]


def add_refund(connection: Connection, refund: ItemRefund) -> None:
    """Insert a refund that is about to be asked for."""
    connection.execute(insert(refunds).values(_refund_row(refund)))


def change_refund(connection: Connection, refund: ItemRefund, refused: Refused | None) -> None:
    """Store what the insurer said to a refund."""
    refusal = None if refused is None else refusal_to_text(refused)
    key = {"institution": refund.institution, "command_id": refund.command_id}
    values = _refund_row(refund) | {"refusal": refusal}
    connection.execute(update(refunds).filter_by(**key).values(values))


def _refund_row(refund: ItemRefund) -> dict[str, Any]:
    names = ("command_id", "institution", "payment", "encounter_no", "psn_no", "asked_at")
    row: dict[str, Any] = {name: getattr(refund, name) for name in names}
    sources = {
        name: None if refund.back is None else getattr(refund.back, name) for name in _SOURCES
    }
    return (
        row
        | sources
        | {
            "items": json.dumps(sorted(refund.items)),
            "kept": json.dumps([[each.of, each.number, str(each.cnt)] for each in refund.kept]),
            "state": refund.state.value,
            "decided_at": refund.decided_at,
            "cancellation": refund.cancellation,
            "undone": None if refund.undone is None else _booked_to_text(refund.undone),
            "rest": None if refund.rest is None else _booked_to_text(refund.rest),
            # The insurer cancels and settles the rest in one step.
            "booked_at": None if refund.rest is None else refund.rest.setl_time,
        }
    )


def _booked_to_text(booked: Booked) -> str:
    amounts = {name: getattr(booked.amounts, name) for name in _AMOUNTS}
    members = [booked.setl_id, booked.setl_time.isoformat(), amounts]
    return json.dumps(members, sort_keys=True)


def _booked(text: str) -> Booked:
    setl_id, setl_time, amounts = json.loads(text)
    return Booked(SettlementId(setl_id), datetime.fromisoformat(setl_time), Amounts(**amounts))


def _refund(row: Row[Any]) -> ItemRefund:
    return ItemRefund(
        command_id=CommandId(row.command_id),
        institution=InstitutionCode(row.institution),
        payment=CommandId(row.payment),
        encounter_no=EncounterNo(row.encounter_no),
        psn_no=PersonNo(row.psn_no),
        items=frozenset(ChargeItemNo(number) for number in json.loads(row.items)),
        asked_at=row.asked_at,
        state=RefundState(row.state),
        decided_at=row.decided_at,
        cancellation=None if row.cancellation is None else SettlementId(row.cancellation),
        back=None if row.fund_fen is None else _sources(row),
        undone=None if row.undone is None else _booked(row.undone),
        rest=None if row.rest is None else _booked(row.rest),
        kept=tuple(
            Kept(ChargeItemNo(of), ChargeItemNo(number), Decimal(cnt))
            for of, number, cnt in json.loads(row.kept)
        ),
    )


def _sources(row: Row[Any]) -> RefundSources:
    return RefundSources(**{name: Fen(getattr(row, name)) for name in _SOURCES})


def _values(states: Iterable[StrEnum]) -> list[str]:
    return [state.value for state in states]


def _stored(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> list[StoredPayment]:
    query = (
        select(payments)
        .where(payments.c.institution == institution, condition)
        .order_by(payments.c.prepared_at, payments.c.command_id)
    )
    return _stored_payments(connection, connection.execute(query).all())


def _stored_payments(connection: Connection, rows: Sequence[Any]) -> list[StoredPayment]:
    """Each with what hangs on it."""
    keys = [{"institution": row.institution, "command_id": row.command_id} for row in rows]
    parts = [find(connection, *_parts_of(**key)) for key in keys]
    return [_stored_payment(row, each) for row, each in zip(rows, parts, strict=True)]


def _parts_of(**key: str) -> tuple[Sought, ...]:
    """What hangs on a payment: answers, their funds and reasons, the account's part."""
    return (
        sought(answers, **key),
        sought(funds, "place", **key),
        sought(reasons, "place", **key),
        sought(wallet_parts, **key),
    )


def _stored_payment(row: Any, parts: Sequence[Sequence[Any]]) -> StoredPayment:
    """A payment of its row and of what :func:`_parts_of` found."""
    *answered_by, part_rows = parts
    answered = _answers(*answered_by)
    part = part_rows[0] if part_rows else None
    payment = Payment(
        command_id=CommandId(row.command_id),
        institution=InstitutionCode(row.institution),
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
        wallet=None if part is None else _part(part),
        slip_no=None if row.slip_no is None else SlipNo(row.slip_no),
        reserved_at=row.reserved_at,
        cancel_id=None if row.cancel_id is None else CommandId(row.cancel_id),
        cancelled_at=row.cancelled_at,
        cancellation=None if row.cancellation is None else SettlementId(row.cancellation),
        rest=answered.get(Stage.REST),
        refund_id=None if row.refund_id is None else CommandId(row.refund_id),
        acted_by=None if row.acted_by is None else PersonNo(row.acted_by),
    )
    refused = None if row.refusal is None else refusal_from_text(row.refusal)
    payer_sealed = None if part is None else part.payer_sealed
    return StoredPayment(payment, row.evidence_sealed, refused, payer_sealed)


def _part(row: Any) -> WalletPart:
    return WalletPart(
        held=WalletPayment(
            command_id=CommandId(row.hold_id),
            payer=None,
            amount_fen=Fen(row.amount_fen),
            requested_at=row.requested_at,
            expires_at=row.expires_at,
            state=WalletState(row.state),
            captured_fen=Fen(row.captured_fen),
            refunded_fen=Fen(row.refunded_fen),
            version=row.version,
            declined=None if row.declined is None else DeclineReason(row.declined),
        ),
        capture_id=CommandId(row.capture_id),
        void_id=CommandId(row.void_id),
        refund_id=CommandId(row.refund_id),
        back_fen=Fen(row.back_fen),
    )


def _part_row(stored: StoredPayment, part: WalletPart, *, is_new: bool) -> Filled:
    held, key = part.held, _key_of(stored.payment)
    values: dict[str, Any] = {
        "hold_id": held.command_id,
        "capture_id": part.capture_id,
        "void_id": part.void_id,
        "refund_id": part.refund_id,
        "payer_sealed": stored.payer_sealed,
        "amount_fen": held.amount_fen,
        "requested_at": held.requested_at,
        "expires_at": held.expires_at,
        "state": held.state.value,
        "captured_fen": held.captured_fen,
        "refunded_fen": held.refunded_fen,
        "version": held.version,
        "declined": None if held.declined is None else held.declined.value,
        "back_fen": part.back_fen,
    }
    if is_new:
        return new_row(wallet_parts, key | values)
    return changed_rows(wallet_parts, values, **key)


def _key_of(payment: Payment) -> dict[str, str]:
    return {"institution": payment.institution, "command_id": payment.command_id}


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
        "slip_no": payment.slip_no,
        "reserved_at": payment.reserved_at,
        "cancel_id": payment.cancel_id,
        "cancelled_at": payment.cancelled_at,
        "cancellation": payment.cancellation,
        "refund_id": payment.refund_id,
        "acted_by": payment.acted_by,
    }


def _drop_answer(connection: Connection, payment: Payment, stage: Stage) -> None:
    for table in (reasons, funds, answers):
        here = delete(table).filter_by(**_key_of(payment), stage=stage.value)
        connection.execute(here)


def _answer_rows(payment: Payment, stage: Stage, answer: SettlementAnswer) -> list[Filled]:
    key = {**_key_of(payment), "stage": stage.value}
    amounts = {name: getattr(answer.amounts, name) for name in _AMOUNTS}
    head = {"setl_id": answer.setl_id, "setl_time": answer.setl_time}
    told = [new_row(answers, key | head | amounts)]
    for place, detail in enumerate(answer.setldetail):
        values = {each.name: getattr(detail, each.name) for each in fields(detail)}
        told.append(new_row(funds, key | {"place": place} | values))
    for place, reason in enumerate(answer.reasons):
        told.append(new_row(reasons, key | {"place": place} | _reason_row(reason)))
    return told


def _reason_row(reason: Reason) -> dict[str, Any]:
    row: dict[str, Any] = {each.name: getattr(reason, each.name) for each in fields(reason)}
    return row | {"facts": json.dumps(dict(reason.facts), sort_keys=True)}


def _answers(
    rows: Sequence[Any], fund_rows: Sequence[Any], reason_rows: Sequence[Any]
) -> dict[Stage, SettlementAnswer]:
    return {
        Stage(row.stage): SettlementAnswer(
            setl_id=None if row.setl_id is None else SettlementId(row.setl_id),
            setl_time=row.setl_time,
            amounts=Amounts(**{name: Fen(getattr(row, name)) for name in _AMOUNTS}),
            setldetail=tuple([_fund(each) for each in fund_rows if each.stage == row.stage]),
            reasons=tuple([_reason(each) for each in reason_rows if each.stage == row.stage]),
        )
        for row in rows
    }


def _fund(row: Any) -> FundDetail:
    return FundDetail(
        row.fund_pay_type,
        row.fund_pay_type_name,
        Fen(row.inscp_scp_amt),
        Fen(row.crt_payb_lmt_amt),
        Fen(row.fund_payamt),
    )


def _reason(row: Any) -> Reason:
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
