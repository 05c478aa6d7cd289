"""What the words cost: reading a command, writing an event, counting a step of a job. No server, no database.

A step is counted in shared memory, as in a job; its peer is tqdm, which draws into nothing. Of both a bare
loop is taken off.
"""

from __future__ import annotations

import io
import json
import mmap
import statistics
import timeit
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from livejobs import protocol
from livejobs.definition import Attempt, CurrentJob
from livejobs.definition.cells import Cells

START = {"action": "start", "ref": 1, "task": "count_words", "params": {"text": "so it goes"}, "key": "8c2f"}
PROGRESS: dict[str, Any] = {
    "action": "progress", "job_id": 42, "attempt": 1, "tick": 4, "current": 700, "total": 1000, "message": "counting",
}  # fmt: skip
STEPS = 100_000
ROUNDS = 9


def microseconds(statement: Any, number: int = 20_000) -> float:
    """The fastest of five rounds: what is slower is the machine's doing."""
    return min(timeit.repeat(statement, number=number, repeat=5)) / number * 1e6


def plain() -> None:
    """Count to STEPS."""
    for _ in range(STEPS):
        pass


def tracked() -> None:
    """Count to STEPS, and tell how far it is as a job does."""
    job = CurrentJob(Attempt(1, 1, "bench", cells=Cells(mmap.mmap(-1, mmap.PAGESIZE))))
    for _ in job.track(range(STEPS)):
        pass


def drawn() -> None:
    """Count to STEPS, and draw a bar into nothing."""
    for _ in tqdm(range(STEPS), file=io.StringIO()):
        pass


def alternated(*works: Callable[[], None]) -> list[float]:
    """The median seconds of each, measured by turns."""
    rounds = [[timeit.timeit(work, number=1) for work in works] for _ in range(ROUNDS)]
    return [statistics.median(seconds) for seconds in zip(*rounds, strict=True)]


def run() -> dict[str, float]:
    """Measure."""
    text = json.dumps(START)
    bare, track, bar = alternated(plain, tracked, drawn)
    return {
        "read and check a command (us)": microseconds(
            lambda: protocol.parse(protocol.decode(text, max_bytes=1 << 19, max_depth=20))
        ),
        "write an event (us)": microseconds(lambda: protocol.encode(PROGRESS)),
        "peer: write it with json (us)": microseconds(lambda: json.dumps(PROGRESS)),
        "one step of track() (ns)": (track - bare) / STEPS * 1e9,
        "peer: one step of tqdm (ns)": (bar - bare) / STEPS * 1e9,
        "peer, ratio of the two": (track - bare) / (bar - bare),
    }
