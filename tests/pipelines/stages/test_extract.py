"""Classified -> Extracted: pieces of work with title, priority, assignee, due date, labels, links."""

import json
from datetime import UTC, date, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.judges.rules import judge
from pipelines.stages.classify import classify
from pipelines.stages.extract import extract
from pipelines.stages.normalize import normalize
from schemas.messages import RawMessage, TextFormat
from schemas.tasks import Extracted, Extraction, Priority
from schemas.verdicts import Category
from tests.making import raw

NAUGHTY = Path("../shared/payloads/naughty/blns.json")


def utc(workspace: str) -> tzinfo:
    return UTC


def road(*messages: RawMessage) -> list[Extracted]:
    return extract(classify(normalize(list(messages)), judge=judge), time_zone=utc)


def spans(task: Extraction) -> list[tuple[int, int]]:
    found = (task.title, task.priority, task.assignee, task.due, *task.labels)
    return [item.span for item in found if item is not None and item.span is not None]


def test_request_becomes_a_task_with_all_that_it_says() -> None:
    text = "Hi! @anna please renew the certificate by Friday, it is urgent #ops https://x.org/c"
    [made] = road(raw(text=text))
    [task] = made.tasks
    assert made.verdict.category is Category.CHORE
    assert task.title.value == "Renew the certificate by Friday, it is urgent"
    assert task.priority.value is Priority.HIGH
    assert task.assignee is not None
    assert task.assignee.value == "anna"
    assert task.due is not None
    assert task.due.value == date(2026, 11, 20)
    assert [label.value for label in task.labels] == ["ops"]
    assert task.links == ("https://x.org/c",)


def test_noise_has_no_work() -> None:
    assert road(raw(text="thanks, it works now"))[0].tasks == ()


def test_author_who_offers_is_the_assignee() -> None:
    [task] = road(raw(text="The worker crashes, I'll fix it", author="bob"))[0].tasks
    assert task.assignee is not None
    assert task.assignee.value == "bob"


def test_list_of_work_is_as_many_tasks_and_its_head_speaks_for_all() -> None:
    text = "TODO by Friday, urgent:\n- update the changelog\n- @bob write the notes by Monday\n- [x] tag it\n- call Eva"
    [made] = road(raw(text=text))
    assert [task.title.value for task in made.tasks] == [
        "Update the changelog",
        "Write the notes by Monday",
        "Call Eva",
    ]
    assert [task.due and task.due.value.day for task in made.tasks] == [20, 23, 20]
    assert [task.assignee and task.assignee.value for task in made.tasks] == [None, "bob", None]
    assert {task.priority.value for task in made.tasks} == {Priority.HIGH}
    assert text[slice(*spans(made.tasks[1])[0])] == "@bob write the notes by Monday"


def test_steps_to_reproduce_are_one_bug() -> None:
    [made] = road(raw(text="Export crashes\n\nSteps to reproduce:\n1. open it\n2. press export"))
    assert [task.title.value for task in made.tasks] == ["Export crashes"]


def test_tomorrow_is_meant_in_the_zone_of_the_workspace() -> None:
    late = raw(text="please ship it by tomorrow", sent_at="2024-05-01T22:30:00Z", workspace="kyiv")
    zones = {"kyiv": ZoneInfo("Europe/Kyiv")}
    [made] = extract(classify(normalize([late]), judge=judge), time_zone=zones.__getitem__)
    assert made.tasks[0].due is not None
    assert made.tasks[0].due.value == date(2024, 5, 3)


@given(st.text(max_size=400), st.sampled_from(TextFormat))
def test_any_text_goes_the_whole_road_and_spans_stay_inside(text: str, written: TextFormat) -> None:
    text = text.replace("\x00", "")
    [made] = road(raw(text=f"please fix {text}\ntodo:\n- {text}\n- call", format=written))
    for task in made.tasks:
        assert task.title.value.strip()
        assert all(0 <= start < end <= len(made.message.text) for start, end in spans(task))


@pytest.mark.skipif(not NAUGHTY.exists(), reason="the shared naughty strings are not on this machine")
def test_naughty_strings_go_the_whole_road() -> None:
    strings = [text.replace("\x00", "") for text in json.loads(NAUGHTY.read_text())]
    made = road(*(raw(str(place), f"please fix {text}") for place, text in enumerate(strings)))
    assert len(made) == len(strings) > 500
    assert all(len(task.title.value) <= 120 for item in made for task in item.tasks)
