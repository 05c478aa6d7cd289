"""The agent in the test's own process: its database thread, its writes, and the Celery side of a live job."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import DataError, OperationalError, connection, connections

from livejobs import errors, leases, transitions
from livejobs.definition import LiveJob, current_job
from livejobs.hints import broadcast
from livejobs.models import Job, JobEvent, JobLog, Presence
from livejobs.states import State, StopReason
from livejobs.worker import agent as agents
from livejobs.worker import task as tasks
from livejobs.worker.agent import Agent
from livejobs.worker.database_thread import AgentDatabase
from livejobs.worker.outcome import Stopped, Succeeded
from tests import jobs
from tests.celery_app import app
from tests.waiting import wait_for
from tests.workers import FAST, check_history, log_of

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


@pytest.fixture
def database() -> Iterator[AgentDatabase]:
    made = AgentDatabase()
    yield made
    made.close()


def queued(task: str = "tests.jobs.add", **params: Any) -> Job:
    return transitions.accept(Job(task=task, params=params or {"a": 1, "b": 1}, queue="nowhere"))


def events(job: Job) -> list[str]:
    check_history(Job.objects.get(id=job.id))
    return [event.data["edge"] for event in JobEvent.objects.filter(job=job).order_by("version")]


def failing(times: int, call: Any, error: Exception, *, after: bool = False) -> Any:
    """A call that fails so many times first: before it does anything, or when it has done it already."""
    left = [times]

    def fail_first(*args: Any, **kwargs: Any) -> Any:
        if left[0] and not after:
            left[0] -= 1
            raise error
        answer = call(*args, **kwargs)
        if left[0]:
            left[0] -= 1
            raise error
        return answer

    return fail_first


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
    attempt.current, attempt.total, attempt.message = 9, 9, "done"
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
    attempt.current = 3

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


def test_an_agent_is_there_while_it_is(agent: Agent):
    row = wait_for(Presence.objects.filter(kind="worker", name=agent.name).first, message="a presence")
    assert "tests.jobs.add" in row.tasks
    assert row.queues
    agent.leave()
    assert not Presence.objects.filter(kind="worker", name=agent.name).exists()


# ---------------------------------------------------------------- its database


def test_the_connection_is_kept_and_its_calls_are_bounded(database: AgentDatabase):
    def look() -> tuple[int, str]:
        wrapper = connections["default"]
        with wrapper.cursor() as cursor:
            cursor.execute("SHOW statement_timeout" if wrapper.vendor == "postgresql" else "PRAGMA busy_timeout")
            return id(wrapper.connection), str(cursor.fetchone()[0])

    first, second = database.submit(look).result(10), database.submit(look).result(10)
    assert first == second
    assert first[1] in {"4s", "4000"}
    assert first[0] != id(connection.connection)


def test_after_a_failure_the_connection_is_new_and_bounded_again(database: AgentDatabase):
    made: list[Any] = []

    def fail_once() -> str:
        made.append(connections["default"].connection)
        if len(made) == 1:
            raise OperationalError("gone")
        return "done"

    assert database.insist(fail_once, give_up=lambda: False).result(10) == "done"
    assert made[0] is not made[1]
    assert not database.down


def test_what_is_no_fault_of_the_database_is_not_tried_again(database: AgentDatabase):
    tries: list[int] = []

    def wrong() -> None:
        tries.append(1)
        raise DataError("wrong")

    with pytest.raises(DataError):
        database.insist(wrong, give_up=lambda: False).result(10)
    assert tries == [1]


def test_giving_up_ends_with_the_last_error(database: AgentDatabase):
    def away() -> None:
        raise OperationalError("away")

    with pytest.raises(OperationalError, match="away"):
        database.insist(away, give_up=lambda: True).result(10)


def test_closing_does_not_wait_for_a_database_that_is_away():
    database, began = AgentDatabase(), threading.Event()

    def away() -> None:
        began.set()
        raise OperationalError("away")

    insisting = database.insist(away, give_up=lambda: False)
    assert began.wait(10)
    database.close()
    with pytest.raises(OperationalError):
        insisting.result(10)
    assert database.submit(lambda: 1).exception(10) is not None  # and later calls are refused quietly


# ---------------------------------------------------------------- the Celery side


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


def test_an_eager_job_may_fail_and_start_others(eager: None):
    assert started(jobs.fails).state == "failed"
    outer = started(jobs.starts_another, a=1)
    assert (outer.state, Job.objects.get(id=int(str(outer.result))).result) == ("succeeded", 3)


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


@pytest.mark.parametrize("rude", [RuntimeError("x"), KeyboardInterrupt(), SystemExit(2)])
@pytest.mark.parametrize("step", ["arguments", "dump_result"])
def test_whatever_is_raised_around_the_function_ends_the_job(monkeypatch, agent: Agent, step: str, rude: BaseException):
    """Else its lease would be renewed for ever."""

    def raise_it(*_: Any, **__: Any) -> None:
        raise rude

    monkeypatch.setattr(jobs.add, step, raise_it)
    job = queued()
    assert tasks.run(agent, jobs.add, job.id) is State.FAILED
    assert events(job) == ["accept", "claim", "fail"]
