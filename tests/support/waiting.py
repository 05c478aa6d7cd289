"""Waiting for a condition instead of sleeping: a test never guesses how long something takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
STEP = 0.01  # seconds between two looks


def wait_for(condition: Callable[[], T | None], timeout: float = 10, message: str = "") -> T:
    """Return the first true value of `condition()`, or fail the test after `timeout` seconds.

    An AssertionError inside the condition counts as "not yet", and is what a timeout shows.
    """
    deadline = time.monotonic() + timeout
    while True:
        value, why = _look(condition)
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_sentence(timeout, message, value, why)) from why
        time.sleep(STEP)


async def await_for(condition: Callable[[], T | None], timeout: float = 10, message: str = "") -> T:
    """Do as `wait_for`, and let the event loop run in between."""
    deadline = time.monotonic() + timeout
    while True:
        value, why = _look(condition)
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_sentence(timeout, message, value, why)) from why
        await asyncio.sleep(STEP)


def _look(condition: Callable[[], T | None]) -> tuple[T | None, AssertionError | None]:
    try:
        return condition(), None
    except AssertionError as error:
        return None, error


def _sentence(timeout: float, message: str, value: object, why: AssertionError | None) -> str:
    return f"{message or 'The condition'} was not so within {timeout:g} s; last seen: {why if why else value!r}"
