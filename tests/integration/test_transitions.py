"""Each transition on a real database: what it changes, whom it refuses, and what it says when it was there first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import combinations
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from livejobs import leases, transitions
from livejobs.hints import publishing
from livejobs.leases import Lease
from livejobs.models import Job, JobEvent, JobLog
from livejobs.states import RELEASE, EdgeName, State, StopReason
from tests.support.rows import (
    DONE,
    ERROR,
    TASK,
    accepted,
    at_once,
    check_history,
    claimed,
    in_state,
    line,
    put,
    read,
    whole,
)

pytestmark = pytest.mark.django_db

S = State
ACTIVE = [S.SCHEDULED, S.QUEUED, S.RUNNING, S.RETRYING]
FINISHED = [S.SUCCEEDED, S.FAILED, S.CANCELLED]


def events(job: Job) -> list[tuple[int, str, str, int, str]]:
    rows = JobEvent.objects.filter(job=job).order_by("version")
    return [(event.version, event.data["edge"], event.state, event.attempt, event.actor) for event in rows]


@pytest.fixture
def hints(monkeypatch) -> list[tuple[str, int, str]]:
    """What was announced and published, instead of doing so."""
    told: list[tuple[str, int, str]] = []
    monkeypatch.setattr(publishing, "submit", lambda job: told.append(("publish", job.version, job.state)))
    subscribers = [lambda job, edge: told.append((edge, job.version, job.state)), publishing.publish_queued]
    monkeypatch.setattr(transitions, "SUBSCRIBERS", subscribers)
    return told


# ---------------------------------------------------------------- accept


def test_an_accepted_job_is_queued_published_and_has_one_event():
    job = accepted(name="first", owner_key="browser:x")

    row = read(job)
    assert (row.state, row.version, row.attempt, row.publish_count) == ("queued", 1, 0, 1)
    assert row.published_at is not None
    assert abs(row.published_at - timezone.now()) < timedelta(seconds=60)
    assert events(row) == [(1, "accept", "queued", 0, "")]
    assert job.created_at == row.created_at


def test_a_job_for_later_waits_in_its_row(hints, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        job = transitions.accept(Job(task=TASK, queue="nobody"), run_at=timedelta(minutes=5))
    assert (job.state, job.version, job.published_at, job.publish_count) == ("scheduled", 1, None, 0)
    assert job.run_at is not None
    assert job.run_at - job.created_at == pytest.approx(timedelta(minutes=5), abs=timedelta(seconds=1))
    assert hints == [("accept", 1, "scheduled")]
    check_history(job)


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(days=-1)])
def test_a_job_for_the_past_is_queued_at_once(hints, ago, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        job = transitions.accept(Job(task=TASK, queue="nobody"), run_at=ago)
    assert (job.state, job.version, job.publish_count) == ("queued", 2, 1)
    assert ("publish", 2, "queued") in hints
    check_history(job)


def test_an_idempotency_key_is_stored_once_and_the_callers_transaction_lives():
    accepted(owner_key="browser:x", idempotency_key="k")
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            accepted(owner_key="browser:x", idempotency_key="k")
        accepted(owner_key="browser:y", idempotency_key="k")
    assert Job.objects.count() == JobEvent.objects.count() == 2


def test_hints_go_out_after_the_commit_and_in_order(hints, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        job = accepted()
        transitions.cancel(job.id)
        assert hints == []
    assert hints == [("accept", 1, "queued"), ("publish", 1, "queued"), ("cancel", 2, "cancelled")]


def test_what_was_rolled_back_is_not_told(hints, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        accepted()
        transaction.set_rollback(True)
    assert hints == []
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_hint_that_fails_leaves_the_row(monkeypatch, caplog):
    def failing(job: Job, edge: EdgeName) -> None:
        raise RuntimeError("no screens")

    told: list[EdgeName] = []
    monkeypatch.setattr(transitions, "SUBSCRIBERS", [failing, lambda job, edge: told.append(edge)])
    assert read(accepted()).state == "queued"
    assert [record.exc_info[1].args[0] for record in caplog.records] == ["no screens"]
    assert "failing" in caplog.text  # whose fault it is
    assert told == [EdgeName.ACCEPT]  # the others are told all the same


# ---------------------------------------------------------------- claim


def test_a_claim_begins_a_lease_and_clears_the_progress_of_the_last_attempt():
    job = in_state(S.FAILED)
    transitions.retry(job.id)
    assert (read(job).tick, read(job).message) == (7, "nearly")

    row = transitions.claim(job.id, owner="host:2/b", task=TASK)

    assert row is not None
    assert (row.state, row.attempt, row.lease_owner, row.beat, row.version) == ("running", 2, "host:2/b", 0, 5)
    assert (row.tick, row.current, row.total, row.message) == (0, None, None, "")
    assert row.started_at is not None
    assert row.worker == "host:2"
    assert events(row)[-1] == (5, "claim", "running", 2, "host:2/b")


def test_only_a_queued_job_of_this_task_can_be_claimed():
    queued = accepted()
    assert transitions.claim(queued.id, owner="w", task="tests.jobs.other") is None
    assert transitions.claim(queued.id + 1, owner="w", task=TASK) is None
    for state in set(S) - {S.QUEUED}:
        job = in_state(state)
        before = whole(job)
        assert transitions.claim(job.id, owner="w", task=TASK) is None
        assert whole(job) == before


def test_a_queued_job_with_a_cancel_asked_for_is_never_claimed():
    job = put(accepted(), S.QUEUED, cancel_requested_at=Now())
    assert transitions.claim(job.id, owner="w", task=TASK) is None


def test_an_attempt_is_claimed_once_by_many_workers():
    job = accepted()
    answers = [transitions.claim(job.id, owner=f"w{number}", task=TASK) for number in range(3)]
    assert [bool(answer) for answer in answers] == [True, False, False]


def test_a_claim_whose_reply_was_lost_is_recognised():
    job, _ = claimed(owner="w/1")

    again = transitions.claim(job.id, owner="w/1", task=TASK)

    assert again is not None
    assert (again.attempt, again.version) == (1, 2)
    check_history(job)


# ---------------------------------------------------------------- the owner's writes


def test_stopping_is_marked_once():
    job, lease = claimed()
    marked = transitions.mark_stopping(lease, StopReason.CANCEL)
    assert marked is not None
    assert (marked.state, marked.stopping_reason) == ("running", "cancel")
    assert marked.stopping_at is not None
    assert transitions.mark_stopping(lease, StopReason.SHUTDOWN) is None
    assert events(job)[-1] == (3, "stopping", "running", 1, "host:1/a")


def test_success_stores_result_and_last_progress():
    _, lease = claimed()
    row = transitions.succeed(lease, {"rows": [1, None]}, DONE)
    assert row is not None
    assert (row.state, row.result, row.error, row.failures) == ("succeeded", {"rows": [1, None]}, None, 0)
    assert (row.tick, row.current, row.total, row.message) == (7, 3, 4, "nearly")
    assert row.started_at is not None
    assert row.finished_at is not None
    assert row.finished_at >= row.started_at


def test_failure_stores_the_error_and_charges_the_budget_of_failures():
    job, lease = claimed()
    row = transitions.fail(lease, ERROR, DONE)
    assert row is not None
    assert (row.state, row.error, row.failures, row.losses) == ("failed", ERROR, 1, 0)
    assert JobEvent.objects.get(job=job, version=3).data == {"edge": "fail", "error": ERROR}


def test_a_stopped_attempt_is_cancelled():
    job, lease = claimed()
    transitions.cancel(job.id)
    row = transitions.stopped(lease, DONE)
    assert row is not None
    assert (row.state, row.tick, row.failures) == ("cancelled", 7, 0)


@pytest.mark.parametrize("finish", ["succeed", "fail"])
def test_a_finish_stands_although_a_cancel_was_asked_for(finish):
    job, lease = claimed()
    transitions.cancel(job.id)
    row = getattr(transitions, finish)(lease, ERROR, DONE)
    assert row.state == ("succeeded" if finish == "succeed" else "failed")
    check_history(job)


FINISHES: dict[str, Callable[[Lease], Any]] = {
    "succeed": lambda lease: transitions.succeed(lease, 1, DONE),
    "fail": lambda lease: transitions.fail(lease, ERROR, DONE),
    "stopped": lambda lease: transitions.stopped(lease, DONE),
    "release": transitions.release,
    "back_off": lambda lease: transitions.back_off(lease, ERROR, DONE, timedelta(seconds=9)),
    "expire": lambda lease: transitions.expire(lease, DONE),
}
EDGES = {"stopped": "stop"}  # of the finishes whose edge has another name
WRITES: dict[str, Callable[[Lease], Any]] = {
    **FINISHES,
    "renew": leases.renew,
    "save_progress": lambda lease: leases.save_progress(lease, {**DONE, "tick": 99}),
    "append_log": lambda lease: leases.append_log(lease, [line(1)]) or None,
    "mark_stopping": lambda lease: transitions.mark_stopping(lease, StopReason.CANCEL),
    "rescue": lambda lease: transitions.rescue(lease, 0),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("now", ["rescued", "claimed again", "cancelled", "succeeded", "another owner", "gone"])
def test_a_zombie_writes_nothing(write, now):
    job, lease = claimed()
    if now == "another owner":
        lease = Lease(job.id, job.attempt, "host:9/z")
    elif now == "gone":
        Job.objects.all().delete()
        lease = Lease(job.id, job.attempt, job.lease_owner)
    elif now == "succeeded":
        transitions.succeed(lease, 2, DONE)
    elif now == "cancelled":
        transitions.cancel(job.id)
        transitions.rescue(lease, 0)
    else:
        transitions.rescue(lease, 0)
        if now == "claimed again":
            claimed(job, owner="host:2/b")
    own = {("rescued", "release"), ("cancelled", "stopped"), ("succeeded", "succeed")}
    own |= {("cancelled", edge) for edge in ("release", "back_off", "expire")}
    before = list(Job.objects.values())

    answer = WRITES[write](lease)

    assert (answer is None) is ((now, write) not in own)
    assert list(Job.objects.values()) == before
    assert not JobLog.objects.exists()


@pytest.mark.parametrize("finish", FINISHES)
def test_a_finish_whose_reply_was_lost_is_recognised_and_told(finish, hints, django_capture_on_commit_callbacks):
    job, lease = claimed()
    first = FINISHES[finish](lease)
    before = whole(job)

    with django_capture_on_commit_callbacks(execute=True):
        again = FINISHES[finish](lease)  # the hints of the first went down with its reply

    assert again.version == first.version == 3
    assert whole(job) == before
    assert hints == [
        (EDGES.get(finish, finish), 3, again.state),
        *([("publish", 3, "queued")] if finish == "release" else []),
    ]
    check_history(job)


@pytest.mark.parametrize(("one", "other"), list(combinations(FINISHES, 2)))
def test_the_first_finish_stands(one, other):
    job, lease = claimed()
    FINISHES[one](lease)
    before = whole(job)
    FINISHES[other](lease)
    assert whole(job) == before


# ---------------------------------------------------------------- release and rescue


def test_a_released_job_is_queued_and_charges_nothing():
    _, lease = claimed()
    transitions.mark_stopping(lease, StopReason.SHUTDOWN)
    row = transitions.release(lease)
    assert row is not None
    assert (row.state, row.attempt, row.failures, row.losses, row.publish_count) == ("queued", 1, 0, 0, 1)
    assert (row.stopping_at, row.stopping_reason) == (None, "")
    assert row.published_at is not None


def test_a_failed_attempt_that_is_tried_again_keeps_its_error_in_the_timeline():
    job, lease = claimed(retries=3)
    transitions.mark_stopping(lease, StopReason.CANCEL)
    row = transitions.back_off(lease, ERROR, DONE, timedelta(seconds=90))
    assert row is not None
    assert (row.state, row.failures, row.losses, row.error, row.tick) == ("retrying", 1, 0, None, DONE["tick"])
    assert (row.stopping_at, row.stopping_reason, row.finished_at) == (None, "", None)
    assert row.run_at is not None
    assert timedelta(seconds=89) < row.run_at - row.updated_at < timedelta(seconds=91)
    expected = {"edge": "back_off", "error": ERROR, "run_at": row.run_at.isoformat()}
    assert JobEvent.objects.get(job=job, version=row.version).data == expected
    assert transitions.due(job.id) is None
    Job.objects.update(run_at=Now())
    assert transitions.due(job.id) is not None
    claimed(job)
    check_history(job)


def test_an_attempt_at_its_time_limit_fails_the_job():
    job, lease = claimed()
    transitions.mark_stopping(lease, StopReason.TIMEOUT)
    row = transitions.expire(lease, DONE)
    assert row is not None
    assert (row.state, row.failures, row.losses, row.error) == ("failed", 0, 0, transitions.TIMEOUT_ERROR)
    assert row.finished_at is not None
    assert events(job)[-1][1:3] == ("expire", "failed")
    check_history(job)


@pytest.mark.parametrize(
    ("reason", "edge", "state", "losses"),
    [("cancel", "rescue", "queued", 1), ("timeout", "expire", "failed", 0), ("shutdown", "release", "queued", 0)],
)
def test_what_was_being_stopped_ends_as_its_reason_says(reason, edge, state, losses):
    job, lease = claimed(max_losses=1)
    transitions.mark_stopping(lease, StopReason(reason))
    row = transitions.rescue(lease, 0)
    assert row is not None
    assert (row.state, row.losses) == (state, losses)
    assert row.error == (transitions.TIMEOUT_ERROR if reason == "timeout" else None)
    assert events(job)[-1][1] == edge
    check_history(job)


def test_losses_are_charged_until_they_are_used_up():
    job = accepted(max_losses=2)
    for losses in (1, 2):
        _, lease = claimed(job)
        row = transitions.rescue(lease, 0)
        assert row is not None
        assert (row.state, row.losses, row.failures, row.error) == ("queued", losses, 0, None)
    _, lease = claimed(job)
    row = transitions.rescue(lease, 0)
    assert row is not None
    assert (row.state, row.losses, row.failures, row.error) == ("failed", 3, 0, transitions.LOST_ERROR)
    assert row.finished_at is not None
    assert events(job)[-1][1:4] == ("lose", "failed", 3)
    check_history(job)


def test_a_job_that_must_never_run_twice_is_lost_at_once():
    _, lease = claimed(max_losses=0)
    row = transitions.rescue(lease, 0)
    assert row is not None
    assert row.state == "failed"


def test_a_beat_since_the_look_forbids_the_rescue():
    job, lease = claimed()
    leases.renew(lease)
    assert transitions.rescue(lease, 0) is None
    assert read(job).state == "running"
    transitions.cancel(job.id)
    assert transitions.rescue(lease, 0) is None
    assert read(job).state == "running"


GIVE_BACKS: dict[str, Callable[[Lease], Any]] = {
    "release": transitions.release,
    "back_off": FINISHES["back_off"],
    "expire": FINISHES["expire"],
    "rescue": partial(transitions.rescue, beat=0),
}


@pytest.mark.parametrize("max_losses", [0, 2])
@pytest.mark.parametrize("give_back", GIVE_BACKS)
def test_with_a_cancel_asked_for_a_job_is_cancelled_instead(give_back, max_losses):
    job, lease = claimed(max_losses=max_losses)
    transitions.cancel(job.id)
    row = GIVE_BACKS[give_back](lease)
    assert row is not None
    assert (row.state, row.losses, row.error) == ("cancelled", 0, None)
    assert row.finished_at is not None


@pytest.mark.parametrize("max_losses", [0, 2])
@pytest.mark.parametrize("give_back", GIVE_BACKS)
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_cancel_that_comes_between_two_looks_is_seen(give_back, max_losses, after, monkeypatch):
    job, lease = claimed(max_losses=max_losses)
    update, looks = transitions._update, 0

    def update_and_cancel(*args, **kwargs):
        nonlocal looks
        looks += 1
        changed = update(*args, **kwargs)
        if looks == after and changed is None:
            update(job.id, EdgeName.CANCEL, where=transitions._WANTED, actor="", cancel_requested_at=Now())
        return changed

    monkeypatch.setattr(transitions, "_update", update_and_cancel)
    assert GIVE_BACKS[give_back](lease) is not None
    assert read(job).state != "running"
    check_history(job)


def test_an_edge_of_the_owner_needs_a_lease():
    with pytest.raises(TypeError, match="the edge release belongs to the owner of a lease"):
        transitions._move(accepted().id, RELEASE)


# ---------------------------------------------------------------- cancel


@pytest.mark.parametrize("state", [S.SCHEDULED, S.QUEUED, S.RETRYING])
def test_a_job_that_waits_is_cancelled_at_once(state):
    job = in_state(state)
    row = transitions.cancel(job.id, actor="ada")
    assert row is not None
    assert row.state == "cancelled"
    assert row.finished_at is not None
    assert row.cancel_requested_at is not None
    assert events(row)[-1] == (2, "cancel", "cancelled", 0, "ada")


def test_a_running_job_carries_the_request():
    job, _ = claimed()
    row = transitions.cancel(job.id)
    assert row is not None
    assert (row.state, row.finished_at, row.version) == ("running", None, 3)
    assert row.cancel_requested_at is not None
    assert transitions.cancel(job.id) is None  # asking twice is asking once
    assert read(job).version == 3


@pytest.mark.parametrize("state", sorted(FINISHED))
def test_a_finished_job_is_not_cancelled(state):
    job = in_state(state)
    before = whole(job)
    assert transitions.cancel(job.id) is None
    assert whole(job) == before


# ---------------------------------------------------------------- retry and due


@pytest.mark.parametrize("state", sorted(FINISHED))
def test_a_persons_retry_clears_what_the_design_says(state):
    job = in_state(state)
    lease = Lease(job.id, job.attempt, job.lease_owner)
    Job.objects.filter(id=job.id).update(
        failures=2, losses=3, run_at=Now(), stopping_at=Now(), stopping_reason="cancel", publish_count=5, log_seq=4,
        published_at=None, cancel_requested_at=Now(),
    )  # fmt: skip
    before = whole(job)

    row = transitions.retry(job.id, actor="ada")

    assert row is not None
    after = whole(job)
    changed = {name for name in after if after[name] != before[name]}
    cleared = {
        "failures": 0, "losses": 0, "cancel_requested_at": None, "stopping_at": None, "stopping_reason": "",
        "error": None, "result": None, "run_at": None, "finished_at": None,
    }  # fmt: skip
    assert {name: after[name] for name in cleared} == cleared
    assert changed <= {*cleared, "state", "version", "updated_at", "published_at", "publish_count"}
    assert (after["state"], after["publish_count"], after["attempt"]) == ("queued", 1, 1)
    assert after["published_at"] is not None
    assert events(row)[-1][1:] == ("retry", "queued", 1, "ada")
    assert transitions.succeed(lease, 1, DONE) is None
    assert claimed(job, owner="host:2/b")[0].attempt == 2


@pytest.mark.parametrize("state", sorted(ACTIVE))
def test_what_is_not_finished_is_not_retried(state):
    job = in_state(state)
    assert transitions.retry(job.id) is None
    assert read(job).state == state


@pytest.mark.parametrize("state", S)
def test_what_waits_for_its_time_becomes_queued(state):
    job = in_state(state)
    Job.objects.filter(id=job.id).update(published_at=None)
    row = transitions.due(job.id)
    assert (row is not None) is (state in {S.SCHEDULED, S.RETRYING})
    if row is not None:
        assert (row.state, row.publish_count) == ("queued", 1)
        assert row.published_at is not None


def test_a_cancel_asked_for_is_not_due():
    job = put(accepted(), S.RETRYING, cancel_requested_at=Now())
    assert transitions.due(job.id) is None


# ---------------------------------------------------------------- many at once


@pytest.mark.django_db(transaction=True)
def test_threads_never_claim_twice(hints):
    for _ in range(10):
        job = accepted()
        answers = at_once(*[
            partial(transitions.claim, job.id, owner=f"host:{number}/x", task=TASK) for number in range(4)
        ])  # fmt: skip
        winners = [answer for answer in answers if answer is not None]
        assert len(winners) == 1, answers
        assert (read(job).lease_owner, read(job).attempt) == (winners[0].lease_owner, 1)
        check_history(job)


@pytest.mark.django_db(transaction=True)
def test_one_of_many_ends_wins_and_a_cancel_among_them_is_never_forgotten(hints):
    for _ in range(10):
        job, lease = claimed(max_losses=1)
        answers = at_once(
            partial(transitions.succeed, lease, 1, DONE),
            partial(transitions.rescue, lease, 0),
            partial(transitions.cancel, job.id),
            partial(transitions.claim, job.id, owner="host:2/b", task=TASK),
        )
        assert not [answer for answer in answers if isinstance(answer, Exception)]
        check_history(job)
        row = read(job)
        if answers[2] is not None:
            assert row.cancel_requested_at is not None
        if answers[0] is not None:
            assert (row.state, row.lease_owner) == ("succeeded", lease.owner)


@pytest.mark.django_db(transaction=True)
def test_one_click_on_many_threads_is_one_row(hints):
    answers = at_once(*[partial(accepted, owner_key="browser:x", idempotency_key="k")] * 4)
    assert sum(isinstance(answer, Job) for answer in answers) == 1
    assert sum(isinstance(answer, IntegrityError) for answer in answers) == 3
    assert Job.objects.count() == JobEvent.objects.count() == 1


def test_who_subscribes_twice_is_told_once(monkeypatch, django_capture_on_commit_callbacks):
    told: list[EdgeName] = []
    monkeypatch.setattr(transitions, "SUBSCRIBERS", [])

    def hear(job: Job, edge: EdgeName) -> None:
        told.append(edge)

    transitions.subscribe(hear)
    transitions.subscribe(hear)
    with django_capture_on_commit_callbacks(execute=True):
        accepted()
    assert told == [EdgeName.ACCEPT]
