"""Lanes: whatever waits or looks around, each a FastStream consumer on a durable of its own."""

from faststream.nats import NatsMessage


async def undecoded(message: NatsMessage) -> bytes:
    """Leave a body as it is, for the lane to read: where FastStream's own reading fails, nothing would acknowledge."""
    return message.body
