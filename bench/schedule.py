"""How late the scheduler queues a job whose time has come, with 100,000 others waiting; the peer: a table without them.

On both databases, with the maintenance process as people run it (a thread here, with the settings they have).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.servers import Postgres

WAITING = 100_000


def run() -> dict[str, float]:
    """Measure."""
    measures: dict[str, float] = {}
    postgres = Postgres(careful=True)
    postgres.start()
    try:
        postgres.create("bench")
        for name, address in (("postgresql", f"127.0.0.1:{postgres.port}"), ("sqlite", "")):
            for waiting in (0, WAITING):
                with tempfile.TemporaryDirectory(prefix="lj-bench-") as folder:
                    median, worst = lateness(address or str(Path(folder) / "bench.sqlite3"), waiting)
                peer = "peer: " if not waiting else ""
                measures[f"{peer}{name}, {waiting:,} waiting: late (s, median)"] = median
                measures[f"{peer}{name}, {waiting:,} waiting: late (s, worst)"] = worst
    finally:
        postgres.remove()
    return measures


def lateness(database: str, waiting: int) -> tuple[float, float]:
    """In a process of its own, because Django is set up once."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
        "LIVEJOBS_CHAOS_DATABASE": database,
        "LIVEJOBS_CHAOS_DATABASE_NAME": "bench",
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-m", "bench._schedule", str(waiting)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    median, worst = json.loads(done.stdout.splitlines()[-1])
    return median, worst
