"""The streams on a real NATS."""

import nats
import psycopg


async def test_fresh_streams_are_empty(nats_url: str) -> None:
    client = await nats.connect(nats_url)
    js = client.jetstream()
    ack = await js.publish("raw.default.webhook.ci", b"x")
    await client.close()
    assert (ack.stream, ack.seq) == ("RAW", 1)


def test_pg(postgres_urls: dict[str, str]) -> None:
    with psycopg.connect(postgres_urls["write"]) as c:
        print(c.execute("select version()").fetchone())
