"""The timeline of a job: the time on each edge, who took it, and what went wrong at it."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from livejobs.conf import conf
from livejobs.hints.public_job import iso
from livejobs.models import Job, JobEvent


class StepError(TypedDict):
    """Why an attempt ended badly; every attempt's stays here. The traceback only for those who may see it."""

    reason: str
    type: str
    message: str
    traceback: NotRequired[str]


class Step(TypedDict):
    """One committed change.

    `at`, and `run_at` of the next attempt, are ISO 8601 in UTC; `actor` is a user's name, a worker (`host:pid`), or
    empty.
    """

    version: int
    edge: str
    state: str
    attempt: int
    at: str
    actor: str
    run_at: str | None
    error: StepError | None


def timeline_of(job: Job, *, tracebacks: bool = False) -> list[Step]:
    """The changes of a job, oldest first.

    :param tracebacks: whether the reader may see tracebacks.
    """
    events = JobEvent.objects.using(conf.DATABASE).filter(job=job).order_by("version")
    return [
        {
            "version": event.version,
            "edge": event.data.get("edge", ""),
            "state": event.state,
            "attempt": event.attempt,
            "at": iso(event.at) or "",
            "actor": event.actor.rsplit("/", 1)[0],  # a lease owner is host:pid/random
            "run_at": event.data.get("run_at"),
            "error": _error(event.data.get("error"), tracebacks),
        }
        for event in events
    ]


def _error(error: dict[str, Any] | None, tracebacks: bool) -> StepError | None:
    if error is None:
        return None
    shown: StepError = {
        "reason": error.get("reason", ""),
        "type": error.get("type", ""),
        "message": error.get("message", ""),
    }
    if tracebacks and error.get("traceback"):
        shown["traceback"] = error["traceback"]
    return shown
