"""The Celery side of a live job: claim, run, finish."""

from __future__ import annotations

import logging
import os
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from celery import Task, shared_task

from livejobs import transitions
from livejobs.conf import conf
from livejobs.database.thread import AWAY
from livejobs.definition import Attempt, LiveJob, current_job, running
from livejobs.errors import JobStopped, UnsupportedError
from livejobs.health import presence
from livejobs.hints import publishing, queue_probes
from livejobs.models import Job
from livejobs.states import ErrorReason, State
from livejobs.worker import interrupt, processes
from livejobs.worker.agent import agent, new_attempt
from livejobs.worker.capture import captured
from livejobs.worker.outcome import Failed, Outcome, Stopped, Succeeded, failure
from livejobs.worker.parent import parent
from livejobs.worker.writes import AttemptWrites

logger = logging.getLogger("livejobs.worker")


if TYPE_CHECKING:
    TaskBase = Task[..., Any]
else:  # Celery's own class takes no type arguments when it runs
    TaskBase = Task


class Keeper(Protocol):
    """Who claims and finishes: the agent in a worker, `Inline` elsewhere."""

    def claim(self, job_id: int, task: str) -> tuple[Job, Attempt] | None:
        """Claim a job, or None."""

    def finish(self, job: Job, outcome: Outcome) -> Job | None:
        """Write how the attempt ended, or None when the lease was lost."""


class LiveTask(TaskBase):
    """The base of every live job's Celery task. What Livejobs needs of Celery is set here, never on the host's app."""

    abstract = True
    live_job: LiveJob[..., Any]
    acks_late = False  # a late ack doubles long jobs after the visibility timeout; our lease owns recovery
    reject_on_worker_lost = False
    ignore_result = True
    store_errors_even_if_ignored = False
    serializer = "json"
    max_retries = 0
    time_limit = None
    soft_time_limit = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the job the message names; without our header this is a direct call of the function."""
        # a worker puts a message's headers beside the rest of the request, Celery's eager mode below `headers`
        job_id = self.request.get(publishing.HEADER) or (self.request.headers or {}).get(publishing.HEADER)
        if job_id is None or str(current_job().id) == job_id:  # the second: a job that calls its own task object
            return self.live_job.func(*args, **kwargs)
        keeper = Inline() if self.request.is_eager else agent()
        state = run(keeper, self.live_job, int(job_id))
        return state.value if state else None

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Start a live job; Celery's own calling convention."""
        return self.live_job.apply_async(args or (), kwargs, **options)

    def retry(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: Celery's retry schedules in the broker, where it can be lost."""
        raise UnsupportedError("Celery's self.retry() is not for live jobs; let the exception pass.")


def run(keeper: Keeper, live_job: LiveJob[..., Any], job_id: int) -> State | None:
    """Take one job through its attempt; None when another has it, or it needs no run."""
    claimed = keeper.claim(job_id, live_job.name)
    if claimed is None:
        return None
    job, attempt = claimed
    pid = os.getpid()
    outcome = perform(live_job, job, attempt)
    if os.getpid() != pid:
        os._exit(0)  # the function forked, and its child came back here: the job and the worker are its parent's
    if isinstance(outcome, Stopped) and parent.is_child():
        processes.end_started()
    finished = keeper.finish(job, outcome)
    return State(finished.state) if finished else None


def perform(live_job: LiveJob[..., Any], job: Job, attempt: Attempt) -> Outcome:
    """Run the function and say how it ended.

    Whatever is raised is an outcome: an exception that came out of here would leave a job that nobody finishes, with a
    lease that is renewed for ever.
    """
    try:
        arguments = live_job.arguments(job.params)
    except BaseException as error:
        return Failed(failure(ErrorReason.PARAMS, error))
    try:
        with captured(attempt), running(attempt):
            value = interrupt.call(attempt, live_job.func, arguments)
    except BaseException as error:
        return _raised(live_job, job, attempt, error)
    try:
        return Succeeded(live_job.dump_result(value, max_bytes=conf.MAX_RESULT_BYTES))
    except BaseException as error:
        return Failed(failure(ErrorReason.RESULT, error))


def _raised(live_job: LiveJob[..., Any], job: Job, attempt: Attempt, error: BaseException) -> Outcome:
    if isinstance(error, JobStopped):
        return Stopped(attempt.stop_reason or error.reason)
    if attempt.stop_reason is not None and (attempt.raised or attempt.interrupting):
        return Stopped(attempt.stop_reason)  # what the job's clean-up, or an interrupted query, made of the stop
    described = failure(ErrorReason.EXCEPTION, error)
    if job.failures >= job.retries or not live_job.is_worth_retrying(error):
        return Failed(described)
    first, longest = conf.BACKOFF_SECONDS, conf.BACKOFF_MAX_SECONDS
    chance = secrets.randbelow(1_000) / 1_000
    wait = live_job.wait_before_retry(job.failures, chance, backoff=first, backoff_max=longest)
    return Failed(described, retry_in=timedelta(seconds=wait))


class Inline:
    """Runs a job where it was started (Celery's eager mode): no beats, no threads."""

    _writes: AttemptWrites

    def claim(self, job_id: int, task: str) -> tuple[Job, Attempt] | None:
        """Claim a job on the caller's connection."""
        job = transitions.claim(job_id, owner=f"{presence.process_name()}/{secrets.token_hex(8)}", task=task)
        if job is None:
            return None
        self._writes = AttemptWrites(job, new_attempt(job))
        return job, self._writes.attempt

    def finish(self, job: Job, outcome: Outcome) -> Job | None:
        """Write how it ended on the caller's connection."""
        try:
            return self._writes.finish(outcome)
        except AWAY:
            raise
        except Exception as error:
            return self._writes.finish_unstorable(error)


def register_probe() -> None:
    """Make the task that answers a probe of a queue (`queue_probes`)."""
    shared_task(name=queue_probes.TASK, ignore_result=True, acks_late=False)(answer_probe)


def answer_probe(queue: str, number: int) -> None:
    """Say that a worker took this probe out of its queue."""
    agent().answer_probe(queue, number)
