"""Ending a database call that hangs: a connection that is half-open answers nothing and breaks nothing.

PostgreSQL's own time limits are the server's, and do not help when the way to it is gone; the system notices only after
many minutes. So whoever must not hang has its calls watched, and the socket under one that takes too long is shut.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from django.db import connections

from livejobs.conf import conf

CONNECT_SECONDS: Final = 5  # a whole number of seconds, as libpq wants it


def cut_off(connection: Any) -> None:
    """Shut the socket under a driver's connection: the call that waits on it fails at once. From any thread."""
    pgconn = getattr(connection, "pgconn", None)
    if pgconn is not None:
        with suppress(Exception), socket.socket(fileno=os.dup(pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)


def bound_connecting() -> None:
    """Let this thread's connections to PostgreSQL give up while they are made, where the host sets no time itself."""
    wrapper = connections[conf.DATABASE]
    options = wrapper.settings_dict.get("OPTIONS") or {}
    if wrapper.vendor == "postgresql" and "connect_timeout" not in options:
        bounded = {**options, "connect_timeout": CONNECT_SECONDS}
        wrapper.settings_dict = {**wrapper.settings_dict, "OPTIONS": bounded}  # the host's own dict stays as it is


class Watched:
    """The database calls of one piece of work, watched from another thread.

    :param seconds: how long it may go without any query beginning or ending.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._touched: float | None = None  # monotonic; None: nothing is under way
        self._wrapper: Any = None
        self._lock = threading.Lock()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Watch what the calling thread does in this block."""
        wrapper = connections[conf.DATABASE]
        with self._lock:
            self._wrapper, self._touched = wrapper, time.monotonic()
        try:
            with wrapper.execute_wrapper(self._touch):
                yield
        finally:
            with self._lock:
                self._touched = None

    def cut_off_hung_call(self) -> None:
        """End the call under way if it hangs."""
        with self._lock:
            if self._touched is not None and time.monotonic() - self._touched > self._seconds:
                cut_off(self._wrapper.connection)

    def _touch(self, execute: Callable[..., Any], *args: Any) -> Any:
        self._touched = time.monotonic()
        try:
            return execute(*args)
        finally:
            self._touched = time.monotonic()
