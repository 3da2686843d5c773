"""Queries over settlements for reconciliation; no table of its own."""

from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import Connection, func, select

from shualian.core.identifiers import CommandId, InstitutionCode, PersonNo, SettlementId, VisitId
from shualian.core.money import Fen
from shualian.insurer.benefits.amounts import Fund
from shualian.insurer.reconciliation.model import Detail, Movement, State
from shualian.insurer.settlement.store import settlement

_FUNDS = tuple(fund.value for fund in Fund)
_UNDOES = settlement.alias("undoing")


def details(
    connection: Connection,
    institution: InstitutionCode,
    days: tuple[date, date],
    insutype: str | None,
) -> list[Detail]:
    """Settlements and cancellations of an institution, first to last day, in time."""
    table = settlement
    query = (
        select(table, _UNDOES.c.setl_id.label("undone_by"))
        .outerjoin(_UNDOES, _UNDOES.c.cancels == table.c.setl_id)
        .where(
            table.c.institution == institution,
            table.c.business_day >= days[0].isoformat(),
            table.c.business_day <= days[1].isoformat(),
        )
        .order_by(table.c.setl_time, table.c.setl_id)
    )
    if insutype is not None:
        query = query.where(table.c.insutype == insutype)
    return [
        Detail(
            setl_id=SettlementId(row.setl_id),
            mdtrt_id=VisitId(row.mdtrt_id),
            psn_no=PersonNo(row.psn_no),
            command_id=CommandId(row.command_id),
            medfee_sumamt=Fen(row.medfee_sumamt),
            fund_pay_sumamt=Fen(row.fund_pay_sumamt),
            acct_pay=Fen(row.acct_pay),
            psn_cash_pay=Fen(row.psn_cash_pay),
            cancels=None if row.cancels is None else SettlementId(row.cancels),
            refunded=row.cancels is not None or row.undone_by is not None,
        )
        for row in connection.execute(query)
    ]


def by_fund(
    connection: Connection, institution: InstitutionCode, days: tuple[date, date]
) -> Mapping[str, Fen]:
    """What each fund pays an institution, first to last day; cancellations count as negative."""
    table = settlement
    query = select(
        *[func.coalesce(func.sum(table.c[name]), 0).label(name) for name in _FUNDS]
    ).where(
        table.c.institution == institution,
        table.c.business_day >= days[0].isoformat(),
        table.c.business_day <= days[1].isoformat(),
    )
    row = connection.execute(query).one()
    return {name: Fen(int(getattr(row, name))) for name in _FUNDS}


def movements(
    connection: Connection, institution: InstitutionCode, day: date
) -> Sequence[Movement]:
    """The day's settlements as one movement each; the rest of a refund is one of its own."""
    return [
        Movement(
            command_id=each.command_id,
            state=State.UNDONE if each.refunded else State.DONE,
            setl_id=each.setl_id,
            medfee_fen=each.medfee_sumamt,
            fund_fen=each.fund_pay_sumamt,
            account_fen=each.acct_pay,
            cash_fen=each.psn_cash_pay,
        )
        for each in details(connection, institution, (day, day), None)
        if each.cancels is None
    ]
