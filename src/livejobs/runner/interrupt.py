"""Raising `JobStopped` inside a function that does not look up: the second step of *stop*.

A signal is the only way into `time.sleep`, a wait for a subprocess or a query. The agent asks in the shared page, the
zygote sends the signal, again and again until it was raised.

The rules, each of which some job would break otherwise: it is raised in the main thread only, at most once, never
before the function is on the stack nor after it left, and not while `logging` or the import system holds a lock or
output is on its way.
"""

from __future__ import annotations

import functools
import signal
import sqlite3
import sqlite3.dbapi2
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final, TypeVar

from livejobs.definition import Attempt
from livejobs.definition.cells import INTERRUPT, STOP
from livejobs.errors import JobStopped
from livejobs.runner.zygote import SIGNAL
from livejobs.states import StopReason

T = TypeVar("T")

# An interrupt inside these would leave a lock taken for the next step of the job, or write a line twice
UNSAFE_INNERMOST: Final = frozenset(
    {
        "logging", "importlib._bootstrap", "importlib._bootstrap_external", "livejobs.runner.output",
        "livejobs.runner.framing",
    }
)  # fmt: skip
# SQLite runs inside one call that no signal ends; so often (in its instructions) it asks whether Python has one
SQLITE_STEPS: Final = 100_000

_abort = False  # the query of SQLite that is under way
_target: Attempt | None = None  # the attempt whose function is on the main thread's stack


class Interrupted(JobStopped, KeyboardInterrupt):
    """`JobStopped` as a signal raises it, in the middle of anything.

    Also a KeyboardInterrupt, for what libraries do at one is what is needed here: psycopg cancels the query on the
    server, so that the connection still works in the job's `finally`; asyncio lets it through its loop.
    """


def install() -> None:
    """Prepare this process, in its main thread."""
    from django.db.backends.signals import connection_created

    hear_signal()
    connection_created.connect(_let_sqlite_look_up, dispatch_uid="livejobs-interrupt")
    # a job's own connections, too
    sqlite3.connect = sqlite3.dbapi2.connect = _looking_up(sqlite3.connect)  # type: ignore[assignment]
    sys.unraisablehook = _try_again_when_swallowed(sys.unraisablehook)


def hear_signal() -> None:
    """Take the signal; an earlier job may have taken it for itself."""
    if signal.getsignal(SIGNAL) is not _on_signal:
        signal.signal(SIGNAL, _on_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {SIGNAL})


def call(attempt: Attempt, function: Callable[..., T], arguments: Mapping[str, Any]) -> T:
    """Call the attempt's function; it may be interrupted while it is on the stack."""
    global _target
    try:
        try:
            _target = attempt
            return function(**arguments)
        finally:
            _target = None
    finally:
        _target = None  # a signal that came before that store has raised, and none raises twice


def raise_if_due(attempt: Attempt) -> None:
    """Raise here what the agent asked for: to print or to log is a step, too.

    :raises Interrupted: the attempt has to stop and has not seen it yet.
    """
    due = attempt is _target and attempt.view[STOP] and not attempt.raised and not attempt.query_ended
    if due and threading.current_thread() is threading.main_thread():
        attempt.raised = True
        raise Interrupted(attempt.stop_reason or StopReason.CANCEL)


def _on_signal(_number: int, frame: FrameType | None) -> None:
    global _abort
    attempt = _target
    if attempt is None or attempt.raised or not attempt.view[INTERRUPT]:
        return
    frame = _outside(frame)
    if frame is not None and frame.f_code is _go_on.__code__:
        attempt.query_ended = _abort = True  # what is raised there is lost; the next signal comes outside of it
        return
    if attempt.query_ended and sys.exc_info()[1] is not None:
        return  # the job cleans up after the query that was ended
    if frame is not None and frame.f_globals.get("__name__") in UNSAFE_INNERMOST:
        return
    attempt.raised = True
    raise Interrupted(attempt.stop_reason or StopReason.CANCEL)


def _outside(frame: FrameType | None) -> FrameType | None:
    """Where the first of several signals came: the others come while this handler runs."""
    found = frame
    while frame is not None:
        if frame.f_code is _on_signal.__code__:
            found = frame.f_back
        frame = frame.f_back
    return found


def _try_again_when_swallowed(earlier: Callable[[Any], object]) -> Callable[[Any], object]:
    """Notice that the exception was raised inside a finalizer, where Python drops it: the function did not see it."""

    def hook(unraisable: Any) -> object:
        attempt = _target
        swallowed = isinstance(unraisable.exc_value, JobStopped) and attempt is not None
        if swallowed and attempt is not None and threading.current_thread() is threading.main_thread():
            attempt.raised = False
            return None
        return earlier(unraisable)

    return hook


def _let_sqlite_look_up(*, connection: Any, **_: Any) -> None:
    """Have a long query run a line of Python now and then: that is when a signal's handler runs."""
    if isinstance(connection.connection, sqlite3.Connection):
        connection.connection.set_progress_handler(_go_on, SQLITE_STEPS)


def _looking_up(connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
    @functools.wraps(connect)
    def connected(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)
        connection.set_progress_handler(_go_on, SQLITE_STEPS)
        return connection

    return connected


def _go_on() -> int:
    """What SQLite asks now and then: 1 ends the query."""
    global _abort
    abort, _abort = _abort, False
    return int(abort)
