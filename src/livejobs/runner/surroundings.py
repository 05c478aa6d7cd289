"""What is around a job's function in the process that runs it: hosts hear of it, and Celery knows its current task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from livejobs import signals
from livejobs.definition import Attempt, LiveJob
from livejobs.runner.outcome import Failed, Outcome, Stopped

Surround = Callable[[Attempt, Mapping[str, Any]], AbstractContextManager[object]]


@contextmanager
def _nothing(_attempt: Attempt, _params: Mapping[str, Any]) -> Iterator[None]:
    yield


_surround: list[Surround] = [_nothing]


def surround_with(surround: Surround) -> None:
    """Have each attempt of a runner run inside of this: what Celery needs is known to the worker's room only."""
    _surround[0] = surround


def surrounded(attempt: Attempt, params: Mapping[str, Any]) -> AbstractContextManager[object]:
    """What an attempt of a runner runs inside of."""
    return _surround[0](attempt, params)


def announced(live_job: LiveJob[..., Any], attempt: Attempt, owner_key: str, perform: Callable[[], Outcome]) -> Outcome:
    """Perform an attempt, and tell hosts before and after it."""
    about = {"job_id": attempt.id, "attempt": attempt.number, "task": attempt.task, "owner_key": owner_key}
    signals.send_attempt(signals.attempt_started, live_job, **about)
    outcome = perform()
    signals.send_attempt(signals.attempt_ended, live_job, **about, **_said(outcome))
    return outcome


def _said(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Failed(error):
            return {"outcome": "failed", "reason": error["reason"], "error": error}
        case Stopped(reason):
            return {"outcome": "stopped", "reason": reason.value, "error": None}
    return {"outcome": "succeeded", "reason": "", "error": None}
