"""Text cut into lines, as a terminal would show it."""

from __future__ import annotations

import pytest

from livejobs.definition import Attempt
from livejobs.worker.lines import LineCutter, shown


@pytest.fixture
def attempt() -> Attempt:
    return Attempt(7, 1, "tests.task", max_text=100)


def texts(attempt: Attempt) -> list[str]:
    return [text for _, _, text in attempt.lines]


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        (["one\ntwo\n"], ["one", "two"]),
        (["o", "n", "e", "\n"], ["one"]),
        (["one"], ["one"]),
        (["\n"], [""]),
        (["one\r\n"], ["one"]),
        (["one\r", "\n"], ["one"]),
        (["1 %\r", "2 %\r", "3 %\n"], ["3 %"]),
        (["\r1 %", "\r2 %", "\r3 %"], ["3 %"]),
        (["1 %\r", "2 %\r"], ["2 %"]),
        (["x" * 250, "\n", "next\n"], ["x" * 99 + "…", "next"]),
        (["x" * 250, "\n", "\n"], ["x" * 99 + "…", ""]),
        (["x" * 250, "rest\n", "next\n"], ["x" * 99 + "…", "next"]),
        ([], []),
    ],
)
def test_text_is_cut_into_lines(attempt, writes, expected):
    cutter = LineCutter(attempt)
    for text in writes:
        cutter.write(text)
    cutter.finish()
    assert texts(attempt) == expected


def test_a_progress_bar_costs_no_memory(attempt):
    cutter = LineCutter(attempt)
    for number in range(10_000):
        cutter.write(f"\r{number} of 10000")
    assert len(attempt.open_line) < 100
    assert not attempt.lines


def test_lines_have_the_level_of_their_cutter(attempt):
    LineCutter(attempt).write("text\n", "warning")
    assert [level for _, level, _ in attempt.lines] == ["warning"]


def test_the_last_line_that_says_something_is_known(attempt):
    cutter = LineCutter(attempt)
    assert cutter.last == ""
    cutter.write("one\n  two  \n\n \nthree")
    assert cutter.last == "two"
    cutter.finish()
    assert cutter.last == "three"


@pytest.mark.parametrize(
    ("line", "seen"), [("", ""), ("one", "one"), ("1 %\r2 %", "2 %"), ("one\r", "one"), ("1\r\r2\r\r", "2")]
)
def test_of_a_line_with_carriage_returns_the_last_state_is_shown(line, seen):
    assert shown(line) == seen


@pytest.mark.parametrize(
    ("writes", "rest"),
    [(["1 %\r", "2 %"], "2 %"), (["1 %\r2 %\r"], "2 %"), (["a\nb"], "b"), (["a\n"], ""), (["."] * 3, "...")],
)
def test_what_has_no_end_yet_is_known_to_the_attempt(attempt, writes, rest):
    cutter = LineCutter(attempt)
    for text in writes:
        cutter.write(text)
    assert attempt.open_line == rest
    cutter.finish()
    assert attempt.open_line == ""


def test_a_line_that_is_too_long_is_open_no_more(attempt):
    cutter = LineCutter(attempt)
    for _ in range(3):
        cutter.write("x" * 101)
        assert attempt.open_line == ""
    assert len(attempt.lines) == 1


def test_what_is_drawn_is_known_to_the_attempt(attempt):
    cutter = LineCutter(attempt)
    cutter.write("\r1/2")
    assert (attempt.drawn, attempt.drawn_last) == ("1/2", "")
    cutter.write("\r2/2\n")
    assert (attempt.drawn, attempt.drawn_last) == ("2/2", "")
    assert not attempt.lines  # it may be drawn again, with another bar below it
    cutter.settle()
    assert texts(attempt) == ["2/2"]
    assert (attempt.drawn, attempt.drawn_last) == ("", "2/2")
