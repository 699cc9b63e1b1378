"""What travels through the flow: a value with the delivery it came in, or the reason why it was refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeAlias, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipelines import metrics
from schemas import subjects
from schemas.errors import Rejected
from schemas.messages import RawMessage

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as NATS handed it over: where to acknowledge it, its subject, its bytes."""

    reply: str
    subject: str
    body: bytes

    @property
    def sequence(self) -> str:
        """Its place in the stream, the same at each redelivery. Source: NATS ADR-15, the subject of acknowledgements.

        >>> Delivery("$JS.ACK.RAW.flow-live.2.417.96.1700000000000000000.0", "raw.default.webhook.ci", b"").sequence
        '417'
        """
        tokens = self.reply.split(".")
        return tokens[-4 if len(tokens) < 12 else -5]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a stage could not use a message."""

    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Carried(Generic[T]):
    """A value or its refusal: nothing is dropped on the way, so that everything is acknowledged in the end."""

    delivery: Delivery
    value: T | Refusal


Step: TypeAlias = Callable[[list[Carried[S]]], list[Carried[T]]]


def carried(name: str, stage: Callable[[list[S]], Sequence[T]]) -> Step[S, T]:
    """Make a step of a stage: refusals pass by, and a message that fails is refused alone."""

    def step(batch: list[Carried[S]]) -> list[Carried[T]]:
        begun = perf_counter()
        values = [item.value for item in batch if not isinstance(item.value, Refusal)]
        outcomes = iter(_apply(name, stage, values))
        out = [
            Carried(item.delivery, item.value if isinstance(item.value, Refusal) else next(outcomes)) for item in batch
        ]
        metrics.STAGE_SECONDS.labels(name).observe(perf_counter() - begun)
        return out

    return step


def _apply(name: str, stage: Callable[[list[S]], Sequence[T]], values: list[S]) -> Sequence[T | Refusal]:
    """Run a stage over a batch; where it fails, find the culprits one by one."""
    try:
        made = stage(values)
    except Exception:  # a host: one message must not stop the flow
        made = ()
    if len(made) == len(values):  # of a stage that lost count nobody knows which value is whose
        return made
    return tuple(_apply_one(name, stage, value) for value in values)


def _apply_one(name: str, stage: Callable[[list[S]], Sequence[T]], value: S) -> T | Refusal:
    try:
        [made] = stage([value])
    except Rejected as error:
        return Refusal(name, error.reason)
    except Exception as error:  # a stage is pure: what fails now fails always
        return Refusal(name, f"{type(error).__name__}: {error}"[:500])
    return made


def decode(batch: list[Delivery]) -> list[RawMessage]:
    """Read raw messages off the wire; one that lies about where it comes from is rejected."""
    return [_decode(delivery) for delivery in batch]


def _decode(delivery: Delivery) -> RawMessage:
    try:
        raw = RawMessage.model_validate_json(delivery.body)
    except ValidationError as error:
        raise Rejected(f"no raw message: {summary(error)}") from error
    address = (raw.workspace, raw.channel, raw.source)
    if delivery.subject not in (subjects.raw(*address), subjects.bulk(*address)):
        raise Rejected(f"{raw.key}: says {'.'.join(address)} on subject {delivery.subject}")
    return raw


def summary(error: ValidationError) -> str:
    """Say what is wrong without repeating the input, which names the fields that nobody knows."""
    return "; ".join(f"{_place(item)}: {item['msg']}" for item in error.errors(include_input=False)[:3])


def _place(item: ErrorDetails) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown field"
    return ".".join(map(str, item["loc"])) or "body"
