"""The load of one phase: jobs started and cancelled by people, and what they were told."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from tests.chaos.clients import Client

GIVE_UP_SECONDS: Final = 90.0
PAUSE: Final = (0.05, 0.4)  # between two tries, by chance
UNANSWERED: Final = 25  # starts that one client has under way in a burst
WATCHED_OF_BURST: Final = 50  # of so many jobs of a burst one is looked at by itself, with its log

Plan = tuple[str, dict[str, Any]]
Watch = Callable[[int], None]  # have somebody look at a job


@dataclass
class Accepted:
    """A job as its starter was told of it."""

    job_id: int
    task: str
    seconds: float  # until the acknowledgement, of the last try
    cancelled: str = ""  # the state in which a cancel was acknowledged; finished: it came too late


@dataclass
class Phase:
    """What people did while a fault was there."""

    name: str
    accepted: dict[int, Accepted] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    committed_late: dict[int, timedelta] = field(default_factory=dict)  # after the row's own created_at
    untouched: bool = False  # no fault in this phase: every job runs once, and soon

    @property
    def ids(self) -> list[int]:
        """Every job that was accepted."""
        return sorted(self.accepted)


def mixture(count: int, chance: random.Random, kinds: Sequence[Plan]) -> list[Plan]:
    """So many jobs of these kinds, in an order that the seed decides."""
    plans = [kinds[number % len(kinds)] for number in range(count)]
    chance.shuffle(plans)
    return plans


async def start_all(
    phase: Phase, starters: Sequence[Client], watch: Watch, plans: Sequence[Plan], *,
    spread: float, cancel: float, chance: random.Random,
) -> None:  # fmt: skip
    """Start these jobs over so many seconds; a share of them is cancelled at some moment. Every job is watched."""
    moments = sorted(chance.uniform(0, spread) for _ in plans)
    begun = time.monotonic()
    tasks: list[asyncio.Task[None]] = []
    for number, ((task, params), moment) in enumerate(zip(plans, moments, strict=True)):
        wait = chance.uniform(0.0, 1.5) if chance.random() < cancel else None
        await asyncio.sleep(max(0.0, begun + moment - time.monotonic()))
        starter = starters[number % len(starters)]
        key = _key(phase, number, chance)
        tasks.append(asyncio.create_task(_start(phase, starter, watch, task, params, key, wait)))
    await asyncio.gather(*tasks)


async def start_at_once(
    phase: Phase, starters: Sequence[Client], watch: Watch, count: int, chance: random.Random
) -> None:
    """Start so many of the shortest jobs as fast as they are taken; no client waits for answers before it sends on."""
    numbers = iter(range(count))

    async def one_after_the_other(starter: Client) -> None:
        for number in numbers:
            looked_at = watch if number % WATCHED_OF_BURST == 0 else _nobody
            await _start(phase, starter, looked_at, "quick", {}, _key(phase, number, chance), None)

    await asyncio.gather(*(one_after_the_other(starter) for starter in starters for _ in range(UNANSWERED)))


def _nobody(job_id: int) -> None:
    """Nobody looks at this job but those whose lists have it."""


def _key(phase: Phase, number: int, chance: random.Random) -> str:
    return f"{phase.name}-{number}-{chance.getrandbits(48):x}"


async def _start(
    phase: Phase, starter: Client, watch: Watch, task: str, params: dict[str, Any], key: str, cancel: float | None
) -> None:
    give_up_at = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < give_up_at:
        sent_at = time.monotonic()
        answer = await starter.ask(action="start", task=f"tests.chaos.jobs.{task}", params=params, key=key, name=key)
        if answer is not None and answer["action"] == "ack":
            job_id = answer["job"]["id"]
            took = time.monotonic() - sent_at
            phase.accepted[job_id] = Accepted(job_id, task, took)
            watch(job_id)
            if cancel is not None:
                await asyncio.sleep(cancel)
                await cancel_job(phase, starter, job_id)
            return
        if phase.untouched or (answer is not None and answer.get("code") != "unavailable"):
            # a fault may take away the answer, or the database; where there is none the first try is the last
            phase.refused.append(f"{task}: {answer}")
            return
        await asyncio.sleep(random.uniform(*PAUSE))
    phase.refused.append(f"{task}: nobody acknowledged it in {GIVE_UP_SECONDS:.0f} s")


async def cancel_job(phase: Phase, client: Client, job_id: int) -> None:
    """Cancel a job, and note in which state that was acknowledged."""
    give_up_at = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < give_up_at:
        answer = await client.ask(action="cancel", job_id=job_id)
        if answer is not None and answer["action"] == "ack":
            job = answer["job"]
            # acknowledged before any attempt: it never runs
            phase.accepted[job_id].cancelled = "unstarted" if job["attempt"] == 0 else job["state"]
            return
        if answer is not None and answer.get("code") == "finished":
            phase.accepted[job_id].cancelled = "finished"
            return
        await asyncio.sleep(random.uniform(*PAUSE))
    phase.refused.append(f"the cancel of job {job_id}: nobody acknowledged it in {GIVE_UP_SECONDS:.0f} s")
