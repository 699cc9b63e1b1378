"""Benchmarks: how fast the road is beside its limits, and how many pages can watch it."""
