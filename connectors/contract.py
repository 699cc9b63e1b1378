"""What a connector is, what it is given, and how it says no."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ValidationError

from schemas.messages import RawMessage
from schemas.sources import NewSource


class Connector(Protocol):
    """One channel; each entry of CONNECTORS names a class of these that is made without arguments.

    ``settings`` is the shape of the settings of a source of this channel.
    """

    channel: str
    settings: type[BaseModel]

    def check(self, source: NewSource) -> None:
        """Raise ValueError (ValidationError for its settings) for a source that this channel cannot use."""
        ...


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source as its inlet needs it; each of its secrets is accepted."""

    workspace: str
    slug: str
    channel: str
    settings: dict[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    paused: bool = False


@runtime_checkable
class Inlet(Protocol):
    """A connector that is sent its messages over HTTP."""

    channel: str

    def receive(
        self, headers: Mapping[str, str], body: bytes, source: KnownSource, received_at: datetime
    ) -> list[RawMessage]:
        """Verify the request as the channel prescribes, then read its messages.

        ``headers`` has names in lower case. Raises Refused; it never reads a body that it has not verified.
        """
        ...


class Refused(Exception):
    """A request that is not taken, with the status and the sentence that its sender is told."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(f"{status.value} {detail}")
        self.status = status
        self.detail = detail


class Sources(Protocol):
    """What the database knows of sources."""

    async def source(self, workspace: str, slug: str) -> KnownSource | None:
        """Find a source; None when there is no such one. Raises Unavailable when nobody can tell."""
        ...


class Publisher(Protocol):
    """Where messages go; see connectors.publish."""

    async def publish(self, messages: Sequence[RawMessage], *, bulk: bool = False) -> None:
        """Return when every message is on NATS's disk. Raises Unavailable, Full or TooLarge."""
        ...


def why(error: ValidationError) -> str:
    """Say where a shape was not met and how, never with which value: a refusal is not an echo."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[:5]
    return "; ".join(": ".join(filter(None, (_place(each["loc"]), each["msg"]))) for each in found)


def _place(steps: tuple[int | str, ...]) -> str:
    return ".".join(str(step)[:60] for step in steps)
