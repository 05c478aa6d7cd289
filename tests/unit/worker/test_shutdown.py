"""When an agent gives its jobs back, whoever was told to end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from livejobs.conf import conf
from livejobs.per_process import HURRY_AFTER
from livejobs.worker import shutdown
from livejobs.worker.shutdown import Demand, Shutdown


class Parent:
    """A worker's parent, as told."""

    told = hurried = False

    def is_shutting_down(self) -> bool:
        return self.told

    def is_hurried(self) -> bool:
        return self.hurried


@pytest.fixture
def parent(monkeypatch) -> Parent:
    stand_in = Parent()
    monkeypatch.setattr(shutdown, "parent", stand_in)
    return stand_in


@pytest.fixture
def ends() -> Iterator[list[int]]:
    """The signals that ended the process, as Celery's own handler would."""
    found: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: found.append(number))
    yield found
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def busy() -> list[Any]:
    """Holds something as long as a job runs."""
    return ["job"]


@pytest.fixture
def told(parent: Parent, ends: list[int], busy: list[Any]) -> Shutdown:
    made = Shutdown(lambda: bool(busy))
    made.listen()
    return made


def term() -> None:
    signal.raise_signal(signal.SIGTERM)


def test_as_long_as_nobody_says_so_jobs_go_on(told):
    assert told.demand(0.0) is Demand.GO_ON
    assert not told.take_leave()


def test_with_its_worker_they_have_their_grace(told, parent):
    parent.told = True
    grace = float(conf.SHUTDOWN_SECONDS)
    assert [told.demand(now) for now in (10.0, 9.9 + grace, 10.0 + grace)] == [
        Demand.GO_ON, Demand.GO_ON, Demand.GIVE_BACK,
    ]  # fmt: skip
    assert not told.take_leave()  # it is its worker that ends it


def test_told_again_they_are_given_back_at_once(told, parent):
    parent.told = parent.hurried = True
    assert told.demand(10.0) is Demand.AT_ONCE


def test_a_child_alone_gives_its_job_back_and_ends_as_it_would_have_without_one(told, ends, busy):
    term()
    assert (told.demand(10.0), told.demand(10.0 + conf.SHUTDOWN_SECONDS)) == (Demand.GO_ON, Demand.GIVE_BACK)
    assert not told.take_leave()
    busy.clear()
    assert [told.take_leave(), told.take_leave()] == [True, False]
    assert ends == []
    term()
    assert ends == [signal.SIGTERM]


def test_a_child_alone_that_is_told_again_gives_it_back_at_once(told, ends):
    term()
    term()  # with the first: whoever looks after it told it, too
    assert told.demand(10.0) is Demand.GO_ON
    told._alone.asked_at -= 2 * HURRY_AFTER
    term()
    assert told.demand(10.0) is Demand.AT_ONCE
    assert ends == []


def test_a_handler_that_came_later_is_kept_for_the_end(told, busy):
    found: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: found.append(number))  # as Celery does
    told.listen()
    told.listen()
    term()
    assert (told.demand(0.0), found) == (Demand.GO_ON, [])
    busy.clear()
    term()
    assert found == [signal.SIGTERM]
