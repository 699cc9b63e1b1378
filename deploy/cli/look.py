"""How what runs is doing, and what to do about what is wrong: for ``status`` and ``doctor``."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx

from deploy.cli import Told
from deploy.cli.reach import ask
from deploy.local.stack import running
from deploy.settings import Settings

_SAMPLE_SECONDS = 1.0
_SLOW_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen; ``stats`` None: the database is away. ``rates`` are a second, over the last one."""

    url: str
    logs: Path
    health: dict[str, Any]
    stats: dict[str, Any] | None
    processes: dict[str, bool]
    rates: dict[str, float]
    wrong: list[str]


def look(settings: Settings) -> Look:
    """Ask what runs how it is, twice, a second apart; raises Told when its api does not answer."""
    found = running(settings.data)
    before, begun = ask(settings, "/api/health"), monotonic()
    sleep(_SAMPLE_SECONDS)  # a rate is a difference
    health, seconds = ask(settings, "/api/health"), monotonic() - begun
    processes = {name: _answers(port) for name, port in found.metrics.items()} if found else {}
    logs = settings.data / "logs"
    return Look(
        url=found.url if found else f"http://{settings.host}:{settings.port}",
        logs=logs,
        health=health,
        stats=_stats(settings),
        processes=processes,
        rates={"events": round(max(0, health["position"] - before["position"]) / seconds, 1)},
        wrong=[f"{what}; see {logs}" for what in _wrong(before, health, processes)],
    )


def _stats(settings: Settings) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = ask(settings, "/api/stats")
    except Told:
        return None
    return found


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=3).is_success
    except httpx.HTTPError:
        return False


def _wrong(before: dict[str, Any], now: dict[str, Any], processes: dict[str, bool]) -> Iterator[str]:
    for name, answers in processes.items():
        if not answers:
            yield f"{name} does not answer, and is started again when it ended"
    for name in ("database", "nats"):
        if now[name]["status"] != "ok":
            yield f"{name}: {now[name]['status']}"
    for name, role in now["roles"].items():
        if role["trouble"]:
            yield f"{name} cannot work: {role['trouble']}"
    for name, durable in now["durables"].items():
        if durable["status"] != "ok":
            yield f"durable {name}: {durable['status']}; `./run migrate` declares what is missing"
        elif _stands_still(before["durables"][name], durable):
            yield f"durable {name}: {durable['waiting']:,} wait, and nobody takes them"
    if (late := now["database"].get("relay", {}).get("seconds", 0)) > _SLOW_SECONDS:
        yield f"the relay is {late:.0f} s behind"


def _stands_still(before: dict[str, Any], now: dict[str, Any]) -> bool:
    unread = now["waiting"] > 0 and not now["pulls"] and not before.get("pulls")
    return bool(unread and now["held"] == before.get("held") and now["waiting"] >= before.get("waiting", 0))
