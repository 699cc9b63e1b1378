"""Faults: a pipeline whose parts are killed, frozen, cut off and told the wrong time; and the books afterwards."""
