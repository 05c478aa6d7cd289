"""Jobs that are hard on the worker child that runs them: each ends as it should, and the next one is unharmed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from livejobs import actions
from livejobs.conf import _DEFAULTS
from livejobs.models import Job, JobLog
from tests import jobs
from tests.support.servers import Valkey
from tests.support.waiting import wait_for
from tests.support.workers import Worker, finished, log_of, start, waiting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def one(valkey: Valkey, django_db_setup: None, django_db_blocker, tmp_path_factory) -> Iterator[Worker]:
    started = Worker(tmp_path_factory.mktemp("worker") / "worker.log", children=1)
    with django_db_blocker.unblock():
        started.start()
    yield started
    started.stop()
    assert not started.complaints(), "".join(started.complaints())


@pytest.fixture
def worker(one: Worker, django_db_blocker) -> Iterator[Worker]:
    """A worker of one child, and after the test a check that it is the same child and all is well with it."""
    children = one.presences() or wait_for(one.presences, message="the child")
    yield one
    assert finished(start(jobs.reads_the_database)).result == 42
    row = finished(start(jobs.count_up, to=2))
    assert (row.state, row.result, row.current) == ("succeeded", {"counted": 2}, 2)
    assert log_of(row) == ["line 0", "logged 0", "line 1", "logged 1"]
    assert wait_for(one.presences, message="the child") == children


def test_megabytes_without_a_newline(worker: Worker) -> None:
    row = finished(start(jobs.prints_megabytes))
    long, bar, as_bytes = log_of(row)
    assert row.result == 5
    assert len(long) == _DEFAULTS["MAX_LOG_LINE"]  # one line, cut
    assert (as_bytes, bar) == ("bytes é", "999 of 1000")


def test_the_first_and_the_last_five_thousand_lines_are_kept(worker: Worker) -> None:
    row = finished(start(jobs.logs_too_much))
    lines = log_of(row)
    assert lines == [f"line {number}" for number in (*range(5_000), *range(row.log_seq - 5_000, row.log_seq))]


def test_every_door_to_the_log_in_order(worker: Worker) -> None:
    row = finished(start(jobs.logs_in_every_way))
    lines = log_of(row)
    assert lines[:5] == ["one", "two", "three", "four", "caught"]
    assert lines[-3:] == ["ValueError: five", "six", "seven"]
    assert "machinery" not in lines
    assert JobLog.objects.get(job=row, text="four").level == "stderr"  # which is no warning


@pytest.mark.parametrize("how", ["atomic", "autocommit", "broken"])
def test_a_transaction_left_open_is_rolled_back_and_blocks_nothing(worker: Worker, how: str) -> None:
    row = finished(start(jobs.leaves_a_transaction_open, how=how))
    assert (row.state, row.result, row.name) == ("succeeded", "left", "")


def test_closing_every_connection_harms_nothing(worker: Worker) -> None:
    assert finished(start(jobs.closes_every_connection)).result == "closed"


def test_a_job_started_inside_a_job_is_a_job_of_its_own(worker: Worker) -> None:
    outer = finished(start(jobs.starts_another, a=1))
    inner = Job.objects.get(id=int(str(outer.result)))
    assert inner.id != outer.id
    assert finished(inner).result == 3


def test_folder_signals_and_streams_are_the_next_jobs_own_again(worker: Worker) -> None:
    assert finished(start(jobs.upsets_its_process)).state == "succeeded"
    job = start(jobs.wait_in_sleep)
    waiting(job)
    actions.cancel(job)
    assert finished(job).state == "cancelled"


def test_a_job_that_took_the_signal_is_not_killed_by_it(worker: Worker) -> None:
    job = start(jobs.takes_the_signal)
    waiting(job)
    actions.cancel(job)
    row = finished(job)
    assert (row.state, row.attempt) == ("cancelled", 1)


def test_a_forked_child_that_returns_ends_there(worker: Worker) -> None:
    row = finished(start(jobs.forks))
    assert (row.state, row.result, row.current) == ("succeeded", "parent", None)
    assert log_of(row) == ["from the child", "from the parent"]  # as a terminal would show it


def test_the_lease_is_renewed_while_python_is_busy(worker: Worker) -> None:
    job = start(jobs.burns, seconds=3)
    waiting(job)
    before = Job.objects.get(id=job.id).beat
    wait_for(lambda: Job.objects.get(id=job.id).beat >= before + 2, message="two renewals")
    assert finished(job).state == "succeeded"


def test_a_busy_loop_is_stopped(worker: Worker) -> None:
    job = start(jobs.burns)
    waiting(job)
    actions.cancel(job)
    assert finished(job).state == "cancelled"


def test_endless_recursion_is_a_failure(worker: Worker) -> None:
    row = finished(start(jobs.recurses))
    assert row.error is not None
    assert row.error["type"] == "RecursionError"


def test_an_endless_result_is_a_failure(worker: Worker) -> None:
    row = finished(start(jobs.returns_what_contains_itself))
    assert row.error is not None
    assert row.error["reason"] == "result"


def test_an_error_without_a_text_is_a_failure(worker: Worker) -> None:
    row = finished(start(jobs.is_rude))
    assert row.error is not None
    assert (row.error["reason"], row.error["type"]) == ("exception", "RudeError")


def test_a_result_that_interrupts_its_reader_is_a_failure(worker: Worker) -> None:
    row = finished(start(jobs.returns_rudeness))
    assert row.error is not None
    assert row.error["reason"] == "result"


def test_progress_takes_every_number_that_is_one(worker: Worker) -> None:
    row = finished(start(jobs.reports_odd_numbers))
    assert (row.state, row.current, row.total, row.message) == ("succeeded", 1.5, 3, "m" * 255)
    assert log_of(row) == ["refused", "refused"]


def test_a_stop_that_a_finalizer_swallowed_comes_again(worker: Worker, tmp_path: Path) -> None:
    job = start(jobs.swallows_in_a_finalizer, mark=str(tmp_path / "mark"))
    waiting(job)
    actions.cancel(job)
    assert finished(job).state == "cancelled"
    assert not (tmp_path / "mark").exists()


def test_a_stop_closes_generators(worker: Worker, tmp_path: Path) -> None:
    job = start(jobs.waits_in_a_generator, mark=str(tmp_path / "mark"))
    waiting(job)
    actions.cancel(job)
    assert finished(job).state == "cancelled"
    assert (tmp_path / "mark").read_text() == "closed"


def test_a_stop_inside_a_query_leaves_the_connection_to_finally(worker: Worker, tmp_path: Path) -> None:
    job = start(jobs.cleans_up_in_the_database, mark=str(tmp_path / "mark"))
    waiting(job)
    actions.cancel(job)
    row = finished(job)
    assert (row.state, row.message) == ("cancelled", "cleaning up")
    assert (tmp_path / "mark").read_text() == "42"


def test_a_stop_is_raised_once(worker: Worker, tmp_path: Path) -> None:
    job = start(jobs.swallows_everything, mark=str(tmp_path / "mark"))
    waiting(job)
    actions.cancel(job)
    row = finished(job)
    assert (row.state, row.result) == ("cancelled", None)  # whatever it returned after that
    assert (tmp_path / "mark").read_text() == "Interrupted"


@pytest.mark.parametrize("round_number", range(3))
def test_a_stop_inside_the_logging_module_leaves_no_lock(worker: Worker, round_number: int) -> None:
    job = start(jobs.logs_until_stopped)
    waiting(job)
    actions.cancel(job)
    row = finished(job)
    assert row.state == "cancelled"
    assert 0 < len(log_of(row)) <= row.log_seq  # where it logged much, the middle is not kept


def test_a_stop_inside_our_own_code_leaves_it_working(worker: Worker) -> None:
    job = start(jobs.starts_until_stopped)
    waiting(job)
    actions.cancel(job)
    assert finished(job).state == "cancelled"
    Job.objects.queued().update(cancel_requested_at=None, published_at=None, state="cancelled")
