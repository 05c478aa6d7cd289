"""The Celery side of a live job."""

from __future__ import annotations

from collections.abc import Iterator
from traceback import extract_tb
from typing import Any

import pytest
from celery.signals import task_failure, task_retry, task_revoked
from django.db import DataError

from livejobs import errors, signals, transitions
from livejobs.definition import LiveJob, current_job
from livejobs.hints.publishing import HEADER
from livejobs.models import Job
from livejobs.states import State
from tests import jobs
from tests.celery_app import app
from tests.support.workers import failing, log_of, queued

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def eager() -> Iterator[None]:
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def started(task: LiveJob[..., Any], **params: Any) -> Job:
    """Start a job and read its row again."""
    return Job.objects.get(id=task.delay(**params).id)


def test_an_eager_host_runs_a_job_where_it_is_started(eager: None, capsys):
    job = started(jobs.count_up, to=2)
    assert (job.state, job.result, job.attempt, job.current) == ("succeeded", {"counted": 2}, 1, 2)
    assert log_of(job) == ["line 0", "logged 0", "line 1", "logged 1"]
    assert capsys.readouterr().out == ""
    assert current_job().id is None


def test_hosts_hear_of_an_eager_job_in_the_order_in_which_it_ran(eager: None):
    """The broker is told last: where it runs the job inline, all else would hear of the end before the beginning."""
    heard: list[str] = []

    def hear(edge: str, **_: Any) -> None:
        heard.append(edge)

    signals.job_changed.connect(hear)
    try:
        started(jobs.at_once)
    finally:
        signals.job_changed.disconnect(hear)
    assert heard == ["accept", "claim", "succeed"]


def test_an_eager_job_may_fail_and_start_others(eager: None):
    assert started(jobs.fails).state == "failed"
    outer = started(jobs.starts_another, a=1)
    assert (outer.state, Job.objects.get(id=int(str(outer.result))).result) == ("succeeded", 3)


@pytest.mark.parametrize("propagates", [False, True])
def test_an_eager_failure_is_told_to_celery_and_never_raised_into_a_start(eager: None, caplog, propagates):
    """A start is accepted or refused. `task_eager_propagates` is about a call that waits, and this one does not."""
    heard: list[Any] = []

    def hear(exception: Exception, traceback: Any, **_: Any) -> None:
        heard.append((exception, extract_tb(traceback)[-1].name))

    app.conf.task_eager_propagates = propagates
    task_failure.connect(hear)
    try:
        job = started(jobs.fails)
    finally:
        task_failure.disconnect(hear)
        app.conf.task_eager_propagates = False
    assert job.state == "failed"
    ((failure, function),) = heard
    assert (str(failure), failure.job_id, failure.attempt, function) == ("ValueError: bad row 7", job.id, 1, "fails")
    assert not [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"]


@pytest.mark.parametrize("propagates", [False, True])
def test_an_eager_attempt_that_is_followed_by_another_is_a_retry(eager: None, propagates):
    heard: list[str] = []

    def hear(reason: Any, **_: Any) -> None:
        heard.append(str(reason.exc))

    app.conf.task_eager_propagates = propagates
    task_retry.connect(hear)
    try:
        job = started(jobs.fails_and_waits)
    finally:
        task_retry.disconnect(hear)
        app.conf.task_eager_propagates = False
    assert (job.state, job.attempt, heard) == ("retrying", 1, ["ConnectionError: busy"])


def test_hosts_hear_of_an_eager_attempt(eager: None):
    heard: list[tuple[Any, ...]] = []

    def hear(sender: Any, task: str, job_id: int, outcome: str = "", **_: Any) -> None:
        heard.append((sender.name, task, job_id, current_job().id, outcome))

    signals.attempt_started.connect(hear)
    signals.attempt_ended.connect(hear)
    try:
        job = started(jobs.at_once)
    finally:
        signals.attempt_started.disconnect(hear)
        signals.attempt_ended.disconnect(hear)
    about = ("tests.jobs.at_once", "tests.jobs.at_once", job.id, job.id)
    assert heard == [(*about, ""), (*about, "succeeded")]


def test_a_message_of_a_job_that_was_cancelled_is_revoked():
    heard: list[tuple[str, bool]] = []

    def hear(request: Any, terminated: bool, **_: Any) -> None:
        heard.append((request.id, terminated))

    job = queued("tests.jobs.add", a=1)
    transitions.cancel(job.id)
    task_revoked.connect(hear)
    try:
        ended = app.tasks[job.task].apply(task_id="7-1", headers={HEADER: str(job.id)}, throw=False)
    finally:
        task_revoked.disconnect(hear)
    assert (ended.state, heard) == ("IGNORED", [("7-1", False)])


def test_an_eager_result_the_database_refuses_fails_the_job(eager: None, monkeypatch):
    monkeypatch.setattr(transitions, "succeed", failing(1, transitions.succeed, DataError("no such number")))
    job = started(jobs.at_once)
    assert (job.state, (job.error or {})["reason"]) == ("failed", "result")


def test_without_our_header_a_task_is_its_function():
    assert app.tasks["tests.jobs.add"].apply(args=(1,), kwargs={"b": 2}).get() == 3
    assert app.tasks["tests.jobs.add"](1, b=2) == 3
    assert not Job.objects.exists()


def test_a_job_that_calls_its_own_task_object_calls_the_function(eager: None):
    job = started(jobs.calls_its_task, depth=3)
    assert (job.state, job.result) == ("succeeded", 3)
    assert Job.objects.count() == 1


def test_celerys_own_ways_to_start_make_a_job_or_say_no():
    job: Any = app.tasks["tests.jobs.add"].apply_async(args=(1,), kwargs={"b": 2}, queue="nowhere")
    assert (job.params, job.queue, job.state) == ({"a": 1, "b": 2}, "nowhere", State.QUEUED)
    with pytest.raises(errors.UnsupportedError, match="retry"):
        app.tasks["tests.jobs.add"].retry()


def test_params_that_no_longer_fit_fail_the_job(eager: None):
    job = queued("tests.jobs.add", c=1)
    job.refresh_from_db()
    assert (job.state, (job.error or {})["reason"]) == ("failed", "params")
