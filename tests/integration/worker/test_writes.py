"""What one attempt writes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from livejobs import transitions
from livejobs.definition import Attempt, CurrentJob
from livejobs.definition.cells import CURRENT, TOTAL
from livejobs.hints import broadcast
from livejobs.models import Job, JobLog
from livejobs.runner.outcome import Failed, Outcome, Stopped, Succeeded
from livejobs.states import StopReason
from livejobs.worker import writes as module
from livejobs.worker.writes import AttemptWrites
from tests.support.rows import ERROR, TASK, claimed, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch) -> list[Any]:
    events: list[Any] = []
    monkeypatch.setattr(broadcast, "send", events.extend)
    return events


def begun(max_lines: int = 10_000) -> AttemptWrites:
    job, _ = claimed()
    return AttemptWrites(read(job), Attempt(job.id, 1, job.task, max_lines=max_lines))


def begun_again(job_id: int) -> AttemptWrites:
    job = transitions.claim(job_id, owner="here:1/again", task=TASK)
    assert job is not None
    return AttemptWrites(job, Attempt(job.id, job.attempt, job.task, max_lines=2))


def test_lines_are_numbered_and_stored_in_batches_and_sent_after_that(sent, monkeypatch):
    monkeypatch.setattr(module, "LOG_BATCH", 2)
    writes = begun()
    for number in range(5):
        writes.attempt.write("info", f"line {number}\x00")
    writes.flush_log()
    stored = JobLog.objects.filter(job_id=writes.lease.job_id).order_by("seq")
    assert [(line.seq, line.text) for line in stored] == [(n + 1, f"line {n}\ufffd") for n in range(5)]
    assert [event.message["rank"] for event in sent] == [[1, 2], [3, 4], [5, 5]]


def written(writes: AttemptWrites, count: int) -> None:
    for _ in range(count):
        writes.attempt.write("info", f"line {writes.attempt.lines.written + 1}")


def test_the_first_and_the_last_lines_are_stored_and_those_between_have_numbers(sent, monkeypatch):
    monkeypatch.setattr(module, "LOG_BATCH", 4)
    writes = begun(max_lines=6)
    written(writes, 100)
    writes.flush_log()
    assert stored(writes) == [1, 2, 3, 98, 99, 100]
    assert [event.message["rank"] for event in sent] == [[1, 98], [99, 100]]
    assert Job.objects.get().log_seq == 100


def test_what_was_among_the_last_and_is_not_any_more_is_deleted_in_batches(sent, monkeypatch):
    monkeypatch.setattr(module, "LOG_BATCH", 4)
    writes = begun(max_lines=6)
    for _ in range(6):
        written(writes, 3)
        writes.flush_log()
        assert len(stored(writes)) <= 6 + 2 * 4
    written(writes, 1)
    writes.finish(Succeeded(None))
    assert stored(writes) == [1, 2, 3, 17, 18, 19]
    assert {line.text for line in JobLog.objects.filter(seq=19)} == {"line 19"}


def test_a_job_that_writes_all_the_while_does_not_keep_the_thread(sent, monkeypatch):
    monkeypatch.setattr(module, "LOG_BATCH", 2)
    writes = begun()
    written(writes, 20)
    writes.flush_log(3)
    assert stored(writes) == [1, 2, 3, 4]
    writes.finish(Succeeded(None))
    assert stored(writes) == list(range(1, 21))


def test_the_next_attempt_goes_on_counting_and_leaves_the_earlier_ones_lines_alone(sent):
    writes = begun(max_lines=2)
    written(writes, 9)
    job = writes.finish(Failed(ERROR))
    assert job is not None
    transitions.retry(job.id)
    again = begun_again(job.id)
    written(again, 9)
    again.finish(Succeeded(None))
    assert stored(again) == [1, 9, 10, 18]


def stored(writes: AttemptWrites) -> list[int]:
    return list(JobLog.objects.filter(job_id=writes.lease.job_id).order_by("seq").values_list("seq", flat=True))


def test_the_open_line_is_told_when_it_changes_with_the_number_it_will_have(sent):
    writes = begun()
    attempt = writes.attempt

    def told(now: float) -> list[Any]:
        events = [json.loads(event.message["text"]) for event in writes.open_line_events(now)]
        return [(event["attempt"], event["tick"], event["seq"], event["text"]) for event in events]

    assert told(0.0) == []
    attempt.write("info", "one")
    attempt.open_line = "10 %\r20 %\x00"
    assert told(0.1) == [(1, 2, 2, "20 %\ufffd")]
    assert told(0.2) == []
    assert told(2.2) == [(1, 3, 2, "20 %\ufffd")]  # again, for who came since
    attempt.open_line = "30 %"
    assert told(2.3) == [(1, 4, 2, "30 %")]
    attempt.open_line = ""
    assert told(2.4) == [(1, 5, 2, "")]  # wiped out
    attempt.open_line = "40 %"
    assert told(2.5) == [(1, 6, 2, "40 %")]
    attempt.write("info", "40 %")
    attempt.open_line = ""
    assert told(2.6) == []  # the line takes its place
    assert told(9.9) == []


def test_an_inner_track_is_part_of_the_message_which_has_a_bound(sent):
    writes = begun()
    job = CurrentJob(writes.attempt)
    for _ in job.track("ab"):
        job.progress(0, message="m" * 250)
        inner = job.track("abc")
        next(inner)
        break
    seen = writes.sample()
    assert seen is not None
    assert seen["message"] == "m" * 250 + " 0/3"
    writes.attempt.cells.message = "m" * 255
    seen = writes.sample()
    assert seen is not None
    assert len(seen["message"]) == 255


def test_who_lost_the_lease_stores_no_line_and_keeps_none(sent):
    writes = begun()
    Job.objects.update(lease_owner="another")
    writes.attempt.write("info", "late")
    writes.flush_log()
    assert not writes.attempt.lines
    assert sent == []
    assert not JobLog.objects.exists()


def test_progress_is_a_tick_for_each_change_and_is_stored_once(sent):
    writes = begun()
    assert writes.sample() is None
    CurrentJob(writes.attempt).progress(3, 4.5)
    assert writes.sample() == {"tick": 1, "current": 3, "total": 4.5, "message": ""}
    assert writes.sample() is None
    assert writes.unsaved_progress
    writes.save_progress()
    assert not writes.unsaved_progress
    row = Job.objects.get()
    assert (row.tick, row.current, row.total) == (1, 3, 4.5)


@pytest.mark.parametrize(
    ("outcome", "wait", "state"),
    [
        (Succeeded({"rows": 7}), None, "succeeded"),
        (Failed(ERROR), None, "failed"),
        (Failed(ERROR), timedelta(seconds=5), "retrying"),
        (Stopped(StopReason.CANCEL), None, "cancelled"),
        (Stopped(StopReason.SHUTDOWN), None, "queued"),
        (Stopped(StopReason.TIMEOUT), None, "failed"),
    ],
)
def test_an_attempt_ends_as_it_ended_with_its_last_lines_and_progress(
    sent, outcome: Outcome, wait: timedelta | None, state
):
    writes = begun()
    writes.attempt.write("info", "the last line")
    CurrentJob(writes.attempt).progress(9)
    finished = writes.finish(outcome, wait)
    assert finished is not None
    assert finished.state == state
    assert JobLog.objects.get().text == "the last line"
    if state in ("succeeded", "failed", "cancelled"):
        assert finished.current == 9


def test_a_lease_that_is_anothers_leaves_nothing_to_say(sent):
    writes = begun()
    assert writes.finish(Stopped(StopReason.LEASE_LOST)) is None
    assert Job.objects.get().state == "running"


def test_a_result_that_cannot_be_stored_fails_the_job_and_says_so(sent, caplog):
    writes = begun()
    failed = writes.finish_unstorable(ValueError("no such number"))
    assert failed is not None
    assert failed.error is not None
    assert (failed.state, failed.error["reason"]) == ("failed", "result")
    (record,) = caplog.records
    assert (record.event, record.job) == ("job.result_not_stored", failed.id)
    assert transitions.retry(failed.id) is not None


def test_a_bar_is_the_progress_of_a_job_that_reports_none():
    writes = begun()
    attempt = writes.attempt

    def sampled() -> list[Any] | None:
        progress = writes.sample()
        return progress and [progress["current"], progress["total"], progress["message"]]

    assert sampled() is None
    attempt.drawn = "reading: 40%|####      | 4/10"
    assert sampled() == [4, 10, "reading"]
    assert sampled() is None
    attempt.drawn = ""
    assert sampled() is None
    attempt.view[TOTAL], attempt.view[CURRENT] = 7, 1
    assert sampled() == [1, 7, ""]
    attempt.drawn = "reading: 50%|#####     | 5/10"
    assert sampled() is None
