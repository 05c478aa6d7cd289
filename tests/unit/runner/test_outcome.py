"""How an attempt's end is described for the row, and told to the agent."""

from __future__ import annotations

import signal
import subprocess

import orjson
import pytest

from livejobs.runner.outcome import (
    MESSAGE_MAX,
    TRACEBACK_MAX,
    TYPE_MAX,
    Failed,
    Outcome,
    Stopped,
    Succeeded,
    described,
    failed,
    failure,
    from_message,
    to_message,
    with_last_line,
)
from livejobs.states import ErrorReason, StopReason


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


def test_reason_type_message_and_traceback():
    found = failure(ErrorReason.EXCEPTION, caught(ValueError("bad row 7")))
    assert (found["reason"], found["type"], found["message"]) == ("exception", "ValueError", "bad row 7")
    assert found["traceback"].endswith("ValueError: bad row 7\n")
    assert "in caught" in found["traceback"]


def test_hostile_and_long_texts_are_made_fit():
    error = type("E" * 300, (Exception,), {})("nul \x00 surrogate \ud800" + "x" * 5000)
    found = failure(ErrorReason.EXCEPTION, caught(error))
    assert len(found["type"]) == TYPE_MAX
    assert found["message"].startswith("nul \ufffd surrogate \ufffd")
    assert len(found["message"]) == MESSAGE_MAX
    assert "\x00" not in found["traceback"]


def test_a_long_traceback_keeps_its_end():
    def deep(level: int) -> None:
        if level:
            one(level - 1)
        raise ValueError("y" * TRACEBACK_MAX)

    def one(level: int) -> None:
        deep(level)

    try:
        deep(100)
    except ValueError as error:
        found = failure(ErrorReason.EXCEPTION, error)
    assert len(found["traceback"]) == TRACEBACK_MAX


@pytest.mark.parametrize("rude", [RuntimeError, SystemExit, KeyboardInterrupt])
def test_an_error_whose_text_cannot_be_had(rude):
    class RudeError(Exception):
        def __str__(self) -> str:
            raise rude

    found = failure(ErrorReason.EXCEPTION, caught(RudeError()))
    assert found["type"] == "RudeError"
    assert found["message"] == "(its message cannot be shown)"


def test_an_error_that_was_never_raised():
    assert failure(ErrorReason.TIMEOUT, ValueError("x"))["traceback"] == "ValueError: x\n"


def test_our_own_frames_are_left_out():
    namespace: dict[str, object] = {"__name__": "livejobs.runner.perform"}
    exec(
        "def outer(error):\n    try:\n        raise_it(error)\n    except BaseException as e:\n        return e\n",
        namespace,
    )

    def raise_it(error):
        raise error

    namespace["raise_it"] = raise_it
    found = failure(ErrorReason.EXCEPTION, namespace["outer"](ValueError("x")))  # type: ignore[operator]
    assert "in raise_it" in found["traceback"]
    assert "in outer" not in found["traceback"]


def test_what_is_no_exception_has_no_traceback():
    found = described(ErrorReason.CRASHED, "", "nul \x00" + "x" * 5000)
    assert (found["reason"], found["type"], found["traceback"]) == ("crashed", "", "")
    assert found["message"].startswith("nul \ufffd")
    assert len(found["message"]) == MESSAGE_MAX


@pytest.mark.parametrize(
    "outcome",
    [
        Succeeded(None),
        Succeeded({"error": 1, "stopped": 2, "result": [1.5, "é", None]}),
        Failed(described(ErrorReason.EXCEPTION, "ValueError", "bad row")),
        Failed(failure(ErrorReason.RESULT, ValueError("x")), may_retry=True),
        failed(ErrorReason.EXCEPTION, caught(ValueError("x")), may_retry=True),
        *map(Stopped, StopReason),
    ],
)
def test_an_outcome_is_told_as_json_and_read_again(outcome: Outcome):
    assert from_message(orjson.loads(orjson.dumps(to_message(outcome)))) == outcome


def test_a_failure_has_its_frames_and_the_error_that_is_stored_has_none():
    outcome = failed(ErrorReason.EXCEPTION, caught(ValueError("x")))
    assert [frame["function"] for frame in outcome.frames] == ["caught"]
    assert set(outcome.error) == {"reason", "type", "message", "traceback"}
    assert failed(ErrorReason.EXCEPTION, ValueError("never raised")).frames == []


def test_what_was_said_last_is_added_and_the_frames_are_kept():
    frames = [{"file": "/a.py", "function": "f", "module": "m", "line": 1}]
    outcome = Failed(described(ErrorReason.EXCEPTION, "SystemExit", "Exited with code 2"), True, frames)
    said = with_last_line(outcome, "no such file")
    assert isinstance(said, Failed)
    assert said.error["message"] == "Exited with code 2: no such file"
    assert (said.may_retry, said.frames) == (True, frames)


def test_a_failure_that_is_told_without_frames_has_none():
    error = described(ErrorReason.EXCEPTION, "ValueError", "bad row")
    assert from_message({"error": error, "may_retry": False}) == Failed(error)


def of_a_program(code: int) -> BaseException:
    return caught(subprocess.CalledProcessError(code, ["ffmpeg"]))


def led_to(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "signalled"),
    [
        (of_a_program(-signal.SIGKILL), True),
        (of_a_program(-signal.SIGTERM), True),
        (of_a_program(-signal.SIGSEGV), False),
        (of_a_program(9), False),
        (led_to(RuntimeError("no film"), of_a_program(-signal.SIGTERM)), True),
        (SystemExit(-signal.SIGKILL), True),
        (SystemExit("-9"), False),
        (ValueError("x"), False),
        (led_to(ValueError("x"), ValueError("y")), False),
    ],
)
def test_a_failure_says_whether_a_program_of_the_job_was_ended_as_a_shutdown_does(error, signalled):
    assert failed(ErrorReason.EXCEPTION, error).signalled is signalled


def test_exceptions_that_lead_to_each_other_are_looked_at_with_an_end():
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    assert not failed(ErrorReason.EXCEPTION, one).signalled
