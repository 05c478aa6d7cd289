"""Starts the parts, says in order when each is ready, restarts what dies, stops everything in reverse.

One process with one loop, in one thread; another writes lines. It imports neither Django nor anybody's jobs, so that
nothing in it can break.
"""

from __future__ import annotations

import math
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from livejobs.per_process import StopSignals
from livejobs.server import guard
from livejobs.server.environment import Environment
from livejobs.server.failures import StartError
from livejobs.server.guard_process import Guard
from livejobs.server.managed_process import ManagedProcess, Stage, how_it_ended
from livejobs.server.output import Output
from livejobs.server.part import open_servers
from livejobs.server.readiness import read_mark, remove_marks
from livejobs.server.reloading import LOADERS, Reloading, standby_of

FAILED_STARTS: Final = 3  # of a part that was never ready: then the whole start has failed
LOOK_SECONDS: Final = 0.02  # how often a part that is starting is asked
IDLE_SECONDS: Final = 1.0
HURRIED_SECONDS: Final = 3.0  # that the worker has then, to give its jobs back
STOP_ORDER: Final = (("maintenance", "worker", "database"), ("web",), ("valkey",))
FAREWELLS: Final = ("worker: Warm shutdown",)  # what Celery says to people who run it by hand


class Supervisor:
    """A running server.

    :param parts: in the order in which they are told about.
    :param listening: the socket that web serves; ours to close when web stops.
    :param lock: the descriptor of the data folder's lock, shared with the guard.
    """

    def __init__(
        self,
        parts: Sequence[ManagedProcess],
        environment: Environment,
        listening: socket.socket,
        lock: int,
        url: str,
        output: Output | None = None,
    ) -> None:
        assert environment.runtime is not None
        self.parts = list(parts)
        self.runtime: Path = environment.runtime
        self.listening = listening
        self.url = url
        self.output = output or Output()
        self.guard = Guard(self.runtime, lock)
        self.begun_at = time.monotonic()
        self.opened_at = math.inf  # when the servers that the others wait for were there
        self.untold = list(self.parts)
        self.refusals: list[str] = []  # that were told
        self.told = StopSignals()
        self.stopping = False
        self.selector = selectors.DefaultSelector()
        self.leaving: list[tuple[ManagedProcess, float]] = []  # that were replaced, and until when they may stay
        makes = {part.name: part for part in parts if part.name in LOADERS}
        make = (lambda name: standby_of(makes[name])) if environment.reload else None
        self.reloading = Reloading(self.runtime, self.output, self, make)

    # ------------------------------------------------------------ the loop

    def run(self) -> None:
        """Run until told to stop.

        :raises StartError: a part did not start; whatever had started was stopped.
        """
        self._listen_to_signals()
        try:
            self.guard.start()
            while not self.told.asked:
                self._start_what_may()
                self._pump(self._patience())
                self._look_at_all()
                self._tell()
                self.reloading.look(settled=not self.untold and self._all_ready())
                self._let_go()
                self._collect_orphans()
            self.output.say("Stopping…")
        finally:
            self._stop()
            self.output.flush()
        self.output.say("Stopped.")
        self.output.flush()

    def _listen_to_signals(self) -> None:
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
        # the ends live as long as the process; a byte arrives with each signal and wakes the loop
        self.selector.register(reader, selectors.EVENT_READ, (reader, writer))
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.told.hear())
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _patience(self) -> float:
        if any(part.stage is Stage.STARTING for part in self.parts):
            return LOOK_SECONDS
        waits = [part.start_at - time.monotonic() for part in self.parts if part.stage is Stage.WAITING]
        if self.leaving:
            return LOOK_SECONDS
        return min([IDLE_SECONDS, self.reloading.patience, *(max(wait, LOOK_SECONDS) for wait in waits)])

    def _pump(self, seconds: float) -> None:
        """Wait for something to happen, and pass on what parts wrote."""
        for key, _ in self.selector.select(seconds):
            if isinstance(key.data, ManagedProcess):
                self._read(key.data)
            else:
                with suppress(BlockingIOError):
                    key.data[0].recv(4096)

    def _read(self, part: ManagedProcess) -> None:
        """Pass on what a part wrote; one that closed its output is not listened to any more."""
        for line in part.lines():
            if not line.strip() or ((self.stopping or part.replaced) and line.startswith(FAREWELLS)):
                continue
            part.last.append(line)
            if not part.shown:
                continue
            # what a part writes before it was ever ready is told once: when it is ready, or when it failed for good
            if part.was_ready:
                self.output.passed_on(part.name, line)
            else:
                part.held.append(line)
        if part.silent and part.process is not None and part.process.stdout is not None:
            with suppress(KeyError):
                self.selector.unregister(part.process.stdout)

    # ------------------------------------------------------------ starting

    def _start_what_may(self) -> None:
        for part in self.parts:
            if part.stage is Stage.WAITING and part.start_at <= time.monotonic():
                self._start(part)

    def _start(self, part: ManagedProcess) -> None:
        remove_marks(self.runtime, part.name)
        if not part.was_ready:
            part.held.clear()
        self.begin(part)

    def begin(self, part: ManagedProcess) -> None:
        """Start a process and read what it writes.

        :raises StartError: its program cannot be started.
        """
        try:
            part.start()
        except OSError as error:
            raise StartError(f"{part.name} could not be started: {error}.") from None
        self.guard.remember(part.pid)
        assert part.process is not None
        assert part.process.stdout is not None
        self.selector.register(part.process.stdout, selectors.EVENT_READ, part)

    def _all_ready(self) -> bool:
        return all(part.stage in (Stage.READY, Stage.DONE) for part in self.parts)

    def _look_at_all(self) -> None:
        self.guard.keep()
        for part in self.parts:
            if part.running and not self._buried(part) and part.stage is Stage.STARTING:
                self._look_at(part)
        if self.opened_at == math.inf and all(part.was_ready for part in self.parts if part.awaited):
            # once: after a first start each part copes with the others' absence itself
            open_servers(self.runtime)
            self.opened_at = time.monotonic()

    def _look_at(self, part: ManagedProcess) -> None:
        if part.ends:
            return
        detail = part.probe()
        if detail is not None:
            seconds = part.became_ready(detail)
            if part.was_ready and not part.replaced and part not in self.untold:
                self.output.ready(part.name, seconds, again=True)
            self._note_ready(part)
        elif part.overdue(0.0 if part.awaited else self.opened_at):
            guard.end({part.pid}, seconds=1)

    def _note_ready(self, part: ManagedProcess) -> None:
        part.was_ready, part.replaced, part.mended = True, False, False
        part.failed_starts = 0
        held, part.held = part.held, []
        for line in held:
            self.output.passed_on(part.name, line)
        if part.name == "web":
            self._tell_refusals()
        self.reloading.ready(part.name)

    def _tell_refusals(self) -> None:
        """Say which functions are not served, and why."""
        mark = read_mark(self.runtime, "web", "loaded") or {}
        refusals = [str(line) for line in mark.get("refusals", ())]
        if refusals != self.refusals:
            for line in refusals:
                self.output.warn(f"Not served: {line}")
        self.refusals = refusals

    def _tell(self) -> None:
        """Announce what is ready, in order; after the last part, where the server is."""
        while self.untold and self.untold[0].stage in (Stage.READY, Stage.DONE):
            part = self.untold.pop(0)
            self.output.ready(part.name, part.ready_at - part.started_at, part.detail)
            if part.ends and (mark := read_mark(self.runtime, part.name, "ready")) and (count := mark.get("requeued")):
                jobs = "1 job that was running is" if count == 1 else f"{count} jobs that were running are"
                self.output.say(f"{jobs} queued again.")
            if not self.untold:
                seconds = time.monotonic() - self.begun_at
                self.output.say(f"Livejobs is ready after {seconds:.1f} s: {self.url} (Ctrl-C stops it)")

    # ------------------------------------------------------------ deaths

    def _buried(self, part: ManagedProcess) -> bool:
        """Say whether the part's process has ended; if so, clear away what it left and decide what follows."""
        code = self.end(part)
        if code is None:
            return False
        if self.stopping:
            part.stage = Stage.STOPPED
        elif part.ends and code == 0:
            part.became_ready(part.probe() or "")
            self._note_ready(part)
            part.stage = Stage.DONE
        else:
            self._died(part, code)
        return True

    def end(self, part: ManagedProcess) -> int | None:
        """Say how a process ended and clear away what it left; None while it runs."""
        process = part.process
        if process is None or process.stdout is None or process.poll() is None:
            return None
        self._read(part)
        with suppress(KeyError):
            self.selector.unregister(process.stdout)
        code = part.ended()
        # a dead worker's children die with it, their subprocesses do not
        guard.end({part.pid}, seconds=2)
        self.guard.forget(part.pid)
        return code

    def kill(self, part: ManagedProcess) -> None:
        """End a process at once."""
        guard.end({part.pid}, seconds=1)
        if part.process is not None:
            with suppress(subprocess.TimeoutExpired):
                part.process.wait(1)
        self.end(part)

    # ------------------------------------------------------------ replacing

    def replace(self, name: str, successor: ManagedProcess) -> None:
        """Have a part of that name stop, and another process take its place."""
        part = next(part for part in self.parts if part.name == name)
        if part.process is not None and part.process.stdout is not None:
            old = ManagedProcess(part.name, [], lambda: None, was_ready=True, replaced=True)
            old.take_over(part)
            self.selector.modify(part.process.stdout, selectors.EVENT_READ, old)
            old.ask_to_stop()
            self.leaving.append((old, time.monotonic() + part.stop_seconds))
        assert successor.process is not None
        assert successor.process.stdout is not None
        part.replaced = True
        self.selector.modify(successor.process.stdout, selectors.EVENT_READ, part)
        part.take_over(successor)

    def _let_go(self, *, now: bool = False) -> None:
        """Bury those that were replaced; end them when they take too long."""
        for old, until in self.leaving:
            if now or time.monotonic() > until:
                self.kill(old)
            else:
                self.end(old)
        self.leaving = [(old, until) for old, until in self.leaving if old.running]

    def _collect_orphans(self) -> None:
        """Collect what others left: as the first process of a container, whatever lost its parent is ours."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13, where nobody is the first process of a container
            return
        parts = (*self.parts, *self.reloading.standbys.values(), *(old for old, _ in self.leaving))
        ours = {self.guard.pid, *(part.pid for part in parts if part.running)}
        with suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if ended.si_pid in ours:
                    return  # its turn comes first
                os.waitpid(ended.si_pid, 0)

    def _died(self, part: ManagedProcess, code: int) -> None:
        failed = read_mark(self.runtime, part.name, "failed")
        if failed is not None and not part.was_ready:
            part.held.clear()
            raise StartError(str(failed["sentence"]))
        wait = part.back_off()
        if part.failed_starts >= FAILED_STARTS and self._mended(part):
            return
        if part.was_ready:
            self.output.warn(
                f"{part.name} ended unexpectedly ({how_it_ended(code)}); starting it again in {wait:.1f} s."
            )
            for line in () if part.shown else part.last:
                self.output.passed_on(part.name, line)
        elif part.ends or part.failed_starts >= FAILED_STARTS:
            tries = "" if part.ends else f" {part.failed_starts} times"
            for line in part.last:
                self.output.passed_on(part.name, line)
            raise StartError(f"{part.name} could not be started: it ended{tries} with {how_it_ended(code)}.")

    def _mended(self, part: ManagedProcess) -> bool:
        """Whether there was something to mend in what keeps a part from starting; once, until it is ready."""
        said = part.mend(part.last) if part.mend is not None and not part.mended else None
        if said is not None:
            self.output.warn(said)
            part.mended, part.failed_starts, part.start_at = True, 0, time.monotonic()
        return said is not None

    # ------------------------------------------------------------ stopping

    def _stop(self) -> None:
        """Stop everything in reverse: jobs first, then the page that shows them, then what carried the messages."""
        self.stopping = True
        self.reloading.stop()
        self._let_go(now=True)
        for names in STOP_ORDER:
            if "web" in names:
                # with ours closed too, browsers are refused instead of waiting in the queue
                self.listening.close()
            self._stop_these([part for part in self.parts if part.name in names and part.running])
        self.guard.finish()

    def _stop_these(self, parts: Collection[ManagedProcess]) -> None:
        begun = time.monotonic()
        for part in parts:
            part.ask_to_stop()
        left, kill_at = list(parts), {part.name: part.stop_seconds for part in parts}
        told_again = False
        while left:
            waited = time.monotonic() - begun
            if self.told.hurried and not told_again:
                told_again = True
                for part in left:
                    hurried = waited + HURRIED_SECONDS if part.name == "worker" else 0.0
                    kill_at[part.name] = min(kill_at[part.name], hurried)
                    part.ask_to_stop()
            for part in left:
                if waited > kill_at[part.name]:
                    self._kill(part, waited)
            self._pump(LOOK_SECONDS)
            left = [part for part in left if part.running and not self._buried(part)]

    def _kill(self, part: ManagedProcess, waited: float) -> None:
        if part.name == "worker" and part.stage is Stage.READY and not self.told.hurried:
            # not "a job was running": its last one may have finished a moment ago
            self.output.warn(
                f"worker was still at work after {waited:.0f} s and was ended; a job it had not finished runs again"
                " at the next start."
            )
            part.stage = Stage.STOPPED
        guard.end({part.pid}, seconds=1)
