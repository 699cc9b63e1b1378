"""Who says that it lives: the replicas of every role, as they told within the last seconds."""

import logging
from collections.abc import Iterable
from time import monotonic
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError

from schemas import subjects
from schemas.states import RoleState

_log = logging.getLogger(__name__)

_SILENT_SECONDS = 7.0
"""Three beats and a little: who has been silent for longer is not counted."""

_SERIOUS_SECONDS = 2.0
"""What passes sooner, such as two transactions in each other's way, is no trouble."""

_MOST = 1_000


class Roster:
    """Listens while it is entered."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._heard: dict[tuple[str, str], tuple[float, RoleState]] = {}

    async def __aenter__(self) -> "Roster":
        self._subscription = await self._nc.subscribe(subjects.STATES, cb=self._hear)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._nc.is_connected:
            await self._subscription.unsubscribe()

    async def _hear(self, message: Msg) -> None:
        try:
            state = RoleState.model_validate_json(message.data)
        except ValidationError:
            _log.warning("%s: no state of a role", message.subject)
            return
        self._forget()
        if len(self._heard) < _MOST or (state.role, state.replica) in self._heard:
            self._heard[state.role, state.replica] = (monotonic(), state)

    def _forget(self) -> None:
        limit = monotonic() - _SILENT_SECONDS
        self._heard = {replica: heard for replica, heard in self._heard.items() if heard[0] > limit}

    def roles(self) -> dict[str, dict[str, Any]]:
        """Show each role: how many replicas live, the longest up, and what troubles the worst off (None: nothing)."""
        self._forget()
        by_role: dict[str, list[RoleState]] = {}
        for _, state in self._heard.values():
            by_role.setdefault(state.role, []).append(state)
        return {
            role: {
                "replicas": len(states),
                "up_seconds": max(state.up_seconds for state in states),
                "trouble": _worst(states),
            }
            for role, states in sorted(by_role.items())
        }

    def troubles(self) -> list[str]:
        """Say which roles cannot work, and why."""
        return [f"{role}: {shown['trouble']}" for role, shown in self.roles().items() if shown["trouble"]]


def _worst(states: Iterable[RoleState]) -> str | None:
    state = max(states, key=lambda state: state.trouble_seconds if state.trouble else 0.0)
    serious = state.trouble and state.trouble_seconds >= _SERIOUS_SECONDS
    return f"{state.trouble} for {state.trouble_seconds:.0f} s" if serious else None
