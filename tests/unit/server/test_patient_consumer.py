"""The consumer begins anew after any error; `tests/acceptance/test_up_broker.py` does so with a real broker."""

from __future__ import annotations

import time
from typing import Any

import pytest
from celery.exceptions import WorkerShutdown
from celery.worker import state
from celery.worker.consumer import Consumer

from livejobs.server import patient_consumer
from livejobs.server.patient_consumer import AGAIN_SECONDS, PatientConsumer


@pytest.fixture
def consumer(monkeypatch) -> Any:
    """One without a broker; what Celery itself does is noted."""
    made = PatientConsumer.__new__(PatientConsumer)
    made.heard = []  # type: ignore[attr-defined]
    monkeypatch.setattr(Consumer, "__init__", lambda self, *_, **__: setattr(self, "channel_errors", (KeyError,)))
    monkeypatch.setattr(Consumer, "on_connection_error_after_connected", lambda self, exc: self.heard.append(exc))
    PatientConsumer.__init__(made)
    return made


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def test_every_error_is_one_after_which_it_begins_anew(consumer):
    assert issubclass(RuntimeError, consumer.channel_errors)
    assert not issubclass(WorkerShutdown, consumer.channel_errors)


def test_it_lets_go_of_the_connection_and_waits_a_moment(consumer, clock):
    error = RuntimeError("READONLY")
    consumer.on_connection_error_after_connected(error)
    assert consumer.heard == [error]
    assert clock[0] == pytest.approx(AGAIN_SECONDS, abs=patient_consumer.LOOK_SECONDS)


def test_a_stop_is_heard_meanwhile(consumer, clock, monkeypatch):
    monkeypatch.setattr(state, "should_stop", 0)
    with pytest.raises(WorkerShutdown):
        consumer.on_connection_error_after_connected(RuntimeError("READONLY"))
    assert clock[0] == 0.0
