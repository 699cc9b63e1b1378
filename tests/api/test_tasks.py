"""api/routes/tasks.py: tasks are made, found, changed, judged and talked about."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from pipelines.store import sources
from pipelines.store.messages import persist
from tests.asking import Conn, rows, told
from tests.making import extracted, work
from tests.problems import problem

JSON = {"Content-Type": "application/json"}


async def made(client: httpx.AsyncClient, title: str = "Order paper", **fields: Any) -> dict[str, Any]:
    answer = await client.post("/api/tasks", json={"title": title} | fields)
    assert answer.status_code == 201, answer.text
    task: dict[str, Any] = answer.json()
    return task


async def read_from_chat(conn: Conn, *titles: str) -> None:
    async with conn.transaction():
        await sources.ensure(conn, "default", "chat", "telegram")
    found = tuple(work(title, assignee="bob") for title in titles)
    await persist(conn, [extracted("1", "please ship it and call the bank", tasks=found, conversation="team")])


async def test_task_made_by_hand_is_found_by_id_and_by_number(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/tasks", json={"title": " Order paper ", "labels": ["office"], "due": "2026-12-01"})
    assert answer.status_code == 201
    task = answer.json()
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == f"/api/tasks/{task['id']}"
    assert (task["title"], task["labels"], task["due"]) == ("Order paper", ["office"], "2026-12-01")
    for name in (task["id"], task["number"]):
        found = await client.get(f"/api/tasks/{name}")
        assert found.headers["etag"] == '"1"'
        assert found.json()["title"] == "Order paper"


async def test_task_shows_its_evidence_comments_history_and_verdicts(client: httpx.AsyncClient, conn: Conn) -> None:
    await read_from_chat(conn, "Ship it")
    [item] = (await client.get("/api/tasks")).json()["items"]
    await client.post(f"/api/tasks/{item['id']}/comments", json={"text": "On it"})
    task = (await client.get(f"/api/tasks/{item['id']}")).json()
    [evidence] = task["evidence"]
    assert item["evidence"] == task["evidence"]
    assert (evidence["text"], evidence["spans"]) == ("please ship it and call the bank", [[0, 6]])
    assert (evidence["source"], evidence["channel"], evidence["conversation"]) == ("chat", "telegram", "team")
    assert [comment["text"] for comment in task["comments"]] == ["On it"]
    assert [event["type"] for event in task["history"]] == ["task.created", "task.commented"]
    assert [verdict["judge"] for verdict in task["verdicts"]] == ["rules@1"]
    assert task["provenance"]["title"]["span"] == [0, 6]


@pytest.mark.parametrize("name", ["999", "0", str(UUID(int=8)), "nothing", "9" * 40, "%00", "-1", "²"])
async def test_task_that_is_not_there_is_not_found(client: httpx.AsyncClient, name: str) -> None:
    assert name not in problem(await client.get(f"/api/tasks/{name}"), 404)


async def test_pages_show_every_task_once_while_new_ones_arrive(client: httpx.AsyncClient) -> None:
    before = [(await made(client, f"Task {n}"))["id"] for n in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (await client.get("/api/tasks", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))).json()
        assert len(page["items"]) <= 3
        seen += [task["id"] for task in page["items"]]
        await made(client, "A new one")
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == before[::-1]


@pytest.mark.parametrize(
    ("wanted", "titles"),
    [
        ({"status": "done"}, []),
        ({"status": "open"}, ["Fix 100% of it", "Order paper", "Ship it"]),
        ({"category": "bug"}, ["Fix 100% of it"]),
        ({"priority": "high"}, ["Fix 100% of it"]),
        ({"review": "unreviewed"}, ["Ship it"]),
        ({"assignee": "bob"}, ["Ship it"]),
        ({"source": "chat"}, ["Ship it"]),
        ({"label": "office"}, ["Order paper"]),
        ({"q": "PAPER"}, ["Order paper"]),
        ({"q": "0%"}, ["Fix 100% of it"]),
        ({"q": "_aper"}, []),
        ({"due_before": "2026-12-02"}, ["Order paper"]),
        ({"due_before": "2026-12-01"}, []),
        ({"status": "open", "category": "chore", "q": "ship"}, ["Ship it"]),
    ],
)
async def test_filters_list_what_matches_all_of_them(
    client: httpx.AsyncClient, conn: Conn, wanted: dict[str, str], titles: list[str]
) -> None:
    await read_from_chat(conn, "Ship it")
    await made(client, "Order paper", labels=["office"], due="2026-12-01")
    await made(client, "Fix 100% of it", category="bug", priority="high")
    answer = await client.get("/api/tasks", params=wanted)
    assert answer.status_code == 200, answer.text
    assert [task["title"] for task in answer.json()["items"]] == titles


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=many",
        "cursor=garbage",
        "cursor=W10",
        "cursor=WzFd%00",
        "cursor=bnVsbA",
        "cursor=W3RydWVd",
        "cursor=WyJ4Il0",
        "cursor=WzFlOTld",
        "cursor=ééé",
        "status=finished",
        "due_before=tomorrow",
        "statuss=done",
        "q=%00",
        "assignee=a%00b",
    ],
)
async def test_query_that_makes_no_sense_is_refused(client: httpx.AsyncClient, query: str) -> None:
    problem(await client.get(f"/api/tasks?{query}"), 422)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "title"),
        ({"title": "  "}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"title": "Ship it", "due": "13/13/2026"}, "due"),
        ({"title": "Ship it", "category": "noise"}, "category"),
        ({"title": "Ship it", "number": 7}, "number"),
        ([], "body"),
    ],
)
async def test_task_of_the_wrong_shape_is_refused_saying_where(
    client: httpx.AsyncClient, body: Any, where: str
) -> None:
    answer = await client.post("/api/tasks", json=body)
    assert where in problem(answer, 422)
    assert where in answer.json()["errors"][0]["where"]


async def test_refusal_never_says_the_input_again(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/tasks", json={"title": "Ship it", "category": "s3cret", "due": "s3cret"})
    problem(answer, 422)
    assert "s3cret" not in answer.text


async def test_half_a_surrogate_pair_is_refused_as_a_value_and_as_a_name(client: httpx.AsyncClient) -> None:
    for body in (b'{"title": "\\ud800"}', b'{"title": "Ship it", "\\ud800": 1}', b'{"title": "Ship it", "\\u0000": 1}'):
        problem(await client.post("/api/tasks", content=body, headers=JSON), 422)


async def test_same_key_makes_one_task(client: httpx.AsyncClient, conn: Conn) -> None:
    key = {"Idempotency-Key": "k1"}
    answers = [await client.post("/api/tasks", json={"title": "Order paper"}, headers=key) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len(await rows(conn, "select from tasks")) == 1
    problem(await client.post("/api/tasks", json={"title": "Order pens"}, headers=key), 409)


async def test_change_answers_with_the_next_version(client: httpx.AsyncClient, conn: Conn) -> None:
    task = await made(client)
    answer = await client.patch(
        f"/api/tasks/{task['id']}", json={"status": "in_progress", "assignee": "bob"}, headers={"If-Match": '"1"'}
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == '"2"'
    assert (answer.json()["status"], answer.json()["assignee"], answer.json()["version"]) == ("in_progress", "bob", 2)
    [event] = await told(conn, "task.updated")
    assert event["data"]["task"] == answer.json()


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 428),
        ({"If-Match": '"1"'}, 412),
        ({"If-Match": '"2"'}, 200),
        ({"If-Match": "2"}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"two"'}, 412),
        ({"If-Match": '"1", "2"'}, 412),
        ({"If-Match": "²".encode("latin-1")}, 412),
        ({"If-Match": "9" * 5000}, 412),
        ({"If-Match": ""}, 412),
    ],
)
async def test_change_is_made_to_the_version_that_was_seen(
    client: httpx.AsyncClient, given: dict[str, str], status: int
) -> None:
    task = await made(client)
    await client.patch(f"/api/tasks/{task['id']}", json={"title": "Order pens"}, headers={"If-Match": "*"})
    answer = await client.patch(f"/api/tasks/{task['id']}", json={"title": "Order ink"}, headers=given)
    if status != 200:
        problem(answer, status)
    now = (await client.get(f"/api/tasks/{task['id']}")).json()
    assert (answer.status_code, now["title"]) == (status, "Order ink" if status == 200 else "Order pens")


async def test_field_that_every_task_has_is_not_cleared(client: httpx.AsyncClient) -> None:
    task = await made(client)
    answer = await client.patch(f"/api/tasks/{task['id']}", json={"title": None}, headers={"If-Match": "*"})
    assert "title" in problem(answer, 422)


@pytest.mark.parametrize("path", [f"/api/tasks/{UUID(int=8)}", f"/api/tasks/{UUID(int=8)}/review", "/api/tasks/7"])
async def test_change_of_no_task_is_refused(client: httpx.AsyncClient, path: str) -> None:
    review = path.endswith("review")
    body = {"decision": "accepted"} if review else {"title": "Mine"}
    answer = await client.request("POST" if review else "PATCH", path, json=body, headers={"If-Match": "*"})
    problem(answer, 422 if path.endswith("7") else 404)


async def test_review_corrects_and_is_kept_as_a_verdict(client: httpx.AsyncClient, conn: Conn) -> None:
    await read_from_chat(conn, "Ship it")
    [task] = (await client.get("/api/tasks")).json()["items"]
    body = {"decision": "corrected", "change": {"category": "bug"}}
    answer = await client.post(f"/api/tasks/{task['id']}/review", json=body, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (answer.json()["review"], answer.json()["category"]) == ("corrected", "bug")
    shown = (await client.get(f"/api/tasks/{task['id']}")).json()
    assert [verdict["decided_by"] for verdict in shown["verdicts"]] == ["rule", "person"]
    problem(await client.post(f"/api/tasks/{task['id']}/review", json=body, headers={"If-Match": '"1"'}), 412)


@pytest.mark.parametrize(
    "body", [{"decision": "unreviewed"}, {}, {"decision": "accepted", "change": {"title": "Ship more"}}]
)
async def test_review_that_says_nothing_sensible_is_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    task = await made(client)
    problem(await client.post(f"/api/tasks/{task['id']}/review", json=body, headers={"If-Match": "*"}), 422)


async def test_comment_is_added_once_with_a_key(client: httpx.AsyncClient) -> None:
    task = await made(client)
    path = f"/api/tasks/{task['id']}/comments"
    answers = [
        await client.post(path, json={"text": "Which size?"}, headers={"Idempotency-Key": "c1"}) for _ in range(2)
    ]
    assert [(answer.status_code, answer.json()["text"]) for answer in answers] == [(201, "Which size?")] * 2
    [item] = (await client.get("/api/tasks")).json()["items"]
    assert item["comments"] == 1
    for text in ("", " \n", "a\x00b", "a" * 20_001):
        problem(await client.post(path, json={"text": text}), 422)
    problem(await client.post(f"/api/tasks/{UUID(int=8)}/comments", json={"text": "Hello?"}), 404)
