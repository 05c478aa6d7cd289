"""Real Celery workers for tests."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connections

from livejobs import actions, transitions
from livejobs.conf import conf
from livejobs.definition import LiveJob
from livejobs.health.presence import WORKER
from livejobs.maintenance import loop
from livejobs.models import Job, JobEvent, JobLog, Presence
from livejobs.states import FINISHED, State, legal
from tests.support.waiting import wait_for

STOP_SECONDS = 15
FAST = {
    "BEAT_SECONDS": 0.5,
    "LEASE_SECONDS": 2.0,
    "DISPATCH_SECONDS": 0.2,
    "REPUBLISH_SECONDS": 3.0,
    "PROBE_SECONDS": 1.0,
}


class Worker:
    """A prefork worker in a session of its own, on the database and the Valkey of the test."""

    def __init__(
        self,
        log: Path,
        *,
        children: int = 2,
        queues: Sequence[str] = ("livejobs",),
        fast: bool = True,
        pool: str = "prefork",
        app: str = "tests.celery_app",
    ) -> None:
        self.log, self.children, self.queues, self.fast, self.pool, self.app = log, children, queues, fast, pool, app
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until every child says that it is there."""
        command = [
            sys.executable, "-m", "celery", "-A", self.app, "worker", "--pool", self.pool,
            "--concurrency", str(self.children), "--without-gossip", "--without-mingle", "--without-heartbeat",
            "-Q", ",".join(self.queues), "--loglevel", "INFO", "-n", f"test{os.getpid()}@%h",
        ]  # fmt: skip
        environment = {**os.environ, "LIVEJOBS_TEST_FAST": "1" if self.fast else "0", "C_FORCE_ROOT": "1"}
        environment["PYTHONWARNINGS"] = "ignore"
        before = set(self.presences())
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        wait_for(
            lambda: len(set(self.presences()) - before) >= (self.children if self.pool == "prefork" else 1),
            timeout=30,
            message=f"a worker ({self.log})",
        )

    def presences(self) -> list[str]:
        """The names of the children that are there."""
        return list(Presence.objects.filter(kind=WORKER).values_list("name", flat=True))

    def complaints(self) -> list[str]:
        """What its log says of errors in the machinery; a killed child is none, nor is what a job logged itself."""
        records = re.split(r"^(?=\[)", self.log.read_text(), flags=re.MULTILINE)
        ours = [record for record in records if "Traceback" in record or "stumbled" in record]
        return [record for record in ours if "WorkerLostError" not in record and "in logs_in_every_way" not in record]

    def stop(self) -> None:
        """End it in order, and by force if that takes too long."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it and its children at once."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if number == signal.SIGKILL:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_SECONDS)
            raise


@contextmanager
def maintaining() -> Iterator[None]:
    """Run the maintenance process as a thread of the test, with the settings in force."""
    stop = threading.Event()

    def run() -> None:
        try:
            loop.run(stop)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def start(task: LiveJob[..., Any], **params: object) -> Job:
    """Start a job without an owner."""
    return actions.start(task, params)


def finished(job: Job, timeout: float = 30) -> Job:
    """Wait for the end of a job, and check its whole history."""

    def look() -> Job | None:
        row = Job.objects.get(id=job.id)
        return row if row.state in FINISHED else None

    row = wait_for(look, timeout, f"the end of {job}")
    check_history(row)
    return row


def check_history(row: Job) -> None:
    """Versions are contiguous, every edge is legal, the last one is where the row is."""
    events = list(JobEvent.objects.filter(job=row).order_by("version"))
    assert [event.version for event in events] == list(range(1, row.version + 1))
    assert all(legal(State(a.state), State(b.state)) for a, b in itertools.pairwise(events))
    assert events[-1].state == row.state


def waiting(job: Job) -> None:
    """Wait until the function itself runs: its first line of log is stored."""
    wait_for(lambda: JobLog.objects.filter(job=job, text="waiting").exists(), 30, f"the first line of {job}")


def log_of(job: Job) -> list[str]:
    """The lines of a job's log, and a check that they are numbered without a gap."""
    lines = list(JobLog.objects.filter(job=job).order_by("seq").values_list("seq", "text"))
    numbers = [seq for seq, _ in lines]
    assert numbers == list(range(1, len(lines) + 1)) or len(lines) == conf.MAX_LOG_LINES  # the middle is left out
    return [text for _, text in lines]


def queued(task: str = "tests.jobs.add", **params: Any) -> Job:
    """A job in a queue that no worker serves."""
    return transitions.accept(Job(task=task, params=params or {"a": 1, "b": 1}, queue="nowhere"))


def failing(times: int, call: Any, error: Exception, *, after: bool = False) -> Any:
    """A call that fails so many times first: before it does anything, or when it has done it already."""
    left = [times]

    def fail_first(*args: Any, **kwargs: Any) -> Any:
        if left[0] and not after:
            left[0] -= 1
            raise error
        answer = call(*args, **kwargs)
        if left[0]:
            left[0] -= 1
            raise error
        return answer

    return fail_first
