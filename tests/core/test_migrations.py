"""The revisions make exactly the tables that the parts declare, up and down, on both engines."""

from collections.abc import Iterable
from contextlib import closing

import alembic.command
import alembic.config
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect

from shualian import assembly
from shualian.core.database import Database, open_database
from shualian.core.database.identity import metadata as identity_metadata
from shualian.core.database.opening import MIGRATIONS, upgrade
from shualian.core.mode import Mode, Side


def declared(side: Side) -> MetaData:
    """All tables of one side in one place."""
    parts: Iterable[MetaData] = getattr(assembly, f"{side.name}_TABLES", ())
    union = MetaData()
    for metadata in (identity_metadata, *parts):
        for table in metadata.sorted_tables:
            table.to_metadata(union)
    return union


def differences(connection: Connection, expected: MetaData) -> list[object]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "render_as_batch": True}
    )
    return list(compare_metadata(context, expected))


def downgrade(connection: Connection, side: Side) -> None:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS / side))
    config.attributes["connection"] = connection
    alembic.command.downgrade(config, "base")


@pytest.mark.parametrize("side", Side)
def test_the_revisions_make_what_the_parts_declare(any_url: str, side: Side) -> None:
    with closing(open_database(any_url, side=side, mode=Mode.SANDBOX)) as database:
        assert database.read(lambda c: differences(c, declared(side))) == []


@pytest.mark.parametrize("side", Side)
def test_the_revisions_go_down_to_nothing_and_up_again(any_database: Database, side: Side) -> None:
    def tables() -> set[str]:
        return set(any_database.read(lambda c: inspect(c).get_table_names()))

    any_database.change_schema(lambda c: upgrade(c, MIGRATIONS / side))
    made = tables()
    any_database.change_schema(lambda c: downgrade(c, side))
    assert tables() == {"alembic_version"}
    any_database.change_schema(lambda c: upgrade(c, MIGRATIONS / side))
    assert tables() == made


@pytest.mark.parametrize("side", Side)
def test_each_side_has_one_line_of_revisions(side: Side) -> None:
    scripts = ScriptDirectory(str(MIGRATIONS / side))
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1
