"""The jobs of the chaos suite. Each writes its steps to the ledger."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livejobs import current_job, live_job
from tests.chaos import failpoints, ledger

MANY = 50  # losses that no run comes near: what is tested is that jobs come back, not that they are given up
MEGABYTE = 1024 * 1024


def agent_pid() -> int:
    """The process that looks after this job: the parent of our zygote."""
    return int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1])


@contextmanager
def written() -> Iterator[None]:
    """Write the begin and the end of an execution."""
    job = current_job()
    ledger.write(job.id, job.attempt, ledger.BEGIN)
    yield
    ledger.write(job.id, job.attempt, "end")


@live_job(max_losses=MANY)
def quick() -> str:
    """Return at once."""
    with written():
        print("quick")
    return "done"


@live_job(max_losses=MANY)
def steps(count: int = 10, seconds: float = 1.0) -> int:
    """Go on step by step, with progress and a line of log for each."""
    job = current_job()
    with written():
        for number in job.track(range(count)):
            ledger.write(job.id, job.attempt, str(number))
            job.log(f"attempt {job.attempt} step {number}")
            failpoints.reached("mid_run", agent_pid)
            time.sleep(seconds / count)
    return count


@live_job(max_losses=MANY, retries=MANY, backoff=0.2)
def sturdy(count: int = 10, seconds: float = 1.0) -> int:
    """The same, for a job whose own process is killed: that is its failure, and charged to its retries."""
    job = current_job()
    with written():
        failpoints.reached("runner_begins")
        for number in job.track(range(count)):
            job.log(f"attempt {job.attempt} step {number}")
            failpoints.reached("runner_mid_run")
            failpoints.reached("zygote_mid_run", os.getppid)
            time.sleep(seconds / count)
    failpoints.reached("runner_done")
    return count


@live_job(max_losses=MANY)
def sleeps(seconds: float = 1.0) -> None:
    """Wait in one call."""
    with written():
        print("waiting")
        time.sleep(seconds)


@live_job(max_losses=MANY)
def subprocesses(seconds: float = 1.0) -> None:
    """Wait for another process."""
    with written():
        subprocess.run(["sleep", str(seconds)], check=True)


@live_job(max_losses=MANY)
def swallows(seconds: float = 60.0) -> None:
    """Catch everything, and go on; only its end stops it."""
    with written():
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                time.sleep(0.1)
            except BaseException:
                print("swallowed")


@live_job(max_losses=MANY)
def stuck_in_c(seconds: float = 60.0) -> None:
    """Hold the interpreter's lock in C."""
    with written():
        print("stuck")
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))


@live_job(max_losses=MANY)
def hungry(megabytes: int = 256) -> None:
    """Take memory until there is none left: the child's own limit stands in for the machine's end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken: list[bytearray] = []
    with written():
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * MEGABYTE, hard))
        try:
            while True:
                taken.append(bytearray(8 * MEGABYTE))
        finally:
            taken.clear()
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@live_job(max_losses=1)
def poison() -> None:
    """Kill the child that looks after it, each time."""
    with written():
        os.kill(agent_pid(), signal.SIGKILL)
        time.sleep(60)


@live_job(max_losses=MANY, retries=3, backoff=0.5)
def flaky() -> int:
    """Fail in the first attempt."""
    with written():
        if current_job().attempt == 1:
            raise ValueError("the first attempt fails")
    return current_job().attempt
