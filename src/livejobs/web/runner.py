"""The runner before its scripts run: the chosen task's form, to be seen and not to be used, as large as it will be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from livejobs.protocol import TaskInfo


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `control` is `checkbox`, `select`, `textarea`, or the type of an `input`."""

    name: str
    title: str
    hint: str
    required: bool
    control: str


@dataclass(frozen=True, slots=True)
class Runner:
    """A task's form.

    :param hint: what the task does: the first paragraph of its documentation.
    :param foldable: whether a phone may show the task and its button only: nothing has to be filled in.
    """

    name: str
    title: str
    hint: str
    fields: list[Field]
    foldable: bool


def runner_of(tasks: Sequence[TaskInfo], chosen: str) -> Runner | None:
    """The form of the task of that name, else of the first; None where there is nothing to start."""
    task = next((task for task in tasks if task["name"] == chosen), tasks[0] if tasks else None)
    if task is None:
        return None
    schema: dict[str, Any] = task["schema"]
    required = schema.get("required", [])
    return Runner(
        name=task["name"],
        title=task["title"],
        hint=task["doc"].split("\n\n", 1)[0],
        fields=[
            Field(name, each["title"], each.get("description", ""), name in required, _control(each))
            for name, each in schema.get("properties", {}).items()
        ],
        foldable=not required,
    )


def _control(schema: dict[str, Any]) -> str:
    """Which control it gets; `fields.js` says what it holds."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "enum" in schema:
        return "select"
    if types[0] == "boolean":
        return "select" if "null" in types else "checkbox"
    return {"textarea": "textarea", "date": "date"}.get(schema.get("format", ""), "text")
