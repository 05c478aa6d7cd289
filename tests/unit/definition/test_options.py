"""The options of `@live_job`: defaults, and what each may be."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from livejobs.definition.options import NAMES, OptionError, Options, is_queue, is_seconds, shown_bytes


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


@pytest.mark.parametrize(
    ("given", "amount"),
    [(1_000, 1_000), ("2 GB", 2_000_000_000), ("512MiB", 512 * 1024**2), ("1.5 kb", 1_500), ("800", 800)],
)
def test_memory_is_bytes_or_an_amount_with_its_unit(given, amount):
    assert Options(memory=given).memory_bytes == amount


@pytest.mark.parametrize("given", [0, -1, True, "", "much", "2 XB", "-1 GB", 1.5])
def test_memory_that_is_no_amount_is_refused(given):
    with pytest.raises(OptionError, match="memory must be bytes, or a text such as"):
        Options(memory=given)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(900, "900 B"), (150_000_000, "150 MB"), (2_100_000_000, "2.1 GB"), (10**12, "1 TB")],
)
def test_an_amount_of_memory_is_written_in_its_largest_unit(amount, text):
    assert shown_bytes(amount) == text
