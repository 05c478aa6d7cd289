"""Our side of the guard process: a pipe that it reads, and closes the books when that closes."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from livejobs.server import guard


class Guard:
    """The guard process, as the supervisor has it."""

    def __init__(self, runtime: Path, lock: int) -> None:
        self.runtime = runtime
        self.lock = lock
        self.sessions: set[int] = set()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it. It inherits the data folder's lock, and nothing of our environment."""
        self.process = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", guard.__file__, str(self.runtime)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath},
            pass_fds=(self.lock,),
            start_new_session=True,
            cwd="/",
        )
        for session in self.sessions:
            self._write(f"+{session}")

    @property
    def pid(self) -> int:
        """Its process; 0 before it was started."""
        return self.process.pid if self.process is not None else 0

    def keep(self) -> None:
        """Start it again if somebody killed it."""
        if self.process is not None and self.process.poll() is not None:
            if self.process.stdin is not None:
                with suppress(OSError):
                    self.process.stdin.close()
            self.start()

    def remember(self, session: int) -> None:
        """Have this session ended when we are gone."""
        self.sessions.add(session)
        self._write(f"+{session}")

    def forget(self, session: int) -> None:
        """Nothing of this session is left; its number may come to mean somebody else."""
        self.sessions.discard(session)
        self._write(f"-{session}")

    def finish(self) -> None:
        """Let it sweep, and wait for it."""
        if self.process is None or self.process.stdin is None:
            return
        with suppress(OSError):
            self.process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=2)

    def _write(self, word: str) -> None:
        if self.process is not None and self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.write(f"{word}\n".encode())
                self.process.stdin.flush()
