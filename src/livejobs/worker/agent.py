"""The agent of a worker child: it claims, keeps and finishes attempts while the functions run.

Started with each child: its ticks run on the outlet's event loop, its writes on its own database thread. What it does
for an attempt at hand is in `attempt_supervisor`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final

from channels.layers import get_channel_layer

from livejobs import groups, transitions
from livejobs.conf import conf
from livejobs.database.thread import AWAY, AgentDatabase
from livejobs.definition import Attempt, LiveJob, registry, shown_bytes
from livejobs.definition.cells import INTERRUPT
from livejobs.health import presence
from livejobs.hints import broadcast, publishing, queue_probes, stacks
from livejobs.log_events import LogEvent, fields
from livejobs.models import Job
from livejobs.per_process import PerProcess
from livejobs.runner.channel import ChannelClosedError
from livejobs.runner.outcome import OF_A_SHUTDOWN, Failed, Outcome, Stopped, described, from_message, with_last_line
from livejobs.states import ErrorReason, StopReason
from livejobs.worker import descriptors, zygotes
from livejobs.worker.attempt_supervisor import AttemptSupervisor
from livejobs.worker.celery_end import is_cancelled
from livejobs.worker.output_reader import OutputReader
from livejobs.worker.parent import parent
from livejobs.worker.place import Death, Place, StartZygote, how_it_died
from livejobs.worker.shutdown import Demand, Shutdown
from livejobs.worker.stacks import readable
from livejobs.worker.writes import AttemptWrites, wait_before_retry

logger = logging.getLogger("livejobs.worker")

CLAIM_PATIENCE_SECONDS: Final = 60.0  # with the database away a claim is tried this long; the row stays queued after
LISTEN_AGAIN_SECONDS: Final = 5.0
SHUTDOWN_SEEN_SECONDS: Final = 0.3
LAST_WORDS_SECONDS: Final = 0.3


class Agent:
    """Keeps the attempts of one process.

    :param places: where they run; it may do with none until the first attempt.
    """

    def __init__(self, places: Sequence[Place] = ()) -> None:
        self.name = presence.process_name()
        self._places = list(places)
        self._free: SimpleQueue[Place] = SimpleQueue()
        for place in places:
            self._free.put(place)
        self._database = AgentDatabase()
        self._outlet = broadcast.outlet()
        self._supervised: dict[int, AttemptSupervisor] = {}  # by job
        self._shutdown = Shutdown(lambda: bool(self._supervised))
        self._ticked_at = time.monotonic()
        self._leaving = False
        self._answering: set[asyncio.Task[None]] = set()
        self._loops = [self._outlet.submit(work) for work in (self._keep_ticking(), self._listen(), self._be_present())]

    def claim(self, job_id: int, task: str) -> tuple[Job, Attempt] | None:
        """Claim a job; None when there is nothing to do for this message."""
        if parent.is_child():
            self._shutdown.listen()
        if parent.is_shutting_down():
            self._leave_to_others(job_id, task)
            return None
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
            parent.look_for_more()
            return None
        attempt = new_attempt(job)
        self._supervised[job.id] = AttemptSupervisor(
            AttemptWrites(job, attempt), self._database, timeout_of(job), most_memory_of(job.task)
        )
        return job, attempt

    def _leave_to_others(self, job_id: int, task: str) -> None:
        """Have a message sent again that a worker on its way out was still given: the last one that it had asked for.

        What it began would run with the old code, after others were ready with the new, and be stopped half way.
        """
        logger.info(
            "Job %d is left to another worker: this one stops", job_id,
            extra=fields(LogEvent.JOB_LEFT_TO_OTHERS, job=job_id, task=task, worker=self.name),
        )  # fmt: skip
        try:
            self._database.submit(publishing.unpublish, [job_id], publish_count=None).result()
        except AWAY as error:
            logger.debug("The dispatcher finds job %d later: %s", job_id, error)

    def is_cancelled(self, job_id: int) -> bool:
        """Whether a job that could not be claimed is cancelled; asked once, for Celery's monitors only."""
        try:
            return self._database.submit(is_cancelled, job_id).result()
        except AWAY:
            return False

    def perform(self, live_job: LiveJob[..., Any], job: Job, attempt: Attempt) -> Outcome:
        """Have the function run in its own process, and say how that ended."""
        place, reader = self._place(), OutputReader(attempt)
        place.settle(fresh=live_job.options.fresh)
        attempt.share(place.cells)
        self._supervised[job.id].place = place
        order = {
            "job": job.id, "attempt": job.attempt, "task": job.task, "params": job.params, "timeout": timeout_of(job),
            "owner_key": job.owner_key,
        }  # fmt: skip
        try:
            ended = place.run(order, reader)
        except ChannelClosedError as error:
            message = f"The process that runs jobs could not be started: {error}"
            return Failed(described(ErrorReason.CRASHED, "", message), may_retry=True)
        if isinstance(ended, Death):
            return self._death(attempt, ended, reader.last_line)
        outcome = with_last_line(from_message(ended), reader.last_line)
        if attempt.raised and attempt.stop_reason is not None:
            return Stopped(attempt.stop_reason)  # whatever it then returned or raised
        if isinstance(outcome, Failed) and outcome.signalled and _sees_shutdown():
            return Stopped(StopReason.SHUTDOWN)  # whoever stopped the server signalled what the job had started, too
        return outcome

    def _death(self, attempt: Attempt, death: Death, last_line: str) -> Outcome:
        """What it means that a runner died: a stop that went to its last step, a shutdown, or a crash."""
        supervisor = self._supervised[attempt.id]
        if death.killed and supervisor.out_of_memory:
            used, limit = shown_bytes(supervisor.out_of_memory), shown_bytes(most_memory_of(attempt.task) or 0)
            message = f"It used {used} of memory; its limit is {limit}"
            return Failed(described(ErrorReason.MEMORY, "", message), may_retry=True)
        reason = attempt.stop_reason
        if reason is not None and (death.killed or attempt.raised or attempt.view[INTERRUPT]):
            if death.killed and reason is not StopReason.SHUTDOWN:
                attempt.write("warning", "The job did not stop and was ended with its process")
            return Stopped(reason)
        if death.still or (death.signal in OF_A_SHUTDOWN and _sees_shutdown()):
            return Stopped(StopReason.SHUTDOWN)
        return Failed(described(ErrorReason.CRASHED, "", how_it_died(death, last_line)), may_retry=True)

    def _place(self) -> Place:
        """A place that is free: the pool has as many as jobs it runs at a time."""
        try:
            return self._free.get_nowait()
        except Empty:
            place = new_place(zygotes.execute)
            self._places.append(place)
            return place

    def answer_probe(self, queue: str, number: int) -> None:
        """Say that a probe was taken out of its queue; one that cannot be answered now is sent again."""
        self._database.submit(queue_probes.answer, queue, number)

    def finish(self, job: Job, outcome: Outcome) -> Job | None:
        """Write how the attempt ended; returns when it is committed, or the lease is known to be lost."""
        supervisor = self._supervised[job.id]
        supervisor.leave()
        wait = wait_before_retry(job, outcome)
        if isinstance(outcome, Stopped) and supervisor.place is not None:
            supervisor.place.clear()  # before the finish: what it says is true when it is read
        try:
            finished = self._insist(partial(supervisor.writes.finish, outcome, wait))
        except Exception as error:
            finished = self._insist(partial(supervisor.writes.finish_unstorable, error))
        finally:
            self._supervised.pop(job.id, None)
            if supervisor.place is not None:
                supervisor.place.settle()
                self._free.put(supervisor.place)
            parent.look_for_more()
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
        for place in self._places:
            place.close()

    def _insist(self, call: Callable[[], Job | None]) -> Job | None:
        return self._database.insist(call, give_up=lambda: False).result()

    async def _keep_ticking(self) -> None:
        while True:  # until cancelled: while the process leaves, its last words may hang too
            now = time.monotonic()
            self._stood_still(now)
            for place in self._places:
                place.beat()
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

    def _stood_still(self, now: float) -> None:
        """After a freeze, end what runs before it takes another step: it may have been rescued meanwhile."""
        last, self._ticked_at = self._ticked_at, now
        if now - last > conf.WATCHDOG_SECONDS:
            for supervisor in list(self._supervised.values()):
                supervisor.end_now()

    def _hear_shutdown(self, now: float) -> None:
        match self._shutdown.demand(now):
            case Demand.GIVE_BACK:
                for supervisor in list(self._supervised.values()):
                    supervisor.stop(StopReason.SHUTDOWN)
            case Demand.AT_ONCE:
                for supervisor in list(self._supervised.values()):
                    supervisor.end_now()
        if self._shutdown.take_leave():  # it ends as it would have without a job, once Celery has heard of that
            asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, os.kill, os.getpid(), signal.SIGTERM)

    async def _be_present(self) -> None:
        queues = sorted(publishing.celery_app().amqp.queues.consume_from)
        tasks = sorted(live_job.name for live_job in registry)
        beat = partial(presence.beat, presence.WORKER, self.name, tasks=tasks, queues=queues)
        last: Future[None] | None = None
        while not self._leaving:
            if parent.takes_no_more():
                self._say_it_takes_no_more()
                return
            if last is None or last.done():  # none in stock: a database that was away gets one, not a hundred
                last = self._database.submit(beat)
            await asyncio.sleep(conf.BEAT_SECONDS)

    def _say_it_takes_no_more(self) -> None:
        """Be there no more for those who look for workers: jobs would wait for one that never takes them."""
        self._database.submit(presence.leave, presence.WORKER, self.name)
        logger.error(
            "This worker takes no more jobs: Celery's consumer has ended, by an error (see its log) or by remote"
            " control. The worker goes when what runs has ended. After an error of the broker it comes back by itself"
            " where broker_channel_error_retry is set in Celery's settings.",
            extra=fields(LogEvent.WORKER_TAKES_NO_MORE, worker=self.name),
        )

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
        await layer.group_add(groups.workers_group(), channel)
        while True:
            message = await layer.receive(channel)
            supervisor = self._supervised.get(message.get("job", 0))
            if supervisor is None or supervisor.attempt.number != message.get("attempt"):
                continue
            if message["type"] == stacks.REQUEST:
                answering = asyncio.create_task(self._answer_stacks(layer, supervisor, message))
                self._answering.add(answering)  # a task that nobody holds may be collected
                answering.add_done_callback(self._answering.discard)
            else:
                supervisor.stop(StopReason.CANCEL)

    async def _answer_stacks(self, layer: Any, supervisor: AttemptSupervisor, message: dict[str, Any]) -> None:
        written = readable(await supervisor.stacks())
        await stacks.answer(layer, message, written)


def _sees_shutdown() -> bool:
    """Whether the worker is being stopped; its parent may hear of it a moment after others were signalled."""
    give_up_at = time.monotonic() + SHUTDOWN_SEEN_SECONDS
    while not (seen := parent.is_shutting_down()) and time.monotonic() < give_up_at:
        time.sleep(SHUTDOWN_SEEN_SECONDS / 10)
    return seen


def new_attempt(job: Job) -> Attempt:
    """The record of an attempt, for a job as it was claimed."""
    return Attempt(job.id, job.attempt, job.task, max_lines=conf.MAX_LOG_LINES, max_text=conf.MAX_LOG_LINE)


_places: Final[list[Place]] = []  # made before the agent's threads
agent: Final = PerProcess(lambda: Agent(_places))


def timeout_of(job: Job) -> float | None:
    """How long an attempt may take, in seconds."""
    live_job = registry.get(job.task)
    return live_job.options.timeout if live_job else None


def most_memory_of(task: str) -> int | None:
    """How much memory an attempt may use, in bytes."""
    live_job = registry.get(task)
    return live_job.options.memory_bytes if live_job else None


def make_places(count: int) -> None:
    """Start the zygotes of this process, before any thread of ours."""
    _places[:] = [new_place(zygotes.start_first) for _ in range(count)]


def new_place(start: StartZygote) -> Place:
    """Make a place within the bounds of the settings, or of Celery's own for its children."""
    host = publishing.celery_app().conf
    return Place(
        start, zygotes.execute,
        most_jobs=conf.RUNNER_JOBS or host.worker_max_tasks_per_child or math.inf,
        most_memory=conf.RUNNER_MEMORY or (host.worker_max_memory_per_child or math.inf) * 1024,  # Celery's are KiB
    )  # fmt: skip


def prepare_places(instance: Any, **_: Any) -> None:
    """Start the zygotes of a worker that runs jobs itself (Celery's celeryd_after_setup): as many as run at a time."""
    if parent.runs_jobs():
        make_places(1 if parent.pool == "solo" else int(instance.concurrency or 1))


def start_agent(**_: Any) -> None:
    """Start the agent with its worker child (Celery's worker_process_init), or where a pool has none (worker_ready)."""
    if parent.is_child():
        descriptors.let_go_of_connections(parent.broker_descriptors())
        make_places(1)
        agent()
    elif parent.runs_jobs():
        agent()


def end_agent(**_: Any) -> None:
    """End the agent with its worker child (Celery's worker_process_shutdown)."""
    if agent.made is not None:
        agent.made.leave()
