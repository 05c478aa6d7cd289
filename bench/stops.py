"""How soon a job stops, and how soon a crash is known, as a page sees it: the figures that `docs/promises.md` gives.

A real `livejobs up` with one worker. From the moment a cancel is sent, or a job's process ends itself, until the socket
says how it ended; and until the next job, which waits, runs. `LIVEJOBS_POOL=threads make bench ARGS=stops` for threads.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.server_process import Server, Visitor
from tests.support.waiting import wait_for

ROUNDS = 7
TASKS = """
import hashlib, os, re, signal, socket, sqlite3, subprocess, threading, time
from livejobs import current_job, live_job


def say(mark):
    with open(mark + ".part", "w") as file:
        file.write(repr(time.time()))
    os.rename(mark + ".part", mark)


@live_job
def mark(mark: str):
    say(mark)


@live_job
def looks_up(mark: str):
    say(mark)
    for _ in current_job().track(range(10**9)):
        time.sleep(0.01)


@live_job
def prints(mark: str):
    say(mark)
    while True:
        print("on")
        time.sleep(0.01)


@live_job
def sleeps(mark: str):
    say(mark)
    time.sleep(3600)


@live_job
def reads_a_socket(mark: str):
    one, other = socket.socketpair()
    say(mark)
    one.recv(1)


@live_job
def waits_for_a_program(mark: str):
    say(mark)
    subprocess.run(["sleep", "3600"])


@live_job
def waits_for_a_lock(mark: str):
    lock = threading.Lock()
    lock.acquire()
    say(mark)
    lock.acquire()


@live_job
def spins(mark: str):
    say(mark)
    while True:
        pass


@live_job
def queries(mark: str):
    say(mark)
    sqlite3.connect(":memory:").execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    ).fetchall()


@live_job
def matches(mark: str):
    say(mark)
    re.match(r"(a+)+$", "a" * 60 + "b")


@live_job
def swallows(mark: str):
    say(mark)
    while True:
        try:
            time.sleep(0.1)
        except BaseException:
            pass


@live_job
def hashes(mark: str):
    say(mark)
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2**31 - 1)


@live_job(timeout=2)
def limited(mark: str):
    say(mark)
    time.sleep(3600)


@live_job
def exits(mark: str):
    say(mark)
    os._exit(3)


@live_job
def crashes(mark: str):
    say(mark)
    os.kill(os.getpid(), signal.SIGSEGV)


@live_job
def is_killed(mark: str):
    say(mark)
    os.kill(os.getpid(), signal.SIGKILL)
"""
SOON = (
    "looks_up",
    "prints",
    "sleeps",
    "reads_a_socket",
    "waits_for_a_program",
    "waits_for_a_lock",
    "spins",
    "queries",
    "matches",
)
LATE = ("swallows", "hashes")
DEATHS = ("exits", "crashes", "is_killed")


def run() -> dict[str, float]:
    """Measure."""
    with tempfile.TemporaryDirectory(prefix="lj-bench-") as name:
        folder = Path(name)
        (folder / "tasks.py").write_text(TASKS)
        pool = {"LIVEJOBS_POOL": os.environ["LIVEJOBS_POOL"]} if "LIVEJOBS_POOL" in os.environ else {}
        server = Server(folder, workers=1, extra=pool)
        server.start()
        try:
            return dict(Bench(server).measures())
        finally:
            server.stop()


class Bench:
    """One server, and somebody who watches."""

    def __init__(self, server: Server) -> None:
        self._server, self._visitor, self._marks = server, Visitor(server), 0

    def measures(self) -> Any:
        """Yield each measure and its value, in seconds."""
        for task in SOON:
            yield from self._told(f"cancel: {task}", ROUNDS, partial(self._cancelled, task))
        for task in LATE:
            yield from self._told(f"cancel: {task}", 1, partial(self._cancelled, task))
        yield from self._told("timeout=2: sleeps", ROUNDS, lambda: self._ended("limited")[0])
        for task in DEATHS:
            both = [self._ended(task, followed=True) for _ in range(ROUNDS)]
            yield from self._told(f"death: {task}", ROUNDS, iter(seen for seen, _ in both).__next__)
            yield from self._told(
                f"  and the next job runs after: {task}", ROUNDS, iter(then for _, then in both).__next__
            )

    def _told(self, what: str, rounds: int, measure: Callable[[], float]) -> Any:
        found = [measure() for _ in range(rounds)]
        yield f"{what} (s, median)", statistics.median(found)
        if rounds > 1:
            yield f"{what} (s, slowest of {rounds})", max(found)

    def _start(self, task: str) -> tuple[int, Path]:
        self._marks += 1
        mark = self._server.folder / f"mark{self._marks}"
        return self._visitor.start(task, mark=str(mark)), mark

    def _cancelled(self, task: str) -> float:
        job, mark = self._start(task)
        with self._visitor.connect() as socket:
            socket.send(json.dumps({"action": "watch", "id": 1, "job_id": job, "ref": 1}))
            said_at(mark)
            begun = time.time()
            socket.send(json.dumps({"action": "cancel", "job_id": job, "ref": 2}))
            ended = hear_end(socket, job)
        assert ended[0] == "cancelled", ended
        return ended[1] - begun

    def _ended(self, task: str, *, followed: bool = False) -> tuple[float, float]:
        """Seconds from what the function does last until its end is told, and until the next job runs."""
        with self._visitor.connect() as socket:
            job, mark = self._start(task)
            socket.send(json.dumps({"action": "watch", "id": 1, "job_id": job, "ref": 1}))
            after = self._start("mark")[1] if followed else None
            ended = hear_end(socket, job)
        assert ended[0] == "failed", ended
        begun = said_at(mark)
        return ended[1] - begun, (said_at(after) - ended[1]) if after else 0.0


def said_at(mark: Path) -> float:
    """When a function reached its mark."""
    return float(wait_for(lambda: mark.read_text() if mark.exists() else "", timeout=60))


def hear_end(socket: Any, job: int) -> tuple[str, float]:
    """Wait until the socket says that the job has ended; its state, and when."""
    while True:
        frame = json.loads(socket.recv(timeout=60))
        for message in frame.get("messages", [frame]):
            told = message.get("job") or {}
            if told.get("id") == job and told.get("state") in ("cancelled", "failed", "succeeded"):
                return told["state"], time.time()
