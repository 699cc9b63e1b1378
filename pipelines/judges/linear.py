"""The linear judge: weights learnt from examples, over words, pieces of words and the cues of the rules.

Its weights and what they were made of: pipelines/judges/linear.md. `tasktracker train` makes them anew.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.judges import rules
from pipelines.judges.features import COLUMNS, Featured, featured
from schemas.messages import Message
from schemas.verdicts import Alternative, Category, DecidedBy, Span, Verdict

WEIGHTS = Path(__file__).with_name("linear.npz")

CATEGORIES = tuple(Category)
_NOISE = CATEGORIES.index(Category.NOISE)

_WORD = re.compile(r"\w+")
_WORDS_SHOWN = 3
_TELLING = 0.35
"""A word counts as evidence when it says so much more for the category than for the others, in parts of the best."""

_SOUNDS = {
    Category.BUG: "reads like a fault that somebody met",
    Category.FEATURE: "reads like a wish for something new",
    Category.IMPROVEMENT: "reads like a wish for something better",
    Category.QUESTION: "reads like a question that waits for an answer",
    Category.CHORE: "reads like a job for somebody",
    Category.NOISE: "nothing in it asks for work",
}


@dataclass(frozen=True, slots=True)
class Model:
    """Weights of 8 bits with a scale for each category, and what calibrates them.

    ``temperature`` divides the scores before they become confidences. A message is noise only when that is at least as
    sure as ``noise_from``: a task that is lost is worse than an inbox with a little noise. Below ``doubt`` the verdict
    asks for a second look.
    """

    name: str
    weights: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    temperature: float
    noise_from: float
    doubt: float

    def scores(self, found: Featured, count: int) -> npt.NDArray[np.float64]:
        """Give each message its score for each category: shape (count, 6)."""
        said = self.weights[found.columns]
        return np.stack(
            [
                np.bincount(found.rows, weights=said[:, place] * found.values, minlength=count) * self.scale[place]
                + self.bias[place]
                for place in range(len(CATEGORIES))
            ],
            axis=1,
        )

    def confidences(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Turn scores into shares of one."""
        scaled = scores / self.temperature
        grown = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        shares: npt.NDArray[np.float64] = grown / grown.sum(axis=1, keepdims=True)
        return shares


@cache
def load(path: Path = WEIGHTS) -> Model:
    """Read weights as ``train`` writes them; raises ValueError for weights that were made for other features."""
    with np.load(path, allow_pickle=False) as file:
        held: dict[str, Any] = dict(file)
    if held["weights"].shape != (COLUMNS, len(CATEGORIES)):
        raise ValueError(f"{path} was made for other features: train it anew")
    return Model(
        name=str(held["name"]),
        weights=held["weights"],
        scale=held["scale"],
        bias=held["bias"],
        temperature=float(held["temperature"]),
        noise_from=float(held["noise_from"]),
        doubt=float(held["doubt"]),
    )


def judge(batch: list[Message]) -> list[Verdict]:
    """Judge each message; same length, same order."""
    return judge_texts([message.text for message in batch])


def judge_texts(texts: list[str], model: Model | None = None) -> list[Verdict]:
    """Judge texts by the shipped weights, or by others."""
    if not texts:
        return []
    model = model or load()
    found = featured(texts)
    shares = model.confidences(model.scores(found, len(texts)))
    places = decide(shares, model.noise_from)
    words = _telling_words(found, model, places, texts)
    return [
        _verdict(text, model, row, place, evidence)
        for text, row, place, evidence in zip(
            texts, shares, places.tolist(), zip(words, found.heard, strict=True), strict=True
        )
    ]


def decide(shares: npt.NDArray[np.float64], noise_from: float) -> npt.NDArray[np.int64]:
    """Choose a category for each row: noise where that is sure enough, else the best of the others."""
    work = shares.copy()
    work[:, _NOISE] = -1
    return np.where(shares[:, _NOISE] >= noise_from, _NOISE, work.argmax(axis=1))


def _verdict(
    text: str, model: Model, shares: npt.NDArray[np.float64], place: int, evidence: tuple[list[Span], rules.Heard]
) -> Verdict:
    told, heard = evidence
    category, confidence = CATEGORIES[place], round(float(shares[place]), 3)
    cues = [(cue, span) for cue, span in heard if cue.category is category]
    spans = sorted({*told, *(span for _, span in cues if span is not None)}) if category is not Category.NOISE else []
    others = sorted(((float(shares[other]), other) for other in range(len(CATEGORIES)) if other != place), reverse=True)
    return Verdict(
        category=category,
        confidence=confidence,
        decided_by=DecidedBy.MODEL,
        judge=model.name,
        reason=_reason(text, category, cues, told),
        spans=tuple(spans),
        alternatives=tuple(Alternative(CATEGORIES[other], round(share, 3)) for share, other in others[:2]),
        doubtful=confidence < model.doubt,
    )


def _reason(text: str, category: Category, cues: rules.Heard, told: list[Span]) -> str:
    """Say in a sentence what was heard, with the words themselves."""
    spoke = sorted(cues, key=lambda item: -item[0].weight)
    reasons = dict.fromkeys([cue.reason for cue, _ in spoke[:2]] or [_SOUNDS[category]])
    quoted = [span for _, span in spoke[:_WORDS_SHOWN] if span is not None] or told
    words = ", ".join(dict.fromkeys(f'"{" ".join(text[slice(*span)].split())}"' for span in quoted))
    return " and ".join(reasons) + (f" ({words})" if words else "")


def _telling_words(found: Featured, model: Model, places: npt.NDArray[np.int64], texts: list[str]) -> list[list[Span]]:
    """Find for each message the words that said most for its category: what the pieces within a word said counts in."""
    standing = found.ends > 0
    rows, starts, ends = found.rows[standing], found.starts[standing], found.ends[standing]
    said = model.weights[found.columns[standing]] * model.scale * found.values[standing, None]
    chosen = places[rows]
    mean = said.mean(axis=1)
    more = said[np.arange(len(said)), chosen] - mean
    offsets = np.cumsum([0, *(len(text) + 1 for text in texts)])
    middles = offsets[rows] + (starts + ends) // 2
    loud = np.bincount(middles, weights=more, minlength=int(offsets[-1])).astype(np.float64)
    return [
        _loudest(text, loud[begin : begin + len(text)]) for text, begin in zip(texts, offsets.tolist(), strict=False)
    ]


def _loudest(text: str, loud: npt.NDArray[np.float64]) -> list[Span]:
    """Choose the few words that stand out, those beside each other as one."""
    words = [Span(*match.span()) for match in _WORD.finditer(text)]
    if not words:
        return []
    sums = np.concatenate(([0.0], np.cumsum(loud)))
    weights = [float(sums[min(span.end, len(loud))] - sums[min(span.start, len(loud))]) for span in words]
    least = max(max(weights) * _TELLING, 1e-6)
    best = sorted(range(len(words)), key=lambda place: -weights[place])[:_WORDS_SHOWN]
    chosen = sorted(place for place in best if weights[place] >= least)
    spans: list[Span] = []
    for place in chosen:
        if spans and place - 1 in chosen:
            spans[-1] = Span(spans[-1].start, words[place].end)
        else:
            spans.append(words[place])
    return spans
