"""Whether the parts are there that jobs need."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from livejobs.health import parts
from livejobs.health.parts import Finding, Overall, Status
from livejobs.health.presence import MAINTENANCE, WORKER, beat
from livejobs.hints.publishing import Publisher
from livejobs.models import Presence

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ["database", "migrations", "workers", "maintenance", "broker", "channel_layer"]


@pytest.fixture(autouse=True)
def _nothing_under_way() -> Iterator[None]:
    parts._looks.take()
    yield
    parts._looks.take()


@pytest.fixture
def staffed() -> None:
    """A worker and a maintenance process."""
    beat(WORKER, "host:1", queues=["livejobs"])
    beat(MAINTENANCE, "host:2")


def statuses(found: dict[str, Finding]) -> dict[str, str]:
    return {name: str(finding.status) for name, finding in found.items()}


def replace(monkeypatch: pytest.MonkeyPatch, part: str, ask: Any) -> None:
    """Ask one part in another way."""
    changed = tuple({name: ask if name == part else own for name, own in each.items()} for each in parts._PARTS)
    monkeypatch.setattr(parts, "_PARTS", changed)


def test_all_is_well(staffed):
    found = parts.look()

    assert statuses(found) == dict.fromkeys(NAMES, "ok")
    assert parts.overall(found) is Overall.READY
    assert found["workers"].queues == {"livejobs": 1}
    assert found["workers"].message == "Workers for each queue: livejobs: 1."
    assert found["maintenance"].message == "1 process is running."


def test_nobody_is_there():
    found = parts.look()

    assert (found["workers"].status, found["workers"].message) == (Status.DOWN, "No worker is running.")
    assert found["maintenance"].message == "No maintenance process is running."
    assert parts.overall(found) is Overall.DEGRADED


def test_who_was_silent_too_long_is_gone(staffed):
    Presence.objects.update(updated_at=Now() - timedelta(seconds=16))

    assert [name for name, status in statuses(parts.look()).items() if status == "down"] == ["workers", "maintenance"]


def test_a_queue_that_nobody_serves(staffed):
    beat(WORKER, "host:1", queues=["slow"])

    found = parts.look()["workers"]

    assert (found.status, found.message) == (Status.DEGRADED, "No worker serves livejobs.")
    assert found.queues == {"livejobs": 0, "slow": 1}


def test_a_migration_that_is_not_applied(staffed, monkeypatch):
    known = parts._known_migrations()
    monkeypatch.setattr(parts, "_known_migrations", lambda: known | {("livejobs", "9999_later")})

    found = parts.look()

    assert found["migrations"].message == "1 is not applied; run migrate."
    assert parts.overall(found) is Overall.UNAVAILABLE


def test_valkey_is_away(staffed, valkey):
    valkey.stop()
    try:
        found = parts.look()
    finally:
        valkey.start()

    assert [name for name, status in statuses(found).items() if status == "down"] == ["broker", "channel_layer"]
    assert {found[name].message for name in ("broker", "channel_layer")} == {"It cannot be used."}
    assert parts.overall(found) is Overall.DEGRADED


def test_valkey_hangs(staffed, valkey):
    valkey.freeze()
    begun = time.monotonic()
    try:
        found = parts.look()
    finally:
        took = time.monotonic() - begun
        valkey.thaw()

    assert took < 3
    assert [found[name].message for name in ("broker", "channel_layer")] == ["It does not answer within 2 s."] * 2
    assert found["database"].status is Status.OK


def test_a_drivers_own_words_are_kept_from_people(staffed, monkeypatch):
    def refuse() -> Finding:
        raise OperationalError("connection to postgresql://ada:secret@db failed")

    replace(monkeypatch, "database", refuse)
    found = parts.look()

    assert found["database"] == Finding(Status.DOWN, "It cannot be used.")
    assert found["workers"] == found["migrations"] == Finding(Status.DOWN, "Not known without the database.")
    assert "secret" not in repr(found)
    assert parts.overall(found) is Overall.UNAVAILABLE


def test_a_part_that_hangs_is_asked_once_however_many_want_to_know(monkeypatch):
    asked, answer = [], threading.Event()

    def hang() -> Finding:
        asked.append(1)
        answer.wait(20)
        return Finding(Status.OK, "")

    replace(monkeypatch, "broker", hang)
    monkeypatch.setattr(parts, "ANSWER_SECONDS", 0.1)
    try:
        assert [parts.look()["broker"].status for _ in range(3)] == [Status.DOWN] * 3
        assert len(asked) == 1
        monkeypatch.setattr(parts, "GIVE_UP_SECONDS", 0.0)
        parts.look()
        assert len(asked) == 2
    finally:
        answer.set()


def test_a_timeout_is_told_from_a_refusal(monkeypatch):
    def time_out(self: Publisher) -> None:
        try:
            raise TimeoutError("redis://:secret@host")
        except TimeoutError as error:
            raise RuntimeError("no broker") from error

    monkeypatch.setattr(Publisher, "ping", time_out)

    assert parts.look()["broker"].message == "It does not answer within 2 s."


def test_no_channel_layer(settings):
    settings.CHANNEL_LAYERS = {}

    assert parts.look()["channel_layer"] == Finding(Status.DOWN, "None is set; live updates need one.")


def test_a_layer_in_memory(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

    assert parts.look()["channel_layer"].status is Status.OK


def test_a_broker_that_takes_no_messages_is_down(valkey):
    with valkey.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            assert parts.look()["broker"] == Finding(Status.DOWN, "It answers, and takes no messages.")
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")
    assert parts.look()["broker"] == Finding(Status.OK, "A message went through it.")


def test_a_host_that_runs_tasks_inline_needs_no_broker(monkeypatch):
    inline = SimpleNamespace(conf=SimpleNamespace(task_always_eager=True))
    monkeypatch.setattr(parts, "celery_app", lambda: inline)
    monkeypatch.setattr(Publisher, "ping", lambda self: 1 / 0)

    assert parts.look()["broker"] == Finding(Status.OK, "Tasks run inline; none is needed.")
    assert parts.broker_answers(Publisher())
