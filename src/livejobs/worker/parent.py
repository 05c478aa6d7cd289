"""The parent of worker children: it tells them of a shutdown, and frees the jobs of those that died.

It holds no thread and no database connection, because its children are forked from it. What has to be written when a
child died is written by a short-lived process of its own, so that a database that is away never holds the worker up.
"""

from __future__ import annotations

import logging
import mmap
import os
import secrets
import signal
import socket
import time
from contextlib import suppress
from typing import Any, Final

from celery import bootsteps
from celery.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.signals import celeryd_after_setup, task_failure, task_unknown, worker_init, worker_shutting_down
from django.db import connections

from livejobs import transitions
from livejobs.conf import conf
from livejobs.definition import registry
from livejobs.hints import broadcast, publishing
from livejobs.leases import Lease
from livejobs.log_events import LogEvent, fields
from livejobs.models import Job
from livejobs.per_process import StopSignals
from livejobs.states import State
from livejobs.worker import strangers

logger = logging.getLogger("livejobs.worker")

POOLS: Final = ("prefork", "thread", "solo")
DEATHS: Final = (WorkerLostError, TimeLimitExceeded, Terminated)
FREEING_SECONDS: Final = 10.0  # how long a dead child's job is tried to be freed; the rescuer does it after that
HINT_SECONDS: Final = 2.0
LOOK_SECONDS: Final = (0.005, 0.05, 0.25)


class WorkerParent:
    """What a worker's parent and the children that are forked from it know of each other.

    One object, made before the first fork, so that a child has all of it as it was.
    """

    def __init__(self) -> None:
        self._pool = ""
        self._worker: Any = None  # Celery's
        self._pid = 0  # of the process that forks the children; 0 outside a worker
        self._mark = ""  # in the lease owners of its children: two workers may share a host name, but not this
        # two bytes that children see: 1, shutting down, 2, in a hurry; 1, Celery's worker ends by itself
        self._shutdown: mmap.mmap | None = None
        self._told = StopSignals()
        self._helpers: set[int] = set()

    def connect(self) -> None:
        """Listen to Celery's worker."""
        for sent, hear in (
            (worker_init, self.prepare),
            (celeryd_after_setup, self.check_pool),
            (worker_shutting_down, self.begin_shutdown),
            (task_failure, self.child_died),
            (task_unknown, leave_unknown),
        ):
            sent.connect(hear, weak=False, dispatch_uid=f"livejobs-{hear.__name__}")

    def prepare(self, sender: Any = None, **_: Any) -> None:
        """Make what the children will share, before the first is forked."""
        if self._pid != os.getpid():
            self._pid, self._mark, self._shutdown = os.getpid(), secrets.token_hex(4), mmap.mmap(-1, 2)
            self._told = StopSignals()
            if sender is not None:
                sender.app.steps["worker"].add(NoticeEnd)

    # ------------------------------------------------------------ what others ask

    @property
    def pool(self) -> str:
        """The name of the worker's pool."""
        return self._pool

    @property
    def mark(self) -> str:
        """What tells the leases of this worker's children from all others."""
        return self._mark

    def is_child(self) -> bool:
        """Whether this process was forked by a worker, so that it may end itself without taking others along."""
        return self._pid not in (0, os.getpid())

    def broker_descriptors(self) -> list[int]:
        """What the parent's event loop reads, its connections to the broker among it.

        A child that keeps one of these open keeps it in the parent's epoll too, after the parent closed it: when the
        broker goes away, the parent would spin until that child ends (seen with kombu 5.7).
        """
        return list(getattr(getattr(self._worker, "hub", None), "readers", None) or ())

    def runs_jobs(self) -> bool:
        """Whether this process looks after jobs itself, and no child of it does."""
        return self._pid == os.getpid() and self._pool in ("thread", "solo")

    def look_for_more(self) -> None:
        """Have the worker take its next message now; called in a thread of its pool at the end of a job.

        Where Celery takes none in advance (`worker_disable_prefetch`), the end of a job in a thread makes room for the
        next one and wakes nobody: the event loop slept on for up to a second (seen: two jobs a second).
        """
        hub = getattr(self._worker, "hub", None)
        if self._pool == "thread" and hub is not None:
            hub.call_soon(_look_soon, hub)

    def is_shutting_down(self) -> bool:
        """Whether the worker was told to stop."""
        return self._shutdown is not None and self._shutdown[0] != 0

    def is_hurried(self) -> bool:
        """Whether it was told so again."""
        return self._shutdown is not None and self._shutdown[0] > 1

    def takes_no_more(self) -> bool:
        """Whether Celery's worker ends by itself: it takes no more jobs, and goes when the last that runs has ended."""
        return self._shutdown is not None and self._shutdown[1] != 0

    # ------------------------------------------------------------ what Celery's worker tells

    def worker_ends(self) -> None:
        """Tell the children that Celery's worker ends, if nobody told it to."""
        if self._shutdown is not None and self._shutdown[0] == 0:
            self._shutdown[1] = 1

    def begin_shutdown(self, **_: Any) -> None:
        """Tell the children: their agents give running jobs a grace period, and release them then; or now, if again."""
        if self._shutdown is not None:
            self._told.hear()
            self._shutdown[0] = 1 + self._told.hurried

    def check_pool(self, instance: Any, **_: Any) -> None:
        """Refuse a pool that live jobs cannot run in.

        :raises SystemExit: as gevent and eventlet, under which the agent's threads are none; Celery swallows all else.
        """
        self.prepare()
        self._worker = instance
        self._pool = name = str(instance.pool_cls.__module__).rsplit(".", 1)[-1]
        ours = registry.queues(conf.QUEUE)
        if name not in POOLS and ours & set(instance.app.amqp.queues.consume_from):
            raise SystemExit(
                f"Live jobs run in the prefork, threads and solo pools; this worker has {name} and serves"
                f" {', '.join(sorted(ours))}. Start it with --pool=prefork, or without those queues."
            )

    def child_died(self, task_id: str | None = None, exception: Any = None, **_: Any) -> None:
        """Free the job of a child that is dead (Celery looks every five seconds)."""
        if os.getpid() != self._pid or not isinstance(exception, DEATHS):
            return
        job_id, attempt = (*(task_id or "").split("-"), "")[:2]
        if not (job_id.isdigit() and attempt.isdigit()):
            return
        for helper in tuple(self._helpers):  # those of earlier deaths
            with suppress(ChildProcessError):
                if os.waitpid(helper, os.WNOHANG)[0] == 0:
                    continue
            self._helpers.discard(helper)
        helper = os.fork()
        if helper:
            self._helpers.add(helper)
        else:
            self._free_and_exit(int(job_id), int(attempt))

    # ------------------------------------------------------------ freeing a dead child's job

    def _free_and_exit(self, job_id: int, attempt: int) -> None:
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_DFL)
            signal.alarm(int(2 * FREEING_SECONDS))
            self._free_insistently(job_id, attempt)
            publishing.finish()
            broadcast.outlet().finish(HINT_SECONDS)
        except Exception:
            logger.exception(
                "Job %d of a dead worker child is left to the rescuer", job_id,
                extra=fields(LogEvent.JOB_LEFT_TO_RESCUER, job=job_id, attempt=attempt),
            )  # fmt: skip
        finally:
            os._exit(0)

    def _free_insistently(self, job_id: int, attempt: int) -> None:
        give_up_at = time.monotonic() + FREEING_SECONDS
        while True:
            try:
                self.free(job_id, attempt)
            except Exception:
                connections.close_all()
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.5)
            else:
                return

    def free(self, job_id: int, attempt: int) -> Job | None:
        """Take a job from a child of this worker that is dead.

        One that died before it claimed left the row queued, with its message used up: the dispatcher publishes it
        again.

        :param attempt: the attempt its message hoped to become.
        """
        row = Job.objects.using(conf.DATABASE).filter(id=job_id).first()
        if row is None:
            return None
        if row.state == State.QUEUED and row.attempt == attempt - 1:
            publishing.unpublish([job_id], publish_count=None)
            return None
        owner = row.lease_owner
        child, _, token = owner.rpartition("/")
        host, _, pid = child.rpartition(":")
        ours = host == socket.gethostname() and token.startswith(self._mark) and pid.isdigit()
        if row.state != State.RUNNING or not ours or not _dies(int(pid)):
            return None
        job = transitions.rescue(Lease(job_id, row.attempt, owner), row.beat)
        if job is not None:
            logger.warning(
                "Job %d: its worker child %s died; %s", job_id, pid, job.state,
                extra=fields(
                    LogEvent.JOB_WORKER_DIED, job=job_id, task=job.task, attempt=job.attempt, worker=child,
                    state=job.state,
                ),
            )  # fmt: skip
        return job


parent: Final = WorkerParent()


class NoticeEnd(bootsteps.StartStopStep):
    """Notices that Celery's worker ends. After an error that it takes for unrecoverable nothing else tells."""

    def close(self, _worker: Any) -> None:
        """Be told, before the last jobs are waited for."""
        parent.worker_ends()


def leave_unknown(name: str, id: str | None, message: Any = None, **_: Any) -> None:
    """Say that a message names a task this worker does not know; its row stays queued for a worker that does."""
    headers = (getattr(message, "headers", None) or {}) if message is not None else {}
    job_id = headers.get(publishing.HEADER)
    about = {**headers, "delivery_info": getattr(message, "delivery_info", None)}
    if publishing.stranger(headers):
        strangers.send_on(about)
    elif job_id is not None:
        logger.error(
            "Job %s stays queued: this worker does not know its task %s; is it an old version?", job_id, name,
            extra=fields(LogEvent.JOB_TASK_UNKNOWN, job=int(job_id) if str(job_id).isdigit() else None, task=name),
        )  # fmt: skip


def _look_soon(hub: Any) -> None:
    """Wake the event loop once Celery has noted the end of the job, which it does after the job's own last step."""
    for seconds in LOOK_SECONDS:
        hub.call_later(seconds, _nothing)


def _nothing() -> None:
    """What the event loop is woken for: it looks for messages each time."""


def _dies(pid: int) -> bool:
    """Whether a child is dead, or is within a moment: Celery may just have killed it."""
    give_up_at = time.monotonic() + HINT_SECONDS
    while time.monotonic() < give_up_at:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
