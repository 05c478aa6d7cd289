"""How an attempt ended, and how a runner tells its agent."""

from __future__ import annotations

import re
import signal
import traceback
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Final

from livejobs.runner.frames import Frame, frames_of
from livejobs.sanitize import clean, cut
from livejobs.states import ErrorReason, StopReason

_BARE_EXIT: Final = re.compile(r"Exited with code -?\d+")
TYPE_MAX: Final = 255  # characters of an error's type
CAUSES_MAX: Final = 10  # so many exceptions that led to one are looked at
# A process that ended by one of these may have been signalled with everything else of a server that is being stopped
OF_A_SHUTDOWN: Final = frozenset({signal.SIGKILL, signal.SIGTERM})
MESSAGE_MAX: Final = 2_000  # characters of an error message
TRACEBACK_MAX: Final = 60_000  # characters of a traceback


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The function returned; `result` is plain JSON."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The function raised, its process died, or its result is not JSON.

    :param error: what the row, or the timeline, will hold.
    :param may_retry: whether another attempt may end better.
    :param frames: of the function's traceback, for Celery; they are stored nowhere.
    :param signalled: whether a program that the job ran was ended by a signal that a shutdown sends, too.
    """

    error: dict[str, Any]
    may_retry: bool = False
    frames: list[Frame] = field(default_factory=list)
    signalled: bool = False


@dataclass(frozen=True, slots=True)
class Stopped:
    """The attempt was stopped before it returned."""

    reason: StopReason


Outcome = Succeeded | Failed | Stopped


def to_message(outcome: Outcome) -> dict[str, Any]:
    """Write an outcome as JSON."""
    match outcome:
        case Succeeded(result):
            return {"result": result}
        case Failed(error, may_retry, frames, signalled):
            return {"error": error, "may_retry": may_retry, "frames": frames, "signalled": signalled}
        case Stopped(reason):
            return {"stopped": reason.value}


def from_message(message: dict[str, Any]) -> Outcome:
    """Read what a runner told."""
    if "stopped" in message:
        return Stopped(StopReason(message["stopped"]))
    if "error" in message:
        frames, signalled = message.get("frames") or [], bool(message.get("signalled"))
        return Failed(message["error"], bool(message["may_retry"]), frames, signalled)
    return Succeeded(message["result"])


def with_last_line(outcome: Outcome, line: str) -> Outcome:
    """Add what was said last to an exit with a code that says nothing itself: a program that the job ran said it."""
    if isinstance(outcome, Failed) and line and _BARE_EXIT.fullmatch(outcome.error["message"]):
        message = cut(clean(f"{outcome.error['message']}: {line}"), MESSAGE_MAX)
        return replace(outcome, error={**outcome.error, "message": message})
    return outcome


def failed(reason: ErrorReason, error: BaseException, may_retry: bool = False) -> Failed:
    """The outcome of an attempt that an exception ended."""
    return Failed(failure(reason, error), may_retry, frames_of(_own_trace(error)), _is_signalled(error))


def _is_signalled(error: BaseException | None) -> bool:
    """Whether it, or what led to it, carries the code of a program that was ended by SIGTERM or SIGKILL."""
    for _ in range(CAUSES_MAX):
        if error is None:
            return False
        code = getattr(error, "code" if isinstance(error, SystemExit) else "returncode", None)
        if isinstance(code, int) and -code in OF_A_SHUTDOWN:
            return True
        error = error.__cause__ or error.__context__
    return False


def described(reason: ErrorReason, type: str, message: str) -> dict[str, Any]:
    """Describe a failure that is no exception: the end of a process, say."""
    return {"reason": reason.value, "type": type, "message": cut(clean(message), MESSAGE_MAX), "traceback": ""}


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
    try:
        return "".join(traceback.format_exception(type(error), error, _own_trace(error)))
    except BaseException:
        return ""


def _own_trace(error: BaseException) -> TracebackType | None:
    """The traceback from the function's own frame on: ours above it help nobody."""
    trace = error.__traceback__
    while trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith("livejobs.runner"):
        trace = trace.tb_next
    return trace or error.__traceback__
