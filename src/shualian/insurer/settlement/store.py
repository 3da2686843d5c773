"""Tables of visits, charge items, settlements and the year's counters."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
    update,
)
from sqlalchemy.types import TypeDecorator

from shualian.core.database import UtcTime
from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SettlementId,
    VisitId,
)
from shualian.core.money import Fen
from shualian.insurer.benefits.model import Amounts
from shualian.insurer.settlement.model import ChargeItem, Registration, SettlementRecord, Visit

metadata = MetaData()


class Scaled(TypeDecorator[Decimal]):
    """A decimal with a fixed number of places, kept as an integer: exact on every engine."""

    impl = BigInteger
    cache_ok = True

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = places

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else int(value.scaleb(self.places))

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """From the database."""
        return None if value is None else Decimal(value).scaleb(-self.places)


insurer_visit = Table(
    "insurer_visit",
    metadata,
    Column("mdtrt_id", String(30), primary_key=True),
    Column("institution", String(12), nullable=False),
    Column("psn_no", String(30), nullable=False, index=True),
    Column("insutype", String(6), nullable=False),
    Column("begntime", UtcTime, nullable=False),
    Column("mdtrt_cert_type", String(3), nullable=False),
    Column("ipt_otp_no", String(30), nullable=False),
    Column("atddr_no", String(30), nullable=False),
    Column("dept_code", String(30), nullable=False),
    Column("caty", String(6), nullable=False),
    Column("intent_id", String(30)),
    UniqueConstraint("institution", "ipt_otp_no"),
    UniqueConstraint("institution", "intent_id"),
)
charge_item = Table(
    "insurer_charge_item",
    metadata,
    Column("mdtrt_id", String(30), ForeignKey("insurer_visit.mdtrt_id"), primary_key=True),
    Column("feedetl_sn", String(30), primary_key=True),
    Column("chrg_bchno", String(30), nullable=False),
    Column("fee_ocur_time", UtcTime, nullable=False),
    Column("med_list_codg", String(50), nullable=False),
    Column("medins_list_codg", String(150), nullable=False),
    Column("det_item_fee_sumamt", BigInteger, nullable=False),
    Column("cnt", Scaled(4), nullable=False),
    Column("pric", Scaled(6), nullable=False),
    Column("bilg_dept_codg", String(30), nullable=False),
    Column("bilg_dr_codg", String(30), nullable=False),
    Column("rxno", String(30), nullable=False),
    Column("settled_by", String(30), ForeignKey("settlement.setl_id"), index=True),
)
settlement = Table(
    "settlement",
    metadata,
    Column("setl_id", String(30), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("cancels", String(30), ForeignKey("settlement.setl_id"), unique=True),
    Column("institution", String(12), nullable=False),
    Column("command_id", String(60), nullable=False),
    Column("command_digest", LargeBinary, nullable=False),
    Column("intent_id", String(30)),
    Column("proof_use", String(30)),
    Column("mdtrt_id", String(30), ForeignKey("insurer_visit.mdtrt_id"), nullable=False),
    Column("psn_no", String(30), nullable=False, index=True),
    Column("insutype", String(6), nullable=False),
    Column("insuplc_admdvs", String(6), nullable=False),
    Column("med_type", String(6), nullable=False),
    Column("chrg_bchno", String(30), nullable=False),
    Column("setl_time", UtcTime, nullable=False, index=True),
    Column("year", Integer, nullable=False),
    Column("policy_id", String(200), nullable=False),
    Column("policy_version", String(200), nullable=False),
    *(Column(amount.name, BigInteger, nullable=False) for amount in fields(Amounts)),
    Column("answer_sealed", LargeBinary, nullable=False),
    UniqueConstraint("institution", "command_id"),
    UniqueConstraint("institution", "intent_id", "proof_use"),
)
year_counter = Table(
    "year_counter",
    metadata,
    Column("psn_no", String(30), primary_key=True),
    Column("insutype", String(6), primary_key=True),
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("counter", String(30), primary_key=True),
    Column("amount_fen", BigInteger, nullable=False),
)

_REGISTRATION = tuple(each.name for each in fields(Registration))
_CHARGE_ITEM = tuple(each.name for each in fields(ChargeItem))


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer to a command, sealed, and what the command said.

    Attributes:
        setl_id: Context of the seal.
        command_digest: See ``model.command_digest``.
        answer_sealed: The sealed record.
    """

    setl_id: SettlementId
    command_digest: bytes
    answer_sealed: bytes


def add_visit(connection: Connection, visit: Visit) -> None:
    """Insert a visit."""
    connection.execute(
        insert(insurer_visit).values(
            mdtrt_id=visit.mdtrt_id,
            institution=visit.institution,
            intent_id=visit.intent_id,
            **asdict(visit.registration),
        )
    )


def visit_by_id(connection: Connection, mdtrt_id: VisitId) -> Visit | None:
    """The visit with this number."""
    query = select(insurer_visit).where(insurer_visit.c.mdtrt_id == mdtrt_id)
    return _visit(connection.execute(query).one_or_none())


def visit_by_encounter(
    connection: Connection, institution: InstitutionCode, ipt_otp_no: EncounterNo
) -> Visit | None:
    """The visit that an institution opened under its own number."""
    table = insurer_visit
    query = select(table).where(
        table.c.institution == institution, table.c.ipt_otp_no == ipt_otp_no
    )
    return _visit(connection.execute(query).one_or_none())


def visit_by_intent(
    connection: Connection, institution: InstitutionCode, intent_id: IntentId
) -> Visit | None:
    """The visit that an institution opened on a confirmation."""
    table = insurer_visit
    query = select(table).where(table.c.institution == institution, table.c.intent_id == intent_id)
    return _visit(connection.execute(query).one_or_none())


def _visit(row: Row[tuple[object, ...]] | None) -> Visit | None:
    if row is None:
        return None
    registration = Registration(**{name: row._mapping[name] for name in _REGISTRATION})
    return Visit(row.mdtrt_id, row.institution, registration, row.intent_id)


def add_charge_items(
    connection: Connection, mdtrt_id: VisitId, items: Sequence[ChargeItem]
) -> None:
    """Insert charge items of a visit, not settled."""
    if items:
        rows = [{"mdtrt_id": mdtrt_id, **asdict(item)} for item in items]
        connection.execute(insert(charge_item), rows)


def charge_items(
    connection: Connection, mdtrt_id: VisitId, numbers: Collection[ChargeItemNo]
) -> dict[ChargeItemNo, ChargeItem]:
    """Those of the named charge items of a visit that exist."""
    query = select(charge_item).where(
        charge_item.c.mdtrt_id == mdtrt_id, charge_item.c.feedetl_sn.in_(numbers)
    )
    return {row.feedetl_sn: _charge_item(row) for row in connection.execute(query)}


def unsettled(connection: Connection, mdtrt_id: VisitId, chrg_bchno: str) -> list[ChargeItem]:
    """The charge items of a batch that no settlement holds, by number."""
    query = (
        select(charge_item)
        .where(
            charge_item.c.mdtrt_id == mdtrt_id,
            charge_item.c.chrg_bchno == chrg_bchno,
            charge_item.c.settled_by.is_(None),
        )
        .order_by(charge_item.c.feedetl_sn)
    )
    return [_charge_item(row) for row in connection.execute(query)]


def _charge_item(row: Row[tuple[object, ...]]) -> ChargeItem:
    return ChargeItem(**{name: row._mapping[name] for name in _CHARGE_ITEM})


def hold_items(
    connection: Connection, record: SettlementRecord, numbers: Collection[ChargeItemNo]
) -> None:
    """Mark charge items as settled by a settlement."""
    change = (
        update(charge_item)
        .where(charge_item.c.mdtrt_id == record.mdtrt_id, charge_item.c.feedetl_sn.in_(numbers))
        .values(settled_by=record.setl_id)
    )
    connection.execute(change)


def release_items(connection: Connection, setl_id: SettlementId) -> None:
    """Let go of the charge items of a cancelled settlement."""
    held = charge_item.c.settled_by == setl_id
    connection.execute(update(charge_item).where(held).values(settled_by=None))


def add_settlement(
    connection: Connection,
    record: SettlementRecord,
    *,
    command_id: CommandId,
    command_digest: bytes,
    intent_id: IntentId | None,
    proof_use: str | None,
    answer_sealed: bytes,
) -> None:
    """Insert a settlement or a cancellation with the answer to its command."""
    connection.execute(
        insert(settlement).values(
            setl_id=record.setl_id,
            kind=record.kind.value,
            cancels=record.cancels,
            institution=record.institution,
            command_id=command_id,
            command_digest=command_digest,
            intent_id=intent_id,
            proof_use=proof_use,
            mdtrt_id=record.mdtrt_id,
            psn_no=record.psn_no,
            insutype=record.insutype,
            insuplc_admdvs=record.insuplc_admdvs,
            med_type=record.med_type,
            chrg_bchno=record.chrg_bchno,
            setl_time=record.setl_time,
            year=record.year,
            policy_id=record.settlement.policy_id,
            policy_version=record.settlement.policy_version,
            answer_sealed=answer_sealed,
            **asdict(record.settlement.amounts),
        )
    )


def answer_to(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> StoredAnswer | None:
    """The stored answer to a command of an institution."""
    return _answer(
        connection, settlement.c.institution == institution, settlement.c.command_id == command_id
    )


def answer_of(connection: Connection, setl_id: SettlementId) -> StoredAnswer | None:
    """The stored answer that a settlement or cancellation was."""
    return _answer(connection, settlement.c.setl_id == setl_id)


def _answer(connection: Connection, *where: ColumnElement[bool]) -> StoredAnswer | None:
    table = settlement
    query = select(table.c.setl_id, table.c.command_digest, table.c.answer_sealed).where(*where)
    row = connection.execute(query).one_or_none()
    return None if row is None else StoredAnswer(*row)


def intent_settled(
    connection: Connection, institution: InstitutionCode, intent_id: IntentId, proof_use: str
) -> bool:
    """Whether a settlement rests on this use of this intent already."""
    table = settlement
    query = select(table.c.setl_id).where(
        table.c.institution == institution,
        table.c.intent_id == intent_id,
        table.c.proof_use == proof_use,
    )
    return connection.execute(query).first() is not None


def is_cancelled(connection: Connection, setl_id: SettlementId) -> bool:
    """Whether a cancellation undoes this settlement."""
    query = select(settlement.c.setl_id).where(settlement.c.cancels == setl_id)
    return connection.execute(query).first() is not None


def settlement_ids(
    connection: Connection, institution: InstitutionCode, psn_no: PersonNo, year: int
) -> list[SettlementId]:
    """The settlements and cancellations of a person at an institution in a year, in time."""
    table = settlement
    query = (
        select(table.c.setl_id)
        .where(table.c.institution == institution, table.c.psn_no == psn_no, table.c.year == year)
        .order_by(table.c.setl_time, table.c.setl_id)
    )
    return [SettlementId(row.setl_id) for row in connection.execute(query)]


def counters(connection: Connection, psn_no: PersonNo, insutype: str, year: int) -> dict[str, Fen]:
    """The year's counters of a person under an insurance; missing ones are 0."""
    table = year_counter
    query = select(table.c.counter, table.c.amount_fen).where(
        table.c.psn_no == psn_no, table.c.insutype == insutype, table.c.year == year
    )
    return {row.counter: Fen(row.amount_fen) for row in connection.execute(query)}


def add_to_counters(
    connection: Connection, record: SettlementRecord, accrual: Mapping[str, Fen]
) -> None:
    """Move the year's counters by what a settlement added or a cancellation took back."""
    table = year_counter
    key = {"psn_no": record.psn_no, "insutype": record.insutype, "year": record.year}
    for counter, amount in accrual.items():
        row = {**key, "counter": counter}
        here = [table.c[name] == value for name, value in row.items()]
        moved = update(table).where(*here).values(amount_fen=table.c.amount_fen + amount)
        if connection.execute(moved).rowcount == 0:
            connection.execute(insert(table).values(**row, amount_fen=amount))
