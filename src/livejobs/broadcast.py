"""The only door out: what was committed, sent to the channel-layer groups of those who may watch it.

A broadcast is a hint. It may be lost, doubled or reordered; the hub heals from the row. So nothing here blocks or
raises: one thread per process runs an event loop with a kept channel-layer connection (`async_to_sync` would open one
per call, 2.8 ms against 0.1 ms) and drops what it cannot send.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from channels.layers import get_channel_layer
from django.dispatch import Signal

from livejobs import signals
from livejobs.conf import conf
from livejobs.models import Job
from livejobs.protocol import LogLine, Progress, encode
from livejobs.public import public_job
from livejobs.states import CLAIM, FINISHED, State

logger = logging.getLogger("livejobs.broadcast")

ALL_GROUP: Final = "livejobs.all"
WORKERS_GROUP: Final = "livejobs.workers"
SEND_SECONDS: Final = 2.0  # one send may take this long; then the queue is dropped, because the layer is down or hangs
QUEUE_MAX: Final = 10_000  # events kept while the layer is slow

T = TypeVar("T")
Kind = Literal["job", "progress", "log", "gone"]


@dataclass(frozen=True, slots=True)
class Event:
    """One message on the channel layer, encoded once."""

    group: str
    message: dict[str, Any]


def job_group(job_id: int) -> str:
    """The group of those who look at one job."""
    return f"livejobs.job.{job_id}"


def owner_group(owner_key: str) -> str:
    """The group of those whose list shows this owner's jobs. A digest: the key is no one else's business."""
    return (
        f"livejobs.owner.{hashlib.sha256(owner_key.encode()).hexdigest()[:32]}" if owner_key else "livejobs.owner.none"
    )


def job_events(job: Job) -> list[Event]:
    """The events of a changed job: whole for those who look at it, truncated where large for lists."""
    full = encode({"action": "job", "job": public_job(job)})
    short = public_job(job, truncate=True)
    truncated = "truncated" in short
    listed = encode({"action": "job", "job": short}) if truncated else full
    rank = [job.version, 0 if truncated else 1]
    return [
        _event(job_group(job.id), "job", job.id, job.owner_key, [job.version, 1], full),
        *(_event(group, "job", job.id, job.owner_key, rank, listed) for group in _list_groups(job.owner_key)),
    ]


def progress_events(job_id: int, owner_key: str, attempt: int, progress: Progress) -> list[Event]:
    """The events of a progress report."""
    text = encode({"action": "progress", "job_id": job_id, "attempt": attempt, **progress})
    rank = [attempt, progress["tick"]]
    groups = (job_group(job_id), *_list_groups(owner_key))
    return [_event(group, "progress", job_id, owner_key, rank, text) for group in groups]


def log_events(job_id: int, owner_key: str, lines: Sequence[LogLine]) -> list[Event]:
    """The event of new log lines, for those who look at the job."""
    text = encode({"action": "log", "job_id": job_id, "lines": list(lines)})
    return [_event(job_group(job_id), "log", job_id, owner_key, [lines[0]["seq"], lines[-1]["seq"]], text)]


def gone_events(job_id: int, owner_key: str) -> list[Event]:
    """The events of a job that was pruned or deleted."""
    text = encode({"action": "gone", "job_id": job_id})
    groups = (job_group(job_id), *_list_groups(owner_key))
    return [_event(group, "gone", job_id, owner_key, [0, 0], text) for group in groups]


def stop_event(job_id: int, attempt: int) -> Event:
    """Tell the workers that a cancel was asked for; the row says so too."""
    return Event(WORKERS_GROUP, {"type": "livejobs.stop", "job": job_id, "attempt": attempt})


def announce(job: Job, edge: str) -> None:
    """Tell screens and hosts of a committed transition. Called by `transitions` on commit, by nobody else."""
    send(job_events(job))
    if job.state == State.RUNNING and job.cancel_requested_at and not job.stopping_at:
        send([stop_event(job.id, job.attempt)])
    _signal(signals.job_changed, job, edge)
    if edge == "accept":
        _signal(signals.job_accepted, job, edge)
    elif edge == CLAIM.name:
        _signal(signals.job_started, job, edge)
    elif job.state in FINISHED:
        _signal(signals.job_finished, job, edge)


def send(events: Iterable[Event]) -> None:
    """Hand events to this process's outlet. Thread-safe; never raises, never waits."""
    try:
        outlet().send(events)
    except Exception:
        logger.exception("Live updates could not be handed over")


class Outlet:
    """One thread with an event loop and the channel-layer connection that belongs to it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._waiting: deque[Event] = deque(maxlen=QUEUE_MAX)
        self._lock = threading.Lock()
        self._draining = False
        self._down = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="livejobs-outlet", daemon=True)
        self._thread.start()

    def send(self, events: Iterable[Event]) -> None:
        """Queue events; the oldest are dropped when the layer is slower than the jobs."""
        self._waiting.extend(events)
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
                    )
                self._down = True
            with self._lock:
                if not self._waiting:
                    self._draining = False
                    return

    async def _send_one(self, event: Event) -> None:
        layer = get_channel_layer(conf.CHANNEL_LAYER)
        if layer is None:
            return
        await asyncio.wait_for(layer.group_send(event.group, event.message), SEND_SECONDS)
        if self._down:
            logger.warning("Live updates work again")
        self._down = False


_outlet: Outlet | None = None
_outlet_lock = threading.Lock()


def outlet() -> Outlet:
    """The outlet of this process; a forked child gets its own."""
    global _outlet
    found = _outlet
    if found is None or found.pid != os.getpid():
        with _outlet_lock:
            found = _outlet
            if found is None or found.pid != os.getpid():
                found = _outlet = Outlet()
    return found


def _forget_after_fork() -> None:
    global _outlet, _outlet_lock
    _outlet, _outlet_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)


def _list_groups(owner_key: str) -> tuple[str, str]:
    return owner_group(owner_key), ALL_GROUP


def _event(group: str, kind: Kind, job_id: int, owner_key: str, rank: list[int], text: str) -> Event:
    message = {
        "type": "livejobs.event",
        "group": group,
        "kind": kind,
        "job": job_id,
        "owner_key": owner_key,
        "rank": rank,
        "text": text,
    }
    return Event(group, message)


def _signal(signal: Signal, job: Job, edge: str) -> None:
    for receiver, answer in signal.send_robust(sender=Job, job=job, edge=edge):
        if isinstance(answer, Exception):
            logger.error("A receiver of job signals failed: %r", receiver, exc_info=answer)
