"""What a browser without scripts is told of a job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from livejobs.web.without_scripts import LINES_MAX, TEXT_MAX, plain_of

JOB: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors/describe.json").read_text())["rows"][0]["job"]


def line(text: str) -> Any:
    return {"seq": 1, "attempt": 1, "level": "info", "text": text, "at": "2026-10-31T12:00:00.000Z"}


def told(lines: list[Any] | None = None, **job: Any) -> Any:
    return plain_of({**JOB, **job}, lines or [])  # type: ignore[typeddict-item]


def test_params_and_result_are_texts():
    found = told(params={"text": "a <b>", "n": 5, "list": [1, "ä"]}, result={"sum": 7}, state="succeeded")
    assert found.params == [("text", "a <b>"), ("n", "5"), ("list", '[\n  1,\n  "ä"\n]')]
    assert (found.result, found.finished, found.error) == ('{\n  "sum": 7\n}', True, "")
    assert told(result="as it is").result == "as it is"


@pytest.mark.parametrize("params", [None, {}, "odd"])
def test_where_there_is_nothing_nothing_is_told(params):
    found = told(params=params)
    assert (found.params, found.result, found.error, found.log, found.finished) == ([], None, "", "", False)


def test_why_it_failed_in_plain_text():
    assert told(error={"type": "ValueError", "message": "\x1b[31mbad"}).error == "ValueError: bad"
    assert told(error={"type": "", "message": "Killed"}).error == "Killed"


def test_the_end_of_a_long_log_and_the_begin_of_a_large_result():
    found = told([line(f"\x1b[1mline {number}") for number in range(LINES_MAX + 50)], result="x" * (TEXT_MAX + 1))
    assert found.log.splitlines() == [f"line {number}" for number in range(50, LINES_MAX + 50)]
    assert len(found.result) == TEXT_MAX
    assert found.result.endswith("…")
