"""Tables whose rows are written once: the database itself refuses to change or delete them."""

from alembic import op

_FUNCTION = "refuse_change_of_row"


def forbid_changes(table: str) -> None:
    """Let the database refuse UPDATE and DELETE on a table.

    Proven: a mistake of the program cannot rewrite a row. Not proven: whoever may alter the
    schema can drop the trigger; that is what the audit chain is for.
    """
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'rows of this table are never changed'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {_FUNCTION}()"
        )
        return
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'rows of this table are never changed'); END"
        )


def allow_changes(table: str) -> None:
    """The reverse of :func:`forbid_changes`."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"DROP TRIGGER {table}_insert_only ON {table}")
        return
    for action in ("UPDATE", "DELETE"):
        op.execute(f"DROP TRIGGER {table}_no_{action.lower()}")
