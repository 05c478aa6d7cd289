"""Raising `JobStopped` in the main thread: only inside the function, once, and at a safe place."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db.backends.signals import connection_created

from livejobs.definition import Attempt, running
from livejobs.errors import JobStopped
from livejobs.states import StopReason
from livejobs.worker import interrupt
from livejobs.worker.capture import captured


@pytest.fixture(autouse=True)
def installed(monkeypatch) -> Iterator[None]:
    handler = signal.getsignal(interrupt.SIGNAL)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setattr(interrupt, "_installed", False)
    # coverage takes a lock in every thread's first steps; an interrupt there would leave it taken for good
    monkeypatch.setattr(interrupt, "UNSAFE_INNERMOST", interrupt.UNSAFE_INNERMOST | {"coverage.collector"})
    interrupt.install()
    yield
    signal.signal(interrupt.SIGNAL, handler)
    connection_created.disconnect(dispatch_uid="livejobs-interrupt")
    interrupt._opened.clear()


def an_attempt(reason: StopReason | None = StopReason.CANCEL) -> Attempt:
    attempt = Attempt(7, 1, "tests.task")
    attempt.stop_reason = reason
    return attempt


@contextmanager
def interrupting(attempt: Attempt) -> Iterator[None]:
    """Play the agent: interrupt again and again while the block runs."""
    over = threading.Event()

    def press() -> None:
        while not over.is_set():
            interrupt.interrupt(attempt)
            over.wait(0.001)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_it_ends_a_sleep_with_the_reason_and_runs_finally():
    attempt, cleaned = an_attempt(StopReason.TIMEOUT), []

    def function() -> None:
        try:
            time.sleep(30)
        finally:
            cleaned.append(True)

    began = time.monotonic()
    with interrupting(attempt), pytest.raises(JobStopped) as caught:
        interrupt.call(attempt, function, {})
    assert time.monotonic() - began < 10
    assert caught.value.reason is StopReason.TIMEOUT
    assert isinstance(caught.value, KeyboardInterrupt)  # what psycopg and asyncio know how to treat
    assert cleaned == [True]
    assert attempt.raised


def test_it_is_raised_once():
    attempt = an_attempt()

    def function() -> str:
        with pytest.raises(JobStopped):
            time.sleep(30)
        deadline = time.monotonic() + 0.1
        while time.monotonic() < deadline:
            pass
        return "survived"

    with interrupting(attempt):
        assert interrupt.call(attempt, function, {}) == "survived"


def test_what_was_noticed_is_not_interrupted_too():
    attempt = an_attempt()

    def function() -> str:
        with pytest.raises(JobStopped):
            attempt.check()
        deadline = time.monotonic() + 0.1
        while time.monotonic() < deadline:
            pass
        return "cleaned up"

    with interrupting(attempt):
        assert interrupt.call(attempt, function, {}) == "cleaned up"


@pytest.mark.parametrize("say", [lambda: print("busy"), lambda: logging.getLogger("some.library").warning("busy")])
def test_a_job_that_writes_without_a_pause_is_stopped_at_its_next_line(say):
    """The signal never comes through there: it always finds the logging module at work."""
    attempt, said = an_attempt(), []

    def function() -> None:
        attempt.interrupting = True
        try:
            say()
            said.append("too late")
        finally:
            say()  # clean-up may write: it is raised once

    with captured(attempt), running(attempt), pytest.raises(JobStopped):
        interrupt.call(attempt, function, {})
    assert said == []
    assert [text for _, _, text in attempt.lines] == ["busy", "busy"]


def test_a_storm_of_interrupts_never_leaves_the_function():
    """Interrupts arrive while functions begin, run and return; outside of `call` not one is raised."""
    ends = {"returned": 0, "stopped": 0}
    interval = sys.getswitchinterval()
    current = [an_attempt()]

    def press(over: threading.Event) -> None:
        while not over.is_set():
            interrupt.interrupt(current[0])

    def function(steps: int) -> None:
        for _ in range(steps):
            pass

    over = threading.Event()
    thread = threading.Thread(target=press, args=(over,))
    sys.setswitchinterval(1e-5)  # threads take turns a thousand times more often than usual
    thread.start()
    try:
        number, deadline = 0, time.monotonic() + 30
        while (number < 3000 or min(ends.values()) < 100) and time.monotonic() < deadline:
            number += 1
            current[0] = attempt = an_attempt()
            try:
                interrupt.call(attempt, function, {"steps": number % 2000})
                ends["returned"] += 1
            except JobStopped:
                ends["stopped"] += 1
                assert attempt.raised
            assert interrupt._target is None
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert min(ends.values()) >= 100, ends


def test_an_interrupt_of_an_attempt_that_is_over_reaches_nobody():
    old, new = an_attempt(), an_attempt(None)
    interrupt.call(old, lambda: None, {})

    def function() -> str:
        interrupt.interrupt(old)
        signal.raise_signal(interrupt.SIGNAL)  # and a stray signal is nobody's
        return "untouched"

    assert interrupt.call(new, function, {}) == "untouched"
    interrupt.interrupt(new)


def test_a_job_that_runs_another_inline_can_still_be_interrupted():
    outer, inner = an_attempt(), an_attempt(None)

    def function() -> None:
        assert interrupt.call(inner, lambda: "inner", {}) == "inner"
        time.sleep(30)

    with interrupting(outer), pytest.raises(JobStopped):
        interrupt.call(outer, function, {})


def test_a_finalizer_that_swallows_it_is_not_the_end():
    attempt, entered = an_attempt(), []

    class Slow:
        def __del__(self) -> None:
            entered.append("finalizer")
            time.sleep(30)

    def function() -> None:
        slow = Slow()
        del slow
        entered.append("after it")
        time.sleep(30)

    with interrupting(attempt), pytest.raises(JobStopped):
        interrupt.call(attempt, function, {})
    assert entered == ["finalizer", "after it"]


def test_other_finalizers_are_reported_as_ever(monkeypatch):
    seen: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    hook = interrupt._try_again_when_swallowed(sys.unraisablehook)
    unraisable = type("Unraisable", (), {"exc_value": ValueError("x")})()
    hook(unraisable)
    assert seen == [unraisable]


@pytest.mark.parametrize("module", ["livejobs.hints.broadcast", "livejobs.hints.publishing", "livejobs.per_process"])
def test_it_waits_while_the_machinery_is_on_the_stack(module):
    attempt, inside = an_attempt(), []

    def busy() -> None:
        deadline = time.monotonic() + 0.1
        while time.monotonic() < deadline:
            pass
        inside.append("whole")

    namespace: dict[str, Any] = {"busy": busy, "__name__": module}
    exec("def send():\n    busy()\n", namespace)

    def function() -> None:
        namespace["send"]()
        time.sleep(30)

    with interrupting(attempt), pytest.raises(JobStopped):
        interrupt.call(attempt, function, {})
    assert inside == ["whole"]


def test_a_job_that_took_the_signal_is_left_alone_and_the_next_is_not():
    attempt, heard = an_attempt(), []

    def function() -> str:
        signal.signal(interrupt.SIGNAL, lambda *_: heard.append("by the job"))
        signal.pthread_sigmask(signal.SIG_BLOCK, {interrupt.SIGNAL})
        for _ in range(10):
            interrupt.interrupt(attempt)
        return "done"

    assert interrupt.call(attempt, function, {}) == "done"
    assert heard == []
    after = an_attempt()
    with interrupting(after), pytest.raises(JobStopped):
        interrupt.call(after, lambda: time.sleep(30), {})


def test_in_another_thread_stop_is_cooperative_only():
    answers = []

    def run() -> None:
        attempt = an_attempt()
        with interrupting(attempt):
            answers.append(interrupt.call(attempt, lambda: "untouched", {}))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert answers == ["untouched"]


def test_elsewhere_than_the_main_thread_nothing_is_installed(monkeypatch):
    monkeypatch.setattr(interrupt, "_installed", False)
    thread = threading.Thread(target=interrupt.install)
    thread.start()
    thread.join()
    assert not interrupt._installed
    attempt = an_attempt()
    with interrupting(attempt):
        assert interrupt.call(attempt, lambda: "untouched", {}) == "untouched"
