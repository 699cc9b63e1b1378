"""Who takes part, and how each is started."""

from dataclasses import dataclass
from pathlib import Path

_HERE = "deploy.bench.peers"
OURS = "ours"


@dataclass(frozen=True, slots=True)
class Party:
    """One way to run the stages.

    ``kind`` is what its programs are told. ``stream`` and ``durable`` name what it reads from; None: not from NATS.
    """

    name: str
    title: str
    kind: str = ""
    stream: str | None = None
    durable: str = ""

    @property
    def needs_redis(self) -> bool:
        """Whether its messages wait in Redis."""
        return self.name != OURS and self.stream is None

    def commands(self, python: Path, *, processes: int, redis: str) -> list[tuple[str, ...]]:
        """Write the command lines that start so many processes which work."""
        run = (str(python), "-m")
        if self.name.startswith("taskiq"):
            tuning = ("--no-parse", "--log-level", "WARNING", "--max-async-tasks", "20", "--max-prefetch", "20")
            extra = tuning if self.kind == "tuned" else ()
            return [
                (*run, "taskiq", "worker", f"{_HERE}.taskiq_worker:{self.kind}", "--workers", str(processes), *extra)
            ]
        if self.name.startswith("faststream"):
            return [(*run, f"{_HERE}.faststream_worker", self.kind)] * processes
        application = ("celery", "-A", f"{_HERE}.celery_worker", "-b", redis)
        return [(*run, *application, "worker", "--pool", "prefork", "--concurrency", str(processes))]


PARTIES = (
    Party(OURS, "Task Tracker: dataflow, and the relay"),
    Party("taskiq-pull", "TaskIQ, defaults, pulling broker", "pull", "taskiq_jetstream", "taskiq_durable"),
    Party("taskiq-push", "TaskIQ, defaults, pushing broker", "push", "taskiq_jetstream", "taskiq_consumer"),
    Party("taskiq-tuned", "TaskIQ, tuned", "tuned", "taskiq_jetstream", "taskiq_queue"),
    Party("faststream-single", "FastStream, one by one, 20 workers", "single", "PEERS", "peers"),
    Party("faststream-batch", "FastStream, batches of 500", "batch", "PEERS", "peers"),
    Party("faststream-atomic", "the same, results published as ours", "atomic", "PEERS", "peers"),
    Party("celery", "Celery on Redis", "celery"),
)
