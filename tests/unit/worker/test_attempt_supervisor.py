"""One attempt in the agent's care, without a database: what is due when, and the steps of a stop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, cast

import pytest
from django.conf import settings
from django.db import OperationalError

from livejobs.definition import Attempt
from livejobs.hints import broadcast
from livejobs.leases import Renewal
from livejobs.states import StopReason
from livejobs.worker import interrupt, processes
from livejobs.worker.attempt_supervisor import AttemptSupervisor
from livejobs.worker.outcome import Stopped
from livejobs.worker.parent import parent


class Writes:
    """What the attempt writes, noted instead of written."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.renewal: Renewal | None = Renewal(cancel_requested=False)
        self.done: list[Any] = []
        self.unsaved_progress = False

    def renew(self) -> Renewal | None:
        self.done.append("renew")
        return self.renewal

    def mark_stopping(self, reason: StopReason) -> None:
        self.done.append(("stopping", reason))

    def flush_log(self) -> None:
        self.done.append("log")
        self.attempt.lines.clear()

    def save_progress(self) -> None:
        self.done.append("save")

    def sample(self) -> None:
        return None

    def finish(self, outcome: Any) -> None:
        self.done.append((outcome, self.attempt.lines[-1][2]))


class Database:
    """A database thread that does everything at once, or fails."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def submit(self, call: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(call(*args))
        return future

    def insist(self, call: Callable[[], Any], *, give_up: Callable[[], bool]) -> Future[Any]:
        return self.submit(call)


@pytest.fixture
def writes(monkeypatch) -> Writes:
    monkeypatch.setattr(broadcast, "send", lambda events: None)
    monkeypatch.setattr(
        settings, "LIVEJOBS", {"BEAT_SECONDS": 5.0, "STOP_RAISE_SECONDS": 5.0, "STOP_KILL_SECONDS": 15.0}
    )
    return Writes(Attempt(7, 1, "work"))


@pytest.fixture
def interrupted(monkeypatch) -> list[str]:
    """What was done to the function and to the process, instead of doing it."""
    done: list[str] = []
    monkeypatch.setattr(interrupt, "interrupt", lambda attempt: done.append("raise"))
    monkeypatch.setattr(processes, "end_group", lambda: done.append("end"))
    monkeypatch.setattr(parent, "is_child", lambda: True)
    return done


def supervisor(writes: Writes, timeout: float | None = None) -> AttemptSupervisor:
    return AttemptSupervisor(cast("Any", writes), cast("Any", Database()), timeout)


def test_the_lease_is_renewed_when_it_is_due_and_lines_go_out(writes):
    one = supervisor(writes)
    now = one._renew_at
    one.tick(now - 0.1)
    assert writes.done == []
    writes.attempt.write("info", "hello")
    one.tick(now)
    one.tick(now + 1)
    assert writes.done == ["renew", "log"]
    one.tick(now + 5)
    assert writes.done == ["renew", "log", "renew"]


def test_a_lease_that_is_lost_stops_the_attempt_whatever_was_asked_before(writes):
    one = supervisor(writes)
    one.stop(StopReason.CANCEL)
    writes.renewal = None
    one.tick(one._renew_at)
    assert writes.attempt.stop_reason is StopReason.LEASE_LOST


def test_a_cancel_is_learnt_of_with_the_renewal_and_the_first_reason_stands(writes):
    one = supervisor(writes)
    writes.renewal = Renewal(cancel_requested=True)
    one.tick(one._renew_at)
    one.stop(StopReason.SHUTDOWN)
    assert writes.attempt.stop_reason is StopReason.CANCEL


def test_time_that_is_up_stops_the_attempt(writes):
    one = supervisor(writes, timeout=2.0)
    one.tick(writes.attempt.began + 1.9)
    assert writes.attempt.stop_reason is None
    one.tick(writes.attempt.began + 2.0)
    assert writes.attempt.stop_reason is StopReason.TIMEOUT


def test_a_stop_is_shown_then_raised_then_forced(writes, interrupted):
    one = supervisor(writes)
    begun = one._renew_at
    one.stop(StopReason.CANCEL)
    one.tick(begun)
    assert ("stopping", StopReason.CANCEL) in writes.done
    one.tick(begun + 4.9)
    assert interrupted == []
    one.tick(begun + 5.0)
    assert interrupted == ["raise"]
    one.tick(begun + 15.0)
    said = "The job did not stop and was ended with its worker process"
    assert (Stopped(StopReason.CANCEL), said) in writes.done
    assert interrupted[-1] == "end"


def test_a_shutdown_had_its_patience_before_it_came_here(writes, interrupted):
    one = supervisor(writes)
    one.stop(StopReason.SHUTDOWN)
    one.tick(one._renew_at)
    assert interrupted == ["raise"]


def test_what_has_left_is_not_touched_any_more(writes, interrupted):
    one = supervisor(writes)
    one.stop(StopReason.CANCEL)
    assert one.leave() is None
    one.tick(one._renew_at + 60)
    assert interrupted == []
    assert writes.done == []


def test_a_database_that_is_away_stops_nothing(writes, caplog):
    one = supervisor(writes)
    cast("Any", one)._database.error = OperationalError("away")
    one.tick(one._renew_at)
    assert writes.attempt.stop_reason is None
    assert caplog.records == []


def test_another_error_of_a_write_is_logged_with_its_job(writes, caplog):
    one = supervisor(writes)
    cast("Any", one)._database.error = ValueError("odd")
    one.tick(one._renew_at)
    (record,) = caplog.records
    assert (record.event, record.job, record.task, record.attempt) == ("job.write_failed", 7, "work", 1)
