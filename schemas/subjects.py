"""The names of streams, subjects and durables: who speaks to whom over NATS."""

from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

SLUG_PATTERN = r"^[a-z0-9-]{1,40}$"
Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN)]


class Stream(StrEnum):
    """The JetStream streams; deploy/streams.py says how each one keeps its messages."""

    RAW = "RAW"
    RESULTS = "RESULTS"
    DEAD = "DEAD"
    COMMANDS = "COMMANDS"


class Durable(StrEnum):
    """The durable consumers; replicas of a role share one."""

    LIVE = "flow-live"
    BULK = "flow-bulk"
    BURY = "bury"
    COMMANDS = "commands"


def raw(workspace: str, channel: str, source: str) -> str:
    """Name the subject of live messages.

    >>> raw("default", "webhook", "ci")
    'raw.default.webhook.ci'
    """
    return f"raw.{workspace}.{channel}.{source}"


def bulk(workspace: str, channel: str, source: str) -> str:
    """Name the subject of imports and replays, which give way to live messages.

    >>> bulk("default", "files", "export")
    'bulk.default.files.export'
    """
    return f"bulk.{workspace}.{channel}.{source}"


def results(workspace: str, event: str) -> str:
    """Name the subject of an event.

    >>> results("default", "task.created")
    'results.default.task.created'
    """
    return f"results.{workspace}.{event}"


def dead(stage: str) -> str:
    """Name the subject of what a stage could not use.

    >>> dead("normalize")
    'dead.normalize'
    """
    return f"dead.{stage}"


def commands(workspace: str, channel: str) -> str:
    """Name the subject of what people press and type in a channel.

    >>> commands("default", "telegram")
    'commands.default.telegram'
    """
    return f"commands.{workspace}.{channel}"
