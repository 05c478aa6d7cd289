"""The Celery side of a live job: claim, run, finish."""

from __future__ import annotations

import logging
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from celery import Task, shared_task
from celery.exceptions import Ignore

from livejobs import transitions
from livejobs.conf import conf
from livejobs.database.thread import AWAY
from livejobs.definition import Attempt, LiveJob, current_job, running
from livejobs.errors import UnsupportedError
from livejobs.health import presence
from livejobs.hints import publishing, queue_probes
from livejobs.log_events import LogEvent, fields
from livejobs.models import Job
from livejobs.runner.outcome import Outcome, failed
from livejobs.runner.perform import perform
from livejobs.runner.surroundings import announced
from livejobs.states import ErrorReason
from livejobs.worker import strangers
from livejobs.worker.agent import agent, new_attempt
from livejobs.worker.capture import captured
from livejobs.worker.celery_end import Ended, is_cancelled, tell
from livejobs.worker.writes import AttemptWrites, wait_before_retry

logger = logging.getLogger("livejobs.worker")


if TYPE_CHECKING:
    TaskBase = Task[..., Any]
else:  # Celery's own class takes no type arguments when it runs
    TaskBase = Task


class Keeper(Protocol):
    """Who claims and finishes: the agent in a worker, `Inline` elsewhere."""

    def claim(self, job_id: int, task: str) -> tuple[Job, Attempt] | None:
        """Claim a job, or None."""

    def is_cancelled(self, job_id: int) -> bool:
        """Whether there was nothing to claim because the job is cancelled."""

    def perform(self, live_job: LiveJob[..., Any], job: Job, attempt: Attempt) -> Outcome:
        """Run the function and say how it ended."""

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
    Request = "livejobs.worker.request:LiveRequest"  # in the worker's parent
    time_limit = None
    soft_time_limit = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the job the message names; without our header this is a direct call of the function.

        :raises Exception: how the attempt ended, for Celery (`celery_end.tell`).
        """
        message = vars(self.request)
        job_id = publishing.header(message, publishing.HEADER)
        if job_id is None or str(current_job().id) == job_id:  # the second: a job that calls its own task object
            return self.live_job.func(*args, **kwargs)
        if strangers.send_on(message):
            raise Ignore
        keeper = Inline() if self.request.is_eager else agent()
        return tell(self, run(keeper, self.live_job, int(job_id)))

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Start a live job; Celery's own calling convention."""
        return self.live_job.apply_async(args or (), kwargs, **options)

    def retry(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: Celery's retry schedules in the broker, where it can be lost."""
        raise UnsupportedError("Celery's self.retry() is not for live jobs; let the exception pass.")


def run(keeper: Keeper, live_job: LiveJob[..., Any], job_id: int) -> Ended:
    """Take one job through its attempt; without a job when another has it, or it needs no run."""
    claimed = keeper.claim(job_id, live_job.name)
    if claimed is None:
        return Ended(None, cancelled=keeper.is_cancelled(job_id))
    job, attempt = claimed
    try:
        outcome = keeper.perform(live_job, job, attempt)
    except Exception as error:  # ours: the job must not stay, with a lease that is renewed for ever
        logger.exception(
            "Job %d could not be run", job.id,
            extra=fields(LogEvent.JOB_NOT_RUN, job=job.id, task=job.task, attempt=job.attempt),
        )  # fmt: skip
        outcome = failed(ErrorReason.CRASHED, error)
    return Ended(keeper.finish(job, outcome), outcome)


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

    def is_cancelled(self, job_id: int) -> bool:
        """Ask on the caller's connection."""
        return is_cancelled(job_id)

    def perform(self, live_job: LiveJob[..., Any], job: Job, attempt: Attempt) -> Outcome:
        """Run the function here and now: nothing interrupts it."""
        call = partial(
            perform, live_job, job.params, attempt, max_result_bytes=conf.MAX_RESULT_BYTES,
            timeout=live_job.options.timeout,
        )  # fmt: skip
        with captured(attempt), running(attempt):
            return announced(live_job, attempt, job.owner_key, call)

    def finish(self, job: Job, outcome: Outcome) -> Job | None:
        """Write how it ended on the caller's connection."""
        try:
            return self._writes.finish(outcome, wait_before_retry(job, outcome))
        except AWAY:
            raise
        except Exception as error:
            return self._writes.finish_unstorable(error)


def register_probe() -> None:
    """Make the task that answers a probe of a queue (`queue_probes`)."""
    shared_task(name=queue_probes.TASK, ignore_result=True, acks_late=False, bind=True)(answer_probe)


def answer_probe(task: Task[..., Any], queue: str, number: int) -> None:
    """Say that a worker took this probe out of its queue."""
    if not strangers.send_on(vars(task.request)):
        agent().answer_probe(queue, number)
