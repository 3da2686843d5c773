"""Use cases of statistics: the numbers of a span of days, read on one snapshot."""

from datetime import date

from sqlalchemy import Connection

from shualian.core.identifiers import InstitutionCode
from shualian.core.refusals import Refused
from shualian.hospital.statistics import store
from shualian.hospital.statistics.model import INSTITUTION_UNCLEAR, Statistics, statistics


def statistics_of(
    connection: Connection,
    *,
    institution: InstitutionCode | None = None,
    first: date,
    last: date,
    since: date | None = None,
) -> Statistics:
    """The numbers of one hospital, first to last business day.

    Args:
        connection: To the hospital's database; only read.
        institution: Which; the only one of the database when none.
        first: First business day.
        last: Last business day.
        since: From when face care was offered.

    Raises:
        Refused: ``hospital.institution_unclear``.
    """
    code = _only(connection) if institution is None else institution
    return statistics(
        store.uses(connection, code, first, last),
        store.seen(connection, code, first, last),
        since=since,
    )


def _only(connection: Connection) -> InstitutionCode:
    found = store.institutions(connection)
    if len(found) != 1:
        raise Refused(INSTITUTION_UNCLEAR, count=len(found))
    return found[0]
