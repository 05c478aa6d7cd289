"""The check of the browsers can fail: of everything that a page may show wrong it says a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.browsers import wrong
from tests.chaos.truth import Truth

IDS = [9, 8, 7, 6, 5]
SAID = {"kind": "succeeded", "word": "Completed", "line": "in 1.0 s", "name": "a", "sub": ""}
TRUTH = Truth(IDS, {job_id: {"said": SAID} for job_id in IDS}, 1, {}, least=2)


def shown(*ids: int, **other: Any) -> dict[str, Any]:
    rows = [{"id": job_id, **SAID} for job_id in ids]
    return {"status": "Live", "count": "1 running", "older": len(ids) < len(IDS), "held": None, "rows": rows, **other}


def test_a_page_that_is_right() -> None:
    assert wrong(shown(9, 8, 7), TRUTH) == []
    assert wrong(shown(*IDS), TRUTH) == []


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        (shown(9, 8, status="Reconnecting…"), "status is"),
        (shown(9, 8, count=""), "count is"),
        (shown(9, 8, older=False), "older is"),
        (shown(9, 8, held="1 new"), "held is"),
        (shown(9, 7, 6), "not the newest"),
        (shown(9), "it shows 1 rows of 5"),
        (shown(9, 4), "(no such job)"),
        (shown(9, 8, rows=[{"id": 9, **SAID}, {"id": 8, **SAID, "word": "Queued"}]), "word reads 'Queued'"),
        (shown(9, 8, rows=[{"id": 9, **SAID}, {"id": 8, **SAID, "line": "in 2.0 s"}]), "line reads"),
    ],
)
def test_a_page_that_is_wrong(page: dict[str, Any], sentence: str) -> None:
    assert any(sentence in found for found in wrong(page, TRUTH)), wrong(page, TRUTH)
