"""What the pipeline counts: base units, and labels with few values (never a message or a person)."""

from prometheus_client import Counter, Gauge, Histogram

ROLE_UP = Gauge("tasktracker_role_up", "1 while a role is at work in this process", ["role"])
STAGE_SECONDS = Histogram(
    "tasktracker_stage_seconds",
    "Time that a stage took for a batch",
    ["stage"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
MESSAGES = Counter("tasktracker_messages_total", "Messages that left the flow", ["outcome"])
HELD = Gauge("tasktracker_flow_held", "Messages pulled and not yet acknowledged")
PAUSED = Gauge("tasktracker_flow_paused", "1 while the database is away")
RELAYED = Counter("tasktracker_relay_events_total", "Events published to RESULTS")
RELAY_LEADER = Gauge("tasktracker_relay_leader", "1 in the process that relays, 0 in a stand-by")
RELAY_SECONDS = Histogram(
    "tasktracker_relay_batch_seconds", "Time from reading a batch of the outbox to its positions being stored"
)
LANE_MESSAGES = Counter("tasktracker_lane_messages_total", "Messages that a lane settled", ["lane", "outcome"])
PURGED = Counter("tasktracker_keeper_purged_total", "Messages purged because all durables were done with them")
NATS_ERRORS = Counter("tasktracker_nats_errors_total", "Errors that the NATS client reported", ["role"])
