"""Celery's `current_task`, in the process in which a job's function runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from celery._state import _task_stack  # type: ignore[attr-defined]  # as Celery's own Task.__call__

from livejobs.definition import Attempt
from livejobs.hints import publishing


@contextmanager
def as_current_task(attempt: Attempt, params: Mapping[str, Any]) -> Iterator[None]:
    """Be Celery's current task until the block ends."""
    task = publishing.celery_app().tasks.get(attempt.task)
    if task is None:
        yield
        return
    identity = publishing.celery_id(attempt.id, attempt.number)
    _task_stack.push(task)
    # not called directly: a task that the job sends is its child. Its priority would be read in `delivery_info`
    task.push_request(
        id=identity, root_id=identity, task=task.name, args=[], kwargs=dict(params), delivery_info={},
        called_directly=False, is_eager=False, headers={},  # None would be looked for, which takes long
    )  # fmt: skip
    try:
        yield
    finally:
        task.pop_request()
        _task_stack.pop()
