"""How an attempt ended."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from livejobs.sanitize import clean, cut
from livejobs.states import ErrorReason, StopReason

TYPE_MAX: Final = 255  # characters of an error's type
MESSAGE_MAX: Final = 2_000  # characters of an error message
TRACEBACK_MAX: Final = 60_000  # characters of a traceback


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The function returned; `result` is plain JSON."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The function raised, or its result is not JSON. `error` is what the row, or the timeline, will hold."""

    error: dict[str, Any]
    retry_in: timedelta | None = None  # until the next attempt; None: there is none


@dataclass(frozen=True, slots=True)
class Stopped:
    """The attempt was stopped before it returned."""

    reason: StopReason


Outcome = Succeeded | Failed | Stopped


def failure(reason: ErrorReason, error: BaseException) -> dict[str, Any]:
    """Describe an exception for the row: reason, type, message, and the traceback for staff."""
    return {
        "reason": reason.value,
        "type": cut(clean(type(error).__name__), TYPE_MAX),
        "message": cut(clean(_message(error)), MESSAGE_MAX),
        "traceback": clean(_traceback(error))[-TRACEBACK_MAX:],
    }


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # the author's __str__ may do anything; it must not keep the job from its end
        return "(its message cannot be shown)"


def _traceback(error: BaseException) -> str:
    """Format a traceback from the function's own frame on: ours above it help nobody."""
    trace = error.__traceback__
    while trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith("livejobs.worker"):
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))
    except BaseException:
        return ""
