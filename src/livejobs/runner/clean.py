"""Each attempt starts from the state in which the runner was: what an attempt can change is put back after it.

What cannot be put back is named, and the runner is replaced: threads and processes that live on, a lowered priority,
another user, limits, a trace function. Module globals stay as they are, on purpose: a model that was loaded once serves
the next job.
"""

from __future__ import annotations

import asyncio
import gc
import locale
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from django.db import connections
from django.utils import timezone, translation

from livejobs.runner import process_tree

OWN_THREADS: Final = "livejobs-"  # how the names of our threads begin
_NO_HANDLER: Final = frozenset({signal.SIGKILL, signal.SIGSTOP})
_LIMITS: Final = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]


@dataclass
class _Logger:
    logger: logging.Logger
    level: int
    handlers: list[logging.Handler]
    filters: list[Any]
    propagate: bool
    disabled: bool

    def put_back(self) -> None:
        _set_level(self.logger, self.level)
        self.logger.handlers[:] = self.handlers
        self.logger.filters[:] = self.filters
        self.logger.propagate, self.logger.disabled = self.propagate, self.disabled


class CleanState:
    """The state of this process as it is now."""

    def __init__(self) -> None:
        self._cwd = os.getcwd()
        self._environ = dict(os.environ)
        self._umask = os.umask(0)
        os.umask(self._umask)
        self._signals = {number: signal.getsignal(number) for number in signal.valid_signals() - _NO_HANDLER}
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._socket_timeout = socket.getdefaulttimeout()
        self._warnings = list(warnings.filters), warnings.showwarning
        self._locale = locale.setlocale(locale.LC_ALL)
        self._gc = gc.isenabled(), gc.get_threshold()
        self._recursion = sys.getrecursionlimit()
        self._lists = list(sys.path), list(sys.argv)
        self._streams = sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__
        self._hooks = sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook
        self._loggers = [_of(logger) for logger in _loggers()]
        self._handlers = {handler: (handler.level, getattr(handler, "stream", None)) for handler in handlers()}
        self._logging = logging.root.manager.disable, logging.getLogRecordFactory(), logging.raiseExceptions
        # what cannot be put back
        self._threads = set(threading.enumerate())
        self._priority = os.getpriority(os.PRIO_PROCESS, 0)
        self._users = os.getresuid(), os.getresgid()
        self._limits = {number: resource.getrlimit(number) for number in _LIMITS}
        self._traces = sys.gettrace(), sys.getprofile()

    @property
    def handlers(self) -> Collection[logging.Handler]:
        """Every log handler that there was."""
        return self._handlers

    def left_behind(self) -> list[str]:
        """What an attempt left that cannot be put back, in words."""
        found = []
        threads = {thread for thread in threading.enumerate() if not thread.name.startswith(OWN_THREADS)}
        if threads - self._threads:
            found.append("threads")
        # one that left its parent is its zygote's, as we are
        if process_tree.children(os.getpid()) or process_tree.children(os.getppid()) != [os.getpid()]:
            found.append("processes")
        if os.getpriority(os.PRIO_PROCESS, 0) != self._priority:
            found.append("a priority")
        if (os.getresuid(), os.getresgid()) != self._users:
            found.append("another user")
        if {number: resource.getrlimit(number) for number in _LIMITS} != self._limits:
            found.append("limits")
        if (sys.gettrace(), sys.getprofile()) != self._traces:
            found.append("a trace function")
        return found

    def put_back(self) -> None:
        """Put back what can be, each on its own: one that cannot be must not keep the others."""
        for step in self._steps():
            with suppress(Exception):
                step()

    def _steps(self) -> list[Callable[[], Any]]:
        return [
            self._put_back_django,  # first: a transaction that was left open may lock the very row of the job
            self._put_back_signals,
            self._put_back_place,
            self._put_back_python,
            self._put_back_logging,
        ]

    def _put_back_signals(self) -> None:
        signal.alarm(0)
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)
        for number, handler in self._signals.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _put_back_place(self) -> None:
        os.umask(self._umask)
        if dict(os.environ) != self._environ:
            os.environ.clear()
            os.environ.update(self._environ)
            time.tzset()
        locale.setlocale(locale.LC_ALL, self._locale)
        os.chdir(self._cwd)

    def _put_back_python(self) -> None:
        socket.setdefaulttimeout(self._socket_timeout)
        if list(warnings.filters) != self._warnings[0]:
            warnings.filters[:] = self._warnings[0]  # type: ignore[index]
            getattr(warnings, "_filters_mutated", getattr(warnings, "_filters_mutated_lock_held", lambda: None))()
        warnings.showwarning = self._warnings[1]
        (gc.enable if self._gc[0] else gc.disable)()
        gc.set_threshold(*self._gc[1])
        sys.setrecursionlimit(self._recursion)
        sys.path[:], sys.argv[:] = self._lists
        sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__ = self._streams  # type: ignore[misc]
        if sys.stdin is not None and sys.stdin.closed:  # quit() closes it
            sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process
            self._streams = (sys.stdin, *self._streams[1:])
        sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook = self._hooks
        asyncio.set_event_loop(None)
        random = sys.modules.get("numpy.random")
        if random is not None:
            random.seed()

    def _put_back_logging(self) -> None:
        if logging.root.manager.disable != self._logging[0]:
            logging.disable(self._logging[0])
        logging.setLogRecordFactory(self._logging[1])
        logging.raiseExceptions = self._logging[2]
        known = {state.logger for state in self._loggers}
        for logger in _loggers():
            if logger not in known:  # made by the attempt: as a new one is
                _set_level(logger, logging.NOTSET)
                logger.handlers.clear()
                logger.propagate, logger.disabled = True, False
        for state in self._loggers:
            state.put_back()
        for handler, (level, stream) in self._handlers.items():
            handler.setLevel(level)
            if stream is not None and isinstance(handler, logging.StreamHandler):
                handler.stream = stream

    def _put_back_django(self) -> None:
        translation.deactivate()
        timezone.deactivate()
        for wrapper in connections.all(initialized_only=True):
            with suppress(Exception):
                wrapper.close()
            with suppress(AttributeError):
                del connections[wrapper.alias]  # one that was left in a transaction cannot be opened again


def _loggers() -> list[logging.Logger]:
    made = logging.root.manager.loggerDict.values()
    return [logging.root, *(logger for logger in made if isinstance(logger, logging.Logger))]


def handlers() -> set[logging.Handler]:
    """Every handler: those that logging remembers, and those it does not since a dictConfig."""
    return {handler for logger in _loggers() for handler in logger.handlers} | remembered()


def remembered() -> set[logging.Handler]:
    """Those that logging remembers."""
    return {reference() for reference in logging._handlerList} - {None}  # type: ignore[attr-defined]


def _set_level(logger: logging.Logger, level: int) -> None:
    """Set a level that is another: each time it is set, logging forgets what it knows of every logger."""
    if logger.level != level:
        logger.setLevel(level)


def _of(logger: logging.Logger) -> _Logger:
    handlers, filters = list(logger.handlers), list(logger.filters)
    return _Logger(logger, logger.level, handlers, filters, logger.propagate, logger.disabled)
