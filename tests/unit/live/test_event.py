"""Channel-layer messages, read once per process."""

from __future__ import annotations

import pytest

from livejobs.groups import all_group, job_group, owner_group
from livejobs.hints.channel_messages import (
    MESSAGE_TYPE,
    gone_events,
    job_events,
    log_events,
    open_events,
    progress_events,
)
from livejobs.live.event import job_rank, progress_rank, read_event
from livejobs.protocol import Progress
from tests.unit.live.switchboard import ME, job, line


def test_every_broadcast_is_read_back():
    row = job(7, 3, "running", params={"text": "x" * 2000})
    progress: Progress = {"tick": 4, "current": 1.0, "total": None, "message": "m"}
    sent = [
        *job_events(row),
        *progress_events(7, ME, 2, progress),
        *log_events(7, ME, [line(5), line(6)]),
        *gone_events(7, ME),
        *open_events(7, ME, 2, 9, 7, "50 %"),
    ]
    assert {each.message["type"] for each in sent} == {MESSAGE_TYPE}
    read = [read_event(each.message) for each in sent]
    found = [(event.kind, event.group, event.rank) for event in read if event is not None]
    groups = (job_group(7), owner_group(ME), all_group())
    assert found == [
        ("job", groups[0], job_rank(3, whole=True)),
        ("job", groups[1], job_rank(3, whole=False)),
        ("job", groups[2], job_rank(3, whole=False)),
        *(("progress", group, progress_rank(2, 4)) for group in groups),
        ("log", groups[0], 6),
        *(("gone", group, 0) for group in groups),
        ("open", groups[0], progress_rank(2, 9)),
    ]
    assert read[0] is not None
    assert read[0].job["params"] == row.params
    assert read[0].job is read[0].job
    assert read[6] is not None
    assert read[6].span == (5, 6)
    assert {event.groups for event in read if event is not None} == {(owner_group(ME), all_group())}


@pytest.mark.parametrize(
    "change",
    [{"kind": "news"}, {"rank": 7}, {"rank": [1]}, {"rank": ["x", 1]}, {"kind": None}, {"job": ...}, {"text": ...}],
)
def test_a_message_of_another_version_is_left_alone(change):
    (message,) = [each.message for each in job_events(job(7)) if each.group == all_group()]
    changed = {key: value for key, value in {**message, **change}.items() if value is not ...}
    assert read_event(changed) is None


def test_ranks_order_as_the_reducer_does():
    versions = [job_rank(version, whole=whole) for version in range(1, 4) for whole in (False, True)]
    assert versions == sorted(versions)
    reports = [progress_rank(attempt, tick) for attempt in range(3) for tick in (0, 1, 2**63)]
    assert reports == sorted(set(reports))
