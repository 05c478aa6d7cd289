"""The database from the event loop: a small pool of threads of our own, each with its kept connection.

Channels' `database_sync_to_async` runs every call of a process on one thread, so one slow query would stop everybody.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from livejobs.database.timeouts import Watched, bound_connecting

P = ParamSpec("P")
T = TypeVar("T")

HUNG_SECONDS: Final = 6.0  # without any query beginning or ending: the way to the database is gone
LOOK_SECONDS: Final = 1.0
THREADS: Final = 8  # also the most database connections this room uses in one process

_lock = threading.Lock()
_executor: ThreadPoolExecutor | None = None
_opened: set[BaseDatabaseWrapper] = set()
_watched: set[Watched] = set()  # one for each thread
_here = threading.local()


async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that uses the ORM on one of our threads and return what it returns."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), partial(_call, function, *args, **kwargs))


async def cut_off_hung_calls() -> None:
    """End the calls that hang, again and again; a task of the hub."""
    while True:
        for watched in tuple(_watched):
            watched.cut_off_hung_call()
        await asyncio.sleep(LOOK_SECONDS)


def close() -> None:
    """End the threads and close their connections. The next `run` starts new ones."""
    global _executor
    with _lock:
        executor, _executor = _executor, None
    if executor is not None:
        executor.shutdown(wait=True)
        _watched.clear()
    while _opened:
        connection = _opened.pop()
        connection.inc_thread_sharing()  # its own thread has ended
        connection.close()


def _threads() -> ThreadPoolExecutor:
    global _executor
    with _lock:
        if _executor is None:
            _executor = ThreadPoolExecutor(THREADS, thread_name_prefix="livejobs-live")
        return _executor


def _call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    watched = _watched_here()
    _keep_usable()
    try:
        with watched.under_way():
            return function(*args, **kwargs)
    finally:
        _keep_usable()


def _watched_here() -> Watched:
    """What watches this thread; made with its first call."""
    found: Watched | None = getattr(_here, "watched", None)
    if found is None:
        bound_connecting()
        found = _here.watched = Watched(HUNG_SECONDS)
        _watched.add(found)
    return found


def _keep_usable() -> None:
    """Do as `close_old_connections`, but keep connections whatever CONN_MAX_AGE says: a new one costs 3 ms."""
    connection: Any  # what Django calls private is not in its types
    for connection in connections.all(initialized_only=True):
        if "pool" not in connection.settings_dict["OPTIONS"]:  # a pool keeps them itself
            connection.close_at = None
            connection.health_check_enabled = True  # the server may have been restarted since the last use
            _opened.add(connection)
        connection.close_if_unusable_or_obsolete()
