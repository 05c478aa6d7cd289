"""Whatever is done to jobs, in whatever order, by owners of now and of long ago: the rows stay right.

A model of a job in plain Python says what each call has to answer and what the row has to be after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livejobs import leases, transitions
from livejobs.leases import Lease
from livejobs.models import Job, JobEvent, JobLog
from livejobs.states import FINISHED, WAITING, State, StopReason
from tests.support.rows import DONE, ERROR, TASK, accepted, at_once, check_history, claimed, line, put, read, whole

S = State
REASONS = (StopReason.CANCEL, StopReason.TIMEOUT, StopReason.SHUTDOWN)


@dataclass
class Model:
    """What the row has to be."""

    job_id: int
    state: State
    max_losses: int
    version: int = 1
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    asked: bool = False
    stopping: str = ""
    beat: int = 0
    seq: int = 0
    leases: list[Lease] = field(default_factory=list)

    def holds(self, lease: Lease) -> bool:
        return self.state is S.RUNNING and bool(self.leases) and lease == self.leases[-1]

    def to(self, state: State) -> None:
        self.state, self.version = state, self.version + 1

    def check(self, row: Job) -> None:
        seen = (row.state, row.version, row.attempt, row.failures, row.losses, row.log_seq)
        assert seen == (self.state, self.version, self.attempt, self.failures, self.losses, self.seq)
        assert (row.cancel_requested_at is not None, row.stopping_reason) == (self.asked, self.stopping)
        assert (row.stopping_at is not None) is (row.stopping_reason != "")
        assert (row.finished_at is not None) == (self.state in FINISHED)
        if self.leases:
            assert (row.lease_owner, row.beat) == (self.leases[-1].owner, self.beat)


class Life:
    """The life of one job. Each step takes `who` acts (0: who claimed last) and a number to vary it by."""

    def __init__(self, state: State, max_losses: int) -> None:
        job = put(accepted(max_losses=max_losses), state)
        self.job = Model(job.id, state, max_losses)
        self.owners = 0

    def lease(self, who: int) -> Lease:
        """Somebody's lease: that of the last claim, an older one, or one that never was."""
        leases = self.job.leases
        return leases[-1 - who] if who < len(leases) else Lease(self.job.job_id, self.job.attempt, "host:9/nobody")

    def is_last(self, lease: Lease) -> bool:
        return self.job.leases[-1:] == [lease]

    def answered(self, answer: Job | None, expected: bool) -> None:
        assert (answer is not None) is expected
        if answer is not None:
            self.job.check(answer)
        self.job.check(read(self.job.job_id))

    # ------------------------------------------------------------ owners

    def claim(self, who: int, number: int) -> None:
        job, free = self.job, self.job.state is S.QUEUED and not self.job.asked
        self.owners += 1
        owner = f"host:{self.owners}/x"
        if free:
            job.attempt += 1
            job.to(S.RUNNING)
            job.leases.append(Lease(job.job_id, job.attempt, owner))
            job.beat, job.stopping = 0, ""
        self.answered(transitions.claim(job.job_id, owner=owner, task=TASK), free)
        if free:  # once more, as after a COMMIT whose reply was lost
            self.answered(transitions.claim(job.job_id, owner=owner, task=TASK), True)

    def renew(self, who: int, number: int) -> None:
        lease, held = self.lease(who), self.job.holds(self.lease(who))
        self.job.beat += held
        expected = leases.Renewal(self.job.asked) if held else None
        assert leases.renew(lease) == expected
        self.job.check(read(self.job.job_id))

    def log(self, who: int, number: int) -> None:
        lease, gap = self.lease(who), number % 2
        first = self.job.seq + 1 + gap
        expected = self.job.holds(lease) and not gap
        self.job.seq += 2 * expected
        assert leases.append_log(lease, [line(first), line(first + 1)]) is expected
        self.job.check(read(self.job.job_id))

    def mark_stopping(self, who: int, number: int) -> None:
        held = self.job.holds(self.lease(who)) and not self.job.stopping
        if held:
            self.job.stopping = REASONS[number]
            self.job.to(S.RUNNING)
        self.answered(transitions.mark_stopping(self.lease(who), REASONS[number]), held)

    def finish(self, who: int, number: int) -> None:
        lease = self.lease(who)
        how, target = [("succeed", S.SUCCEEDED), ("fail", S.FAILED), ("stopped", S.CANCELLED)][number]
        call = partial(getattr(transitions, how), lease, *([] if how == "stopped" else [ERROR]), DONE)
        if self.job.holds(lease):
            self.job.failures += how == "fail"
            self.job.to(target)
        own = self.is_last(lease) and self.job.state is target
        for _ in range(2):  # the second try finds its own first write
            self.answered(call(), own)

    def release(self, who: int, number: int) -> None:
        lease = self.lease(who)
        if self.job.holds(lease):
            self.job.stopping = self.job.stopping if self.job.asked else ""
            self.job.to(S.CANCELLED if self.job.asked else S.QUEUED)
        self.answered(transitions.release(lease), self.is_last(lease) and self.job.state in {S.QUEUED, S.CANCELLED})

    def back_off(self, who: int, number: int) -> None:
        lease = self.lease(who)
        if self.job.holds(lease):
            self.job.failures += not self.job.asked
            self.job.stopping = self.job.stopping if self.job.asked else ""
            self.job.to(S.CANCELLED if self.job.asked else S.RETRYING)
        own = self.is_last(lease) and self.job.state in {S.RETRYING, S.CANCELLED}
        self.answered(transitions.back_off(lease, ERROR, DONE, timedelta(0)), own)

    def expire(self, who: int, number: int) -> None:
        lease = self.lease(who)
        if self.job.holds(lease):
            self.job.to(S.CANCELLED if self.job.asked else S.FAILED)
        own = self.is_last(lease) and self.job.state in {S.FAILED, S.CANCELLED}
        self.answered(transitions.expire(lease, DONE), own)

    def rescue(self, who: int, number: int) -> None:
        job, lease = self.job, self.lease(who)
        seen = job.beat + number % 2
        possible = job.holds(lease) and seen == job.beat
        if possible and job.asked:
            job.to(S.CANCELLED)
        elif possible and job.stopping == StopReason.TIMEOUT:
            job.to(S.FAILED)
        elif possible and job.stopping == StopReason.SHUTDOWN:
            job.stopping = ""
            job.to(S.QUEUED)
        elif possible:
            again = job.losses < job.max_losses
            job.losses += 1
            job.stopping = "" if again else job.stopping
            job.to(S.QUEUED if again else S.FAILED)
        self.answered(transitions.rescue(lease, seen), possible)

    # ------------------------------------------------------------ people and the clock

    def cancel(self, who: int, number: int) -> None:
        job = self.job
        possible = job.state not in FINISHED and not job.asked
        if possible:
            job.asked = True
            job.to(S.CANCELLED if job.state in WAITING else S.RUNNING)
        self.answered(transitions.cancel(job.job_id, actor="ada"), possible)

    def retry(self, who: int, number: int) -> None:
        job = self.job
        possible = job.state in FINISHED
        if possible:
            job.asked, job.stopping = False, ""
            job.failures = job.losses = 0
            job.to(S.QUEUED)
        self.answered(transitions.retry(job.job_id, actor="ada"), possible)

    def due(self, who: int, number: int) -> None:
        possible = self.job.state in {S.SCHEDULED, S.RETRYING}
        if possible:
            self.job.to(S.QUEUED)
        self.answered(transitions.due(self.job.job_id), possible)


@pytest.fixture
def _no_hints(monkeypatch):
    monkeypatch.setattr(transitions, "SUBSCRIBERS", [])


# a claim more often than the rest: nearly everything else needs one before it
STEPS = st.sampled_from(
    [Life.claim] * 4
    + [Life.renew, Life.log, Life.mark_stopping, Life.finish, Life.release, Life.rescue, Life.rescue]
    + [Life.back_off, Life.expire]
    + [Life.cancel, Life.retry, Life.retry, Life.due]
)
WHO = st.sampled_from([0, 0, 0, 0, 1, 2])


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_no_hints")
@pytest.mark.timeout(180)  # seconds; a few on a machine that has nothing else to do
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    state=st.sampled_from([S.QUEUED, S.QUEUED, S.SCHEDULED, S.RETRYING]),
    max_losses=st.integers(0, 2),
    steps=st.lists(st.tuples(STEPS, WHO, st.integers(0, 2)), min_size=15, max_size=20),
)
def test_whatever_is_done_the_row_is_what_the_model_says(state, max_losses, steps):
    life = Life(state, max_losses)
    for step, who, number in steps:
        step(life, who, number)
    check_history(life.job.job_id)
    rows = JobLog.objects.filter(job_id=life.job.job_id).order_by("seq").values_list("seq", flat=True)
    assert list(rows) == list(range(1, life.job.seq + 1))


def write(number: int, job_id: int, lease: Lease, random: Random) -> Any:
    """One of all writes, by chance."""
    calls = [
        partial(transitions.claim, job_id, owner=f"host:{number}/x", task=TASK),
        partial(transitions.succeed, lease, number, DONE),
        partial(transitions.fail, lease, ERROR, DONE),
        partial(transitions.release, lease),
        partial(transitions.back_off, lease, ERROR, DONE, timedelta(0)),
        partial(transitions.expire, lease, DONE),
        partial(transitions.due, job_id),
        partial(transitions.rescue, lease, 0),
        partial(leases.renew, lease),
        partial(transitions.mark_stopping, lease, StopReason.CANCEL),
        partial(transitions.cancel, job_id),
        partial(transitions.retry, job_id),
    ]
    return random.choice(calls)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_no_hints")
@pytest.mark.parametrize("seed", range(10))
def test_whatever_threads_do_at_once_the_history_is_legal(seed):
    random = Random(seed)
    job, lease = claimed(max_losses=1)
    for turn in range(4):
        calls = [write(10 * turn + number, job.id, lease, random) for number in range(4)]
        answers = at_once(*calls)
        assert not [answer for answer in answers if isinstance(answer, Exception)], (calls, answers)
        check_history(job)
        row = read(job)
        told = [answer.version for answer in answers if isinstance(answer, Job)]
        assert set(told) <= set(range(1, row.version + 1))
        lease = Lease(row.id, row.attempt, row.lease_owner)
    assert JobEvent.objects.filter(job=job).count() == whole(job)["version"]
