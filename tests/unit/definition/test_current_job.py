"""`current_job()`: what a function sees of its job, inside and outside one."""

from __future__ import annotations

import logging
import threading
from decimal import Decimal

import pytest

from livejobs.definition import Attempt, CurrentJob, current_job, running
from livejobs.definition.cells import BEAT, CURRENT, LOOKED, STOP, TOTAL, Cells
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


def seen(attempt: Attempt) -> tuple[float | None, float | None, str]:
    """Its progress, as its agent reads it."""
    cells = attempt.cells
    return cells.number(CURRENT), cells.number(TOTAL), cells.message


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
    assert seen(attempt) == (2, 4, "reading")


def test_a_message_is_cut_to_its_column(attempt, job):
    job.progress(1, message="m" * 300)
    assert seen(attempt)[2] == "m" * 255


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
    assert seen(attempt)[:2] == (1.5, 1.0)


def test_a_number_that_no_float_holds_is_refused(job):
    with pytest.raises(OverflowError):
        job.progress(10**400)


def test_what_is_refused_changes_nothing(attempt, job):
    job.progress(1, total=4)
    with pytest.raises(ValueError, match="finite"):
        job.progress(2, total=float("inf"))
    assert seen(attempt) == (1, 4, "")


def test_track_counts_what_is_done(attempt, job):
    done = [(item, attempt.view[CURRENT]) for item in job.track("abc")]
    assert done == [("a", 0), ("b", 1), ("c", 2)]
    assert seen(attempt)[:2] == (3, 3)


def test_track_takes_a_total_for_what_has_no_length(attempt, job):
    assert list(job.track(iter("ab"))) == ["a", "b"]
    assert seen(attempt)[1] is None
    list(job.track(iter("ab"), total=2))
    assert seen(attempt)[1] == 2


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


@pytest.mark.parametrize("look", ["progress", "track", "check_cancelled"])
def test_one_that_looks_up_is_known_to_and_one_that_logs_is_not(attempt, job, look):
    job.log("text")
    assert not attempt.view[LOOKED]
    {
        "progress": lambda: job.progress(1),
        "track": lambda: next(job.track([1])),
        "check_cancelled": job.check_cancelled,
    }[look]()
    assert attempt.view[LOOKED]


def test_the_reason_of_a_stop_is_what_was_asked_last(attempt):
    assert attempt.stop_reason is None
    for reason in StopReason:
        attempt.stop_reason = reason
        assert attempt.stop_reason is reason


def test_whether_it_was_raised_can_be_taken_back(attempt):
    assert not attempt.raised
    attempt.raised = True
    assert attempt.raised
    attempt.raised = False
    assert not attempt.raised


def test_it_goes_on_in_cells_that_are_shared_and_a_stop_goes_with_it(attempt, job):
    cells = Cells()
    cells.view[BEAT] = cells.view[CURRENT] = 9
    cells.message = "of an earlier attempt"
    attempt.stop_reason = StopReason.SHUTDOWN
    attempt.share(cells)
    assert (attempt.cells, cells.view[STOP], cells.view[BEAT]) == (cells, attempt.view[STOP], 9)
    assert seen(attempt) == (None, None, "")
    with pytest.raises(JobStopped) as caught:
        job.progress(1)
    assert caught.value.reason is StopReason.SHUTDOWN
    assert cells.number(CURRENT) == 1


def test_without_a_stop_shared_cells_have_none(attempt):
    cells = Cells()
    cells.view[STOP] = 1
    attempt.share(cells)
    assert attempt.stop_reason is None


def test_cells_may_be_given_at_its_begin():
    cells = Cells()
    CurrentJob(Attempt(7, 1, "tests.task", cells=cells)).progress(3)
    assert cells.number(CURRENT) == 3


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
    assert seen(attempt) == (5, None, "cleaning up")
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


@pytest.mark.parametrize(
    ("given", "level"), [("warn", "warning"), (logging.ERROR, "error"), ("loud", "info"), (None, "info")]
)
def test_a_level_is_what_logging_takes_and_a_wrong_one_ends_no_job(attempt, job, given, level):
    job.log("x", level=given)
    assert [level for level, _ in [line[1:] for line in attempt.lines]] == [level]


def test_a_track_inside_of_another_is_told_beside_the_message_and_the_outermost_moves_the_bar(attempt, job):
    cells, told = attempt.cells, []
    for _ in job.track("ab"):
        job.progress(cells.view[0], message="inner")
        for _ in job.track(range(3)):
            told.append((cells.number(0), cells.number(1), cells.doing))
    assert told == [(outer, 2, f"inner {inner}/3") for outer in (0, 1) for inner in (0, 1, 2)]
    assert (cells.number(0), cells.number(1), cells.doing) == (2, 2, "inner")
    list(job.track("abc"))
    assert (cells.number(0), cells.number(1)) == (3, 3)


def test_without_a_message_and_without_a_total_it_is_told_as_it_can_be(attempt, job):
    for _ in job.track("a"):
        for _ in job.track(iter("ab")):
            pass
        inner = job.track(iter("ab"))
        next(inner)
        next(inner)
        assert attempt.cells.doing == "1"


def test_four_deep_are_told_and_deeper_ones_harm_nothing(attempt, job):
    def deeper(depth: int) -> None:
        for _ in job.track(range(depth)):
            if depth < 7:
                deeper(depth + 1)
            else:
                told.add(attempt.cells.doing)

    told: set[str] = set()
    deeper(1)
    assert "0/2 · 0/3 · 0/4" in told
    assert attempt.cells.doing == ""
    assert attempt.view[0] == 1


def test_a_track_that_is_left_makes_room(attempt, job):
    for _ in job.track("ab"):
        break
    with pytest.raises(KeyError):
        [{}[item] for item in job.track("ab")]
    list(job.track("abc"))
    assert attempt.view[0] == 3


def test_of_many_lines_the_first_and_the_last_are_kept(attempt):
    for number in range(10):
        attempt.write("info", str(number))
    assert texts(attempt) == ["0", "8", "9"]
    assert attempt.lines.written == 10


def test_a_long_line_is_cut(attempt):
    attempt.write("info", "x" * 11)
    assert texts(attempt) == ["x" * 9 + "…"]


def test_lines_that_are_sent_are_not_kept_nor_cut():
    sent = []
    attempt = Attempt(7, 1, "tests.task", max_lines=1, max_text=5, send=lambda *line: sent.append(line))
    CurrentJob(attempt).log("one\ntwo and more", level="error")
    assert sent == [("error", "one"), ("error", "two and more")]
    assert texts(attempt) == []
