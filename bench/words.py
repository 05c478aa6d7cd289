"""What the words cost: reading a command, writing an event, counting a step of a job. No server, no database."""

from __future__ import annotations

import json
import timeit
from typing import Any

from livejobs import protocol
from livejobs.definition import Attempt, CurrentJob

START = {"action": "start", "ref": 1, "task": "count_words", "params": {"text": "so it goes"}, "key": "8c2f"}
PROGRESS: dict[str, Any] = {
    "action": "progress", "job_id": 42, "attempt": 1, "tick": 4, "current": 700, "total": 1000, "message": "counting",
}  # fmt: skip
STEPS = 100_000


def microseconds(statement: Any, number: int = 20_000) -> float:
    """The fastest of five rounds: what is slower is the machine's doing."""
    return min(timeit.repeat(statement, number=number, repeat=5)) / number * 1e6


def run() -> dict[str, float]:
    """Measure."""
    text = json.dumps(START)
    job = CurrentJob(Attempt(1, 1, "bench"))

    def track() -> None:
        for _ in job.track(range(STEPS)):
            pass

    def plain() -> None:
        for _ in range(STEPS):
            pass

    step = (min(timeit.repeat(track, number=1, repeat=5)) - min(timeit.repeat(plain, number=1, repeat=5))) / STEPS
    return {
        "read and check a command (us)": microseconds(
            lambda: protocol.parse(protocol.decode(text, max_bytes=1 << 19, max_depth=20))
        ),
        "write an event (us)": microseconds(lambda: protocol.encode(PROGRESS)),
        "peer: write it with json (us)": microseconds(lambda: json.dumps(PROGRESS)),
        "one step of track() (ns)": step * 1e9,
    }
