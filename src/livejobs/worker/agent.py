"""The agent of a worker child: it claims, keeps and finishes attempts while the functions run.

Started with each child: its ticks run on the outlet's event loop, its writes on its own database thread. What it does
for an attempt at hand is in `attempt_supervisor`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, Final

from channels.layers import get_channel_layer

from livejobs import groups, transitions
from livejobs.conf import conf
from livejobs.database.thread import AWAY, AgentDatabase
from livejobs.definition import Attempt, registry
from livejobs.health import presence
from livejobs.hints import broadcast, publishing, queue_probes
from livejobs.log_events import LogEvent, fields
from livejobs.models import Job
from livejobs.per_process import PerProcess
from livejobs.states import StopReason
from livejobs.worker import interrupt, processes
from livejobs.worker.attempt_supervisor import AttemptSupervisor
from livejobs.worker.outcome import Outcome
from livejobs.worker.parent import parent
from livejobs.worker.watchdog import Watchdog
from livejobs.worker.writes import AttemptWrites

logger = logging.getLogger("livejobs.worker")

CLAIM_PATIENCE_SECONDS: Final = 60.0  # with the database away a claim is tried this long; the row stays queued after
LISTEN_AGAIN_SECONDS: Final = 5.0


class Agent:
    """Keeps the attempts of one process."""

    def __init__(self) -> None:
        self.name = presence.process_name()
        self._database = AgentDatabase()
        self._outlet = broadcast.outlet()
        self._supervised: dict[int, AttemptSupervisor] = {}  # by job
        self._watchdog = Watchdog()
        self._release_at = math.inf  # when a worker that was told to stop releases what still runs
        self._leaving = False
        self._loops = [self._outlet.submit(work) for work in (self._keep_ticking(), self._listen(), self._be_present())]

    def claim(self, job_id: int, task: str) -> tuple[Job, Attempt] | None:
        """Claim a job; None when there is nothing to do for this message."""
        owner = f"{self.name}/{parent.mark}{secrets.token_hex(6)}"
        give_up_at = time.monotonic() + CLAIM_PATIENCE_SECONDS
        claim = partial(transitions.claim, job_id, owner=owner, task=task)
        try:
            job = self._database.insist(claim, give_up=lambda: time.monotonic() > give_up_at).result()
        except AWAY:
            logger.error(
                "Job %d stays queued: the database did not answer for long", job_id,
                extra=fields(LogEvent.JOB_CLAIM_GIVEN_UP, job=job_id, task=task, worker=self.name),
            )  # fmt: skip
            return None
        if job is None:
            return None
        attempt = new_attempt(job)
        self._supervised[job.id] = AttemptSupervisor(AttemptWrites(job, attempt), self._database, timeout_of(job))
        return job, attempt

    def answer_probe(self, queue: str, number: int) -> None:
        """Say that a probe was taken out of its queue; one that cannot be answered now is sent again."""
        self._database.submit(queue_probes.answer, queue, number)

    def finish(self, job: Job, outcome: Outcome) -> Job | None:
        """Write how the attempt ended; returns when it is committed, or the lease is known to be lost."""
        supervisor = self._supervised[job.id]
        forced = supervisor.leave()
        if forced is not None:
            wait([forced])  # the agent gave this attempt up, and has written its end
        # before the finish: a transaction that the job left open may lock the very row
        interrupt.drop_connections(every=supervisor.attempt.raised)
        try:
            finished = self._insist(partial(supervisor.writes.finish, outcome))
        except Exception as error:
            finished = self._insist(partial(supervisor.writes.finish_unstorable, error))
        finally:
            self._supervised.pop(job.id, None)
        if finished is None:
            logger.warning(
                "Job %d belongs to another worker by now; this attempt wrote nothing", job.id,
                extra=fields(LogEvent.JOB_LEASE_LOST, job=job.id, task=job.task, attempt=job.attempt, worker=self.name),
            )  # fmt: skip
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
            self._watchdog.keep(now, wanted=bool(self._supervised))
            self._hear_shutdown(now)
            for supervisor in list(self._supervised.values()):
                try:
                    supervisor.tick(now)
                except Exception:
                    logger.exception(
                        "The agent stumbled over job %d", supervisor.attempt.id,
                        extra=fields(LogEvent.JOB_SUPERVISION_FAILED, job=supervisor.attempt.id),
                    )  # fmt: skip
            self._database.cut_off_hung_call()
            await asyncio.sleep(conf.PROGRESS_SECONDS)

    def _hear_shutdown(self, now: float) -> None:
        if not parent.is_shutting_down():
            return
        if self._release_at == math.inf:
            self._release_at = now + conf.SHUTDOWN_SECONDS
        if now >= self._release_at:
            for supervisor in list(self._supervised.values()):
                supervisor.stop(StopReason.SHUTDOWN)

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
        await layer.group_add(groups.WORKERS_GROUP, channel)
        while True:
            message = await layer.receive(channel)
            supervisor = self._supervised.get(message.get("job", 0))
            if supervisor is not None and supervisor.attempt.number == message.get("attempt"):
                supervisor.stop(StopReason.CANCEL)


def new_attempt(job: Job) -> Attempt:
    """The shared record of an attempt, for a job as it was claimed."""
    return Attempt(job.id, job.attempt, job.task, max_lines=conf.MAX_LOG_LINES, max_text=conf.MAX_LOG_LINE)


agent: Final = PerProcess(Agent)


def timeout_of(job: Job) -> float | None:
    """How long an attempt may take, in seconds."""
    live_job = registry.get(job.task)
    return live_job.options.timeout if live_job else None


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
    if agent.made is not None:
        agent.made.leave()
