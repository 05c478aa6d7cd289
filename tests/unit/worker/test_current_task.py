"""Celery's current task while a function runs in a process of its own."""

from __future__ import annotations

import pytest
from celery import current_task
from celery._state import _task_stack, get_current_task  # type: ignore[attr-defined]

from livejobs.definition import Attempt
from livejobs.worker.current_task import as_current_task
from tests import jobs
from tests.celery_app import app


def test_it_is_the_jobs_task_with_the_id_of_the_attempt():
    with as_current_task(Attempt(7, 2, jobs.add.name), {"a": 1}):
        request = current_task.request
        assert (current_task.name, request.id, request.root_id) == ("tests.jobs.add", "7-2", "7-2")
        assert (request.args, request.kwargs) == ([], {"a": 1})
        assert not request.is_eager
    assert get_current_task() is None
    assert app.tasks["tests.jobs.add"].request.id is None


def test_it_is_put_back_whatever_the_job_raises():
    before = _task_stack.stack
    with pytest.raises(SystemExit), as_current_task(Attempt(7, 2, jobs.add.name), {}):
        raise SystemExit
    assert _task_stack.stack == before


def test_what_a_job_sends_is_its_child(monkeypatch):
    """As where Celery itself runs the task, priorities that are inherited included."""
    sent: list[dict[str, object]] = []
    monkeypatch.setattr(
        app.amqp, "send_task_message", lambda _producer, _name, message, **_: sent.append(message.headers)
    )
    monkeypatch.setitem(app.conf, "task_inherit_parent_priority", True)
    with as_current_task(Attempt(7, 2, jobs.add.name), {}), app.producer_or_acquire() as producer:
        app.send_task("a.host.task", producer=producer)
    assert [(headers["root_id"], headers["parent_id"]) for headers in sent] == [("7-2", "7-2")]


def test_a_direct_call_of_the_jobs_own_task_is_one():
    with as_current_task(Attempt(7, 2, jobs.add.name), {}):
        assert app.tasks["tests.jobs.add"](1, b=2) == 3


def test_a_task_that_celery_does_not_know_is_none():
    with as_current_task(Attempt(7, 2, "no.such"), {}):
        assert get_current_task() is None
