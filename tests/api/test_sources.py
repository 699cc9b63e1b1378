"""api/routes/sources.py: sources are registered and shown, their secrets are not."""

from typing import Any

import httpx
import pytest
from pydantic import BaseModel, ConfigDict

from api.deps import Resources
from pipelines.store import sources
from schemas.sources import NewSource
from tests.asking import Conn, rows, told
from tests.problems import problem
from tests.serving import make, serving

SECRET = "whsec_c2VjcmV0"
HOOK = {"slug": "ci", "channel": "webhook", "settings": {"text": "/message"}, "secret": SECRET}
JSON = {"Content-Type": "application/json"}


async def test_registered_source_is_shown_with_its_inlet_and_without_its_secret(
    client: httpx.AsyncClient, conn: Conn
) -> None:
    answer = await client.post("/api/sources", json=HOOK)
    assert answer.status_code == 201
    shown = {name: HOOK[name] for name in ("slug", "channel", "settings")} | {"workspace": "default", "state": "active"}
    assert answer.json() == shown | {"url": "http://127.0.0.1/webhook/ci"}
    listed = await client.get("/api/sources")
    assert listed.json() == {"items": [shown], "next_cursor": None}
    assert SECRET not in answer.text + listed.text
    found = await sources.find(conn, "default", "ci")
    assert found is not None
    assert found.secrets == (SECRET,)
    [event] = await told(conn, "source.")
    assert (event["actor"], event["data"]) == ("owner", shown)


async def test_source_of_a_channel_without_an_inlet_has_no_address(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/sources", json={"slug": "export", "channel": "files"})
    assert (answer.status_code, answer.json()["url"]) == (201, None)


async def test_name_of_another_channels_source_is_taken(client: httpx.AsyncClient) -> None:
    await client.post("/api/sources", json=HOOK)
    problem(await client.post("/api/sources", json=HOOK | {"channel": "telegram"}), 409)


@pytest.mark.parametrize(
    "body",
    [
        {},
        HOOK | {"slug": "No Slug"},
        HOOK | {"slug": "ci\n"},
        HOOK | {"secret": [SECRET] * 6},
        HOOK | {"secret": 7},
        HOOK | {"settings": {"text": "a\x00b"}},
        HOOK | {"settings": {"a\x00b": 1}},
        HOOK | {"secret": "a\x00b"},
        HOOK | {"state": "paused"},
    ],
)
async def test_source_of_the_wrong_shape_is_refused_without_its_secret(
    client: httpx.AsyncClient, conn: Conn, body: dict[str, Any]
) -> None:
    answer = await client.post("/api/sources", json=body)
    problem(answer, 422)
    assert SECRET not in answer.text
    assert not await rows(conn, "select from sources")


@pytest.mark.parametrize(
    "settings",
    [
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": "\\ud800"}',
        '{"\\udfff": 1}',
        *('{"a": ' + "[" * depth + "]" * depth + "}" for depth in (32, 900, 5_000, 100_000)),
    ],
    ids=range(8),
)
async def test_settings_that_cannot_be_kept_are_refused(client: httpx.AsyncClient, settings: str) -> None:
    body = '{"slug": "ci", "channel": "webhook", "settings": ' + settings + "}"
    answer = await client.post("/api/sources", content=body, headers=JSON)
    problem(answer, 400 if answer.status_code == 400 else 422)
    assert (await client.get("/api/sources")).json()["items"] == []


async def test_settings_may_be_nested(client: httpx.AsyncClient) -> None:
    nested: Any = "/message"
    for _ in range(31):
        nested = [nested]
    assert (await client.post("/api/sources", json=HOOK | {"settings": {"a": nested}})).status_code == 201


async def test_secret_that_is_kept_counts_when_settings_are_changed(resources: Resources) -> None:
    def needs_a_secret(new: NewSource) -> None:
        if not new.secrets:
            raise ValueError("secret: missing")

    async with serving(make(resources, check_source=needs_a_secret)) as client:
        change = {"slug": "ci", "channel": "webhook", "settings": {"text": "/body"}}
        assert "missing" in problem(await client.post("/api/sources", json=change), 422)
        assert (await client.post("/api/sources", json=HOOK)).status_code == 201
        assert (await client.post("/api/sources", json=change)).status_code == 201


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str


def check(new: NewSource) -> None:
    if new.channel == "fax":
        raise ValueError("channel: there is no connector for fax")
    _Settings.model_validate(new.settings)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (HOOK | {"channel": "fax"}, "fax"),
        (HOOK | {"settings": {}}, "body.settings.text"),
        (HOOK | {"settings": {"text": "/a", "s3cret": "s3cret"}}, "body.settings.s3cret"),
    ],
)
async def test_settings_that_the_channel_cannot_use_are_refused(
    resources: Resources, conn: Conn, body: dict[str, Any], where: str
) -> None:
    async with serving(make(resources, check_source=check)) as client:
        assert where in problem(await client.post("/api/sources", json=body), 422)
        assert not await rows(conn, "select from sources")
        assert (await client.post("/api/sources", json=HOOK)).status_code == 201
