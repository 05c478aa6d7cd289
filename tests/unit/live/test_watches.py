"""The range of a list, and what happens while its snapshot is read."""

from __future__ import annotations

import pytest

from livejobs.groups import all_group
from livejobs.live import watches
from livejobs.live.watches import Watching
from livejobs.protocol import ListScope, Watch
from tests.unit.live.switchboard import MINE, gone_event, job_event, progress_event

GROUPS = (MINE, all_group())


def a_list(**scope) -> Watching:
    watch = Watch(action="watch", id="l", jobs=ListScope(**{"scope": "mine", **scope}))
    return Watching(watch, (MINE,))


def test_a_list_covers_its_scope_from_the_lowest_of_its_snapshot():
    watching = a_list()
    watching.settle([30, 20, 10], more=True)
    assert [job_id for job_id in (9, 10, 15, 30, 99) if watching.covers(job_id, GROUPS)] == [10, 15, 30, 99]
    assert not watching.covers(15, ("someone else", all_group()))
    assert watching.within({9, 10, 99}) == {10, 99}


def test_a_list_that_has_them_all_covers_every_id():
    watching = a_list()
    watching.settle([30], more=False)
    assert watching.covers(1, GROUPS)


def test_a_page_ends_before_its_before():
    watching = a_list(before=50)
    watching.settle([], more=False)
    assert watching.covers(49, GROUPS)
    assert not watching.covers(50, GROUPS)
    assert watching.within({49, 50}) == {49}


def test_a_watch_of_one_job_covers_only_that():
    watching = Watching(Watch(action="watch", id="j", job_id=7), ("g",))
    assert watching.covers(7, ("", ""))
    assert not watching.covers(8, GROUPS)


def test_of_what_comes_before_the_snapshot_the_highest_is_kept():
    watching = a_list()
    events = [job_event(1, 2), job_event(1, 1), job_event(1, 3), progress_event(1, 1, 5), gone_event(1)]
    for event in events:
        watching.keep(event)
    early = watching.settle([1], more=False)
    assert [(event.kind, event.rank) for event in early] == [
        ("job", events[2].rank),
        ("progress", events[3].rank),
        ("gone", 0),
    ]
    assert watching.settle([1], more=False) == []


def test_more_early_events_than_can_be_kept_are_noted(monkeypatch):
    monkeypatch.setattr(watches, "EARLY_MAX", 2)
    watching = a_list()
    for number in (1, 2):
        watching.keep(job_event(number))
    assert not watching.overflowed
    watching.keep(job_event(3))
    watching.keep(job_event(2, 2))  # one that is kept already takes no more room
    assert watching.overflowed
    assert [(event.job_id, event.rank >> 1) for event in watching.settle([], more=False)] == [(1, 1), (2, 2)]


@pytest.mark.parametrize(("limit", "left"), [(2, 2), (10, 10), (20, 20)])
def test_a_list_keeps_the_newest_live(monkeypatch, limit, left):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", limit)
    watching = a_list()
    watching.settle([], more=False)
    dropped: list[int] = []
    for number in range(1, 101):
        dropped += watching.add(number)
    assert len(watching.ids) <= left
    assert 100 in watching.ids
    assert sorted(dropped) + sorted(watching.ids) == list(range(1, 101))
    assert not watching.covers(max(dropped), GROUPS)
    assert watching.from_id == min(watching.ids)
    assert watching.take_narrowed()
    assert not watching.take_narrowed()


def test_a_row_older_than_all_that_are_kept_raises_the_end_as_well(monkeypatch):
    """Who asks for older rows below the old end would miss what lies between both."""
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 2)
    watching = a_list()
    watching.settle([20, 10], more=False)
    assert watching.add(5) == {5}
    assert (watching.from_id, watching.take_narrowed()) == (10, True)


def test_room_is_made_for_the_newest_only(monkeypatch):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 2)
    watching = a_list()
    watching.settle([3, 1], more=False)
    assert watching.lacking({4, 5}) == ({4, 5}, set())
    assert not watching.take_narrowed()
    assert watching.lacking({2, 4, 5}) == ({4, 5}, {1, 3})
    assert watching.take_narrowed()
    assert watching.from_id == 4
