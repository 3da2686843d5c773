"""Tables of visits, charge items, settlements and the year's counters."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    delete,
    exists,
    insert,
    or_,
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
from shualian.insurer.persons.store import insured_person
from shualian.insurer.settlement.evidence.model import EvidenceKind, Proven, SecondFactor
from shualian.insurer.settlement.model import (
    ChargeItem,
    Registration,
    SettlementKind,
    SettlementRecord,
    Visit,
    VisitKind,
)
from shualian.verification.model import Relation

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
    Column("kind", String(12), nullable=False),
    # Whose counters it moves: the business year of its begin.
    Column("year", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("discharged_at", UtcTime),
    UniqueConstraint("institution", "ipt_otp_no"),
    UniqueConstraint("institution", "intent_id"),
)
visit_information = Table(
    "insurer_visit_information",
    metadata,
    Column("mdtrt_id", String(30), ForeignKey("insurer_visit.mdtrt_id"), primary_key=True),
    Column("content_sealed", LargeBinary, nullable=False),
    Column("told_at", UtcTime, nullable=False),
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
    Column("hosp_appr_flag", String(3), nullable=False),
    Column("dise_codg", String(30), nullable=False),
    # By a cancellation: given back with it, and never settled again.
    Column("settled_by", String(30), ForeignKey("settlement.setl_id"), index=True),
)
withdrawn_batch = Table(
    "insurer_withdrawn_batch",
    metadata,
    Column("mdtrt_id", String(30), ForeignKey("insurer_visit.mdtrt_id"), primary_key=True),
    Column("chrg_bchno", String(30), primary_key=True),
)
settlement = Table(
    "settlement",
    metadata,
    Column("setl_id", String(30), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("cancels", String(30), ForeignKey("settlement.setl_id"), unique=True),
    Column("institution", String(12), nullable=False),
    Column("command_id", String(60), nullable=False),
    Column("intent_id", String(30)),
    Column("proof_use", String(30)),
    Column("rests_on", String(30), ForeignKey("settlement.setl_id"), unique=True),
    Column("evidence", String(10), nullable=False),
    Column("evidence_reference", String(64), nullable=False),
    Column("second_factor", String(10), nullable=False),
    Column("subject", String(30), nullable=False),
    Column("relation", String(10), nullable=False),
    Column("terminal_id", String(30), nullable=False),
    Column("seen_by", String(30), nullable=False),
    # What of it counts against the day's limit without a PIN.
    Column("unpinned_fen", BigInteger, nullable=False),
    Column(
        "mdtrt_id", String(30), ForeignKey("insurer_visit.mdtrt_id"), nullable=False, index=True
    ),
    Column("psn_no", String(30), nullable=False),
    Column("insutype", String(6), nullable=False),
    Column("insuplc_admdvs", String(6), nullable=False),
    Column("med_type", String(6), nullable=False),
    Column("chrg_bchno", String(30), nullable=False),
    Column("mid_setl_flag", String(1), nullable=False),
    Column("setl_time", UtcTime, nullable=False),
    # The day in China on which it counts, 2026-05-04.
    Column("business_day", String(10), nullable=False),
    Column("year", Integer, nullable=False),
    # What it added to the counters, so that a later settlement of the visit can start from there.
    Column("accrual", String(2000), nullable=False),
    Column("policy_id", String(200), nullable=False),
    Column("policy_version", String(200), nullable=False),
    *(Column(amount.name, BigInteger, nullable=False) for amount in fields(Amounts)),
    Column("answer_sealed", LargeBinary, nullable=False),
    UniqueConstraint("institution", "intent_id", "proof_use"),
    Index("ix_settlement_psn_no_business_day", "psn_no", "business_day"),
    Index("ix_settlement_institution_business_day", "institution", "business_day"),
)
command = Table(
    "insurer_command",
    metadata,
    Column("institution", String(12), primary_key=True),
    Column("command_id", String(60), primary_key=True),
    Column("command_digest", LargeBinary, nullable=False),
    Column("setl_id", String(30), ForeignKey("settlement.setl_id")),
    Column("rest_setl_id", String(30), ForeignKey("settlement.setl_id")),
    Column("refusal_code", String(60)),
    Column("refusal_details", String(1000)),
    Column("decided_at", UtcTime, nullable=False),
    CheckConstraint(
        "(setl_id IS NULL) <> (refusal_code IS NULL)", name="ck_insurer_command_done_or_refused"
    ),
)
"""Every command that was decided for good; rows are inserted only."""
reversal = Table(
    "insurer_reversal",
    metadata,
    Column("institution", String(12), primary_key=True),
    Column("command_id", String(60), primary_key=True),
    Column("psn_no", String(30), nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("undone_by", String(30), ForeignKey("settlement.setl_id")),
    Column("reversed_at", UtcTime, nullable=False),
)
"""Every command that was reversed; rows are inserted only."""
year_counter = Table(
    "year_counter",
    metadata,
    Column("psn_no", String(30), primary_key=True),
    Column("insutype", String(6), primary_key=True),
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("counter", String(30), primary_key=True),
    Column("amount_fen", BigInteger, nullable=False),
)

OPEN = "open"
CANCELLED = "cancelled"

_REGISTRATION = tuple(each.name for each in fields(Registration))
_CHARGE_ITEM = tuple(each.name for each in fields(ChargeItem))


@dataclass(frozen=True, slots=True)
class StoredReversal:
    """How a command was reversed, as it is kept.

    Attributes:
        psn_no: Whose, as the sender said.
        outcome: A ``ReversalOutcome``.
        undone_by: The cancellation, if there was something to undo.
    """

    psn_no: PersonNo
    outcome: str
    undone_by: SettlementId | None


def add_visit(connection: Connection, visit: Visit, *, year: int) -> None:
    """Insert a visit."""
    connection.execute(
        insert(insurer_visit).values(
            mdtrt_id=visit.mdtrt_id,
            institution=visit.institution,
            intent_id=visit.intent_id,
            year=year,
            state=OPEN,
            **{**asdict(visit.registration), "kind": visit.registration.kind.value},
        )
    )


def cancel_visit(connection: Connection, mdtrt_id: VisitId) -> None:
    """Mark a visit as cancelled."""
    table = insurer_visit
    connection.execute(update(table).where(table.c.mdtrt_id == mdtrt_id).values(state=CANCELLED))


def set_discharge(connection: Connection, mdtrt_id: VisitId, at: datetime | None) -> None:
    """Note when an inpatient left, or that they did not."""
    table = insurer_visit
    connection.execute(update(table).where(table.c.mdtrt_id == mdtrt_id).values(discharged_at=at))


def put_information(
    connection: Connection, mdtrt_id: VisitId, sealed: bytes, *, at: datetime
) -> None:
    """Keep what is said of a visit's illness in the place of what was said before."""
    table = visit_information
    connection.execute(delete(table).where(table.c.mdtrt_id == mdtrt_id))
    connection.execute(insert(table).values(mdtrt_id=mdtrt_id, content_sealed=sealed, told_at=at))


def information_of(connection: Connection, mdtrt_id: VisitId) -> bytes | None:
    """What was said of a visit's illness, sealed."""
    table = visit_information
    return connection.scalar(select(table.c.content_sealed).where(table.c.mdtrt_id == mdtrt_id))


def lock_person(connection: Connection, psn_no: PersonNo) -> None:
    """Let nobody else move a person's money or charges until this transaction ends."""
    row = select(insured_person.c.psn_no).where(insured_person.c.psn_no == psn_no)
    connection.execute(row.with_for_update(key_share=True))


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
    values = {name: row._mapping[name] for name in _REGISTRATION}
    return Visit(
        mdtrt_id=row.mdtrt_id,
        institution=row.institution,
        registration=Registration(**{**values, "kind": VisitKind(row.kind)}),
        intent_id=row.intent_id,
        cancelled=row.state == CANCELLED,
        discharged_at=row.discharged_at,
    )


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


def has_items(connection: Connection, mdtrt_id: VisitId) -> bool:
    """Whether a visit has charge items, settled or not; given-back ones do not count."""
    table = charge_item
    given_back = select(settlement.c.setl_id).where(
        settlement.c.kind == SettlementKind.CANCELLATION.value
    )
    query = select(table.c.feedetl_sn).where(
        table.c.mdtrt_id == mdtrt_id,
        or_(table.c.settled_by.is_(None), table.c.settled_by.not_in(given_back)),
    )
    return connection.execute(query.limit(1)).first() is not None


def is_settled_to_end(connection: Connection, mdtrt_id: VisitId) -> bool:
    """Whether a settlement that is not of the middle of a stay stands for this visit."""
    undone = settlement.alias()
    query = select(settlement.c.setl_id).where(
        settlement.c.mdtrt_id == mdtrt_id,
        settlement.c.kind == SettlementKind.SETTLEMENT.value,
        settlement.c.mid_setl_flag == "0",
        ~exists().where(undone.c.cancels == settlement.c.setl_id),
    )
    return connection.execute(query.limit(1)).first() is not None


def withdraw_items(connection: Connection, mdtrt_id: VisitId, chrg_bchno: str | None) -> int:
    """Delete the open charge items of a batch, or of all; how many there were.

    The batch, or each that had open items, is remembered as withdrawn.
    """
    table = charge_item
    here = [table.c.mdtrt_id == mdtrt_id, table.c.settled_by.is_(None)]
    if chrg_bchno is not None:
        here.append(table.c.chrg_bchno == chrg_bchno)
        ended = {chrg_bchno}
    else:
        ended = set(connection.execute(select(table.c.chrg_bchno).where(*here)).scalars())
    new = ended - withdrawn_batches(connection, mdtrt_id, ended)
    if new:
        rows = [{"mdtrt_id": mdtrt_id, "chrg_bchno": each} for each in sorted(new)]
        connection.execute(insert(withdrawn_batch), rows)
    return connection.execute(delete(table).where(*here)).rowcount


def withdrawn_batches(
    connection: Connection, mdtrt_id: VisitId, batches: Collection[str]
) -> set[str]:
    """Those of the named batches of a visit that were withdrawn."""
    table = withdrawn_batch
    query = select(table.c.chrg_bchno).where(
        table.c.mdtrt_id == mdtrt_id, table.c.chrg_bchno.in_(batches)
    )
    return set(connection.execute(query).scalars())


def diseases_of(connection: Connection, mdtrt_id: VisitId, chrg_bchno: str) -> set[str]:
    """The disease codes of a batch's charge items."""
    table = charge_item
    query = select(table.c.dise_codg).where(
        table.c.mdtrt_id == mdtrt_id, table.c.chrg_bchno == chrg_bchno
    )
    return set(connection.execute(query.distinct()).scalars())


def items_of(connection: Connection, setl_id: SettlementId) -> dict[ChargeItemNo, ChargeItem]:
    """The charge items that a settlement holds."""
    query = select(charge_item).where(charge_item.c.settled_by == setl_id)
    return {row.feedetl_sn: _charge_item(row) for row in connection.execute(query)}


def _charge_item(row: Row[tuple[object, ...]]) -> ChargeItem:
    return ChargeItem(**{name: row._mapping[name] for name in _CHARGE_ITEM})


def release_items(connection: Connection, setl_id: SettlementId) -> None:
    """Let go of the charge items of a cancelled settlement."""
    held = charge_item.c.settled_by == setl_id
    connection.execute(update(charge_item).where(held).values(settled_by=None))


def hold_items(
    connection: Connection, record: SettlementRecord, numbers: Collection[ChargeItemNo]
) -> None:
    """Mark named charge items as settled by a settlement."""
    change = (
        update(charge_item)
        .where(charge_item.c.mdtrt_id == record.mdtrt_id, charge_item.c.feedetl_sn.in_(numbers))
        .values(settled_by=record.setl_id)
    )
    connection.execute(change)


def give_items_back(
    connection: Connection,
    mdtrt_id: VisitId,
    numbers: Collection[ChargeItemNo],
    cancellation: SettlementId,
) -> None:
    """Mark charge items as given back with a cancellation; they are never settled again."""
    table = charge_item
    here = (table.c.mdtrt_id == mdtrt_id, table.c.feedetl_sn.in_(numbers))
    connection.execute(update(table).where(*here).values(settled_by=cancellation))


def answer_of(connection: Connection, setl_id: SettlementId) -> bytes | None:
    """The sealed record of a settlement or cancellation."""
    table = settlement
    return connection.scalar(select(table.c.answer_sealed).where(table.c.setl_id == setl_id))


def evidence_of(connection: Connection, setl_id: SettlementId) -> tuple[Proven, Fen]:
    """On what a settlement rests, and what of it counts against the day's limit."""
    row = connection.execute(select(settlement).where(settlement.c.setl_id == setl_id)).one()
    proven = Proven(
        kind=EvidenceKind(row.evidence),
        reference=row.evidence_reference,
        subject=PersonNo(row.subject),
        relation=Relation(row.relation),
        second=SecondFactor(row.second_factor),
        terminal_id=row.terminal_id,
        seen_by=row.seen_by,
    )
    return proven, Fen(row.unpinned_fen)


def find_reversal(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> StoredReversal | None:
    """How a command was reversed."""
    table = reversal
    query = select(table.c.psn_no, table.c.outcome, table.c.undone_by).where(
        table.c.institution == institution, table.c.command_id == command_id
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else StoredReversal(*row)


def add_reversal(
    connection: Connection,
    institution: InstitutionCode,
    command_id: CommandId,
    found: StoredReversal,
    *,
    at: datetime,
) -> None:
    """Insert how a command was reversed."""
    connection.execute(
        insert(reversal).values(
            institution=institution, command_id=command_id, reversed_at=at, **asdict(found)
        )
    )


def cancellation_of(connection: Connection, setl_id: SettlementId) -> SettlementId | None:
    """The cancellation that undoes this settlement."""
    query = select(settlement.c.setl_id).where(settlement.c.cancels == setl_id)
    found = connection.scalar(query)
    return None if found is None else SettlementId(found)


def rest_of(connection: Connection, setl_id: SettlementId) -> SettlementId | None:
    """The settlement of what was kept when a part of this one was given back."""
    query = select(settlement.c.setl_id).where(settlement.c.rests_on == setl_id)
    found = connection.scalar(query)
    return None if found is None else SettlementId(found)


def is_mid_stay(connection: Connection, setl_id: SettlementId) -> bool:
    """Whether a settlement was made in the middle of a stay."""
    query = select(settlement.c.mid_setl_flag).where(settlement.c.setl_id == setl_id)
    flag: str = connection.execute(query).scalar_one()
    return flag == "1"


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
