"""A notification counts once, on both engines, and only with the transaction that acts on it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode
from shualian.hospital.wallet import store
from shualian.hospital.wallet.model import NotificationId

HOSPITAL, OTHER = InstitutionCode("H99000000001"), InstitutionCode("H99000000002")
NEWS = NotificationId("01K00000000000000000000001")
NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


@pytest.fixture
def database(any_database: Database) -> Database:
    any_database.create_tables(store.metadata)
    return any_database


def use(database: Database, institution: InstitutionCode = HOSPITAL) -> bool:
    return database.write(lambda each: store.use_notification(each, institution, NEWS, now=NOW))


def test_it_is_new_once_for_each_hospital(database: Database) -> None:
    assert [use(database), use(database), use(database, OTHER)] == [True, False, True]


def test_it_is_not_used_up_when_what_follows_from_it_fails(database: Database) -> None:
    def fail(connection: Connection) -> None:
        store.use_notification(connection, HOSPITAL, NEWS, now=NOW)
        raise LookupError

    with pytest.raises(LookupError):
        database.write(fail)
    assert use(database)


def test_old_ones_are_forgotten(database: Database) -> None:
    use(database)
    database.write(lambda each: store.forget_notifications(each, before=NOW))
    assert not use(database)
    later = NOW + timedelta(seconds=1)
    database.write(lambda each: store.forget_notifications(each, before=later))
    assert use(database)
