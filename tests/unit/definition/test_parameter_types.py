"""What each type accepts from a form, from JSON and from Python, and what it answers to the rest."""

from __future__ import annotations

import enum
import math
from datetime import date, datetime
from typing import Any, Literal

import pytest

from livejobs.definition.parameter_types import Textarea, of_choices, of_type
from livejobs.definition.wording import RefusedError


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Shade(enum.StrEnum):
    DARK = "dark"
    LIGHT = "light"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2.5


class Note(str):
    pass


def read(annotation: Any, value: Any) -> Any:
    from livejobs.definition.parameters import Parameter

    return Parameter.build("x", annotation, Parameter.__dataclass_fields__["default"].default).read(value)


ACCEPTED: list[tuple[Any, Any, Any]] = [
    (str, "", ""),
    (str, "  kept  ", "  kept  "),
    (str, "schön 😀\n", "schön 😀\n"),
    (str, Shade.DARK, "dark"),
    (str, Note("plain"), "plain"),
    (int, 0, 0),
    (int, "12", 12),
    (int, " 12 ", 12),
    (int, "-3", -3),
    (int, 3.0, 3),
    (int, 2**63 - 1, 2**63 - 1),
    (int, str(-(2**63)), -(2**63)),
    (int, Level.HIGH, 2),
    (float, "1.5", 1.5),
    (float, "1e3", 1000.0),
    (float, 2, 2.0),
    (bool, True, True),
    (bool, "true", True),
    (bool, "on", True),
    (bool, "false", False),
    (bool, 0, False),
    (date, "2026-10-31", date(2026, 10, 31)),
    (date, " 2026-10-31 ", date(2026, 10, 31)),
    (date, date(2026, 10, 31), date(2026, 10, 31)),
    (Literal["a", "b"], "a", "a"),
    (Literal[1, 2], 2, 2),
    (Literal[1, 2], "2", 2),
    (Literal[1, 2], 2.0, 2),
    (Colour, "red", Colour.RED),
    (Colour, Colour.RED, Colour.RED),
    (Shade, "dark", Shade.DARK),
    (Level, 1, Level.LOW),
    (Level, "1", Level.LOW),
    (Level, Level.LOW, Level.LOW),
    (Size, "2.5", Size.LARGE),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), ACCEPTED)
def test_what_is_accepted(annotation, value, expected):
    found = read(annotation, value)

    assert found == expected
    assert type(found) is type(expected)


WHOLE, NUMBER, TEXT = "Must be a whole number.", "Must be a number.", "Must be text."
YES_OR_NO, DAY = "Must be yes or no.", "Must be a date like 2026-10-31."

REFUSED: list[tuple[Any, Any, str]] = [
    (str, 12, TEXT),
    (str, b"bytes", TEXT),
    (str, ["a"], TEXT),
    (str, "nul \x00", "Contains a character that cannot be stored."),
    (str, "half \ud800", "Contains a character that cannot be stored."),
    (int, "", WHOLE),
    (int, "many", WHOLE),
    (int, 1.5, WHOLE),
    (int, "1.5", WHOLE),
    (int, True, WHOLE),
    (int, [], WHOLE),
    (int, {}, WHOLE),
    (int, math.inf, "Must be a finite number."),
    (int, 2**63, "Must be a whole number of at most 64 bits."),
    (int, "9" * 30, "Must be a whole number of at most 64 bits."),
    (int, "9" * 5000, "Must be a whole number of at most 64 bits."),
    (float, "much", NUMBER),
    (float, True, NUMBER),
    (float, "", NUMBER),
    (float, {}, NUMBER),
    (float, math.nan, "Must be a finite number."),
    (float, "inf", "Must be a finite number."),
    (float, "1e999", "Must be a finite number."),
    (bool, "perhaps", YES_OR_NO),
    (bool, 2, YES_OR_NO),
    (bool, "", YES_OR_NO),
    (bool, [], YES_OR_NO),
    (date, "31.10.2026", DAY),
    (date, "2026-02-30", DAY),
    (date, "2026-10-31T00:00:00", DAY),
    (date, "20261031", DAY),
    (date, "٢٠٢٦-١٠-٣١", DAY),
    (date, 1793404800, DAY),
    (date, datetime(2026, 10, 31), DAY),
    (date, "", DAY),
    (Literal["a", "b"], "c", "Must be one of a, b."),
    (Literal["a", "b"], 1, "Must be one of a, b."),
    (Literal["a", "b"], ["a"], "Must be one of a, b."),
    (Literal[1, 2], True, "Must be one of 1, 2."),
    (Literal[1, 2], "3", "Must be one of 1, 2."),
    (Literal["1", "2"], 1, "Must be one of 1, 2."),
    (Colour, "RED", "Must be one of red, green."),
    (Colour, Shade.DARK, "Must be one of red, green."),
    (Colour, {}, "Must be one of red, green."),
    (Level, math.nan, "Must be one of 1, 2."),
]


@pytest.mark.parametrize(("annotation", "value", "why"), REFUSED, ids=[f"{a}-{str(v)[:20]!r}" for a, v, _ in REFUSED])
def test_what_is_refused_and_why(annotation, value, why):
    with pytest.raises(RefusedError) as caught:
        read(annotation, value)

    assert str(caught.value) == why


def test_a_textarea_is_a_text_with_another_field():
    area, text = of_type(str, [Textarea()]), of_type(str, [])

    assert area is not None
    assert text is not None
    assert (area.format, text.format) == ("textarea", None)
    assert area.json_type == text.json_type == "string"


@pytest.mark.parametrize("core", [list, bytes, datetime, None, object])
def test_other_types_have_no_kind(core):
    assert of_type(core, []) is None


def test_choices_of_several_types_have_no_kind():
    assert of_choices([(1, 1), ("a", "a")]) is None
    assert of_choices([(True, True)]) is None
    assert of_choices([]) is None
