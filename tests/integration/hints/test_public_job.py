"""A job as everyone who may see it sees it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.contrib.auth.models import User

from livejobs import leases, transitions
from livejobs.hints.public_job import iso, public_job, public_log_line, public_progress
from livejobs.models import Job, JobLog
from livejobs.protocol import PublicJob, encode
from livejobs.states import State
from tests.support.rows import DONE, ERROR, accepted, claimed, in_state, line, read

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 10, 25, 1, 2, 3, 456789, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, None),
        (MOMENT, "2026-10-25T01:02:03.456Z"),
        (MOMENT.replace(tzinfo=None), "2026-10-25T01:02:03.456Z"),
        (MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30))), "2026-10-25T01:02:03.456Z"),
        (MOMENT.replace(microsecond=0), "2026-10-25T01:02:03.000Z"),
    ],
)
def test_times_are_iso_8601_in_utc_with_milliseconds(moment, text):
    assert iso(moment) == text


def test_the_public_job_has_exactly_the_fields_of_the_wire():
    user = User.objects.create_user("ada")
    job, lease = claimed(accepted(owner=user, owner_key="user:1", name="n", idempotency_key="secret"))
    leases.append_log(lease, [line(1)])
    transitions.fail(lease, ERROR, DONE)
    row = read(job)
    public = public_job(row)
    assert set(public) == set(PublicJob.__annotations__) - {"truncated"}
    assert public["progress"] == {"tick": 7, "current": 3, "total": 4, "message": "nearly"}
    assert public["error"] == {"reason": "exception", "type": "ValueError", "message": "bad row 7"}
    assert (public["title"], public["owner"], public["worker"]) == ("Add", "ada", "host:1")
    assert (public["state"], public["attempt"], public["log_seq"], public["version"]) == ("failed", 1, 1, 3)
    assert public["created_at"] == iso(row.created_at)
    text = encode(public)
    assert json.loads(text) == public
    assert not [word for word in ("user:1", "secret", "host:1/a", "traceback") if word in text]


def test_a_task_this_process_does_not_know_is_titled_by_its_name():
    public = public_job(accepted(task="old.task"))
    assert (public["title"], public["owner"], public["worker"], public["error"]) == ("old.task", None, None, None)


def test_an_error_of_an_older_version_may_lack_fields():
    job = Job(created_at=MOMENT, error={"reason": "lost"})
    assert public_job(job)["error"] == {"reason": "lost", "type": "", "message": ""}


@pytest.mark.parametrize(
    ("value", "public"),
    [(None, None), (3.0, 3), (2, 2), (0.5, 0.5), (-4.0, -4), (2.0**53 - 1, 2**53 - 1), (1e300, 1e300)],
)
def test_whole_numbers_are_sent_as_such(value, public):
    sent = public_progress(1, value, value, "")
    assert (sent["current"], type(sent["current"])) == (public, type(public))
    assert json.loads(encode(sent))["total"] == public


@pytest.mark.parametrize("number", [1e19, 1e23, 1e300, -1e30, 2.5e-300])
def test_large_numbers_go_through_the_database_and_out(number):
    job, lease = claimed(accepted(params={"seconds": number}))
    transitions.succeed(lease, {"n": [number]}, {**DONE, "current": number})
    row = read(job)
    for truncate in (False, True):
        public = json.loads(encode(public_job(row, truncate=truncate)))
        assert public["result"] == {"n": [pytest.approx(number)]}
        assert public["params"] == {"seconds": pytest.approx(number)}
        assert public["progress"]["current"] == pytest.approx(number)


@pytest.mark.parametrize(("size", "cut"), [(1024 - 2, False), (1024 - 1, True)])
def test_lists_leave_out_what_is_over_one_kilobyte(size, cut):
    job = Job(created_at=MOMENT, params={"a": 1}, result="x" * size)
    short, full = public_job(job, truncate=True), public_job(job)
    assert short["result"] == (None if cut else job.result)
    assert short["params"] == {"a": 1}
    assert short.get("truncated", False) is cut
    assert full["result"] == job.result
    assert "truncated" not in full


def test_large_params_are_left_out_too():
    short = public_job(Job(created_at=MOMENT, params={"text": "é" * 600}), truncate=True)
    assert (short["params"], short.get("truncated")) == (None, True)


def test_a_log_line():
    job, lease = claimed()
    leases.append_log(lease, [line(1, "<b>\ufffd")])
    found: Any = JobLog.objects.get(job=job)
    assert public_log_line(found) == {
        "seq": 1, "attempt": 1, "at": "2026-01-01T00:00:00.000Z", "level": "info", "text": "<b>\ufffd",
    }  # fmt: skip


@pytest.mark.parametrize("state", State)
def test_every_state_is_a_plain_word(state):
    public = public_job(in_state(state))
    assert public["state"] == state.value
    assert type(public["state"]) is str or json.loads(encode(public))["state"] == state.value
