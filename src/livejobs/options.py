"""What the options of a live job may be, each with the sentence that says what would be right."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from livejobs.signatures import refuse

QUEUE_RULE: Final = "is no queue; a queue's name has letters, digits, `_`, `.` and `-` only"
_QUEUE: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")  # what every broker and the channel layer take in a name
_LONGEST_SECONDS: Final = 3.0e9  # about a century


def is_queue(value: Any) -> bool:
    """Whether this can be the name of a queue."""
    return isinstance(value, str) and _QUEUE.fullmatch(value) is not None


def is_seconds(value: Any, *, least: float = 0) -> bool:
    """Whether this is a finite number of seconds, `least` or more."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and least <= value < _LONGEST_SECONDS


def check_options(func: Callable[..., Any], **given: Any) -> None:
    """Refuse the first option that is not right.

    :raises DefinitionError: it names the function, the option, and what would be right.
    """
    for name, value in given.items():
        is_right, rule = _RULES[name]
        if not is_right(value):
            raise refuse(func, rule.format(value=value))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _is_errors(value: Any) -> bool:
    classes = value if isinstance(value, tuple) else (value,)
    return all(isinstance(each, type) and issubclass(each, BaseException) for each in classes)


def _or_none(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or is_right(value)


def _is_a(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


_RULES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "title": (_is_a(str), "title must be text"),
    "queue": (_or_none(is_queue), f"queue={{value!r}} {QUEUE_RULE}"),
    "retries": (_is_count, "retries must be a whole number, 0 or more"),
    "backoff": (_or_none(is_seconds), "backoff must be a number of seconds, 0 or more"),
    "backoff_max": (_or_none(is_seconds), "backoff_max must be a number of seconds, 0 or more"),
    "retry_on": (_is_errors, "retry_on must be an exception class, or a tuple of them"),
    "give_up_on": (_is_errors, "give_up_on must be an exception class, or a tuple of them"),
    "max_losses": (_or_none(_is_count), "max_losses must be a whole number, 0 or more"),
    "timeout": (
        _or_none(lambda value: is_seconds(value) and value > 0),
        "timeout must be a number of seconds, more than 0",
    ),
    "expose": (_or_none(_is_a(bool)), "expose must be True or False"),
    "permission": (
        lambda value: value is None or isinstance(value, str) or callable(value),
        "permission must be the name of a Django permission, or a callable of (user, params)",
    ),
}
