"""The table that says what a database is for, as revision 0001 of both sides makes it."""

import sqlalchemy as sa
from alembic import op

_SQLITE_TRIGGER = """
CREATE TRIGGER database_identity_no_{verb} BEFORE {verb} ON database_identity
BEGIN SELECT RAISE(ABORT, 'side and mode are fixed'); END
"""
_POSTGRES_FUNCTION = """
CREATE FUNCTION database_identity_fixed() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'side and mode are fixed'; END $$
"""
_POSTGRES_TRIGGER = """
CREATE TRIGGER database_identity_fixed BEFORE UPDATE OR DELETE OR TRUNCATE ON database_identity
FOR EACH STATEMENT EXECUTE FUNCTION database_identity_fixed()
"""


def create_stamp() -> None:
    """Create the table and what keeps its row from being changed."""
    op.create_table(
        "database_identity",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("side", sa.String(20), nullable=False),
        sa.Column("mode", sa.String(20), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_database_identity_one_row"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_POSTGRES_FUNCTION)
        op.execute(_POSTGRES_TRIGGER)
    else:
        op.execute(_SQLITE_TRIGGER.format(verb="UPDATE"))
        op.execute(_SQLITE_TRIGGER.format(verb="DELETE"))


def drop_stamp() -> None:
    """Drop the table and its guard."""
    op.drop_table("database_identity")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION database_identity_fixed()")
