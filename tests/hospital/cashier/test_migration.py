"""What was taken before there were tenders and shifts is kept by the revision that brings them."""

from collections.abc import Callable

import alembic.command
import alembic.config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, insert, table, text

from hospital.world import CLERK, HOSPITAL, START
from shualian.core.database import Database, UtcTime
from shualian.core.database.opening import MIGRATIONS
from shualian.core.identifiers import CommandId
from shualian.core.money import Fen
from shualian.hospital.cashier.tenders import store
from shualian.hospital.cashier.tenders.model import Tender, TenderKind

REVISION = "0010"


def going(to: str, *, up: bool = True) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        config = alembic.config.Config()
        config.set_main_option("script_location", str(MIGRATIONS / "hospital"))
        config.attributes["connection"] = connection
        (alembic.command.upgrade if up else alembic.command.downgrade)(config, to)

    return work


def revision_before() -> str:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS / "hospital"))
    before = ScriptDirectory.from_config(config).get_revision(REVISION).down_revision
    assert isinstance(before, str)
    return before


def test_cash_taken_before_is_one_tender_afterwards_and_the_way_back_is_open(
    any_database: Database,
) -> None:
    before = revision_before()
    any_database.change_schema(going(before))
    old = table(
        "cash_taking",
        *[column(name) for name in ("institution", "command_id", "payment")],
        column("due_fen"),
        column("tendered_fen"),
        column("taken_by"),
        column("taken_at", UtcTime),
    )
    row = {
        "institution": HOSPITAL,
        "command_id": "T1",
        "payment": "C1",
        "due_fen": 114_80,
        "tendered_fen": 120_00,
        "taken_by": CLERK,
        "taken_at": START,
    }
    any_database.write(lambda c: c.execute(insert(old).values(row)))

    any_database.change_schema(going(REVISION))
    taking = any_database.read(lambda c: store.by_payment(c, HOSPITAL, CommandId("C1")))
    assert taking is not None
    assert taking.tenders == (Tender(TenderKind.CASH, Fen(114_80), Fen(120_00)),)
    assert (taking.taken_by, taking.shift_id) == (CLERK, None)

    any_database.change_schema(going(before, up=False))
    found = any_database.read(
        lambda c: c.execute(text("SELECT due_fen, tendered_fen FROM cash_taking")).one()
    )
    assert tuple(found) == (114_80, 120_00)
