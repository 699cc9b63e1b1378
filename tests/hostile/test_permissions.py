"""Nobody may do another's work on NATS: every subject that somebody is granted, tried by every user who is not."""

from collections.abc import Callable
from re import search

import nats
import pytest
from nats.aio.client import Client

from deploy.local.permissions import PERMISSIONS, inbox_prefix
from schemas.subjects import Stream

USERS = sorted(set(PERMISSIONS) - {"admin"})
_STREAM_WORK = ("CREATE", "UPDATE", "DELETE", "PURGE", "SNAPSHOT", "RESTORE", "MSG.DELETE", "LEADER.STEPDOWN")
NOBODYS = {
    *(f"$JS.API.STREAM.{work}.{stream}" for work in _STREAM_WORK for stream in (*Stream, "OTHER")),
    *(f"$JS.API.CONSUMER.{work}.RAW.flow-live" for work in ("DELETE", "PAUSE", "UNPIN", "DURABLE.CREATE")),
    *("$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PING.CONNZ", "$JS.API.ACCOUNT.PURGE.x", "other", "raw", "results"),
}
"""What hardly anybody is granted."""


def examples(granted: str) -> set[str]:
    """Make subjects of a grant, with other words for its wildcards."""
    if granted.startswith("$JS.ACK"):
        return {granted.replace(">", "1.1.1.1.1")}
    return {granted.replace("*", word).replace(">", rest) for word in ("default", "acme") for rest in ("x", "x.y.z")}


def covers(granted: str, subject: str) -> bool:
    """Tell whether a grant covers a subject. Source: NATS, subject-based messaging."""
    wanted, given = granted.split("."), subject.split(".")
    for place, token in enumerate(wanted):
        if token == ">":
            return len(given) > place
        if place >= len(given) or token not in ("*", given[place]):
            return False
    return len(wanted) == len(given)


def may(user: str, subject: str) -> bool:
    return any(covers(granted, subject) for granted in PERMISSIONS[user].publish)


def subjects() -> set[str]:
    """List all that somebody but the admin is granted, and what nobody is."""
    return NOBODYS | {each for user in USERS for granted in PERMISSIONS[user].publish for each in examples(granted)}


class Refusals(set[str]):
    """The subjects that the server refused, in small letters, as the client tells them."""

    async def note(self, error: Exception) -> None:
        found = search(r'permissions violation for (?:publish|subscription) to "([^"]+)"', str(error).lower())
        assert found, error
        self.add(found[1])


async def connected(url: str, user: str) -> tuple[Client, Refusals]:
    refused = Refusals()
    client = await nats.connect(url, inbox_prefix=inbox_prefix(user).encode(), error_cb=refused.note)
    return client, refused


async def settle(client: Client) -> None:
    """Return when the server has seen all: it answers in order, and the first ping overtakes the client's buffer."""
    await client.flush()
    await client.flush()


@pytest.mark.parametrize("user", USERS)
async def test_publishing_what_only_others_may_is_refused(nats_urls: Callable[[str], str], user: str) -> None:
    forbidden = {subject for subject in subjects() if not may(user, subject)}
    assert len(forbidden) > 60
    client, refused = await connected(nats_urls(user), user)
    for subject in sorted(forbidden):
        await client.publish(subject, b"{}", reply=f"{inbox_prefix(user)}.x")
    await settle(client)
    await client.close()
    assert {subject for subject in forbidden if subject.lower() not in refused} == set()


@pytest.mark.parametrize("user", USERS)
async def test_publishing_what_is_granted_is_not_refused(nats_urls: Callable[[str], str], user: str) -> None:
    granted = {each for granted in PERMISSIONS[user].publish for each in examples(granted)}
    client, refused = await connected(nats_urls(user), user)
    for subject in sorted(granted):
        await client.publish(subject, b"{}")
    await settle(client)
    await client.close()
    assert refused == set()


@pytest.mark.parametrize("user", USERS)
async def test_hearing_what_others_publish_or_are_told_is_refused(nats_urls: Callable[[str], str], user: str) -> None:
    inboxes = {f"{inbox_prefix(other)}.>" for other in PERMISSIONS if other != user}
    every = subjects() | inboxes | {">", "*", "raw.>", "_INBOX.>", "$JS.EVENT.>", "$SYS.>"}
    every = {each for each in every if not any(covers(granted, each) for granted in PERMISSIONS[user].subscribe)}
    assert len(every) > 60
    client, refused = await connected(nats_urls(user), user)
    for subject in sorted(every):
        await client.subscribe(subject)
    await settle(client)
    await client.close()
    assert {subject for subject in every if subject.lower() not in refused} == set()


def test_no_two_roles_share_a_write_to_a_stream_but_those_that_must() -> None:
    writers = {
        prefix: {
            user for user in USERS if any(covers(granted, f"{prefix}.x.x.x") for granted in PERMISSIONS[user].publish)
        }
        for prefix in ("results", "bulk")
    }
    assert writers == {"results": {"relay"}, "bulk": {"operator", "requeue"}}
