"""The agent of a worker child: it claims, keeps and finishes attempts while the functions run.

Started with each child: its ticks run on the outlet's event loop, its writes on its own database thread. For every
attempt at hand it renews the lease, sends progress and log, and hears *stop*.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

from channels.layers import get_channel_layer

from livejobs import broadcast, presence, publishing, transitions
from livejobs.conf import conf
from livejobs.definitions import registry
from livejobs.models import Job
from livejobs.states import StopReason
from livejobs.transitions import Renewal
from livejobs.worker import interrupt
from livejobs.worker.context import Attempt
from livejobs.worker.database import AWAY, AgentDatabase
from livejobs.worker.outcome import Outcome
from livejobs.worker.writes import AttemptWrites

logger = logging.getLogger("livejobs.worker")

CLAIM_PATIENCE_SECONDS: Final = 60.0  # with the database away a claim is tried this long; the row stays queued after
LISTEN_AGAIN_SECONDS: Final = 5.0


class Tending:
    """One attempt in the agent's care. `tick` never waits: writes are handed to the database thread."""

    def __init__(self, writes: AttemptWrites, database: AgentDatabase) -> None:
        self.writes, self.attempt, self._database = writes, writes.attempt, database
        self.ended = False
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

    def _press(self, reason: StopReason, now: float) -> None:
        if self._stop_seen_at is None:
            self._stop_seen_at = now
        if not self._stop_shown and reason is not StopReason.LEASE_LOST:
            self._once("stopping", partial(self.writes.mark_stopping, reason), self._shown)
        if now - self._stop_seen_at >= conf.STOP_RAISE_SECONDS:
            interrupt.interrupt(self.attempt)

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
            logger.error("A write of job %d failed", self.attempt.id, exc_info=error)


class Agent:
    """Keeps the attempts of one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.name = presence.process_name()
        self._database = AgentDatabase()
        self._outlet = broadcast.outlet()
        self._tended: dict[int, Tending] = {}  # by job
        self._lock = threading.Lock()
        self._leaving = False
        self._loops = [self._outlet.submit(work) for work in (self._keep_ticking(), self._listen(), self._be_present())]

    def claim(self, job_id: int, task: str) -> tuple[Job, Attempt] | None:
        """Claim a job; None when there is nothing to do for this message."""
        owner = f"{self.name}/{secrets.token_hex(8)}"
        give_up_at = time.monotonic() + CLAIM_PATIENCE_SECONDS
        claim = partial(transitions.claim, job_id, owner=owner, task=task)
        try:
            job = self._database.insist(claim, give_up=lambda: time.monotonic() > give_up_at).result()
        except AWAY:
            logger.error("Job %d stays queued: the database did not answer for long", job_id)
            return None
        if job is None:
            return None
        attempt = new_attempt(job)
        self._tended[job.id] = Tending(AttemptWrites(job, attempt), self._database)
        return job, attempt

    def finish(self, job: Job, outcome: Outcome) -> Job | None:
        """Write how the attempt ended; returns when it is committed, or the lease is known to be lost."""
        tending = self._tended[job.id]
        tending.ended = True
        # before the finish: a transaction that the job left open may lock the very row
        interrupt.drop_connections(every=tending.attempt.raised)
        try:
            finished = self._insist(partial(tending.writes.finish, outcome))
        except Exception as error:
            finished = self._insist(partial(tending.writes.finish_unstorable, error))
        finally:
            self._tended.pop(job.id, None)
        if finished is None:
            logger.warning("Job %d belongs to another worker by now; this attempt wrote nothing", job.id)
        return finished

    def leave(self) -> None:
        """Say good-bye: the process ends in order."""
        self._leaving = True
        self._database.submit(presence.leave, presence.WORKER, self.name)
        self._database.close()  # while the loop can still cut off a call that hangs
        for loop in self._loops:
            loop.cancel()

    def _insist(self, call: Callable[[], Job | None]) -> Job | None:
        return self._database.insist(call, give_up=lambda: False).result()

    async def _keep_ticking(self) -> None:
        while True:  # until cancelled: while the process leaves, its last words may hang too
            now = time.monotonic()
            for tending in list(self._tended.values()):
                try:
                    tending.tick(now)
                except Exception:
                    logger.exception("The agent stumbled over job %d", tending.attempt.id)
            self._database.cut_off_hung_call()
            await asyncio.sleep(conf.PROGRESS_SECONDS)

    async def _be_present(self) -> None:
        queues = sorted(publishing.celery_app().amqp.queues.consume_from)
        tasks = sorted(live_job.name for live_job in registry)
        beat = partial(presence.beat, presence.WORKER, self.name, tasks=tasks, queues=queues)
        last: Future[None] | None = None
        while not self._leaving:
            if last is None or last.done():  # none in stock: a database that was away gets one, not a hundred
                last = self._database.submit(beat)
            await asyncio.sleep(conf.BEAT_SECONDS)

    async def _listen(self) -> None:
        """Hear of a cancel at once; a message that is lost is made up for by the next renewal."""
        while not self._leaving:
            try:
                await self._hear_stops()
            except Exception as error:
                logger.debug("Cancels are heard with the next renewal only: %s", error)
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def _hear_stops(self) -> None:
        layer = get_channel_layer(conf.CHANNEL_LAYER)
        if layer is None:
            return
        channel = await layer.new_channel()
        await layer.group_add(broadcast.WORKERS_GROUP, channel)
        while True:
            message = await layer.receive(channel)
            tending = self._tended.get(message.get("job", 0))
            if tending is not None and tending.attempt.number == message.get("attempt"):
                tending.stop(StopReason.CANCEL)


def new_attempt(job: Job) -> Attempt:
    """The shared record of an attempt, for a job as it was claimed."""
    return Attempt(job.id, job.attempt, job.task, max_lines=conf.MAX_LOG_LINES, max_text=conf.MAX_LOG_LINE)


_agent: Agent | None = None
_agent_lock = threading.Lock()


def agent() -> Agent:
    """The agent of this process, started at the first call."""
    global _agent
    with _agent_lock:
        if _agent is None or _agent.pid != os.getpid():
            _agent = Agent()
        return _agent


def start_agent(**_: Any) -> None:
    """Start the agent with its worker child (Celery's worker_process_init)."""
    interrupt.install()
    agent()


def end_agent(**_: Any) -> None:
    """End the agent with its worker child (Celery's worker_process_shutdown)."""
    if _agent is not None and _agent.pid == os.getpid():
        _agent.leave()


def _forget_after_fork() -> None:
    global _agent, _agent_lock
    _agent, _agent_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)
