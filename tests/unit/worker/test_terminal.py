"""The rows of a terminal that may still change."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livejobs.worker.terminal import HOLD_SECONDS, MOST_ROWS, Terminal

HIDE, SHOW, UP, ERASE = "\x1b[?25l", "\x1b[?25h", "\x1b[1A", "\x1b[2K"
BACK = f"\r{ERASE}{UP}{ERASE}"  # as rich goes back over two lines


class Screen:
    """A terminal, and what it gave away."""

    def __init__(self, *writes: str, most_text: int = 100) -> None:
        self.lines: list[str] = []
        self.terminal = Terminal(self.lines.append, most_text)
        self.write(*writes)

    def write(self, *writes: str) -> None:
        for text in writes:
            self.terminal.feed(text)

    def finish(self) -> list[str]:
        self.terminal.finish()
        return self.lines


def bar(number: int, name: str = "outer") -> str:
    return f"\r{name} {number}/3"


def inner(number: int) -> tuple[str, str, str]:
    """As tqdm draws a bar inside of another."""
    return "\n", bar(number, "inner"), "\x1b[A"


def test_an_ordinary_line_is_given_away_when_it_ends():
    screen = Screen("one\n", "two\n\nthr", "ee")
    assert screen.lines == ["one", "two", ""]
    assert screen.terminal.text == "three"
    assert screen.terminal.drawn == ""


def test_a_bar_stays_open_until_other_text_begins():
    screen = Screen(bar(1), bar(2), bar(3), "\n")
    assert (screen.lines, screen.terminal.text) == ([], "outer 3/3")
    screen.write("d")
    assert (screen.lines, screen.terminal.text) == (["outer 3/3"], "d")
    screen.write("one\n")
    assert screen.lines == ["outer 3/3", "done"]


def test_each_line_that_is_drawn_once_is_given_away_with_the_next():
    assert Screen("\rone\n\rtwo\n\rthree\n").lines == ["one", "two"]


@pytest.mark.parametrize("ends", ["\r\n", "\r\r\n"])
def test_ends_of_lines_of_other_systems_are_ends_of_lines(ends):
    text = f"one{ends}two{ends}"
    assert Screen(text).lines == Screen(*text).lines == ["one", "two"]


def test_a_bar_inside_of_another_is_one_line_and_is_open_with_it():
    screen = Screen(bar(0))
    for number in range(4):
        screen.write(*inner(number))
    assert screen.lines == []
    assert screen.terminal.text == "outer 0/3\ninner 3/3"
    assert screen.terminal.drawn == "outer 0/3"
    screen.write(bar(1))
    assert screen.terminal.text == "outer 1/3\ninner 3/3"


def test_a_bar_inside_of_another_stays_above_it_when_it_ends():
    screen = Screen(bar(0), *inner(0), *inner(3), bar(3, "inner"), "\n")
    assert screen.terminal.drawn == ""  # nobody knows before the outer one is drawn again
    screen.write(bar(1), *inner(0))
    assert screen.lines == ["inner 3/3"]
    assert screen.terminal.drawn == "outer 1/3"
    screen.write(bar(3, "inner"), "\n", bar(2), bar(3), "\n", "done\n")
    assert screen.lines == ["inner 3/3", "inner 3/3", "outer 3/3", "done"]


def test_a_bar_inside_of_another_may_be_removed():
    screen = Screen(bar(0), *inner(0), *inner(3), "\n", "\r         ", "\x1b[A", bar(3), "\n", "done\n")
    assert screen.lines == ["outer 3/3", "done"]


def test_a_third_bar_and_what_is_written_above_them():
    third = ("\n\n", bar(1, "third"), "\x1b[A\x1b[A")
    screen = Screen(bar(1), *inner(1), *third)
    assert screen.terminal.text == "outer 1/3\ninner 1/3\nthird 1/3"
    screen.write("\r         \r", "hint\n", bar(1), *inner(1), *third)
    assert screen.lines == ["hint"]
    assert screen.terminal.text == "outer 1/3\ninner 1/3\nthird 1/3"
    assert screen.finish() == ["hint", "outer 1/3", "inner 1/3", "third 1/3"]


def test_lines_that_are_drawn_while_the_cursor_is_hidden_are_one_picture():
    screen = Screen(HIDE, "A 1\nB 1", f"{BACK}A 2\nB 2")
    assert (screen.lines, screen.terminal.text, screen.terminal.drawn) == ([], "A 2\nB 2", "A 2\nB 2")
    screen.write(f"{BACK}printed\nA 2\nB 2", f"{BACK}A 3\nB 3")
    assert screen.lines == ["printed"]
    screen.write(f"\n{SHOW}", "done\n")
    assert screen.lines == ["printed", "A 3", "B 3", "done"]


def test_a_picture_can_be_removed():
    screen = Screen(HIDE, "A 1\nB 1", f"\n{SHOW}\r{UP}{ERASE}{UP}{ERASE}", "done\n")
    assert screen.lines == ["done"]
    assert screen.finish() == ["done"]


def test_one_picture_may_follow_another():
    screen = Screen(HIDE, "A\nB", f"\n{SHOW}", HIDE, "C\nD", f"{BACK}E\nF", f"\n{SHOW}")
    assert screen.finish() == ["A", "B", "E", "F"]


def test_lines_while_the_cursor_is_hidden_wait_a_second_only(monkeypatch):
    now = 7.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    screen = Screen(HIDE, "one\n")
    assert screen.lines == []
    now += HOLD_SECONDS
    screen.write("two\n")
    assert screen.lines == ["one", "two"]


def test_a_picture_without_a_hidden_cursor_is_drawn_at_its_place():
    screen = Screen(*(f"a {number}\nb {number}\n\x1b[2A" for number in range(5)))
    assert screen.finish() == ["a 0", "b 0", "a 4", "b 4"]  # the first ones looked like any text


def test_of_another_screen_nothing_stays():
    screen = Screen("before\n", "\x1b[?1049h\x1b[H", HIDE, *["\x1b[Hone\n\rtwo"] * 5, f"{SHOW}\x1b[?1049l", "after\n")
    assert screen.lines == ["before", "after"]


def test_erasing_and_lines_below():
    assert Screen("\rone\x1b[K\n").finish() == ["one"]
    assert Screen("one\r\x1b[Ktwo\n").finish() == ["two"]
    assert Screen("one\x1b[Gtwo\n").finish() == ["two"]
    assert Screen("a\rb", *inner(1), "\r\x1b[J", "c\n").finish() == ["c"]
    assert Screen("a\rb", *inner(1), "\x1b[B\rc\x1b[F", "d").finish() == ["d", "c"]
    assert Screen("\x1b[31mred\x1b[0m\n\x1b[H\x1b[2Jx").finish() == ["\x1b[31mred\x1b[0m", "x"]


def test_what_is_open_is_bounded():
    screen = Screen(HIDE, *(f"{number}\n" for number in range(MOST_ROWS + 20)))
    assert screen.lines == [str(number) for number in range(21)]
    assert len(screen.terminal.text) <= 100
    assert screen.terminal.text.endswith("68\n69")
    screen = Screen("\x1b[99999A" * 3, "\r" + "x" * 300)
    assert len(screen.terminal._rows) <= MOST_ROWS
    assert len(screen.finish()[0]) == 101  # whoever takes it cuts it, and says so


def test_what_might_be_drawn_again_is_given_away_before_something_else():
    screen = Screen(bar(3), "\n")
    screen.terminal.settle()
    assert screen.lines == ["outer 3/3"]
    screen = Screen(bar(1), *inner(1))
    screen.terminal.settle()
    assert screen.lines == []  # these are drawn again for sure
    screen = Screen(HIDE, "A\nB", f"{BACK}C 1/2\nD 2/2", f"\n{SHOW}")
    screen.terminal.settle()
    assert screen.lines == screen.terminal.ended.split("\n") == ["C 1/2", "D 2/2"]


def test_the_last_row_with_a_bar_that_ended_is_known():
    screen = Screen(bar(1), bar(3), "\n", "done 1/1\n", "\rcount\n", "text\n")
    assert screen.terminal.ended == "outer 3/3"


def test_a_command_that_is_not_whole_is_kept():
    screen = Screen(*f"{HIDE}A\nB{BACK}C\nD\n{SHOW}")
    assert screen.finish() == ["C", "D"]
    assert Screen("one\x1b[").finish() == ["one\x1b["]


# ---------------------------------------------------------------- whatever is written


def chunks(text: str, sizes: list[int]) -> list[str]:
    found = []
    for size in sizes:
        found.append(text[:size])
        text = text[size:]
    return [*found, text]


@given(st.text("ab \n\x1b[m", max_size=60), st.lists(st.integers(1, 9)))
def test_text_without_drawing_is_lost_nowhere_and_doubled_nowhere(text, sizes):
    text = re.sub("\x1b(?!\\[m)", "", text)
    screen = Screen(*chunks(text, sizes))
    *lines, rest = text.split("\n")
    assert screen.lines == lines
    assert screen.terminal.text == rest
    assert screen.finish() == [*lines, *([rest] if rest else [])]


@given(st.text("ab \n\r", max_size=60), st.lists(st.integers(1, 9)))
def test_of_lines_with_carriage_returns_the_last_state_is_kept(text, sizes):
    screen = Screen(*chunks(text, sizes))
    shown = [re.split("\r+", line.rstrip("\r"))[-1] for line in text.split("\n")]
    assert [line for line in screen.finish() if line.strip()] == [line for line in shown if line.strip()]


@given(
    st.lists(
        st.sampled_from(["a", "b\n", "\n", "\r", UP, ERASE, HIDE, SHOW, "\x1b[J", "\x1b[5A", "\x1b[H"]), max_size=60
    )
)
def test_whatever_is_drawn_the_rows_are_in_order(writes):
    screen = Screen()
    for text in writes:
        screen.write(text)
        assert 0 <= screen.terminal._at < len(screen.terminal._rows) <= MOST_ROWS
        assert screen.terminal._bottom < len(screen.terminal._rows)
        assert isinstance(screen.terminal.drawn, str)
    screen.finish()
    lines = len(screen.lines)
    screen.write("plain\n")
    assert screen.lines[lines:] == ["plain"]
