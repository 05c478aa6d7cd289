"""Frames as JSON, and a traceback of them; what a hostile runner may tell."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import pytest

from livejobs.runner import frames
from livejobs.runner.frames import FRAMES_MAX, NAME_MAX, frames_of, traceback_of


def trace_of(function: Any, *args: Any) -> TracebackType | None:
    try:
        function(*args)
    except BaseException as error:
        return error.__traceback__
    raise AssertionError("it did not raise")


def raises(secret: str = "s3cret") -> None:
    raise ValueError(secret)


def deep(level: int) -> None:
    if level:
        deep(level - 1)
    raise ValueError("deep")


def test_a_traceback_is_told_as_json_and_made_again_without_locals():
    trace = trace_of(raises)
    told = orjson.loads(orjson.dumps(frames_of(trace)))
    assert b"s3cret" not in orjson.dumps(told)
    again = traceback_of(told)
    assert traceback.extract_tb(again)[-1].line == "raise ValueError(secret)"
    assert traceback.format_tb(again)[-1].splitlines()[:2] == traceback.format_tb(trace)[-1].splitlines()[:2]
    assert again is not None
    last = list(traceback.walk_tb(again))[-1][0]
    assert (last.f_locals, last.f_globals["__name__"]) == ({}, __name__)


def test_of_a_deep_traceback_both_ends_are_told():
    told = frames_of(trace_of(deep, 300))
    assert len(told) == FRAMES_MAX
    assert [frame["function"] for frame in (told[0], told[1], told[-1])] == ["trace_of", "deep", "deep"]
    assert len(traceback.extract_tb(traceback_of(told))) == FRAMES_MAX
    assert len(frames_of(trace_of(deep, FRAMES_MAX - 2))) == FRAMES_MAX  # as many as may be


def test_names_that_cannot_be_sent_are_made_fit():
    namespace: dict[str, Any] = {"__name__": 5}
    exec(compile("def f():\n    raise ValueError", "x" * 5_000, "exec"), namespace)
    last = frames_of(trace_of(namespace["f"]))[-1]
    assert (len(last["file"]), last["module"]) == (NAME_MAX, "")
    assert frames._fit("nul \x00 surrogate \udc80") == "nul \ufffd surrogate \ufffd"


def test_without_a_traceback_there_are_no_frames():
    assert frames_of(None) == []
    assert traceback_of([]) is None


def test_globals_that_do_not_answer_leave_none():
    class Rude(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            raise RuntimeError

    namespace = Rude()
    exec("def f():\n    raise ValueError", namespace)
    assert frames_of(trace_of(namespace["f"])) == []


GOOD = {"file": "/a.py", "function": "f", "module": "m", "line": 1}


@pytest.mark.parametrize(
    "told",
    [
        None, 5, "x", {}, {"file": "x"}, [None], [[]], [5], [{}], [{**GOOD, "file": None}], [{**GOOD, "function": 5}],
        [{**GOOD, "module": {}}], [{**GOOD, "line": -1}], [{**GOOD, "line": 2**40}], [{**GOOD, "line": "1"}],
        [{**GOOD, "line": None}], [{**GOOD, "file": "x" * (NAME_MAX + 1)}], [GOOD] * (FRAMES_MAX + 1),
        [GOOD, {**GOOD, "line": 1.5}],
    ],
)  # fmt: skip
def test_what_is_forged_or_broken_is_no_traceback(told):
    assert traceback_of(told) is None


def test_more_than_was_asked_for_is_left_out():
    forged = {**GOOD, "f_locals": {"__traceback_maker": 1}, "tb_next": GOOD, "__builtins__": {}}
    again = traceback_of([forged])
    assert again is not None
    assert again.tb_next is None
    assert again.tb_frame.f_locals == {}


@pytest.mark.parametrize("name", ["/dev/zero", "relative.py", "/no/such.py", "<string>", "<unfinished", "nul\x00"])
def test_only_a_file_of_source_is_read(name):
    again = traceback_of([{**GOOD, "file": name}])
    shown = traceback.extract_tb(again)[0]
    assert (shown.filename[0], shown.filename[-1], shown.line) == ("<", ">", "")


def test_a_pipe_or_an_endless_file_is_not_read(tmp_path: Path, monkeypatch):
    pipe, large = tmp_path / "pipe.py", tmp_path / "large.py"
    os.mkfifo(pipe)
    large.write_text("x = 1\n" * 100)
    monkeypatch.setattr(frames, "SOURCE_MAX", 100)
    again = traceback_of([{**GOOD, "file": str(pipe)}, {**GOOD, "file": str(large)}])
    assert [each.line for each in traceback.extract_tb(again)] == ["", ""]
