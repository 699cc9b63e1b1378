"""The channels that Task Tracker talks on; each is loaded when it is first asked for."""

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from connectors.contract import Connector

CONNECTORS = {
    "files": "connectors.files:Files",
    "webhook": "connectors.webhook:Webhook",
}

ENTRY_POINTS = "tasktracker.connectors"
"""The entry-point group by which another distribution adds a channel: its name is the channel, its value the class."""


def channels() -> list[str]:
    """Name every channel that can be loaded, our own and outsiders'."""
    return sorted({*CONNECTORS, *_outsiders()})


@cache
def load(channel: str) -> Connector:
    """Load the connector of a channel. Raises LookupError when nobody has one."""
    if channel in CONNECTORS:
        module, _, name = CONNECTORS[channel].partition(":")
        return cast(Connector, getattr(import_module(module), name)())
    if channel in _outsiders():
        return cast(Connector, _outsiders()[channel].load()())
    raise LookupError(f"no connector for the channel {channel!r}; there are {', '.join(channels())}")


@cache
def _outsiders() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}
