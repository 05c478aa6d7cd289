"""Calling a job's function: whatever it does, there is an outcome."""

from __future__ import annotations

import builtins
import os
import sys
import time
from typing import Any

import pytest

from livejobs.definition import Attempt, LiveJob
from livejobs.definition.cells import INTERRUPT
from livejobs.errors import JobStopped
from livejobs.runner.outcome import Failed, Outcome, Stopped, Succeeded
from livejobs.runner.perform import perform
from livejobs.states import StopReason
from tests.support.forks import in_a_fork


def an_attempt() -> Attempt:
    return Attempt(7, 1, "tests.task")


def outcome_of(function: Any, params: dict[str, Any] | None = None, **options: Any) -> Outcome:
    """Run this as an attempt of a job."""
    job = LiveJob(function, **options.pop("job", {}))
    attempt = options.pop("attempt", None) or an_attempt()
    return perform(job, params or {}, attempt, **{"max_result_bytes": 1000, **options})


def error_of(outcome: Outcome) -> dict[str, Any]:
    assert isinstance(outcome, Failed)
    return outcome.error


def add(a: int, b: int = 1) -> int:
    return a + b


def fail_with(error: type[BaseException]) -> Any:
    def fails() -> None:
        raise error("not yet")

    return fails


def exit_with(code: Any) -> Any:
    def exits() -> None:
        sys.exit(code)

    return exits


def returning(value: Any) -> Any:
    def returns() -> Any:
        return value

    return returns


def test_what_returns_succeeds_with_its_result():
    assert outcome_of(add, {"a": 2}) == Succeeded(3)
    assert outcome_of(returning(("a", 1.5))) == Succeeded(["a", 1.5])


def test_the_call_gets_the_attempt_the_function_and_its_arguments():
    attempt, seen = an_attempt(), []

    def call(given, function, arguments):
        seen.append((given, function, dict(arguments)))
        return "called"

    assert outcome_of(add, {"a": 2, "b": 3}, attempt=attempt, call=call) == Succeeded("called")
    assert seen == [(attempt, add, {"a": 2, "b": 3})]


def test_an_exception_fails():
    error = error_of(outcome_of(fail_with(ValueError)))
    assert (error["reason"], error["type"], error["message"]) == ("exception", "ValueError", "not yet")
    assert "in fails" in error["traceback"]
    assert "in perform" not in error["traceback"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, BaseException])
def test_what_is_no_exception_fails_too(error):
    assert error_of(outcome_of(fail_with(error)))["type"] == error.__name__


@pytest.mark.parametrize(
    ("options", "error", "may_retry"),
    [
        ({}, ValueError, True),
        ({"give_up_on": LookupError}, KeyError, False),
        ({"retry_on": OSError}, ConnectionError, True),
        ({"retry_on": OSError}, ValueError, False),
        ({"retry_on": OSError, "give_up_on": FileNotFoundError}, FileNotFoundError, False),
    ],
)
def test_whether_another_attempt_may_end_better_is_the_jobs_word(options, error, may_retry):
    outcome = outcome_of(fail_with(error), job={"retries": 1, **options})
    assert isinstance(outcome, Failed)
    assert outcome.may_retry is may_retry


def test_params_that_do_not_fit_fail_and_are_not_tried_again():
    outcome = outcome_of(add, {"a": "no number"})
    assert isinstance(outcome, Failed)
    assert (outcome.error["reason"], outcome.may_retry) == ("params", False)


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), "x" * 2000])
def test_a_result_that_cannot_be_kept_fails_and_is_not_tried_again(value):
    outcome = outcome_of(returning(value))
    assert isinstance(outcome, Failed)
    assert (outcome.error["reason"], outcome.may_retry) == ("result", False)


# ---------------------------------------------------------------- stops


def test_a_stop_that_passes_is_a_stop_for_the_attempts_reason():
    def stops() -> None:
        attempt.check()

    attempt = an_attempt()
    attempt.stop_reason = StopReason.SHUTDOWN
    assert outcome_of(stops, attempt=attempt) == Stopped(StopReason.SHUTDOWN)


def test_a_stop_that_the_job_raised_itself_is_one():
    def stops() -> None:
        raise JobStopped(StopReason.CANCEL)

    assert outcome_of(stops) == Stopped(StopReason.CANCEL)


@pytest.mark.parametrize("then", [None, ValueError, SystemExit])
def test_whatever_it_makes_of_a_stop_that_it_saw_it_was_stopped(then):
    def swallows() -> str:
        with pytest.raises(JobStopped):
            attempt.check()
        if then is not None:
            raise then
        return "a result"

    attempt = an_attempt()
    attempt.stop_reason = StopReason.TIMEOUT
    assert outcome_of(swallows, attempt=attempt) == Stopped(StopReason.TIMEOUT)


@pytest.mark.parametrize("error", [None, ValueError])
def test_an_error_that_an_interrupt_made_of_a_query_is_the_stop_and_a_result_is_a_result(error):
    def queries() -> str:
        attempt.view[INTERRUPT] = 1
        if error is not None:
            raise error
        return "in time"

    attempt = an_attempt()
    attempt.stop_reason = StopReason.CANCEL
    expected = Succeeded("in time") if error is None else Stopped(StopReason.CANCEL)
    assert outcome_of(queries, attempt=attempt) == expected


def test_a_stop_that_it_never_saw_changes_nothing():
    def returns() -> str:
        attempt.stop_reason = StopReason.CANCEL
        return "in time"

    attempt = an_attempt()
    assert outcome_of(returns, attempt=attempt) == Succeeded("in time")


@pytest.mark.parametrize("error", [None, ValueError])
def test_what_ended_after_its_time_did_not_succeed(error):
    def late() -> None:
        time.sleep(0.02)
        if error is not None:
            raise error

    assert outcome_of(late, timeout=0.01) == Stopped(StopReason.TIMEOUT)


def test_what_ended_within_its_time_did():
    assert outcome_of(add, {"a": 1}, timeout=60.0) == Succeeded(2)


# ---------------------------------------------------------------- programs


@pytest.mark.parametrize("code", [None, 0, False])
def test_a_program_that_says_it_is_done_succeeds(code):
    assert outcome_of(exit_with(code)) == Succeeded(None)


@pytest.mark.parametrize("name", ["exit", "quit"])
def test_so_do_the_words_of_a_console(name, monkeypatch):
    def leaves() -> None:
        getattr(builtins, name)()

    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115 - the word closes it
    assert outcome_of(leaves) == Succeeded(None)


def test_a_program_that_exits_with_a_text_fails_with_it():
    error = error_of(outcome_of(exit_with("no such file\x00")))
    assert (error["reason"], error["type"], error["message"]) == ("exception", "SystemExit", "no such file\ufffd")


def test_a_program_that_exits_with_a_code_fails_with_what_it_said_last():
    assert error_of(outcome_of(exit_with(2)))["message"] == "Exited with code 2"
    said = error_of(outcome_of(exit_with(2), last_said=lambda: "no such file"))
    assert said["message"] == "Exited with code 2: no such file"
    assert "sys.exit" in said["traceback"]


def test_an_exit_may_be_worth_another_attempt():
    outcome = outcome_of(exit_with(1), job={"retries": 1, "retry_on": SystemExit})
    assert isinstance(outcome, Failed)
    assert outcome.may_retry


@in_a_fork
@pytest.mark.parametrize(
    ("how", "code"), [("returns", 0), ("raises", 1), ("exits", 0), ("exits with 3", 3), ("exits with a text", 1)]
)
def test_the_child_of_a_job_that_forks_ends_as_python_ends_one(how, code):
    def forks() -> int:
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if how == "raises":
            raise ValueError
        if how.startswith("exits"):
            codes: dict[str, Any] = {"exits with 3": 3, "exits with a text": "no such file"}
            sys.exit(codes.get(how))
        return 7

    assert outcome_of(forks) == Succeeded(code)
