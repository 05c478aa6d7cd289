"""Calling a job's function: its params, the call, and how it ended."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, NoReturn

from livejobs.definition import Attempt, LiveJob
from livejobs.definition.cells import INTERRUPT
from livejobs.errors import JobStopped
from livejobs.runner.outcome import Outcome, Stopped, Succeeded, described, failed, failure
from livejobs.states import ErrorReason, StopReason

Call = Callable[[Attempt, Callable[..., Any], Mapping[str, Any]], Any]
EXITED: Final = "SystemExit"


def plainly(_attempt: Attempt, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call a function where nothing interrupts it."""
    return function(**arguments)


def perform(
    live_job: LiveJob[..., Any],
    params: Mapping[str, Any],
    attempt: Attempt,
    *,
    max_result_bytes: int,
    call: Call = plainly,
    last_said: Callable[[], str] = str,
    timeout: float | None = None,
) -> Outcome:
    """Run the function and say how it ended.

    Whatever is raised is an outcome: an exception that came out of here would leave a job that nobody finishes, with a
    lease that is renewed for ever.

    :param call: calls the function, so that it can be interrupted.
    :param last_said: the last line of the job's stderr, for a program that exits with a code.
    :param timeout: seconds; what returned later than that did not succeed.
    """
    try:
        arguments = live_job.arguments(params)
    except BaseException as error:
        return failed(ErrorReason.PARAMS, error)
    process, begun = os.getpid(), time.monotonic()
    value: Any = None
    problem: BaseException | None = None
    try:
        value = call(attempt, live_job.func, arguments)
    except BaseException as error:
        problem = error
    if os.getpid() != process:
        _end_child(problem)  # the function forked, and its child came back here: the job is its parent's
    if isinstance(problem, JobStopped):
        return Stopped(attempt.stop_reason or problem.reason)
    interrupted = attempt.raised or (problem is not None and attempt.view[INTERRUPT])
    if interrupted and attempt.stop_reason is not None:
        return Stopped(attempt.stop_reason)  # whatever its clean-up, or a query that was ended, made of the stop
    if timeout is not None and time.monotonic() - begun > timeout:
        return Stopped(StopReason.TIMEOUT)
    if problem is not None:
        return _failed(live_job, problem, last_said)
    try:
        return Succeeded(live_job.dump_result(value, max_bytes=max_result_bytes))
    except BaseException as error:
        return failed(ErrorReason.RESULT, error)


def _end_child(problem: BaseException | None) -> NoReturn:
    """End a process that the function forked, as Python ends one."""
    code = 0
    if isinstance(problem, SystemExit) and isinstance(problem.code, int):
        code = problem.code & 0xFF
    elif problem is not None and getattr(problem, "code", problem) is not None:
        code = 1
        with suppress(Exception):
            print(failure(ErrorReason.EXCEPTION, problem)["traceback"], file=sys.stderr, end="")  # noqa: T201
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)


def _failed(live_job: LiveJob[..., Any], error: BaseException, last_said: Callable[[], str]) -> Outcome:
    may_retry = live_job.is_worth_retrying(error)
    if not isinstance(error, SystemExit):
        return failed(ErrorReason.EXCEPTION, error, may_retry)
    if error.code is None or error.code == 0:
        return Succeeded(None)  # as a program that is done says so
    if isinstance(error.code, int):
        said = last_said()
        message = f"Exited with code {error.code}" + (f": {said}" if said else "")
    else:
        message = str(error.code)
    outcome = failed(ErrorReason.EXCEPTION, error, may_retry)
    return replace(outcome, error={**outcome.error, **_told(message)})


def _told(message: str) -> dict[str, Any]:
    return {"message": described(ErrorReason.EXCEPTION, EXITED, message)["message"]}
