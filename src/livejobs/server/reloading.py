"""What the supervisor does about a jobs file that has changed: it says so or, with `--reload`, has it served.

For that a second web, worker and maintenance stand by. They load the file; when all could, they take the places of
those that run, which are told to stop. When one could not, the last good file stays, and three others stand by.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from livejobs.server import jobs_notice, standby
from livejobs.server.managed_process import ManagedProcess, Stage, how_it_ended
from livejobs.server.output import Output
from livejobs.server.readiness import read_mark, remove_marks, write_mark
from livejobs.server.watched_files import WatchedFiles

LOADERS: Final = ("web", "worker", "maintenance")
NEXT: Final = "-next"  # after the name of a part: the marks of the one that stands by for it
LOOK_SECONDS: Final = 0.15  # between two looks at the files; a change has to be seen twice
AGAIN_SECONDS: Final = 1.0  # until another stands by for one that died
LOAD_SECONDS: Final = 60.0  # how long a file may take to be loaded anew


class Processes(Protocol):
    """What is asked of the supervisor."""

    def begin(self, part: ManagedProcess) -> None:
        """Start a process and read what it writes."""

    def end(self, part: ManagedProcess) -> int | None:
        """Say how a process ended; None while it runs."""

    def kill(self, part: ManagedProcess) -> None:
        """End a process at once."""

    def replace(self, name: str, successor: ManagedProcess) -> None:
        """Have a part of that name stop, and another process take its place."""


class Reloading:
    """The jobs file of a running server.

    :param make: makes the one that stands by for a part; None without `--reload`.
    """

    def __init__(
        self,
        runtime: Path,
        output: Output,
        processes: Processes,
        make: Callable[[str], ManagedProcess] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.runtime, self.output, self.processes, self.make, self.clock = runtime, output, processes, make, clock
        self.watched = WatchedFiles()
        self.standbys: dict[str, ManagedProcess] = {}
        self.file = ""  # that is being loaded
        self.begun_at = 0.0
        self.look_at = self.stand_by_at = 0.0
        self.switching: set[str] = set()  # parts whose successors are not ready yet

    @property
    def patience(self) -> float:
        """How long the supervisor may wait until it asks again."""
        if self.file:
            return LOOK_SECONDS / 5
        return LOOK_SECONDS if self.make is not None else 1.0

    def ready(self, name: str) -> None:
        """A part is ready: note what it has loaded."""
        if name in LOADERS and (mark := read_mark(self.runtime, name, "loaded")):
            self.watched.loaded(name, mark["files"])
        if name in self.switching:
            self.switching.discard(name)
            if not self.switching:
                self.output.say(f"{self.file} is served anew after {self.clock() - self.begun_at:.1f} s.")
                self.file = ""
                jobs_notice.remove(self.runtime)

    def look(self, *, settled: bool) -> None:
        """Do what is due.

        :param settled: whether every part is ready.
        """
        now = self.clock()
        if settled and self.make is not None and not self.switching and now >= self.stand_by_at:
            for name in LOADERS:
                if name not in self.standbys:
                    self._stand_by(name)
        if now >= self.look_at and self.watched.files and not self.switching:
            self.look_at = now + LOOK_SECONDS
            if changed := self.watched.changed():
                self._changed(_shown(changed))
        self._follow()

    def stop(self) -> None:
        """End those that stand by."""
        for part in self.standbys.values():
            if part.running:
                self.processes.kill(part)

    # ------------------------------------------------------------ one reload

    def _changed(self, file: str) -> None:
        if self.make is None:
            self.output.warn(f"{file} has changed; restart the server to run it (or start it with --reload).")
            jobs_notice.leave_changed(self.runtime, file)
            return
        if self.file:
            self._begin_anew()  # it was saved again while it was being loaded
        for name in LOADERS:
            if name not in self.standbys:
                self._stand_by(name)
            self.standbys[name].say(standby.LOAD)
        self.file, self.begun_at = file, self.clock()

    def _follow(self) -> None:
        """Look how those that stand by are doing."""
        ended = {name: code for name, part in self.standbys.items() if (code := self.processes.end(part)) is not None}
        if not self.file:
            for name in ended:  # somebody killed it
                del self.standbys[name]
                self.stand_by_at = self.clock() + AGAIN_SECONDS
            return
        if self.switching:
            return
        for name, code in ended.items():
            failed = read_mark(self.runtime, name + NEXT, "failed")
            return self._broken(str(failed["sentence"]) if failed else f"it ended its process ({how_it_ended(code)}).")
        if all(read_mark(self.runtime, name + NEXT, "loaded") is not None for name in LOADERS):
            return self._switch()
        if self.clock() - self.begun_at > LOAD_SECONDS:
            self._broken(f"it was not loaded within {LOAD_SECONDS:.0f} s.")

    def _broken(self, fault: str) -> None:
        self.output.warn(f"{self.file} cannot be loaded; its last good version is served:\n  {fault}")
        jobs_notice.leave_broken(self.runtime, self.file, fault)
        self._begin_anew()
        self.file = ""

    def _switch(self) -> None:
        self.switching = set(LOADERS)
        for name in LOADERS:
            successor = self.standbys.pop(name)
            remove_marks(self.runtime, name)
            write_mark(self.runtime, name, "loaded", read_mark(self.runtime, name + NEXT, "loaded") or {})
            self.processes.replace(name, successor)
            successor.say(standby.SERVE)

    def _begin_anew(self) -> None:
        """Let go of those that loaded a file that is not served."""
        self.stop()
        self.standbys.clear()

    def _stand_by(self, name: str) -> None:
        assert self.make is not None
        remove_marks(self.runtime, name + NEXT)
        part = self.standbys[name] = self.make(name)
        self.processes.begin(part)


def standby_of(part: ManagedProcess) -> ManagedProcess:
    """Make the one that stands by for a part."""
    return ManagedProcess(
        part.name,
        part.command,
        lambda: None,
        environment={**part.environment, standby.VARIABLE: "1", "LIVEJOBS_PART": part.name + NEXT},
        descriptors=part.descriptors,
        hears=True,
        stage=Stage.WAITING,
    )


def _shown(files: Sequence[str]) -> str:
    return ", ".join(map(_relative, files))


def _relative(file: str) -> str:
    inside = file.startswith(os.path.join(os.getcwd(), ""))
    return os.path.relpath(file) if inside else file
