"""The pulse of a role: it lives, and this is what keeps it from its work."""

import asyncio
import secrets
from contextlib import suppress
from time import monotonic

import nats.errors
from nats.aio.client import Client

from pipelines import metrics
from schemas import subjects
from schemas.states import RoleState

PERIOD_SECONDS = 2.0


class Trouble:
    """What keeps a role from its work, and since when; noted by who works, told by ``beat``."""

    def __init__(self) -> None:
        self.error: str | None = None
        self._since = 0.0

    def note(self, error: BaseException) -> None:
        """Something failed and is tried again. Its class is enough: a message may hold what people wrote."""
        if self.error is None:
            self._since = monotonic()
        self.error = type(error).__name__

    def clear(self) -> None:
        """It works."""
        self.error = None

    @property
    def seconds(self) -> float:
        """How long it has been so."""
        return monotonic() - self._since if self.error else 0.0


async def beat(nc: Client, role: str, trouble: Trouble, *, period: float = PERIOD_SECONDS) -> None:
    """Tell that this replica lives, once every ``period`` seconds, until cancelled; unheard while NATS is away."""
    replica, begun = secrets.token_hex(4), monotonic()
    subject, up = subjects.state(role, replica), metrics.ROLE_UP.labels(role)
    up.set(1)
    try:
        while True:
            state = RoleState(
                role=role,
                replica=replica,
                up_seconds=round(monotonic() - begun, 1),
                trouble=trouble.error,
                trouble_seconds=round(trouble.seconds, 1),
            )
            with suppress(nats.errors.Error):
                if nc.is_connected:  # else it would be kept for later, when it is not true any more
                    await nc.publish(subject, state.model_dump_json().encode())
            await asyncio.sleep(period)
    finally:
        up.set(0)
