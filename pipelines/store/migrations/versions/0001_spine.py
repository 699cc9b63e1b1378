"""The spine."""

from pipelines.store.migrations.plain import run_beside

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the SQL."""
    run_beside(__file__)
