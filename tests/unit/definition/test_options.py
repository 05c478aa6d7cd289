"""The options of `@live_job`: defaults, and what each may be."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from livejobs.definition.options import NAMES, OptionError, Options, is_queue, is_seconds


def test_the_defaults_are_right_themselves():
    assert NAMES == tuple(each.name for each in fields(Options))
    assert Options().retry_on is Exception


def test_options_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Options().retries = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"title": 3}, "title must be text"),
        ({"queue": "a b"}, "queue='a b' is no queue; a queue's name has letters, digits, `_`, `.` and `-` only"),
        ({"retries": True}, "retries must be a whole number, 0 or more"),
        ({"backoff": float("nan")}, "backoff must be a number of seconds, 0 or more"),
        ({"retry_on": "ValueError"}, "retry_on must be an exception class, or a tuple of them"),
        ({"give_up_on": [ValueError]}, "give_up_on must be an exception class, or a tuple of them"),
        ({"max_losses": -1}, "max_losses must be a whole number, 0 or more"),
        ({"timeout": 0}, "timeout must be a number of seconds, more than 0"),
        ({"expose": "yes"}, "expose must be True or False"),
        ({"permission": 7}, "permission must be the name of a Django permission, or a callable of (user, params)"),
    ],
)
def test_a_value_that_is_not_right_is_refused_with_what_would_be(options, sentence):
    with pytest.raises(OptionError) as caught:
        Options(**options)
    assert str(caught.value) == sentence


def test_the_name_of_a_queue_goes_into_group_names_and_addresses():
    assert is_queue("reports.slow-2_x")
    assert not any(map(is_queue, ["", "a" * 256, "a:b", "ä", "a\n", 3, None]))


def test_seconds_are_finite_numbers():
    assert all(map(is_seconds, [0, 0.5, 3_600]))
    assert not any(map(is_seconds, [-1, True, float("inf"), float("nan"), "5", None, 1e12]))
    assert is_seconds(-1, least=-10)
