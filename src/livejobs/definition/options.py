"""The options of `@live_job`, each with its default and the sentence that says what would be right."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

Errors = type[BaseException] | tuple[type[BaseException], ...]
Permission = str | Callable[[Any, dict[str, Any]], bool]
IsRight = Callable[[Any], bool]

QUEUE_RULE: Final = "is no queue; a queue's name has letters, digits, `_`, `.` and `-` only"
_QUEUE: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")  # what every broker and the channel layer take in a name
_BYTES: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(i)?)?B?", re.IGNORECASE)
_LONGEST_SECONDS: Final = 3.0e9  # about a century


class OptionError(ValueError):
    """Options are not right; `reasons` say what would be."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(reasons))


def is_queue(value: Any) -> bool:
    """Whether this can be the name of a queue."""
    return isinstance(value, str) and _QUEUE.fullmatch(value) is not None


def is_seconds(value: Any, *, least: float = 0) -> bool:
    """Whether this is a finite number of seconds, `least` or more."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and least <= value < _LONGEST_SECONDS


def bytes_of(value: Any) -> int | None:
    """Read an amount of memory: bytes, or a text such as `2 GB` or `512 MiB`; None if it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value > 0 else None
    found = _BYTES.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    number, prefix, binary = found.groups()
    return (
        int(float(number) * (1024 if binary else 1000) ** ("KMGT".index(prefix.upper()) + 1 if prefix else 0)) or None
    )


def shown_bytes(amount: int) -> str:
    """Write an amount of memory, in its largest unit."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "KB")):
        if amount >= 1000**power:
            return f"{amount / 1000**power:.3g} {unit}"
    return f"{amount} B"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _is_errors(value: Any) -> bool:
    classes = value if isinstance(value, tuple) else (value,)
    return all(isinstance(each, type) and issubclass(each, BaseException) for each in classes)


def _or_none(is_right: IsRight) -> IsRight:
    return lambda value: value is None or is_right(value)


def _is_a(*types: type) -> IsRight:
    return lambda value: isinstance(value, types)


def _option(default: Any, is_right: IsRight, rule: str) -> Any:
    """One option.

    :param rule: what is said of a value that is not right; `{value}` stands for it.
    """
    return field(default=default, metadata={"is_right": is_right, "rule": rule})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `@live_job` may be told about a function.

    :param title: what people see; default: the function's name in words.
    :param queue: the queue it waits in; default: the setting QUEUE.
    :param retries: how often it runs again after an exception, by itself.
    :param backoff: seconds before the first of these; each further wait is twice as long; default: BACKOFF_SECONDS.
    :param backoff_max: the longest wait, in seconds; default: BACKOFF_MAX_SECONDS.
    :param retry_on: the exceptions worth another try; default: every Exception.
    :param give_up_on: those of them that are not.
    :param max_losses: how often a lost job is run again; 0 for one that must never run twice; default: MAX_LOSSES.
    :param timeout: seconds an attempt may take before it is stopped, and the job fails.
    :param memory: how much its processes may use before they are ended and the job fails: bytes, or "2 GB".
    :param fresh: whether each attempt has a process of its own, instead of one in which other jobs ran before.
    :param expose: whether people may start it from outside the code; default: the setting EXPOSE.
    :param permission: who of them: a Django permission name, or a callable of (user, params).
    :raises OptionError: values are not right.
    """

    title: str = _option("", _is_a(str), "title must be text")
    queue: str | None = _option(None, _or_none(is_queue), f"queue={{value!r}} {QUEUE_RULE}")
    retries: int = _option(0, _is_count, "retries must be a whole number, 0 or more")
    backoff: float | None = _option(None, _or_none(is_seconds), "backoff must be a number of seconds, 0 or more")
    backoff_max: float | None = _option(
        None, _or_none(is_seconds), "backoff_max must be a number of seconds, 0 or more"
    )
    retry_on: Errors = _option(Exception, _is_errors, "retry_on must be an exception class, or a tuple of them")
    give_up_on: Errors = _option((), _is_errors, "give_up_on must be an exception class, or a tuple of them")
    max_losses: int | None = _option(None, _or_none(_is_count), "max_losses must be a whole number, 0 or more")
    timeout: float | None = _option(
        None,
        _or_none(lambda value: is_seconds(value) and value > 0),
        "timeout must be a number of seconds, more than 0",
    )
    memory: int | str | None = _option(
        None, _or_none(lambda value: bytes_of(value) is not None), 'memory must be bytes, or a text such as "2 GB"'
    )
    fresh: bool = _option(False, _is_a(bool), "fresh must be True or False")
    expose: bool | None = _option(None, _or_none(_is_a(bool)), "expose must be True or False")
    permission: Permission | None = _option(
        None,
        lambda value: value is None or isinstance(value, str) or callable(value),
        "permission must be the name of a Django permission, or a callable of (user, params)",
    )

    @property
    def memory_bytes(self) -> int | None:
        """How much memory its processes may use."""
        return None if self.memory is None else bytes_of(self.memory)

    def __post_init__(self) -> None:
        reasons = [
            each.metadata["rule"].format(value=value)
            for each in fields(self)
            if not each.metadata["is_right"](value := getattr(self, each.name))
        ]
        if reasons:
            raise OptionError(reasons)


NAMES: Final = tuple(each.name for each in fields(Options))


def options_of(given: Mapping[str, Any]) -> Options:
    """Make options of what was given to the decorator.

    :raises OptionError: there are no such options, or values are not right.
    """
    unknown = [f"there is no option {name}; there are {', '.join(NAMES)}" for name in given if name not in NAMES]
    try:
        options = Options(**{name: value for name, value in given.items() if name in NAMES})
    except OptionError as error:
        raise OptionError([*unknown, *error.reasons]) from None
    if unknown:
        raise OptionError(unknown)
    return options
