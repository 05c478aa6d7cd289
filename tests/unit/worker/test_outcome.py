"""How an exception is described for the row."""

from __future__ import annotations

import pytest

from livejobs.states import ErrorReason
from livejobs.worker.outcome import MESSAGE_MAX, TRACEBACK_MAX, TYPE_MAX, failure


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


def test_reason_type_message_and_traceback():
    described = failure(ErrorReason.EXCEPTION, caught(ValueError("bad row 7")))
    assert (described["reason"], described["type"], described["message"]) == ("exception", "ValueError", "bad row 7")
    assert described["traceback"].endswith("ValueError: bad row 7\n")
    assert "in caught" in described["traceback"]


def test_hostile_and_long_texts_are_made_fit():
    error = type("E" * 300, (Exception,), {})("nul \x00 surrogate \ud800" + "x" * 5000)
    described = failure(ErrorReason.EXCEPTION, caught(error))
    assert len(described["type"]) == TYPE_MAX
    assert described["message"].startswith("nul \ufffd surrogate \ufffd")
    assert len(described["message"]) == MESSAGE_MAX
    assert "\x00" not in described["traceback"]


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
        described = failure(ErrorReason.EXCEPTION, error)
    assert len(described["traceback"]) == TRACEBACK_MAX


@pytest.mark.parametrize("rude", [RuntimeError, SystemExit, KeyboardInterrupt])
def test_an_error_whose_text_cannot_be_had(rude):
    class RudeError(Exception):
        def __str__(self) -> str:
            raise rude

    described = failure(ErrorReason.EXCEPTION, caught(RudeError()))
    assert described["type"] == "RudeError"
    assert described["message"] == "(its message cannot be shown)"


def test_an_error_that_was_never_raised():
    assert failure(ErrorReason.TIMEOUT, ValueError("x"))["traceback"] == "ValueError: x\n"


def test_our_own_frames_are_left_out():
    namespace: dict[str, object] = {"__name__": "livejobs.worker.task"}
    exec(
        "def outer(error):\n    try:\n        raise_it(error)\n    except BaseException as e:\n        return e\n",
        namespace,
    )

    def raise_it(error):
        raise error

    namespace["raise_it"] = raise_it
    described = failure(ErrorReason.EXCEPTION, namespace["outer"](ValueError("x")))  # type: ignore[operator]
    assert "in raise_it" in described["traceback"]
    assert "in outer" not in described["traceback"]
