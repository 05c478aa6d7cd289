"""The door out: what is sent to whom, and that nothing of it ever blocks or breaks a job."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from channels.layers import get_channel_layer

from livejobs import groups, transitions
from livejobs.definition import registry
from livejobs.hints import broadcast, publishing
from livejobs.hints.broadcast import Outlet
from livejobs.hints.channel_messages import Broadcast
from livejobs.models import Job
from livejobs.states import EdgeName, State, StopReason
from tests.support.rows import TASK, accepted, claimed, in_state
from tests.support.waiting import await_for, wait_for

pytestmark = pytest.mark.django_db


class Layer:
    """A channel layer that remembers, and fails or hangs when told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.trouble: Exception | None = None
        self.hang = False

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.hang:
            await asyncio.Event().wait()
        if self.trouble is not None:
            raise self.trouble
        self.sent.append((group, message))


@pytest.fixture
def layer(monkeypatch) -> Layer:
    made = Layer()
    monkeypatch.setattr(broadcast, "get_channel_layer", lambda alias: made)
    return made


@pytest.fixture
def outlet(layer, monkeypatch):
    monkeypatch.setattr(broadcast, "QUEUE_MAX", 1000)
    made = Outlet()
    monkeypatch.setattr(broadcast.outlet, "made", made)
    yield made
    wait_for(lambda: not made._draining)
    made._loop.call_soon_threadsafe(made._loop.stop)
    made._thread.join(10)
    made._loop.close()


def event(text: str) -> Broadcast:
    return Broadcast("livejobs.tests.all", {"type": "livejobs.event", "text": text})


def texts(layer: Layer) -> list[str]:
    return [message["text"] for _, message in layer.sent]


# ---------------------------------------------------------------- announce


@pytest.fixture
def told(monkeypatch) -> list[Broadcast]:
    events: list[Broadcast] = []
    monkeypatch.setattr(broadcast, "send", lambda given: events.extend(given))
    return events


def stops(told: list[Broadcast]) -> list[Mapping[str, Any]]:
    return [each.message for each in told if each.group == groups.workers_group()]


def test_a_cancel_of_a_running_job_reaches_the_workers(told):
    job, lease = claimed()
    asked = transitions.cancel(job.id)
    assert asked is not None
    broadcast.announce(asked, EdgeName.CANCEL)
    assert stops(told) == [{"type": "livejobs.stop", "job": job.id, "attempt": 1}]
    marked = transitions.mark_stopping(lease, StopReason.CANCEL)
    assert marked is not None
    broadcast.announce(marked, EdgeName.STOPPING)
    assert len(stops(told)) == 1


@pytest.mark.parametrize("state", sorted(set(State) - {State.RUNNING}))
def test_no_other_change_stops_a_worker(told, state):
    broadcast.announce(in_state(state), EdgeName.DUE)
    assert stops(told) == []
    assert len(told) == 3


# ---------------------------------------------------------------- the outlet


def test_events_leave_in_order(layer, outlet):
    for number in range(100):
        broadcast.send([event(str(number))])
    wait_for(lambda: len(layer.sent) == 100)
    assert texts(layer) == [str(number) for number in range(100)]
    broadcast.send([])
    assert not outlet._draining


def _send_each(events: list[Broadcast]) -> None:
    for each in events:
        broadcast.send([each])


def test_many_threads_lose_nothing(layer, outlet):
    threads = [
        threading.Thread(target=_send_each, args=([event(f"{name}{number}") for number in range(200)],))
        for name in "abc"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: len(layer.sent) == 600)
    assert [text for text in texts(layer) if text[0] == "b"] == [f"b{n}" for n in range(200)]


def test_a_layer_that_fails_drops_what_waits_and_is_named_once(layer, outlet, caplog):
    layer.trouble = ConnectionError("refused")
    for _ in range(3):
        broadcast.send([event("lost"), event("lost too")])
        wait_for(lambda: not outlet._waiting and not outlet._draining)
    layer.trouble = None
    broadcast.send([event("heard")])
    wait_for(lambda: texts(layer) == ["heard"])
    wait_for(lambda: caplog.messages[1:] == ["Live updates work again"])
    assert caplog.messages[0] == "Live updates are delayed: the channel layer does not answer (refused)"


def test_a_layer_that_hangs_is_given_up_soon(layer, outlet, caplog, monkeypatch):
    monkeypatch.setattr(broadcast, "SEND_SECONDS", 0.05)
    layer.hang = True
    broadcast.send([event("lost")])
    wait_for(lambda: "TimeoutError" in caplog.text)
    layer.hang = False
    broadcast.send([event("heard")])
    wait_for(lambda: texts(layer) == ["heard"])


def test_what_waits_is_bounded(layer, outlet, monkeypatch):
    held = threading.Event()
    outlet._loop.call_soon_threadsafe(held.wait, 10)
    broadcast.send(event(str(number)) for number in range(broadcast.QUEUE_MAX + 5))
    held.set()
    wait_for(lambda: not outlet._draining)
    assert texts(layer) == [str(number) for number in range(5, broadcast.QUEUE_MAX + 5)]


def test_without_a_channel_layer_nothing_is_sent(outlet, monkeypatch, caplog):
    monkeypatch.setattr(broadcast, "get_channel_layer", lambda alias: None)
    broadcast.send([event("nobody")])
    wait_for(lambda: not outlet._waiting and not outlet._draining)
    assert caplog.messages == []


def test_a_hand_over_that_fails_is_logged(monkeypatch, caplog):
    def broken():
        raise RuntimeError("no threads left")

    monkeypatch.setattr(broadcast, "outlet", broken)
    broadcast.send([event("lost")])
    assert caplog.messages == ["Live updates could not be handed over"]


@pytest.mark.django_db(transaction=True)
async def test_through_the_real_layer_to_a_listener(monkeypatch):
    monkeypatch.setattr(publishing, "submit", lambda job: None)
    layer: Any = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(groups.all_group(), channel)
    heard: list[dict[str, Any]] = []

    async def listen() -> None:
        while True:
            heard.append(await layer.receive(channel))

    listener = asyncio.create_task(listen())
    try:
        await _until_heard(layer, heard)
        job: Job = await asyncio.to_thread(_accepted_and_closed)
        await await_for(lambda: any(message.get("job") == job.id for message in heard))
        [message] = [message for message in heard if message.get("job") == job.id]
        assert (message["kind"], message["rank"], message["group"]) == ("job", [1, 1], "livejobs.tests.all")
        assert json.loads(message["text"])["job"]["title"] == registry.get(TASK).title  # type: ignore[union-attr]
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
        await layer.flush()


async def _until_heard(layer: Any, heard: list[dict[str, Any]]) -> None:
    """A group is joined when its own echo came back."""
    while not heard:
        await layer.group_send(groups.all_group(), {"type": "echo"})
        await asyncio.sleep(0.01)


def _accepted_and_closed() -> Job:
    from django.db import connections

    try:
        return accepted()
    finally:
        connections.close_all()
