"""The canary: it goes the way of every job, says where it got stuck, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livejobs import actions, transitions
from livejobs.definition import registry
from livejobs.health import canary
from livejobs.health.presence import WORKER, beat
from livejobs.leases import Lease
from livejobs.models import Job, JobEvent
from livejobs.policy import Person, Policy
from tests.support.rows import DONE, ERROR
from tests.support.workers import Worker

pytestmark = pytest.mark.django_db(transaction=True)


def then(monkeypatch: pytest.MonkeyPatch, happen: Callable[[Job], object]) -> None:
    """Let something happen to the canary as soon as it is accepted."""
    start = actions.start

    def started(*args: Any, **options: Any) -> Job:
        job = start(*args, **options)
        happen(job)
        return job

    monkeypatch.setattr(actions, "start", started)


def claim(job: Job) -> Lease:
    claimed = transitions.claim(job.id, owner="host:1/a", task=job.task)
    assert claimed is not None
    return Lease(job.id, claimed.attempt, claimed.lease_owner)


def test_it_is_known_and_open_to_nobody():
    assert registry.get(canary.NAME) is canary.CANARY
    assert canary.CANARY not in Policy().tasks(Person(None, ()))
    assert canary.CANARY() == "alive"


@pytest.mark.timeout(120)
def test_it_arrives(tmp_path):
    worker = Worker(tmp_path / "worker.log")
    worker.start()
    try:
        flight = canary.fly(30)
    finally:
        worker.stop()

    assert flight.arrived
    assert flight.message.startswith("It ran and finished within ")
    assert "in the queue livejobs." in flight.message
    assert not Job.objects.exists()
    assert not JobEvent.objects.exists()
    assert worker.complaints() == []


def test_no_worker():
    assert canary.fly(0.1) == canary.Flight(False, "Still queued after 0.1 s: no worker serves the queue livejobs.")
    assert not Job.objects.exists()


def test_workers_that_do_not_take_it():
    beat(WORKER, "host:1", queues=["livejobs"])

    assert canary.fly(0.1).message == (
        "Still queued after 0.1 s: the workers of the queue livejobs are busy, or of another version."
    )


def test_the_broker_was_not_told(monkeypatch):
    then(monkeypatch, lambda job: Job.objects.filter(id=job.id).update(published_at=None))

    assert canary.fly(0.1).message == "Still queued after 0.1 s: the broker could not be told of it."


def test_a_worker_that_does_not_finish(monkeypatch):
    then(monkeypatch, claim)

    assert canary.fly(0.1).message == "Still running after 0.1 s, at the worker host:1."
    assert not Job.objects.exists()


def test_it_fails(monkeypatch):
    then(monkeypatch, lambda job: transitions.fail(claim(job), ERROR, DONE))

    assert canary.fly(5) == canary.Flight(False, "It ended as Failed; its worker's log says why.")


def test_somebody_deletes_it(monkeypatch):
    then(monkeypatch, lambda job: Job.objects.filter(id=job.id).delete())

    assert canary.fly(5) == canary.Flight(False, "Somebody deleted it meanwhile.")


def test_it_is_on_nobodys_list(monkeypatch, settings):
    settings.LIVEJOBS = {"OWNERLESS_FOR_ALL": True}
    lists: list[list[Job]] = []
    then(monkeypatch, lambda _: lists.append(list(Policy().mine(Person(None, ("browser:a", "user:1"))))))

    canary.fly(0)

    assert lists == [[]]
