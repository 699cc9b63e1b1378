"""The database's shape: forward only, one migrator at a time."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

_LOCK = 7_362_001
_PLACE = Path(__file__).parent / "migrations"


def migrate(url: str) -> str:
    """Bring the database to the newest shape; return its revision.

    ``url`` is a ``postgresql://`` address of a role that owns the schema. A second caller waits at an advisory lock.
    """
    config = Config()
    config.set_main_option("script_location", str(_PLACE))
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
            return MigrationContext.configure(connection).get_current_revision() or ""
        finally:
            connection.rollback()
            connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            connection.commit()


def newest() -> str:
    """Name the revision that this code was written for."""
    return ScriptDirectory(str(_PLACE)).get_current_head() or ""
