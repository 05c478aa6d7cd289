"""The process between an agent and its runner: one thread, everything imported, and no life of its own.

It forks the runner, signals it, collects it, and ends all that it left. It ends itself, with all below it, when its
agent is gone (end of file) or stood still (a counter in the shared page that the agent raises each second, whatever the
database does): a frozen agent's job must not run on beside its rescue.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from livejobs.definition.cells import BEAT, Cells
from livejobs.runner import process_tree
from livejobs.runner.channel import Channel, ChannelClosedError

LOOK_SECONDS: Final = 0.5
FAULT: Final = 70  # the exit code of a fault of ours
ENDS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # what is sent to end a program
SIGNAL: Final = signal.SIGUSR2  # raises in the runner's function
# has the runner write down the stacks of its threads; one that no program uses (29 on macOS: SIGINFO)
STACKS: Final[int] = getattr(signal, "SIGRTMAX", 30) - 1
POLITE_SECONDS: Final = 0.3  # for what a job left running, before it is killed

Serve = Callable[[socket.socket], NoReturn]  # what a runner does, on its end of the channel to the agent


class Zygote:
    """One zygote, in its own process.

    :param channel: to the agent.
    :param cells: the page shared with the agent and the runner.
    :param still_seconds: how long the agent's counter may stand still.
    :param serve: what a forked runner does.
    """

    def __init__(self, channel: Channel, cells: Cells, still_seconds: float, serve: Serve) -> None:
        self.channel, self.cells, self.still_seconds, self.serve = channel, cells, still_seconds, serve
        self.runner = self.number = 0  # the process, and which one it is for the agent
        self._beat, self._beat_at = -1.0, time.monotonic()
        self._wakeup, self._woken = os.pipe()
        for end in (self._wakeup, self._woken):
            os.set_blocking(end, False)

    def run(self) -> NoReturn:
        """Serve the agent until it is gone."""
        line = self.channel.fileno()
        process_tree.become_subreaper()
        gc.freeze()  # what is imported stays shared with the runners
        ignore_ends()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        try:
            while True:
                ready, _, _ = select.select([line, self._wakeup], [], [], LOOK_SECONDS)
                if self._wakeup in ready:
                    with suppress(BlockingIOError):
                        os.read(self._wakeup, 4096)
                self._collect(process_tree.reap())
                if line in ready:
                    message, descriptors = self.channel.receive()
                    self._do(message, descriptors)
                self._look_after_agent()
        except ChannelClosedError:
            pass
        except BaseException:
            traceback.print_exc()
        finally:
            process_tree.sweep()
            os._exit(0)

    def _do(self, message: dict[str, Any], descriptors: list[int]) -> None:
        ours = message["runner"] == self.number
        match message["do"]:
            case "spawn":
                self._spawn(message["runner"], descriptors[0])
            case "interrupt" if ours and self.runner:
                with suppress(ProcessLookupError):
                    os.kill(self.runner, SIGNAL)
            case "stacks" if ours and self.runner:
                process_tree.end([self.runner], STACKS)
            case "kill" if ours:
                if self.runner:
                    process_tree.end([self.runner], signal.SIGKILL)
                self._collect(process_tree.sweep(POLITE_SECONDS if message.get("polite") else 0.0))

    def _spawn(self, number: int, descriptor: int) -> None:
        self._collect(process_tree.sweep())
        self.number = number
        this, line = os.getpid(), socket.socket(fileno=descriptor)
        self.runner = os.fork()
        if self.runner:
            line.close()
            self.channel.send({"spawned": self.runner, "runner": number})
            return
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            process_tree.die_with_parent(this)
            os.setsid()
            cover([self.channel.fileno(), self._wakeup, self._woken])
            self.serve(line)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(FAULT)

    def _collect(self, ended: dict[int, int]) -> None:
        if self.runner in ended:
            status, self.runner = ended[self.runner], 0
            self.channel.send({"ended": status, "runner": self.number})
            process_tree.sweep()

    def _look_after_agent(self) -> None:
        now, beat = time.monotonic(), self.cells.view[BEAT]
        if beat != self._beat:
            self._beat, self._beat_at = beat, now
        elif now - self._beat_at > self.still_seconds:
            with suppress(ChannelClosedError):
                self.channel.send({"still": now - self._beat_at})
            raise ChannelClosedError("the agent stood still")


def ignore_ends() -> None:
    """Let SIGTERM and SIGINT pass: whoever stops a server signals every process of it, and the agent decides.

    By a handler that does nothing: SIG_IGN would be inherited by what a job starts (`Popen.terminate()` would fail).
    """
    for number in ENDS:
        signal.signal(number, passed)


def passed(*_: object) -> None:
    """Do nothing."""


def cover(descriptors: list[int]) -> None:
    """Put /dev/null over descriptors: closed by number, a file object that is collected later would close another's."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        with suppress(OSError):
            os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)


def inherited_lines(keep: set[int]) -> list[int]:
    """The sockets, pipes and event descriptors that a fork left in this process; regular files stay."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return []
    found = []
    for name in os.listdir(folder):
        with suppress(OSError):
            target = os.readlink(folder / name)
            if int(name) > 2 and int(name) not in keep and target.startswith(("socket:", "pipe:", "anon_inode:")):
                found.append(int(name))
    return found


def set_title(text: str) -> None:
    """Name this process for `ps` and `top`; on Linux only, 15 characters."""
    if sys.platform == "linux":
        with suppress(Exception):
            ctypes.CDLL(None).prctl(15, text.encode()[:15], 0, 0, 0)
