"""The timeline of a job: the time on each edge, and who took it."""

from __future__ import annotations

from typing import TypedDict

from livejobs.conf import conf
from livejobs.models import Job, JobEvent
from livejobs.public import iso


class Step(TypedDict):
    """One committed change. `at` is ISO 8601 in UTC; `actor` a user's name, a worker (`host:pid`), or empty."""

    version: int
    edge: str
    state: str
    attempt: int
    at: str
    actor: str


def timeline_of(job: Job) -> list[Step]:
    """The changes of a job, oldest first."""
    events = JobEvent.objects.using(conf.DATABASE).filter(job=job).order_by("version")
    return [
        {
            "version": event.version,
            "edge": event.data.get("edge", ""),
            "state": event.state,
            "attempt": event.attempt,
            "at": iso(event.at) or "",
            "actor": event.actor.rsplit("/", 1)[0],  # a lease owner is host:pid/random
        }
        for event in events
    ]
