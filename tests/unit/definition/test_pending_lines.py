"""Lines that wait: the first and the last of them, each with its number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livejobs.definition.pending_lines import Line, PendingLines


def written(lines: PendingLines, count: int) -> None:
    for _ in range(count):
        lines.append(Line(0.0, "info", str(lines.written + 1)))


def numbers(lines: PendingLines) -> list[int]:
    return [int(line.text) for line in lines]


@pytest.mark.parametrize(
    ("most", "count", "kept"),
    [
        (4, 3, [1, 2, 3]), (4, 4, [1, 2, 3, 4]), (4, 5, [1, 2, 4, 5]), (4, 100, [1, 2, 99, 100]),
        (5, 9, [1, 2, 7, 8, 9]), (1, 9, [9]), (0, 9, []),
    ],
)  # fmt: skip
def test_the_first_half_and_the_last_half_are_kept(most, count, kept):
    lines = PendingLines(most)
    written(lines, count)
    assert numbers(lines) == kept
    assert (len(lines), bool(lines), lines.written) == (len(kept), bool(kept), count)


def test_lines_are_taken_in_order_with_their_numbers():
    lines = PendingLines(4)
    written(lines, 9)
    taken = lines.take(3)
    assert [(number, line.text) for number, line in taken] == [(1, "1"), (2, "2"), (8, "8")]
    assert numbers(lines) == [9]
    assert len(lines.take(3)) == 1
    assert lines.take(3) == []


def test_what_is_forgotten_is_counted():
    lines = PendingLines(4)
    written(lines, 9)
    lines.clear()
    assert not lines
    written(lines, 1)
    assert [number for number, _ in lines.take(9)] == [10]


@given(st.integers(1, 6), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4))))
def test_whoever_takes_whenever_has_at_the_end_the_first_and_the_last(most, steps):
    lines = PendingLines(most)
    taken: list[int] = []
    for count, room in steps:
        written(lines, count)
        taken += [number for number, _ in lines.take(room)]
        assert len(lines) <= most
    taken += [number for number, _ in lines.take(most)]
    assert taken == sorted(set(taken))
    every = range(1, lines.written + 1)
    assert {*every[: lines.first], *every[max(0, lines.written - lines.last) :]} <= set(taken)
