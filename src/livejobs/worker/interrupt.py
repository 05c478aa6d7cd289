"""Raising `JobStopped` inside a function that does not look up: step two of *stop*.

A signal is the only way into `time.sleep`, a wait for a subprocess or a PostgreSQL query. SQLite runs inside one C call
that no signal ends, so its connection is interrupted first.
"""

from __future__ import annotations

import logging
import signal
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from django.db import connections
from django.db.backends.signals import connection_created

from livejobs.errors import JobStopped
from livejobs.states import StopReason
from livejobs.worker.context import Attempt

logger = logging.getLogger("livejobs.worker")

SIGNAL: Final = signal.SIGUSR2  # Celery's children use SIGUSR1 for its own soft time limit
_inside: dict[int, Attempt] = {}  # thread -> the attempt whose function is on its stack
_opened: weakref.WeakSet[Any] = weakref.WeakSet()  # database connections of the main thread


def install() -> None:
    """Prepare this process's main thread; elsewhere (threads, tests) stop is cooperative only."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(SIGNAL, _on_signal)
        connection_created.connect(_remember_connection, dispatch_uid="livejobs-interrupt")


@contextmanager
def interruptible(attempt: Attempt) -> Iterator[None]:
    """While the block runs the attempt's function is on the stack, and may be interrupted."""
    attempt.inside = True
    _inside[attempt.thread] = attempt
    try:
        yield
    finally:
        attempt.inside = False  # one store: the handler came before it, and raised, or it raises no more
        _inside.pop(attempt.thread, None)


def interrupt(attempt: Attempt) -> None:
    """Raise `JobStopped` in the function, once. Called from the agent's thread."""
    if attempt.thread == threading.main_thread().ident and attempt.inside:
        attempt.interrupting = True
        nudge(attempt)


def nudge(attempt: Attempt) -> None:
    """Wake a function whose interrupt is still due: a query may have begun just after the last try."""
    for wrapper in _opened.copy():
        if isinstance(wrapper.connection, sqlite3.Connection):
            wrapper.connection.interrupt()
    if attempt.interrupting and attempt.inside:
        signal.pthread_kill(attempt.thread, SIGNAL)


def drop_connections() -> None:
    """Forget the job's database connections: one that was interrupted mid-query answers nothing any more."""
    for wrapper in connections.all(initialized_only=True):
        try:
            wrapper.close()
        except Exception:
            logger.debug("An interrupted connection did not close", exc_info=True)
        del connections[wrapper.alias]


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    attempt = _inside.get(threading.get_ident())
    if attempt is None or not (attempt.inside and attempt.interrupting):
        return
    attempt.interrupting = False
    attempt.reported = True
    raise JobStopped(attempt.stop_reason or StopReason.CANCEL)


def _remember_connection(*, connection: Any, **_: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        _opened.add(connection)
