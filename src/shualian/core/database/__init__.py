"""Databases: short transactions; one writer with group commit on SQLite, or PostgreSQL.

A use case reads, decides and writes inside one call of :meth:`Database.write`. Work inside a
transaction must be quick and local: :func:`forbid_in_transaction` stands at every door to the
network, to a face model and to files, and fails when it is passed inside one.
"""

from shualian.core.database.columns import UtcTime
from shualian.core.database.opening import open_database
from shualian.core.database.postgres import PostgresDatabase
from shualian.core.database.protocol import (
    Database,
    WorkInTransactionError,
    forbid_in_transaction,
)
from shualian.core.database.sqlite import SqliteDatabase

__all__ = [
    "Database",
    "PostgresDatabase",
    "SqliteDatabase",
    "UtcTime",
    "WorkInTransactionError",
    "forbid_in_transaction",
    "open_database",
]
