"""Addresses with passwords in them reach our processes by a descriptor, not by their environment.

What is in a worker's environment is in that of every job, and of all that a job starts (`env`, a crash report). So the
supervisor writes them into a file without a name; a part reads it first of all, closes it, and keeps them to itself.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Final

import orjson

VARIABLE: Final = "LIVEJOBS_HANDOVER"  # the number of the descriptor
MOST_BYTES: Final = 65_536

_taken: dict[str, str] | None = None  # by this process


def hand_over(addresses: Mapping[str, str]) -> int:
    """Return a descriptor that the next process reads; any number of processes may read it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("livejobs")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.pwrite(descriptor, orjson.dumps(dict(addresses)), 0)
    return descriptor


def hand_on() -> tuple[dict[str, str], int | None]:
    """What a new Python of this process is told beside its environment: a variable, and a descriptor it inherits."""
    if _taken is None:
        return {}, None
    descriptor = hand_over(_taken)
    return {VARIABLE: str(descriptor)}, descriptor


def take() -> Mapping[str, str]:
    """Return what was handed over to this process; what its environment says where nothing was."""
    global _taken
    number = os.environ.pop(VARIABLE, "")
    if number:
        _taken = orjson.loads(os.pread(int(number), MOST_BYTES, 0))
        os.close(int(number))
    return os.environ if _taken is None else _taken
