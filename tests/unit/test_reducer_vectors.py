"""The reducer: any order, any duplicate, a snapshot at any point, the same view; tests/js/store.test.js is its twin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.reducer import Reducer

FOLDER = Path(__file__).parent.parent / "vectors"
VECTORS: list[dict[str, Any]] = json.loads((FOLDER / "reducer.json").read_text())
CONVERSATIONS: list[dict[str, Any]] = json.loads((FOLDER / "conversations.json").read_text())


# one list that is answered, so that events may come at any time, and what the snapshots of the vectors answer
WATCHES: list[dict[str, Any]] = [
    {"action": "watch", "id": "all", "jobs": {}},
    {"action": "snapshot", "watch": "all", "jobs": [], "more": False, "from_id": 0, "before": None},
    {"action": "watch", "id": "list", "jobs": {}},
    {"action": "watch", "id": "job", "job_id": 1},
]


def view_of(events: list[dict[str, Any]]) -> dict[str, Any]:
    reducer = Reducer()
    for event in [*WATCHES, *events]:
        reducer.apply(event)
    return reducer.view()


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_vector(vector):
    assert view_of(vector["events"]) == vector["view"]


@pytest.mark.parametrize("vector", CONVERSATIONS, ids=[vector["name"] for vector in CONVERSATIONS])
def test_what_no_watch_covers_is_not_shown(vector):
    reducer = Reducer()
    for frame in vector["frames"]:
        reducer.apply(frame)
    assert {key: job["state"] for key, job in reducer.view().items()} == vector["shown"]
    assert reducer.answered == vector["answered"]


@given(st.data())
def test_any_order_and_any_duplicate_give_the_same_view(data):
    vector = data.draw(st.sampled_from(VECTORS))
    twice = data.draw(st.lists(st.sampled_from(vector["events"])))
    assert view_of(data.draw(st.permutations(vector["events"] + twice))) == vector["view"]


def history(data: st.DataObject) -> list[dict[str, Any]]:
    """A job's life as its row had it: one public job for each version, progress and log between them."""
    job: dict[str, Any] = {"id": 1, "version": 0, "attempt": 0, "state": "queued", "progress": {}}
    tick = seq = 0
    events: list[dict[str, Any]] = []
    for state in data.draw(st.lists(st.sampled_from(["queued", "running", "succeeded", "failed"]), min_size=1)):
        if state == "running":
            job, tick = {**job, "attempt": job["attempt"] + 1}, 0
        job = {**job, "state": state, "version": job["version"] + 1, "progress": progress(tick)}
        events.append({"action": "job", "job": job})
        for _ in range(data.draw(st.integers(0, 2)) if state == "running" else 0):
            tick, seq = tick + 1, seq + 1
            common = {"job_id": 1, "attempt": job["attempt"]}
            events.append({"action": "progress", **common, **progress(tick)})
            events.append({"action": "log", **common, "lines": [{"seq": seq, "text": f"line {seq}"}]})
        job["progress"] = progress(tick)
    return events


def progress(tick: int) -> dict[str, Any]:
    return {"tick": tick, "current": tick or None, "total": None, "message": ""}


@given(st.data())
def test_any_loss_followed_by_a_snapshot_gives_the_same_view(data):
    events = history(data)
    whole = view_of(events)
    log = [line for event in events if event["action"] == "log" for line in event["lines"]]
    last = [event["job"] for event in events if event["action"] == "job"][-1]
    snapshot = {"action": "snapshot", "watch": "job", "job": last, "log": log}
    heard = data.draw(st.lists(st.sampled_from(events)))
    at = data.draw(st.integers(0, len(heard)))
    assert view_of([*heard[:at], snapshot, *heard[at:]]) == whole
