"""Tables of diagnoses and clinical orders; what is said of an illness is sealed."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any

from sqlalchemy import (
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
    func,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime, forbid_in_transaction
from shualian.core.identifiers import CommandId, EncounterNo, InstitutionCode, StaffId
from shualian.hospital.clinical.model import (
    ClinicalLine,
    ClinicalOrder,
    DiagnosisEntry,
    OrderKind,
    OrderNo,
    OrderState,
    Use,
    parse_diagnosis_list,
)
from shualian.hospital.scheduling.model import Doctor

metadata = MetaData()

_IDENTIFIER = String(30)

statements = Table(
    "diagnosis_statement",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("encounter_no", _IDENTIFIER, primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("command_id", _IDENTIFIER, nullable=False),
    Column("dr_code", _IDENTIFIER, nullable=False),
    Column("dr_name", String(50), nullable=False),
    Column("stated_by", _IDENTIFIER, nullable=False),
    Column("stated_at", UtcTime, nullable=False),
    Column("content_sealed", LargeBinary, nullable=False),
    Column("told_at", UtcTime),
    UniqueConstraint("institution", "command_id", name="uq_diagnosis_statement_command"),
)
"""What doctors said of an illness, every version; the newest holds."""

orders = Table(
    "clinical_order",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("order_no", _IDENTIFIER, primary_key=True),
    Column("encounter_no", _IDENTIFIER, nullable=False),
    Column("command_id", _IDENTIFIER, nullable=False),
    Column("kind", String(15), nullable=False),
    Column("dr_code", _IDENTIFIER, nullable=False),
    Column("dr_name", String(50), nullable=False),
    Column("drafted_by", _IDENTIFIER, nullable=False),
    Column("drafted_at", UtcTime, nullable=False),
    Column("state", String(10), nullable=False),
    Column("amends", _IDENTIFIER),
    Column("signed_at", UtcTime),
    Column("acknowledged", Text, nullable=False),
    Column("ended_at", UtcTime),
    Column("ended_by", _IDENTIFIER),
    Column("reason", String(200), nullable=False),
    Column("refund_id", _IDENTIFIER),
    Column("at_pharmacy_at", UtcTime),
    UniqueConstraint("institution", "command_id", name="uq_clinical_order_command"),
    Index("ix_clinical_order_encounter", "institution", "encounter_no"),
    Index("ix_clinical_order_state", "institution", "kind", "state"),
    Index("ix_clinical_order_pharmacy", "institution", "kind", "at_pharmacy_at", "state"),
)

lines = Table(
    "clinical_order_line",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("order_no", _IDENTIFIER, primary_key=True),
    Column("line_no", Integer, primary_key=True, autoincrement=False),
    Column("medins_list_codg", String(150), nullable=False),
    Column("cnt", String(30), nullable=False),
    Column("dose", String(100)),
    Column("frequency", String(100)),
    Column("route", String(100)),
    Column("days", Integer),
    ForeignKeyConstraint(["institution", "order_no"], [orders.c.institution, orders.c.order_no]),
)


def packaged_diagnoses() -> Sequence[DiagnosisEntry]:
    """The common ICD-10 diagnoses that come with the package; any other code can be typed."""
    forbid_in_transaction("reading a list of diagnoses")
    file = files(__package__) / "code_lists" / "icd10-common.csv"
    return parse_diagnosis_list(file.read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class SealedStatement:
    """A statement as the database holds it."""

    institution: InstitutionCode
    encounter_no: EncounterNo
    place: int
    command_id: CommandId
    dr_code: str
    dr_name: str
    stated_by: StaffId
    stated_at: datetime
    content_sealed: bytes
    told_at: datetime | None = None


def add_statement(connection: Connection, statement: SealedStatement) -> None:
    """Insert what a doctor says."""
    row = {name: getattr(statement, name) for name in statement.__slots__}
    connection.execute(insert(statements).values(row))


def statement_of_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> SealedStatement | None:
    """What a command said."""
    query = select(statements).filter_by(institution=institution, command_id=command_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else SealedStatement(**row._mapping)


def last_statements(
    connection: Connection, institution: InstitutionCode, encounters: Collection[EncounterNo]
) -> Sequence[SealedStatement]:
    """What holds of each visit, of those of which something was said."""
    of = statements.c
    last = (
        select(of.encounter_no, func.max(of.place).label("place"))
        .where(of.institution == institution, of.encounter_no.in_(list(encounters)))
        .group_by(of.encounter_no)
        .subquery()
    )
    query = select(statements).join(
        last, (of.encounter_no == last.c.encounter_no) & (of.place == last.c.place)
    )
    found = connection.execute(query.where(of.institution == institution))
    return [SealedStatement(**row._mapping) for row in found]


def untold(connection: Connection, institution: InstitutionCode) -> Sequence[EncounterNo]:
    """The visits of which something was said that the insurer does not have yet."""
    of = statements.c
    query = select(of.encounter_no).where(of.institution == institution, of.told_at.is_(None))
    return [EncounterNo(number) for number in connection.scalars(query.distinct())]


def mark_told(
    connection: Connection,
    institution: InstitutionCode,
    encounter_no: EncounterNo,
    place: int,
    *,
    at: datetime,
) -> None:
    """The insurer has what was said; what was said before it is told no more."""
    of = statements.c
    connection.execute(
        update(statements)
        .where(
            of.institution == institution,
            of.encounter_no == encounter_no,
            of.place <= place,
            of.told_at.is_(None),
        )
        .values(told_at=at)
    )


def add(connection: Connection, order: ClinicalOrder) -> None:
    """Insert a draft with its lines."""
    connection.execute(insert(orders).values(_row(order)))
    rows = [_line_row(order, place, line) for place, line in enumerate(order.lines)]
    connection.execute(insert(lines), rows)


def change(connection: Connection, order: ClinicalOrder) -> None:
    """Store where an order stands now."""
    key = {"institution": order.institution, "order_no": order.order_no}
    connection.execute(update(orders).filter_by(**key).values(_row(order)))


def by_number(
    connection: Connection, institution: InstitutionCode, order_no: OrderNo
) -> ClinicalOrder | None:
    """The order with this number."""
    found = _found(connection, institution, orders.c.order_no == order_no)
    return found[0] if found else None


def by_numbers(
    connection: Connection, institution: InstitutionCode, numbers: Collection[OrderNo]
) -> Sequence[ClinicalOrder]:
    """The orders with these numbers, as far as there are such."""
    return _found(connection, institution, orders.c.order_no.in_(list(numbers)))


def by_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> ClinicalOrder | None:
    """The order that a command drafted."""
    found = _found(connection, institution, orders.c.command_id == command_id)
    return found[0] if found else None


def of_encounter(
    connection: Connection, institution: InstitutionCode, encounter_no: EncounterNo
) -> Sequence[ClinicalOrder]:
    """All orders of a visit, the oldest first."""
    return _found(connection, institution, orders.c.encounter_no == encounter_no)


def in_state(
    connection: Connection,
    institution: InstitutionCode,
    state: OrderState,
    kinds: Collection[OrderKind] = tuple(OrderKind),
) -> Sequence[ClinicalOrder]:
    """The orders of some kinds that stand in a state, the oldest first."""
    kind = orders.c.kind.in_([kind.value for kind in kinds])
    return _found(connection, institution, (orders.c.state == state.value) & kind)


def not_at_pharmacy(
    connection: Connection, institution: InstitutionCode
) -> Sequence[ClinicalOrder]:
    """The signed prescriptions that are not in the pharmacy's queue yet, the oldest first."""
    of = orders.c
    signed = (of.kind == OrderKind.PRESCRIPTION.value) & (of.state == OrderState.SIGNED.value)
    return _found(connection, institution, signed & of.at_pharmacy_at.is_(None))


def _found(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> Sequence[ClinicalOrder]:
    query = (
        select(orders)
        .where(orders.c.institution == institution, condition)
        .order_by(orders.c.drafted_at, orders.c.order_no)
    )
    found = connection.execute(query).all()
    of_orders = _lines(connection, institution, [row.order_no for row in found])
    return [_order(row, of_orders.get(row.order_no, [])) for row in found]


def _lines(
    connection: Connection, institution: InstitutionCode, numbers: Sequence[str]
) -> dict[str, list[ClinicalLine]]:
    query = (
        select(lines)
        .where(lines.c.institution == institution, lines.c.order_no.in_(numbers))
        .order_by(lines.c.order_no, lines.c.line_no)
    )
    found: dict[str, list[ClinicalLine]] = {}
    for row in connection.execute(query):
        found.setdefault(row.order_no, []).append(_line(row))
    return found


def _row(order: ClinicalOrder) -> dict[str, Any]:
    same = (
        "institution", "order_no", "encounter_no", "command_id", "drafted_by", "drafted_at",
        "amends", "signed_at", "ended_at", "ended_by", "reason", "refund_id", "at_pharmacy_at",
    )  # fmt: skip
    row: dict[str, Any] = {name: getattr(order, name) for name in same}
    return row | {
        "kind": order.kind.value,
        "state": order.state.value,
        "dr_code": order.doctor.dr_code,
        "dr_name": order.doctor.dr_name,
        "acknowledged": json.dumps(sorted(order.acknowledged)),
    }


def _line_row(order: ClinicalOrder, place: int, line: ClinicalLine) -> dict[str, Any]:
    use = line.use
    return {
        "institution": order.institution,
        "order_no": order.order_no,
        "line_no": place,
        "medins_list_codg": line.medins_list_codg,
        "cnt": str(line.cnt),
        "dose": None if use is None else use.dose,
        "frequency": None if use is None else use.frequency,
        "route": None if use is None else use.route,
        "days": None if use is None else use.days,
    }


def _line(row: Row[Any]) -> ClinicalLine:
    use = None if row.dose is None else Use(row.dose, row.frequency, row.route, row.days)
    return ClinicalLine(row.medins_list_codg, Decimal(row.cnt), use)


def _order(row: Row[Any], of_order: Sequence[ClinicalLine]) -> ClinicalOrder:
    return ClinicalOrder(
        order_no=OrderNo(row.order_no),
        institution=InstitutionCode(row.institution),
        encounter_no=EncounterNo(row.encounter_no),
        command_id=CommandId(row.command_id),
        kind=OrderKind(row.kind),
        doctor=Doctor(row.dr_code, row.dr_name),
        drafted_by=StaffId(row.drafted_by),
        drafted_at=row.drafted_at,
        lines=tuple(of_order),
        state=OrderState(row.state),
        amends=None if row.amends is None else OrderNo(row.amends),
        signed_at=row.signed_at,
        acknowledged=frozenset(json.loads(row.acknowledged)),
        ended_at=row.ended_at,
        ended_by=None if row.ended_by is None else StaffId(row.ended_by),
        reason=row.reason,
        refund_id=None if row.refund_id is None else CommandId(row.refund_id),
        at_pharmacy_at=row.at_pharmacy_at,
    )
