"""One supervised process: how it is started, how one knows that it is ready, what it said, how it ended."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

FIRST_DELAY: Final = 0.5  # seconds until something that died is started again; doubles
LONGEST_DELAY: Final = 30.0
HEALTHY_SECONDS: Final = 60.0  # ready for this long: the next death starts at the first delay again
START_SECONDS: Final = 60.0  # not ready by then: killed, and counted as a failed start
LAST_LINES: Final = 20
LONGEST_LINE: Final = 8192  # bytes; a line without end must not fill the memory
PR_SET_PDEATHSIG: Final = 1

# Loaded before any fork: between fork and exec there is no room for imports.
_libc: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


class Stage(Enum):
    """Where a part is."""

    WAITING = "waiting"  # to be started, as soon as its delay is over
    STARTING = "starting"
    READY = "ready"
    DONE = "done"  # a part that ends by itself, and did
    STOPPED = "stopped"


@dataclass
class ManagedProcess:
    """A part of the server.

    :param probe: returns a text once the part is ready (a detail for people, maybe empty), else None.
    :param awaited: whether the others wait for it before they begin their work.
    :param hears: whether its input stays open, for `say`.
    :param ends: whether it ends by itself when its work is done.
    :param shown: whether what it writes is passed on, or only kept in case it dies.
    :param stop_seconds: how long it may take to stop.
    :param mend: asked once where it cannot be started, with its last lines: it mends what can be, and says what it did;
        None: nothing.
    """

    name: str
    command: list[str]
    probe: Callable[[], str | None]
    awaited: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes | None = None
    descriptors: tuple[int, ...] = ()
    hears: bool = False
    ends: bool = False
    shown: bool = True
    stop_seconds: float = 1.0
    mend: Callable[[Iterable[str]], str | None] | None = None

    stage: Stage = Stage.WAITING
    process: subprocess.Popen[bytes] | None = None
    pid: int = 0
    started_at: float = 0.0
    ready_at: float = 0.0
    start_at: float = 0.0
    delay: float = FIRST_DELAY
    was_ready: bool = False
    replaced: bool = False  # on purpose; it is not ready yet
    mended: bool = False  # what kept it from starting, since it was ready
    failed_starts: int = 0
    detail: str = ""
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    held: list[str] = field(default_factory=list)
    rest: bytes = b""
    silent: bool = False  # it closed its output

    def start(self) -> None:
        """Start the process. Must be called in the main thread: the kernel binds it to the thread that forked it."""
        self.last.clear()
        self.rest = b""
        self.silent = False
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            self.command,
            stdin=subprocess.PIPE if self.hears or self.stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(self.environment),
            pass_fds=self.descriptors,
            # a session of its own: Ctrl-C in the terminal reaches only us, and we stop everything in order
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - no other thread holds what this needs
        )
        self.pid = self.process.pid
        self.stage = Stage.STARTING
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        if self.process.stdin is not None and self.stdin is not None:
            with suppress(BrokenPipeError), self.process.stdin as pipe:  # closed even where nobody reads it
                pipe.write(self.stdin)

    @property
    def running(self) -> bool:
        """Whether its process has not ended, as far as we know."""
        return self.process is not None

    def overdue(self, since: float = 0.0) -> bool:
        """Whether it has been starting for too long.

        :param since: when what it waited for was there.
        """
        return self.stage is Stage.STARTING and time.monotonic() - max(self.started_at, since) > START_SECONDS

    def became_ready(self, detail: str) -> float:
        """Note that it is ready; return how many seconds it took."""
        self.stage = Stage.READY
        self.ready_at = time.monotonic()
        self.detail = detail
        return self.ready_at - self.started_at

    def ended(self) -> int | None:
        """Return the exit code (negative: the signal) if the process has ended, and forget the process."""
        if self.process is None or (code := self.process.poll()) is None:
            return None
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self.process = None
        return code

    def back_off(self) -> float:
        """Plan the next start; return the seconds until then."""
        now = time.monotonic()
        if self.stage is Stage.READY and now - self.ready_at >= HEALTHY_SECONDS:
            self.delay = FIRST_DELAY
        wait, self.delay = self.delay, min(self.delay * 2, LONGEST_DELAY)
        self.failed_starts += self.stage is Stage.STARTING
        self.stage = Stage.WAITING
        self.start_at = now + wait
        return wait

    def lines(self) -> Iterator[str]:
        """Return the lines it wrote since the last call, without waiting for more."""
        if self.process is None or self.process.stdout is None:
            return
        while True:
            try:
                data = os.read(self.process.stdout.fileno(), 65536)
            except BlockingIOError:
                return  # the rest of a line may still come
            if not data:
                self.silent = True
                break
            *whole, self.rest = (self.rest + data).split(b"\n")
            yield from map(_text, whole)
            if len(self.rest) > LONGEST_LINE:
                yield _text(self.rest)
                self.rest = b""
        if self.rest:
            yield _text(self.rest)
            self.rest = b""

    def say(self, word: bytes) -> None:
        """Write a word to its input; nobody may be there to read it any more."""
        if self.process is not None and self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.write(word)
                self.process.stdin.flush()

    def take_over(self, other: ManagedProcess) -> None:
        """Take the process of another part for ours: it is starting from now on."""
        self.process, self.pid, self.rest = other.process, other.pid, other.rest
        self.last, self.held = other.last, other.held
        self.stage, self.started_at = Stage.STARTING, time.monotonic()

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the process itself; it stops its own children."""
        if self.process is not None:
            self.process.terminate()


def how_it_ended(code: int) -> str:
    """Say in words what an exit code means."""
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit code {code}"


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")


def _die_with(parent: int) -> Callable[[], None]:
    """Return what a child does before it becomes its program: tell the kernel to kill it when `parent` dies."""

    def prepare() -> None:
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # it died in between
                os._exit(1)

    return prepare
