"""One attempt in the agent's care, without a database: what is due when, and the steps of a stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, cast

import pytest
from django.conf import settings
from django.db import OperationalError

from livejobs.definition import Attempt
from livejobs.definition.cells import INTERRUPT, LOOKED
from livejobs.hints import broadcast
from livejobs.leases import Renewal
from livejobs.states import StopReason
from livejobs.worker.attempt_supervisor import AttemptSupervisor
from livejobs.worker.resources import Use


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

    def note_use(self, use: Use) -> None:
        self.used = use

    def open_line_events(self, now: float) -> list[Any]:
        return [self.attempt.open_line] if self.attempt.open_line else []


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


class Place:
    """Where the function runs; what is asked of it is noted."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.memory = self.shares = 50_000_000

    def interrupt(self) -> None:
        self.asked.append("interrupt")

    def kill(self) -> None:
        self.asked.append("kill")

    def use(self, *, shared: bool = False) -> Use:
        return Use(1.5, self.shares if shared else self.memory)


@pytest.fixture
def writes(monkeypatch) -> Writes:
    monkeypatch.setattr(broadcast, "send", lambda events: None)
    monkeypatch.setattr(
        settings, "LIVEJOBS", {"BEAT_SECONDS": 5.0, "STOP_RAISE_SECONDS": 5.0, "STOP_KILL_SECONDS": 15.0}
    )
    return Writes(Attempt(7, 1, "work"))


@pytest.fixture
def place() -> Place:
    return Place()


def supervisor(writes: Writes, place: Place | None = None, timeout: float | None = None) -> AttemptSupervisor:
    one = AttemptSupervisor(cast("Any", writes), cast("Any", Database()), timeout)
    one.place = cast("Any", place)
    return one


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


def test_the_line_that_has_no_end_yet_is_told_at_once(writes, monkeypatch):
    told: list[Any] = []
    monkeypatch.setattr(broadcast, "send", told.extend)
    writes.attempt.open_line = "50 %"
    supervisor(writes).tick(0.0)
    assert told == ["50 %"]


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


def test_one_that_looks_up_has_time_to_notice_then_it_is_interrupted_then_ended(writes, place, caplog):
    one = supervisor(writes, place)
    begun = one._renew_at
    writes.attempt.view[LOOKED] = 1
    one.stop(StopReason.CANCEL)
    one.tick(begun)
    assert ("stopping", StopReason.CANCEL) in writes.done
    one.tick(begun + 4.9)
    assert place.asked == []
    assert not writes.attempt.view[INTERRUPT]
    one.tick(begun + 5.0)
    assert place.asked == ["interrupt"]
    assert writes.attempt.view[INTERRUPT]
    one.tick(begun + 15.0)
    assert place.asked[-1] == "kill"
    (record,) = caplog.records
    assert (record.event, record.job) == ("job.killed", 7)


def test_one_that_never_looked_up_is_interrupted_at_once_and_again_until_it_saw_it(writes, place):
    one = supervisor(writes, place)
    begun = one._renew_at
    one.stop(StopReason.CANCEL)
    for tick in range(3):
        one.tick(begun + tick / 10)
    assert place.asked == ["interrupt"] * 3
    writes.attempt.raised = True
    one.tick(begun + 1)
    assert place.asked == ["interrupt"] * 3


def test_it_is_ended_once_even_if_it_saw_the_stop(writes, place):
    one = supervisor(writes, place)
    begun = one._renew_at
    one.stop(StopReason.CANCEL)
    one.tick(begun)
    writes.attempt.raised = True
    for seconds in (14.9, 15, 16, 17):
        one.tick(begun + seconds)
    assert place.asked == ["interrupt", "kill"]


@pytest.mark.parametrize("reason", [StopReason.TIMEOUT, StopReason.SHUTDOWN])
def test_what_had_its_patience_before_gets_none(writes, place, reason):
    one = supervisor(writes, place)
    writes.attempt.view[LOOKED] = 1
    one.stop(reason)
    one.tick(one._renew_at)
    assert place.asked == ["interrupt"]


def test_a_lost_lease_is_not_shown_as_a_stop(writes, place):
    one = supervisor(writes, place)
    one.stop(StopReason.LEASE_LOST)
    one.tick(one._renew_at - 0.1)
    assert writes.done == []
    assert place.asked == ["interrupt"]


def test_before_it_has_a_place_nothing_can_be_interrupted_and_then_it_is(writes, place):
    one = supervisor(writes)
    one.stop(StopReason.CANCEL)
    one.tick(one._renew_at)
    one.place = cast("Any", place)
    one.tick(one._renew_at + 0.1)
    assert place.asked == ["interrupt"]


def test_what_stood_still_is_ended_at_once_and_given_back(writes, place):
    one = supervisor(writes, place)
    one.end_now()
    one.tick(one._renew_at + 60)
    assert writes.attempt.stop_reason is StopReason.SHUTDOWN
    assert place.asked.count("kill") == 1


def test_what_has_left_is_not_touched_any_more(writes, place):
    one = supervisor(writes, place)
    one.stop(StopReason.CANCEL)
    one.leave()
    one.tick(one._renew_at + 60)
    one.end_now()
    assert place.asked == []
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


def test_what_it_uses_is_looked_at_once_a_second(writes, place):
    one = AttemptSupervisor(writes, cast(Any, Database()))
    one.place = place
    begun = time.monotonic()
    one.tick(begun)
    assert not hasattr(writes, "used")
    one.tick(begun + 1.5)
    assert writes.used == Use(1.5, 50_000_000)


@pytest.mark.parametrize(("shares", "asked"), [(50_000_000, []), (90_000_000, ["kill"])])
def test_too_much_memory_ends_it_unless_forks_only_share_it(writes, place, shares, asked):
    one = AttemptSupervisor(writes, cast(Any, Database()), None, 60_000_000)
    one.place, place.memory, place.shares = place, 100_000_000, shares
    for second in (1.5, 3.0):
        one.tick(time.monotonic() + second)
    assert place.asked == asked
    assert one.out_of_memory == (shares if asked else 0)
