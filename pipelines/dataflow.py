"""The road of a message, in four steps: normalize, classify, extract, persist."""

from collections.abc import Callable
from datetime import tzinfo
from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from pipelines.carry import Carried, Delivery, carried, decode
from pipelines.stages.classify import classify
from pipelines.stages.extract import extract
from pipelines.stages.normalize import normalize
from schemas.tasks import Extracted
from schemas.verdicts import Judge


def build(
    source: Source[Carried[Delivery]],
    sink: Sink[Carried[Extracted]],
    *,
    judge: Judge,
    time_zone: Callable[[str], tzinfo],
) -> Dataflow:
    """Put the stages between a source of deliveries and a sink that commits and acknowledges them."""
    flow = Dataflow("tasktracker")
    deliveries = op.input("source", flow, source)
    raw = op.flat_map_batch("decode", deliveries, carried("decode", decode))
    messages = op.flat_map_batch("normalize", raw, carried("normalize", normalize))
    judged = op.flat_map_batch("classify", messages, carried("classify", partial(classify, judge=judge)))
    found = op.flat_map_batch("extract", judged, carried("extract", partial(extract, time_zone=time_zone)))
    op.output("persist", found, sink)
    return flow
