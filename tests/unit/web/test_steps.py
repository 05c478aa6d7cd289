"""What the timeline says of each step."""

from __future__ import annotations

from typing import Any

import pytest

from livejobs.states import EDGES
from livejobs.web.steps import lines_of
from livejobs.web.timeline import Step
from livejobs.web.words import WORDS

NOW = 1793448000500  # 2026-10-31T12:00:00.500Z


def step(edge: str, state: str, second: int, **values: Any) -> Step:
    found: Any = {
        "version": second, "edge": edge, "state": state, "attempt": 1, "at": f"2026-10-31T11:59:{second:02}.500Z",
        "actor": "", "run_at": None, "error": None, **values,
    }  # fmt: skip
    return found  # type: ignore[no-any-return]


def said(*steps: Step) -> list[tuple[str, str, str]]:
    return [(line.word, line.took, line.rest) for line in lines_of(steps, NOW)]


def test_no_step_is_no_line():
    assert lines_of([], NOW) == []


def test_how_long_the_job_stayed_at_each_step():
    assert said(
        step("accept", "queued", 40, actor="ada"),
        step("claim", "running", 42, actor="host:7"),
        step("succeed", "succeeded", 45, actor="host:7"),
    ) == [
        ("Queued", "2.0 s", "Accepted · by ada"),
        ("Running", "3.0 s", "Attempt 1 started · host:7"),
        ("Completed", "", "Attempt 1 finished · host:7"),
    ]


def test_the_last_step_of_an_unfinished_job_goes_on():
    assert said(step("claim", "running", 30)) == [("Running", "30 s", "Attempt 1 started")]


def test_a_cancel_says_that_the_attempt_is_being_stopped():
    cancelled = said(
        step("claim", "running", 30), step("cancel", "running", 40, actor="ada"),
        step("stopping", "running", 41), step("stop", "cancelled", 44),
    )  # fmt: skip
    assert cancelled[1:] == [("Cancelling", "4.0 s", "Cancel asked · by ada"), ("Cancelled", "", "Attempt 1 stopped")]
    assert said(step("claim", "running", 30), step("stopping", "running", 50))[1] == (
        "Running",
        "10 s",
        "Being stopped",
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ({"reason": "exception", "type": "ValueError", "message": "bad row 7"}, "bad row 7"),
        ({"reason": "lost", "type": "", "message": "any"}, "The worker stopped before this job finished"),
        ({"reason": "timeout", "type": "", "message": "any"}, "Stopped after its time limit"),
    ],
)
def test_what_went_wrong(error, message):
    (line,) = lines_of([step("fail", "failed", 30, error=error)], NOW)
    assert (line.message, line.error) == (message, error)


def test_every_edge_has_its_words():
    assert {f"edge_{edge}" for edge in ("accept", "cancel", *(edge.name for edge in EDGES))} <= WORDS.keys()


def test_an_edge_of_another_version_is_told_by_its_state():
    assert said(step("teleport", "queued", 30, actor="host:7")) == [("Queued", "30 s", "host:7")]
