"""``bench faults``: fault after fault under load, in an order that a seed decides, and the books after each round."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from deploy.bench.counts import Miscounted
from deploy.bench.faults import clock
from deploy.bench.faults.accounting import account
from deploy.bench.faults.catalogue import Fault, catalogue
from deploy.bench.faults.disk import may_mount
from deploy.bench.faults.house import EACH, House, house
from deploy.bench.faults.listener import Listener
from deploy.bench.faults.senders import Ledger, post, sending, some_load
from deploy.bench.road import Say
from deploy.bench.servers import make_folder, remove, until
from deploy.bench.usage import machine
from deploy.local.process import StackError

ROUND = 8
"""Faults after which the books are closed; what adds up is forgotten, so that a run may last for days."""

RECOVERY_SECONDS = 60.0
"""How soon after a fault a new message must be seen at a WebSocket."""

_AWAY_SECONDS = (10.0, 90.0)
_AWAY_SHARE = 1 / 30
"""Of the whole time, what a server may be away at once, within the bounds above."""

_WRONG = ("lost", "doubled", "invented", "misplaced")
_FIGURES = ("acknowledged", "unknown", "refused", "stored", "events", *_WRONG)

_CALM_SECONDS = (0.5, 2.0)
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, which order, and which faults; ``only`` empty: all that this machine allows.

    ``commands`` stand in for the roles' own, to see that a role which breaks its promise is found out.
    """

    minutes: float = 5.0
    seed: int = 1
    only: tuple[str, ...] = ()
    senders: int = 4
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pg_bin: Path | None = None


async def faults(plan: Plan, say: Say) -> dict[str, Any]:
    """Do fault after fault until the time is over; the report's ``wrong`` is empty when everything added up.

    The folder with servers and logs is removed then, and else kept, and named in the report. Raises LookupError when
    ``only`` names a fault that cannot be had here.
    """
    folder, keep = make_folder(), False
    try:
        with house(folder, plan.pg_bin, roles=EACH, commands=plan.commands, faketime=clock.library()) as made:
            async with AsyncExitStack() as stack:
                await made.behind_proxies(stack)
                known = _chosen(plan, made)
                await made.open()
                info = machine(made.version())
                async with Listener.listening(made) as listener:
                    run = _Run(plan, made, known, listener, say)
                    await run.rounds()
        keep = bool(run.wrong)
        return {"machine": info} | run.report() | {"kept": str(folder) if keep else None}
    finally:
        if not keep:
            remove(folder)


def sequence(names: Sequence[str], seed: int) -> Iterator[tuple[str, Random]]:
    """Yield faults without end, each with the chance that it draws from; all come once before any comes again.

    >>> [name for (name, _), _ in zip(sequence(["cut", "kill"], 7), range(6))]
    ['kill', 'cut', 'kill', 'cut', 'cut', 'kill']
    """
    order = Random(seed)  # noqa: S311  # the same again is the point
    for number in count():
        for name in order.sample(names, len(names)):
            yield name, Random(f"{seed}/{number}/{name}")  # noqa: S311


def _chosen(plan: Plan, made: House) -> Mapping[str, Fault]:
    shortest, longest = _AWAY_SECONDS
    away = min(max(plan.minutes * 60 * _AWAY_SHARE, shortest), longest)
    known = catalogue(made, away_seconds=away, disks=may_mount())
    unknown = sorted(set(plan.only) - known.keys())
    if unknown:
        raise LookupError(f"there is no fault {', '.join(unknown)} here; there are {', '.join(known)}")
    return {name: known[name] for name in plan.only} if plan.only else known


@dataclass
class _Run:
    """Rounds of faults, and what came of them."""

    plan: Plan
    house: House
    known: Mapping[str, Fault]
    listener: Listener
    say: Say
    begun: float = field(default_factory=monotonic)
    done: list[str] = field(default_factory=list)
    recovery: list[tuple[float, str]] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    figures: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def rounds(self) -> None:
        """Go on until the time is over or something is wrong."""
        drawn = sequence(list(self.known), self.plan.seed)
        for number in count(1):
            if self.wrong or self._over():
                break
            ledger = Ledger(beginning=f"r{number}-")
            try:
                await self._round(drawn, ledger)
            except (Miscounted, StackError) as error:
                self.wrong.append(f"after {self.done[-1] if self.done else 'the start'}: {error}")
            self._note(ledger)
        self.say("done", self._elapsed(), self._elapsed())

    def report(self) -> dict[str, Any]:
        """Write what was found."""
        longest, after = max(self.recovery, default=(0.0, ""))
        return {
            "seed": self.plan.seed,
            "seconds": self._elapsed(),
            "faults": dict(sorted(Counter(self.done).items())),
            "order": self.done,
            "recovery": {"longest": round(longest, 1), "after": after},
            "ended": dict(self.ended),
            **{name: self.figures[name] for name in _FIGURES},
            "wrong": self.wrong,
        }

    async def _round(self, drawn: Iterator[tuple[str, Random]], ledger: Ledger) -> None:
        after = self.listener.position
        async with sending(self.house, ledger, senders=self.plan.senders, pause_seconds=_PAUSE_SECONDS):
            await some_load(ledger, self.plan.senders, seconds=RECOVERY_SECONDS)
            for name, rng in islice(drawn, ROUND):
                if self._over():
                    break
                self.say(name, self._elapsed(), round(self.plan.minutes * 60))
                self.done.append(name)
                await self.known[name](self.house, rng)
                self.recovery.append((await self._recovered(ledger), name))
                await asyncio.sleep(rng.uniform(*_CALM_SECONDS))  # how long it is left alone is what is random
        self.say("the books", self._elapsed(), round(self.plan.minutes * 60))
        await self.house.settled()
        found = await account(self.house, ledger, self.listener, after=after)
        self.figures.update(events=len(self.listener.events), stored=found.stored)
        self.figures.update({name: len(getattr(found, name)) for name in _WRONG})
        self.wrong += found.wrong()
        self.listener.forget()

    async def _recovered(self, ledger: Ledger) -> float:
        """Send a new message, again and again, until a WebSocket has its event; tell how many seconds that took."""
        begun, name = monotonic(), f"{ledger.beginning}probe-{len(self.done)}"

        async def seen() -> bool:
            self.ended.update(self.house.tend())
            if name not in ledger.acknowledged:
                await post(self.house, ledger, name)
            places = await self.house.rows(_PLACE, name)
            return bool(places) and self.listener.position >= places[0][0]

        await until(seen, seconds=RECOVERY_SECONDS, what=f"the event of a message sent after {self.done[-1]}")
        return monotonic() - begun

    def _note(self, ledger: Ledger) -> None:
        self.figures.update(
            acknowledged=len(ledger.acknowledged),
            unknown=len(ledger.unknown - ledger.acknowledged),
            refused=ledger.refused,
        )

    def _over(self) -> bool:
        return monotonic() - self.begun > self.plan.minutes * 60

    def _elapsed(self) -> int:
        return round(monotonic() - self.begun)


_PLACE = """
select position from messages join events on events.message = messages.id join positions using (seq)
where external_id = %s
"""
