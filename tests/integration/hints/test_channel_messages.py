"""What goes over the channel layer, made of rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livejobs import groups
from livejobs.hints import channel_messages
from tests.support.rows import DONE, accepted

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("size", "truncated"), [(10, False), (2000, True)])
def test_a_changed_job_goes_whole_to_its_page_and_short_to_lists(size, truncated):
    job = accepted(owner_key="browser:x", params={"text": "x" * size})
    to_page, *to_lists = channel_messages.job_events(job)
    assert to_page.group == groups.job_group(job.id)
    assert [each.group for each in to_lists] == [groups.owner_group("browser:x"), groups.all_group()]
    for each in (to_page, *to_lists):
        short = truncated and each is not to_page
        public = json.loads(each.message["text"])["job"]
        assert (public["params"] is None, public.get("truncated", False)) == (short, short)
        assert each.message == {
            "type": "livejobs.event", "group": each.group, "kind": "job", "job": job.id, "owner_key": "browser:x",
            "rank": [1, 0 if short else 1], "text": each.message["text"],
        }  # fmt: skip


def test_progress_log_and_gone():
    events = channel_messages.progress_events(7, "browser:x", 2, DONE)
    assert [each.group for each in events] == [
        "livejobs.tests.job.7",
        groups.owner_group("browser:x"),
        "livejobs.tests.all",
    ]
    assert events[0].message["rank"] == [2, 7]
    assert json.loads(events[0].message["text"]) == {"action": "progress", "job_id": 7, "attempt": 2, **DONE}

    lines: Any = [{"seq": seq, "attempt": 2, "at": "", "level": "info", "text": "t"} for seq in (3, 4)]
    [log] = channel_messages.log_events(7, "browser:x", lines)
    assert (log.group, log.message["rank"]) == ("livejobs.tests.job.7", [3, 4])
    assert json.loads(log.message["text"]) == {"action": "log", "job_id": 7, "lines": lines}

    [later] = channel_messages.log_events(7, "browser:x", lines, after=0)
    assert later.message["rank"] == [1, 4]

    [line] = channel_messages.open_events(7, "browser:x", 2, 9, 5, "50 %")
    assert (line.group, line.message["rank"]) == ("livejobs.tests.job.7", [2, 9])
    text = {"action": "open", "job_id": 7, "attempt": 2, "tick": 9, "seq": 5, "text": "50 %"}
    assert json.loads(line.message["text"]) == text

    gone = channel_messages.gone_events(7, "")
    assert [each.group for each in gone] == ["livejobs.tests.job.7", "livejobs.tests.owner.none", "livejobs.tests.all"]
    assert json.loads(gone[0].message["text"]) == {"action": "gone", "job_id": 7}


def test_a_cancel_goes_to_the_workers():
    stop = channel_messages.stop_event(7, 2)
    assert (stop.group, stop.message) == (groups.workers_group(), {"type": "livejobs.stop", "job": 7, "attempt": 2})
