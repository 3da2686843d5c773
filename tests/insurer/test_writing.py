from collections.abc import Callable

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from shualian.core.database import Database
from shualian.core.refusals import Refused
from shualian.insurer.funds.model import AMOUNT_NOT_POSITIVE
from shualian.insurer.writing import write_once


def failing(times: int, failure: Exception) -> tuple[Callable[[Connection], int], list[int]]:
    runs: list[int] = []

    def work(_: Connection) -> int:
        runs.append(len(runs))
        if len(runs) <= times:
            raise failure
        return len(runs)

    return work, runs


def taken() -> IntegrityError:
    return IntegrityError("insert", {}, Exception("taken"))


def test_work_that_meets_a_row_of_another_is_run_once_more(sqlite_database: Database) -> None:
    work, _ = failing(1, taken())

    assert write_once(sqlite_database, work) == 2


def test_a_violation_that_is_no_race_is_raised(sqlite_database: Database) -> None:
    work, runs = failing(9, taken())

    with pytest.raises(IntegrityError):
        write_once(sqlite_database, work)
    assert len(runs) == 2


def test_a_refusal_is_not_asked_again(sqlite_database: Database) -> None:
    work, runs = failing(9, Refused(AMOUNT_NOT_POSITIVE))

    with pytest.raises(Refused):
        write_once(sqlite_database, work)
    assert len(runs) == 1
