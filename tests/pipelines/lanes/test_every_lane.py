"""Whatever lane there is: FastStream's own policies lose a message with one exception, so none of them is used."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from faststream import AckPolicy
from faststream.nats import NatsBroker

from pipelines import lanes

MODULES = [import_module(f"{lanes.__name__}.{found.name}") for found in iter_modules(lanes.__path__)]
LANES = [module for module in MODULES if hasattr(module, "attach")]


def test_lanes_are_found() -> None:
    assert {"bury", "commands"} <= {lane.__name__.rpartition(".")[2] for lane in LANES}


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.__name__.rpartition(".")[2])
def test_every_subscriber_of_every_lane_acknowledges_by_hand(lane: Any) -> None:
    broker = NatsBroker()
    lane.attach(broker, None)
    assert broker.subscribers
    assert {subscriber.ack_policy for subscriber in broker.subscribers} == {AckPolicy.MANUAL}
