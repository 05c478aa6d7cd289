"""What a worker child's jobs have started: the processes of its group."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

MOST_DESCRIPTORS: Final = 1024  # looked at: a worker's parent has a few dozen
END_SECONDS: Final = 1.0  # between asking a process to end and ending it
LOOK_SECONDS: Final = 0.02


def lead_a_group() -> None:
    """Make this process the leader of a group: what its jobs start is in it, unless it leaves by itself."""
    with suppress(PermissionError):  # it leads a session already
        os.setpgid(0, 0)


def let_go_of_connections(descriptors: Iterable[int]) -> None:
    """Let go of the connections to a server that a fork left in this process; the numbers stay taken, because objects
    that the fork copied too will close them.

    :param descriptors: some of them; all that lead to the same address are meant.
    """
    addresses = {address for each in descriptors if (address := _peer(each)) is not None}
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3, MOST_DESCRIPTORS):
        if _peer(descriptor) in addresses:
            os.dup2(nothing, descriptor)
    os.close(nothing)


def _peer(descriptor: int) -> object:
    """The address a socket is connected to; None for everything else."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        with socket.socket(fileno=os.dup(descriptor)) as line:
            return line.getpeername() or None
    except OSError:
        return None


def leads_a_group() -> bool:
    """Whether ending the group would end nobody else's processes."""
    return os.getpgrp() == os.getpid()


def end_group() -> None:
    """End this process and everything it started, at once."""
    if leads_a_group():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def end_started() -> None:
    """End what this process started, and wait for that; first by asking."""
    if not leads_a_group():
        return
    give_up_at = time.monotonic() + END_SECONDS
    number = signal.SIGTERM
    while started := members():
        for pid in started:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        if number == signal.SIGKILL:
            return
        while time.monotonic() < give_up_at and members():
            time.sleep(LOOK_SECONDS)
        number = signal.SIGKILL


def members() -> list[int]:
    """The other processes of this group that have not ended."""
    if Path("/proc/self/stat").exists():
        found = [_of_proc(name) for name in os.listdir("/proc") if name.isdigit()]
    else:
        listed = subprocess.run(["ps", "-axo", "pid=,pgid=,stat="], capture_output=True, text=True, check=False)  # noqa: S607 - macOS
        found = [_of_ps(line.split()) for line in listed.stdout.splitlines()]
    return [pid for pid in found if pid is not None and pid != os.getpid()]


def _of_proc(name: str) -> int | None:
    try:
        # the command's name stands in parentheses and may hold anything, so count from its end
        fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:  # it ended meanwhile
        return None
    return int(name) if int(fields[2]) == os.getpgrp() and fields[0] not in (b"Z", b"X") else None


def _of_ps(fields: list[str]) -> int | None:
    return int(fields[0]) if int(fields[1]) == os.getpgrp() and not fields[2].startswith("Z") else None
