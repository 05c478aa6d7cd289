"""What the processes of a job use: processor and memory, read from /proc; nothing where the system has none."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livejobs.runner import process_tree

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Use:
    """One look.

    :param cpu_seconds: of all processes, those that ended among them.
    :param memory: resident, in bytes; what forks share counts once where `shared` was asked for.
    """

    cpu_seconds: float
    memory: int


def of_all_below(pid: int, *, shared: bool = False) -> Use:
    """Look at everything that descends from a process.

    :param shared: count what forks share by their shares (PSS): right, and ten times as slow.
    """
    cpu, memory = 0, 0
    look = process_tree.children(pid)
    for each in look:
        look += process_tree.children(each)
        try:
            fields = Path(f"/proc/{each}/stat").read_bytes().rpartition(b")")[2].split()
            cpu += sum(map(int, fields[11:15]))  # utime, stime, and those of children that were waited for
            memory += _shares(each) if shared else int(fields[21]) * _PAGE
        except (OSError, IndexError, ValueError):  # it ended meanwhile
            continue
    return Use(cpu / _TICKS, memory)


def _shares(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
