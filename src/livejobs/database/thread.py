"""The agent's one database thread, with a connection of its own that is kept.

An interrupted job leaves its own connection unusable, and Celery closes the job's after each task; so an
attempt's writes happen here. A call that fails because the database is away is tried again; one that hangs is cut off.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from django.db import InterfaceError, InternalError, OperationalError, connections

from livejobs.conf import conf
from livejobs.database.timeouts import cut_off
from livejobs.log_events import LogEvent, fields

logger = logging.getLogger("livejobs.worker")

P = ParamSpec("P")
T = TypeVar("T")

# What says that the database cannot take a write now. InternalError: a standby that answers in the primary's place.
AWAY: Final = (OperationalError, InterfaceError, InternalError)
CALL_SECONDS: Final = 4.0  # design: calls end after 4 s and reconnect
CLOSE_SECONDS: Final = 2.0  # how long a worker child that ends waits for its last words
BACKOFF_SECONDS: Final = (0.1, 2.0)


class AgentDatabase:
    """A thread and its connection. `submit` from anywhere; calls run in order."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="livejobs-agent-database")
        self._prepared: Any = None
        self._since: float | None = None
        self._closing = threading.Event()
        self.down = False

    def submit(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call once; its error is the future's."""
        return self._submit(self._once, partial(call, *args, **kwargs))

    def insist(self, call: Callable[[], T], *, give_up: Callable[[], bool]) -> Future[T]:
        """Run a call until the database takes it.

        :param give_up: asked after each failure; true ends the tries with the last error.
        """
        return self._submit(self._until_done, call, give_up)

    def cut_off_hung_call(self) -> None:
        """End a call that is over its time by closing the socket under it. Called from the agent's loop."""
        since, connection = self._since, self._prepared
        if since is None or time.monotonic() - since < CALL_SECONDS + 1 or connection is None:
            return
        cut_off(connection)

    def close(self) -> None:
        """Close the connection and end the thread; waits a little for what was submitted."""
        self._closing.set()
        last = self._submit(connections.close_all)
        self._pool.shutdown(wait=False)
        wait([last], CLOSE_SECONDS)

    def _submit(self, call: Callable[..., T], *args: Any) -> Future[T]:
        try:
            return self._pool.submit(call, *args)
        except RuntimeError as error:  # closed: the process ends
            refused: Future[T] = Future()
            refused.set_exception(InterfaceError(str(error)))
            return refused

    def _until_done(self, call: Callable[[], T], give_up: Callable[[], bool]) -> T:
        delay, longest = BACKOFF_SECONDS
        while True:
            try:
                return self._once(call)
            except AWAY as error:
                if not self.down:
                    logger.warning(
                        "The database does not answer (%s); trying until it does", str(error).strip(),
                        extra=fields(LogEvent.DATABASE_DOWN),
                    )  # fmt: skip
                self.down = True
                if give_up() or self._closing.is_set():
                    raise
            self._closing.wait(delay)
            delay = min(delay * 2, longest)

    def _once(self, call: Callable[[], T]) -> T:
        self._since = time.monotonic()
        try:
            self._prepare()
            answer = call()
        except AWAY:
            self._prepared = None
            with suppress(Exception):
                connections[conf.DATABASE].close()
            raise
        finally:
            self._since = None
        if self.down:
            logger.warning("The database answers again", extra=fields(LogEvent.DATABASE_UP))
            self.down = False
        return answer

    def _prepare(self) -> None:
        """Have a connection that is bounded in everything it does."""
        alias = conf.DATABASE
        wrapper = connections[alias]
        if wrapper.connection is not None and wrapper.connection is self._prepared:
            return
        wrapper.close()
        wrapper = connections[alias] = connections.create_connection(alias)
        wrapper.settings_dict = _bounded(wrapper.settings_dict, wrapper.vendor)
        wrapper.ensure_connection()
        milliseconds = int(CALL_SECONDS * 1000)
        with wrapper.cursor() as cursor:
            if wrapper.vendor == "postgresql":
                # the third: a worker that is frozen inside a transaction would keep its row from being rescued
                cursor.execute(
                    f"SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds};"
                    f" SET idle_in_transaction_session_timeout = {milliseconds}"
                )
            elif wrapper.vendor == "sqlite":
                cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")
        self._prepared = wrapper.connection


def _bounded(settings: dict[str, Any], vendor: str) -> dict[str, Any]:
    """The host's settings for a connection that is kept and must not hang while it is made."""
    options = dict(settings.get("OPTIONS") or {})
    if vendor == "postgresql":
        options.pop("pool", None)  # kept for the life of the process: a pool would only lose a place
        options["connect_timeout"] = int(CALL_SECONDS)
    elif vendor == "sqlite":
        options["timeout"] = CALL_SECONDS  # of the statements that open it (WAL) too
    return {**settings, "OPTIONS": options}
