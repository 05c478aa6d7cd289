"""Hosts hear of an attempt before and after it, whatever they make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from livejobs import signals
from livejobs.definition import Attempt, LiveJob
from livejobs.runner import surroundings
from livejobs.runner.outcome import Failed, Outcome, Stopped, Succeeded, described
from livejobs.runner.surroundings import announced, surround_with, surrounded
from livejobs.states import ErrorReason, StopReason

ERROR = described(ErrorReason.EXCEPTION, "ValueError", "bad row")


def fetch() -> None:
    """Do nothing."""


JOB = LiveJob(fetch, short_name=True)


@pytest.fixture
def heard() -> Iterator[list[dict[str, Any]]]:
    """What a host hears of attempts of one job."""
    every: list[dict[str, Any]] = []

    def hear(signal: Any, **about: Any) -> None:
        every.append({"signal": {signals.attempt_started: "started", signals.attempt_ended: "ended"}[signal], **about})

    for signal in (signals.attempt_started, signals.attempt_ended):
        signal.connect(hear, sender=JOB)
    yield every
    for signal in (signals.attempt_started, signals.attempt_ended):
        signal.disconnect(hear, sender=JOB)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Succeeded(3), {"outcome": "succeeded", "reason": "", "error": None}),
        (Failed(ERROR), {"outcome": "failed", "reason": "exception", "error": ERROR}),
        (Stopped(StopReason.CANCEL), {"outcome": "stopped", "reason": "cancel", "error": None}),
    ],
)
def test_a_host_hears_before_and_after(heard, outcome: Outcome, said):
    def perform() -> Outcome:
        heard.append({"signal": "performed"})
        return outcome

    assert announced(JOB, Attempt(7, 2, "fetch"), "user:3", perform) is outcome
    about = {"sender": JOB, "job_id": 7, "attempt": 2, "task": "fetch", "owner_key": "user:3"}
    assert heard == [{"signal": "started", **about}, {"signal": "performed"}, {"signal": "ended", **about, **said}]


def test_an_attempt_of_a_runner_runs_inside_of_what_surrounds_it(monkeypatch):
    monkeypatch.setattr(surroundings, "_surround", [surroundings._nothing])
    attempt, seen = Attempt(7, 1, "fetch"), list[Any]()
    with surrounded(attempt, {}):
        pass

    @contextmanager
    def around(attempt: Attempt, params: Mapping[str, Any]) -> Iterator[None]:
        seen.append((attempt, params))
        yield
        seen.append("after")

    surround_with(around)
    with surrounded(attempt, {"a": 1}):
        seen.append("inside")
    assert seen == [(attempt, {"a": 1}), "inside", "after"]


def test_it_costs_next_to_nothing_where_nobody_listens():
    """Compared with what an attempt costs (some 30 µs), not with a clock: no receiver is looked for, none is made."""
    made: list[Callable[..., Any]] = [*signals.attempt_started.receivers, *signals.attempt_ended.receivers]
    assert made == []
    assert signals.attempt_started.send_robust(sender=JOB) == []
