"""The last one out: a tiny process that ends whatever the supervisor left behind, however the supervisor ended.

Run as a file with nothing but the standard library (`python -I -S guard.py RUNTIME`), so that it is up in
milliseconds and costs little. It reads a pipe that only the supervisor writes: `+N` names a session to end, `-N`
forgets one. When the pipe closes the supervisor is gone, in good order or by `kill -9`: the guard then kills every
process of those sessions, and every process that inherited our runtime folder in its environment (a job's
subprocess may have made a session of its own), and removes the folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress

SWEEP_SECONDS = 10.0
STEP_SECONDS = 0.02


def members(sessions: Collection[int], runtime: str = "") -> list[int]:
    """List the living processes of these sessions and those with `LIVEJOBS_RUNTIME=<runtime>` in their environment.

    Needs /proc; elsewhere it lists nothing, and `end` falls back to process groups.
    """
    mark = f"LIVEJOBS_RUNTIME={runtime}".encode() if runtime else None
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit() and int(name) != os.getpid() and _belongs(name, sessions, mark):
            found.append(int(name))
    return found


def _belongs(pid: str, sessions: Collection[int], mark: bytes | None) -> bool:
    # a process may go away between any two reads, and others' processes may not be read
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # the command's name stands in parentheses and may hold anything, so count from its end
            fields = file.read().rpartition(b")")[2].split()
        if fields[0] in (b"Z", b"X"):
            return False
        if int(fields[3]) in sessions:
            return True
        if mark is None:
            return False
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark in file.read().split(b"\0")
    except (OSError, IndexError, ValueError):
        return False


def end(sessions: Collection[int], runtime: str = "", *, seconds: float = SWEEP_SECONDS) -> bool:
    """Kill them all and wait until they are gone; say whether they are.

    A killed process may have just started another, so look again until there is none.
    """
    deadline = time.monotonic() + seconds
    for session in sessions:
        # each part leads its own session and group; without /proc this is all there is
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(session, signal.SIGKILL)
    while left := members(sessions, runtime):
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(STEP_SECONDS)
    return True


def watch(runtime: str) -> None:
    """Follow the supervisor's words until it is gone, then end what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions: set[int] = set()
    for line in sys.stdin.buffer:
        word = line.strip()
        if word[:1] == b"+":
            sessions.add(int(word[1:]))
        elif word[:1] == b"-":
            sessions.discard(int(word[1:]))
    end(sessions, runtime)
    shutil.rmtree(runtime, ignore_errors=True)


if __name__ == "__main__":
    watch(sys.argv[1])
