"""Log lines on their way: the cache of a process, and one session's cursors."""

from __future__ import annotations

import pytest

from livejobs.live import logs
from livejobs.live.logs import Chunk, LogCursors, RecentLines


def chunk(first: int, last: int, size: int = 10) -> Chunk:
    return Chunk(first, last, f"{first}-{last}".ljust(size))


def texts(cursors: LogCursors) -> list[str]:
    found = []
    while (text := cursors.next_text()) is not None:
        found.append(text.strip())
    return found


@pytest.fixture
def recent() -> RecentLines:
    return RecentLines()


@pytest.fixture
def cursors(recent: RecentLines) -> LogCursors:
    return LogCursors(recent)


def test_lines_in_the_cache_need_no_database(recent, cursors):
    cursors.follow(1, 0, 0)
    recent.add(1, chunk(1, 3))
    recent.add(1, chunk(4, 4))
    assert cursors.hint(1, 4)
    assert texts(cursors) == ["1-3", "4-4"]
    assert cursors.next_read() is None
    assert not cursors.hint(1, 4)


def test_numbers_without_lines_cost_no_read(recent, cursors):
    cursors.follow(1, 0, 0)
    recent.add(1, chunk(1, 3))
    recent.add(1, chunk(4, 9_000))  # of these only the last ones were kept
    assert cursors.hint(1, 9_000)
    assert texts(cursors) == ["1-3", "4-9000"]
    assert cursors.next_read() is None


def test_lines_that_are_not_in_the_cache_are_read(recent, cursors):
    cursors.follow(1, 2, 10)
    recent.add(1, chunk(8, 10))
    assert texts(cursors) == []
    assert cursors.next_read() == (1, 2)
    assert cursors.next_read() is None  # one at a time
    cursors.was_read(1, chunk(3, 7))
    assert texts(cursors) == ["3-7", "8-10"]
    assert cursors.next_read() is None


def test_a_read_that_failed_is_asked_again(cursors):
    cursors.follow(1, 0, 5)
    assert cursors.next_read() == (1, 0)
    cursors.read_failed()
    assert cursors.next_read() == (1, 0)


def test_a_log_that_was_pruned_is_not_asked_for_again(cursors):
    cursors.follow(1, 0, 5)
    cursors.next_read()
    cursors.was_read(1, None)
    assert cursors.next_read() is None
    assert cursors.hint(1, 6)


def test_nobody_elses_lines(cursors):
    assert not cursors.hint(1, 5)
    cursors.follow(1, 0, 5)
    cursors.unfollow(1)
    assert not cursors.hint(1, 6)
    assert cursors.next_read() is None


def test_the_log_that_waited_longest_is_read_first(cursors):
    for job_id in (1, 2):
        cursors.follow(job_id, 0, 1000)
    assert cursors.next_read() == (1, 0)
    cursors.was_read(1, chunk(1, 500))
    assert texts(cursors) == ["1-500"]
    assert cursors.next_read() == (2, 0)


def test_looking_away_while_lines_are_read_harms_nothing(cursors):
    cursors.follow(1, 0, 5)
    cursors.next_read()
    cursors.unfollow(1)
    cursors.was_read(1, chunk(1, 5))
    assert texts(cursors) == []


def test_following_anew_while_lines_are_read_misses_none(cursors):
    cursors.follow(1, 500, 1000)
    assert cursors.next_read() == (1, 500)
    cursors.unfollow(1)
    cursors.follow(1, 0, 1000)
    cursors.was_read(1, chunk(501, 1000))
    assert cursors.next_read() == (1, 0)


def test_following_from_an_earlier_line_while_lines_are_read_misses_none(cursors):
    cursors.follow(1, 500, 1000)
    assert cursors.next_read() == (1, 500)
    cursors.follow(1, 100, 1000)
    cursors.was_read(1, chunk(501, 1000))
    assert cursors.next_read() == (1, 100)


def test_following_anew_without_lines_while_lines_are_read(cursors):
    cursors.follow(1, 0, 5)
    cursors.next_read()
    cursors.unfollow(1)
    cursors.follow(1, 5, 5)
    cursors.was_read(1, chunk(1, 5))
    assert cursors.next_read() is None


def test_a_chunk_that_came_twice_is_kept_once(recent):
    recent.add(1, chunk(1, 3))
    recent.add(1, chunk(1, 3))
    assert recent._size == 10


def test_the_cache_is_bounded_for_one_job_and_for_all(recent, monkeypatch):
    monkeypatch.setattr(logs, "JOB_BYTES", 100)
    monkeypatch.setattr(logs, "CACHE_BYTES", 250)
    for number in range(100):
        recent.add(1, chunk(number, number, size=30))
    assert recent._size <= 100
    assert recent.after(1, 0) is None
    assert recent.after(1, 98) is not None
    for job_id in range(2, 50):
        recent.add(job_id, chunk(1, 1, size=90))
    assert recent._size <= 250
    assert recent.after(1, 98) is None
    assert recent.after(49, 0) is not None
    for job_id in range(1, 50):
        recent.forget(job_id)
    assert (recent._size, recent._sizes) == (0, {})


def test_one_chunk_larger_than_the_bound_is_kept_until_the_next(recent, monkeypatch):
    monkeypatch.setattr(logs, "JOB_BYTES", 100)
    recent.add(1, chunk(1, 1, size=300))
    assert recent.after(1, 0) is not None
    recent.add(1, chunk(2, 2, size=30))
    assert recent.after(1, 0) is None
