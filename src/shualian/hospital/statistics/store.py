"""Queries of statistics over other rooms' tables; none of its own."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, select

from shualian.core.clock import business_date
from shualian.core.identifiers import InstitutionCode, PersonNo, VisitId
from shualian.hospital.cashier.closing.model import bounds_of
from shualian.hospital.cashier.overrides.model import OverrideState
from shualian.hospital.cashier.overrides.store import overrides
from shualian.hospital.cashier.tenders.store import takings
from shualian.hospital.encounters.model import EncounterState
from shualian.hospital.encounters.store import encounters
from shualian.hospital.model import Channel
from shualian.hospital.payments.model import OPEN_AT_WALLET, PaymentState
from shualian.hospital.payments.store import Stage, answers, payments, wallet_parts
from shualian.hospital.selfpaid.model import is_self_paid
from shualian.hospital.statistics.model import Act, Seen, Use

_NEVER_HERE = (EncounterState.REGISTERING.value, EncounterState.REFUSED.value)


def uses(
    connection: Connection, institution: InstitutionCode, first: date, last: date
) -> Sequence[Use]:
    """Every registration and payment that went through, first to last business day."""
    return [
        *_registrations(connection, institution, first, last),
        *_payments(connection, institution, first, last),
    ]


def seen(
    connection: Connection, institution: InstitutionCode, first: date, last: date
) -> Sequence[Seen]:
    """Every encounter, first to last business day."""
    table = encounters
    query = select(table.c.psn_no, table.c.day).where(*_here(institution, first, last))
    return [Seen(PersonNo(row.psn_no), row.day) for row in connection.execute(query)]


def institutions(connection: Connection) -> Sequence[InstitutionCode]:
    """Whose encounters the database holds."""
    query = select(encounters.c.institution).distinct().order_by(encounters.c.institution)
    return [InstitutionCode(code) for code in connection.scalars(query)]


def _here(institution: InstitutionCode, first: date, last: date) -> tuple[Any, ...]:
    table = encounters
    return (
        table.c.institution == institution,
        table.c.day >= first,
        table.c.day <= last,
        table.c.state.not_in(_NEVER_HERE),
    )


def _registrations(
    connection: Connection, institution: InstitutionCode, first: date, last: date
) -> Sequence[Use]:
    table = encounters
    # Whom staff registered without anything shown used no channel; they count as seen.
    shown = table.c.channel.is_not(None)
    query = select(table).where(*_here(institution, first, last), shown)
    return [
        Use(
            act=Act.REGISTRATION,
            psn_no=PersonNo(row.psn_no),
            channel=Channel(row.channel),
            day=row.day,
            age_band=row.age_band,
            terminal_id=row.terminal_id,
            first_frame_at=row.first_frame_at,
        )
        for row in connection.execute(query)
    ]


def _payments(
    connection: Connection, institution: InstitutionCode, first: date, last: date
) -> Sequence[Use]:
    begin, end = bounds_of(first)[0], bounds_of(last)[1]
    joined = (
        payments.join(
            answers,
            and_(
                answers.c.institution == payments.c.institution,
                answers.c.command_id == payments.c.command_id,
                answers.c.stage == Stage.SETTLED.value,
            ),
        )
        .join(encounters, encounters.c.encounter_no == payments.c.encounter_no)
        .outerjoin(
            wallet_parts,
            and_(
                wallet_parts.c.institution == payments.c.institution,
                wallet_parts.c.command_id == payments.c.command_id,
            ),
        )
        .outerjoin(
            takings,
            and_(
                takings.c.institution == payments.c.institution,
                takings.c.payment == payments.c.command_id,
            ),
        )
    )
    query = (
        select(
            payments,
            encounters.c.age_band,
            answers.c.psn_cash_pay,
            answers.c.setl_time,
            wallet_parts.c.state.label("wallet_state"),
            wallet_parts.c.captured_fen,
            takings.c.taken_at,
        )
        .select_from(joined)
        .where(
            payments.c.institution == institution,
            payments.c.state == PaymentState.SETTLED.value,
            answers.c.setl_time >= begin,
            answers.c.setl_time < end,
        )
    )
    overridden = _overridden(connection, institution)
    return [_payment(row, overridden) for row in connection.execute(query)]


def _payment(row: Row[Any], overridden: Mapping[str, bool]) -> Use:
    return Use(
        act=Act.PAYMENT,
        psn_no=PersonNo(row.psn_no),
        channel=Channel(row.channel),
        day=business_date(row.setl_time),
        age_band=row.age_band,
        terminal_id=row.terminal_id,
        first_frame_at=row.first_frame_at,
        shown_at=row.prepared_at,
        done_at=_paid_at(row),
        overridden=row.command_id in overridden,
        insured=not is_self_paid(VisitId(row.mdtrt_id)),
    )


def _paid_at(row: Row[Any]) -> datetime | None:
    if row.wallet_state in {state.value for state in OPEN_AT_WALLET}:
        return None
    if row.psn_cash_pay > (row.captured_fen or 0):
        taken_at: datetime | None = row.taken_at
        return taken_at
    decided_at: datetime | None = row.decided_at
    return decided_at


def _overridden(connection: Connection, institution: InstitutionCode) -> Mapping[str, bool]:
    query = select(overrides.c.payment).filter_by(
        institution=institution, state=OverrideState.USED.value
    )
    return dict.fromkeys(connection.scalars(query), True)
