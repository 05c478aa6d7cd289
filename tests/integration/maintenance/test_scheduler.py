"""The scheduler: what is due is queued, once, and nothing before its time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from livejobs import actions
from livejobs.hints import publishing
from livejobs.maintenance import scheduler
from livejobs.maintenance.scheduler import queue_due
from livejobs.models import Job
from livejobs.states import State
from tests import jobs
from tests.support.rows import at_once, check_history, in_state, put, read

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def unpublished(monkeypatch) -> list[int]:
    """What was handed to the publisher."""
    submitted: list[int] = []
    monkeypatch.setattr(publishing, "submit", lambda job: submitted.append(job.id))
    return submitted


def waiting(seconds: float) -> Job:
    """A job scheduled this many seconds ago."""
    job = actions.start(jobs.add, {"a": 1}, run_at=timedelta(hours=1))
    Job.objects.filter(id=job.id).update(run_at=Now() - timedelta(seconds=seconds))
    return job


def test_what_is_due_is_queued_and_nothing_else(django_capture_on_commit_callbacks, unpublished):
    due, early = waiting(1), waiting(-60)
    retrying = put(waiting(1), State.RETRYING)
    cancelled = waiting(1)
    actions.cancel(cancelled)
    with django_capture_on_commit_callbacks(execute=True):
        assert queue_due() == 2
    assert [read(row).state for row in (due, retrying, early, cancelled)] == [
        "queued",
        "queued",
        "scheduled",
        "cancelled",
    ]
    assert sorted(unpublished) == sorted([due.id, retrying.id])
    assert queue_due() == 0
    check_history(due)


def test_other_states_have_no_time_of_their_own():
    for state in set(State) - {State.SCHEDULED, State.RETRYING}:
        Job.objects.filter(id=in_state(state).id).update(run_at=Now() - timedelta(days=1))
    assert queue_due() == 0


def test_more_than_a_batch_goes_in_one_round(monkeypatch):
    monkeypatch.setattr(scheduler, "BATCH", 2)
    for _ in range(5):
        waiting(1)
    assert queue_due() == 5


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_queue_a_job_once():
    rows = [waiting(1) for _ in range(10)]
    assert sum(at_once(queue_due, queue_due)) == 10
    for row in rows:
        check_history(row)
