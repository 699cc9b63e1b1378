"""Features: what a linear judge weighs of a text: hashed words and pieces of words, cues, and what the rules weigh.

Whole batches at once, by numpy alone. A hash of any run of characters is a difference of two sums (a polynomial in an
odd number, modulo 2^64), so that no text is walked through in Python.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.judges import rules
from pipelines.judges.cues import Cue
from pipelines.reading.text import fold, mask
from schemas.verdicts import Category, Span

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

SEEN = 2_000
"""Characters that are looked at: a message says early what it wants."""

_TITLE = 120
_PIECES = (3, 4, 5)
_WORD_BITS, _PIECE_BITS, _TITLE_BITS = 15, 16, 14

_CUE_PLACE = {id(cue): place for place, cue in enumerate(rules.CUES)}
_CATEGORY_PLACE = {category: place for place, category in enumerate(Category)}

_BLOCKS = {
    "word": (1 << _WORD_BITS, 1.0),
    "piece": (1 << _PIECE_BITS, 1.6),
    "title": (1 << _TITLE_BITS, 1.0),
    "cue": (len(rules.CUES), 0.4),
    "rule": (len(Category), 1.0),
}
"""Columns of each block, and how much the block as a whole counts."""

_STARTS = dict(zip(_BLOCKS, np.cumsum([0, *(size for size, _ in _BLOCKS.values())]).tolist(), strict=False))
COLUMNS = sum(size for size, _ in _BLOCKS.values())

_ODD = 0x9E3779B97F4A7C15
_MIX = 0xD6E8FEB86659FD93
_INVERSE = pow(_ODD, -1, 1 << 64)

# What is a letter or a digit; beyond the plane that people write in are signs and emoji, each a word of its own.
_LETTER = np.frombuffer(bytes(chr(code).isalnum() or chr(code) == "_" for code in range(0x10000)), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Featured:
    """The features of a batch: entry ``i`` says that message ``rows[i]`` has column ``columns[i]`` with ``values[i]``.

    ``starts`` and ``ends`` are the characters of the message that an entry stands on; both 0 where it stands on none.
    ``heard`` holds the cues of each message.
    """

    rows: Ints
    columns: Ints
    values: Floats
    starts: Ints
    ends: Ints
    heard: list[list[tuple[Cue, Span | None]]]


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of characters: whose message each is of, its hash, and where it starts and ends in the whole batch."""

    owners: Ints
    hashes: npt.NDArray[np.uint64]
    starts: Ints
    ends: Ints

    def those(self, which: npt.NDArray[np.bool_]) -> "_Runs":
        """Choose some of them."""
        return _Runs(self.owners[which], self.hashes[which], self.starts[which], self.ends[which])


@dataclass(frozen=True, slots=True)
class _Text:
    """All texts of a batch behind each other, a zero after each."""

    codes: npt.NDArray[np.uint32]
    sums: npt.NDArray[np.uint64]
    unpowers: npt.NDArray[np.uint64]
    offsets: Ints

    def runs(self, starts: Ints, ends: Ints) -> _Runs:
        """Hash runs of characters."""
        hashes = (self.sums[ends] - self.sums[starts]) * self.unpowers[starts]
        return _Runs(np.searchsorted(self.offsets, starts, side="right") - 1, hashes, starts, ends)


def featured(texts: Sequence[str]) -> Featured:
    """Find the features of each text."""
    seen = [text[:SEEN] for text in texts]
    masked = [mask(text) for text in seen]
    folded = [fold(text) for text in masked]
    heard = [rules.hear(*each) for each in zip(seen, masked, folded, strict=True)]
    text = _joined(folded)
    words = text.runs(*_words(text.codes))
    parts = [
        _placed("word", text, words),
        _placed("title", text, words.those(words.starts < _title_ends(text, folded)[words.owners])),
        *(_pieces(text, size) for size in _PIECES),
    ]
    rows, columns, starts, ends = (np.concatenate(each) for each in zip(*parts, strict=True))
    values = _evened(rows, columns, len(texts))
    more = [_cues(heard), _weights(heard, seen)]
    without = np.zeros(sum(len(each[0]) for each in more), dtype=np.int64)
    return Featured(
        rows=np.concatenate([rows, *(each[0] for each in more)]),
        columns=np.concatenate([columns, *(each[1] for each in more)]),
        values=np.concatenate([values, *(each[2] for each in more)]),
        starts=np.concatenate([starts, without]),
        ends=np.concatenate([ends, without]),
        heard=heard,
    )


def _joined(texts: Sequence[str]) -> _Text:
    codes = np.frombuffer("".join(f"{text}\0" for text in texts).encode("utf-32-le", "replace"), dtype=np.uint32)
    powers = np.full(len(codes) + 1, _ODD, dtype=np.uint64)
    powers[0] = 1
    unpowers = np.full(len(codes) + 1, _INVERSE, dtype=np.uint64)
    unpowers[0] = 1
    powers, unpowers = np.cumprod(powers, dtype=np.uint64), np.cumprod(unpowers, dtype=np.uint64)
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum((codes.astype(np.uint64) + 1) * powers[:-1], out=sums[1:])
    offsets = np.cumsum([0, *(len(text) + 1 for text in texts)])
    return _Text(codes, sums, unpowers, offsets)


def _words(codes: npt.NDArray[np.uint32]) -> tuple[Ints, Ints]:
    """Find where words start and end; a question mark, an exclamation mark and each emoji is a word."""
    letter = _LETTER[np.minimum(codes, 0xFFFF)] & (codes < 0x10000)
    alone = (codes == ord("?")) | (codes == ord("!")) | (codes >= 0x1F000)
    before = np.concatenate(([False], letter[:-1]))
    after = np.concatenate((letter[1:], [False]))
    starts = np.flatnonzero((letter & ~before) | alone)
    ends = np.flatnonzero((letter & ~after) | alone) + 1
    return starts, ends


def _placed(block: str, text: _Text, runs: _Runs) -> tuple[Ints, Ints, Ints, Ints]:
    """Give runs their columns, and count their places from the start of their message."""
    size, _ = _BLOCKS[block]
    mixed = (runs.hashes ^ (runs.hashes >> np.uint64(29))) * np.uint64(_MIX)
    columns = _STARTS[block] + (mixed >> np.uint64(65 - size.bit_length())).astype(np.int64)
    begin = text.offsets[runs.owners]
    return runs.owners, columns, runs.starts - begin, runs.ends - begin


def _pieces(text: _Text, size: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Find all runs of so many characters within a text, with at most one blank in a row: what is masked is many."""
    starts = np.arange(max(0, len(text.codes) - size))
    blank, end = text.codes <= ord(" "), text.codes == 0
    bad = np.concatenate(([0], np.cumsum(end | (blank & np.concatenate(([False], blank[:-1]))))))
    starts = starts[bad[starts + size] == bad[starts]]
    return _placed("piece", text, text.runs(starts, starts + size))


def _title_ends(text: _Text, folded: Sequence[str]) -> Ints:
    ends: Ints = text.offsets[:-1] + np.array([_title_end(each) for each in folded], dtype=np.int64)
    return ends


def _title_end(folded: str) -> int:
    """Say where the first line ends: an issue's title, or all of a short message."""
    begin = len(folded) - len(folded.lstrip())
    end = folded.find("\n", begin)
    return min(len(folded) if end < 0 else end, begin + _TITLE)


def _evened(rows: Ints, columns: Ints, count: int) -> Floats:
    """Let each block of a message have the same length, however long the message is."""
    values = np.empty(len(rows), dtype=np.float32)
    for block in ("word", "piece", "title"):
        size, weight = _BLOCKS[block]
        inside = (columns >= _STARTS[block]) & (columns < _STARTS[block] + size)
        lengths = np.bincount(rows[inside], minlength=count)
        values[inside] = (weight / np.sqrt(np.maximum(lengths, 1)))[rows[inside]]
    return values


def _cues(heard: Sequence[rules.Heard]) -> tuple[Ints, Ints, Floats]:
    """Two cues say more than one: they are not evened out."""
    found = [(row, _STARTS["cue"] + _CUE_PLACE[id(cue)]) for row, cues in enumerate(heard) for cue, _ in cues]
    rows, columns = np.array(found, dtype=np.int64).reshape(-1, 2).T
    return rows, columns, np.full(len(found), _BLOCKS["cue"][1], dtype=np.float32)


def _weights(heard: Sequence[rules.Heard], texts: Sequence[str]) -> tuple[Ints, Ints, Floats]:
    """Take over what the rules make of their cues, a third of it, which is about 0 to 1."""
    found = [
        (row, _STARTS["rule"] + _CATEGORY_PLACE[category], weight / 3)
        for row, (cues, text) in enumerate(zip(heard, texts, strict=True))
        for category, weight in rules.weigh(cues, len(text)).items()
    ]
    rows, columns, weights = zip(*found, strict=True) if found else ((), (), ())
    values = np.array(weights, dtype=np.float32) * np.float32(_BLOCKS["rule"][1])
    return np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64), values
