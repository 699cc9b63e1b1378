"""A deadline is read relative to when the message was sent, and not read when in doubt."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reading.due import due_date

SENT = datetime(2024, 5, 1, 12, tzinfo=UTC)  # a Wednesday
PHRASES = Path("../shared/data/classification/due_phrases.jsonl")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Please deploy by Friday", "2024-05-03"),
        ("please send it by next Friday", "2024-05-10"),
        ("deadline: 2024-05-10", "2024-05-10"),
        ("Anna, can you send the report tomorrow?", "2024-05-02"),
        ("the day after tomorrow we need to ship, due the day after tomorrow", "2024-05-03"),
        ("We need this by EOD", "2024-05-01"),
        ("please finish by the end of the week", "2024-05-03"),
        ("by the end of the month we need it", "2024-05-31"),
        ("please do it in 3 days", "2024-05-04"),
        ("please do it within two weeks", "2024-05-15"),
        ("please do it in a month", "2024-06-01"),
        ("due 5 December", "2024-12-05"),
        ("by Dec 5, 2024", "2024-12-05"),
        ("no later than the 15th of May", "2024-05-15"),
        ("please by Friday, May 10", "2024-05-10"),
        ("please pay by 25/12", "2024-12-25"),
        ("due by 3 February", "2025-02-03"),
        ("Deploy on Monday", "2024-05-06"),
        ("Треба зробити до п'ятниці", "2024-05-03"),
        ("зробіть на п’ятницю", "2024-05-03"),
        ("Онови сертифікат до кінця тижня", "2024-05-03"),
        ("завтра зроби бекап", "2024-05-02"),
        ("до післязавтра треба", "2024-05-03"),
        ("через два дні треба здати звіт", "2024-05-03"),
        ("до наступної середи, будь ласка", "2024-05-08"),
        ("до 5 грудня", "2024-12-05"),
        ("до 15.05 будь ласка", "2024-05-15"),
        ("не пізніше 20 травня", "2024-05-20"),
        ("Надо починить до завтра", "2024-05-02"),
        ("сделать к понедельнику", "2024-05-06"),
        ("до конца недели нужно", "2024-05-03"),
        ("Сегодня нужно выкатить", "2024-05-01"),
        ("через неделю надо сдать", "2024-05-08"),
        ("до 5 декабря 2024", "2024-12-05"),
        ("дедлайн 20.05.2024", "2024-05-20"),
        ("please call them by 3pm", "2024-05-01"),
        ("please call them by 9am", "2024-05-02"),
        ("can you check it before 5 o'clock in the afternoon", "2024-05-01"),
        ("please restart it at 23:30", "2024-05-01"),
        ("please send it by noon", "2024-05-02"),
        ("please answer in half an hour", "2024-05-01"),
        ("we need it within 20 hours", "2024-05-02"),
        ("please pay by the 24th", "2024-05-24"),
        ("please have it ready by the twenty-first of June", "2024-06-21"),
        ("we need the slides by the first Tuesday of June", "2024-06-04"),
        ("please send it by Friday after next", "2024-05-10"),
        ("please water them on Saturday at 9", "2024-05-04"),
        ("до 18:00 треба здати", "2024-05-01"),
        ("надішліть, будь ласка, до двадцять четвертого червня", "2024-06-24"),
        ("зробіть в суботу о 9 годині", "2024-05-04"),
        ("треба до 24-го", "2024-05-24"),
        ("через пів години треба виїжджати", "2024-05-01"),
        ("нужно к 15 часам", "2024-05-01"),
        ("сделайте до третьего июня", "2024-06-03"),
        ("пришлите до 20 числа", "2024-05-20"),
    ],
)
def test_deadline_is_read(text: str, day: str) -> None:
    found = due_date(text, SENT, UTC)
    assert found is not None
    assert found.value == date.fromisoformat(day)
    assert found.span is not None
    assert f'"{text[slice(*found.span)]}"' in found.reason


@pytest.mark.parametrize(
    "text",
    [
        "see you tomorrow",
        "due to a bug today nothing works",
        "It worked until tomorrow",
        "2024-05-01 12:00:01 ERROR by 2024-05-02 it failed",
        "please fix by 1 April 2024",
        "we shipped by Friday last week",
        "every Friday please send the report",
        "please pay by 05/12",
        "by 31 February please",
        "please `by tomorrow` is a phrase",
        "> please by Friday",
        "it fails since Monday",
        "до 99.99 треба",
        "перенесли на 10",
        "please use version 1.2.3",
        "please update it to 3.15",
        "please move it to room 15",
        "please pay 24 to the driver",
        "please fix the 24 tests",
        "please see page 3 of the contract",
        "",
    ],
)
def test_in_doubt_there_is_no_deadline(text: str) -> None:
    assert due_date(text, SENT, UTC) is None


def test_today_is_the_day_in_the_zone_of_the_team() -> None:
    late = datetime(2024, 5, 1, 22, 30, tzinfo=UTC)
    in_kyiv = due_date("please fix it today", late, ZoneInfo("Europe/Kyiv"))
    in_utc = due_date("please fix it today", late, UTC)
    assert (in_kyiv and in_kyiv.value, in_utc and in_utc.value) == (date(2024, 5, 2), date(2024, 5, 1))


def test_year_that_python_cannot_count_is_no_deadline() -> None:
    assert due_date("please by tomorrow", datetime.max.replace(tzinfo=UTC), ZoneInfo("Asia/Tokyo")) is None


@given(st.text(), st.datetimes(timezones=st.just(UTC)))
def test_any_text_at_any_time_is_read(text: str, sent_at: datetime) -> None:
    found = due_date(f"please {text} by tomorrow {text}", sent_at, UTC)
    assert found is None or (found.span is not None and found.span.start < found.span.end)


@pytest.mark.skipif(not PHRASES.exists(), reason="the shared phrases are not on this machine")
def test_most_phrases_of_others_are_read_right_and_few_wrong() -> None:
    asking = {"en": "Please finish it by ", "uk": "Будь ласка, зробіть до ", "ru": "Пожалуйста, сделайте до "}
    right = wrong = ahead = 0
    for line in PHRASES.read_text().splitlines():
        row = json.loads(line)
        sent_at, day = datetime.fromisoformat(row["now"]), datetime.fromisoformat(row["is"]).date()
        found = due_date(asking[row["lang"]] + row["text"], sent_at, sent_at.tzinfo or UTC)
        ahead += day >= sent_at.date()
        right += found is not None and found.value == day
        wrong += found is not None and found.value != day
    assert right / (right + wrong) >= 0.96
    assert (right + wrong) / ahead >= 0.75
