"""From the command to the first page and to the first running job: `livejobs up` on a new data folder, warm caches.

The peer is what a person would start by hand for one of its parts: a bare Celery worker with two prefork children and
an in-memory broker, until it says that it is ready.
"""

from __future__ import annotations

import json
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from websockets.sync.client import connect

from tests.support.waiting import wait_for

ROOT = Path(__file__).parent.parent
ROUNDS = 5
PEER = [
    sys.executable, "-m", "celery", "-b", "memory://", "worker", "--pool", "prefork", "--concurrency", "2",
    "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO",
]  # fmt: skip


def run() -> dict[str, float]:
    """Measure, ours and the peer in turn."""
    rounds = [(*ours(), peer()) for _ in range(ROUNDS)]
    page, running, bare = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {
        "to the first page (s, median)": page,
        "to the first running job (s, median)": running,
        "peer: a bare Celery worker is ready (s, median)": bare,
        "first page / peer (ratio of medians)": page / bare,
    }


def ours() -> tuple[float, float]:
    """Seconds until the page is served, and until a job started at once is running."""
    with tempfile.TemporaryDirectory(prefix="lj-bench-") as folder:
        command = ["-m", "livejobs.server.cli", "up", "examples/tasks.py", "--port", "0", "--data", f"{folder}/data"]
        begun = time.perf_counter()
        log, process = started([sys.executable, *command], Path(folder))
        try:
            found = wait_for(lambda: re.search(r"http://([\d.]+:\d+)/", log.read_text()), timeout=60, message=str(log))
            urllib.request.urlopen(found[0], timeout=10).close()
            page = time.perf_counter() - begun
            start_and_see_it_run(f"ws://{found[1]}/socket/")
            return page, time.perf_counter() - begun
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def start_and_see_it_run(url: str) -> None:
    """Start the three-second task and watch it until it runs."""
    with connect(url, subprotocols=["livejobs.v1"]) as socket:  # type: ignore[list-item]
        socket.send(json.dumps({"action": "watch", "id": "list", "jobs": {"scope": "mine"}}))
        socket.send(json.dumps({"action": "start", "task": "sec3"}))
        while '"state":"running"' not in str(socket.recv(timeout=30)):
            pass


def peer() -> float:
    """Seconds until a bare worker is ready."""
    with tempfile.TemporaryDirectory(prefix="lj-bench-") as folder:
        begun = time.perf_counter()
        log, process = started(PEER, Path(folder))
        try:
            ready: Callable[[], bool] = lambda: " ready." in log.read_text()  # noqa: E731
            wait_for(ready, timeout=60, message=str(log))
            return time.perf_counter() - begun
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def started(command: list[str], folder: Path) -> tuple[Path, subprocess.Popen[bytes]]:
    """Start a process whose output goes to a file in that folder."""
    log = folder / "output.log"
    with log.open("wb") as output:
        return log, subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
