"""Tables of charge items and their batches, and where price lists lie.

Prices, quantities and shares are stored as decimal text, because no engine of ours has an exact
decimal of its own.
"""

from collections import namedtuple
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime, forbid_in_transaction
from shualian.core.database.rows import Sought, changed_rows, find, sought, write
from shualian.core.database.statements import Filled, Statement
from shualian.core.identifiers import ChargeItemNo, CommandId, EncounterNo, InstitutionCode
from shualian.core.money import Fen
from shualian.hospital.model import NOTHING_SAID, FeeSplit
from shualian.hospital.orders.model import (
    UNSETTLED,
    Batch,
    BatchState,
    ChargeItem,
    PriceList,
    parse_price_list,
)

metadata = MetaData()

_IDENTIFIER = String(30)
_DECIMAL = String(30)

batches = Table(
    "charge_batch",
    metadata,
    Column("chrg_bchno", _IDENTIFIER, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("encounter_no", _IDENTIFIER, nullable=False, index=True),
    Column("state", String(10), nullable=False),
    Column("held_by", _IDENTIFIER),
)

items = Table(
    "charge_item",
    metadata,
    Column("feedetl_sn", _IDENTIFIER, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("encounter_no", _IDENTIFIER, nullable=False, index=True),
    Column("chrg_bchno", ForeignKey(batches.c.chrg_bchno), nullable=False, index=True),
    Column("command_id", _IDENTIFIER, nullable=False),
    Column("line_no", Integer, nullable=False),
    Column("medins_list_codg", String(150), nullable=False),
    Column("med_list_codg", String(50), nullable=False),
    Column("name_zh", String(100), nullable=False),
    Column("name_en", String(100), nullable=False),
    Column("pric", _DECIMAL, nullable=False),
    Column("cnt", _DECIMAL, nullable=False),
    Column("det_item_fee_sumamt", BigInteger, nullable=False),
    Column("fee_ocur_time", UtcTime, nullable=False),
    Column("bilg_dept_codg", _IDENTIFIER, nullable=False),
    Column("bilg_dept_name", String(100), nullable=False),
    Column("bilg_dr_codg", _IDENTIFIER, nullable=False),
    Column("bilg_dr_name", String(50), nullable=False),
    Column("hosp_appr_flag", String(3), nullable=False, server_default=NOTHING_SAID),
    Column("withdrawn_at", UtcTime),
    UniqueConstraint("institution", "command_id", "line_no", name="uq_charge_item_line"),
)

splits = Table(
    "charge_split",
    metadata,
    Column("feedetl_sn", ForeignKey(items.c.feedetl_sn), primary_key=True),
    Column("fulamt_ownpay_amt", BigInteger, nullable=False),
    Column("overlmt_amt", BigInteger, nullable=False),
    Column("preselfpay_amt", BigInteger, nullable=False),
    Column("inscp_scp_amt", BigInteger, nullable=False),
    Column("chrgitm_lv", String(3), nullable=False),
    Column("med_chrgitm_type", String(6), nullable=False),
    Column("selfpay_prop", _DECIMAL, nullable=False),
    Column("pric_uplmt_amt", _DECIMAL),
)
"""One row for each line that was uploaded."""


_SplitRow = namedtuple("_SplitRow", [column.name for column in splits.c])  # type: ignore[misc]
_SPLITS_OF_BATCH = Statement(
    "SELECT s.feedetl_sn, s.fulamt_ownpay_amt, s.overlmt_amt, s.preselfpay_amt, s.inscp_scp_amt,"
    " s.chrgitm_lv, s.med_chrgitm_type, s.selfpay_prop, s.pric_uplmt_amt"
    " FROM charge_split s JOIN charge_item i ON i.feedetl_sn = s.feedetl_sn"
    " WHERE i.institution = ? AND i.chrg_bchno = ?"
)
"""In the order of the table's columns."""
_HOLD_BATCH = Statement(
    "UPDATE charge_batch SET state = ?, held_by = ?"
    " WHERE institution = ? AND chrg_bchno = ? AND state IN (?, ?)"
)


def packaged_price_lists() -> Traversable:
    """The folder of the illustrative price lists that come with the package."""
    return files(__package__) / "price_lists"


def load_price_list(file: Traversable) -> PriceList:
    """A price list from a CSV file, UTF-8.

    Raises:
        Refused: ``hospital.price_list_invalid``.
    """
    forbid_in_transaction("reading a price list")
    return parse_price_list(file.read_text("utf-8-sig"))


def add_batch(connection: Connection, batch: Batch) -> None:
    """Insert a new batch."""
    row = {
        "chrg_bchno": batch.chrg_bchno,
        "institution": batch.institution,
        "encounter_no": batch.encounter_no,
        "state": batch.state.value,
        "held_by": batch.held_by,
    }
    connection.execute(insert(batches).values(row))


def batches_of(
    connection: Connection, institution: InstitutionCode, encounter_no: EncounterNo
) -> Sequence[Batch]:
    """All batches of an encounter, the oldest first."""
    key = {"institution": institution, "encounter_no": encounter_no}
    (rows,) = find(connection, sought(batches, "chrg_bchno", **key))
    return [_batch(row) for row in rows]


def hold_batch(
    connection: Connection, institution: InstitutionCode, chrg_bchno: str, by: CommandId
) -> None:
    """Let a payment hold a batch that is not settled, instead of the one that may hold it now."""
    unsettled = [state.value for state in UNSETTLED]
    told = (BatchState.HELD.value, by, institution, chrg_bchno, *unsettled)
    write(connection, [Filled(_HOLD_BATCH, told)])


def release_batch(
    connection: Connection, institution: InstitutionCode, chrg_bchno: str, by: CommandId
) -> None:
    """Open a batch again if this payment still holds it."""
    _change_batch(
        connection,
        (batches.c.institution == institution)
        & (batches.c.chrg_bchno == chrg_bchno)
        & (batches.c.held_by == by)
        & (batches.c.state == BatchState.HELD.value),
        BatchState.OPEN,
        None,
    )


def settle_batch(
    connection: Connection, institution: InstitutionCode, chrg_bchno: str, by: CommandId
) -> None:
    """A payment has settled the batch, whoever holds it now: the insurer has its lines."""
    values = {"state": BatchState.SETTLED.value, "held_by": by}
    here = {"institution": institution, "chrg_bchno": chrg_bchno}
    write(connection, [changed_rows(batches, values, **here)])


def reopen_batch(
    connection: Connection, institution: InstitutionCode, chrg_bchno: str, by: CommandId
) -> None:
    """Open a batch again whose settlement by this payment was taken back."""
    _change_batch(
        connection,
        (batches.c.institution == institution)
        & (batches.c.chrg_bchno == chrg_bchno)
        & (batches.c.held_by == by)
        & (batches.c.state == BatchState.SETTLED.value),
        BatchState.OPEN,
        None,
    )


def end_batch(
    connection: Connection, institution: InstitutionCode, chrg_bchno: str, state: BatchState
) -> None:
    """A batch has nothing on it any more: recalled, or withdrawn for good."""
    here = (batches.c.institution == institution) & (batches.c.chrg_bchno == chrg_bchno)
    _change_batch(connection, here, state, None)


def withdraw_items(
    connection: Connection,
    institution: InstitutionCode,
    numbers: Collection[ChargeItemNo],
    *,
    at: datetime,
) -> None:
    """Take lines off every bill; they stay in the books."""
    connection.execute(
        update(items)
        .where(items.c.institution == institution, items.c.feedetl_sn.in_(list(numbers)))
        .values(withdrawn_at=at)
    )


def move_items(
    connection: Connection,
    institution: InstitutionCode,
    numbers: Collection[ChargeItemNo],
    to_batch: str,
) -> None:
    """Put lines into another batch, as lines that are not uploaded."""
    connection.execute(delete(splits).where(splits.c.feedetl_sn.in_(list(numbers))))
    connection.execute(
        update(items)
        .where(items.c.institution == institution, items.c.feedetl_sn.in_(list(numbers)))
        .values(chrg_bchno=to_batch)
    )


def add_items(connection: Connection, new: Sequence[ChargeItem]) -> None:
    """Insert new lines."""
    connection.execute(insert(items), [_item_row(item) for item in new])


def add_splits(connection: Connection, classed: Sequence[ChargeItem]) -> None:
    """Insert the insurer's answer for lines that have none yet."""
    known = select(splits.c.feedetl_sn).where(
        splits.c.feedetl_sn.in_([item.feedetl_sn for item in classed])
    )
    answered = set(connection.scalars(known))
    rows = [
        _split_row(item.split)
        for item in classed
        if item.split is not None and item.feedetl_sn not in answered
    ]
    if rows:
        connection.execute(insert(splits), rows)


def replace_splits(connection: Connection, changed: Sequence[FeeSplit]) -> None:
    """Put the insurer's newer answer in the place of the one before, where there is one."""
    for split in changed:
        values = _split_row(split)
        known = splits.c.feedetl_sn == values.pop("feedetl_sn")
        connection.execute(update(splits).where(known).values(values))


def flag_items(
    connection: Connection,
    institution: InstitutionCode,
    numbers: Collection[ChargeItemNo],
    hosp_appr_flag: str,
) -> None:
    """What the hospital says of lines from now on, however often they are uploaded."""
    connection.execute(
        update(items)
        .where(items.c.institution == institution, items.c.feedetl_sn.in_(list(numbers)))
        .values(hosp_appr_flag=hosp_appr_flag)
    )


def items_of(
    connection: Connection, institution: InstitutionCode, encounter_no: EncounterNo
) -> Sequence[ChargeItem]:
    """The lines of an encounter that stand, the oldest first."""
    standing = items.c.withdrawn_at.is_(None)
    return _items(connection, institution, standing & (items.c.encounter_no == encounter_no))


def every_item_of(
    connection: Connection, institution: InstitutionCode, encounter_no: EncounterNo
) -> Sequence[ChargeItem]:
    """The lines of an encounter, also those that were withdrawn, the oldest first."""
    return _items(connection, institution, items.c.encounter_no == encounter_no)


def items_of_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> Sequence[ChargeItem]:
    """The lines that a command ordered, in its order; also those that were withdrawn."""
    return _items(connection, institution, items.c.command_id == command_id)


def items_of_batch(
    connection: Connection, institution: InstitutionCode, chrg_bchno: str
) -> Sequence[ChargeItem]:
    """The lines of a batch that stand, the oldest first."""
    key = {"institution": institution, "chrg_bchno": chrg_bchno}
    order = ("fee_ocur_time", "command_id", "line_no")
    of_lines = Filled(_SPLITS_OF_BATCH, (institution, chrg_bchno))
    found, split_rows = find(connection, sought(items, *order, **key), Sought(splits, of_lines))
    split_of = {row.feedetl_sn: row for row in split_rows}
    return [_item(row, split_of.get(row.feedetl_sn)) for row in found if row.withdrawn_at is None]


def _items(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> Sequence[ChargeItem]:
    query = (
        select(items, *[column.label(f"split_{column.name}") for column in splits.c])
        .select_from(items.outerjoin(splits, items.c.feedetl_sn == splits.c.feedetl_sn))
        .where(items.c.institution == institution, condition)
        .order_by(items.c.fee_ocur_time, items.c.command_id, items.c.line_no)
    )
    return [_item(row, _joined_split(row)) for row in connection.execute(query)]


def _joined_split(row: Row[Any]) -> "_SplitRow | None":
    split = row[len(items.c) :]
    return _SplitRow(*split) if split[0] is not None else None


def _change_batch(
    connection: Connection,
    condition: ColumnElement[bool],
    state: BatchState,
    by: CommandId | None,
) -> None:
    connection.execute(update(batches).where(condition).values(state=state.value, held_by=by))


def _batch(row: Any) -> Batch:
    return Batch(
        chrg_bchno=row.chrg_bchno,
        institution=InstitutionCode(row.institution),
        encounter_no=EncounterNo(row.encounter_no),
        state=BatchState(row.state),
        held_by=None if row.held_by is None else CommandId(row.held_by),
    )


def _item_row(item: ChargeItem) -> dict[str, Any]:
    row: dict[str, Any] = {column.name: getattr(item, column.name) for column in items.c}
    return row | {"pric": str(item.pric), "cnt": str(item.cnt)}


def _split_row(split: FeeSplit) -> dict[str, Any]:
    row: dict[str, Any] = {column.name: getattr(split, column.name) for column in splits.c}
    ceiling = split.pric_uplmt_amt
    return row | {
        "selfpay_prop": str(split.selfpay_prop),
        "pric_uplmt_amt": None if ceiling is None else str(ceiling),
    }


def _item(row: Any, split: Any) -> ChargeItem:
    return ChargeItem(
        feedetl_sn=ChargeItemNo(row.feedetl_sn),
        institution=InstitutionCode(row.institution),
        encounter_no=EncounterNo(row.encounter_no),
        chrg_bchno=row.chrg_bchno,
        command_id=CommandId(row.command_id),
        line_no=row.line_no,
        medins_list_codg=row.medins_list_codg,
        med_list_codg=row.med_list_codg,
        name_zh=row.name_zh,
        name_en=row.name_en,
        pric=Decimal(row.pric),
        cnt=Decimal(row.cnt),
        det_item_fee_sumamt=Fen(row.det_item_fee_sumamt),
        fee_ocur_time=row.fee_ocur_time,
        bilg_dept_codg=row.bilg_dept_codg,
        bilg_dept_name=row.bilg_dept_name,
        bilg_dr_codg=row.bilg_dr_codg,
        bilg_dr_name=row.bilg_dr_name,
        hosp_appr_flag=row.hosp_appr_flag,
        split=None if split is None else _split(row, split),
        withdrawn_at=row.withdrawn_at,
    )


def _split(row: Any, split: Any) -> FeeSplit:
    ceiling = split.pric_uplmt_amt
    return FeeSplit(
        feedetl_sn=ChargeItemNo(row.feedetl_sn),
        det_item_fee_sumamt=Fen(row.det_item_fee_sumamt),
        fulamt_ownpay_amt=Fen(split.fulamt_ownpay_amt),
        overlmt_amt=Fen(split.overlmt_amt),
        preselfpay_amt=Fen(split.preselfpay_amt),
        inscp_scp_amt=Fen(split.inscp_scp_amt),
        chrgitm_lv=split.chrgitm_lv,
        med_chrgitm_type=split.med_chrgitm_type,
        selfpay_prop=Decimal(split.selfpay_prop),
        pric_uplmt_amt=None if ceiling is None else Decimal(ceiling),
    )
