"""Judges: is there work in a message, and of which kind? Fast, no I/O."""
