"""The questions people ask of the tables."""

from __future__ import annotations

import pytest

from livejobs.leases import append_log
from livejobs.models import STATE_LABELS, Job, JobEvent, JobLog
from livejobs.states import ACTIVE, FINISHED, WAITING, State
from tests.support.rows import accepted, claimed, in_state, line

pytestmark = pytest.mark.django_db


def test_querysets_are_named_after_states():
    rows = {state: in_state(state).id for state in State}

    def states(found) -> set[State]:
        return {State(row.state) for row in found}

    objects = Job.objects
    assert states(objects.queued()) == {State.QUEUED}
    assert states(objects.running()) == {State.RUNNING}
    assert states(objects.waiting()) == WAITING
    assert states(objects.active()) == ACTIVE
    assert states(objects.finished()) == FINISHED
    assert {State(row.state) for row in Job.objects.all() if row.is_finished} == FINISHED
    assert [row.id for row in objects.newest()] == sorted(rows.values(), reverse=True)
    assert not objects.unpublished().exists()
    objects.update(published_at=None)
    assert states(objects.unpublished()) == {State.QUEUED}


def test_every_state_has_a_label():
    assert set(STATE_LABELS) == set(State)
    assert [str(Job(state=state).get_state_display()) for state in (State.SUCCEEDED, State.RETRYING)] == [
        "Completed", "Retrying",
    ]  # fmt: skip


def test_rows_read_as_what_they_are():
    job, lease = claimed(name="October")
    append_log(lease, [line(1, "done")])
    assert str(job) == f"{job.id} October"
    assert str(accepted()).endswith(" tests.jobs.add")
    assert str(JobEvent.objects.get(job=job, version=2)) == f"{job.id} v2 running"
    assert str(JobLog.objects.get()) == "done"
    assert (job.worker, Job().worker) == ("host:1", None)
