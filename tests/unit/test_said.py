"""What the chaos suite holds pages against, by the vectors that the page's own rendering passes too."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.support.said import describe, estimate, exact, number, whole

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors/describe.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["rows"], ids=lambda vector: vector["row"]["line"][:40])
def test_row(vector):
    row = asdict(describe(vector["job"], VECTORS["now"], VECTORS["rights"]))
    assert row.pop("id") == vector["job"]["id"]
    assert {**row, "actions": list(row["actions"])} == vector["row"]


def test_scheduled():
    job: Any = {**VECTORS["rows"][0]["job"], "state": "scheduled", "run_at": "2026-10-31T14:05:00.000Z"}
    assert describe(job, VECTORS["now"]).line.startswith("Starts ")


@pytest.mark.parametrize(("value", "text"), VECTORS["numbers"])
def test_numbers(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("duration", "growing", "over", "coming"), VECTORS["durations"])
def test_durations(duration, growing, over, coming):
    assert (whole(duration), exact(duration), estimate(duration)) == (growing, over, coming)
