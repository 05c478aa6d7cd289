"""A write of maintenance waits for a lock only as long as its evidence is good."""

from __future__ import annotations

import threading

import pytest
from django.db import OperationalError, connections, transaction

from livejobs import transitions
from livejobs.maintenance.locks import short_lock_wait
from livejobs.models import Job
from tests.support.rows import claimed, read


@pytest.fixture
def _no_hints(monkeypatch):
    """No hint is given."""
    monkeypatch.setattr(transitions, "SUBSCRIBERS", [])


@pytest.mark.usefixtures("_no_hints")
@pytest.mark.django_db(transaction=True)
def test_a_write_can_be_told_not_to_wait_long_for_a_lock():
    job, lease = claimed()
    locked, enough = threading.Event(), threading.Event()

    def lock() -> None:
        with transaction.atomic():
            Job.objects.filter(id=job.id).update(message="locked")
            locked.set()
            enough.wait(30)
        connections.close_all()

    thread = threading.Thread(target=lock)
    thread.start()
    try:
        assert locked.wait(10)
        with pytest.raises(OperationalError), short_lock_wait(0.05):
            transitions.rescue(lease, 0)
    finally:
        enough.set()
        thread.join()
    assert read(job).state == "running"
    with short_lock_wait(2):
        assert transitions.rescue(lease, 0)


@pytest.mark.usefixtures("_no_hints")
@pytest.mark.django_db(transaction=True)
def test_the_patience_of_a_connection_is_as_before():
    question = {"sqlite": "PRAGMA busy_timeout", "postgresql": "SHOW lock_timeout"}[connections["default"].vendor]

    def patience() -> object:
        with connections["default"].cursor() as cursor:
            cursor.execute(question)
            return cursor.fetchone()

    before = patience()
    with short_lock_wait(1.5):
        assert patience() in [(1500,), ("1500ms",)]
    assert patience() == before
