"""Raising `JobStopped` inside a function that does not look up: step two of *stop*.

A signal is the only way into `time.sleep`, a wait for a subprocess or a PostgreSQL query. SQLite runs inside one C call
that no signal ends, so its connection is interrupted first.

The rules, each of which some job would break otherwise: it is raised in the main thread only, at most once, never
before the function is on the stack nor after it left, and not while the machinery takes a lock.
"""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, Final, TypeVar

from django.db import connections
from django.db.backends.signals import connection_created

from livejobs.definition import Attempt
from livejobs.errors import JobStopped
from livejobs.states import StopReason

logger = logging.getLogger("livejobs.worker")

T = TypeVar("T")

SIGNAL: Final = signal.SIGUSR2  # Celery's children use SIGUSR1 for its own soft time limit
# An interrupt inside these would leave a lock taken or a flag set for the rest of the process; they are left at once,
# and the agent tries again with its next tick.
UNSAFE_ANYWHERE: Final = frozenset({"livejobs.hints.broadcast", "livejobs.hints.publishing", "livejobs.per_process"})
UNSAFE_INNERMOST: Final = frozenset({"logging", "importlib._bootstrap", "importlib._bootstrap_external"})

_target: Attempt | None = None  # the attempt whose function is on the main thread's stack
_gate = threading.Lock()  # held by the agent while it interrupts, so that no interrupt reaches the next job's queries
_installed = False
_opened: dict[str, Any] = {}  # alias -> the main thread's database connection


class Interrupted(JobStopped, KeyboardInterrupt):
    """`JobStopped` as a signal raises it, in the middle of anything.

    Also a KeyboardInterrupt, for what libraries do at one is what is needed here: psycopg cancels the query on the
    server, so that the connection still works in the job's `finally`; asyncio lets it through its loop.
    """


def install() -> None:
    """Prepare this process's main thread; elsewhere (threads, tests) stop is cooperative only."""
    global _installed
    if threading.current_thread() is not threading.main_thread():
        return
    _hear_signal()
    connection_created.connect(_remember_connection, dispatch_uid="livejobs-interrupt")
    if not _installed:
        sys.unraisablehook = _try_again_when_swallowed(sys.unraisablehook)
    _installed = True


def call(attempt: Attempt, function: Callable[..., T], arguments: Mapping[str, Any]) -> T:
    """Call the attempt's function; it may be interrupted while it is on the stack."""
    global _target
    if not _installed or attempt.thread != threading.main_thread().ident:
        return function(**arguments)
    _hear_signal()  # an earlier job may have taken the signal for itself
    outer = _target  # not None in a job that a job runs inline
    try:
        try:
            _target = attempt
            return function(**arguments)
        finally:
            _target = outer
    finally:
        # A signal that came before that store has raised, and none raises twice. So nothing is raised from here on.
        _target = outer
        with _gate:  # waits for an interrupt under way; later ones find another target
            pass


def interrupt(attempt: Attempt) -> None:
    """Raise `JobStopped` in the function. Called from the agent's thread, again and again until it is raised.

    Once is not enough: a query may begin just after the interrupt, or the place was unsafe.
    """
    with _gate:
        if attempt is not _target or attempt.raised:
            return
        if signal.getsignal(SIGNAL) is not _on_signal:
            return  # the job took the signal for itself: it has to look up, or to end
        attempt.interrupting = True
        for wrapper in tuple(_opened.values()):
            connection = wrapper.connection
            if isinstance(connection, sqlite3.Connection):
                with suppress(sqlite3.ProgrammingError):  # closed meanwhile
                    connection.interrupt()
        signal.pthread_kill(attempt.thread, SIGNAL)


def raise_if_due(attempt: Attempt) -> None:
    """Raise here what the signal could not: a job that logs without a pause is always inside the logging module.

    Called where a line was taken, with no lock of ours held.

    :raises Interrupted: the attempt is being interrupted and has not seen it yet.
    """
    due = attempt.interrupting and not attempt.raised and attempt is _target
    if due and threading.get_ident() == attempt.thread:
        attempt.raised = True
        raise Interrupted(attempt.stop_reason or StopReason.CANCEL)


def drop_connections(*, every: bool) -> None:
    """Forget this thread's database connections that the next job must not get.

    One that was interrupted in mid-query may answer nothing any more. One that was left inside a transaction would hold
    its locks (on SQLite against the finish of this very job), and Django cannot reopen it.

    :param every: all of them, not only those left inside a transaction.
    """
    for wrapper in connections.all(initialized_only=True):
        if every or wrapper.in_atomic_block or (wrapper.connection is not None and not wrapper.autocommit):
            try:
                wrapper.close()
            except Exception:
                logger.debug("A connection of a job did not close", exc_info=True)
            _opened.pop(wrapper.alias, None)
            del connections[wrapper.alias]


def _on_signal(_number: int, frame: FrameType | None) -> None:
    attempt = _target
    if attempt is None or attempt.raised or not attempt.interrupting or _unsafe(frame):
        return
    attempt.raised = True
    raise Interrupted(attempt.stop_reason or StopReason.CANCEL)


def _unsafe(frame: FrameType | None) -> bool:
    if frame is not None and frame.f_globals.get("__name__") in UNSAFE_INNERMOST:
        return True
    while frame is not None:
        if frame.f_globals.get("__name__") in UNSAFE_ANYWHERE:
            return True
        frame = frame.f_back
    return False


def _hear_signal() -> None:
    if signal.getsignal(SIGNAL) is not _on_signal:
        signal.signal(SIGNAL, _on_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {SIGNAL})


def _try_again_when_swallowed(earlier: Callable[[Any], object]) -> Callable[[Any], object]:
    """Notice that the exception was raised inside a finalizer, where Python drops it: the function did not see it."""

    def hook(unraisable: Any) -> object:
        attempt = _target
        swallowed = isinstance(unraisable.exc_value, JobStopped) and attempt is not None
        if swallowed and attempt is not None and threading.get_ident() == attempt.thread:
            attempt.raised = False
            return None
        return earlier(unraisable)

    return hook


def _remember_connection(*, connection: Any, **_: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        _opened[connection.alias] = connection


def _forget_after_fork() -> None:
    global _target, _gate
    _target, _gate = None, threading.Lock()
    _opened.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
