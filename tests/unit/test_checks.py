"""System checks: what cannot work is said at start."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from livejobs.checks import check_settings
from tests.celery_app import app

LAYER = "channels_redis.core.RedisChannelLayer"


def ids() -> list[str | None]:
    return [found.id for found in check_settings()]


def test_good_settings_pass():
    assert ids() == []
    with override_settings(
        LIVEJOBS={"KEEP_SECONDS": {"failed": 60, "succeeded": None}, "KEEP_BY_TASK": {"x": {"failed": 0}}}
    ):
        assert ids() == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["QUEUE"], "livejobs.E001"),
        ({"NONSENSE": 1}, "livejobs.E002"),
        ({"DATABASE": "nowhere"}, "livejobs.E003"),
        ({"CHANNEL_LAYER": "nowhere"}, "livejobs.E004"),
        ({"BEAT_SECONDS": 14.0}, "livejobs.E007"),
        ({"LEASE_SECONDS": 14.0}, "livejobs.E008"),
        ({"WATCHDOG_SECONDS": 30.0}, "livejobs.E008"),
        ({"STOP_KILL_SECONDS": 2.0}, "livejobs.E009"),
        ({"KEEP_SECONDS": 3600}, "livejobs.E010"),
        ({"KEEP_SECONDS": {"done": 3600}}, "livejobs.E010"),
        ({"KEEP_SECONDS": {"failed": "a week"}}, "livejobs.E010"),
        ({"KEEP_BY_TASK": {"shop.export": 3600}}, "livejobs.E010"),
        ({"KEEP_BY_TASK": 3600}, "livejobs.E010"),
        ({"NAMESPACE": 5}, "livejobs.E011"),
        ({"NAMESPACE": "a b"}, "livejobs.E012"),
        ({"NAMESPACE": "x" * 33}, "livejobs.E012"),
        ({"BEAT_SECONDS": "5"}, "livejobs.E011"),
        ({"LEASE_SECONDS": None}, "livejobs.E011"),
        ({"LEASE_SECONDS": float("nan")}, "livejobs.E011"),
        ({"MAX_NAME": 25.5}, "livejobs.E011"),
        ({"MAX_LOG_LINES": -1}, "livejobs.E011"),
        ({"MAX_LOSSES": True}, "livejobs.E011"),
        ({"EXPOSE": "yes"}, "livejobs.E011"),
        ({"QUEUE": ["a", "b"]}, "livejobs.E011"),
        ({"DATABASE": None}, "livejobs.E011"),
    ],
)
def test_what_cannot_work_is_refused(given: Any, expected: str):
    with override_settings(LIVEJOBS=given):
        assert ids() == [expected]


def test_a_layer_that_drops_messages_is_refused():
    with override_settings(CHANNEL_LAYERS={"default": {"BACKEND": LAYER}}):
        assert ids() == ["livejobs.E005"]


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("prefork", []),
        ("processes", []),
        ("threads", []),
        ("celery.concurrency.thread:TaskPool", []),
        ("solo", []),
        ("gevent", ["livejobs.E006"]),
    ],
)
def test_a_pool_that_cannot_run_live_jobs_is_refused(pool: str, expected: list[str], monkeypatch):
    monkeypatch.setitem(app.conf, "worker_pool", pool)
    assert ids() == expected


@override_settings(LIVEJOBS={"BEAT_SECONDS": "5", "MAX_NAME": "long"})
def test_a_value_of_another_type_is_said_with_what_would_be_right():
    assert [found.msg for found in check_settings()] == [
        "LIVEJOBS['MAX_NAME'] must be a whole number, 0 or more, not 'long'.",
        "LIVEJOBS['BEAT_SECONDS'] must be a number of seconds, 0 or more, not '5'.",
    ]
