"""Plain SQL: a migration is the file of that name beside it."""

from pathlib import Path

from alembic import op


def run_beside(migration: str) -> None:
    """Run the SQL file beside a migration, as it stands: without parameters, a percent sign is a percent sign."""
    script = Path(migration).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(script)
