"""Our own log of jobs: one line for each change."""

from __future__ import annotations

import pytest

from livejobs import transitions
from livejobs.hints import broadcast, publishing
from livejobs.states import State
from tests.support.rows import DONE, ERROR, TASK, claimed, in_state

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """No broker and no screen hears of it."""
    monkeypatch.setattr(broadcast, "send", lambda events: None)
    monkeypatch.setattr(publishing, "submit", lambda job: None)


def test_our_own_log_tells_each_change(caplog, django_capture_on_commit_callbacks):
    caplog.set_level("INFO", "livejobs.jobs")
    with django_capture_on_commit_callbacks(execute=True):
        failed = in_state(State.FAILED)
        lost, lease = claimed(max_losses=0)
        transitions.rescue(lease, 0)
    lines = [(each.levelname, each.getMessage()) for each in caplog.records if each.name == "livejobs.jobs"]
    assert lines == [
        ("INFO", f"Job {failed.id} {TASK}: accept, attempt 0"),
        ("INFO", f"Job {failed.id} {TASK}: claim, attempt 1"),
        ("WARNING", f"Job {failed.id} {TASK}: fail, attempt 1: ValueError: {ERROR['message']}"),
        ("INFO", f"Job {lost.id} {TASK}: accept, attempt 0"),
        ("INFO", f"Job {lost.id} {TASK}: claim, attempt 1"),
        ("WARNING", f"Job {lost.id} {TASK}: lose, attempt 1: lost: {transitions.LOST_ERROR['message']}"),
    ]


def test_the_words_of_a_job_command_no_terminal_and_begin_no_line(caplog, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        job, lease = claimed()
        transitions.fail(lease, {**ERROR, "message": "\x1b[2Jbad\nJob 1 x: succeed\u202e"}, DONE)
    [text] = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert text == f"Job {job.id} {TASK}: fail, attempt 1: ValueError: bad ⏎ Job 1 x: succeed"
