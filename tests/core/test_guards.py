"""What the revisions add beside columns: rows that stay, and tables that a crash empties."""

from contextlib import closing

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from shualian.core.database import PostgresDatabase
from shualian.core.database.opening import MIGRATIONS, open_database, upgrade
from shualian.core.mode import Mode, Side

EVENT = "INSERT INTO audit_event (kind, at, payload) VALUES ('test.event', 'now', '{}')"


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    "change", ["UPDATE audit_event SET payload = '{\"a\": 1}'", "DELETE FROM audit_event"]
)
def test_a_database_made_by_the_revisions_never_changes_an_audit_row(
    any_url: str, side: Side, change: str
) -> None:
    with closing(open_database(any_url, side=side, mode=Mode.SANDBOX)) as database:
        database.write(lambda each: each.execute(text(EVENT)))

        with pytest.raises(DBAPIError, match="only grows"):
            database.write(lambda each: each.execute(text(change)))


def test_nonces_are_unlogged_as_the_part_declares_them(
    postgres_database: PostgresDatabase,
) -> None:
    postgres_database.change_schema(lambda each: upgrade(each, MIGRATIONS / Side.INSURER))

    def unlogged(connection: Connection) -> set[str]:
        query = "SELECT relname FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'"
        return set(connection.scalars(text(query)))

    found = postgres_database.read(unlogged)
    assert found == {"terminal_nonce", "terminal_nonce_floor"}
