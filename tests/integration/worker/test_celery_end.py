"""What Celery hears of attempts, from a real worker whose host listens, and stumbles over everything it hears."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import Ignore, Retry

from livejobs import actions, transitions
from livejobs.errors import JobFailed
from livejobs.hints.publishing import Publisher
from livejobs.models import Job
from livejobs.runner.outcome import Failed, Stopped, Succeeded
from livejobs.states import State, StopReason
from livejobs.worker.celery_end import TRACE_LOGGER, CancelledJob, Ended, is_cancelled, log_in_one_line, tell
from tests import jobs
from tests.celery_app import app
from tests.support.rows import claimed
from tests.support.servers import Valkey
from tests.support.waiting import wait_for
from tests.support.workers import Worker, finished, log_of, queued, start, waiting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(150)]
TASK = app.tasks["tests.jobs.fails"]
ENDS = {"task-succeeded", "task-failed", "task-retried", "task-revoked"}


# ---------------------------------------------------------------- how Celery's task ends


def row(state: State, **fields: Any) -> Job:
    return Job(id=7, attempt=2, task="tests.jobs.fails", state=state, **fields)


def error(**changed: Any) -> dict[str, Any]:
    return {"reason": "exception", "type": "ValueError", "message": "bad row 7", "traceback": ""} | changed


def test_a_success_returns():
    assert tell(TASK, Ended(row(State.SUCCEEDED), Succeeded(1))) == "succeeded"


@pytest.mark.parametrize(
    ("told", "text", "about"),
    [
        (error(), "ValueError: bad row 7", ("exception", "ValueError")),
        (error(message=""), "ValueError", ("exception", "ValueError")),
        (error(reason="timeout", type="", message="Too late"), "timeout: Too late", ("timeout", "")),
        ({"type": 5, "message": [1]}, "5: [1]", ("", "5")),
        ({}, "An attempt of a job failed.", ("", "")),
        (None, "An attempt of a job failed.", ("", "")),
        ("no such thing", "An attempt of a job failed.", ("", "")),
    ],
)
def test_a_failure_raises_what_the_row_says(told, text, about):
    with pytest.raises(JobFailed) as raised:
        tell(TASK, Ended(row(State.FAILED, error=told), Stopped(StopReason.TIMEOUT)))
    failure = raised.value
    assert (str(failure), failure.job_id, failure.attempt, failure.task) == (text, 7, 2, "tests.jobs.fails")
    assert (failure.reason, failure.type) == about


@pytest.mark.parametrize("frames", [[{"file": 1}], [5], "x", {"a": 1}, [None]])
def test_frames_that_are_none_are_left_out(frames):
    with pytest.raises(JobFailed, match="bad row 7") as raised:
        tell(TASK, Ended(row(State.FAILED, error=error()), Failed(error(), frames=frames)))
    assert raised.traceback[-1].name == "tell"


def test_a_job_that_runs_again_is_a_retry_for_celery():
    with pytest.raises(Retry) as raised:
        tell(TASK, Ended(row(State.RETRYING), Failed(error(), may_retry=True)))
    assert isinstance(raised.value.exc, JobFailed)
    assert "bad row 7" in str(raised.value)
    assert vars(raised.value)["sig"] is None  # nothing that Celery would send


def test_a_job_that_is_given_back_is_one_too():
    with pytest.raises(Retry, match="given back") as raised:
        tell(TASK, Ended(row(State.QUEUED), Stopped(StopReason.SHUTDOWN)))
    assert raised.value.exc is None


@pytest.mark.parametrize(
    ("ended", "terminated"),
    [(Ended(row(State.CANCELLED), Stopped(StopReason.CANCEL)), True), (Ended(None, cancelled=True), False)],
)
def test_a_job_that_is_cancelled_is_ignored(ended, terminated):
    with pytest.raises(CancelledJob) as raised:
        tell(TASK, ended)
    assert raised.value.terminated is terminated


def test_without_an_attempt_there_is_nothing_to_tell():
    with pytest.raises(Ignore) as raised:
        tell(TASK, Ended(None, Stopped(StopReason.LEASE_LOST)))
    assert not isinstance(raised.value, CancelledJob)


def test_whether_a_job_is_cancelled():
    job = queued()
    assert not is_cancelled(job.id)
    transitions.cancel(job.id)
    assert is_cancelled(job.id)
    running, _ = claimed()
    transitions.cancel(running.id)
    assert not is_cancelled(running.id)  # it is only asked to end


# ---------------------------------------------------------------- Celery's own log


@pytest.fixture
def trace(caplog: pytest.LogCaptureFixture) -> Iterator[logging.Logger]:
    log_in_one_line()
    with caplog.at_level(logging.INFO, TRACE_LOGGER):
        yield logging.getLogger(TRACE_LOGGER)


def log_failure(trace: logging.Logger, error: Exception) -> None:
    about = {"name": "tests.jobs.fails", "id": "7-2", "exc": repr(error), "description": "raised unexpected"}
    trace.error("Task %(name)s[%(id)s] %(description)s: %(exc)s", about, exc_info=(type(error), error, None))


def test_a_failed_job_is_one_line_of_celerys_log(trace, caplog):
    log_failure(trace, JobFailed("ValueError: bad\nrow"))
    log_failure(trace, ValueError("of a task of the host's"))
    ours, theirs = caplog.records
    assert (ours.levelname, ours.exc_info) == ("INFO", None)
    assert ours.getMessage() == r"Task tests.jobs.fails[7-2] failed: JobFailed('ValueError: bad\nrow')"
    assert theirs.levelname == "ERROR"
    assert theirs.exc_info


def test_a_log_without_infos_says_nothing_of_it(trace, caplog):
    trace.setLevel(logging.WARNING)
    log_failure(trace, JobFailed("ValueError: bad row"))
    assert not caplog.records


# ---------------------------------------------------------------- a real worker


class Host:
    """A worker whose host listens to every signal, and somebody who watches its events, as Flower does."""

    def __init__(self, folder: Path, pool: str) -> None:
        self.heard = folder / "heard"
        self.heard.touch()
        self.worker = Worker(folder / "worker.log", children=1, app="tests.listening_app", pool=pool)
        self.events: list[dict[str, Any]] = []
        self._receiver: Any = None

    def watch(self) -> None:
        with app.connection_for_read() as connection:
            self._receiver = app.events.Receiver(connection, handlers={"*": self.events.append})
            try:
                self._receiver.capture(limit=None, timeout=None, wakeup=False)
            except OSError:
                assert self._receiver.should_stop

    def watched(self) -> bool:
        """Whether the watcher listens by now: it hears what we send."""
        with app.events.default_dispatcher() as dispatcher:
            dispatcher.send("test-watched")
        return bool(self.events)

    def leave(self) -> None:
        self._receiver.should_stop = True

    def signals(self, job: Job) -> list[dict[str, Any]]:
        """What receivers of a job's signals noted."""
        every = [json.loads(line) for line in self.heard.read_text().splitlines()]
        return [each for each in every if each.get("job_id") == job.id or each.get("id", "").startswith(f"{job.id}-")]

    def end_of(self, job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
        """The one Celery signal and the one event by which the attempt ended."""
        find = lambda: [each for each in self.events if str(each.get("uuid", "")).startswith(f"{job.id}-")]  # noqa: E731
        wait_for(lambda: {each["type"] for each in find()} & ENDS, 20, f"an event of {job}")
        ended = [each for each in find() if each["type"] in ENDS]
        signals = [each for each in self.signals(job) if not each["signal"].startswith("attempt_")]
        assert (len(ended), len(signals)) == (1, 1)
        return signals[0], ended[0]


@pytest.fixture(scope="module", params=["prefork", "threads"])
def host(request, valkey: Valkey, django_db_setup: None, django_db_blocker, tmp_path_factory) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("host"), request.param)
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        patch.setenv("LIVEJOBS_TEST_HEARD", str(host.heard))
        host.worker.start()
    watcher = threading.Thread(target=host.watch)
    watcher.start()
    try:
        wait_for(host.watched, message="the watcher")
        yield host
    finally:
        host.worker.stop()
        host.leave()
        watcher.join(20)
    log = host.worker.log.read_text()
    for record in host.worker.complaints():  # of the host's own, none of ours
        assert "a host's bug" in record, log
    assert "raised unexpected" not in log


def test_a_success_is_told(host: Host) -> None:
    job = finished(start(jobs.at_once))
    signal, event = host.end_of(job)
    assert (signal["signal"], signal["result"], event["type"]) == ("success", "succeeded", "task-succeeded")


def test_a_failure_is_told_with_the_frames_of_the_function(host: Host) -> None:
    job = finished(start(jobs.fails))
    signal, event = host.end_of(job)
    assert (signal["signal"], signal["type"], signal["text"]) == ("failure", "JobFailed", "ValueError: bad row 7")
    about = {name: signal["about"][name] for name in ("job_id", "attempt", "task", "reason", "type")}
    assert about == {
        "job_id": job.id, "attempt": 1, "task": "tests.jobs.fails", "reason": "exception", "type": "ValueError",
    }  # fmt: skip
    assert signal["frames"][-1] == ["fails", 'raise ValueError("bad row 7")']
    assert event["type"] == "task-failed"
    assert event["exception"] == "JobFailed('ValueError: bad row 7')"
    assert "in fails" in event["traceback"]
    assert "in fails" in signal["lines"]
    log = host.worker.log.read_text()
    assert f"Task tests.jobs.fails[{job.id}-1] failed: JobFailed('ValueError: bad row 7')" in log
    ours = [line for line in log.splitlines() if f"Job {job.id} tests.jobs.fails: fail" in line]
    assert len(ours) == 1
    assert re.search(r": WARNING/\S+\] Job \d+ tests.jobs.fails: fail, attempt 1: ValueError: bad row 7$", ours[0])


def test_a_time_limit_is_a_failure(host: Host) -> None:
    job = finished(start(jobs.takes_too_long))
    signal, event = host.end_of(job)
    assert (signal["signal"], signal["about"]["reason"], event["type"]) == ("failure", "timeout", "task-failed")


def test_an_attempt_that_is_followed_by_another_is_a_retry(host: Host) -> None:
    job = start(jobs.fails_and_waits)
    signal, event = host.end_of(job)
    assert (signal["signal"], signal["text"]) == ("retry", "ConnectionError: busy")
    assert signal["frames"][-1][0] == "fails_and_waits"
    assert event["type"] == "task-retried"
    stored = Job.objects.get(id=job.id)
    assert (stored.state, stored.attempt, str(stored.run_at)) == ("retrying", 1, signal["when"])
    actions.cancel(job)


def test_a_cancelled_job_is_revoked(host: Host) -> None:
    job = start(jobs.wait_by_steps)
    waiting(job)
    other = start(jobs.at_once)  # waits behind it
    actions.cancel(other)
    actions.cancel(job)
    signal, event = host.end_of(finished(job))
    assert (signal["signal"], signal["terminated"]) == ("revoked", True)
    assert (event["type"], event["terminated"]) == ("task-revoked", True)
    signal, event = host.end_of(other)
    assert (signal["signal"], signal["terminated"]) == ("revoked", False)
    assert (event["type"], event["terminated"]) == ("task-revoked", False)


def test_a_message_that_comes_again_is_nothing_new(host: Host) -> None:
    job = finished(start(jobs.at_once))
    host.end_of(job)
    Publisher().publish(job.id, 1, job.task, job.queue)
    wait_for(lambda: f"Task tests.jobs.at_once[{job.id}-1] ignored" in host.worker.log.read_text(), 20, "the copy")
    host.end_of(job)


def test_hosts_hear_of_an_attempt_in_the_process_of_the_function(host: Host) -> None:
    job = finished(start(jobs.knows_its_task))
    began, ended = (each for each in host.signals(job) if each["signal"].startswith("attempt_"))
    name, identity, root, directly, pid = job.result  # type: ignore[misc]  # a list, as it says
    assert (name, identity, root, directly) == ("tests.jobs.knows_its_task", f"{job.id}-1", f"{job.id}-1", False)
    assert began == {
        "signal": "attempt_started", "pid": pid, "sender": job.task, "here": job.id, "job_id": job.id, "attempt": 1,
        "task": job.task, "owner_key": "",
    }  # fmt: skip
    assert ended == {**began, "signal": "attempt_ended", "outcome": "succeeded", "reason": "", "error": None}
    log = host.worker.log.read_text()
    assert log.count("A receiver of attempt signals failed") >= 2
    host.end_of(job)
    assert log_of(job) == ["heard of attempt_started", "heard of attempt_ended"]  # what receivers print, and no more


def test_a_worker_that_leaves_gives_its_job_back(host: Host) -> None:
    """The last one: it ends the worker."""
    job = start(jobs.wait_in_sleep)
    waiting(job)
    host.worker.stop()
    signal, event = host.end_of(job)
    assert (signal["signal"], event["type"]) == ("retry", "task-retried")
    assert Job.objects.get(id=job.id).state == "queued"
