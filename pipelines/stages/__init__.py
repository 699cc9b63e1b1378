"""Stages: from one shape to the next; list in, list out."""
