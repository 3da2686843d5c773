"""Runs the revisions of the hospital database in the transaction that it is handed."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("tables"),
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
