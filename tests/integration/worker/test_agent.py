"""The agent in the test's own process: claims, writes while the function runs, and the finish."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import DataError, OperationalError

from livejobs import leases, transitions
from livejobs.definition import CurrentJob
from livejobs.hints import broadcast, publishing
from livejobs.models import Job, JobEvent, JobLog, Presence
from livejobs.runner.outcome import Stopped, Succeeded
from livejobs.states import StopReason
from livejobs.worker import agent as agents
from livejobs.worker.agent import Agent
from livejobs.worker.parent import parent
from tests.support.waiting import wait_for
from tests.support.workers import FAST, check_history, failing, log_of, queued

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(monkeypatch) -> Iterator[Agent]:
    monkeypatch.setattr(settings, "LIVEJOBS", {**FAST, "LOG_SECONDS": 0.05})
    made = Agent()
    yield made
    made.leave()
    layer = get_channel_layer()
    assert layer is not None
    broadcast.outlet().submit(layer.flush()).result(10)  # else it complains when Valkey ends before this process


def events(job: Job) -> list[str]:
    check_history(Job.objects.get(id=job.id))
    return [event.data["edge"] for event in JobEvent.objects.filter(job=job).order_by("version")]


# ---------------------------------------------------------------- the agent


def test_a_job_is_claimed_once(agent: Agent):
    job = queued()
    claimed = agent.claim(job.id, job.task)
    assert claimed is not None
    assert agent.claim(job.id, job.task) is None
    assert agent.finish(claimed[0], Succeeded(2)) is not None
    assert agent.claim(job.id, job.task) is None
    assert events(job) == ["accept", "claim", "succeed"]


def test_a_message_for_another_task_claims_nothing(agent: Agent):
    job = queued()
    assert agent.claim(job.id, "tests.jobs.at_once") is None
    assert events(job) == ["accept"]


def test_a_worker_that_was_told_to_stop_takes_no_job(agent: Agent, monkeypatch):
    """A message that was on its way to it is one that the broker has no more: the dispatcher sends another."""
    monkeypatch.setattr(parent, "is_shutting_down", lambda: True)
    job = queued()
    published = Job.objects.get(id=job.id)
    assert published.published_at is not None
    assert agent.claim(job.id, job.task) is None
    assert events(job) == ["accept"]
    left = Job.objects.get(id=job.id)
    assert (left.published_at, left.publish_count) == (None, published.publish_count)


def test_what_runs_elsewhere_is_not_published_again_by_a_worker_that_stops(agent: Agent, monkeypatch):
    job = queued()
    assert agent.claim(job.id, job.task) is not None
    monkeypatch.setattr(parent, "is_shutting_down", lambda: True)
    before = Job.objects.values().get(id=job.id)
    assert agent.claim(job.id, job.task) is None
    assert Job.objects.values().get(id=job.id) == before


def test_a_worker_that_stops_asks_a_database_that_is_away_once(agent: Agent, monkeypatch):
    monkeypatch.setattr(parent, "is_shutting_down", lambda: True)
    call = failing(100, publishing.unpublish, OperationalError("away"))
    monkeypatch.setattr(publishing, "unpublish", call)
    assert agent.claim(queued().id, "tests.jobs.add") is None


@pytest.mark.parametrize("after", [False, True], ids=["refused", "reply lost"])
@pytest.mark.parametrize(("module", "verb"), [(transitions, "claim"), (transitions, "succeed"), (leases, "append_log")])
def test_a_write_that_fails_is_tried_again_and_done_once(
    agent: Agent, monkeypatch, module: Any, verb: str, after: bool
):
    call = failing(2, getattr(module, verb), OperationalError("the connection is lost"), after=after)
    monkeypatch.setattr(module, verb, call)
    job = queued()
    claimed = agent.claim(job.id, job.task)
    assert claimed is not None
    _, attempt = claimed
    attempt.write("info", "one")
    attempt.write("info", "two")
    finished = agent.finish(claimed[0], Succeeded(2))
    assert finished is not None
    assert (finished.state, finished.attempt) == ("succeeded", 1)
    assert events(job) == ["accept", "claim", "succeed"]
    assert log_of(job) == ["one", "two"]


def test_a_claim_is_not_tried_for_ever(agent: Agent, monkeypatch):
    monkeypatch.setattr(agents, "CLAIM_PATIENCE_SECONDS", 0)
    job = queued()
    with monkeypatch.context() as away:
        away.setattr(transitions, "claim", failing(100, transitions.claim, OperationalError("away")))
        assert agent.claim(job.id, job.task) is None
    assert events(job) == ["accept"]


def test_a_result_the_database_refuses_fails_the_job(agent: Agent, monkeypatch):
    monkeypatch.setattr(transitions, "succeed", failing(1, transitions.succeed, DataError("no such number")))
    job = queued()
    claimed = agent.claim(job.id, job.task)
    assert claimed is not None
    finished = agent.finish(claimed[0], Succeeded(2))
    assert finished is not None
    assert finished.error is not None
    assert (finished.state, finished.error["reason"]) == ("failed", "result")


def test_a_line_the_database_refuses_does_not_keep_a_job_from_its_end(agent: Agent, monkeypatch):
    monkeypatch.setattr(leases, "append_log", failing(100, leases.append_log, DataError("no such text")))
    job = queued()
    claimed = agent.claim(job.id, job.task)
    assert claimed is not None
    claimed[1].write("info", "hostile")
    finished = agent.finish(claimed[0], Succeeded(2))
    assert finished is not None
    assert (finished.state, finished.result) == ("succeeded", 2)
    assert not JobLog.objects.exists()


def test_the_last_progress_and_the_last_lines_go_out_with_the_finish(agent: Agent):
    job = queued()
    claimed = agent.claim(job.id, job.task)
    assert claimed is not None
    _, attempt = claimed
    for number in range(1200):
        attempt.write("info", str(number))
    CurrentJob(attempt).progress(9, 9, "done")
    finished = agent.finish(claimed[0], Succeeded(2))
    assert finished is not None
    assert (finished.current, finished.total, finished.message, finished.log_seq) == (9, 9, "done", 1200)
    assert log_of(job) == [str(number) for number in range(1200)]


def test_progress_log_and_renewals_go_out_while_the_function_runs(agent: Agent):
    job = queued()
    claimed = agent.claim(job.id, job.task)
    assert claimed is not None
    row, attempt = claimed
    attempt.write("info", "early")
    CurrentJob(attempt).progress(3)

    def stored() -> bool:
        row.refresh_from_db()
        return row.current == 3 and row.log_seq == 1 and row.beat > 1

    wait_for(stored, message="progress, log and renewals in the row")
    assert agent.finish(row, Succeeded(2)) is not None


def test_a_renewal_that_finds_another_owner_stops_the_attempt(agent: Agent):
    job = queued()
    claimed = agent.claim(job.id, job.task)
    assert claimed is not None
    row, attempt = claimed
    Job.objects.filter(id=job.id).update(lease_owner="elsewhere:1/0")
    wait_for(lambda: attempt.stop_reason is StopReason.LEASE_LOST, message="the loss to be noticed")
    attempt.write("info", "from a zombie")
    assert agent.finish(row, Stopped(StopReason.LEASE_LOST)) is None
    assert events(job) == ["accept", "claim"]
    assert not JobLog.objects.exists()


def test_a_released_job_is_queued_again(agent: Agent):
    job = queued()
    claimed = agent.claim(job.id, job.task)
    assert claimed is not None
    released = agent.finish(claimed[0], Stopped(StopReason.SHUTDOWN))
    assert released is not None
    assert (released.state, released.losses, released.failures) == ("queued", 0, 0)


def test_a_timeout_is_a_failure_with_that_reason(agent: Agent):
    job = queued()
    claimed = agent.claim(job.id, job.task)
    assert claimed is not None
    failed = agent.finish(claimed[0], Stopped(StopReason.TIMEOUT))
    assert failed is not None
    assert failed.error is not None
    assert (failed.state, failed.error["reason"]) == ("failed", "timeout")


def test_an_agent_whose_worker_takes_no_more_is_no_worker_and_says_so(agent: Agent, monkeypatch, caplog):
    """After an error that Celery takes for unrecoverable; what runs goes on."""
    row = Presence.objects.filter(kind="worker", name=agent.name)
    wait_for(row.exists, message="a presence")
    claimed = agent.claim(queued().id, "tests.jobs.add")
    assert claimed is not None
    monkeypatch.setattr(parent, "takes_no_more", lambda: True)
    wait_for(lambda: not row.exists(), message="the end of the presence")
    assert agent.finish(claimed[0], Succeeded(2)) is not None
    assert [each.event for each in caplog.records if each.levelname == "ERROR"] == ["worker.takes_no_more"]


def test_an_agent_is_there_while_it_is(agent: Agent):
    row = wait_for(Presence.objects.filter(kind="worker", name=agent.name).first, message="a presence")
    assert "tests.jobs.add" in row.tasks
    assert row.queues
    agent.leave()
    assert not Presence.objects.filter(kind="worker", name=agent.name).exists()
