"""Tables of dispensing.

Keys and checks hold what must never happen: a charge item on two requests, a second handover of a
request at the same time, more released than ordered, a trace code on two live lines, a proof that
collects twice.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    Date,
    ForeignKey,
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

from shualian.core.database import UtcTime
from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    RecordNo,
    StaffId,
    VisitId,
)
from shualian.core.money import Fen
from shualian.hospital.dispensing.model import (
    UNDER_WAY,
    Collector,
    CollectorKind,
    DispenseLine,
    DispenseRequest,
    Handover,
    HandoverNo,
    HandoverPart,
    HandoverState,
    Kinship,
    MedicineReturn,
    Picked,
    RequestNo,
    RequestState,
    ReturnPart,
    ReturnState,
)
from shualian.hospital.model import Channel, TraceException
from shualian.hospital.stock.model import BatchId, Pick
from shualian.hospital.stock.store import Quantity

metadata = MetaData()

_IDENTIFIER = String(30)
_CODE = String(100)

requests = Table(
    "dispense_request",
    metadata,
    Column("request_no", _IDENTIFIER, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("command_id", _IDENTIFIER, nullable=False),
    Column("encounter_no", _IDENTIFIER, nullable=False, index=True),
    Column("record_no", _IDENTIFIER, nullable=False),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("mdtrt_id", _IDENTIFIER, nullable=False),
    Column("dr_code", _IDENTIFIER, nullable=False),
    Column("dr_name", String(50), nullable=False),
    Column("day", Date, nullable=False),
    Column("queue_place", Integer, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("state", String(15), nullable=False),
    Column("reviewed_by", _IDENTIFIER),
    Column("reviewed_at", UtcTime),
    Column("note", String(100), nullable=False),
    Column("slip_no", String(10)),
    UniqueConstraint("institution", "command_id", name="uq_dispense_request_command"),
    UniqueConstraint("institution", "day", "queue_place", name="uq_dispense_request_queue"),
    UniqueConstraint("institution", "slip_no", name="uq_dispense_request_slip"),
    Index("ix_dispense_request_state", "institution", "state"),
)
lines = Table(
    "dispense_line",
    metadata,
    Column("request_no", ForeignKey(requests.c.request_no), primary_key=True),
    Column("line_no", Integer, primary_key=True, autoincrement=False),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("feedetl_sn", _IDENTIFIER, nullable=False),
    Column("medins_list_codg", String(150), nullable=False),
    Column("name_zh", String(100), nullable=False),
    Column("name_en", String(100), nullable=False),
    Column("unit", String(20), nullable=False),
    Column("dose_zh", String(400), nullable=False),
    Column("med_chrgitm_type", String(6), nullable=False),
    Column("ordered", Quantity, nullable=False),
    Column("released", Quantity, nullable=False),
    Column("returned", Quantity, nullable=False),
    Column("coming_back", Quantity, nullable=False),
    Column("untraced", Boolean, nullable=False),
    Column("released_at", UtcTime),
    UniqueConstraint("institution", "feedetl_sn", name="uq_dispense_line_charge"),
    CheckConstraint("released >= 0 AND released <= ordered", name="ck_dispense_line_released"),
    CheckConstraint(
        "returned >= 0 AND coming_back >= 0 AND returned + coming_back <= released",
        name="ck_dispense_line_returned",
    ),
)
handovers = Table(
    "dispense_handover",
    metadata,
    Column("handover_no", _IDENTIFIER, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("request_no", ForeignKey(requests.c.request_no), nullable=False, index=True),
    # The request while the handover is under way: a second one is impossible by the key.
    Column("open_request", _IDENTIFIER, unique=True),
    Column("state", String(10), nullable=False),
    Column("told", Boolean, nullable=False),
    Column("command_id", _IDENTIFIER),
    Column("pays", Boolean, nullable=False),
    Column("intent_id", _IDENTIFIER),
    Column("prepared_by", _IDENTIFIER, nullable=False),
    Column("prepared_at", UtcTime, nullable=False),
    Column("collector", String(10)),
    Column("channel", String(10)),
    Column("collector_psn_no", _IDENTIFIER),
    Column("id_number_hash", LargeBinary),
    Column("kinship", String(10)),
    Column("seen_by", _IDENTIFIER),
    Column("proof_digest", LargeBinary),
    Column("released_by", _IDENTIFIER),
    Column("released_at", UtcTime),
    UniqueConstraint("institution", "command_id", name="uq_dispense_handover_command"),
    UniqueConstraint("institution", "proof_digest", name="uq_dispense_handover_proof"),
    Index("ix_dispense_handover_state", "institution", "state"),
)
parts = Table(
    "dispense_part",
    metadata,
    Column("handover_no", ForeignKey(handovers.c.handover_no), primary_key=True),
    Column("line_no", Integer, primary_key=True, autoincrement=False),
    Column("quantity", Quantity, nullable=False),
    Column("missing", Integer, nullable=False),
    Column("exception", String(20)),
    Column("reason", String(100), nullable=False),
    Column("mother_code", _CODE),
)
picks = Table(
    "dispense_pick",
    metadata,
    Column("handover_no", _IDENTIFIER, primary_key=True),
    Column("line_no", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", _IDENTIFIER, primary_key=True),
    Column("place_no", Integer, nullable=False),
    Column("quantity", Quantity, nullable=False),
    ForeignKeyConstraint(["handover_no", "line_no"], [parts.c.handover_no, parts.c.line_no]),
)
boxes = Table(
    "dispense_box",
    metadata,
    Column("handover_no", _IDENTIFIER, primary_key=True),
    Column("code", _CODE, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("request_no", _IDENTIFIER, nullable=False),
    Column("line_no", Integer, nullable=False),
    Column("place_no", Integer, nullable=False),
    Column("state", String(15), nullable=False),
    # The code while the box is promised or handed out: it is so on one line only.
    Column("live_code", _CODE),
    UniqueConstraint("institution", "live_code", name="uq_dispense_box_live"),
    ForeignKeyConstraint(["handover_no", "line_no"], [parts.c.handover_no, parts.c.line_no]),
)
endings = Table(
    "dispense_trace_ending",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("cause", _IDENTIFIER, primary_key=True),
    Column("code", _CODE, primary_key=True),
    Column("request_no", ForeignKey(requests.c.request_no), nullable=False),
    Column("handed_out", Boolean, nullable=False),
    Column("told_at", UtcTime),
    Index("ix_dispense_trace_ending_told_at", "institution", "told_at"),
)
"""What the insurer is still to be told of boxes that came back or never went out."""
returns = Table(
    "dispense_return",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("request_no", ForeignKey(requests.c.request_no), nullable=False, index=True),
    Column("reason", String(100), nullable=False),
    Column("taken_by", _IDENTIFIER, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("state", String(10), nullable=False),
    Column("refunded_fen", BigInteger),
    Column("refused_code", String(60), nullable=False),
    Index("ix_dispense_return_state", "institution", "state"),
)
return_parts = Table(
    "dispense_return_part",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("line_no", Integer, primary_key=True, autoincrement=False),
    Column("quantity", Quantity, nullable=False),
    Column("codes", Text, nullable=False),
    ForeignKeyConstraint(
        ["institution", "command_id"], [returns.c.institution, returns.c.command_id]
    ),
)
return_picks = Table(
    "dispense_return_pick",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("line_no", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", _IDENTIFIER, primary_key=True),
    Column("quantity", Quantity, nullable=False),
    ForeignKeyConstraint(
        ["institution", "command_id"], [returns.c.institution, returns.c.command_id]
    ),
)


class BoxState(StrEnum):
    """What became of a scanned box."""

    SCANNED = "scanned"
    RELEASED = "released"
    COMING_BACK = "coming_back"
    """Brought back; its refund has no outcome yet."""
    RETURNED = "returned"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class PendingEnding:
    """A code of which the insurer is still to be told."""

    cause: str
    code: str
    request_no: RequestNo
    handed_out: bool


def add_request(connection: Connection, request: DispenseRequest) -> None:
    """Insert a new request with its lines."""
    connection.execute(insert(requests).values(_request_row(request)))
    connection.execute(insert(lines), [_line_row(request, line) for line in request.lines])


def put_request(connection: Connection, request: DispenseRequest) -> None:
    """Store where a request and its lines stand now."""
    key = {"request_no": request.request_no}
    connection.execute(update(requests).filter_by(**key).values(_request_row(request)))
    for line in request.lines:
        row = _line_row(request, line)
        connection.execute(update(lines).filter_by(line_no=line.line_no, **key).values(row))


def request_of(
    connection: Connection, institution: InstitutionCode, request_no: RequestNo
) -> DispenseRequest | None:
    """The request with this number."""
    return _one_request(connection, institution, requests.c.request_no == request_no)


def request_of_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> DispenseRequest | None:
    """The request that a command opened."""
    return _one_request(connection, institution, requests.c.command_id == command_id)


def request_of_slip(
    connection: Connection, institution: InstitutionCode, slip_no: str
) -> DispenseRequest | None:
    """The request whose rest waits under a slip."""
    return _one_request(connection, institution, requests.c.slip_no == slip_no)


def requests_of(
    connection: Connection, institution: InstitutionCode, encounter_no: EncounterNo
) -> Sequence[DispenseRequest]:
    """The requests of an encounter, the oldest first."""
    return _requests(connection, institution, requests.c.encounter_no == encounter_no)


def requests_in(
    connection: Connection,
    institution: InstitutionCode,
    states: Iterable[RequestState],
    *,
    day: date | None = None,
) -> Sequence[DispenseRequest]:
    """The requests that stand in one of the states, in the order of the queue."""
    condition: ColumnElement[bool] = requests.c.state.in_([state.value for state in states])
    if day is not None:
        condition &= requests.c.day == day
    return _requests(connection, institution, condition)


def next_place(connection: Connection, institution: InstitutionCode, day: date) -> int:
    """The next place in the pharmacy's queue of a day, from 1."""
    last = select(func.max(requests.c.queue_place)).where(
        requests.c.institution == institution, requests.c.day == day
    )
    return (connection.scalar(last) or 0) + 1


def on_requests(
    connection: Connection, institution: InstitutionCode, numbers: Collection[ChargeItemNo]
) -> set[ChargeItemNo]:
    """Those of the charge items that are on a request already."""
    query = select(lines.c.feedetl_sn).where(
        lines.c.institution == institution, lines.c.feedetl_sn.in_(numbers)
    )
    return {ChargeItemNo(number) for number in connection.scalars(query)}


def kept_of(
    connection: Connection,
    institution: InstitutionCode,
    numbers: Collection[ChargeItemNo],
    *,
    but_coming_back: bool = False,
) -> Mapping[ChargeItemNo, Decimal]:
    """Of which of the charge items a patient has something in hand, and how much.

    ``but_coming_back``: what lies on the counter while its refund is asked for does not count.
    """
    back = lines.c.returned + lines.c.coming_back if but_coming_back else lines.c.returned
    query = select(lines).where(
        lines.c.institution == institution,
        lines.c.feedetl_sn.in_(numbers),
        lines.c.released > back,
    )
    found = [_line(row) for row in connection.execute(query)]
    return {
        line.feedetl_sn: line.kept if but_coming_back else line.released - line.returned
        for line in found
    }


def add_handover(connection: Connection, handover: Handover) -> None:
    """Insert a new handover with what was picked for it."""
    connection.execute(insert(handovers).values(_handover_row(handover)))
    number = handover.handover_no
    connection.execute(insert(parts), [_part_row(number, part) for part in handover.parts])
    pick_rows = [
        {
            "handover_no": number,
            "line_no": part.line_no,
            "batch_id": pick.batch_id,
            "place_no": place,
            "quantity": pick.quantity,
        }
        for part in handover.parts
        for place, pick in enumerate(part.picks)
    ]
    connection.execute(insert(picks), pick_rows)
    box_rows = [
        {
            "handover_no": number,
            "code": code,
            "institution": handover.institution,
            "request_no": handover.request_no,
            "line_no": part.line_no,
            "place_no": place,
            "state": BoxState.SCANNED.value,
            "live_code": code,
        }
        for part in handover.parts
        for place, code in enumerate(part.picked.codes)
    ]
    if box_rows:
        connection.execute(insert(boxes), box_rows)


def put_handover(connection: Connection, handover: Handover) -> None:
    """Store where a handover stands now."""
    connection.execute(
        update(handovers)
        .where(handovers.c.handover_no == handover.handover_no)
        .values(_handover_row(handover))
    )


def put_boxes(connection: Connection, handover_no: HandoverNo, state: BoxState) -> None:
    """Store what became of a handover's boxes."""
    values: dict[str, Any] = {"state": state.value}
    if state is BoxState.DROPPED:
        values["live_code"] = None
    connection.execute(update(boxes).where(boxes.c.handover_no == handover_no).values(values))


def handover_of(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> Handover | None:
    """The handover of a command."""
    found = _handovers(connection, institution, handovers.c.command_id == command_id)
    return found[0] if found else None


def open_handover(
    connection: Connection, institution: InstitutionCode, request_no: RequestNo
) -> Handover | None:
    """The handover of a request that is under way."""
    found = _handovers(connection, institution, handovers.c.open_request == request_no)
    return found[0] if found else None


def handovers_of(
    connection: Connection, institution: InstitutionCode, request_no: RequestNo
) -> Sequence[Handover]:
    """Every handover of a request, the oldest first."""
    return _handovers(connection, institution, handovers.c.request_no == request_no)


def handovers_in(
    connection: Connection, institution: InstitutionCode, state: HandoverState
) -> Sequence[Handover]:
    """The handovers that stand in a state, the oldest first."""
    return _handovers(connection, institution, handovers.c.state == state.value)


def proof_is_used(
    connection: Connection, institution: InstitutionCode, digest: bytes, *, by: HandoverNo
) -> bool:
    """Whether a proof has collected in another handover."""
    query = select(handovers.c.handover_no).where(
        handovers.c.institution == institution,
        handovers.c.proof_digest == digest,
        handovers.c.handover_no != by,
    )
    return connection.execute(query).first() is not None


def taken_codes(
    connection: Connection,
    institution: InstitutionCode,
    codes: Collection[str],
    *,
    but: HandoverNo | None,
) -> set[str]:
    """Those of the codes that are on another live line, came back, or wait to be ended."""
    live = select(boxes.c.code).where(
        boxes.c.institution == institution,
        boxes.c.code.in_(codes),
        boxes.c.live_code.is_not(None) | (boxes.c.state == BoxState.RETURNED.value),
        boxes.c.handover_no != (but or ""),
    )
    pending = select(endings.c.code).where(
        endings.c.institution == institution,
        endings.c.code.in_(codes),
        endings.c.told_at.is_(None),
    )
    return {*connection.scalars(live), *connection.scalars(pending)}


def released_codes(
    connection: Connection, institution: InstitutionCode, request_no: RequestNo, line_no: int
) -> set[str]:
    """The codes of a line's boxes that the patient has."""
    query = select(boxes.c.code).where(
        boxes.c.institution == institution,
        boxes.c.request_no == request_no,
        boxes.c.line_no == line_no,
        boxes.c.state == BoxState.RELEASED.value,
    )
    return set(connection.scalars(query))


def live_boxes(
    connection: Connection,
    institution: InstitutionCode,
    codes: Collection[str],
    state: BoxState,
) -> None:
    """Store what became of boxes that a patient has; returned ones are live on no line any more."""
    values: dict[str, Any] = {"state": state.value}
    if state is BoxState.RETURNED:
        values["live_code"] = None
    here = boxes.c.institution == institution, boxes.c.live_code.in_(codes)
    connection.execute(update(boxes).where(*here).values(values))


def add_endings(
    connection: Connection,
    institution: InstitutionCode,
    request_no: RequestNo,
    *,
    cause: str,
    codes: Collection[str],
    handed_out: bool,
) -> None:
    """Keep what the insurer is to be told."""
    rows = [
        {
            "institution": institution,
            "cause": cause,
            "code": code,
            "request_no": request_no,
            "handed_out": handed_out,
        }
        for code in codes
    ]
    if rows:
        connection.execute(insert(endings), rows)


def pending_endings(
    connection: Connection, institution: InstitutionCode, limit: int
) -> Sequence[PendingEnding]:
    """The oldest of what the insurer is still to be told."""
    query = (
        select(endings)
        .where(endings.c.institution == institution, endings.c.told_at.is_(None))
        .order_by(endings.c.cause, endings.c.code)
        .limit(limit)
    )
    return [
        PendingEnding(row.cause, row.code, RequestNo(row.request_no), row.handed_out)
        for row in connection.execute(query)
    ]


def endings_told(
    connection: Connection,
    institution: InstitutionCode,
    told: Sequence[PendingEnding],
    *,
    at: datetime,
) -> None:
    """The insurer was told."""
    for each in told:
        connection.execute(
            update(endings)
            .filter_by(institution=institution, cause=each.cause, code=each.code)
            .values(told_at=at)
        )


def add_return(connection: Connection, new: MedicineReturn) -> None:
    """Insert a new return."""
    connection.execute(insert(returns).values(_return_row(new)))
    connection.execute(
        insert(return_parts),
        [
            {
                "institution": new.institution,
                "command_id": new.command_id,
                "line_no": part.line_no,
                "quantity": part.quantity,
                "codes": " ".join(part.codes),
            }
            for part in new.parts
        ],
    )


def put_return(connection: Connection, changed: MedicineReturn) -> None:
    """Store where a return stands now."""
    key = {"institution": changed.institution, "command_id": changed.command_id}
    connection.execute(update(returns).filter_by(**key).values(_return_row(changed)))


def return_of(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> MedicineReturn | None:
    """The return of a command."""
    query = select(returns).filter_by(institution=institution, command_id=command_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _return(connection, row)


def returns_in(
    connection: Connection, institution: InstitutionCode, state: ReturnState
) -> Sequence[CommandId]:
    """The returns that stand in a state, the oldest first."""
    query = (
        select(returns.c.command_id)
        .where(returns.c.institution == institution, returns.c.state == state.value)
        .order_by(returns.c.asked_at, returns.c.command_id)
    )
    return [CommandId(command_id) for command_id in connection.scalars(query)]


def add_return_picks(
    connection: Connection, done: MedicineReturn, line_no: int, back: Sequence[Pick]
) -> None:
    """Keep into which batches a line came back."""
    rows = [
        {
            "institution": done.institution,
            "command_id": done.command_id,
            "line_no": line_no,
            "batch_id": pick.batch_id,
            "quantity": pick.quantity,
        }
        for pick in back
    ]
    connection.execute(insert(return_picks), rows)


def given_picks(
    connection: Connection, institution: InstitutionCode, request_no: RequestNo, line_no: int
) -> Sequence[Pick]:
    """What of a line went out of which batch and did not come back."""
    out = (
        select(picks.c.batch_id, func.sum(picks.c.quantity, type_=Quantity).label("many"))
        .join(handovers, handovers.c.handover_no == picks.c.handover_no)
        .where(
            handovers.c.request_no == request_no,
            handovers.c.state == HandoverState.RELEASED.value,
            picks.c.line_no == line_no,
        )
        .group_by(picks.c.batch_id)
        .order_by(picks.c.batch_id)
    )
    back = (
        select(
            return_picks.c.batch_id, func.sum(return_picks.c.quantity, type_=Quantity).label("many")
        )
        .join(
            returns,
            (returns.c.institution == return_picks.c.institution)
            & (returns.c.command_id == return_picks.c.command_id),
        )
        .where(
            returns.c.institution == institution,
            returns.c.request_no == request_no,
            return_picks.c.line_no == line_no,
        )
        .group_by(return_picks.c.batch_id)
    )
    came = {row.batch_id: row.many for row in connection.execute(back)}
    rows = connection.execute(out).all()
    return [Pick(BatchId(row.batch_id), row.many - came.get(row.batch_id, 0)) for row in rows]


def _one_request(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> DispenseRequest | None:
    found = _requests(connection, institution, condition)
    return found[0] if found else None


def _requests(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> Sequence[DispenseRequest]:
    query = (
        select(requests)
        .where(requests.c.institution == institution, condition)
        .order_by(requests.c.day, requests.c.queue_place)
    )
    rows = connection.execute(query).all()
    numbers = [row.request_no for row in rows]
    of_lines = select(lines).where(lines.c.request_no.in_(numbers)).order_by(lines.c.line_no)
    by_request: dict[str, list[DispenseLine]] = {number: [] for number in numbers}
    for row in connection.execute(of_lines):
        by_request[row.request_no].append(_line(row))
    return [_request(row, by_request[row.request_no]) for row in rows]


def _request(row: Row[Any], of_request: Sequence[DispenseLine]) -> DispenseRequest:
    return DispenseRequest(
        request_no=RequestNo(row.request_no),
        institution=InstitutionCode(row.institution),
        command_id=CommandId(row.command_id),
        encounter_no=EncounterNo(row.encounter_no),
        record_no=RecordNo(row.record_no),
        psn_no=PersonNo(row.psn_no),
        mdtrt_id=VisitId(row.mdtrt_id),
        dr_code=row.dr_code,
        dr_name=row.dr_name,
        day=row.day,
        queue_place=row.queue_place,
        opened_at=row.opened_at,
        lines=tuple(of_request),
        state=RequestState(row.state),
        reviewed_by=None if row.reviewed_by is None else StaffId(row.reviewed_by),
        reviewed_at=row.reviewed_at,
        note=row.note,
        slip_no=row.slip_no,
    )


def _request_row(request: DispenseRequest) -> dict[str, Any]:
    row: dict[str, Any] = {column.name: getattr(request, column.name) for column in requests.c}
    return row | {"state": request.state.value}


def _line(row: Row[Any]) -> DispenseLine:
    values = {name: row._mapping[name] for name in DispenseLine.__slots__}
    return DispenseLine(**{**values, "feedetl_sn": ChargeItemNo(row.feedetl_sn)})


def _line_row(request: DispenseRequest, line: DispenseLine) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(line, name) for name in DispenseLine.__slots__}
    return row | {"request_no": request.request_no, "institution": request.institution}


def _handovers(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> Sequence[Handover]:
    query = (
        select(handovers)
        .where(handovers.c.institution == institution, condition)
        .order_by(handovers.c.prepared_at, handovers.c.handover_no)
    )
    return [_handover(connection, row) for row in connection.execute(query).all()]


def _handover(connection: Connection, row: Row[Any]) -> Handover:
    number = HandoverNo(row.handover_no)
    return Handover(
        handover_no=number,
        institution=InstitutionCode(row.institution),
        request_no=RequestNo(row.request_no),
        parts=_parts(connection, number),
        prepared_by=StaffId(row.prepared_by),
        prepared_at=row.prepared_at,
        state=HandoverState(row.state),
        told=row.told,
        command_id=None if row.command_id is None else CommandId(row.command_id),
        pays=row.pays,
        intent_id=None if row.intent_id is None else IntentId(row.intent_id),
        collector=None if row.collector is None else _collector(row),
        released_by=None if row.released_by is None else StaffId(row.released_by),
        released_at=row.released_at,
    )


def _collector(row: Row[Any]) -> Collector:
    return Collector(
        kind=CollectorKind(row.collector),
        channel=Channel(row.channel),
        psn_no=None if row.collector_psn_no is None else PersonNo(row.collector_psn_no),
        id_number_hash=row.id_number_hash,
        kinship=None if row.kinship is None else Kinship(row.kinship),
        seen_by=None if row.seen_by is None else StaffId(row.seen_by),
        proof_digest=row.proof_digest,
    )


def _parts(connection: Connection, number: HandoverNo) -> tuple[HandoverPart, ...]:
    of_parts = select(parts).where(parts.c.handover_no == number).order_by(parts.c.line_no)
    of_picks = select(picks).where(picks.c.handover_no == number).order_by(picks.c.place_no)
    of_boxes = select(boxes).where(boxes.c.handover_no == number).order_by(boxes.c.place_no)
    taken = connection.execute(of_picks).all()
    scanned = connection.execute(of_boxes).all()
    return tuple(
        HandoverPart(
            picked=Picked(
                line_no=row.line_no,
                quantity=row.quantity,
                codes=tuple(box.code for box in scanned if box.line_no == row.line_no),
                exception=None if row.exception is None else TraceException(row.exception),
                reason=row.reason,
                mother_code=row.mother_code,
            ),
            missing=row.missing,
            picks=tuple(
                Pick(BatchId(pick.batch_id), pick.quantity)
                for pick in taken
                if pick.line_no == row.line_no
            ),
        )
        for row in connection.execute(of_parts).all()
    )


def _part_row(number: HandoverNo, part: HandoverPart) -> dict[str, Any]:
    picked = part.picked
    return {
        "handover_no": number,
        "line_no": part.line_no,
        "quantity": picked.quantity,
        "missing": part.missing,
        "exception": None if picked.exception is None else picked.exception.value,
        "reason": picked.reason.strip(),
        "mother_code": picked.mother_code,
    }


def _handover_row(handover: Handover) -> dict[str, Any]:
    who = handover.collector
    is_open = handover.state in UNDER_WAY
    return {
        "handover_no": handover.handover_no,
        "institution": handover.institution,
        "request_no": handover.request_no,
        "open_request": handover.request_no if is_open else None,
        "state": handover.state.value,
        "told": handover.told,
        "command_id": handover.command_id,
        "pays": handover.pays,
        "intent_id": handover.intent_id,
        "prepared_by": handover.prepared_by,
        "prepared_at": handover.prepared_at,
        "collector": None if who is None else who.kind.value,
        "channel": None if who is None else who.channel.value,
        "collector_psn_no": None if who is None else who.psn_no,
        "id_number_hash": None if who is None else who.id_number_hash,
        "kinship": None if who is None or who.kinship is None else who.kinship.value,
        "seen_by": None if who is None else who.seen_by,
        "proof_digest": None if who is None else who.proof_digest,
        "released_by": handover.released_by,
        "released_at": handover.released_at,
    }


def _return(connection: Connection, row: Row[Any]) -> MedicineReturn:
    of_parts = (
        select(return_parts)
        .filter_by(institution=row.institution, command_id=row.command_id)
        .order_by(return_parts.c.line_no)
    )
    return MedicineReturn(
        command_id=CommandId(row.command_id),
        institution=InstitutionCode(row.institution),
        request_no=RequestNo(row.request_no),
        parts=tuple(
            ReturnPart(part.line_no, part.quantity, tuple(part.codes.split()))
            for part in connection.execute(of_parts).all()
        ),
        reason=row.reason,
        taken_by=StaffId(row.taken_by),
        asked_at=row.asked_at,
        state=ReturnState(row.state),
        refunded_fen=None if row.refunded_fen is None else Fen(row.refunded_fen),
        refused_code=row.refused_code,
    )


def _return_row(new: MedicineReturn) -> dict[str, Any]:
    row: dict[str, Any] = {column.name: getattr(new, column.name) for column in returns.c}
    return row | {"state": new.state.value}
