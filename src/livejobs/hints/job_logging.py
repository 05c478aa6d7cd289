"""Our own log of jobs: a subscriber of the same signals hosts use; no second path reports the same fact."""

from __future__ import annotations

import logging
from typing import Any, Final

from livejobs import signals
from livejobs.log_events import LogEvent, fields
from livejobs.models import Job
from livejobs.sanitize import one_line
from livejobs.states import EdgeName, State

logger = logging.getLogger("livejobs.jobs")

LOSSES: Final = frozenset({EdgeName.RESCUE, EdgeName.LOSE})


def connect() -> None:
    """Listen to every transition."""
    signals.job_changed.connect(_write, dispatch_uid="livejobs-job-logging")


def _write(job: Job, edge: EdgeName, **_: Any) -> None:
    detail = ""
    if job.state == State.FAILED and job.error:
        # the words of a job may command a terminal, or look like a record of somebody else
        detail = one_line(f": {job.error.get('type') or job.error.get('reason')}: {job.error.get('message', '')}")
    level = logging.WARNING if job.state == State.FAILED or edge in LOSSES else logging.INFO
    about = fields(
        LogEvent.JOB_CHANGED, job=job.id, task=job.task, attempt=job.attempt, edge=edge.value, state=str(job.state),
        worker=job.worker, queue=job.queue,
    )  # fmt: skip
    logger.log(level, "Job %d %s: %s, attempt %d%s", job.id, job.task, edge, job.attempt, detail, extra=about)
