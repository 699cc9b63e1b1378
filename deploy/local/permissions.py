"""Who may publish and hear what on NATS: one user a role, nothing more than its work needs."""

from dataclasses import dataclass

from schemas import subjects

_API = "$JS.API"


@dataclass(frozen=True, slots=True)
class Grant:
    """The subjects of one user; everything else is denied.

    Answers to its requests reach a user in its own inbox only, so that nobody reads those of another.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...] = ()


def inbox_prefix(user: str) -> str:
    """Name the inbox that the user must connect with.

    >>> inbox_prefix("api")
    '_INBOX_api'
    """
    return f"_INBOX_{user}"


def _read(stream: str) -> tuple[str, ...]:
    return (
        f"{_API}.STREAM.INFO.{stream}",
        f"{_API}.STREAM.MSG.GET.{stream}",
        f"{_API}.DIRECT.GET.{stream}",
        f"{_API}.DIRECT.GET.{stream}.>",
    )


def _consume(stream: str, *durables: str) -> tuple[str, ...]:
    """Make a durable anew when it was deleted, fetch from it and acknowledge."""
    each = (
        (
            f"{_API}.CONSUMER.INFO.{stream}.{durable}",
            f"{_API}.CONSUMER.CREATE.{stream}.{durable}",
            f"{_API}.CONSUMER.CREATE.{stream}.{durable}.>",
            f"{_API}.CONSUMER.DURABLE.CREATE.{stream}.{durable}",
            f"{_API}.CONSUMER.MSG.NEXT.{stream}.{durable}",
            f"$JS.ACK.{stream}.{durable}.>",
        )
        for durable in durables
    )
    return (f"{_API}.STREAM.INFO.{stream}", *(subject for subjects in each for subject in subjects))


def _state(role: str) -> str:
    return subjects.state(role, "*")


_KEPT = ("RAW", "DEAD", "COMMANDS")

HTTP_CHANNELS = ("webhook",)
"""The channels whose messages come in through connectors/inlets.py."""

PERMISSIONS: dict[str, Grant] = {
    "admin": Grant(publish=(">",), subscribe=(">",)),
    "operator": Grant(
        publish=(
            "raw.>",
            "bulk.>",
            "commands.>",
            f"{_API}.INFO",
            f"{_API}.STREAM.NAMES",
            f"{_API}.STREAM.LIST",
            f"{_API}.STREAM.INFO.>",
            f"{_API}.CONSUMER.INFO.>",
            f"{_API}.CONSUMER.LIST.>",
            f"{_API}.CONSUMER.NAMES.>",
            *(subject for stream in ("RAW", "RESULTS", "DEAD") for subject in _read(stream)),
        ),
    ),
    "api": Grant(
        publish=(
            "raw.*.api.>",
            f"{_API}.INFO",
            f"{_API}.STREAM.NAMES",
            f"{_API}.STREAM.INFO.>",
            f"{_API}.CONSUMER.INFO.>",
            f"{_API}.CONSUMER.CREATE.RESULTS",
            f"{_API}.CONSUMER.CREATE.RESULTS.>",
            f"{_API}.CONSUMER.DELETE.RESULTS.>",
            f"{_API}.CONSUMER.MSG.NEXT.RESULTS.>",
            *_read("RESULTS"),
            "$JS.ACK.RESULTS.>",
            "$JS.FC.RESULTS.>",
        ),
        subscribe=(subjects.STATES,),
    ),
    "inlets": Grant(publish=tuple(f"raw.*.{channel}.>" for channel in HTTP_CHANNELS)),
    "files": Grant(publish=("bulk.*.files.>", "dead.import")),
    "flow": Grant(publish=(*_consume("RAW", "flow-live", "flow-bulk"), "dead.>", _state("dataflow"))),
    "relay": Grant(publish=("results.>", *_read("RESULTS"), _state("relay"))),
    "lanes": Grant(
        publish=(
            *_consume("DEAD", "bury", "advisories"),
            *_consume("COMMANDS", "commands"),
            *(f"{_API}.DIRECT.GET.{stream}" for stream in ("RAW", "RESULTS", "DEAD", "COMMANDS")),
            *map(_state, ("bury", "commands")),
            f"{_API}.STREAM.NAMES",
            "dead.>",
        ),
    ),
    "requeue": Grant(
        publish=(
            *_consume("RESULTS", "requeue"),
            _state("requeue"),
            f"{_API}.STREAM.NAMES",
            "raw.*.*.*",
            "bulk.*.*.*",
            "commands.*.*",
            "dead.requeue",
        ),
    ),
    "keeper": Grant(
        publish=(
            *(f"{_API}.STREAM.{verb}.{stream}" for verb in ("INFO", "PURGE") for stream in _KEPT),
            *(f"{_API}.CONSUMER.INFO.{stream}.*" for stream in _KEPT),
            _state("keeper"),
        ),
    ),
}
