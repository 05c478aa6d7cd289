"""Progress read from the line of a bar."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from tqdm import tqdm

from livejobs.definition import Attempt
from livejobs.worker.bars import BarReader, bar_in
from livejobs.worker.lines import LineCutter


def said(text: str) -> tuple[float, float | None, str] | None:
    bar = bar_in(text)
    return None if bar is None else (bar.current, bar.total, bar.message)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (43, 100, "")),
        ({"ascii": True}, (43, 100, "")),
        ({"ascii": " >="}, (43, 100, "")),
        ({"ncols": 0}, (43, 100, "")),
        ({"ncols": 70, "colour": "green"}, (43, 100, "")),
        ({"prefix": "reading"}, (43, 100, "reading")),
        ({"prefix": "a: 50%: [b] 1/2"}, (43, 100, "a: 50%: [b] 1/2")),
        ({"postfix": "loss=0.3, acc=[1, 2]"}, (43, 100, "loss=0.3, acc=[1, 2]")),
        ({"prefix": "train", "postfix": "loss=0.3"}, (43, 100, "train · loss=0.3")),
        ({"unit": " files"}, (43, 100, "")),
        ({"elapsed": 0, "n": 0}, (0, 100, "")),
        ({"elapsed": 100_000}, (43, 100, "")),
        ({"n": 100}, (100, 100, "")),
        ({"n": 0.5, "total": 1.5}, (0.5, 1.5, "")),
        ({"n": 1_200, "total": 10_000, "unit_scale": True}, (1_200, 10_000, "")),
        ({"n": 12.3e6, "total": 1e8, "unit_scale": True, "unit": "B"}, (12_300_000, 100_000_000, "")),
        ({"bar_format": "{l_bar}{bar}|"}, (43, 100, "")),
        ({"bar_format": "{l_bar}{bar}| {n_fmt}/{total_fmt}", "prefix": "x"}, (43, 100, "x")),
        ({"bar_format": "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} files"}, (43, 100, "")),
        ({"bar_format": "{desc} {n_fmt}/{total_fmt} [{elapsed}<{remaining}]", "prefix": "x"}, (43, 100, "x")),
        ({"total": None}, (43, None, "")),
        ({"total": None, "elapsed": 0}, (43, None, "")),
        ({"total": None, "prefix": "rows", "postfix": "bad=3"}, (43, None, "rows · bad=3")),
        ({"total": None, "n": 123_456, "unit": "B", "unit_scale": True}, (123_000, None, "")),
        ({"total": None, "unit": "m"}, (43, None, "")),
        ({"n": 11, "total": 10}, (11, None, "")),
    ],
)
def test_a_bar_of_tqdm_is_read(options, expected):
    assert said(tqdm.format_meter(**{"n": 43, "total": 100, "elapsed": 1.5, **options})) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "50%", "at 50% now", "50% |x|", "100%|yes|", "50%|", "3/4", "3/4 done", "12:30 [info] 3/4",
        "5 files [see 1/2]", "[10:15, 3/4]", "3 [00:01, a/b", "━━━", "━━━ Title ━━━", "a | 50% | b",
        "x" * 2_000 + "50%|###  | 1/2",
    ],
)  # fmt: skip
def test_what_only_looks_alike_says_nothing(text):
    assert said(text) is None


@pytest.mark.parametrize("colours", ["standard", None])
@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([], (43, 100, "reading")),
        ([SpinnerColumn(), *Progress.get_default_columns()], (43, 100, "reading")),
        ([TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()], (86, 200, "reading")),
        ([TextColumn("{task.description}"), MofNCompleteColumn(), BarColumn()], (86, 200, "reading")),
        ([TextColumn("{task.percentage:>3.0f}%"), BarColumn(), TextColumn("{task.description}")], (43, 100, "")),
        ([TextColumn("{task.description}"), BarColumn()], None),
    ],
)
def test_a_bar_of_rich_is_read(columns, expected, colours):
    file = io.StringIO()
    progress = Progress(
        *columns, console=Console(file=file, force_terminal=True, color_system=colours), auto_refresh=False
    )
    progress.add_task("reading", total=200, completed=86)
    progress.console.print(progress)
    assert said(file.getvalue().rstrip("\n")) == expected


def test_of_several_lines_the_topmost_counts_that_has_something_to_do():
    full, half, less = (tqdm.format_meter(n, 4, 1) for n in (4, 2, 1))
    assert said(f"text\n{full}\n{half}\n{less}") == (2, 4, "")
    assert said(f"{full}\n{full}\ntext") == (4, 4, "")


# ---------------------------------------------------------------- one after the other


class Drawing:
    """A job that draws, and what is read."""

    def __init__(self) -> None:
        self.attempt = Attempt(7, 1, "tests.task")
        self.cutter = LineCutter(self.attempt)
        self.reader = BarReader(self.attempt)

    def draw(self, *writes: str) -> tuple[float, float | None, str] | None:
        for text in writes:
            self.cutter.write(text)
        return self.look()

    def look(self) -> tuple[float, float | None, str] | None:
        bar = self.reader.look()
        return None if bar is None else (bar.current, bar.total, bar.message)


def meter(n: int, total: int | None = 4, name: str = "") -> str:
    return f"\r{tqdm.format_meter(n, total, 1, prefix=name)}"


def test_text_moves_nothing():
    drawing = Drawing()
    assert drawing.draw(meter(1).strip(), "\n", "50%") is None
    assert drawing.draw("\n\rloading 50%") is None


def test_progress_stays_where_the_bar_ended():
    drawing = Drawing()
    assert drawing.draw(meter(1)) == (1, 4, "")
    assert drawing.draw(meter(4), "\n") == (4, 4, "")
    assert drawing.draw("done\n", "and more\n") == (4, 4, "")
    drawing.cutter.finish()
    assert drawing.look() == (4, 4, "")


def test_a_bar_that_was_never_looked_at_is_read_as_it_ended():
    drawing = Drawing()
    assert drawing.draw(meter(1), meter(4), "\n", "done\n") == (4, 4, "")


def test_a_second_bar_begins_anew():
    drawing = Drawing()
    assert drawing.draw(meter(4), "\n", "text\n") == (4, 4, "")
    assert drawing.draw(meter(0, 9, "next")) == (0, 9, "next")
    assert drawing.draw(meter(9, 9, "next"), "\n") == (9, 9, "next")


def test_a_bar_may_be_given_up_for_another():
    drawing = Drawing()
    assert drawing.draw(meter(1), "\n", "stopped\n") == (1, 4, "")
    assert drawing.draw(meter(1, 9)) == (1, 4, "")  # it may be one inside of the first, on its way
    assert drawing.draw(meter(2, 9)) == (2, 9, "")


def test_the_last_bar_that_ended_counts_at_the_end():
    drawing = Drawing()
    assert drawing.draw(meter(1)) == (1, 4, "")
    assert drawing.draw(meter(4), "\n", meter(1, 9), meter(9, 9), "\n", "done\n") == (9, 9, "")


def test_a_bar_inside_of_another_moves_nothing():
    drawing = Drawing()
    for outer in range(3):
        drawing.draw(meter(outer, 3, "outer"))
        for number in range(10):
            drawing.draw("\n")
            drawing.draw(meter(number, 9, "inner"))
            drawing.draw("\x1b[A")
            assert drawing.look() == (outer, 3, "outer")
        drawing.draw(meter(9, 9, "inner"))  # it ends in the place of the outer one
        assert drawing.draw("\n") == (outer, 3, "outer")
        drawing.draw(meter(outer + 1, 3, "outer"))
    assert drawing.draw(meter(3, 3, "outer"), "\n") == (3, 3, "outer")
