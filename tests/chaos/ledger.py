"""The ledger: what really ran, written by the jobs themselves, outside the database.

One line for each step, `job attempt step pid`, in one write to a file opened with O_APPEND: lines of several processes
never mix, and a line that was written stays although the process is killed right after.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

BEGIN = "begin"
VARIABLE = "LIVEJOBS_CHAOS_LEDGER"


def write(job: int | None, attempt: int, step: str) -> None:
    """Add a line."""
    descriptor = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{job} {attempt} {step} {os.getpid()}\n".encode())
    finally:
        os.close(descriptor)


@dataclass
class Executions:
    """What the ledger says of one job."""

    begun: list[int] = field(default_factory=list)  # the attempt of each execution, in order
    steps: list[tuple[int, str]] = field(default_factory=list)


def read(path: Path, job_ids: Iterable[int]) -> dict[int, Executions]:
    """The executions of these jobs; one that never ran has none."""
    found: defaultdict[int, Executions] = defaultdict(Executions)
    for line in path.read_text().splitlines() if path.exists() else ():
        job, attempt, step, _ = line.split()
        found[int(job)].steps.append((int(attempt), step))
        if step == BEGIN:
            found[int(job)].begun.append(int(attempt))
    return {job_id: found[job_id] for job_id in job_ids}
