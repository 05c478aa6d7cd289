"""What descends from a process, and its end. Sessions and groups do not matter: a subreaper keeps all below it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
LOOK_SECONDS: Final = 0.005


def become_subreaper() -> None:
    """Keep what descends from this process below it when its own parent ends; on Linux only."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have this process killed when the thread that forked it ends; on Linux only."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before that call
        os._exit(0)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def children(pid: int) -> list[int]:
    """The processes that a process started, or inherited as their subreaper."""
    found = list[int]()
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except OSError:  # no such file on this system
        found = [child for child, parent in _parents() if parent == pid]
    return found


def descendants(pid: int) -> list[int]:
    """Every process below this one that has not ended."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found, look = list[int](), [pid]
    while look:
        below = children.get(look.pop(), [])
        found += below
        look += below
    return found


def end(pids: list[int], number: int) -> None:
    """Send a signal to each that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def reap() -> dict[int, int]:
    """Collect children that ended: their wait status by pid."""
    ended: dict[int, int] = {}
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended[pid] = status
    return ended


def sweep(polite_seconds: float = 0.0) -> dict[int, int]:
    """End all below this process until none is left; returns the wait status of each child that ended.

    :param polite_seconds: how long SIGTERM is given before SIGKILL.
    """
    ended: dict[int, int] = {}
    kill_at = time.monotonic() + polite_seconds
    asked: set[int] = set()
    while True:
        ended |= reap()
        below = descendants(os.getpid())
        if not below:
            return ended | reap()  # one may have ended since
        if time.monotonic() >= kill_at:
            end(below, signal.SIGKILL)
        else:
            end([pid for pid in below if pid not in asked], signal.SIGTERM)
            asked |= set(below)
        time.sleep(LOOK_SECONDS)


def _parents() -> list[tuple[int, int]]:
    """(process, its parent) of every process that has not ended."""
    if not Path("/proc/self/stat").exists():  # macOS
        listed = subprocess.run(["ps", "-axo", "pid=,ppid=,stat="], capture_output=True, text=True, check=False)  # noqa: S607
        fields = [line.split() for line in listed.stdout.splitlines()]
        return [(int(pid), int(parent)) for pid, parent, state in fields if not state.startswith("Z")]
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            data = Path(f"/proc/{name}/stat").read_bytes()
        except OSError:  # it ended meanwhile
            continue
        # the command's name stands in parentheses and may hold anything, so count from its end
        state, parent = data.rpartition(b")")[2].split(maxsplit=2)[:2]
        if state not in (b"Z", b"X"):
            found.append((int(name), int(parent)))
    return found
