"""What a worker's parent says on Celery's events of a job that was cancelled; with a real worker: `test_celery_end`."""

from __future__ import annotations

from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from celery.exceptions import Ignore, Retry
from celery.worker.request import Request
from kombu.utils.imports import symbol_by_name

from livejobs.worker.celery_end import CancelledJob
from livejobs.worker.request import LiveRequest
from livejobs.worker.task import LiveTask


def info(error: Exception, pickled: bool) -> Any:
    try:
        raise error
    except Exception:
        found = ExceptionInfo()
    if pickled:
        found.exception = error
    return found


class Recorded(LiveRequest):
    """One that keeps what it tells."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.passed_on: list[tuple[Any, ...]] = []

    def send_event(self, type: str, **fields: Any) -> None:
        self.told.append((type, fields))


@pytest.fixture
def request_(monkeypatch):
    monkeypatch.setattr(Request, "on_failure", lambda self, *args: self.passed_on.append(args))
    return Recorded()


@pytest.mark.parametrize("pickled", [True, False])
@pytest.mark.parametrize("terminated", [True, False])
def test_a_cancelled_job_is_told_as_revoked(request_, pickled, terminated):
    found = info(CancelledJob(terminated), pickled)
    request_.on_failure(found, return_ok=True)
    assert request_.told == [("task-revoked", {"terminated": terminated, "signum": None, "expired": False})]
    assert request_.passed_on == [(found, True, True)]


@pytest.mark.parametrize("error", [Ignore(), Retry("later"), ValueError("x")])
def test_all_else_is_celerys(request_, error):
    request_.on_failure(info(error, pickled=True))
    assert request_.told == []
    assert len(request_.passed_on) == 1


def test_it_is_what_celery_makes_of_our_messages():
    assert symbol_by_name(LiveTask.Request) is LiveRequest
