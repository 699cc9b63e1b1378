"""The seed: enough of it, in three languages, of many places; and nobody filled in a template."""

import re
from collections import Counter, defaultdict
from itertools import combinations

from deploy.judging.examples import Example, seeds
from schemas.verdicts import Category

SEEDS = seeds()
_COMMON = 40
"""Runs of three words that more messages share are of the language, and no frame."""


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def triples(example: Example) -> set[tuple[str, ...]]:
    found = words(example.text)
    return {tuple(found[place : place + 3]) for place in range(len(found) - 2)} or {tuple(found)}


def near(examples: list[Example], least: float) -> list[tuple[str, str]]:
    """Find pairs that share so much of their runs of three words (Jaccard)."""
    sets = [triples(each) for each in examples]
    having = defaultdict(list)
    for place, runs in enumerate(sets):
        for run in runs:
            having[run].append(place)
    shared = Counter(pair for places in having.values() if len(places) <= _COMMON for pair in combinations(places, 2))
    return [
        (examples[one].text, examples[other].text)
        for (one, other), count in shared.items()
        if len(sets[one]) > 2 and count / len(sets[one] | sets[other]) >= least
    ]


def test_there_is_enough_of_every_category_in_every_language_and_of_many_places() -> None:
    counts = Counter((each.language, each.category) for each in SEEDS)
    assert len(SEEDS) >= 4_000
    assert {language for language, _ in counts} == {"en", "uk", "ru"}
    assert min(counts.values()) > 150
    assert set(Category) == {category for _, category in counts}
    assert len({each.group for each in SEEDS}) >= 8


def test_no_two_messages_are_nearly_the_same() -> None:
    assert near(SEEDS, 0.34) == []


def test_no_frame_is_used_again_and_again() -> None:
    for language in ("en", "uk", "ru"):
        texts = [each.text for each in SEEDS if each.language == language]
        openings = Counter(" ".join(words(text)[:3]) for text in texts if len(words(text)) > 4)
        assert openings.most_common(1)[0][1] <= len(texts) * 0.005


def test_messages_filled_into_a_template_would_be_found() -> None:
    made = [
        Example(f"please could somebody order the {thing} for the office", Category.CHORE, "office", "en")
        for thing in ("paper", "toner", "coffee")
    ]
    assert len(near(made, 0.34)) == 3
