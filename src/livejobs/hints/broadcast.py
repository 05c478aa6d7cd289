"""The only door out to screens: what was committed, sent to the channel-layer groups of those who may watch it.

A broadcast is a hint. It may be lost, doubled or reordered; the hub heals from the row. So nothing here blocks or
raises: one thread per process runs an event loop with a kept channel-layer connection (`async_to_sync` would open one
per call, 2.8 ms against 0.1 ms) and drops what it cannot send.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from channels.layers import get_channel_layer

from livejobs.conf import conf
from livejobs.hints.channel_messages import Broadcast, job_events, stop_event
from livejobs.log_events import LogEvent, fields
from livejobs.models import Job
from livejobs.per_process import PerProcess
from livejobs.states import EdgeName, State

logger = logging.getLogger("livejobs.broadcast")

SEND_SECONDS: Final = 2.0  # one send may take this long; then the queue is dropped, because the layer is down or hangs
QUEUE_MAX: Final = 10_000  # events kept while the layer is slow

T = TypeVar("T")


def announce(job: Job, edge: EdgeName) -> None:
    """Tell screens of a committed transition, and workers of a cancel."""
    send(job_events(job))
    if job.state == State.RUNNING and job.cancel_requested_at and not job.stopping_at:
        send([stop_event(job.id, job.attempt)])


def send(broadcasts: Iterable[Broadcast]) -> None:
    """Hand broadcasts to this process's outlet. Thread-safe; never raises, never waits."""
    try:
        outlet().send(broadcasts)
    except Exception:
        logger.exception("Live updates could not be handed over", extra=fields(LogEvent.LIVE_FAILED))


class Outlet:
    """One thread with an event loop and the channel-layer connection that belongs to it."""

    def __init__(self) -> None:
        self._waiting: deque[Broadcast] = deque(maxlen=QUEUE_MAX)
        self._lock = threading.Lock()
        self._draining = False
        self._down = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="livejobs-outlet", daemon=True)
        self._thread.start()

    def send(self, broadcasts: Iterable[Broadcast]) -> None:
        """Queue broadcasts; the oldest are dropped when the layer is slower than the jobs."""
        self._waiting.extend(broadcasts)
        with self._lock:
            if self._draining or not self._waiting:
                return
            self._draining = True
        self.submit(self._drain())

    def finish(self, seconds: float) -> None:
        """Wait until what was handed over is sent, for a process that ends; at most so long."""
        give_up_at = time.monotonic() + seconds
        while self._draining and time.monotonic() < give_up_at:
            time.sleep(0.01)

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the outlet's loop: the worker's agent lives there too."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _drain(self) -> None:
        while True:
            try:
                while self._waiting:
                    await self._send_one(self._waiting.popleft())
            except Exception as error:
                self._waiting.clear()  # hints: whoever watches heals from the rows
                if not self._down:
                    logger.warning(
                        "Live updates are delayed: the channel layer does not answer (%s)",
                        str(error) or type(error).__name__,
                        extra=fields(LogEvent.LIVE_DELAYED),
                    )
                self._down = True
            with self._lock:
                if not self._waiting:
                    self._draining = False
                    return

    async def _send_one(self, broadcast: Broadcast) -> None:
        layer = get_channel_layer(conf.CHANNEL_LAYER)
        if layer is None:
            return
        await asyncio.wait_for(layer.group_send(broadcast.group, dict(broadcast.message)), SEND_SECONDS)
        if self._down:
            logger.warning("Live updates work again", extra=fields(LogEvent.LIVE_RESTORED))
        self._down = False


outlet: Final = PerProcess(Outlet)
