"""The worker child, from outside: a real Celery worker, a real Valkey, jobs that end in every way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from livejobs import actions
from livejobs.models import Job, JobLog
from tests import jobs
from tests.support.waiting import wait_for
from tests.support.workers import Worker, finished, start, waiting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
ROUNDS = 10  # of each of five ways: fifty in all


@pytest.fixture(scope="module", autouse=True)
def _no_complaints(worker: Worker) -> Iterator[None]:
    yield
    assert not worker.complaints(), "".join(worker.complaints())


def test_a_job_runs_and_its_result_progress_and_log_are_stored(worker: Worker) -> None:
    row = finished(start(jobs.count_up, to=5))
    assert (row.state, row.result, row.attempt) == ("succeeded", {"counted": 5}, 1)
    assert (row.current, row.total) == (5, 5)
    lines = list(JobLog.objects.filter(job=row).order_by("seq").values_list("seq", "level", "text"))
    expected = [text for n in range(5) for text in (("info", f"line {n}"), ("warning", f"logged {n}"))]
    assert lines == [(seq, *line) for seq, line in enumerate(expected, 1)]
    assert row.log_seq == 10


def test_a_failure_names_its_type_and_message_and_keeps_its_traceback(worker: Worker) -> None:
    row = finished(start(jobs.fails))
    assert row.state == "failed"
    assert row.error is not None
    assert (row.error["reason"], row.error["type"], row.error["message"]) == ("exception", "ValueError", "bad row 7")
    assert "in fails" in row.error["traceback"]
    assert "livejobs/worker" not in row.error["traceback"]


def test_sys_exit_is_a_failure_and_the_worker_lives(worker: Worker) -> None:
    assert finished(start(jobs.exits)).error["type"] == "SystemExit"
    assert finished(start(jobs.at_once)).state == "succeeded"


def test_hostile_text_is_stored_with_replacements(worker: Worker) -> None:
    row = finished(start(jobs.hostile))
    assert row.result == {"text": "nul \ufffd surrogate \ufffd <b>bold</b>"}
    assert JobLog.objects.get(job=row).text == "nul \ufffd surrogate \ufffd end"


def test_a_result_that_is_not_json_fails_the_job(worker: Worker) -> None:
    row = finished(start(jobs.returns_nan))
    assert (row.state, row.error["reason"]) == ("failed", "result")


def test_a_queued_job_that_is_cancelled_never_runs(worker: Worker) -> None:
    blockers = [start(jobs.wait_by_steps) for _ in range(worker.children)]
    for blocker in blockers:
        waiting(blocker)
    queued = start(jobs.at_once)
    assert actions.cancel(queued).state == "cancelled"
    for blocker in blockers:
        actions.cancel(blocker)
        assert finished(blocker).state == "cancelled"
    assert finished(start(jobs.at_once)).state == "succeeded"
    assert Job.objects.get(id=queued.id).attempt == 0


def test_a_cancel_runs_finally_and_is_not_swallowed(worker: Worker, tmp_path: Path) -> None:
    job = start(jobs.cleans_up, mark=str(tmp_path / "mark"))
    waiting(job)
    actions.cancel(job)
    row = finished(job)
    assert (row.state, row.stopping_reason) == ("cancelled", "cancel")
    assert (tmp_path / "mark").read_text() == "cleaned"
    assert not JobLog.objects.filter(job=row, text="swallowed").exists()


def test_a_person_may_retry_what_was_cancelled(worker: Worker) -> None:
    job = start(jobs.wait_by_steps, seconds=3)
    waiting(job)
    actions.cancel(job)
    assert finished(job).state == "cancelled"
    actions.retry(job)
    row = finished(job)
    assert (row.state, row.attempt, row.cancel_requested_at) == ("succeeded", 2, None)


def test_a_job_that_must_never_run_twice_is_lost(worker: Worker, maintenance: None, tmp_path: Path) -> None:
    row = finished(start(jobs.never_twice, mark=str(tmp_path / "mark")), timeout=40)
    assert (row.state, row.error["reason"]) == ("failed", "lost")
    assert (tmp_path / "mark").read_text() == "ran\n"


@pytest.mark.parametrize("round_number", range(ROUNDS))
@pytest.mark.parametrize("way", ["finish", "kill", "sleep", "query", "subprocess"])
def test_fifty_times(worker: Worker, maintenance: None, way: str, round_number: int, tmp_path: Path) -> None:
    if way == "finish":
        assert finished(start(jobs.add, a=round_number)).result == round_number + 1
    elif way == "kill":
        row = finished(start(jobs.loses_its_worker_once, mark=str(tmp_path / "mark")), timeout=40)
        assert (row.state, row.result, row.attempt, row.losses) == ("succeeded", "survived", 2, 1)
    else:
        job = start(getattr(jobs, f"wait_in_{way}"))
        waiting(job)
        actions.cancel(job)
        row = finished(job)
        assert (row.state, row.attempt, row.error) == ("cancelled", 1, None)
        after = finished(start(jobs.add, a=1))  # the worker and its connections are unharmed
        assert after.result == 2


def test_killing_the_whole_worker_loses_nothing(worker: Worker, maintenance: None) -> None:
    running = [start(jobs.wait_by_steps, seconds=3) for _ in range(2)]
    for job in running:
        waiting(job)
    queued = [start(jobs.add, a=n) for n in range(5)]
    worker.kill()
    worker.start()
    for number, job in enumerate(queued):
        assert finished(job, timeout=60).result == number + 1
    for job in running:
        row = finished(job, timeout=60)
        assert (row.state, row.attempt) == ("succeeded", 2)


def test_the_parent_keeps_no_threads_and_no_database(worker: Worker) -> None:
    assert worker.process is not None
    parent = Path(f"/proc/{worker.process.pid}")
    if not parent.exists():
        pytest.skip("only Linux shows a process in /proc")
    finished(start(jobs.at_once))
    names = [(task / "comm").read_text().strip() for task in (parent / "task").iterdir()]
    assert len(names) == 1, names
    database = settings.DATABASES["default"]
    files = {os.readlink(file) for file in (parent / "fd").iterdir()}
    assert not [name for name in files if name.startswith(str(database["NAME"]))]
    if settings.DATABASE == "postgresql":
        sockets = {name[len("socket:[") : -1] for name in files if name.startswith("socket:")}
        lines = [line.split() for line in (parent / "net" / "tcp").read_text().splitlines()[1:]]
        assert not [line for line in lines if line[9] in sockets and int(line[2][-4:], 16) == int(database["PORT"])]


def test_a_warm_stop_gives_jobs_back_and_says_good_bye(worker: Worker) -> None:
    job = start(jobs.wait_by_steps)
    waiting(job)
    assert worker.process is not None
    os.kill(worker.process.pid, signal.SIGTERM)
    worker.process.wait(20)
    row = actions.cancel(job)
    assert (row.state, row.attempt, row.losses) == ("cancelled", 1, 0)  # it was queued again
    wait_for(lambda: not worker.presences(), message="the children's good-bye")
    worker.start()
