"""What Celery hears of an attempt: its task ends as the row says, which was written before.

Nothing here changes the job any more. No result is stored, and nothing is sent to the broker but the worker's events.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from celery import signals
from celery.exceptions import Ignore, Retry

from livejobs.conf import conf
from livejobs.errors import JobFailed
from livejobs.models import Job
from livejobs.runner.frames import Frame, traceback_of
from livejobs.runner.outcome import Failed, Outcome
from livejobs.states import State

if TYPE_CHECKING:
    from celery import Task

TRACE_LOGGER: Final = "celery.app.trace"  # which says how each task of a worker ended


class CancelledJob(Ignore):
    """The job was cancelled. The worker's parent sends the event, because Celery sends none of what is ignored.

    :param terminated: whether it was running.
    """

    def __init__(self, terminated: bool) -> None:
        self.terminated = terminated
        super().__init__(terminated)


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a message.

    :param job: the row, as the attempt left it; None where it left nothing.
    :param cancelled: whether there was nothing to run because the job was cancelled before.
    """

    job: Job | None
    outcome: Outcome | None = None
    cancelled: bool = False


def tell(task: Task[..., Any], ended: Ended) -> str:
    """End Celery's task as the attempt ended; returns for one that succeeded.

    :raises JobFailed: it failed, or was out of time.
    :raises Retry: it runs again, by a message of its own that is published when it is due: Celery sends none.
    :raises Ignore: there is nothing to tell, or the job was cancelled.
    """
    job = ended.job
    if job is None:
        if ended.cancelled:
            _cancelled(task, terminated=False)
        # A doubled or a late message, which has no end of its own; or the lease is another's, and how that attempt
        # ended is not known here. Whoever took the job away has written and told what became of it.
        raise Ignore
    match State(job.state):
        case State.SUCCEEDED:
            return str(State.SUCCEEDED.value)
        case State.CANCELLED:
            _cancelled(task, terminated=True)
        case State.FAILED:
            raise _failure(job, job.error, ended.outcome)
        case State.RETRYING if isinstance(ended.outcome, Failed):
            error = _failure(job, ended.outcome.error, ended.outcome)
            raise Retry(exc=error, when=job.run_at) from error
    # Given back by a worker that is being stopped. As Celery says of a task that it cancels to run it elsewhere: to
    # ignore it would leave it started for ever on every monitor.
    raise Retry("given back: its worker is being stopped")


def is_cancelled(job_id: int) -> bool:
    """Whether a job is cancelled: why there was nothing to claim."""
    return Job.objects.using(conf.DATABASE).filter(id=job_id, state=State.CANCELLED).exists()


def _cancelled(task: Task[..., Any], *, terminated: bool) -> None:
    signals.task_revoked.send(sender=task, request=task.request, terminated=terminated, signum=None, expired=False)
    raise CancelledJob(terminated)


def _failure(job: Job, error: dict[str, Any] | None, outcome: Outcome | None) -> JobFailed:
    """The exception, with the frames of the function's own; what a runner told may be anything."""
    told = error if isinstance(error, dict) else {}
    kind, reason, message = (str(told.get(name) or "") for name in ("type", "reason", "message"))
    text = ": ".join(filter(None, (kind or reason, message)))
    failure = JobFailed(text, job_id=job.id, attempt=job.attempt, task=job.task, reason=reason, type=kind)
    frames: list[Frame] = outcome.frames if isinstance(outcome, Failed) else []
    return failure.with_traceback(traceback_of(frames))


class OneLine(logging.Filter):
    """Has Celery's log say of a failed job that it failed, and no more: the operator's log says it, and the row why.

    Celery's own way, `throws` on the task, would silence error trackers, too: Sentry and OpenTelemetry pass by what
    a task is said to throw.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Make a record of a failed job one of level INFO without a traceback."""
        if not record.exc_info or not isinstance(record.exc_info[1], JobFailed):
            return True
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        record.msg, record.exc_info, record.exc_text = "Task %(name)s[%(id)s] failed: %(exc)s", None, None
        return logging.getLogger(record.name).isEnabledFor(logging.INFO)


_one_line: Final = OneLine()


def log_in_one_line() -> None:
    """Keep the tracebacks of jobs out of Celery's log."""
    logging.getLogger(TRACE_LOGGER).addFilter(_one_line)
