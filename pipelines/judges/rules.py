"""The judge by rules: cues and signs are weighed, the words that decided are named."""

from math import exp
from operator import itemgetter
from typing import TypeAlias

from pipelines.judges.cues import Cue
from pipelines.judges.english import ENGLISH_MATTERS
from pipelines.judges.english_talk import ENGLISH_TALK
from pipelines.judges.russian import RUSSIAN
from pipelines.judges.signs import QUESTION_MARK, SIGNS, signs
from pipelines.judges.ukrainian import UKRAINIAN
from pipelines.reading.phrases import Phrases
from pipelines.reading.text import fold, mask
from schemas.messages import Message
from schemas.verdicts import Alternative, Category, DecidedBy, Span, Verdict

RULES_VERSION = "rules@1"

_SEEN = 4_000
"""Characters that are looked at: a message says early what it wants."""

_HEAD = 300
"""Characters whose words count in full; in what follows a report tells its circumstances."""

_SHORT = 200
"""Characters up to which small talk makes a message small talk."""

# What speaks for noise before anything is heard; who writes at length seldom wants nothing.
_SILENCE = 1.2
_SILENCE_AT_LENGTH = 0.7

# Confidence below which somebody slower should look again: a lead of less than about four fifths of a hint.
_DOUBT = 0.68

_QUOTED_WORDS = 3

_SPOKEN = (*ENGLISH_MATTERS, *ENGLISH_TALK, *UKRAINIAN, *RUSSIAN)
_PHRASES: Phrases[Cue] = Phrases((cue, cue.phrases) for cue in _SPOKEN)

CUES: tuple[Cue, ...] = (*_SPOKEN, *SIGNS)
"""All that may be heard in a message."""

Heard: TypeAlias = list[tuple[Cue, Span | None]]
"""Cues, each with its words; None: the message as a whole."""

# Of two categories that weigh the same, the one whose being missed costs more.
_ORDER = (Category.BUG, Category.CHORE, Category.FEATURE, Category.IMPROVEMENT, Category.QUESTION, Category.NOISE)

# What may be asked for in any form: "could you look at the crash" is about the crash.
_MATTERS = frozenset((Category.BUG, Category.FEATURE, Category.IMPROVEMENT))


def judge(batch: list[Message]) -> list[Verdict]:
    """Judge each message by its words; same length, same order."""
    return [_judge(message.text) for message in batch]


def _judge(text: str) -> Verdict:
    text = text[:_SEEN]
    masked = mask(text)
    heard = hear(text, masked, fold(masked))
    weights = weigh(heard, len(text))
    ranked = sorted(((weights.get(category, 0.0), category) for category in _ORDER), key=itemgetter(0), reverse=True)
    (most, category), (next_most, _) = ranked[:2]
    confidence = _confidence(most - next_most)
    return Verdict(
        category=category,
        confidence=confidence,
        decided_by=DecidedBy.RULE,
        judge=RULES_VERSION,
        reason=_reason(text, category, heard),
        spans=tuple(sorted({span for cue, span in heard if cue.category is category and span is not None})),
        alternatives=_alternatives(ranked[1:], 1 - confidence),
        doubtful=confidence < _DOUBT,
    )


def hear(text: str, masked: str, folded: str) -> Heard:
    """Find the cues of a text; ``masked`` is it without code, quotes and links, ``folded`` that in small letters."""
    return [*_PHRASES.find(folded), *signs(text, masked)]


def weigh(heard: Heard, length: int) -> dict[Category, float]:
    """Add up the weights; each further cue of a category counts half of the one before it."""
    asked = any(cue.form for cue, _ in heard)
    about_work = any(cue.category in _MATTERS and cue.weight >= 1.5 for cue, _ in heard)
    by_category: dict[Category, list[float]] = {Category.NOISE: [_SILENCE if length <= _HEAD else _SILENCE_AT_LENGTH]}
    for cue, span in heard:
        weight = cue.weight
        if cue.category is Category.NOISE:
            weight *= min(1.0, _SHORT / max(length, 1))
        elif span is not None and span.start > _HEAD:
            weight *= 0.5
        if (cue.form and about_work) or (cue is QUESTION_MARK and asked):
            weight *= 0.3
        by_category.setdefault(cue.category, []).append(weight)
    return {
        category: sum(weight / 2**place for place, weight in enumerate(sorted(given, reverse=True)))
        for category, given in by_category.items()
    }


def _confidence(margin: float) -> float:
    """Turn a lead over the next category into 0.5..0.94: words alone never settle what was meant."""
    return round(0.94 - 0.44 * exp(-margin / 1.5), 3)


def _alternatives(ranked: list[tuple[float, Category]], rest: float) -> tuple[Alternative, ...]:
    total = sum(weight for weight, _ in ranked)
    return tuple(
        Alternative(category, round(rest * weight / total, 3)) for weight, category in ranked[:2] if weight > 0
    )


def _reason(text: str, category: Category, heard: Heard) -> str:
    """Say in a sentence what was heard, with the words themselves."""
    spoke = sorted((item for item in heard if item[0].category is category), key=lambda item: -item[0].weight)
    if not spoke:
        return "nothing in it asks for work"
    quoted = [" ".join(text[slice(*span)].split()) for _, span in spoke[:_QUOTED_WORDS] if span is not None]
    reasons = [cue.reason for cue, _ in spoke[:2]]
    words = ", ".join(f'"{word}"' for word in dict.fromkeys(quoted))
    return " and ".join(dict.fromkeys(reasons)) + (f" ({words})" if words else "")
