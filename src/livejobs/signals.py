"""Django signals for hosts. A broken receiver is logged and never breaks a job.

Each is sent after the commit, in the process that made the change, with `job` (the row as committed) and `edge` (its
name, `livejobs.states.EdgeName`). Our own log of jobs (`hints.job_logging`) listens to them too.
"""

from __future__ import annotations

import logging
from typing import Final

from django.dispatch import Signal

from livejobs.log_events import LogEvent, fields
from livejobs.models import Job
from livejobs.states import FINISHED, EdgeName

logger = logging.getLogger("livejobs.signals")

job_changed: Final = Signal()  # every transition
job_accepted: Final = Signal()  # a new job is stored
job_started: Final = Signal()  # an attempt has begun
job_finished: Final = Signal()  # succeeded, failed or cancelled


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
