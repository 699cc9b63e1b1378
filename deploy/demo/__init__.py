"""The demo: two days of a small team, to be played through the real pipeline."""
