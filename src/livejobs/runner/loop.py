"""A runner: it runs attempts, one after the other, in a process of its own."""

from __future__ import annotations

import builtins
import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

import orjson

from livejobs.conf import conf
from livejobs.definition import Attempt, registry, running
from livejobs.definition.cells import CPU_BEFORE, Cells
from livejobs.runner import interrupt, output, zygote
from livejobs.runner.channel import Channel, ChannelClosedError
from livejobs.runner.clean import CleanState
from livejobs.runner.framing import Kind
from livejobs.runner.outcome import Failed, Outcome, Stopped, described, to_message
from livejobs.runner.perform import perform
from livejobs.runner.surroundings import announced, surrounded
from livejobs.states import ErrorReason

OOM_SCORE: str = "500"  # the kernel's first victim where memory ends: the job, not who looks after it


class Runner:
    """The runner's side of its channel.

    :param page: the file behind the cells: past them the stacks go.
    """

    def __init__(self, channel: Channel, cells: Cells, page: int) -> None:
        self._channel, self._cells, self._page = channel, cells, page
        self._handlers: Collection[logging.Handler] = ()  # there are before each attempt

    def run(self) -> NoReturn:
        """Run what the agent sends until it is gone."""
        prepare()
        self._show_stacks()
        clean = CleanState()
        self._handlers = clean.handlers
        try:
            while True:
                order, descriptors = self._channel.receive()
                outcome = self._attempt(order, descriptors[0])
                self._tell(to_message(outcome))
                clean.put_back()
                self._show_stacks()
                left = clean.left_behind()
                if isinstance(outcome, Stopped):
                    left.append("an interrupt")  # a library's lock may have been left taken
                self._channel.send({"clean": left})
                interrupt.hear_signal()
        except ChannelClosedError:
            os._exit(0)

    def _attempt(self, order: dict[str, Any], pipe: int) -> Outcome:
        attempt = Attempt(order["job"], order["attempt"], order["task"], cells=self._cells, send=output.log)
        attempt.view[CPU_BEFORE] = sum(os.times()[:4])
        output.open_streams(attempt, pipe, self._handlers)
        try:
            live_job = registry.get(order["task"])
            if live_job is None:
                return Failed(
                    described(ErrorReason.EXCEPTION, "LookupError", f"There is no task {order['task']} here.")
                )
            call = partial(
                perform, live_job, order["params"], attempt, max_result_bytes=conf.MAX_RESULT_BYTES,
                call=interrupt.call, last_said=output.last_said, timeout=order["timeout"],
            )  # fmt: skip
            with running(attempt), surrounded(attempt, order["params"]):
                return announced(live_job, attempt, order["owner_key"], call)
        finally:
            output.flush()

    def _show_stacks(self) -> None:
        """Write the stacks of all threads whenever asked for, by C code: also where a thread keeps Python's lock."""
        with suppress(ValueError, RuntimeError, OSError):
            faulthandler.unregister(zygote.STACKS)  # an earlier job may have taken the signal
            faulthandler.register(zygote.STACKS, self._page, all_threads=True)

    def _tell(self, outcome: dict[str, Any]) -> None:
        """Tell the outcome, once all output is in the pipe; there, too, where the job closed the channel."""
        output.end()
        if self._channel.is_ours():
            self._channel.send({"outcome": outcome})
            output.close_streams()
        else:  # `os.closerange`
            output.send_frame(Kind.OUTCOME, orjson.dumps(outcome))
            os._exit(0)


def prepare() -> None:
    """Make this forked process one in which an ordinary program runs."""
    import multiprocessing.process

    zygote.ignore_ends()
    os.register_at_fork(before=_hold_ends, after_in_parent=_let_ends, after_in_child=_end_as_others_do)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process
    # a child of Celery's pool counts as a daemon, which may have no children, and has a key that spawn cannot send
    with suppress(AttributeError):
        multiprocessing.process.current_process()._config.update(  # type: ignore[attr-defined]
            daemon=False,
            authkey=multiprocessing.process.AuthenticationString(os.urandom(32)),  # type: ignore[attr-defined]
        )
    os.environ["PYTHONUNBUFFERED"] = "1"  # of what it starts: the log is live
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    faulthandler.enable(2)  # a crash in C says where, as the last thing in the log
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()
    threading.current_thread().name = "MainThread"
    builtins.input = _no_keyboard
    output.prepare()
    interrupt.install()


def serve(cells: Cells, page: int) -> zygote.Serve:
    """What a zygote's fork does.

    :param page: the file behind the cells.
    """

    def run(line: socket.socket) -> NoReturn:
        Runner(Channel(line), cells, page).run()

    return run


def _no_keyboard(_prompt: object = "") -> NoReturn:
    raise EOFError("A job has no keyboard: let it take as a parameter what it would ask for.")


_held: Final = threading.local()


def _hold_ends() -> None:
    """Until a forked child ends as others do: `terminate()` may come before that, and would pass it for ever."""
    _held.mask = signal.pthread_sigmask(signal.SIG_BLOCK, zygote.ENDS)


def _let_ends() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _held.mask)


def _end_as_others_do() -> None:
    for number in zygote.ENDS:
        if signal.getsignal(number) is zygote.passed:
            signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
    _let_ends()
