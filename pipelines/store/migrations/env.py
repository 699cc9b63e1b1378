"""Alembic's entry: run the plain-SQL versions over the connection that pipelines/store/migrate.py hands in."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
