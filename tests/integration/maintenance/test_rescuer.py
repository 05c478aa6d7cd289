"""The rescuer: only what was silent for long, by its own clock and by good evidence, is taken from its owner."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from livejobs import leases, transitions
from livejobs.health import presence
from livejobs.hints import publishing
from livejobs.leases import Lease
from livejobs.maintenance import rescuer
from livejobs.maintenance.rescuer import Rescuer, requeue_orphans
from livejobs.models import Job, Presence
from livejobs.states import State
from tests.support.rows import DONE, accepted, at_once, check_history, claimed, in_state, read

pytestmark = pytest.mark.django_db


class Clock:
    """Seconds that pass when the test says so; `slow` is how long one look at the database takes."""

    def __init__(self) -> None:
        self.now, self.slow = 1000.0, 0.0

    def __call__(self) -> float:
        self.now += self.slow
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watcher(clock) -> Rescuer:
    return Rescuer("host:1", clock)


def rounds(watcher: Rescuer, clock: Clock, count: int, every: float = 5.0) -> int:
    """Do rounds as the loop does, and count the rescues."""
    rescued = 0
    for _ in range(count):
        clock.now += every
        rescued += watcher.round()
    return rescued


def test_a_lease_unchanged_for_twenty_seconds_is_rescued(watcher, clock, caplog):
    job, lease = claimed()
    assert rounds(watcher, clock, 4) == 0
    assert read(job).state == "running"
    assert rounds(watcher, clock, 1) == 1
    row = read(job)
    assert (row.state, row.losses, row.attempt) == ("queued", 1, 1)
    assert caplog.messages == [f"Job {job.id} was silent for 20 s: queued"]
    assert transitions.succeed(lease, 1, DONE) is None
    check_history(job)


def test_an_owner_that_beats_keeps_its_job(watcher, clock):
    job, lease = claimed()
    for _ in range(10):
        assert rounds(watcher, clock, 3) == 0
        leases.renew(lease)
    assert read(job).state == "running"


def test_another_attempt_is_another_lease(watcher, clock):
    job, lease = claimed()
    rounds(watcher, clock, 4)
    transitions.release(lease)
    claimed(job, owner="host:2/b")
    assert rounds(watcher, clock, 4) == 0
    assert rounds(watcher, clock, 1) == 1


def test_a_beat_between_look_and_rescue_saves_the_job(watcher, clock, monkeypatch):
    job, lease = claimed()
    rounds(watcher, clock, 4)
    compare = watcher._compare

    def compare_and_renew(*args):
        leases.renew(lease)
        return compare(*args)

    monkeypatch.setattr(watcher, "_compare", compare_and_renew)
    assert rounds(watcher, clock, 1) == 0
    assert read(job).state == "running"


@pytest.mark.parametrize("state", sorted(set(State) - {State.RUNNING}))
def test_only_running_jobs_are_watched(watcher, clock, state):
    job = in_state(state)
    assert rounds(watcher, clock, 10) == 0
    assert read(job).state == state
    assert watcher._sightings == {}


def test_a_slow_round_restarts_every_watch(watcher, clock):
    claimed()
    rounds(watcher, clock, 4)
    clock.slow = 2.5
    assert rounds(watcher, clock, 1) == 0
    clock.slow = 0
    assert rounds(watcher, clock, 3) == 0
    assert rounds(watcher, clock, 1) == 1


def test_a_failed_round_restarts_every_watch(watcher, clock, monkeypatch):
    claimed()
    rounds(watcher, clock, 4)

    def away(*args):
        raise OperationalError("away")

    with monkeypatch.context() as patched:
        patched.setattr(presence, "beat", away)
        with pytest.raises(OperationalError):
            rounds(watcher, clock, 1)
    assert rounds(watcher, clock, 4) == 0
    assert rounds(watcher, clock, 1) == 1


def test_a_process_that_was_frozen_starts_its_sightings_anew(watcher, clock):
    job, lease = claimed()
    rounds(watcher, clock, 2)
    assert rounds(watcher, clock, 1, every=600) == 0  # the whole machine slept: the owners could not beat either
    leases.renew(lease)
    assert rounds(watcher, clock, 4) == 0
    assert read(job).state == "running"


def test_each_round_shows_that_maintenance_is_there(watcher, clock):
    rounds(watcher, clock, 3)
    row = Presence.objects.get()
    assert (row.kind, row.name, row.beat) == ("maintenance", "host:1", 2)


def test_a_rescue_that_fails_leaves_the_others_and_waits_for_new_evidence(watcher, clock, monkeypatch, caplog):
    stuck, other = claimed()[0], claimed()[0]
    rescue = transitions.rescue

    def fails(lease, beat):
        if lease.job_id == stuck.id:
            raise OperationalError("locked")
        return rescue(lease, beat)

    monkeypatch.setattr(transitions, "rescue", fails)
    assert rounds(watcher, clock, 5) == 1
    assert (read(stuck).state, read(other).state) == ("running", "queued")
    assert f"Job {stuck.id} could not be rescued" in caplog.messages
    monkeypatch.setattr(transitions, "rescue", rescue)
    assert rounds(watcher, clock, 4) == 0
    assert rounds(watcher, clock, 1) == 1


def test_a_job_that_was_to_be_cancelled_or_may_not_run_again_is_not_queued(watcher, clock):
    cancelled, lost = claimed()[0], claimed(max_losses=0)[0]
    transitions.cancel(cancelled.id)
    assert rounds(watcher, clock, 5) == 2
    assert (read(cancelled).state, read(lost).state) == ("cancelled", "failed")


@pytest.mark.django_db(transaction=True)
def test_many_rescuers_charge_one_loss(monkeypatch):
    monkeypatch.setattr(publishing, "submit", lambda job: None)
    clocks = [Clock() for _ in range(3)]
    watchers = [Rescuer(f"host:{number}", clock) for number, clock in enumerate(clocks)]
    job, _ = claimed()
    for watcher, clock in zip(watchers, clocks, strict=True):
        rounds(watcher, clock, 4)
        clock.now += 5
        monkeypatch.setattr(watcher, "_clock", lambda now=clock.now: now)  # a busy machine is no slow round here
    assert sorted(at_once(*[watcher.round for watcher in watchers])) == [0, 0, 1]
    assert (read(job).losses, read(job).version) == (1, 3)


def test_alone_with_the_database_every_running_job_is_queued_at_once():
    running = [claimed()[0], claimed()[0]]
    last, done = claimed(max_losses=0)[0], in_state(State.SUCCEEDED)
    queued = accepted()
    presence.beat(presence.WORKER, "host:1")

    assert requeue_orphans() == 3

    assert [read(job).state for job in (*running, last, done, queued)] == [
        "queued", "queued", "failed", "succeeded", "queued",
    ]  # fmt: skip
    assert Job.objects.unpublished().count() == 3
    assert not Presence.objects.exists()


def test_leases_are_told_apart_by_all_they_say():
    leases = {Lease(1, 1, "a"), Lease(1, 2, "a"), Lease(1, 1, "b"), Lease(2, 1, "a"), Lease(1, 1, "a")}
    assert len(leases) == 4
    assert rescuer.LOCK_SECONDS == rescuer.SLOW_ROUND_SECONDS == 2.0
