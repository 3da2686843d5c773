"""The hot path's questions and rows, by hand: all that a settlement reads and writes.

A settlement asks everything in one round trip and writes everything in another; the mapper of
``store`` would cost ten times the decision itself. No rule about money stands here: amounts come
decided, and the statements only add, mark and insert.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from shualian.core.clock import business_date
from shualian.core.database.statements import Filled, Row, Statement, Value, insert_rows, moment
from shualian.core.identifiers import (
    CommandId,
    InstitutionCode,
    IntentId,
    PersonNo,
    SettlementId,
    VisitId,
)
from shualian.core.money import Fen
from shualian.insurer.benefits.amounts import AMOUNT_NAMES
from shualian.insurer.persons.model import Insurance, InsuranceNote, InsuranceStatus
from shualian.insurer.settlement.evidence.model import Limits, Proven
from shualian.insurer.settlement.model import Bill, Found, OpenItem, SettlementRecord, VisitKind
from shualian.trust.audit.model import Payload, event_row

SCALE_CNT = 4
SCALE_PRIC = 6

_PERSON = Statement("SELECT psn_no FROM insured_person WHERE psn_no = ?", locks=True)
_COMMAND = Statement(
    "SELECT c.command_digest, c.setl_id, c.rest_setl_id, c.refusal_code, c.refusal_details,"
    " s.answer_sealed, r.outcome"
    " FROM (SELECT 1 AS one) o"
    " LEFT JOIN insurer_command c ON c.institution = ? AND c.command_id = ?"
    " LEFT JOIN settlement s ON s.setl_id = c.setl_id"
    " LEFT JOIN insurer_reversal r ON r.institution = ? AND r.command_id = ?"
)
_CASE = Statement(
    "SELECT v.institution, v.psn_no, v.insutype, v.begntime, v.year, v.kind, v.state,"
    " v.discharged_at, i.level, i.region, n.psn_type, n.insuplc_admdvs, n.psn_insu_stas, n.note,"
    " COALESCE(a.balance_fen, 0)"
    " FROM insurer_visit v"
    " LEFT JOIN contracted_institution i ON i.fixmedins_code = v.institution"
    " LEFT JOIN insurance n ON n.psn_no = v.psn_no AND n.insutype = v.insutype"
    " LEFT JOIN personal_account a ON a.psn_no = v.psn_no"
    " WHERE v.mdtrt_id = ?"
)
_ITEMS = (
    "SELECT feedetl_sn, med_list_codg, det_item_fee_sumamt, cnt, pric, hosp_appr_flag, dise_codg"
    " FROM insurer_charge_item WHERE mdtrt_id = ? AND settled_by IS NULL"
)
_OF_VISIT = Statement(_ITEMS)
_OF_BATCH = Statement(_ITEMS + " AND chrg_bchno = ?")
_COUNTERS = Statement(
    "SELECT y.counter, y.amount_fen FROM insurer_visit v"
    " JOIN year_counter y ON y.psn_no = v.psn_no AND y.insutype = v.insutype AND y.year = v.year"
    " WHERE v.mdtrt_id = ?"
)
_SO_FAR = Statement("SELECT accrual FROM settlement WHERE mdtrt_id = ?")
_DAY = Statement(
    "SELECT CAST(COALESCE((SELECT SUM(unpinned_fen) FROM settlement"
    " WHERE psn_no = ? AND business_day = ?), 0) AS BIGINT),"
    " l.transaction_fen, l.day_fen,"
    " (SELECT COUNT(*) FROM settlement WHERE institution = ? AND intent_id = ? AND proof_use = ?)"
    " FROM (SELECT 1 AS one) o LEFT JOIN payment_limit l ON l.psn_no = ?"
)
_HOLD_VISIT = Statement(
    "UPDATE insurer_charge_item SET settled_by = ? WHERE mdtrt_id = ? AND settled_by IS NULL"
)
_HOLD_BATCH = Statement(_HOLD_VISIT.text + " AND chrg_bchno = ?")
_COMMAND_ROW = insert_rows(
    "insurer_command",
    (
        "institution",
        "command_id",
        "command_digest",
        "setl_id",
        "rest_setl_id",
        "refusal_code",
        "refusal_details",
        "decided_at",
    ),
    1,
)
_SETTLEMENT_COLUMNS = (
    "setl_id",
    "kind",
    "cancels",
    "institution",
    "command_id",
    "intent_id",
    "proof_use",
    "rests_on",
    "evidence",
    "evidence_reference",
    "second_factor",
    "subject",
    "relation",
    "terminal_id",
    "seen_by",
    "unpinned_fen",
    "mdtrt_id",
    "psn_no",
    "insutype",
    "insuplc_admdvs",
    "med_type",
    "chrg_bchno",
    "mid_setl_flag",
    "setl_time",
    "business_day",
    "year",
    "accrual",
    "policy_id",
    "policy_version",
    *AMOUNT_NAMES,
    "answer_sealed",
)
_AMOUNTS = attrgetter(*AMOUNT_NAMES)
_SETTLEMENT_ROW = insert_rows("settlement", _SETTLEMENT_COLUMNS, 1)
_EVENT_ROW = insert_rows("audit_event", ("kind", "at", "payload"), 1)
_COUNTER_COLUMNS = ("psn_no", "insutype", "year", "counter", "amount_fen")
_GROW = (
    "ON CONFLICT (psn_no, insutype, year, counter)"
    " DO UPDATE SET amount_fen = year_counter.amount_fen + excluded.amount_fen"
)


class Known(NamedTuple):
    """What the books know of a command; all empty for a new one."""

    command_digest: bytes | None
    setl_id: SettlementId | None
    rest_setl_id: SettlementId | None
    refusal_code: str | None
    refusal_details: str | None
    answer_sealed: bytes | None
    reversed: str | None


class Day(NamedTuple):
    """What a person's limits without a PIN depend on.

    Attributes:
        paid_fen: Counted today, less cancelled.
        own: The person's own limits, if they set any.
        intent_used: Whether a settlement rests on this intent.
    """

    paid_fen: Fen
    own: Limits | None
    intent_used: bool


def lock_person(psn_no: PersonNo) -> Filled:
    """Lets nobody else move the person's money or charges until the transaction ends."""
    return Filled(_PERSON, (psn_no,))


def lock_people(psn_nos: Sequence[PersonNo]) -> Filled:
    """:func:`lock_person` for several; whom others have locked is left out and not waited for."""
    return Filled(_people(len(psn_nos)), tuple(psn_nos))


@lru_cache(maxsize=64)
def _people(number: int) -> Statement:
    places = ", ".join("?" * number)
    return Statement(_PERSON.text.replace("= ?", f"IN ({places})"), locks=True, waits=False)


def ask_command(institution: InstitutionCode, command_id: CommandId) -> Filled:
    """What is known of a command; :func:`known` reads the answer."""
    return Filled(_COMMAND, (institution, command_id, institution, command_id))


def known(rows: Sequence[Row]) -> Known:
    """The answer to :func:`ask_command`."""
    return Known(*rows[0])


def ask_visit(bill: Bill, *, whole_visit: bool) -> tuple[Filled, ...]:
    """What a bill depends on; :func:`found` reads the four answers.

    Args:
        bill: Which.
        whole_visit: Whether all open lines of the visit are settled, whatever their batch.
    """
    number = bill.mdtrt_id
    items = (
        Filled(_OF_VISIT, (number,))
        if whole_visit
        else Filled(_OF_BATCH, (number, bill.chrg_bchno))
    )
    return Filled(_CASE, (number,)), items, Filled(_COUNTERS, (number,)), Filled(_SO_FAR, (number,))


def found(answers: Sequence[Sequence[Row]]) -> Found | None:
    """The answers to :func:`ask_visit`; none when there is no such visit."""
    case, items, counters, so_far = answers
    if not case:
        return None
    row = case[0]
    return Found(
        institution=row[0],
        psn_no=row[1],
        insutype=row[2],
        begntime=moment(row[3]),
        year=row[4],
        kind=VisitKind(row[5]),
        cancelled=row[6] != "open",
        discharged=row[7] is not None,
        level=row[8],
        region=row[9] or "",
        insurance=_insurance(row),
        balance=Fen(row[14]),
        items=tuple([_item(each) for each in items]),
        counters={name: Fen(amount) for name, amount in counters},
        so_far=_summed(so_far),
    )


def _insurance(row: Row) -> Insurance | None:
    if row[12] is None:
        return None
    note = None if row[13] is None else InsuranceNote(row[13])
    return Insurance(row[2], row[10], row[11], InsuranceStatus(row[12]), note)


def _item(row: Row) -> OpenItem:
    number, code, amount, cnt, pric, approved, disease = row
    return OpenItem(
        number,
        code,
        Fen(amount),
        Decimal(cnt).scaleb(-SCALE_CNT),
        Decimal(pric).scaleb(-SCALE_PRIC),
        approved,
        disease,
    )


def _summed(rows: Sequence[Row]) -> dict[str, Fen]:
    summed: dict[str, Fen] = {}
    for (accrual,) in rows:
        for name, amount in json.loads(accrual).items():
            summed[name] = Fen(summed.get(name, 0) + amount)
    return {name: amount for name, amount in summed.items() if amount}


def ask_day(
    psn_no: PersonNo,
    now: datetime,
    institution: InstitutionCode,
    intent_id: IntentId,
    use: str,
) -> Filled:
    """What the limits depend on; :func:`day` reads the answer."""
    today = business_date(now).isoformat()
    return Filled(_DAY, (psn_no, today, institution, intent_id, use, psn_no))


def day(rows: Sequence[Row]) -> Day:
    """The answer to :func:`ask_day`."""
    paid, transaction, of_day, used = rows[0]
    own = None if transaction is None else Limits(Fen(transaction), Fen(of_day))
    return Day(Fen(paid), own, bool(used))


@dataclass(frozen=True, slots=True)
class Rests:
    """On what a record rests, as it is kept beside it.

    Attributes:
        command_id: The command that made it.
        proven: The evidence.
        unpinned: What counts against the day's limit; negative in a cancellation.
        intent_id: What the person confirmed; used once.
        use: The use of the evidence.
        mid_setl: In the middle of a stay.
    """

    command_id: CommandId
    proven: Proven
    unpinned: Fen
    intent_id: IntentId | None = None
    use: str | None = None
    mid_setl: bool = False


def settlement_row(record: SettlementRecord, rests: Rests, answer_sealed: bytes) -> Filled:
    """Inserts a settlement or a cancellation with its sealed record."""
    proven, settled = rests.proven, record.settlement
    values: tuple[Value, ...] = (
        record.setl_id,
        record.kind.value,
        record.cancels,
        record.institution,
        rests.command_id,
        rests.intent_id,
        rests.use,
        record.rests_on,
        record.evidence.value,
        proven.reference,
        proven.second.value,
        proven.subject,
        proven.relation.value,
        proven.terminal_id,
        proven.seen_by,
        rests.unpinned,
        record.mdtrt_id,
        record.psn_no,
        record.insutype,
        record.insuplc_admdvs,
        record.med_type,
        record.chrg_bchno,
        "1" if rests.mid_setl else "0",
        record.setl_time,
        business_date(record.setl_time).isoformat(),
        record.year,
        json.dumps(settled.accrual),
        settled.policy_id,
        settled.policy_version,
        *_AMOUNTS(settled.amounts),
        answer_sealed,
    )
    return Filled(_SETTLEMENT_ROW, values)


def hold_items(mdtrt_id: VisitId, chrg_bchno: str | None, setl_id: SettlementId) -> Filled:
    """Marks the open charge items of a batch, or of the visit, as settled."""
    if chrg_bchno is None:
        return Filled(_HOLD_VISIT, (setl_id, mdtrt_id))
    return Filled(_HOLD_BATCH, (setl_id, mdtrt_id, chrg_bchno))


def grow_counters(record: SettlementRecord) -> list[Filled]:
    """Moves the year's counters by what a settlement added or a cancellation took back."""
    accrual = record.settlement.accrual
    if not accrual:
        return []
    values: list[Value] = []
    for counter, amount in accrual.items():
        values += (record.psn_no, record.insutype, record.year, counter, amount)
    grow = insert_rows("year_counter", _COUNTER_COLUMNS, len(accrual), then=_GROW)
    return [Filled(grow, tuple(values))]


def done_row(
    institution: InstitutionCode,
    command_id: CommandId,
    digest: bytes,
    done: tuple[SettlementId, SettlementId | None],
    at: datetime,
) -> Filled:
    """Remembers a command that was done, by its record and the one of what was kept."""
    values = (institution, command_id, digest, *done, None, None, at)
    return Filled(_COMMAND_ROW, values)


def refused_row(
    institution: InstitutionCode,
    command_id: CommandId,
    digest: bytes,
    refusal: tuple[str, str],
    at: datetime,
) -> Filled:
    """Remembers a command that was refused for good, by code and details in JSON."""
    values = (institution, command_id, digest, None, None, *refusal, at)
    return Filled(_COMMAND_ROW, values)


def event(payload: Payload, at: datetime) -> Filled:
    """Tells the audit."""
    row = event_row(payload, at)
    return Filled(_EVENT_ROW, (row["kind"], row["at"], row["payload"]))
