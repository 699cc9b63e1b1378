"""A cue: words that speak for a category, how loudly, and how to say so to a person."""

from dataclasses import dataclass

from schemas.verdicts import Category


@dataclass(frozen=True, slots=True)
class Cue:
    """``weight``: 1 hints, 2 tells, 3 settles it; silence (no cue at all) weighs as much as a hint, for noise.

    ``reason`` completes "the message ..."; ``phrases`` are written as reading/phrases.py says. ``form`` marks words
    that say how something is asked for ("could you", "we need to") and not what: a crash that somebody is asked to
    look at is a bug all the same.
    """

    category: Category
    weight: float
    reason: str
    phrases: str
    form: bool = False
