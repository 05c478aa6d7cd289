"""The signals of an attempt: whatever a receiver raises, the job goes on and the operator hears of it."""

from __future__ import annotations

import pytest

from livejobs import signals
from livejobs.errors import JobStopped

ABOUT = {"job_id": 7, "attempt": 2, "task": "tests.jobs.add"}


@pytest.mark.parametrize("error", [RuntimeError, JobStopped, SystemExit, KeyboardInterrupt])
def test_a_receiver_that_raises_breaks_no_job(error, caplog):
    def broken(**_: object) -> None:
        raise error

    signals.attempt_started.connect(broken)
    try:
        signals.send_attempt(signals.attempt_started, "sender", **ABOUT, owner_key="")
    finally:
        signals.attempt_started.disconnect(broken)
    (record,) = caplog.records
    assert record.getMessage().startswith("A receiver of attempt signals failed")
    assert (record.name, record.levelname, record.exc_info[0]) == ("livejobs.signals", "ERROR", error)
    found = {name: getattr(record, name) for name in ("event", "job", "task", "attempt")}
    assert found == {"event": "signal.receiver_failed", "job": 7, "task": "tests.jobs.add", "attempt": 2}


def test_a_receiver_that_answers_is_no_failure(caplog):
    def fine(**_: object) -> str:
        return "fine"

    signals.attempt_ended.connect(fine)
    try:
        signals.send_attempt(signals.attempt_ended, "sender", **ABOUT)
    finally:
        signals.attempt_ended.disconnect(fine)
    assert not caplog.records
