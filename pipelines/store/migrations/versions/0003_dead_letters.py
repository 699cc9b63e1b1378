"""Dead letters that can be edited and sent round again."""

from pipelines.store.migrations.plain import run_beside

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the SQL."""
    run_beside(__file__)
