"""``migrate``: bring the database and the streams to the newest shape."""

import asyncio

import nats

from deploy import streams
from deploy.cli import read_settings
from deploy.cli.reach import reach
from deploy.settings import Settings
from pipelines.store.migrate import migrate as migrate_database


def migrate() -> None:
    """Bring the database to the newest shape (forward only) and declare the streams."""
    settings = reach(read_settings())
    revision = migrate_database(settings.database("migrate"))
    asyncio.run(_declare(settings))
    print(f"database at revision {revision}, streams declared")


async def _declare(settings: Settings) -> None:
    client = await nats.connect(settings.nats("admin"), connect_timeout=5, max_reconnect_attempts=3)
    try:
        await streams.declare(client.jetstream(timeout=10), raw_max_bytes=settings.raw_max_bytes)
    finally:
        await client.close()
