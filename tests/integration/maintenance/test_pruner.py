"""The pruner: what is older than its time goes, with all that belongs to it, and every screen hears of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import override_settings

from livejobs import actions
from livejobs.hints import broadcast
from livejobs.maintenance import pruner
from livejobs.maintenance.pruner import prune
from livejobs.models import Job, JobEvent, JobLog
from livejobs.states import FINISHED, State
from tests.support.rows import TASK, at_once, in_state, line, read

pytestmark = pytest.mark.django_db
DAY = 86_400


@pytest.fixture(autouse=True)
def told(monkeypatch) -> list[Any]:
    """What was broadcast."""
    events: list[Any] = []
    monkeypatch.setattr(broadcast, "send", events.extend)
    return events


def old(state: State, days: float, **values: Any) -> Job:
    """A job that finished so many days ago."""
    job = in_state(state, **values)
    Job.objects.filter(id=job.id).update(finished_at=Now() - timedelta(days=days))
    return job


def there(job: Job) -> bool:
    return Job.objects.filter(id=job.id).exists()


def test_by_default_failed_jobs_stay(told, django_capture_on_commit_callbacks):
    gone = [old(State.SUCCEEDED, 31), old(State.CANCELLED, 31)]
    kept = [old(State.FAILED, 5000), old(State.SUCCEEDED, 29)]
    JobLog.objects.create(job=gone[0], attempt=1, seq=1, at=line(1).at, level="info", text="x")
    told.clear()
    with django_capture_on_commit_callbacks(execute=True):
        assert prune() == 2
    assert [there(job) for job in gone + kept] == [False, False, True, True]
    assert not JobLog.objects.exists()
    assert not JobEvent.objects.filter(job_id__in=[job.id for job in gone]).exists()
    assert {(event.message["kind"], event.message["job"]) for event in told} == {("gone", job.id) for job in gone}


@override_settings(
    LIVEJOBS={"KEEP_SECONDS": {"failed": DAY}, "KEEP_BY_TASK": {TASK: {"failed": 10 * DAY, "succeeded": 0}}}
)
def test_a_task_may_say_otherwise():
    kept = [old(State.FAILED, 5), old(State.SUCCEEDED, 5, task="other"), old(State.CANCELLED, 5)]
    gone = [old(State.FAILED, 11), old(State.FAILED, 2, task="other"), old(State.SUCCEEDED, 1)]
    assert prune() == 3
    assert [there(job) for job in kept + gone] == [True] * 3 + [False] * 3


@override_settings(LIVEJOBS={"KEEP_SECONDS": {"succeeded": DAY}, "KEEP_BY_TASK": {TASK: {"succeeded": None}}})
def test_a_task_may_be_kept_for_ever():
    job = old(State.SUCCEEDED, 5000)
    assert prune() == 0
    assert there(job)


@override_settings(LIVEJOBS={"KEEP_SECONDS": dict.fromkeys(FINISHED, 0)})
def test_nothing_unfinished_ever_goes():
    jobs = [in_state(state) for state in set(State) - FINISHED]
    Job.objects.update(finished_at=Now() - timedelta(days=1))
    assert prune() == 0
    assert all(map(there, jobs))


def test_many_go_in_small_batches(monkeypatch):
    monkeypatch.setattr(pruner, "BATCH", 2)
    for _ in range(5):
        old(State.SUCCEEDED, 31)
    assert prune() == 5


@pytest.mark.django_db(transaction=True)
def test_a_retry_at_the_same_moment_wins_or_finds_nothing():
    jobs = [old(State.CANCELLED, 31) for _ in range(8)]
    answers = at_once(prune, *(lambda job=job: actions.retry(job) for job in jobs))
    for job, answer in zip(jobs, answers[1:], strict=True):
        if isinstance(answer, Job):
            assert read(job).state == State.QUEUED
            assert JobEvent.objects.filter(job=job).exists()
        else:
            assert not there(job)
            assert not JobEvent.objects.filter(job_id=job.id).exists()


@pytest.mark.django_db(transaction=True)
def test_two_pruners_share_the_work():
    for _ in range(10):
        old(State.SUCCEEDED, 31)
    answers = at_once(prune, prune)
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    prune()
    assert not Job.objects.exists()
