"""The levels of a line, by whatever name or number."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from livejobs.definition import level_of
from livejobs.definition.levels import LEVELS


@pytest.mark.parametrize("level", LEVELS)
def test_ours_are_loggings(level):
    number = getattr(logging, level.upper())
    names = (level, level.upper(), f" {level.title()} ", number, float(number), f"{number}")
    assert {level_of(name) for name in names} == {level}


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ("warn", "warning"), ("FATAL", "critical"), ("NOTSET", "debug"), (0, "debug"), (5, "debug"), (25, "info"),
        (31, "warning"), (99, "critical"), (Decimal(30), "warning"),
    ],
)  # fmt: skip
def test_what_lies_between_has_the_level_below(given, level):
    assert level_of(given) == level


def test_names_that_a_job_gave_to_levels_count(monkeypatch):
    monkeypatch.setattr(logging, "_nameToLevel", {**logging.getLevelNamesMapping(), "NOTICE": 35})
    assert level_of("notice") == "warning"


class Odd:
    def __float__(self) -> float:
        raise RuntimeError("odd")


@pytest.mark.parametrize("given", ["loud", "", None, [], {}, object(), Odd(), float("nan"), -1, "\x00", 1j])
def test_what_is_no_level_is_info(given):
    assert level_of(given) == "info"
