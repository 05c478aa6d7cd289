"""What has become of the jobs file: left by the supervisor, said by the page."""

from __future__ import annotations

import pytest

from livejobs.server import jobs_notice


@pytest.fixture(autouse=True)
def _runtime(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LIVEJOBS_RUNTIME", str(tmp_path))


def test_nothing_is_said_where_nothing_happened(monkeypatch):
    assert jobs_notice.sentences() == []
    monkeypatch.delenv("LIVEJOBS_RUNTIME")
    assert jobs_notice.sentences() == []


def test_a_change_and_a_broken_file_are_said_until_what_is_there_is_served(tmp_path):
    jobs_notice.leave_changed(tmp_path, "tasks.py")
    assert jobs_notice.sentences() == [
        "tasks.py has changed since it was loaded; the server has to be restarted to run it."
    ]

    jobs_notice.leave_broken(tmp_path, "tasks.py", "tasks.py:1 has a syntax error: {}.")
    assert jobs_notice.sentences() == [
        "tasks.py cannot be loaded; its last good version is served: tasks.py:1 has a syntax error: {}."
    ]

    jobs_notice.remove(tmp_path)
    jobs_notice.remove(tmp_path)
    assert jobs_notice.sentences() == []
