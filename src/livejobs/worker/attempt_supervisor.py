"""One attempt in the agent's care: its lease, its progress and log, its time, and its stop."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

from livejobs.conf import conf
from livejobs.database.thread import AWAY, AgentDatabase
from livejobs.definition.cells import INTERRUPT, LOOKED
from livejobs.hints import broadcast
from livejobs.leases import Renewal
from livejobs.log_events import LogEvent, fields
from livejobs.models import Job
from livejobs.states import StopReason
from livejobs.worker.place import Place
from livejobs.worker.writes import AttemptWrites

logger = logging.getLogger("livejobs.worker")

STACKS_SECONDS: Final = 2.0  # so long a job's threads may take to say where they are
STACKS_LOOK_SECONDS: Final = 0.02
USE_SECONDS: Final = 1.0  # how often it is looked at what a job uses; a look costs a millisecond or two


class AttemptSupervisor:
    """One attempt in the agent's care. `tick` never waits: writes are handed to the database thread.

    :param timeout: how long it may take, in seconds.
    :param most_memory: how much its processes may use, in bytes.
    """

    def __init__(
        self,
        writes: AttemptWrites,
        database: AgentDatabase,
        timeout: float | None = None,
        most_memory: float | None = None,
    ) -> None:
        self.writes, self.attempt, self._database = writes, writes.attempt, database
        self.place: Place | None = None  # where it runs, once it does
        self.ended = False
        self._timeout, self._most_memory = timeout, most_memory or math.inf
        self.out_of_memory = 0  # what it used as it was ended for that
        self._asking = asyncio.Lock()  # there is room for one answer
        self._lock = threading.Lock()  # over `ended`: nothing of ours may reach the place's next attempt
        self._kill_asked = False
        now = time.monotonic()
        self._renew_at = now + conf.BEAT_SECONDS
        self._log_at = self._save_at = now
        self._use_at = now + USE_SECONDS
        self._stop_seen_at: float | None = None
        self._stop_shown = False
        self._under_way: dict[str, Future[Any]] = {}

    def tick(self, now: float) -> None:
        """Do what is due; the lease and a stop first, whatever becomes of the rest."""
        if self.ended:
            return
        if now >= self._renew_at and self._once("renew", self.writes.renew, self._renewed):
            self._renew_at = now + conf.BEAT_SECONDS
        if self._timeout is not None and now - self.attempt.began >= self._timeout:
            self.stop(StopReason.TIMEOUT)
        if self.attempt.stop_reason is not None:
            self._press(self.attempt.stop_reason, now)
        if now >= self._use_at and self.place is not None:
            self._use_at = now + USE_SECONDS
            self._look_at_use(self.place)
        progress = self.writes.sample()
        if progress is not None:
            broadcast.send(self.writes.progress_events(progress))
        broadcast.send(self.writes.open_line_events(now))
        if self.attempt.lines and now >= self._log_at and self._once("log", self.writes.flush_log):
            self._log_at = now + conf.LOG_SECONDS
        if self.writes.unsaved_progress and now >= self._save_at and self._once("save", self.writes.save_progress):
            self._save_at = now + conf.PROGRESS_SAVE_SECONDS

    def _look_at_use(self, place: Place) -> None:
        """See what the job's processes use, and end one that uses too much memory."""
        use = place.use()
        if use.memory > self._most_memory:
            use = place.use(shared=True)  # forks share much of it
        self.writes.note_use(use)
        with self._lock:
            if use.memory > self._most_memory and not self.ended and not self.out_of_memory:
                self.out_of_memory = use.memory
                place.kill()

    def stop(self, reason: StopReason) -> None:
        """Ask the attempt to stop; the first reason stands, but a lost lease is above all."""
        if self.attempt.stop_reason is None or reason is StopReason.LEASE_LOST:
            self.attempt.stop_reason = reason

    async def stacks(self) -> str:
        """Ask where its threads are, and wait for them to say; empty: they do not."""
        async with self._asking:
            with self._lock:
                if self.ended or self.place is None:
                    return ""
                self.place.ask_stacks()
            written, give_up_at = "", time.monotonic() + STACKS_SECONDS
            while time.monotonic() < give_up_at:
                await asyncio.sleep(STACKS_LOOK_SECONDS)
                before, written = written, self.place.stacks()
                if written and written == before:
                    break
            return written if self.is_running() else ""  # it may be the next attempt's

    def end_now(self) -> None:
        """End the attempt's process at once, and give the job back."""
        self.stop(StopReason.SHUTDOWN)
        with self._lock:
            if not self.ended and self.place is not None and not self._kill_asked:
                self._kill_asked = True
                self.place.kill()

    def is_running(self) -> bool:
        """Whether it is not known yet how the attempt ended."""
        return not self.ended

    def leave(self) -> None:
        """Note that it is known how the attempt ended."""
        with self._lock:
            self.ended = True

    def _press(self, reason: StopReason, now: float) -> None:
        if self._stop_seen_at is None:
            self._stop_seen_at = now
        if not self._stop_shown and reason is not StopReason.LEASE_LOST:
            self._once("stopping", partial(self.writes.mark_stopping, reason), self._shown)
        waited = now - self._stop_seen_at
        with self._lock:
            if self.ended or self.place is None:
                return
            if waited >= self._patience(reason) and not self.attempt.raised:
                self.attempt.view[INTERRUPT] = 1
                self.place.interrupt()
            if waited >= conf.STOP_KILL_SECONDS and not self._kill_asked:
                self._kill_asked = True
                logger.warning(
                    "Job %d did not stop; its process is ended", self.attempt.id,
                    extra=self._fields(LogEvent.JOB_KILLED),
                )  # fmt: skip
                self.place.kill()

    def _patience(self, reason: StopReason) -> float:
        """How long the job may take to notice a stop by itself, in seconds: none that never looks up will."""
        if reason in (StopReason.TIMEOUT, StopReason.SHUTDOWN) or not self.attempt.view[LOOKED]:
            return 0.0  # a shutdown had its patience before: the grace period
        return conf.STOP_RAISE_SECONDS

    def _shown(self, _job: Job | None) -> None:
        self._stop_shown = True

    def _renewed(self, renewal: Renewal | None) -> None:
        if self.ended:
            return
        if renewal is None:
            self.stop(StopReason.LEASE_LOST)
        elif renewal.cancel_requested:
            self.stop(StopReason.CANCEL)

    def _once(self, kind: str, call: Callable[[], Any], then: Callable[[Any], None] | None = None) -> bool:
        """Hand a write over unless the last one of its kind is still under way."""
        earlier = self._under_way.get(kind)
        if earlier is not None and not earlier.done():
            return False
        self._under_way[kind] = future = self._database.submit(call)
        future.add_done_callback(partial(self._written, then))
        return True

    def _written(self, then: Callable[[Any], None] | None, future: Future[Any]) -> None:
        error = future.exception()
        if error is None:
            if then is not None:
                then(future.result())
        elif isinstance(error, AWAY):  # tried again when it is next due; silence never stops a job
            logger.debug("A write of job %d waits for the database: %s", self.attempt.id, error)
        else:
            logger.error(
                "A write of job %d failed",
                self.attempt.id,
                exc_info=error,
                extra=self._fields(LogEvent.JOB_WRITE_FAILED),
            )

    def _fields(self, event: LogEvent) -> dict[str, Any]:
        return fields(event, job=self.attempt.id, task=self.attempt.task, attempt=self.attempt.number)
