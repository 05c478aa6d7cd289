"""Celery's consumer, for a broker that changes its mind: read-only, out of memory, loading, no rights any more.

Celery takes some of these errors for the end of its worker, which takes no more jobs and goes when the last that runs
has ended. Here the consumer begins anew, whatever the error was, until the broker lets it; the jobs, in processes of
their own, notice nothing.
"""

from __future__ import annotations

import time
from typing import Any, Final

from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

AGAIN_SECONDS: Final = 1.0  # under the once in 0.2 s that Celery takes for a fault of its own
LOOK_SECONDS: Final = 0.1


class PatientConsumer(Consumer):
    """Begins anew after any error."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.channel_errors = (Exception,)  # after which it begins anew, with `broker_channel_error_retry`

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Let go of the connection, and wait a moment: a broker that only refuses to be read would be asked at once."""
        super().on_connection_error_after_connected(exc)
        again_at = time.monotonic() + AGAIN_SECONDS
        while time.monotonic() < again_at:
            maybe_shutdown()
            time.sleep(LOOK_SECONDS)
