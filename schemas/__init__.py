"""Shapes on the wire and at rest: the glossary of the project."""
