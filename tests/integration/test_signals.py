"""The signals that hosts listen to: each change once, after its commit."""

from __future__ import annotations

import pytest

from livejobs import signals, transitions
from livejobs.hints import broadcast, publishing
from livejobs.states import EdgeName
from tests.support.rows import DONE, accepted, claimed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """No broker and no screen hears of it."""
    monkeypatch.setattr(broadcast, "send", lambda events: None)
    monkeypatch.setattr(publishing, "submit", lambda job: None)


def test_hosts_hear_of_each_change_once(django_capture_on_commit_callbacks):
    heard: list[tuple[str, str, str]] = []

    def hear(name):
        def receiver(job, edge, **_):
            heard.append((name, edge, job.state))

        getattr(signals, name).connect(receiver, weak=False, dispatch_uid=f"test-{name}")

    names = ["job_changed", "job_accepted", "job_started", "job_finished"]
    for name in names:
        hear(name)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            job, lease = claimed()
            transitions.cancel(job.id)
            transitions.stopped(lease, DONE)
            transitions.retry(job.id)
    finally:
        for name in names:
            getattr(signals, name).disconnect(dispatch_uid=f"test-{name}")
    assert [edge for name, edge, _ in heard if name == "job_changed"] == ["accept", "claim", "cancel", "stop", "retry"]
    assert [each for each in heard if each[0] != "job_changed"] == [
        ("job_accepted", "accept", "queued"), ("job_started", "claim", "running"),
        ("job_finished", "stop", "cancelled"),
    ]  # fmt: skip


def test_a_broken_receiver_is_logged_and_breaks_nothing(caplog):
    def broken(**_):
        raise RuntimeError("host bug")

    heard: list[str] = []

    def fine(edge, **_):
        heard.append(edge)

    signals.job_changed.connect(broken)
    signals.job_changed.connect(fine)
    try:
        signals.send(accepted(), EdgeName.ACCEPT)
    finally:
        signals.job_changed.disconnect(broken)
        signals.job_changed.disconnect(fine)
    assert heard == ["accept"]
    assert "A receiver of job signals failed" in caplog.text
