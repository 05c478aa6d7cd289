"""What processes hold: descriptors, threads and memory, early and late in their lives."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

SAMPLES: Final = 4  # a process that was seen less often is too young: its pools are still filling
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


def most(samples: Sequence[Held]) -> Held | None:
    """The most that was held in the first half of a process's life; what leaks has grown since. None: too young.

    :param samples: from quiet moments, the earliest first.
    """
    if len(samples) < SAMPLES:
        return None
    early = samples[: len(samples) // 2]
    return Held(*(max(getattr(each, field.name) for each in early) for field in fields(Held)))


def compare(name: str, before: Held, after: Held) -> list[str]:
    """What grew by more than it may."""
    return [
        f"{name}: {what} grew from {getattr(before, what)} to {getattr(after, what)}"
        for what, allowed in ALLOWED.items()
        if getattr(after, what) > getattr(before, what) * (1 + SHARE) + allowed
    ]
