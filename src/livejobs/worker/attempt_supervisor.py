"""One attempt in the agent's care: its lease, its progress and log, its time, and its stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from livejobs.conf import conf
from livejobs.database.thread import AWAY, AgentDatabase
from livejobs.hints import broadcast
from livejobs.leases import Renewal
from livejobs.log_events import LogEvent, fields
from livejobs.models import Job
from livejobs.states import StopReason
from livejobs.worker import interrupt, processes
from livejobs.worker.outcome import Stopped
from livejobs.worker.parent import parent
from livejobs.worker.writes import AttemptWrites

logger = logging.getLogger("livejobs.worker")


class AttemptSupervisor:
    """One attempt in the agent's care. `tick` never waits: writes are handed to the database thread."""

    def __init__(self, writes: AttemptWrites, database: AgentDatabase, timeout: float | None = None) -> None:
        self.writes, self.attempt, self._database = writes, writes.attempt, database
        self.ended = False
        self._timeout = timeout
        self._left = False  # the function is off the stack
        self._forced: Future[Job | None] | None = None  # the finish of an attempt that was given up
        self._lock = threading.Lock()  # over those two
        now = time.monotonic()
        self._renew_at = now + conf.BEAT_SECONDS
        self._log_at = self._save_at = now
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
        progress = self.writes.sample()
        if progress is not None:
            broadcast.send(self.writes.progress_events(progress))
        if self.attempt.lines and now >= self._log_at and self._once("log", self.writes.flush_log):
            self._log_at = now + conf.LOG_SECONDS
        if self.writes.unsaved_progress and now >= self._save_at and self._once("save", self.writes.save_progress):
            self._save_at = now + conf.PROGRESS_SAVE_SECONDS

    def stop(self, reason: StopReason) -> None:
        """Ask the attempt to stop; the first reason stands, but a lost lease is above all."""
        if self.attempt.stop_reason is None or reason is StopReason.LEASE_LOST:
            self.attempt.stop_reason = reason

    def leave(self) -> Future[Job | None] | None:
        """Note that the function is off the stack; answers with the finish that was forced before, if any."""
        with self._lock:
            self._left = self.ended = True
            return self._forced

    def _press(self, reason: StopReason, now: float) -> None:
        if self._stop_seen_at is None:
            self._stop_seen_at = now
        if not self._stop_shown and reason is not StopReason.LEASE_LOST:
            self._once("stopping", partial(self.writes.mark_stopping, reason), self._shown)
        # a shutdown had its patience before it came here: the grace period
        early = conf.STOP_RAISE_SECONDS if reason is StopReason.SHUTDOWN else 0.0
        waited = now - self._stop_seen_at + early
        if waited >= conf.STOP_RAISE_SECONDS:
            interrupt.interrupt(self.attempt)
        if waited >= conf.STOP_KILL_SECONDS and parent.is_child():
            self._give_up(reason)

    def _give_up(self, reason: StopReason) -> None:
        """Write the end of an attempt that does not end by itself, and end this process with what the job started."""
        with self._lock:
            if self._left or self._forced is not None:
                return
            self.ended = True
            self.attempt.write("warning", "The job did not stop and was ended with its worker process")
            finish = partial(self.writes.finish, Stopped(reason))
            self._forced = self._database.insist(finish, give_up=lambda: False)
        self._forced.add_done_callback(self._end_process)

    def _end_process(self, _finished: Future[Job | None]) -> None:
        with self._lock:  # held for good: the function must not return into the next job meanwhile
            if not self._left:
                logger.warning(
                    "Job %d did not stop; its worker child ends with it", self.attempt.id,
                    extra=self._fields(LogEvent.JOB_KILLED),
                )  # fmt: skip
                processes.end_group()

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
