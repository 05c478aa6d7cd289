"""Django signals for hosts. A broken receiver is logged and never breaks a job.

Each is sent after the commit, in the process that made the change, with `job` (the row as committed) and `edge` (its
name, `livejobs.states.EdgeName`). Our own log of jobs (`hints.job_logging`) listens to them too.

Two more are sent where the function runs, in its own process: `attempt_started` just before it and `attempt_ended` just
after it, with the `LiveJob` as sender. They are for what must be around the function: a tenant, a trace.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from django.dispatch import Signal

from livejobs.log_events import LogEvent, fields
from livejobs.models import Job
from livejobs.states import FINISHED, EdgeName

logger = logging.getLogger("livejobs.signals")


class AttemptSignal(Signal):
    """A signal that is sent where a function runs."""

    def _log_robust_failure(self, receiver: Any, err: Exception) -> None:
        """Nothing: what Django's loggers say there is the job's own log, and a host's bug is none of its readers'."""


job_changed: Final = Signal()  # every transition
job_accepted: Final = Signal()  # a new job is stored
job_started: Final = Signal()  # an attempt has begun
job_finished: Final = Signal()  # succeeded, failed or cancelled

attempt_started: Final = AttemptSignal()  # the function is called next: job_id, attempt, task, owner_key
attempt_ended: Final = AttemptSignal()  # it has ended: the same, and outcome, reason, error


def send(job: Job, edge: EdgeName) -> None:
    """Tell hosts of a committed transition."""
    _send(job_changed, job, edge)
    if edge is EdgeName.ACCEPT:
        _send(job_accepted, job, edge)
    elif edge is EdgeName.CLAIM:
        _send(job_started, job, edge)
    elif job.state in FINISHED:
        _send(job_finished, job, edge)


def _send(signal: Signal, job: Job, edge: EdgeName) -> None:
    for receiver, answer in signal.send_robust(sender=Job, job=job, edge=edge):
        if isinstance(answer, Exception):
            logger.error(
                "A receiver of job signals failed: %r", receiver, exc_info=answer,
                extra=fields(LogEvent.RECEIVER_FAILED, job=job.id, task=job.task, attempt=job.attempt, edge=edge.value),
            )  # fmt: skip


def send_attempt(signal: Signal, sender: Any, **about: Any) -> None:
    """Tell hosts of an attempt, in the process in which its function runs."""
    try:
        answers: list[tuple[Any, Any]] = signal.send_robust(sender=sender, **about)
    except BaseException as error:  # a stop that a receiver looked up to, or an exit: no reason to lose the attempt
        answers = [(signal, error)]
    for receiver, answer in answers:
        if isinstance(answer, BaseException):
            logger.error(
                "A receiver of attempt signals failed: %r", receiver, exc_info=answer,
                extra=fields(
                    LogEvent.RECEIVER_FAILED, job=about["job_id"], task=about["task"], attempt=about["attempt"]
                ),
            )  # fmt: skip
