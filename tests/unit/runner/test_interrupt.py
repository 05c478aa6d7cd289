"""Raising `JobStopped` in the main thread: only inside the function, once, and at a safe place."""

from __future__ import annotations

import mmap
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection

from livejobs.definition import Attempt
from livejobs.definition.cells import INTERRUPT, SIZE, Cells
from livejobs.errors import JobStopped
from livejobs.runner import interrupt
from livejobs.runner.zygote import SIGNAL
from livejobs.states import StopReason
from tests.support.forks import in_a_fork
from tests.support.waiting import wait_for

LONG = 30  # seconds: what sleeps so long was interrupted if the test ends before


def an_attempt(reason: StopReason = StopReason.CANCEL) -> Attempt:
    """An attempt that has to stop; `interrupt_now` lets signals through."""
    if signal.getsignal(SIGNAL) is not interrupt._on_signal:
        interrupt.install()
    attempt = Attempt(7, 1, "tests.task")
    attempt.stop_reason = reason
    return attempt


def interrupt_now(attempt: Attempt) -> None:
    """Give the agent's word; from the function, so that the exception comes behind its `try`."""
    attempt.view[INTERRUPT] = 1


@contextmanager
def signals(every: float = 0.001) -> Iterator[None]:
    """Play the zygote: send the signal again and again while the block runs."""
    runner, pid = os.getpid(), os.fork()
    if pid == 0:
        signal.signal(SIGNAL, signal.SIG_DFL)
        while os.getppid() == runner:
            os.kill(runner, SIGNAL)
            time.sleep(every)
        os._exit(0)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def spin(until: Callable[[], bool] = lambda: False, seconds: float = 0.1) -> None:
    """Run Python for a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not until():
        pass


@in_a_fork
def test_it_ends_a_sleep_with_the_reason_and_runs_finally():
    attempt, cleaned = an_attempt(StopReason.TIMEOUT), []

    def function() -> None:
        try:
            interrupt_now(attempt)
            time.sleep(LONG)
        finally:
            cleaned.append(True)

    began = time.monotonic()
    with signals(), pytest.raises(JobStopped) as caught:
        interrupt.call(attempt, function, {})
    assert time.monotonic() - began < LONG / 2
    assert caught.value.reason is StopReason.TIMEOUT
    assert isinstance(caught.value, KeyboardInterrupt)  # what psycopg and asyncio know how to treat
    assert cleaned == [True]
    assert attempt.raised


@in_a_fork
def test_it_is_raised_once():
    attempt = an_attempt()

    def function() -> str:
        try:
            interrupt_now(attempt)
            time.sleep(LONG)
        except JobStopped:
            spin()
            return "survived"
        return "not interrupted"

    with signals():
        assert interrupt.call(attempt, function, {}) == "survived"


@in_a_fork
def test_what_was_noticed_is_not_interrupted_too():
    attempt = an_attempt()

    def function() -> str:
        with pytest.raises(JobStopped):
            attempt.check()
        interrupt_now(attempt)
        spin()
        return "cleaned up"

    with signals():
        assert interrupt.call(attempt, function, {}) == "cleaned up"


@in_a_fork
def test_a_signal_without_the_agents_word_is_nobodys():
    attempt = an_attempt()
    with signals():
        assert interrupt.call(attempt, spin, {}) is None
    assert not attempt.raised


@in_a_fork
def test_a_storm_of_signals_never_leaves_the_function():
    """They arrive while functions begin, run and return; outside of `call` not one is raised."""
    sys.settrace(None)  # what measures coverage makes each signal cost as much as the function
    ends = {"returned": 0, "stopped": 0}
    an_attempt()

    def function(steps: int) -> None:
        for _ in range(steps):
            pass

    with signals(every=0.0001):  # sooner after one another they leave a busy machine no time for anything else
        number, deadline = 0, time.monotonic() + 10
        while (number < 3000 or min(ends.values()) < 100) and time.monotonic() < deadline:
            number += 1
            attempt = an_attempt()
            interrupt_now(attempt)
            try:
                interrupt.call(attempt, function, {"steps": number % 5000})
                ends["returned"] += 1
            except JobStopped:
                ends["stopped"] += 1
                assert attempt.raised
            assert interrupt._target is None
    assert min(ends.values()) >= 100, ends


@in_a_fork
def test_an_attempt_that_is_over_reaches_nobody():
    old, new = an_attempt(), an_attempt()
    interrupt_now(old)
    with signals():
        interrupt.call(new, spin, {})
        spin()
    assert not old.raised
    assert not new.raised


@in_a_fork
@pytest.mark.parametrize("module", sorted(interrupt.UNSAFE_INNERMOST))
def test_it_waits_while_a_lock_of_pythons_own_may_be_held(module):
    attempt, inside = an_attempt(), list[str]()
    namespace: dict[str, Any] = {
        "__name__": module, "view": attempt.view, "inside": inside, "monotonic": time.monotonic,
    }  # fmt: skip
    source = f"""
def emit():
    view[{INTERRUPT}] = 1
    end = monotonic() + 0.1
    while monotonic() < end: pass
    inside.append("whole")
"""
    exec(source, namespace)

    def function() -> None:
        namespace["emit"]()
        time.sleep(LONG)

    with signals(), pytest.raises(JobStopped):
        interrupt.call(attempt, function, {})
    assert inside == ["whole"]


@in_a_fork
def test_a_finalizer_that_swallows_it_is_not_the_end():
    attempt, entered = an_attempt(), []

    class Slow:
        def __del__(self) -> None:
            entered.append("finalizer")
            interrupt_now(attempt)
            time.sleep(LONG)

    def function() -> None:
        slow = Slow()
        del slow
        entered.append("after it")
        time.sleep(LONG)

    with signals(), pytest.raises(JobStopped):
        interrupt.call(attempt, function, {})
    assert entered == ["finalizer", "after it"]


def test_other_finalizers_are_reported_as_ever():
    seen: list[object] = []
    unraisable = type("Unraisable", (), {"exc_value": ValueError("x")})()
    interrupt._try_again_when_swallowed(seen.append)(unraisable)
    assert seen == [unraisable]


@in_a_fork
def test_a_job_that_took_the_signal_is_left_alone_and_the_next_is_not():
    attempt, heard = an_attempt(), []

    def function() -> str:
        signal.signal(SIGNAL, lambda *_: heard.append("by the job"))
        interrupt_now(attempt)
        spin(until=lambda: bool(heard), seconds=5)
        signal.pthread_sigmask(signal.SIG_BLOCK, {SIGNAL})
        return "done"

    with signals():
        assert interrupt.call(attempt, function, {}) == "done"
    assert heard
    assert not attempt.raised
    interrupt.hear_signal()
    after = an_attempt()
    interrupt_now(after)
    with signals(), pytest.raises(JobStopped):
        interrupt.call(after, lambda: time.sleep(LONG), {})


@in_a_fork
@pytest.mark.parametrize("whose", ["Django's", "the job's own"])
def test_a_query_of_sqlite_is_interrupted(whose):
    attempt = an_attempt()
    cursor = connection.cursor() if whose == "Django's" else sqlite3.connect(":memory:").cursor()
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1e12) SELECT max(x) FROM n"
    interrupt_now(attempt)
    began = time.monotonic()
    with signals(), pytest.raises((JobStopped, sqlite3.OperationalError, OperationalError)):
        interrupt.call(attempt, lambda: cursor.execute(endless), {})
    assert time.monotonic() - began < LONG / 2
    assert cursor.execute("SELECT 1").fetchone() == (1,)  # the next one is not ended


@in_a_fork
def test_a_line_that_is_written_is_a_step_in_the_main_thread_only():
    attempt = an_attempt()
    survived: list[bool] = []

    def look_up() -> None:
        interrupt.raise_if_due(attempt)
        survived.append(True)

    def function() -> None:
        thread = threading.Thread(target=look_up)
        thread.start()
        thread.join()
        interrupt.raise_if_due(attempt)

    with pytest.raises(JobStopped):
        interrupt.call(attempt, function, {})
    assert survived == [True]
    interrupt.raise_if_due(attempt)  # it was raised, and its function is not on the stack


@in_a_fork
def test_the_word_is_seen_in_a_shared_page():
    """As an agent gives it: from another process, while the function runs."""
    cells = Cells(mmap.mmap(-1, SIZE))
    attempt = Attempt(7, 1, "tests.task", cells=cells)
    cells.clear()
    interrupt.install()
    runner = os.getpid()

    def signalled() -> bool:
        os.kill(runner, SIGNAL)
        return attempt.raised

    if os.fork() == 0:
        cells.view[INTERRUPT] = 1
        wait_for(signalled)
        os._exit(0)
    with pytest.raises(JobStopped) as caught:
        interrupt.call(attempt, lambda: time.sleep(LONG), {})
    assert caught.value.reason is StopReason.CANCEL
