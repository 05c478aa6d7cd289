"""Messages of other projects are sent on a few times, and that is said."""

from __future__ import annotations

import time
from typing import Any

import pytest

from livejobs.hints import publishing
from livejobs.worker import strangers


class Sent(list[tuple[Any, ...]]):
    """In place of a publisher."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error, self.closed = error, 0

    def __call__(self) -> Sent:
        return self

    def send_on(self, message: dict[str, Any], passed: int) -> None:
        if self.error:
            raise self.error
        self.append((message["id"], passed))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def sent(monkeypatch) -> Sent:
    made = Sent()
    monkeypatch.setattr(publishing, "Publisher", made)
    monkeypatch.setattr(strangers, "_said_at", {})
    return made


def message(namespace: str = "shop", passed: int = 0, **more: Any) -> dict[str, Any]:
    headers = {publishing.NAMESPACE_HEADER: namespace, publishing.PASSED_HEADER: passed}
    return {"id": "7-1", "delivery_info": {"routing_key": "q"}, **headers, **more}


def test_ours_is_not_sent_on(sent: Sent, caplog):
    assert not strangers.send_on(message("tests"))
    assert not strangers.send_on({"id": "7-1"})
    assert (sent, caplog.records) == ([], [])


def test_a_strangers_is_sent_on_and_its_way_counted(sent: Sent):
    assert strangers.send_on(message())
    assert strangers.send_on(message(passed=4))
    assert sent == [("7-1", 1), ("7-1", 5)]
    assert sent.closed == 2


def test_one_that_has_gone_round_is_taken_for_the_claim_to_judge(sent: Sent, caplog):
    """Nobody takes it for theirs: where the processes of one project disagree, its jobs run all the same."""
    assert not strangers.send_on(message(passed=strangers.MOST_PASSES))
    assert sent == []
    assert len(caplog.records) == 1


def test_one_whose_queue_is_not_known_is_taken_too(sent: Sent):
    assert not strangers.send_on(message(delivery_info=None))
    assert sent == []


def test_a_broker_that_is_away_is_no_error(sent: Sent):
    sent.error = OSError("away")
    assert strangers.send_on(message())
    assert sent.closed == 1


def test_it_is_said_once_a_minute_for_each_project(sent: Sent, caplog, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for name in ("shop", "shop", "blog"):
        strangers.send_on(message(name))
    assert [(each.namespace, each.queue, each.event) for each in caplog.records] == [
        ("shop", "q", "queue.shared"), ("blog", "q", "queue.shared"),
    ]  # fmt: skip
    now += strangers.SAID_EVERY_SECONDS
    strangers.send_on(message())
    assert "namespace shop; ours is tests" in caplog.records[2].getMessage()
