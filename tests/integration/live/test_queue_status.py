"""How the parts behind the page are."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from livejobs.health import parts, presence
from livejobs.health.presence import MAINTENANCE, WORKER, beat
from livejobs.live import queue_status


@pytest.mark.django_db
def test_queues_nobody_serves_are_named_too():
    assert presence.worker_counts() == {"livejobs": 0}
    beat(WORKER, "host:1", queues=["livejobs", "slow"])
    beat(WORKER, "host:2", queues=["livejobs"])
    beat(MAINTENANCE, "host:3")
    assert presence.worker_counts() == {"livejobs": 2, "slow": 1}


def test_the_broker_is_up_or_down_and_found_again(valkey):
    watch = queue_status.BrokerWatch()
    try:
        assert watch.is_up()
        valkey.stop()
        try:
            assert not watch.is_up()
            assert not watch.is_up()
        finally:
            valkey.start()
        assert watch.is_up()
    finally:
        watch.close()
        watch.close()


def test_a_host_that_runs_tasks_inline_needs_no_broker(monkeypatch):
    inline = SimpleNamespace(conf=SimpleNamespace(task_always_eager=True))
    monkeypatch.setattr(parts, "celery_app", lambda: inline)
    monkeypatch.setattr("livejobs.hints.publishing.Publisher.ping", lambda self: 1 / 0)
    assert queue_status.BrokerWatch().is_up()


def test_both_are_put_together_as_the_wire_says_it():
    assert queue_status.queue_statuses({"a": 2, "b": 0}, broker_up=False) == {
        "a": {"workers": 2, "broker": "down"},
        "b": {"workers": 0, "broker": "down"},
    }
