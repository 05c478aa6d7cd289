"""The runner as the server renders it: a form of the same size as the one that the scripts put in its place."""

from __future__ import annotations

from typing import Any

import pytest

from livejobs.web.runner import runner_of


def task(name: str, required: tuple[str, ...] = (), **properties: Any) -> Any:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"name": name, "title": name.upper(), "doc": "What it does.\n\nAt length.", "schema": schema}


def test_nothing_to_start():
    assert runner_of([], "any") is None


@pytest.mark.parametrize(("chosen", "shown"), [("two", "two"), ("one", "one"), ("", "one"), ("other", "one")])
def test_the_chosen_task_else_the_first(chosen, shown):
    runner = runner_of([task("one"), task("two")], chosen)
    assert runner is not None
    assert (runner.name, runner.title, runner.hint) == (shown, shown.upper(), "What it does.")


@pytest.mark.parametrize(
    ("schema", "control"),
    [
        ({"type": "string"}, "text"),
        ({"type": "integer"}, "text"),
        ({"type": ["string", "null"]}, "text"),
        ({"type": "string", "format": "textarea"}, "textarea"),
        ({"type": ["string", "null"], "format": "date"}, "date"),
        ({"type": "string", "enum": ["a", "b"]}, "select"),
        ({"type": "boolean"}, "checkbox"),
        ({"type": ["boolean", "null"]}, "select"),
    ],
)
def test_the_control_of_a_field(schema, control):
    runner = runner_of([task("one", ("field",), field={"title": "Field", "description": "Say it.", **schema})], "")
    assert runner is not None
    (field,) = runner.fields
    assert (field.name, field.title, field.hint, field.required) == ("field", "Field", "Say it.", True)
    assert field.control == control
    assert not runner.foldable


def test_a_task_that_asks_for_nothing_can_be_folded():
    runner = runner_of([task("one", field={"type": "string", "title": "Field"})], "")
    assert runner is not None
    assert runner.foldable
    assert not runner.fields[0].required
