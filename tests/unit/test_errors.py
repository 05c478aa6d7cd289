"""The tree of errors: drawn in the docstring as it is, each with a code of the wire and a sentence."""

from __future__ import annotations

import pytest

from livejobs import errors
from livejobs.errors import InvalidError, JobStopped, LivejobsError, NotFoundError, TooLargeError
from livejobs.protocol import ErrorCode
from livejobs.states import StopReason

EVERY = [
    value
    for name, value in sorted(vars(errors).items())
    if isinstance(value, type) and issubclass(value, LivejobsError) and value.__module__ == errors.__name__
]


@pytest.mark.parametrize("error", EVERY)
def test_the_docstring_is_the_message(error):
    raised = error()

    assert str(raised) == raised.message == error.__doc__
    assert raised.message.endswith(".")
    assert isinstance(raised.code, ErrorCode)
    assert raised.fields == {}


@pytest.mark.parametrize("error", EVERY)
def test_every_error_is_drawn_in_the_tree(error):
    assert error.__name__ in (errors.__doc__ or "")


def test_a_better_message_and_fields_are_kept():
    error = InvalidError("Two fields are not right.", fields={"month": "Must be a month."})

    assert str(error) == "Two fields are not right."
    assert error.fields == {"month": "Must be a month."}


def test_codes_a_client_tells_apart():
    assert NotFoundError.code is ErrorCode.NOT_FOUND
    assert TooLargeError.code is ErrorCode.TOO_LARGE
    assert issubclass(TooLargeError, InvalidError)


def test_a_stop_passes_through_except_exception():
    def stubborn() -> None:
        try:
            raise JobStopped(StopReason.SHUTDOWN)
        except Exception:
            pytest.fail("`except Exception` swallowed the stop")

    with pytest.raises(JobStopped, match="shutdown") as caught:
        stubborn()
    assert caught.value.reason is StopReason.SHUTDOWN
    assert JobStopped().reason is StopReason.CANCEL
