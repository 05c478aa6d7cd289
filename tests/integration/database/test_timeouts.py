"""A connection that is half-open: whoever waits on it is told, instead of waiting for the system to notice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections, transaction

from livejobs import transitions
from livejobs.database import pool
from livejobs.database import thread as worker_database
from livejobs.database.thread import AWAY, AgentDatabase
from livejobs.database.timeouts import Watched
from livejobs.maintenance import loop
from livejobs.maintenance.locks import short_lock_wait
from livejobs.models import Job
from tests.chaos.proxy import Link, Proxy
from tests.support.rows import accepted, claimed, read
from tests.support.waiting import wait_for

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(settings.DATABASE != "postgresql", reason="a file has no way to it that could break"),
]


@pytest.fixture
def link(postgres, monkeypatch) -> Iterator[Link]:
    """A way to the test's database; every connection that is made from here on takes it."""
    connections["default"].ensure_connection()  # the test's own goes past it
    proxy = Proxy()
    way = proxy.link("127.0.0.1", postgres.port)
    monkeypatch.setitem(connections.settings["default"], "PORT", str(way.port))
    yield way
    way.heal()
    pool.close()
    proxy.close()


def in_a_thread(work: Callable[[], Any]) -> list[Any]:
    """What came of it, on a thread with connections of its own; empty until it ended."""
    ended: list[Any] = []

    def run() -> None:
        try:
            ended.append(work())
        except Exception as error:
            ended.append(error)
        finally:
            connections.close_all()

    threading.Thread(target=run).start()
    return ended


def test_a_call_that_hangs_is_cut_off_and_one_that_goes_on_is_not(link: Link) -> None:
    watched, broken = Watched(1.0), threading.Event()

    def ask() -> int:
        with watched.under_way():
            for _ in range(4):
                Job.objects.raw("SELECT pg_sleep(0.5), 1 AS id")[0]  # longer than it may hang, but never silent so long
                watched.cut_off_hung_call()
            link.silent = True
            broken.set()
            return Job.objects.count()

    ended = in_a_thread(ask)
    assert broken.wait(20)

    def cut() -> bool:
        watched.cut_off_hung_call()
        return bool(ended)

    wait_for(cut, 20, "the end of the call")
    assert isinstance(ended[0], OperationalError | InterfaceError), ended
    watched.cut_off_hung_call()  # of nothing


def test_maintenance_goes_on_when_its_connections_are_half_open(link: Link, monkeypatch, settings) -> None:
    settings.LIVEJOBS = {"SCHEDULE_SECONDS": 0.1, "DISPATCH_SECONDS": 0.1}
    monkeypatch.setattr(loop, "HUNG_SECONDS", 1.0)
    monkeypatch.setattr(loop, "LOOK_SECONDS", 0.1)
    stop = threading.Event()
    ended = in_a_thread(lambda: loop.run(stop))
    try:
        wait_for(lambda: link.connections >= 4, 20, "the connections of maintenance")
        link.silence_those_there_are()
        job = accepted()
        Job.objects.filter(id=job.id).update(published_at=None, publish_count=0)
        wait_for(lambda: read(job).publish_count == 1, 20, "the dispatcher on a new connection")
    finally:
        stop.set()
        wait_for(lambda: ended, 20, "the end of maintenance")


async def test_a_socket_is_answered_although_its_connection_was_half_open(link: Link, monkeypatch) -> None:
    monkeypatch.setattr(pool, "HUNG_SECONDS", 1.0)
    pool.close()
    assert await pool.run(Job.objects.count) == 0
    link.silence_those_there_are()
    watch = asyncio.create_task(pool.cut_off_hung_calls())
    # as many as there are threads: one of them has that connection, finds it unusable, and makes a new one
    calls = [pool.run(Job.objects.count) for _ in range(pool.THREADS)]
    assert await asyncio.wait_for(asyncio.gather(*calls), 20) == [0] * pool.THREADS
    watch.cancel()


def test_a_worker_that_is_frozen_in_a_transaction_does_not_keep_its_job_from_being_rescued(monkeypatch) -> None:
    monkeypatch.setattr(worker_database, "CALL_SECONDS", 1.0)
    job, lease = claimed()
    frozen, thawed = threading.Event(), threading.Event()

    def freeze_in_a_transaction() -> None:
        with transaction.atomic():
            Job.objects.filter(id=job.id).update(message="half done")
            frozen.set()
            thawed.wait(30)

    database = AgentDatabase()
    ended = database.submit(freeze_in_a_transaction)
    try:
        assert frozen.wait(10)
        with short_lock_wait(10):  # the rescuer's own is two seconds, and it tries again with each round
            row = transitions.rescue(lease, 0)
        assert row is not None
        assert (row.state, row.message) == ("queued", "")
    finally:
        thawed.set()
        database.close()
    assert isinstance(ended.exception(10), AWAY)
