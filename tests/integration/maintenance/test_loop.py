"""The process around the duties of maintenance: it goes on whatever happens to one of them, and ends when asked."""

from __future__ import annotations

import os
import signal
import threading
from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError

from livejobs import actions
from livejobs.health import presence
from livejobs.maintenance import loop
from livejobs.maintenance.dispatcher import Dispatcher
from livejobs.maintenance.loop import Duty
from livejobs.maintenance.rescuer import Rescuer
from livejobs.models import Job, Presence
from tests import jobs
from tests.support.rows import TASK, accepted, claimed, read
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db


def refuse(*errors: Exception):
    """A duty that fails in these ways, then works."""
    left = list(errors)

    def work():
        if left:
            raise left.pop(0)

    return work


def test_a_duty_that_fails_is_tried_on_and_said_once(caplog):
    duty = Duty("dispatcher", 1.0, refuse(OperationalError("away\n"), InterfaceError("closed")))
    for _ in range(4):
        loop._do(duty)
    assert caplog.messages == [
        "The database does not answer (away); the dispatcher tries on", "The dispatcher works again",
    ]  # fmt: skip


def test_a_duty_that_breaks_is_logged_with_its_traceback(caplog):
    duty = Duty("rescuer", 1.0, refuse(ValueError("bug")))
    loop._do(duty)
    assert caplog.messages == ["The rescuer stumbled and tries on"]
    assert caplog.records[0].exc_info is not None


def test_without_a_database_the_goodbye_is_skipped(monkeypatch):
    def away(*args):
        raise OperationalError("away")

    monkeypatch.setattr(presence, "leave", away)
    loop._leave("host:1")


@pytest.fixture
def fast(settings):
    settings.LIVEJOBS = {"BEAT_SECONDS": 0.02, "LEASE_SECONDS": 0.2, "DISPATCH_SECONDS": 0.02}


@pytest.mark.django_db(transaction=True)
def test_the_loop_publishes_and_rescues_until_it_is_stopped(fast):
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    try:
        wait_for(lambda: Presence.objects.filter(kind="maintenance").exists())
        silent = claimed()[0]
        waiting = accepted(queue="test_loop")
        Job.objects.filter(id=waiting.id).update(published_at=None)
        wait_for(lambda: read(silent).state == "queued")
        wait_for(lambda: read(waiting).published_at is not None)
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()
    assert not Presence.objects.exists()
    assert silent.task == TASK


@pytest.mark.django_db(transaction=True)
def test_a_duty_that_hangs_keeps_no_other_from_its_work(fast, monkeypatch):
    hang, stop = threading.Event(), threading.Event()
    monkeypatch.setattr(Dispatcher, "round", lambda self: hang.wait(30))
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    try:
        job = actions.start(jobs.at_once, run_at=timedelta(seconds=0.2))
        wait_for(lambda: read(job).state == "queued")
    finally:
        hang.set()
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_loop_in_order(fast, monkeypatch, number):
    for owner, name in ((loop, "queue_due"), (loop, "prune"), (presence, "forget_old")):
        monkeypatch.setattr(owner, name, lambda: None)
    monkeypatch.setattr(Dispatcher, "round", lambda self: os.kill(os.getpid(), number))
    monkeypatch.setattr(Rescuer, "round", lambda self: None)
    presence.beat(presence.MAINTENANCE, presence.process_name())
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(loop, "connections", FakeConnections())
    try:
        loop.run()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert not Presence.objects.exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("livejobs-dispatcher")]


class FakeConnections:
    """The test's own connection stays open."""

    def close_all(self) -> None:
        """Nothing."""
