"""The agent of a worker child: it claims, keeps and finishes attempts while the functions run.

Started with each child: its ticks run on the outlet's event loop, its writes on its own database thread. What it does
for an attempt at hand is in `tending`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, Final

from channels.layers import get_channel_layer

from livejobs import broadcast, presence, probes, publishing, transitions
from livejobs.conf import conf
from livejobs.definitions import registry
from livejobs.models import Job
from livejobs.states import StopReason
from livejobs.worker import interrupt, parent, processes
from livejobs.worker.context import Attempt
from livejobs.worker.database import AWAY, AgentDatabase
from livejobs.worker.outcome import Outcome
from livejobs.worker.tending import Tending
from livejobs.worker.watchdog import Watchdog
from livejobs.worker.writes import AttemptWrites

logger = logging.getLogger("livejobs.worker")

CLAIM_PATIENCE_SECONDS: Final = 60.0  # with the database away a claim is tried this long; the row stays queued after
LISTEN_AGAIN_SECONDS: Final = 5.0


class Agent:
    """Keeps the attempts of one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.name = presence.process_name()
        self._database = AgentDatabase()
        self._outlet = broadcast.outlet()
        self._tended: dict[int, Tending] = {}  # by job
        self._watchdog = Watchdog()
        self._release_at = math.inf  # when a worker that was told to stop releases what still runs
        self._leaving = False
        self._loops = [self._outlet.submit(work) for work in (self._keep_ticking(), self._listen(), self._be_present())]

    def claim(self, job_id: int, task: str) -> tuple[Job, Attempt] | None:
        """Claim a job; None when there is nothing to do for this message."""
        owner = f"{self.name}/{parent.mark()}{secrets.token_hex(6)}"
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
        self._tended[job.id] = Tending(AttemptWrites(job, attempt), self._database, timeout_of(job))
        return job, attempt

    def answer_probe(self, queue: str, number: int) -> None:
        """Say that a probe was taken out of its queue; one that cannot be answered now is sent again."""
        self._database.submit(probes.answer, queue, number)

    def finish(self, job: Job, outcome: Outcome) -> Job | None:
        """Write how the attempt ended; returns when it is committed, or the lease is known to be lost."""
        tending = self._tended[job.id]
        forced = tending.leave()
        if forced is not None:
            wait([forced])  # the agent gave this attempt up, and has written its end
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
            self._watchdog.keep(now, wanted=bool(self._tended))
            self._hear_shutdown(now)
            for tending in list(self._tended.values()):
                try:
                    tending.tick(now)
                except Exception:
                    logger.exception("The agent stumbled over job %d", tending.attempt.id)
            self._database.cut_off_hung_call()
            await asyncio.sleep(conf.PROGRESS_SECONDS)

    def _hear_shutdown(self, now: float) -> None:
        if not parent.is_shutting_down():
            return
        if self._release_at == math.inf:
            self._release_at = now + conf.SHUTDOWN_SECONDS
        if now >= self._release_at:
            for tending in list(self._tended.values()):
                tending.stop(StopReason.SHUTDOWN)

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


def timeout_of(job: Job) -> float | None:
    """How long an attempt may take, in seconds."""
    live_job = registry.get(job.task)
    return live_job.timeout if live_job else None


def start_agent(**_: Any) -> None:
    """Start the agent with its worker child (Celery's worker_process_init), or where a pool has none (worker_ready).

    A child leads a process group of its own, so that what its jobs start can be ended with it.
    """
    if parent.is_child():
        processes.lead_a_group()
        processes.let_go_of_connections(parent.broker_descriptors())
        interrupt.install()
        agent()
    elif parent.runs_jobs():
        agent()


def end_agent(**_: Any) -> None:
    """End the agent with its worker child (Celery's worker_process_shutdown)."""
    if _agent is not None and _agent.pid == os.getpid():
        _agent.leave()


def _forget_after_fork() -> None:
    global _agent, _agent_lock
    _agent, _agent_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)
