"""What processes hold: descriptors, threads, connections and memory, before and after."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SHARE: Final = 0.10
# beside the ten percent, because a few more of a few is no leak: a pool's connection, a thread of an executor
ALLOWED: Final = {"descriptors": 6, "threads": 6, "megabytes": 24}


@dataclass(frozen=True, slots=True)
class Held:
    """What one process holds now."""

    descriptors: int
    threads: int
    megabytes: int


def held(pid: int) -> Held | None:
    """Look at a process; None when it has ended."""
    try:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return Held(len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"]), int(status["VmRSS"].split()[0]) // 1024)
    except (OSError, KeyError):
        return None


def compare(name: str, before: Held, after: Held) -> list[str]:
    """What grew by more than it may."""
    return [
        f"{name}: {what} grew from {getattr(before, what)} to {getattr(after, what)}"
        for what, allowed in ALLOWED.items()
        if getattr(after, what) > getattr(before, what) * (1 + SHARE) + allowed
    ]
