"""What one connection looks at, whatever its dialect makes of it."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from livejobs.groups import all_group
from livejobs.live import coverage as coverage_module
from livejobs.live import watches
from livejobs.live.coverage import Coverage
from livejobs.live.event import Event
from livejobs.live.mailbox import Mailbox
from livejobs.live.requests import Groups
from livejobs.live.watches import Watching
from livejobs.protocol import ListScope, PublicJob, Watch
from tests.unit.live.switchboard import MINE, SCOPE, FakeSwitchboard, gone_event, job_event, public


class Notes:
    """A dialect that only takes notes."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int]] = []
        self.narrowings: list[tuple[int, set[int]]] = []
        self.counts: list[int] = []
        self.gone: list[int] = []
        self.abandoned = False

    def take(self, event: Event) -> None:
        self.taken.append((event.kind, event.job_id))

    def narrowed(self, watching: Watching, dropped: Collection[int]) -> None:
        self.narrowings.append((watching.from_id, set(dropped)))

    def counted(self, watching: Watching, running: int) -> None:
        self.counts.append(running)

    def let_go(self, job_id: int) -> None:
        self.gone.append(job_id)

    def abandon(self) -> None:
        self.abandoned = True


@pytest.fixture
def board() -> FakeSwitchboard:
    return FakeSwitchboard()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def coverage(board, notes) -> Coverage:
    return Coverage(board, Mailbox(board.wake, board.recent), notes)


def a_list(name: str, limit: int = 3, before: int | None = None) -> Watch:
    return Watch(action="watch", id=name, jobs=ListScope(scope="mine", limit=limit, before=before))


def look(coverage: Coverage, watch: Watch, *jobs: PublicJob, more: bool = False) -> Watching:
    assert coverage.begin(watch, Groups((MINE,), SCOPE))
    watching = coverage.current(watch)
    assert watching is not None
    coverage.show(watching, list(jobs), watching.settle((job["id"] for job in jobs), more=more))
    return watching


def test_what_is_shown_is_held_and_what_is_new_is_taken(coverage, board, notes):
    look(coverage, a_list("all"), public(1), public(2))
    assert set(board.held) == set(coverage.watched) == {1, 2}
    assert board.offer(coverage, job_event(3))
    assert not board.offer(coverage, job_event(3, version=2))
    assert notes.taken == [("job", 3), ("job", 3)]
    assert set(board.held) == {1, 2, 3}


def test_an_event_that_came_before_the_snapshot_is_taken_with_it(coverage, board, notes):
    watch = a_list("all")
    coverage.begin(watch, Groups((MINE,), SCOPE))
    assert not coverage.offer(job_event(2))
    watching = coverage.current(watch)
    coverage.show(watching, [public(1)], watching.settle([1], more=False))
    assert notes.taken == [("job", 2)]
    assert set(board.held) == {1, 2}


def test_the_same_name_means_the_new_watch(coverage, board):
    first = a_list("all")
    look(coverage, first, public(1))
    look(coverage, a_list("all"), public(2))
    assert coverage.current(first) is None
    assert set(board.held) == {2}
    assert board.counted == {(MINE,): 1}


def test_there_may_not_be_more_watches_than_the_bound(coverage, board, monkeypatch):
    monkeypatch.setattr(coverage_module, "WATCHES_MAX", 1)
    look(coverage, a_list("one"), public(1))
    assert not coverage.begin(a_list("two"), Groups((all_group(),), SCOPE))
    assert board.joined == {MINE}


def test_a_list_that_grows_too_long_lets_go_and_says_so(coverage, board, notes, monkeypatch):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 2)
    look(coverage, a_list("all"), public(1), public(2))
    board.offer(coverage, job_event(3))
    ((from_id, dropped),) = notes.narrowings
    assert dropped == set(notes.gone)
    assert set(coverage.watched) == set(board.held) == {job_id for job_id in (1, 2, 3) if job_id >= from_id}


def test_a_job_of_one_watch_is_let_into_every_list_that_covers_it(coverage, board):
    look(coverage, a_list("all"), public(1))
    single = Watch(action="watch", id="job", job_id=5)
    coverage.begin(single, Groups(("livejobs.job.5",)))
    watching = coverage.current(single)
    coverage.show(watching, [public(5)], watching.settle([5], more=False))
    coverage.admit_everywhere(5, (MINE, all_group()))
    coverage.remove("job")
    assert set(coverage.watched) == set(board.held) == {1, 5}


def test_a_job_that_is_gone_is_looked_at_by_nobody(coverage, board, notes):
    look(coverage, a_list("all"), public(1))
    board.offer(coverage, gone_event(1))
    assert notes.taken == [("gone", 1)]
    assert list(coverage.watched) == []
    assert board.held == {}


def test_a_count_is_passed_on_and_told_to_who_comes_later(coverage, notes):
    look(coverage, a_list("all"), public(1))
    coverage.counted((MINE,), 4)
    look(coverage, a_list("older", before=1))
    assert notes.counts == [4, 4]


def test_a_flood_before_the_snapshot_has_all_compared(coverage, board, monkeypatch):
    monkeypatch.setattr(watches, "EARLY_MAX", 0)
    watch = a_list("all")
    coverage.begin(watch, Groups((MINE,), SCOPE))
    coverage.offer(job_event(1, version=2))
    watching = coverage.current(watch)
    coverage.show(watching, [public(1)], watching.settle([1], more=False))
    assert board.doubted == 1


def test_closed_it_leaves_nothing_behind(coverage, board):
    look(coverage, a_list("all"), public(1))
    coverage.close()
    assert (board.joined, board.held, board.counted, list(coverage.watched)) == (set(), {}, {}, [])


def test_a_defect_gives_the_connection_up(coverage, notes):
    coverage.abandon()
    assert notes.abandoned
