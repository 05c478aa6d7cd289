"""Telling the broker: what the message carries, how long it may take, and what happens when nobody listens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import pytest
from celery import Celery, _state
from kombu import Queue

from livejobs import actions
from livejobs.hints import publishing
from livejobs.hints.publishing import Publisher, PublishThread, celery_app, is_refusal, unpublish
from livejobs.models import Job
from livejobs.states import State
from tests import jobs
from tests.celery_app import app as host_app
from tests.support.rows import TASK, accepted, in_state, read
from tests.support.servers import Valkey
from tests.support.waiting import wait_for

QUEUE = "test_publishing"


@pytest.fixture
def publisher():
    made = Publisher()
    yield made
    made.close()


@pytest.fixture
def thread():
    made = PublishThread()
    yield made
    made.finish(10)


@contextmanager
def away(valkey: Valkey, trouble: str):
    getattr(valkey, trouble)()
    try:
        yield
    finally:
        valkey.thaw() if trouble == "freeze" else valkey.start()


def messages(valkey: Valkey, queue: str = QUEUE) -> list[dict[str, Any]]:
    with valkey.client() as client:
        found: Any = client.lrange(queue, 0, -1)
    return [json.loads(text) for text in reversed(found)]


def ids(valkey: Valkey, queue: str = QUEUE) -> list[str]:
    return [message["headers"]["id"] for message in messages(valkey, queue)]


# ---------------------------------------------------------------- the message


def test_a_message_is_a_strangers_where_it_names_another_project():
    ours, theirs = ({publishing.NAMESPACE_HEADER: name} for name in ("tests", "shop"))
    assert [publishing.stranger(each) for each in (ours, {}, {"headers": None}, {"headers": ours})] == ["", "", "", ""]
    assert [publishing.stranger(each) for each in (theirs, {"headers": theirs})] == ["shop", "shop"]


def test_a_message_carries_the_id_and_nothing_of_the_job(valkey: Valkey, publisher: Publisher):
    publisher.publish(7, 3, TASK, QUEUE)
    publisher.publish(8, 1, TASK, QUEUE)
    first, second = messages(valkey)
    headers = first["headers"]
    assert (headers["id"], headers["task"], headers["livejobs_job"]) == ("7-3", TASK, "7")
    assert headers["livejobs_namespace"] == "tests"
    assert (headers["argsrepr"], headers["kwargsrepr"], headers["ignore_result"]) == ("()", "{}", True)
    assert first["content-type"] == "application/json"
    assert second["headers"]["id"] == "8-1"


@pytest.mark.parametrize("trouble", ["freeze", "stop"])
@pytest.mark.parametrize("connected", [False, True])
def test_a_publish_has_a_short_bound_and_works_again_afterwards(valkey, publisher, settings, trouble, connected):
    settings.LIVEJOBS = {"PUBLISH_SECONDS": 0.3}
    if connected:
        publisher.publish(1, 1, TASK, QUEUE)
    with away(valkey, trouble):
        began = time.monotonic()
        with pytest.raises(Exception, match=r"(?i)timeout|connect|closed|no such file"):
            publisher.publish(2, 1, TASK, QUEUE)
        assert time.monotonic() - began < 2
    publisher.publish(3, 1, TASK, QUEUE)
    assert ids(valkey)[-1] == "3-1"


@pytest.mark.parametrize("trouble", ["freeze", "stop"])
@pytest.mark.parametrize("connected", [False, True])
def test_a_ping_says_soon_whether_the_broker_answers(valkey, publisher, settings, trouble, connected):
    settings.LIVEJOBS = {"PUBLISH_SECONDS": 0.3}
    if connected:
        publisher.ping()
    with away(valkey, trouble):
        began = time.monotonic()
        with pytest.raises(Exception, match=r"(?i)timeout|connect|closed|no such file"):
            publisher.ping()
        assert time.monotonic() - began < 2
    publisher.ping()


REFUSALS = {
    "read-only": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "out of memory": (("CONFIG", "SET", "maxmemory", "1mb"), ("CONFIG", "SET", "maxmemory", "0")),
    "no rights": (("ACL", "SETUSER", "default", "-lpush"), ("ACL", "SETUSER", "default", "+lpush")),
}


@pytest.mark.parametrize("mood", REFUSALS)
def test_a_broker_that_answers_and_takes_no_messages_is_told_apart(valkey: Valkey, publisher: Publisher, mood):
    change, undo = REFUSALS[mood]
    publisher.ping()
    with valkey.client() as client:
        client.execute_command(*change)
        try:
            with pytest.raises(Exception) as raised:  # noqa: PT011 - each mood has one of its own
                publisher.ping()
        finally:
            client.execute_command(*undo)
        assert is_refusal(raised.value), raised.value
        publisher.ping()
        assert not client.keys("*livejobs.ping*")


def test_one_that_gives_us_rights_for_other_names_is_taken_at_its_word(valkey: Valkey, publisher: Publisher):
    """As a host's Redis that allows `celery` and `_kombu*` only; nothing is known of our queue then."""
    with valkey.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "resetkeys", "~celery", "~_kombu*")
        try:
            publisher.ping()
        finally:
            client.execute_command("ACL", "SETUSER", "default", "allkeys")


def test_a_message_that_does_not_come_back_is_one_too(publisher: Publisher, monkeypatch):
    monkeypatch.setattr(Queue, "get", lambda *_, **__: None)
    with pytest.raises(publishing.NotReturnedError) as raised:
        publisher.ping()
    assert is_refusal(raised.value)
    assert not is_refusal(OSError("away"))


def test_a_connection_that_does_not_even_close_is_dropped(publisher, caplog):
    class Broken:
        @property
        def connection(self):
            raise OSError("no")

    publisher._producer = Broken()
    publisher.close()
    publisher.close()
    assert publisher._producer is None


# ---------------------------------------------------------------- the thread


@pytest.mark.django_db(transaction=True)
def test_what_was_accepted_is_published_in_order(valkey: Valkey, monkeypatch):
    monkeypatch.setattr(publishing.publish_thread, "made", None)
    started = [actions.start(jobs.at_once, queue=QUEUE) for _ in range(20)]
    publishing.finish()
    assert ids(valkey) == [f"{job.id}-1" for job in started]
    assert not Job.objects.unpublished().exists()


@pytest.mark.django_db(transaction=True)
def test_when_the_broker_is_away_all_that_waits_is_given_back_at_once(valkey, monkeypatch, caplog):
    rows = [accepted() for _ in range(3)]
    running = in_state(State.RUNNING)
    started, finished = threading.Event(), threading.Event()

    def publish(self, job_id, *_):
        started.set()
        finished.wait(10)
        raise ConnectionError("away")

    monkeypatch.setattr(Publisher, "publish", publish)
    thread = PublishThread()
    thread.submit(rows[0])
    assert started.wait(10)
    for row in (*rows[1:], running):
        thread.submit(row)
    threading.Thread(target=thread.finish, args=(10,)).start()
    wait_for(lambda: thread._jobs.qsize() == 4)
    finished.set()
    wait_for(lambda: not thread._thread.is_alive())
    assert "The broker does not answer (away): 4 queued jobs wait in the database" in caplog.messages
    assert [read(row).published_at for row in rows] == [None] * 3
    assert [read(row).publish_count for row in rows] == [0] * 3
    assert (read(running).publish_count, read(running).published_at is None) == (1, False)


def test_without_a_database_the_thread_lives_on(valkey, thread, monkeypatch, caplog):
    def no_database(job_ids):
        raise RuntimeError("no database either")

    monkeypatch.setattr(publishing, "unpublish", no_database)
    publish = Publisher.publish

    def fails_once(self, *message):
        monkeypatch.setattr(Publisher, "publish", publish)
        raise ConnectionError("away")

    monkeypatch.setattr(Publisher, "publish", fails_once)
    thread.submit(Job(id=1, task=TASK, queue=QUEUE))
    wait_for(lambda: "The jobs are published when the dispatcher notices" in caplog.messages)
    thread.submit(Job(id=2, task=TASK, queue=QUEUE))
    wait_for(lambda: ids(valkey) == ["2-1"])


@pytest.mark.django_db
def test_only_queued_rows_are_given_back():
    rows = [in_state(state) for state in (State.QUEUED, State.RUNNING, State.SUCCEEDED, State.CANCELLED)]
    unpublish([row.id for row in rows], publish_count=3)
    assert [(row.state, row.publish_count) for row in Job.objects.unpublished()] == [("queued", 3)]


def test_without_a_thread_there_is_none_to_end(monkeypatch):
    monkeypatch.setattr(publishing.publish_thread, "made", None)
    publishing.finish()
    assert publishing.publish_thread.made is None


SCRIPT = """
import django
from tests import celery_app
django.setup()
from livejobs.models import Job
from livejobs.hints import publishing
for number in range(1, 4):
    publishing.submit(Job(id=number, task="tests.jobs.add", queue="test_publishing"))
"""


def test_a_process_that_ends_at_once_has_published(valkey: Valkey):
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "-c", SCRIPT], env=environment, check=True, timeout=30)
    assert ids(valkey) == ["1-1", "2-1", "3-1"]


# ---------------------------------------------------------------- the host's Celery


def test_any_thread_finds_the_hosts_app(monkeypatch):
    fallback = Celery("default", set_as_current=False, fixups=[])
    monkeypatch.setattr(_state, "default_app", fallback)  # as where nobody called set_default()
    monkeypatch.setattr(_state, "_apps", {fallback, host_app})
    found: SimpleQueue[Any] = SimpleQueue()
    asker = threading.Thread(target=lambda: found.put(celery_app()))
    asker.start()
    asker.join()
    assert found.get() is host_app


def test_where_it_is_not_clear_which_app_it_is_celerys_own_choice_stands(monkeypatch):
    fallback = Celery("default", set_as_current=False, fixups=[])
    monkeypatch.setattr(publishing, "get_current_app", lambda: fallback)
    monkeypatch.setattr(publishing, "_get_active_apps", lambda: {fallback})
    assert celery_app() is fallback
    monkeypatch.setattr(publishing, "_get_active_apps", lambda: {host_app, _second_app()})
    assert celery_app() is fallback


def _second_app() -> Any:
    app: Any = Celery("second", set_as_current=False)
    app.set_as_current = True
    return app


@pytest.mark.django_db(transaction=True)
def test_an_eager_host_runs_the_job_where_it_was_started():
    host_app.conf.task_always_eager = True
    try:
        started = actions.start(jobs.add, {"a": 2})
    finally:
        host_app.conf.task_always_eager = False
    row = read(started)
    assert (row.state, row.result, row.attempt) == ("succeeded", 3, 1)
