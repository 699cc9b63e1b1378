"""A source: one configured inlet of a channel."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from schemas.messages import storable
from schemas.subjects import Slug


class SourceState(StrEnum):
    """Whether the source is listened to."""

    ACTIVE = "active"
    PAUSED = "paused"


def _sound(secret: SecretStr) -> SecretStr:
    storable(secret.get_secret_value())
    return secret


Secret = Annotated[SecretStr, Field(min_length=1, max_length=1_000), AfterValidator(_sound)]


class NewSource(BaseModel):
    """A source as a person registers it; several secrets are all accepted at once, so that they can be rotated."""

    model_config = ConfigDict(extra="forbid")

    slug: Slug
    channel: Slug
    settings: dict[str, Any] = Field(default_factory=dict)
    secret: Secret | Annotated[list[Secret], Field(max_length=5)] | None = None

    @property
    def secrets(self) -> list[str]:
        """The secrets in clear: for the store only, never for a log or an answer."""
        given = self.secret if isinstance(self.secret, list) else [self.secret] if self.secret else []
        return [secret.get_secret_value() for secret in given]


class Source(BaseModel):
    """A source as it is shown: never with its secrets."""

    model_config = ConfigDict(frozen=True)

    workspace: str
    slug: str
    channel: str
    settings: dict[str, Any]
    state: SourceState
