"""Reading: what a text says, in plain functions from text to values."""
