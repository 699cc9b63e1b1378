"""pipelines/store/tasks.py: a change, its version and its event are one; a person's word stays."""

import asyncio
from datetime import date
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from pipelines.store import tasks
from pipelines.store.messages import persist
from schemas.errors import Conflict, NotFound
from schemas.messages import Kind
from schemas.tasks import NewTask, Priority, Review, ReviewDecision, Status, Task, TaskChange
from schemas.verdicts import Category, DecidedBy
from tests.asking import Conn, rows, told
from tests.making import extracted


async def by_hand(conn: Conn, title: str = "Order paper", **fields: Any) -> Task:
    async with conn.transaction():
        return await tasks.create(conn, "default", NewTask(title=title, **fields), actor="anna")


async def read_from_message(conn: Conn) -> Task:
    await persist(conn, [extracted("1", "please ship", "Ship it")])
    [row] = await rows(conn, "select id from tasks")
    async with conn.transaction():
        return await tasks.lock(conn, "default", row["id"], version=None)


async def change(conn: Conn, task: Task, *, version: int | None = None, actor: str = "anna", **fields: Any) -> Task:
    wanted = TaskChange(**fields)
    async with conn.transaction():
        return await tasks.change(conn, "default", task.id, wanted, actor=actor, version=version)


async def by_machine(conn: Conn, task: Task, **fields: Any) -> Task:
    async with conn.transaction():
        return await tasks.change(
            conn,
            "default",
            task.id,
            TaskChange(**fields),
            actor="rules@1",
            version=None,
            by=DecidedBy.RULE,
            reason="the message was edited",
        )


async def judge(conn: Conn, task: Task, decision: Review, **fields: Any) -> Task:
    async with conn.transaction():
        word = ReviewDecision(decision=decision, change=TaskChange(**fields) if fields else None)
        return await tasks.review(conn, "default", task.id, word, actor="anna", version=None)


async def test_task_made_by_hand_is_its_authors_word_and_is_told_whole(conn: Conn) -> None:
    made = await by_hand(conn, category=Category.BUG, due=date(2026, 12, 1), labels=["office"])
    assert (made.number, made.version, made.review, made.status) == (1, 1, Review.ACCEPTED, Status.OPEN)
    assert set(made.provenance) == {"title", "category", "due", "labels"}
    assert {word.by for word in made.provenance.values()} == {DecidedBy.PERSON}
    [event] = await told(conn, "task.")
    assert (event["type"], event["actor"], event["task"]) == ("task.created", "anna", made.id)
    assert event["data"] == {"task": made.model_dump(mode="json"), "evidence": []}
    assert len(await rows(conn, "select from outbox where seq = %s", event["seq"])) == 1


async def test_tasks_are_numbered_without_gaps_also_beside_those_that_were_read(conn: Conn) -> None:
    await by_hand(conn)
    await persist(conn, [extracted("1", "please ship", "Ship it")])
    assert (await by_hand(conn)).number == 3


async def test_task_of_an_unknown_workspace_is_not_made(conn: Conn) -> None:
    with pytest.raises(NotFound):
        async with conn.transaction():
            await tasks.create(conn, "nowhere", NewTask(title="Ship it"), actor="anna")


async def test_change_raises_the_version_and_tells_what_was_and_is(conn: Conn) -> None:
    task = await by_hand(conn, assignee="bob")
    changed = await change(conn, task, version=1, title="Order more paper", assignee=None, due="2026-12-01")
    assert (changed.title, changed.assignee, changed.due) == ("Order more paper", None, date(2026, 12, 1))
    assert (changed.version, changed.number) == (2, task.number)
    assert changed.updated_at > task.updated_at
    event = (await told(conn, "task."))[-1]
    assert (event["type"], event["actor"], event["task"]) == ("task.updated", "anna", task.id)
    assert event["data"] == {
        "task": changed.model_dump(mode="json"),
        "changed": {
            "assignee": {"before": "bob", "after": None},
            "due": {"before": None, "after": "2026-12-01"},
            "title": {"before": "Order paper", "after": "Order more paper"},
        },
    }


async def test_change_to_what_is_already_there_is_not_told(conn: Conn) -> None:
    task = await by_hand(conn, labels=["a", "b"])
    same = await change(conn, task, version=1, title=task.title, labels=["a", "b", "a"], status=Status.OPEN)
    assert same == task
    assert [event["type"] for event in await told(conn, "task.")] == ["task.created"]


@pytest.mark.parametrize("field", ["title", "description", "category", "priority", "status", "labels"])
async def test_field_that_every_task_has_cannot_be_cleared(conn: Conn, field: str) -> None:
    task = await by_hand(conn)
    cleared = TaskChange.model_validate({field: None})
    with pytest.raises(tasks.Unfit, match=field):
        async with conn.transaction():
            await tasks.change(conn, "default", task.id, cleared, actor="anna", version=None)
    assert len(await told(conn, "task.")) == 1


async def test_version_of_before_is_a_conflict_and_changes_nothing(conn: Conn) -> None:
    task = await by_hand(conn)
    await change(conn, task, version=1, title="Order more paper")
    with pytest.raises(Conflict, match="version 2"):
        await change(conn, task, version=1, title="Order less paper")
    [row] = await rows(conn, "select title, version from tasks")
    assert row == {"title": "Order more paper", "version": 2}
    assert len(await told(conn, "task.updated")) == 1


async def test_task_of_another_workspace_is_not_found(conn: Conn) -> None:
    task = await by_hand(conn)
    for wanted in (("other", task.id), ("default", uuid4())):
        with pytest.raises(NotFound):
            async with conn.transaction():
                await tasks.change(conn, *wanted, TaskChange(title="Mine"), actor="mallory", version=None)


async def test_machine_never_overwrites_a_persons_word(conn: Conn) -> None:
    task = await read_from_message(conn)
    await change(conn, task, priority=Priority.CRITICAL, assignee=None, due="2026-12-01")
    later = await by_machine(conn, task, priority=Priority.LOW, due=None, title="Ship it today")
    assert (later.priority, later.due) == (Priority.CRITICAL, date(2026, 12, 1))
    assert (later.title, later.provenance["title"].by) == ("Ship it today", DecidedBy.RULE)
    assert later.provenance["title"].reason == "the message was edited"
    assert later.provenance["priority"].by is DecidedBy.PERSON
    event = (await told(conn, "task.updated"))[-1]
    assert set(event["data"]["changed"]) == {"title"}


async def test_machine_that_may_change_nothing_is_not_told(conn: Conn) -> None:
    task = await by_hand(conn, title="Order paper", priority=Priority.HIGH)
    same = await by_machine(conn, task, title="Order pens", priority=Priority.LOW)
    assert (same.version, len(await told(conn, "task.updated"))) == (1, 0)


async def test_person_may_overwrite_a_machines_word_and_a_persons(conn: Conn) -> None:
    task = await read_from_message(conn)
    assert (await change(conn, task, title="Ship the box", actor="bob")).provenance["title"].actor == "bob"
    again = await change(conn, task, title="Ship both boxes", actor="carol")
    assert (again.title, again.provenance["title"].actor) == ("Ship both boxes", "carol")


async def test_clearing_a_field_is_a_persons_word_too(conn: Conn) -> None:
    task = await by_hand(conn, assignee="bob")
    await change(conn, task, assignee=None)
    assert (await by_machine(conn, task, assignee="carol")).assignee is None


async def test_accepting_is_told_and_kept_as_a_persons_verdict_on_the_message(conn: Conn) -> None:
    task = await read_from_message(conn)
    judged = await judge(conn, task, Review.ACCEPTED)
    assert (judged.review, judged.version, judged.status) == (Review.ACCEPTED, 2, Status.OPEN)
    [event] = await told(conn, "task.reviewed")
    assert event["data"]["changed"] == {"review": {"before": "unreviewed", "after": "accepted"}}
    assert event["data"]["task"] == judged.model_dump(mode="json")
    found = await rows(conn, "select decided_by, judge, category, confidence from verdicts order by id")
    assert [tuple(row.values()) for row in found][1:] == [("person", "anna", "chore", 1.0)]


async def test_correcting_changes_the_fields_in_the_same_event(conn: Conn) -> None:
    task = await read_from_message(conn)
    judged = await judge(conn, task, Review.CORRECTED, category=Category.BUG, assignee="bob")
    assert (judged.review, judged.category, judged.assignee) == (Review.CORRECTED, Category.BUG, "bob")
    assert judged.version == 2
    [event] = await told(conn, "task.reviewed")
    assert set(event["data"]["changed"]) == {"review", "category", "assignee"}
    assert not await told(conn, "task.updated")
    found = await rows(conn, "select category from verdicts where decided_by = 'person'")
    assert found == [{"category": "bug"}]


async def test_rejecting_cancels_and_says_that_the_message_is_noise(conn: Conn) -> None:
    judged = await judge(conn, await read_from_message(conn), Review.REJECTED)
    assert (judged.review, judged.status) == (Review.REJECTED, Status.CANCELLED)
    assert judged.provenance["status"].by is DecidedBy.PERSON
    found = await rows(conn, "select category from verdicts where decided_by = 'person'")
    assert found == [{"category": "noise"}]


@pytest.mark.parametrize("decision", [Review.ACCEPTED, Review.CORRECTED])
async def test_rejection_that_was_a_mistake_is_taken_back_whole(conn: Conn, decision: Review) -> None:
    task = await read_from_message(conn)
    await judge(conn, task, Review.REJECTED)
    judged = await judge(conn, task, decision)
    assert (judged.review, judged.status) == (decision, Status.OPEN)
    found = await rows(conn, "select category from verdicts where decided_by = 'person' order by id")
    assert [row["category"] for row in found] == ["noise", "chore"]


async def test_task_that_a_person_had_cancelled_before_its_rejection_stays_so(conn: Conn) -> None:
    task = await read_from_message(conn)
    await change(conn, task, status=Status.CANCELLED)
    await judge(conn, task, Review.REJECTED)
    assert (await judge(conn, task, Review.ACCEPTED)).status is Status.CANCELLED


async def test_rejecting_one_of_two_tasks_does_not_say_that_their_message_is_noise(conn: Conn) -> None:
    await persist(conn, [extracted("1", "ship it, bill it", "Ship it", "Bill it")])
    first, second = (row["id"] for row in await rows(conn, "select id from tasks order by number"))
    for task, verdicts in ((first, 0), (second, 1)):
        async with conn.transaction():
            await tasks.review(
                conn, "default", task, ReviewDecision(decision=Review.REJECTED), actor="anna", version=None
            )
        assert len(await rows(conn, "select from verdicts where decided_by = 'person'")) == verdicts


async def test_label_given_twice_is_kept_once(conn: Conn) -> None:
    made = await by_hand(conn, labels=["office", "paper", "office"])
    assert made.labels == ("office", "paper")


async def test_edit_keeps_the_words_and_the_certainty_that_its_new_reading_stands_on(conn: Conn) -> None:
    task = await read_from_message(conn)
    edited = extracted("1", "please ship it today", "Ship it today", kind=Kind.EDIT, revision=1)
    await persist(conn, [edited])
    async with conn.transaction():
        after = await tasks.lock(conn, "default", task.id, version=None)
    read = edited.tasks[0].title
    word = after.provenance["title"]
    assert (word.by, word.reason, word.confidence, word.span) == (
        DecidedBy.RULE,
        read.reason,
        read.confidence,
        read.span,
    )


async def test_rejected_task_stays_cancelled_when_its_message_is_edited(conn: Conn) -> None:
    await judge(conn, await read_from_message(conn), Review.REJECTED)
    await persist(conn, [extracted("1", "please ship now", "Ship it now", kind=Kind.EDIT, revision=1)])
    [row] = await rows(conn, "select status, review from tasks")
    assert row == {"status": "cancelled", "review": "rejected"}


async def test_same_review_again_is_not_told(conn: Conn) -> None:
    task = await read_from_message(conn)
    first = await judge(conn, task, Review.ACCEPTED)
    assert await judge(conn, task, Review.ACCEPTED) == first
    assert len(await told(conn, "task.reviewed")) == 1
    assert len(await rows(conn, "select from verdicts")) == 2


async def test_only_a_correction_comes_with_a_change(conn: Conn) -> None:
    task = await read_from_message(conn)
    with pytest.raises(tasks.Unfit, match="corrected"):
        await judge(conn, task, Review.ACCEPTED, title="Ship more")


async def test_review_of_a_task_without_a_message_has_no_verdict(conn: Conn) -> None:
    await judge(conn, await by_hand(conn), Review.REJECTED)
    assert not await rows(conn, "select from verdicts")


async def test_of_two_who_saw_the_same_version_one_wins(postgres_urls: dict[str, str], conn: Conn) -> None:
    task = await by_hand(conn)

    async def claim(name: str) -> str | None:
        async with await psycopg.AsyncConnection.connect(postgres_urls["write"], autocommit=True) as own:
            try:
                return (await change(own, task, version=1, assignee=name)).assignee
            except Conflict:
                return None

    outcomes = await asyncio.gather(*(claim(name) for name in ("bob", "carol", "dan", "eve")))
    [winner] = [name for name in outcomes if name]
    assert await rows(conn, "select assignee, version from tasks") == [{"assignee": winner, "version": 2}]
    assert len(await told(conn, "task.updated")) == 1


async def test_events_of_one_task_are_in_the_order_of_its_versions(postgres_urls: dict[str, str], conn: Conn) -> None:
    task = await by_hand(conn)

    async def writer(name: str) -> None:
        async with await psycopg.AsyncConnection.connect(postgres_urls["write"], autocommit=True) as own:
            for number in range(10):
                await change(own, task, title=f"{name} {number}")

    await asyncio.gather(*(writer(name) for name in ("bob", "carol", "dan")))
    events = await told(conn, "task.")
    assert [event["data"]["task"]["version"] for event in events] == list(range(1, 32))
    titles = [event["data"]["task"]["title"] for event in events]
    assert [event["data"]["changed"]["title"]["before"] for event in events[1:]] == titles[:-1]


async def test_change_that_is_rolled_back_is_not_told(conn: Conn) -> None:
    task = await by_hand(conn)
    async with conn.transaction(force_rollback=True):
        changed = await tasks.change(conn, "default", task.id, TaskChange(title="Gone"), actor="anna", version=1)
    assert changed.version == 2
    assert not await told(conn, "task.updated")
    assert await rows(conn, "select version from tasks") == [{"version": 1}]
