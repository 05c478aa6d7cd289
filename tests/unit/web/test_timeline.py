"""The timeline as the page gets it."""

from __future__ import annotations

import pytest

from livejobs import transitions
from livejobs.models import JobEvent
from livejobs.web.timeline import timeline_of
from tests.support.rows import DONE, ERROR, accepted, claimed

pytestmark = pytest.mark.django_db


def test_it_is_told_from_the_beginning_with_who_did_it():
    job, lease = claimed(owner_key="user:1")
    transitions.fail(lease, {**ERROR, "traceback": "secret"}, DONE)
    steps = timeline_of(job)
    assert [step["edge"] for step in steps] == ["accept", "claim", "fail"]
    assert [step["version"] for step in steps] == [1, 2, 3]
    assert steps[1]["actor"] == lease.owner.rsplit("/", 1)[0]  # never the random part of a lease


def test_a_traceback_is_for_those_who_may_see_it():
    job, lease = claimed()
    transitions.fail(lease, {**ERROR, "traceback": "secret"}, DONE)
    (hidden,) = (step["error"] for step in timeline_of(job) if step["error"])
    (shown,) = (step["error"] for step in timeline_of(job, tracebacks=True) if step["error"])
    assert hidden is not None
    assert shown is not None
    assert "traceback" not in hidden
    assert shown["traceback"] == "secret"


def test_an_event_of_another_version_is_shown_as_far_as_it_goes():
    job = accepted()
    JobEvent.objects.create(job=job, version=2, state="queued", data={})
    assert [(step["edge"], step["run_at"], step["error"]) for step in timeline_of(job)] == [
        ("accept", None, None),
        ("", None, None),
    ]
