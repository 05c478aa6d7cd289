"""What the server says of a job and of its timeline, by the vectors that the page's own rendering passes too."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from livejobs.states import EdgeName
from livejobs.web.facts import StepFacts, facts_of, steps_of
from livejobs.web.timeline import Step
from livejobs.web.words import WORDS

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors/describe.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["rows"], ids=lambda vector: vector["row"]["line"][:40])
def test_facts_of_a_row(vector):
    facts = asdict(facts_of(vector["job"], VECTORS["rights"]))
    row = dict(vector["row"])
    line = row.pop("line")
    assert facts.pop("id") == vector["job"]["id"]
    assert facts.pop("error") == (line if vector["job"]["state"] == "failed" else "")
    assert {**facts, "actions": list(facts["actions"])} == row


def test_without_the_right_there_is_no_action():
    assert {facts_of(vector["job"], ["start"]).actions for vector in VECTORS["rows"]} == {()}


def step(edge: str, state: str, **values: Any) -> Step:
    found: Any = {
        "version": 1, "edge": edge, "state": state, "attempt": 1, "at": "2026-10-31T11:59:30.500Z",
        "actor": "", "run_at": None, "error": None, **values,
    }  # fmt: skip
    return found  # type: ignore[no-any-return]


def said(*steps: Step) -> list[tuple[str, str, str, str]]:
    return [(line.kind, line.word, line.what, line.actor) for line in steps_of(steps)]


def test_no_step_is_no_line():
    assert steps_of([]) == []


def test_what_happened_and_who_did_it():
    assert said(
        step("accept", "queued", actor="ada"),
        step("claim", "running", actor="host:7"),
        step("succeed", "succeeded", actor="host:7"),
    ) == [
        ("queued", "Queued", "Accepted", "by ada"),
        ("running", "Running", "Attempt 1 started", "host:7"),
        ("succeeded", "Completed", "Attempt 1 finished", "host:7"),
    ]


def test_times_are_left_to_the_scripts():
    run_at = "2026-10-31T12:00:07.700Z"
    assert steps_of([step("back_off", "retrying", run_at=run_at)]) == [
        StepFacts("retrying", "Retrying", "2026-10-31T11:59:30.500Z", "Attempt 1 failed", run_at, "", None, "")
    ]


def test_a_cancel_says_that_the_attempt_is_being_stopped():
    assert said(
        step("claim", "running"), step("cancel", "running", actor="ada"),
        step("stopping", "running"), step("stop", "cancelled"),
    )[1:] == [
        ("cancelling", "Cancelling", "Cancel asked", "by ada"), ("cancelled", "Cancelled", "Attempt 1 stopped", ""),
    ]  # fmt: skip
    assert said(step("claim", "running"), step("stopping", "running"))[1] == (
        "running",
        "Running",
        "Being stopped",
        "",
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
    (line,) = steps_of([step("fail", "failed", error=error)])
    assert (line.message, line.error) == (message, error)


def test_every_edge_has_its_words():
    assert {f"edge_{edge}" for edge in EdgeName} <= WORDS.keys()


def test_an_edge_of_another_version_is_told_by_its_state():
    assert said(step("teleport", "queued", actor="host:7")) == [("queued", "Queued", "", "host:7")]
