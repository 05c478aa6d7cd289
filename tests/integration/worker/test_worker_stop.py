"""Stop, to its last step: time limits, jobs that do not listen, what they started, a worker that is told to end."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync

from livejobs import actions
from livejobs.hints import stacks
from livejobs.models import Job, JobEvent, Presence
from livejobs.runner import process_tree
from tests import jobs
from tests.support.servers import Valkey
from tests.support.waiting import wait_for
from tests.support.workers import Worker, finished, log_of, start, waiting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(150)]


def edges(job: Job) -> list[str]:
    return [event.data["edge"] for event in JobEvent.objects.filter(job=job).order_by("version")]


def child_of(job: Job) -> int:
    return int((Job.objects.get(id=job.id).worker or "").rsplit(":", 1)[1])


def runners_of(child: int) -> list[int]:
    """The runners of a worker child: below its zygote."""
    return [runner for zygote in process_tree.children(child) for runner in process_tree.children(zygote)]


def is_there(pid: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return False
    return fields[0] not in "ZX"


# ---------------------------------------------------------------- the third step


def test_a_job_that_swallows_everything_is_cancelled_and_its_process_ended(worker: Worker) -> None:
    job = start(jobs.swallows_for_ever)
    waiting(job)
    child = child_of(job)
    before = runners_of(child)
    actions.cancel(job)
    row = finished(job)
    assert (row.state, row.attempt, row.losses, row.stopping_reason) == ("cancelled", 1, 0, "cancel")
    assert edges(job) == ["accept", "claim", "cancel", "stopping", "stop"]
    assert log_of(job)[-1] == "The job did not stop and was ended with its process"
    assert "swallowed" in log_of(job)
    assert not any(map(is_there, before))  # it is true when it is read
    assert is_there(child)
    assert finished(start(jobs.at_once)).state == "succeeded"


def test_a_time_limit_stops_a_job(worker: Worker) -> None:
    job = start(jobs.takes_too_long)
    row = finished(job)
    assert row.error is not None
    assert (row.state, row.error["reason"], row.failures) == ("failed", "timeout", 0)
    assert edges(job) == ["accept", "claim", "stopping", "expire"]
    assert is_there(child_of(job))


def test_a_time_limit_ends_a_job_that_does_not_listen(worker: Worker) -> None:
    job = start(jobs.takes_too_long_and_swallows)
    row = finished(job)
    assert row.error is not None
    assert (row.state, row.error["reason"]) == ("failed", "timeout")
    assert is_there(child_of(job))


def test_a_job_that_holds_the_interpreter_in_c_keeps_its_lease(worker: Worker) -> None:
    job = start(jobs.stuck_in_c, seconds=8)
    waiting(job)
    before = Job.objects.get(id=job.id).beat
    wait_for(lambda: Job.objects.get(id=job.id).beat >= before + 3, message="three renewals")
    row = finished(job, timeout=60)
    assert (row.state, row.attempt, row.losses, row.result) == ("succeeded", 1, 0, "slept")


def test_it_is_seen_where_a_job_is_that_keeps_the_interpreters_lock(worker: Worker) -> None:
    ask = async_to_sync(stacks.ask)
    job = start(jobs.matches_for_ever)
    waiting(job)
    text = ask(job.id, 1)
    assert text is not None
    assert text.startswith("Main thread (most recent call last):\n")
    assert "in matches_for_ever\n    return re.match(" in text
    assert ask(job.id, 2) is None  # another attempt's are not told
    actions.cancel(job)
    finished(job)


def test_a_cancel_reaches_a_job_that_is_stuck_in_c(worker: Worker) -> None:
    job = start(jobs.stuck_in_c)
    waiting(job)
    actions.cancel(job)
    row = finished(job, timeout=60)
    assert (row.state, row.attempt, row.losses) == ("cancelled", 1, 0)


# ---------------------------------------------------------------- what a job started


@pytest.mark.parametrize("how", ["cancelled", "killed"])
def test_what_a_job_started_ends_with_it(worker: Worker, tmp_path: Path, how: str) -> None:
    job = start(jobs.leaves_a_subprocess, mark=str(tmp_path / "mark"))
    waiting(job)
    started = int((tmp_path / "mark").read_text())
    assert is_there(started)
    if how == "killed":
        os.kill(child_of(job), signal.SIGKILL)
        wait_for(lambda: Job.objects.get(id=job.id).losses, 10, "the rescue")
        wait_for(lambda: not is_there(started), 5, "the end of what the job started")
    actions.cancel(job)
    assert finished(job).state == "cancelled"
    assert not is_there(started)


def test_what_a_job_leaves_running_ends_after_it(worker: Worker, tmp_path: Path) -> None:
    job = start(jobs.leaves_a_subprocess, mark=str(tmp_path / "mark"), ends=True)
    assert finished(job).state == "succeeded"
    wait_for(lambda: not is_there(int((tmp_path / "mark").read_text())), 5, "the end of what the job left")


# ---------------------------------------------------------------- a process that died under its job


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("SIGKILL", "Killed by signal 9 (SIGKILL); often the machine was out of memory"),
        ("segfault", "Segmentation fault (signal 11)"),
        ("SIGABRT", "Killed by signal 6 (SIGABRT)"),
        ("exit", "Exited with code 3: the reason"),
    ],
)
def test_a_crash_is_a_failure_that_says_how(worker: Worker, maintenance: None, how: str, message: str) -> None:
    job = start(jobs.crashes, how=how)
    row = finished(job)
    assert row.error is not None
    assert (row.state, row.error["reason"], row.error["message"]) == ("failed", "crashed", message)
    assert (row.attempt, row.failures, row.losses) == (2, 2, 0)  # its retry, and no more
    assert "the last line" in log_of(row)
    assert finished(start(jobs.at_once)).state == "succeeded"


def test_a_job_that_grows_beyond_its_memory_is_ended(worker: Worker) -> None:
    row = finished(start(jobs.grows))
    assert row.error is not None
    assert (row.state, row.error["reason"], row.attempt) == ("failed", "memory", 1)
    assert re.fullmatch(r"It used \d+ MB of memory; its limit is 150 MB", row.error["message"])
    assert row.memory_peak > 150_000_000
    assert finished(start(jobs.at_once)).state == "succeeded"


def test_what_a_job_used_is_kept_in_its_row(worker: Worker) -> None:
    row = finished(start(jobs.uses_the_processor, seconds=2.5))
    assert 1 < row.cpu_seconds < 5
    assert 10_000_000 < row.memory_peak < 1_000_000_000


def test_a_crash_touches_nobody_else(worker: Worker, maintenance: None, tmp_path: Path) -> None:
    mark = str(tmp_path / "other")
    other = start(jobs.prints_then_ends, mark=mark)
    waiting(other)
    children = worker.presences()
    assert finished(start(jobs.crashes, how="SIGKILL", mark=str(tmp_path / "mark"))).result == "survived"
    Path(mark).touch()
    row = finished(other)
    assert (row.state, row.attempt) == ("succeeded", 1)
    assert set(children) <= set(worker.presences())


# ---------------------------------------------------------------- a child that died


def test_the_death_of_a_child_shows_within_six_seconds_without_maintenance(worker: Worker) -> None:
    job = start(jobs.wait_in_sleep)
    waiting(job)
    os.kill(child_of(job), signal.SIGKILL)
    began = time.monotonic()
    row = wait_for(Job.objects.filter(id=job.id, losses=1).first, 15, "the rescue")
    assert time.monotonic() - began < 6
    assert row.state in {"queued", "running"}  # published by the helper: a worker may have it already
    waiting_again = wait_for(Job.objects.filter(id=job.id, attempt=2).first, 15, "the next attempt")
    assert waiting_again.state == "running"
    actions.cancel(job)
    finished(job)


def test_a_poison_job_ends_and_takes_no_other_along(worker: Worker, maintenance: None, tmp_path: Path) -> None:
    poison, mark = start(jobs.poison, mark=str(tmp_path / "mark")), str(tmp_path / "other")
    other = start(jobs.prints_then_ends, mark=mark)
    waiting(other)
    row = finished(poison, timeout=60)
    assert row.error is not None
    assert (row.state, row.error["reason"], row.attempt, row.losses) == ("failed", "lost", 2, 2)
    Path(mark).touch()
    row = finished(other)
    assert (row.state, row.attempt) == ("succeeded", 1)


def test_a_child_that_takes_a_dead_ones_place_holds_no_connection_to_the_broker(worker: Worker) -> None:
    assert worker.process is not None
    job = start(jobs.wait_in_sleep)
    waiting(job)
    dead, parent = child_of(job), worker.process.pid
    before = waited_for(parent)
    actions.cancel(job)
    os.kill(dead, signal.SIGKILL)
    finished(job)
    children = wait_for(lambda: new_children(parent, dead, worker.children), 15, "a child in its place")
    for child in children:
        # beside the parent's own pair, of which it holds both ends
        assert len(sockets(child) & before) <= 1 < len(before)


def new_children(parent: int, dead: int, count: int) -> list[int]:
    found = [int(name.rsplit(":", 1)[1]) for name in Presence.objects.values_list("name", flat=True)]
    living = [pid for pid in found if pid != dead and is_there(pid)]
    return living if len(living) >= count else []


def sockets(pid: int) -> set[str]:
    """The sockets a process holds, by inode."""
    links = (os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir())
    return {link for link in links if link.startswith("socket:")}


def waited_for(pid: int) -> set[str]:
    """Those of them that its epoll waits for: its connections to the broker."""
    infos = "".join(path.read_text() for path in Path(f"/proc/{pid}/fdinfo").iterdir())
    watched = [number for number in re.findall(r"tfd: +(\d+)", infos) if Path(f"/proc/{pid}/fd/{number}").is_symlink()]
    found = {os.readlink(f"/proc/{pid}/fd/{number}") for number in watched} & sockets(pid)
    assert found
    return found


# ---------------------------------------------------------------- retries


def test_a_job_that_fails_at_first_is_tried_again(worker: Worker, maintenance: None, tmp_path: Path) -> None:
    job = start(jobs.fails_at_first, mark=str(tmp_path / "mark"), times=2)
    row = finished(job)
    assert (row.state, row.result, row.attempt, row.failures, row.error) == ("succeeded", "at last", 3, 2, None)
    errors = [event.data["error"]["message"] for event in JobEvent.objects.filter(job=job, state="retrying")]
    assert errors == ["not yet", "not yet"]


def test_when_the_retries_are_used_up_the_job_fails(worker: Worker, maintenance: None, tmp_path: Path) -> None:
    job = start(jobs.fails_at_first, mark=str(tmp_path / "mark"), times=9)
    row = finished(job)
    assert (row.state, row.attempt, row.failures) == ("failed", 3, 3)


def test_an_exception_to_give_up_on_is_not_tried_again(worker: Worker, tmp_path: Path) -> None:
    job = start(jobs.fails_at_first, mark=str(tmp_path / "mark"), times=9, error="KeyError")
    row = finished(job)
    assert (row.state, row.attempt, row.failures) == ("failed", 1, 1)


# ---------------------------------------------------------------- a worker that is told to end


@pytest.mark.parametrize("task", [jobs.wait_in_sleep, jobs.wait_by_steps, jobs.wait_in_subprocess])
def test_a_worker_told_to_end_releases_its_jobs(valkey: Valkey, tmp_path: Path, task) -> None:
    worker = Worker(tmp_path / "worker.log", children=1, queues=["ending"])
    worker.start()
    try:
        job = actions.start(task, queue="ending")
        waiting(job)
        began = time.monotonic()
    finally:
        worker.stop()
    assert time.monotonic() - began < 10
    row = Job.objects.get(id=job.id)
    assert (row.state, row.attempt, row.losses, row.failures) == ("queued", 1, 0, 0)
    assert edges(job) == ["accept", "claim", "stopping", "release"]


def test_a_job_that_ends_within_the_grace_is_finished(valkey: Valkey, tmp_path: Path) -> None:
    worker = Worker(tmp_path / "worker.log", children=1, queues=["ending"], fast=False)
    worker.start()
    try:
        job = actions.start(jobs.prints_then_ends, {"mark": str(tmp_path / "mark")}, queue="ending")
        waiting(job)
        assert worker.process is not None
        worker.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "shutdown" in worker.log.read_text().lower(), 10, "the word of a shutdown")
        (tmp_path / "mark").touch()
        row = finished(job)
        assert (row.state, row.attempt) == ("succeeded", 1)
    finally:
        worker.stop()


def program_of(job: Job) -> int:
    """The program that a job runs."""
    return wait_for(
        lambda: next((pid for runner in runners_of(child_of(job)) for pid in process_tree.children(runner)), 0)
    )


def test_a_program_that_is_ended_with_the_server_is_no_failure_of_its_job(valkey: Valkey, tmp_path: Path) -> None:
    worker = Worker(tmp_path / "worker.log", children=1, queues=["ending"], fast=False)
    worker.start()
    try:
        job = actions.start(jobs.needs_a_program, queue="ending")
        waiting(job)
        program = program_of(job)
        assert worker.process is not None
        worker.process.send_signal(signal.SIGTERM)
        os.kill(program, signal.SIGTERM)
    finally:
        worker.stop()
    row = Job.objects.get(id=job.id)
    assert (row.state, row.attempt, row.losses, row.failures) == ("queued", 1, 0, 0)


def test_a_program_that_is_ended_by_somebody_else_is(worker: Worker) -> None:
    job = start(jobs.needs_a_program)
    waiting(job)
    os.kill(program_of(job), signal.SIGTERM)
    row = finished(job)
    assert row.error is not None
    assert (row.state, row.error["type"]) == ("failed", "CalledProcessError")


def test_a_job_that_does_not_listen_is_released_by_force(valkey: Valkey, tmp_path: Path) -> None:
    worker = Worker(tmp_path / "worker.log", children=1, queues=["ending"])
    worker.start()
    try:
        job = actions.start(jobs.swallows_for_ever, queue="ending")
        waiting(job)
    finally:
        worker.stop()
    row = Job.objects.get(id=job.id)
    assert (row.state, row.attempt, row.losses) == ("queued", 1, 0)


# ---------------------------------------------------------------- other pools


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_other_pools_have_every_step_of_a_stop(valkey: Valkey, tmp_path: Path, pool: str) -> None:
    worker = Worker(tmp_path / "worker.log", children=2, queues=["other"], pool=pool)
    worker.start()  # and says that it is there before the first job
    try:
        assert finished(actions.start(jobs.add, {"a": 1}, queue="other")).result == 2
        job = actions.start(jobs.wait_by_steps, queue="other")
        waiting(job)
        actions.cancel(job)
        assert finished(job).state == "cancelled"
        for task in (jobs.wait_in_sleep, jobs.swallows_for_ever):
            deaf = actions.start(task, queue="other")
            waiting(deaf)
            actions.cancel(deaf)
            assert finished(deaf).state == "cancelled"
        assert finished(actions.start(jobs.add, {"a": 1}, queue="other")).result == 2
        assert worker.process is not None
        assert worker.process.poll() is None
    finally:
        worker.stop()


# ---------------------------------------------------------------- lost messages


def test_messages_the_broker_lost_are_found_by_the_probe(worker: Worker, maintenance: None, valkey: Valkey) -> None:
    running = [start(jobs.wait_by_steps) for _ in range(worker.children)]
    for job in running:
        waiting(job)
    lost = [start(jobs.add, a=number) for number in range(5)]
    wait_for(lambda: Job.objects.filter(state="queued", published_at__isnull=False).count() == 5, 10, "the messages")
    valkey.empty()
    for job in running:
        actions.cancel(job)
    for job in lost:
        assert finished(job, timeout=60).attempt == 1
