"""The names of streams, subjects and durables: who speaks to whom over NATS."""

from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

SLUG_PATTERN = r"^[a-z0-9-]{1,40}$"
Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN)]

GIVEN_UP = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"
"""Where NATS tells that it gave a message up, with the names of stream and consumer behind it."""


STATES = "state.>"
"""What the replicas of every role say of themselves; kept by no stream."""


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
    ADVISORIES = "advisories"
    REQUEUE = "requeue"
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


def state(role: str, replica: str) -> str:
    """Name the subject of what a replica of a role says of itself.

    >>> state("dataflow", "6f0c2a91")
    'state.dataflow.6f0c2a91'
    """
    return f"state.{role}.{replica}"


def commands(workspace: str, channel: str) -> str:
    """Name the subject of what people press and type in a channel.

    >>> commands("default", "telegram")
    'commands.default.telegram'
    """
    return f"commands.{workspace}.{channel}"
