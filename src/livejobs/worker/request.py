"""A live job's message as Celery's worker sees it, in its parent: where Celery's events are sent."""

from __future__ import annotations

from typing import Any

from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]  # the stubs are older
from celery.worker.request import Request

from livejobs.worker.celery_end import CancelledJob


class LiveRequest(Request):
    """Says of a cancelled job that it was revoked; a monitor would show it as started for ever.

    Here, not in the agent: only the worker's parent knows whether somebody listens (`-E`, or a monitor that asked), and
    it has the connection.
    """

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """Take what the task raised."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):  # where nothing was pickled, in the threads and solo pools
            error = error.exc
        if isinstance(error, CancelledJob):
            self.send_event("task-revoked", terminated=error.terminated, signum=None, expired=False)
        return super().on_failure(exc_info, send_failed_event, return_ok)
