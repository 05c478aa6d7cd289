"""The worker's parent: which pools it takes, what it leaves alone, and whose jobs it frees."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import WorkerLostError

from livejobs import actions, transitions
from livejobs.errors import JobFailed
from livejobs.models import Job
from livejobs.per_process import HURRY_AFTER
from livejobs.worker import parent as parent_module
from livejobs.worker.parent import LOOK_SECONDS, POOLS, NoticeEnd, parent
from tests import jobs
from tests.support.rows import accepted, claimed, read
from tests.support.servers import Valkey
from tests.support.waiting import wait_for
from tests.support.workers import Worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def prepared(monkeypatch) -> None:
    """As in a worker's parent."""
    for name in ("_pid", "_mark", "_shutdown", "_told", "_pool", "_worker"):
        monkeypatch.setattr(parent, name, getattr(parent, name))
    parent.prepare()


def instance(pool: str, *queues: str) -> Any:
    names = dict.fromkeys(queues or ("livejobs",))
    return SimpleNamespace(
        pool_cls=SimpleNamespace(__module__=f"celery.concurrency.{pool}"),
        app=SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=names))),
    )


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def owner(pid: int, mark: str | None = None, host: str = "") -> str:
    return f"{host or socket.gethostname()}:{pid}/{parent.mark if mark is None else mark}abc"


# ---------------------------------------------------------------- pools


@pytest.mark.parametrize("pool", POOLS)
def test_pools_that_can_run_live_jobs(prepared, pool):
    parent.check_pool(instance(pool))
    assert parent.runs_jobs() is (pool != "prefork")
    assert not parent.is_child()


def test_a_pool_that_cannot_is_refused_where_it_serves_live_jobs(prepared):
    with pytest.raises(SystemExit, match=r"this worker has gevent and serves .*livejobs.*--pool=prefork"):
        parent.check_pool(instance("gevent", "livejobs", "mail"))
    parent.check_pool(instance("gevent", "mail"))


def test_a_real_worker_with_another_pool_does_not_start(valkey: Valkey, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tests.other_pool", "worker", "-Q", "livejobs"],
        capture_output=True, text=True, timeout=50, check=False, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode != 0
    assert (
        "Live jobs run in the prefork, threads and solo pools; this worker has other_pool" in done.stderr + done.stdout
    )


def test_the_shutdown_is_seen_by_children(prepared):
    assert not parent.is_shutting_down()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(reader, 1)
        os._exit(7 if parent.is_shutting_down() and parent.is_child() else 1)
    parent.begin_shutdown()
    os.write(writer, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_second_word_later_on_hurries(prepared):
    parent.begin_shutdown()
    assert (parent.is_shutting_down(), parent.is_hurried()) == (True, False)
    parent._told.asked_at -= 2 * HURRY_AFTER  # as if that long had passed
    parent.begin_shutdown()
    assert (parent.is_shutting_down(), parent.is_hurried()) == (True, True)


def test_a_worker_that_ends_by_itself_takes_no_more_and_children_see_it(prepared):
    assert not parent.takes_no_more()
    NoticeEnd(None).close(None)
    assert parent.takes_no_more()
    child = os.fork()
    if not child:
        os._exit(7 if parent.takes_no_more() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_one_that_was_told_to_stop_ends_in_order(prepared):
    parent.begin_shutdown()
    NoticeEnd(None).close(None)
    assert not parent.takes_no_more()


# ---------------------------------------------------------------- whose jobs are freed


def test_the_job_of_a_dead_child_is_queued_again(prepared):
    job, _ = claimed(owner=owner(dead_pid()))
    row = parent.free(job.id, 1)
    assert row is not None
    assert (row.state, row.losses) == ("queued", 1)


@pytest.mark.parametrize("whose", ["alive", "another worker's", "another host's", "no child's"])
def test_what_is_not_a_dead_childs_is_left_alone(prepared, whose, monkeypatch):
    monkeypatch.setattr(parent_module, "HINT_SECONDS", 0.1)
    owners = {
        "alive": owner(os.getppid()),
        "another worker's": owner(dead_pid(), mark="ffff"),
        "another host's": owner(dead_pid(), host="elsewhere"),
        "no child's": "a manager",
    }
    job, _ = claimed(owner=owners[whose])
    assert parent.free(job.id, 1) is None
    assert read(job).state == "running"


def test_a_job_whose_child_died_before_the_claim_is_published_again(prepared):
    job = accepted()
    assert parent.free(job.id, 1) is None
    assert (read(job).state, read(job).published_at) == ("queued", None)


def test_an_old_message_and_a_job_that_is_gone_change_nothing(prepared):
    job = accepted()
    before = read(job).published_at
    assert parent.free(job.id, 7) is None
    assert parent.free(job.id + 1, 1) is None
    assert read(job).published_at == before


def test_a_finish_that_was_first_stands(prepared):
    job, lease = claimed(owner=owner(dead_pid()))
    transitions.succeed(lease, 1, {"tick": 0, "current": None, "total": None, "message": ""})
    assert parent.free(job.id, 1) is None
    assert read(job).state == "succeeded"


@pytest.mark.parametrize("task_id", [None, "", "of another task", "5", "5-", "x-1"])
def test_other_tasks_and_other_failures_pass(prepared, task_id, monkeypatch):
    def no_fork() -> int:
        raise AssertionError("forked")

    monkeypatch.setattr(os, "fork", no_fork)
    parent.child_died(task_id=task_id, exception=WorkerLostError("killed"))
    parent.child_died(task_id="5-1", exception=ValueError("raised"))
    parent.child_died(task_id="5-1", exception=JobFailed("ValueError: raised", job_id=5, attempt=1))


# ---------------------------------------------------------------- a task nobody knows


@pytest.mark.timeout(120)
def test_a_worker_that_does_not_know_a_task_leaves_the_job_queued(valkey: Valkey, tmp_path):
    worker = Worker(tmp_path / "worker.log", children=1, queues=["deploy"])
    worker.start()
    try:
        job = actions.start(jobs.at_once, queue="deploy")
        wait_for(lambda: Job.objects.filter(id=job.id, state="succeeded").exists(), 20, "a first job")
        stranger = accepted(task="tests.jobs.of_tomorrow", queue="deploy")
        said = f"Job {stranger.id} stays queued: this worker does not know its task tests.jobs.of_tomorrow"
        wait_for(lambda: said in worker.log.read_text(), 20, "what the worker says")
    finally:
        worker.stop()
    assert (read(stranger).state, read(stranger).attempt) == ("queued", 0)


# ---------------------------------------------------------------- the next message


class Waiting:
    """An event loop that remembers what it is asked for."""

    def __init__(self) -> None:
        self.soon: list[Any] = []
        self.later: list[float] = []

    def call_soon(self, call: Any, *args: Any) -> None:
        self.soon.append(partial(call, *args))

    def call_later(self, seconds: float, call: Any) -> None:
        self.later.append(seconds)
        call()


def test_a_pool_of_threads_looks_for_the_next_message_once_a_job_has_ended(prepared):
    hub = Waiting()
    parent.check_pool(instance("thread"))
    parent._worker.hub = hub
    parent.look_for_more()
    assert not hub.later  # that is for the loop's own thread
    hub.soon[0]()
    assert hub.later == list(LOOK_SECONDS)


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_other_pools_wake_by_themselves(prepared, pool):
    parent.check_pool(instance(pool))
    parent._worker.hub = Waiting()
    parent.look_for_more()
    assert not parent._worker.hub.soon


def test_a_worker_without_a_loop_looks_by_itself(prepared):
    parent.check_pool(instance("thread"))
    parent.look_for_more()
