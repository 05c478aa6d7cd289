"""`current_job()`: what a function sees of its job, inside and outside one."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from livejobs.definition import Attempt, CurrentJob, current_job, running
from livejobs.definition.current_job import OUTSIDE
from livejobs.errors import JobStopped
from livejobs.states import StopReason


@pytest.fixture
def attempt() -> Attempt:
    return Attempt(7, 2, "tests.task", max_lines=3, max_text=10)


@pytest.fixture
def job(attempt: Attempt) -> CurrentJob:
    return CurrentJob(attempt)


def texts(attempt: Attempt) -> list[str]:
    return [text for _, _, text in attempt.lines]


def test_outside_a_job_a_stand_in_does_nothing():
    job = current_job()
    assert job is OUTSIDE
    assert (job.id, job.attempt) == (None, 0)
    job.progress(1, total=2, message="m")
    job.log("text")
    job.check_cancelled()
    assert list(job.track([1, 2])) == [1, 2]


def test_inside_a_job_it_is_the_job_and_after_it_not(attempt):
    with running(attempt) as job:
        assert current_job() is job
        assert (job.id, job.attempt) == (7, 2)
    assert current_job() is OUTSIDE


def test_a_job_inside_a_job_is_the_current_one(attempt):
    inner = Attempt(8, 1, "tests.inner")
    with running(attempt):
        with running(inner):
            assert current_job().id == 8
        assert current_job().id == 7


def test_a_thread_of_the_only_job_finds_it_and_of_several_none(attempt):
    found = []

    def look():
        found.append(current_job().id)

    def in_a_thread():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    with running(attempt):
        in_a_thread()
        with running(Attempt(8, 1, "tests.inner")):
            in_a_thread()
    in_a_thread()
    assert found == [7, None, None]


def test_progress_keeps_the_total_and_the_message_until_new_ones_come(attempt, job):
    job.progress(1, total=4, message="reading")
    job.progress(2)
    assert (attempt.current, attempt.total, attempt.message) == (2, 4, "reading")


def test_a_message_is_cut_to_its_column(attempt, job):
    job.progress(1, message="m" * 300)
    assert attempt.message == "m" * 255


@pytest.mark.parametrize("number", [float("nan"), float("inf"), Decimal("NaN")])
def test_numbers_that_are_not_finite_are_refused(job, number):
    for call in (
        lambda: job.progress(number),
        lambda: job.progress(1, total=number),
        lambda: list(job.track([1], number)),
    ):
        with pytest.raises(ValueError, match="finite"):
            call()


def test_other_numbers_become_plain_ones(attempt, job):
    job.progress(Decimal("1.5"), total=True)
    assert (attempt.current, type(attempt.current)) == (1.5, float)
    assert (attempt.total, type(attempt.total)) == (1, int)


def test_track_counts_what_is_done(attempt, job):
    seen = [(item, attempt.current) for item in job.track("abc")]
    assert seen == [("a", 0), ("b", 1), ("c", 2)]
    assert (attempt.current, attempt.total) == (3, 3)


def test_track_takes_a_total_for_what_has_no_length(attempt, job):
    assert list(job.track(iter("ab"))) == ["a", "b"]
    assert attempt.total is None
    list(job.track(iter("ab"), total=2))
    assert attempt.total == 2


@pytest.mark.parametrize("look", ["progress", "track", "check_cancelled"])
def test_every_look_raises_the_stop(attempt, job, look):
    looks = {
        "progress": lambda: job.progress(1),
        "track": lambda: list(job.track([1])),
        "check_cancelled": job.check_cancelled,
    }
    attempt.stop_reason = StopReason.TIMEOUT
    with pytest.raises(JobStopped) as caught:
        looks[look]()
    assert caught.value.reason is StopReason.TIMEOUT
    assert attempt.raised


def test_a_stop_while_the_last_item_was_at_hand_is_seen(attempt, job):
    def go():
        for _ in job.track([1]):
            attempt.stop_reason = StopReason.CANCEL

    with pytest.raises(JobStopped):
        go()


def test_clean_up_may_report_progress_while_the_stop_passes(attempt, job):
    def work():
        try:
            job.check_cancelled()
        finally:
            job.progress(5, message="cleaning up")

    attempt.stop_reason = StopReason.CANCEL
    with pytest.raises(JobStopped):
        work()
    assert (attempt.current, attempt.message) == (5, "cleaning up")
    with pytest.raises(JobStopped):  # one that was swallowed is raised again
        job.check_cancelled()


def test_a_stop_in_a_thread_of_the_job_is_not_the_jobs_own(attempt, job):
    attempt.stop_reason = StopReason.CANCEL
    caught = []

    def look():
        try:
            job.check_cancelled()
        except JobStopped as stop:
            caught.append(stop)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert caught
    assert not attempt.raised


def test_log_takes_lines_and_levels(attempt, job):
    job.log("one\ntwo", level="error")
    job.log("")
    assert [(level, text) for _, level, text in attempt.lines] == [("error", "one"), ("error", "two"), ("info", "")]
    with pytest.raises(ValueError, match="log level 'loud'"):
        job.log("x", level="loud")


def test_past_the_bound_one_line_says_so(attempt):
    for number in range(10):
        attempt.write("info", str(number))
    assert texts(attempt) == ["0", "1", "2", "Log cut here: 3 lines of an attempt are kept"[:9] + "…"]


def test_a_long_line_is_cut(attempt):
    attempt.write("info", "x" * 11)
    assert texts(attempt) == ["x" * 9 + "…"]
