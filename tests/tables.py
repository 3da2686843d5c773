"""Tables of many rooms in one step: compiling them is most of what a new database costs a test."""

from collections.abc import Sequence

from sqlalchemy import Connection, MetaData, event, inspect

from shualian.core.database import Database

_sent: dict[tuple[str, tuple[MetaData, ...], frozenset[str]], list[str]] = {}
"""What was sent by the kind of database, the rooms, and the tables that were there."""


def make_tables(database: Database, rooms: Sequence[MetaData]) -> None:
    """Make the tables of all rooms that are not there; the second time without compiling them."""

    def work(connection: Connection) -> None:
        there = frozenset(inspect(connection).get_table_names())
        key = type(database).__name__, tuple(rooms), there
        if key not in _sent:
            _sent[key] = _made(connection, rooms)
            return
        for statement in _sent[key]:
            connection.exec_driver_sql(statement)

    database.change_schema(work)


def _made(connection: Connection, rooms: Sequence[MetaData]) -> list[str]:
    """Make what is missing, and give what was sent for it, without the questions."""
    statements: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if not statement.lstrip().startswith(("PRAGMA", "SELECT")):
            statements.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    for metadata in rooms:
        metadata.create_all(connection)
    event.remove(connection, "before_cursor_execute", note)
    return statements
