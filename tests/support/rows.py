"""Rows for the tests of the state core, in any state, and what must be true of every row whatever happened to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Barrier, Thread
from typing import Any

from django.db import connections
from django.db.models.functions import Now

from livejobs import transitions
from livejobs.leases import Lease, NumberedLine
from livejobs.models import Job, JobEvent
from livejobs.protocol import Progress
from livejobs.states import State, legal
from tests import jobs

TASK = jobs.add.name
DONE: Progress = {"tick": 7, "current": 3, "total": 4, "message": "nearly"}
ERROR = {"reason": "exception", "type": "ValueError", "message": "bad row 7", "traceback": "…"}


def accepted(**values: Any) -> Job:
    """A queued job as `actions.start` stores it."""
    return transitions.accept(Job(**{"task": TASK, "params": {"a": 1, "b": 1}, "queue": "nobody", **values}))


def claimed(job: Job | None = None, owner: str = "host:1/a", **values: Any) -> tuple[Job, Lease]:
    """A running job and its lease."""
    job = job or accepted(**values)
    row = transitions.claim(job.id, owner=owner, task=job.task)
    assert row is not None
    return row, Lease(row.id, row.attempt, row.lease_owner)


def put(job: Job, state: State, **values: Any) -> Job:
    """Put a job into a state that nothing led it to; its history tells the same, and its time has come."""
    if state in {State.SCHEDULED, State.RETRYING}:
        values = {"run_at": Now(), **values}
    Job.objects.filter(id=job.id).update(state=state, **values)
    JobEvent.objects.filter(job=job, version=job.version).update(state=state)
    return read(job)


def in_state(state: State, **values: Any) -> Job:
    """A job in any state."""
    if state in {State.QUEUED, State.SCHEDULED, State.RETRYING}:
        return put(accepted(**values), state)
    job, lease = claimed(**values)
    match state:
        case State.SUCCEEDED:
            transitions.succeed(lease, {"rows": 1}, DONE)
        case State.FAILED:
            transitions.fail(lease, ERROR, DONE)
        case State.CANCELLED:
            transitions.cancel(job.id)
            transitions.stopped(lease, DONE)
    return read(job)


def read(job: Job | int) -> Job:
    """The row as it is now."""
    return Job.objects.get(id=job.id if isinstance(job, Job) else job)


def whole(job: Job | int) -> dict[str, Any]:
    """Every column of a row."""
    columns: Any = Job.objects.values().get(id=job.id if isinstance(job, Job) else job)
    return dict(columns)


def line(seq: int, text: str = "text") -> NumberedLine:
    """A line of log."""
    return NumberedLine(seq, datetime(2026, 1, 1, tzinfo=UTC), "info", text)


def check_history(job: Job | int) -> None:
    """Versions without a gap, one event each, legal edges only, a cancel never forgotten."""
    row = read(job)
    events = list(JobEvent.objects.filter(job=row).order_by("version"))
    assert [event.version for event in events] == list(range(1, row.version + 1))
    assert (events[-1].state, events[-1].attempt) == (row.state, row.attempt)
    asked = False
    for before, after in itertools.pairwise(events):
        assert legal(State(before.state), State(after.state)), (before.state, after.data["edge"], after.state)
        assert after.attempt - before.attempt == (after.data["edge"] == "claim")
        edge = after.data["edge"]
        asked = edge == "cancel" or (asked and edge != "retry")
        if asked:
            assert after.state not in {State.SCHEDULED, State.QUEUED, State.RETRYING}
            assert edge != "claim"


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make each call on a thread of its own, all at the same moment; an exception is an answer too."""
    gate = Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)

    def run(place: int, call: Callable[[], Any]) -> None:
        try:
            connections["default"].ensure_connection()
            gate.wait(10)
            answers[place] = call()
        except Exception as error:
            answers[place] = error
        finally:
            connections.close_all()

    threads = [Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
