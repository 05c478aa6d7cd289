"""Jobs that the tests run: each ends, hangs or breaks in its own way."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from django.db import connection

from livejobs import current_job, live_job


@live_job(expose=True)
def at_once() -> str:
    """Return at once."""
    return "done"


@live_job(expose=True)
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@live_job
def count_up(to: int = 5) -> dict[str, int]:
    """Report progress and log."""
    job = current_job()
    for number in job.track(range(to)):
        print("line", number)
        job.log(f"logged {number}", level="warning")
    return {"counted": to}


@live_job
def fails() -> None:
    """Raise."""
    raise ValueError("bad row 7")


@live_job
def wait_in_sleep(seconds: float = 60) -> str:
    """Wait in one call that looks at nothing."""
    print("waiting")
    time.sleep(seconds)
    return "slept"


@live_job
def wait_in_query() -> str:
    """Wait inside one query of the ORM's connection."""
    print("waiting")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_sleep(60)")
        else:
            cursor.execute(
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000000000) SELECT max(x) FROM n"
            )
    return "queried"


@live_job
def wait_in_subprocess() -> str:
    """Wait for another process."""
    print("waiting")
    subprocess.run(["sleep", "60"], check=True)
    return "waited"


@live_job
def wait_by_steps(seconds: float = 60) -> int:
    """Wait in steps that can be stopped between."""
    steps = 0
    print("waiting")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        steps += 1
        current_job().progress(steps)
        time.sleep(0.01)
    return steps


@live_job
def cleans_up(mark: str) -> None:
    """Wait in sleep, swallow every Exception, and leave a mark in `finally`."""
    try:
        while True:
            try:
                print("waiting")
                time.sleep(60)
            except Exception:
                print("swallowed")
    finally:
        Path(mark).write_text("cleaned")


@live_job
def kills_itself_once(mark: str) -> str:
    """Take the worker child down at the first attempt, return at the second."""
    if not Path(mark).exists():
        Path(mark).write_text(str(os.getpid()))
        os.kill(os.getpid(), 9)
    return "survived"


@live_job
def hostile() -> Any:
    """Print and return text that databases and JSON refuse."""
    print("nul \x00 surrogate \ud800 end")
    return {"text": "nul \x00 surrogate \udfff <b>bold</b>"}


@live_job
def returns_nan() -> float:
    """Return what is not JSON."""
    return float("nan")


@live_job(max_losses=0)
def never_twice(mark: str) -> None:
    """Kill the child; may not run a second time."""
    with Path(mark).open("a") as file:
        file.write("ran\n")
    os.kill(os.getpid(), 9)


@live_job
def exits() -> None:
    """Leave by sys.exit, as scripts do."""
    raise SystemExit(3)
