"""Prefork and threads, each as `livejobs up` runs it with two workers: how soon ready, what it holds, how fast it goes.

Alternated, each on a new data folder. `make bench ARGS=pools`; which pool is the default stands on these numbers.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from livejobs.runner import process_tree
from tests.support.server_process import Server, Visitor
from tests.support.waiting import wait_for

ROUNDS = 5
JOBS = 300
POOLS = ("prefork", "threads")
TASKS = """
from livejobs import live_job

@live_job
def nothing():
    pass
"""


def run() -> dict[str, float]:
    """Measure."""
    rounds = [[measure(pool) for pool in POOLS] for _ in range(ROUNDS)]
    found: dict[str, float] = {}
    for number, pool in enumerate(POOLS):
        measures = [each[number] for each in rounds]
        for name in measures[0]:
            found[f"{pool}: {name}"] = statistics.median(each[name] for each in measures)
    return found


def measure(pool: str) -> dict[str, float]:
    """One server from its start to its end."""
    with tempfile.TemporaryDirectory(prefix="lj-bench-") as name:
        folder = Path(name)
        (folder / "tasks.py").write_text(TASKS)
        server = Server(folder, workers=2, extra={"LIVEJOBS_POOL": pool})
        begun = time.perf_counter()
        server.start()
        try:
            ready = time.perf_counter() - begun
            visitor = Visitor(server)
            visitor.wait_for(visitor.start("nothing"), "succeeded")
            worker = server.part("worker")
            memory = sum(map(held, [worker, *process_tree.descendants(worker)]))
            begun = time.perf_counter()
            with visitor.connect() as socket:
                for number in range(JOBS):
                    socket.send(json.dumps({"action": "start", "task": "nothing", "params": {}, "ref": number}))
                    while json.loads(socket.recv(timeout=30)).get("ref") != number:
                        pass
                wait_for(lambda: succeeded(server) == JOBS + 1, timeout=120)
            took = time.perf_counter() - begun
        finally:
            server.stop()
        return {"ready (s)": ready, "the worker's processes hold (MB, PSS)": memory, "jobs a second": JOBS / took}


def succeeded(server: Server) -> int:
    """How many jobs have succeeded."""
    with sqlite3.connect(f"file:{server.data}/livejobs.sqlite3?mode=ro", uri=True) as database:
        return int(database.execute("SELECT count(*) FROM livejobs_job WHERE state = 'succeeded'").fetchone()[0])


def held(pid: int) -> float:
    """What a process holds, in MB; what it shares with others counts by its share."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024
