"""The demo's conversation holds what the demo promises to show."""

import re
from collections import Counter
from datetime import UTC, datetime
from difflib import SequenceMatcher
from itertools import combinations, pairwise

import pytest

from deploy.demo.conversation import messages
from schemas.messages import Kind, Origin, RawMessage

NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def said() -> list[RawMessage]:
    return messages(NOW)


def moment(raw: RawMessage) -> float:
    return raw.revision or raw.sent_at.timestamp()


def test_times_are_the_messages_own_and_only_the_receipt_is_now(said: list[RawMessage]) -> None:
    assert {raw.received_at for raw in said} == {NOW}
    assert {raw.sent_at.date().isoformat() for raw in said} == {"2026-11-19", "2026-11-20"}
    assert {raw.origin for raw in said} == {Origin.LIVE}


def test_messages_come_in_the_order_in_which_they_happened(said: list[RawMessage]) -> None:
    assert [a.text for a, b in pairwise(said) if moment(a) > moment(b)] == []


def test_each_revision_of_a_message_comes_once(said: list[RawMessage]) -> None:
    seen = Counter((raw.key, raw.revision) for raw in said)
    assert [key for key, times in seen.items() if times > 1] == []


def test_reply_answers_an_earlier_message_of_the_same_source(said: list[RawMessage]) -> None:
    told: set[tuple[str, str]] = set()
    for raw in said:
        assert raw.reply_to is None or (raw.source, raw.reply_to) in told, raw.text
        told.add((raw.source, raw.external_id))
    assert sum(raw.reply_to is not None for raw in said) >= 40


def test_five_edits_and_one_deletion_change_what_was_said_before(said: list[RawMessage]) -> None:
    told: dict[str, RawMessage] = {}
    for raw in said:
        if raw.kind is not Kind.NEW:
            assert raw.text != told[raw.external_id].text
            assert raw.sent_at == told[raw.external_id].sent_at
        told[raw.external_id] = raw
    assert Counter(raw.kind for raw in said)[Kind.EDIT] == 5
    assert Counter(raw.kind for raw in said)[Kind.DELETE] == 1


def test_every_channel_and_every_language_of_the_team_is_heard(said: list[RawMessage]) -> None:
    assert 140 <= len(said) <= 170
    assert {raw.channel for raw in said} == {"telegram", "slack", "email", "github"}
    ukrainian = sum(bool(re.search("[іїєґІЇЄҐ]", raw.text)) for raw in said)
    russian = sum(bool(re.search("[ыэъёЫЭЪЁ]", raw.text)) for raw in said)
    english = sum(bool(raw.text) and not re.search("[а-яА-Я]", raw.text) for raw in said)
    assert ukrainian >= 25
    assert russian >= 10
    assert english >= 80


def test_dates_mentions_and_traces_are_there_to_be_read(said: list[RawMessage]) -> None:
    everything = "\n".join(raw.text for raw in said)
    for words in ("by Friday", "до п'ятниці", "до завтра", "2026-11-25", "@mykola", "Jake, could you", "Traceback"):
        assert words in everything
    assert "That bug is long fixed" in everything


def test_no_two_messages_say_nearly_the_same(said: list[RawMessage]) -> None:
    new = [raw.text for raw in said if raw.kind is Kind.NEW]
    close = [(a, b) for a, b in combinations(new, 2) if _ratio(a, b) >= 0.9]
    assert close == []


def _ratio(a: str, b: str) -> float:
    matcher = SequenceMatcher(None, a, b)
    if min(matcher.real_quick_ratio(), matcher.quick_ratio()) < 0.9:
        return 0.0
    return matcher.ratio()
