"""What a running function sees of its job: `current_job()`.

Free of Django and Celery, so that a plain file of functions can import it. Outside a job `current_job()` answers with a
stand-in that does nothing, so functions stay testable.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

from livejobs.definition.cells import CURRENT, LOOKED, MESSAGE_MAX, RAISED, STOP, TOTAL, Cells, cell_of
from livejobs.definition.levels import level_of
from livejobs.definition.pending_lines import Line, PendingLines
from livejobs.errors import JobStopped
from livejobs.states import StopReason

T = TypeVar("T")
REASONS: Final = tuple(StopReason)


class Attempt:
    """One run of a job: what its function writes and its agent reads, and the other way round.

    The function's side costs a store per step; no lock, because each field has one writer.

    :param cells: progress and stop, shared where the function has a process of its own.
    :param send: takes each line of log (level, text) where the lines are not kept here.
    """

    __slots__ = (
        "_lock", "_send", "_tracks", "began", "cells", "drawn", "drawn_last", "id", "lines", "max_text", "number",
        "open_line", "query_ended", "task", "thread", "view",
    )  # fmt: skip

    def __init__(
        self,
        job_id: int,
        number: int,
        task: str,
        *,
        max_lines: int = 10_000,
        max_text: int = 8_192,
        cells: Cells | None = None,
        send: Callable[[str, str], None] | None = None,
    ) -> None:
        self.id, self.number, self.task = job_id, number, task
        self.began = time.monotonic()
        self.cells = cells or Cells()
        self.view = self.cells.view
        self.lines = PendingLines(max_lines)
        self.max_text = max_text
        self.open_line = ""  # what was printed and has no end of line yet
        self.drawn = self.drawn_last = ""  # what is drawn over itself now, and what was last: where a bar may be
        self.thread = threading.get_ident()
        self.query_ended = False  # a query of SQLite was ended for a stop: its error passes in place of `JobStopped`
        self._send = send
        self._tracks: set[int] = set()  # the depths of those that are under way
        self._lock = threading.RLock()  # a signal handler of the job may log in the middle of a line

    @property
    def stop_reason(self) -> StopReason | None:
        """Why it has to stop, if it has to."""
        number = int(self.view[STOP])
        return REASONS[number - 1] if number else None

    @stop_reason.setter
    def stop_reason(self, reason: StopReason) -> None:
        self.view[STOP] = REASONS.index(reason) + 1

    @property
    def current(self) -> float | None:
        """How much is done."""
        return self.cells.number(CURRENT)

    @property
    def total(self) -> float | None:
        """How much there is."""
        return self.cells.number(TOTAL)

    @property
    def message(self) -> str:
        """What is being done now."""
        return self.cells.message

    @property
    def raised(self) -> bool:
        """Whether the function saw `JobStopped`, by looking up or by a signal."""
        return self.view[RAISED] != 0

    @raised.setter
    def raised(self, value: bool) -> None:
        self.view[RAISED] = value

    def share(self, cells: Cells) -> None:
        """Go on with these cells, in place of the attempt's own."""
        cells.clear()
        before, self.cells, self.view = self.view, cells, cells.view
        if before[STOP]:
            cells.view[STOP] = before[STOP]

    def write(self, level: str, text: str) -> None:
        """Add a line of log."""
        if self._send is not None:
            self._send(level, text)
            return
        with self._lock:  # jobs may log from threads of their own
            if len(text) > self.max_text:
                text = text[: self.max_text - 1] + "…"
            self.lines.append(Line(time.monotonic() - self.began, level, text))

    @contextmanager
    def track(self) -> Iterator[int]:
        """The cell where a track counts as long as it lasts: progress itself, or, inside of another, beside it."""
        depth = next(depth for depth in itertools.count() if depth not in self._tracks)
        self._tracks.add(depth)
        cell = cell_of(depth)
        try:
            yield cell
        finally:
            self._tracks.discard(depth)
            if depth:  # progress stays where the outermost one left it
                self.view[cell] = self.view[cell + 1] = math.nan

    def check(self) -> None:
        """Raise if the attempt has to stop. Not while that passes already: clean-up may report progress."""
        self.view[LOOKED] = 1
        passing = sys.exc_info()[1]
        if not self.view[STOP] or isinstance(passing, JobStopped) or (self.query_ended and passing is not None):
            return
        if threading.get_ident() == self.thread:  # in a thread of the job it ends that thread only
            self.raised = True
        raise JobStopped(self.stop_reason or StopReason.CANCEL)


class CurrentJob:
    """The job that is running: report progress, write to its log, ask whether to stop."""

    __slots__ = ("_attempt",)

    def __init__(self, attempt: Attempt | None) -> None:
        self._attempt = attempt

    @property
    def id(self) -> int | None:
        """The job's id; None outside a job."""
        return self._attempt.id if self._attempt else None

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1; 0 outside a job."""
        return self._attempt.number if self._attempt else 0

    def progress(self, current: float, total: float | None = None, message: str | None = None) -> None:
        """Report how far the job is, and stop here if it has to.

        :param current: how much is done, in the same unit as `total`.
        :param total: how much there is, if that is known; kept from the last report when absent.
        :param message: what is being done now; at most 255 characters are kept.
        :raises ValueError: a number that is not finite.
        :raises JobStopped: the job was cancelled or has to stop.
        """
        current, total = _number(current), None if total is None else _number(total)
        attempt = self._attempt
        if attempt is None:
            return
        if total is not None:
            attempt.view[TOTAL] = total
        if message is not None:
            attempt.cells.message = str(message)[:MESSAGE_MAX]
        attempt.view[CURRENT] = current
        attempt.check()

    def track(self, items: Iterable[T], total: float | None = None) -> Iterator[T]:
        """Go through `items` and count them as progress; stop between two of them if the job has to.

        The outermost one moves the bar; those inside of it are told beside the message.

        :param total: how many there are, when `items` cannot say so itself.
        :raises ValueError: a total that is not finite.
        :raises JobStopped: the job was cancelled or has to stop.
        """
        total = _length(items) if total is None else _number(total)
        attempt = self._attempt
        if attempt is None:
            yield from items
            return
        with attempt.track() as cell:
            view = attempt.view
            view[cell + 1] = math.nan if total is None else total
            view[cell] = 0
            view[LOOKED] = 1
            for done, item in enumerate(items, 1):
                if view[STOP]:
                    attempt.check()
                yield item
                view[cell] = done
        attempt.check()

    def log(self, text: object, level: str | int = "info") -> None:
        """Write a line to the job's log.

        :param level: debug, info, warning, error or critical, as logging calls them or numbers them; what is none of
            these is info.
        """
        if self._attempt is not None:
            name = level_of(level)
            for line in str(text).splitlines() or [""]:
                self._attempt.write(name, line)

    def check_cancelled(self) -> None:
        """Stop here if the job has to; long steps without progress call this.

        :raises JobStopped: the job was cancelled or has to stop.
        """
        if self._attempt is not None:
            self._attempt.check()


OUTSIDE: Final = CurrentJob(None)
_current: ContextVar[CurrentJob | None] = ContextVar("livejobs_current_job", default=None)
_running: list[CurrentJob] = []  # of this process: what a thread that the job started finds


def current_job() -> CurrentJob:
    """The job this code runs in, else a stand-in that does nothing."""
    found = _current.get()
    if found is None:
        return _running[0] if len(_running) == 1 else OUTSIDE
    return found


@contextmanager
def running(attempt: Attempt) -> Iterator[CurrentJob]:
    """Make an attempt the current job of this context."""
    job = CurrentJob(attempt)
    token = _current.set(job)
    _running.append(job)
    try:
        yield job
    finally:
        _running.remove(job)
        _current.reset(token)


def attempt_of(job: CurrentJob) -> Attempt | None:
    """The attempt behind a current job; None for the stand-in."""
    return job._attempt


def _length(items: object) -> int | None:
    try:
        return len(items)  # type: ignore[arg-type]
    except TypeError:
        return None


def _number(value: float) -> float:
    """Make a plain number of what a job calls one (Decimal, numpy …): the row and the wire take no other."""
    number = float(value)  # OverflowError is an ArithmeticError that the job sees, as for any number too large
    if not math.isfinite(number):
        raise ValueError("progress needs finite numbers")
    return int(value) if isinstance(value, int) else number


def _forget_after_fork() -> None:
    """In a process that a job forks, its prints and its progress go nowhere: the job is its parent's."""
    for job in _running:
        job._attempt = None
    _running.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
