"""Every record that an operator may see has a name and fields."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import livejobs
from livejobs.log_events import LogEvent, fields

SOURCE = Path(livejobs.__file__).parent
SHOWN = {"info", "warning", "error", "exception", "critical", "log"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger, with its place; `debug` is for us alone."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in SHOWN and isinstance(node.func.value, ast.Name) and node.func.value.id == "logger":
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node


def test_there_are_such_records():
    assert len(list(calls())) >= len(LogEvent)


@pytest.mark.parametrize(("place", "call"), list(calls()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_record_has_an_event(place, call):
    assert any(keyword.arg == "extra" for keyword in call.keywords), place


def test_every_event_is_logged_somewhere():
    source = "".join(path.read_text() for path in SOURCE.rglob("*.py") if path.name != "log_events.py")
    assert [event.name for event in LogEvent if f"LogEvent.{event.name}" not in source] == []


def test_fields_are_what_a_record_gets_beside_its_text():
    assert fields(LogEvent.JOB_SILENT, job=1, worker="host:1") == {"event": "job.silent", "job": 1, "worker": "host:1"}
