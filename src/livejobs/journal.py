"""Our own log of jobs: a subscriber of the same signals hosts use; no second path reports the same fact."""

from __future__ import annotations

import logging
from typing import Any

from livejobs import signals
from livejobs.models import Job
from livejobs.states import State

logger = logging.getLogger("livejobs.jobs")


def connect() -> None:
    """Listen to every transition."""
    signals.job_changed.connect(_write, dispatch_uid="livejobs-journal")


def _write(job: Job, edge: str, **_: Any) -> None:
    detail = ""
    if job.state == State.FAILED and job.error:
        detail = f": {job.error.get('type') or job.error.get('reason')}: {job.error.get('message', '')}"
    level = logging.WARNING if job.state == State.FAILED or edge in {"rescue", "lose"} else logging.INFO
    logger.log(level, "Job %d %s: %s, attempt %d%s", job.id, job.task, edge, job.attempt, detail)
