"""The generic webhook: messages as JSON over HTTP, signed as Standard Webhooks prescribes."""

from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json
from standardwebhooks.webhooks import EmptyWebhookSecretError, WebhookVerificationError
from standardwebhooks.webhooks import Webhook as Signature

from connectors.contract import KnownSource, Refused, why
from connectors.json_pointer import Pointer, resolve
from schemas.messages import MessageLine, Origin, RawMessage, storable
from schemas.sources import NewSource

MAX_MESSAGES = 1_000
"""Messages in one request: as many as the publisher stores in one atomic batch."""

MAX_DEPTH = 100
"""Levels of a body that is kept as a payload; JSON readers further on give up at 200."""

MIN_SECRET = 24
"""Bytes of a secret. Source: Standard Webhooks 1.0.0."""

MappedField = Literal["text", "external_id", "conversation", "author", "sent_at", "reply_to", "revision", "kind"]

_NAMES = ("external_id", "conversation", "author", "reply_to")


class WebhookSettings(BaseModel):
    """How a webhook's requests are verified and read.

    ``map`` says, by JSON pointers, where a sender who knows nothing of our import format keeps its fields; what it
    does not point at is kept in the message's payload. ``unsigned`` takes requests that nobody vouches for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unsigned: bool = False
    map: dict[MappedField, Pointer] = Field(default_factory=dict)


class Webhook:
    """``POST /webhook/{source}``: one message in the import format, a list of them, or ``{"messages": [...]}``.

    ``source`` is the URL's; a missing ``external_id`` is derived from the header ``webhook-id``, so that a request
    sent twice is one message. Source: Standard Webhooks 1.0.0, symmetric signatures.
    """

    channel = "webhook"
    settings: type[BaseModel] = WebhookSettings

    def check(self, source: NewSource) -> None:
        """Refuse what would refuse every request: no secret, or one that is not written as Standard Webhooks says."""
        settings = WebhookSettings.model_validate(source.settings)
        if not source.secrets and not settings.unsigned:
            raise ValueError('secret: missing; without one, the settings must say {"unsigned": true}')
        if not all(map(_hard_to_guess, source.secrets)):
            raise ValueError("secret: not whsec_ and the base64 of at least 24 bytes, as Standard Webhooks makes them")

    def receive(
        self, headers: Mapping[str, str], body: bytes, source: KnownSource, received_at: datetime
    ) -> list[RawMessage]:
        """Verify the signature over the raw body, then read its messages. Raises Refused."""
        _verify(headers, body, source)
        settings = _settings(source)
        items, ids = _items(_parse(body), headers.get("webhook-id"), mapped=bool(settings.map))
        lines = [_line(item, default_id, settings, source) for item, default_id in zip(items, ids, strict=True)]
        messages = [
            line.to_raw(workspace=source.workspace, channel=self.channel, origin=Origin.LIVE, received_at=received_at)
            for line in lines
        ]
        if settings.map:
            return [raw.model_copy(update={"payload": item}) for raw, item in zip(messages, items, strict=True)]
        return messages


def _hard_to_guess(secret: str) -> bool:
    try:
        return len(b64decode(secret.removeprefix("whsec_"), validate=True)) >= MIN_SECRET
    except ValueError:
        return False


def _verify(headers: Mapping[str, str], body: bytes, source: KnownSource) -> None:
    if not source.secrets:
        if source.settings.get("unsigned") is True:
            return
        raise Refused(HTTPStatus.FORBIDDEN, 'This source has no secret; give it one, or set {"unsigned": true} on it.')
    if not any(_signed(headers, body, secret) for secret in source.secrets):
        raise Refused(HTTPStatus.UNAUTHORIZED, "No secret of this source made the signature, or it is too old.")


def _signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    try:
        Signature(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, EmptyWebhookSecretError, ValueError):
        # ValueError: a header, a secret or a body of the wrong alphabet, which the library lets through
        return False
    return True


def _settings(source: KnownSource) -> WebhookSettings:
    try:
        return WebhookSettings.model_validate(source.settings)
    except ValidationError as error:
        raise Refused(HTTPStatus.CONFLICT, f"The source's settings cannot be used: {why(error)}.") from None


def _parse(body: bytes) -> Any:
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {error}.") from None


def _items(document: Any, webhook_id: str | None, *, mapped: bool) -> tuple[list[Any], list[str | None]]:
    """Take the messages out of a body, each with the external id that it has when it does not name one itself."""
    if isinstance(document, dict) and not mapped and document.keys() == {"messages"}:
        document = document["messages"]
    elif isinstance(document, dict):
        return [document], [webhook_id]
    if not isinstance(document, list) or not document:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "The body is neither a message nor a list of messages.")
    if len(document) > MAX_MESSAGES:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"More than {MAX_MESSAGES:,} messages in one request.")
    return document, [webhook_id and f"{webhook_id}/{number}" for number in range(len(document))]


def _line(item: Any, default_id: str | None, settings: WebhookSettings, source: KnownSource) -> MessageLine:
    if not isinstance(item, dict):
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "A message is a JSON object.")
    fields = _mapped(item, settings) if settings.map else item
    if fields.get("source", source.slug) != source.slug:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "source: the message belongs to another source than the URL.")
    if fields.get("external_id") is None:
        if not default_id:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "external_id: missing, and there is no header webhook-id.")
        fields = fields | {"external_id": default_id}
    try:
        return MessageLine.model_validate(fields | {"source": source.slug})
    except ValidationError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{why(error)}.") from None


def _mapped(item: dict[str, Any], settings: WebhookSettings) -> dict[str, Any]:
    try:
        _keepable(item, MAX_DEPTH)
    except ValueError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"The body {error}.") from None
    fields: dict[str, Any] = {}
    for field, pointer in settings.map.items():
        try:
            value = resolve(item, pointer)
        except LookupError:
            continue
        if value is not None:
            # platforms number their messages and people; our names are strings
            fields[field] = str(value) if field in _NAMES and type(value) is int else value
    return fields


def _keepable(value: Any, depth: int) -> None:
    if depth == 0:
        raise ValueError(f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        storable(value)
    elif isinstance(value, list):
        for item in value:
            _keepable(item, depth - 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            storable(key)
            _keepable(item, depth - 1)
