"""Real Celery workers for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from livejobs.models import Presence
from livejobs.presence import WORKER
from tests.waiting import wait_for

STOP_SECONDS = 15


class Worker:
    """A prefork worker in a session of its own, on the database and the Valkey of the test."""

    def __init__(
        self, log: Path, *, children: int = 2, queues: Sequence[str] = ("livejobs",), fast: bool = True
    ) -> None:
        self.log, self.children, self.queues, self.fast = log, children, queues, fast
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until every child says that it is there."""
        command = [
            sys.executable, "-m", "celery", "-A", "tests.celery_app", "worker", "--pool", "prefork",
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
            lambda: len(set(self.presences()) - before) >= self.children, timeout=30, message=f"a worker ({self.log})"
        )

    def presences(self) -> list[str]:
        """The names of the children that are there."""
        return list(Presence.objects.filter(kind=WORKER).values_list("name", flat=True))

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
