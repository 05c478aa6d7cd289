"""A place where jobs run, one at a time: a zygote, its runner, and the page of memory that all three share.

The thread that runs an attempt reads what it writes, all the while: whatever the database does, a job never waits for
its own output to be read.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import select
import signal
import socket
import sys
import termios
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from livejobs.definition.cells import BEAT, CPU_BEFORE, SIZE, Cells
from livejobs.runner.channel import Channel, ChannelClosedError, pair
from livejobs.worker.output_reader import OutputReader
from livejobs.worker.resources import Use, of_all_below

READ_BYTES: Final = 65_536
PIPE_BYTES: Final = 1024 * 1024  # asked for; the kernel may give less
SETTLE_SECONDS: Final = 1.0  # how long a runner may take to put itself in order after an attempt
TRIES: Final = 3  # to give an order
STACKS_BYTES: Final = 128 * 1024  # of the stacks of a runner's threads; there may be a hundred


@dataclass(frozen=True, slots=True)
class Death:
    """The runner ended without a word.

    :param status: its wait status; None when its zygote is gone, too.
    :param killed: whether its agent had it killed.
    :param still: whether it was ended because its agent stood still.
    """

    status: int | None
    killed: bool = False
    still: bool = False

    @property
    def signal(self) -> int:
        """The signal it died by; 0: none."""
        return os.WTERMSIG(self.status) if self.status is not None and os.WIFSIGNALED(self.status) else 0

    @property
    def code(self) -> int:
        """The code it exited with."""
        return os.WEXITSTATUS(self.status) if self.status is not None and os.WIFEXITED(self.status) else 0


class StartZygote(Protocol):
    """Starts a zygote on its end of the channel and the shared page; returns its pid."""

    def __call__(self, line: socket.socket, page: int) -> int: ...


class Place:
    """One place. `run` and `settle` are called by one thread at a time; `beat`, `interrupt` and `kill` by any.

    :param start: starts the first zygote.
    :param again: starts another in its place, from a process with threads.
    :param most_jobs: after so many a runner is replaced.
    :param most_memory: bytes; beyond them it is replaced, between two jobs.
    """

    def __init__(
        self, start: StartZygote, again: StartZygote, *, most_jobs: float = math.inf, most_memory: float = math.inf
    ) -> None:
        self.most_jobs, self.most_memory = most_jobs, most_memory
        self._page = os.memfd_create("livejobs") if hasattr(os, "memfd_create") else _file()
        os.truncate(self._page, SIZE)
        self._memory = mmap.mmap(self._page, SIZE)
        self.cells = Cells(self._memory)
        self.cells.clear()
        self._again = again
        self._sending = threading.Lock()
        self._killed = self._gone = False
        self._number = 0  # of this runner, from 1
        self._jobs = 0  # that it has run
        self._unsettled = False
        self.runner = 0  # its pid, once known
        self._begin(start)

    # ------------------------------------------------------------ from any thread

    def use(self, *, shared: bool = False) -> Use:
        """What the processes of the attempt at hand use; its processor time since it began.

        :param shared: count what they share once, which is slower.
        """
        seen = of_all_below(self._pid, shared=shared)
        return Use(max(0.0, seen.cpu_seconds - self.cells.view[CPU_BEFORE]), seen.memory)

    def beat(self) -> None:
        """Say that the agent is alive; to be called each second."""
        self.cells.view[BEAT] += 1

    def interrupt(self) -> None:
        """Have `JobStopped` raised in the function."""
        self._ask({"do": "interrupt", "runner": self._number})

    def ask_stacks(self) -> None:
        """Have the runner write down the stacks of its threads; `stacks` reads them."""
        os.ftruncate(self._page, SIZE)
        os.lseek(self._page, SIZE, os.SEEK_SET)  # for the runner, too: it is the same open file
        if _has_open(self.runner, self._page):  # a job may have closed it, and opened another of that number
            self._ask({"do": "stacks", "runner": self._number})

    def stacks(self) -> str:
        """What has been written of the stacks so far."""
        return os.pread(self._page, STACKS_BYTES, SIZE).decode("utf-8", "replace")

    def kill(self) -> None:
        """End the runner and all that descends from it."""
        self._killed = True
        self._ask({"do": "kill", "runner": self._number})

    # ------------------------------------------------------------ from the thread that runs an attempt

    def run(self, order: dict[str, Any], reader: OutputReader) -> dict[str, Any] | Death:
        """Run an attempt, and return what its runner told of its end.

        :param order: job, attempt, task, params, timeout.
        :raises ChannelClosedError: no runner could be started.
        """
        self.settle()
        self._killed = False
        output, theirs = os.pipe()
        try:
            os.set_blocking(output, False)  # others may read it, too: `open("/proc/self/fd/1")`
            _widen(output)
            self._hand_over(order, theirs)
            os.close(theirs)
            theirs = -1
            self._jobs += 1
            ended = self._follow(output, reader)
        finally:
            os.close(output)
            if theirs >= 0:
                os.close(theirs)
        reader.finish()
        self._unsettled = not isinstance(ended, Death)
        if isinstance(ended, Death) and not self._gone:
            self._respawn()
        return ended

    def settle(self, *, fresh: bool = False) -> None:
        """Have a runner that is in order, and another one where it cannot be.

        :param fresh: a new one, whatever this one left.
        """
        if self._gone:
            self._replace_zygote()
        if self._unsettled:
            self._unsettled = False
            try:
                fresh |= bool(self._hear(self._control, SETTLE_SECONDS).get("clean", ["silence"]))
            except ChannelClosedError:
                fresh = True
        fresh |= self._jobs >= self.most_jobs or (self._jobs > 0 and self._is_too_large())
        if fresh and self._jobs:
            self._ask({"do": "kill", "runner": self._number, "polite": True})
            self._respawn()

    def clear(self) -> None:
        """After a stop: end the runner and all that it started, and return when that is done."""
        give_up_at = time.monotonic() + SETTLE_SECONDS
        self._ask({"do": "kill", "runner": self._number, "polite": True})
        while not self._gone and (left := give_up_at - time.monotonic()) > 0:
            if select.select([self._zygote], [], [], left)[0] and self._news() is not None:
                break
        if not self._gone:
            self._respawn()

    def close(self) -> None:
        """Let the zygote end, and with it the runner."""
        self._gone = True
        self._zygote.close()
        self._control.close()
        with suppress(ChildProcessError):
            os.waitpid(self._pid, os.WNOHANG)

    # ------------------------------------------------------------ inside

    def _is_too_large(self) -> bool:
        return self.most_memory < math.inf and _memory(self.runner) > self.most_memory

    def _begin(self, start: StartZygote) -> None:
        self._zygote, theirs = pair()
        with theirs:
            self._pid = start(theirs, self._page)
        self._gone = False
        self._spawn()

    def _replace_zygote(self) -> None:
        self._zygote.close()
        self._control.close()
        with suppress(ChildProcessError):
            os.waitpid(self._pid, os.WNOHANG)
        self._begin(self._again)

    def _spawn(self) -> None:
        self._control, theirs = pair()
        self._number += 1
        with theirs:
            self._ask({"do": "spawn", "runner": self._number}, [theirs.fileno()])
        self._jobs, self._unsettled, self.runner = 0, False, 0

    def _respawn(self) -> None:
        self._control.close()
        self._spawn()

    def _hand_over(self, order: dict[str, Any], output: int) -> None:
        """Give the runner its order; one that died in between, or whose zygote did, is replaced."""
        for tries_left in range(TRIES - 1, -1, -1):
            try:
                self._control.send(order, [output])
            except ChannelClosedError:
                if not tries_left:
                    raise
                if _is_closed(self._zygote):
                    self._replace_zygote()
                else:
                    self._respawn()
            else:
                return

    def _ask(self, message: dict[str, Any], descriptors: tuple[int, ...] | list[int] = ()) -> None:
        with self._sending, suppress(ChannelClosedError):
            self._zygote.send(message, descriptors)

    def _follow(self, output: int, reader: OutputReader) -> dict[str, Any] | Death:
        """Read until the runner tells how it ended, or has died; then what is left of its output."""
        poll = select.poll()
        for what in (output, self._control, self._zygote):
            poll.register(what, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if output in ready and not _read(output, reader):
                poll.unregister(output)  # nothing more will come
            if self._control.fileno() in ready:
                try:
                    message, _ = self._control.receive()
                except ChannelClosedError:
                    poll.unregister(self._control)  # the zygote will say why
                else:
                    read_rest(output, reader)
                    outcome: dict[str, Any] = message["outcome"]
                    return outcome
            death = self._news() if self._zygote.fileno() in ready else None
            if death is not None:
                read_rest(output, reader)
            if reader.outcome is not None:
                self._unsettled = False
                return reader.outcome
            if death is not None:
                return death

    def _news(self) -> Death | None:
        """What the zygote says: nothing of note, or that the runner is dead."""
        try:
            message, _ = self._zygote.receive()
        except ChannelClosedError:
            self._gone = True
            return Death(None, self._killed)
        if message.get("runner", self._number) != self._number:
            return None  # of an earlier one
        if "spawned" in message:
            self.runner = message["spawned"]
        elif "still" in message:
            self._gone = True
            return Death(None, still=True)
        elif "ended" in message:
            return Death(message["ended"], self._killed)
        return None

    def _hear(self, channel: Channel, seconds: float) -> dict[str, Any]:
        if not select.select([channel], [], [], seconds)[0]:
            raise ChannelClosedError("silent")
        return channel.receive()[0]


def _is_closed(channel: Channel) -> bool:
    """Whether the other side is gone; what it said before that is still to be read."""
    poll = select.poll()
    poll.register(channel, select.POLLHUP)
    return bool(poll.poll(0))


def _has_open(pid: int, descriptor: int) -> bool:
    """Whether a process has the same file open by the same number; where the system does not say, it is believed."""
    path = Path(f"/proc/{pid}/fd/{descriptor}")
    if not path.parent.exists():
        return not Path("/proc/self/fd").exists()
    with suppress(OSError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def _memory(pid: int) -> int:
    """The resident memory of a process, in bytes; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _read(output: int, reader: OutputReader) -> bool:
    """Read some of what there is, and come back to hear how the attempt ended; False at the end of the file."""
    try:
        data = os.read(output, READ_BYTES)
    except BlockingIOError:
        return True
    reader.feed(data)
    return bool(data)


def read_rest(output: int, reader: OutputReader) -> None:
    """Read what is in the pipe now; what comes later, of a process that the job left, is of nobody's log."""
    left = int.from_bytes(fcntl.ioctl(output, termios.FIONREAD, bytes(4)), sys.byteorder)
    with suppress(BlockingIOError):
        while left > 0 and (data := os.read(output, left)):
            reader.feed(data)
            left -= len(data)


def _widen(pipe: int) -> None:
    with suppress(AttributeError, OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _file() -> int:
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def how_it_died(death: Death, last_line: str) -> str:
    """Say in one sentence how a runner died.

    :param last_line: what it wrote last, for one that ended itself.
    """
    if death.signal:
        if death.signal == signal.SIGKILL:
            return "Killed by signal 9 (SIGKILL); often the machine was out of memory"
        if death.signal == signal.SIGSEGV:
            return "Segmentation fault (signal 11)"
        name = next((f" ({each.name})" for each in signal.Signals if each == death.signal), "")  # others have none
        return f"Killed by signal {death.signal}{name}"
    if death.status is None:
        return "The process that runs jobs was lost"
    said = f": {last_line}" if last_line and death.code else ""
    return f"Exited with code {death.code}{said}"
