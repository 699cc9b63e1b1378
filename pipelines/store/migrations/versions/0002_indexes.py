"""Indexes that are not taken for the unique key."""

from pipelines.store.migrations.plain import run_beside

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the SQL."""
    run_beside(__file__)
