"""One parameter: from its annotation to the schema of a form field, and to what the function gets."""

# ruff: noqa: UP007, UP045, RUF041 - every way people write a type is tried
from __future__ import annotations

import enum
import json
import math
import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional, Union

import pytest
from pydantic import AfterValidator, Field, StringConstraints
from typing_extensions import TypeAliasType

from livejobs import Text
from livejobs.definition.parameters import Parameter, UnsuitableError, humanised
from livejobs.definition.wording import RefusedError
from tests.unit.definition.test_parameter_types import Colour, Level, Shade, Size

MISSING = Parameter.build("x", int, Parameter.__dataclass_fields__["default"].default).default


def build(annotation: Any, default: Any = MISSING, name: str = "x") -> Parameter:
    return Parameter.build(name, annotation, default)


# ---------------------------------------------------------------- the schema

Month = TypeAliasType("Month", Annotated[int, Field(ge=1, le=12)])

SCHEMAS: list[tuple[Any, dict[str, Any]]] = [
    (str, {"type": "string"}),
    (int, {"type": "integer"}),
    (float, {"type": "number"}),
    (bool, {"type": "boolean"}),
    (date, {"type": "string", "format": "date"}),
    (Text, {"type": "string", "format": "textarea"}),
    (MISSING, {"type": "string"}),
    (Literal["csv", "xlsx"], {"type": "string", "enum": ["csv", "xlsx"]}),
    (Literal[1, 2], {"type": "integer", "enum": [1, 2]}),
    (Colour, {"type": "string", "enum": ["red", "green"]}),
    (Shade, {"type": "string", "enum": ["dark", "light"]}),
    (Level, {"type": "integer", "enum": [1, 2]}),
    (Size, {"type": "number", "enum": [1, 2.5]}),
    (Optional[int], {"type": ["integer", "null"]}),
    (int | None, {"type": ["integer", "null"]}),
    (None | str, {"type": ["string", "null"]}),
    (Text | None, {"type": ["string", "null"], "format": "textarea"}),
    (date | None, {"type": ["string", "null"], "format": "date"}),
    (Colour | None, {"type": ["string", "null"], "enum": ["red", "green", None]}),
    (Literal["a", None], {"type": ["string", "null"], "enum": ["a", None]}),
    (Literal[Literal["a", "b"], "c"], {"type": "string", "enum": ["a", "b", "c"]}),
    (Annotated[int, Field(ge=1, le=10)], {"type": "integer", "minimum": 1, "maximum": 10}),
    (Annotated[float, Field(gt=0, lt=1)], {"type": "number", "exclusiveMinimum": 0.0, "exclusiveMaximum": 1.0}),
    (Annotated[int, Field(multiple_of=5)], {"type": "integer", "multipleOf": 5}),
    (Annotated[str, Field(min_length=1, max_length=9)], {"type": "string", "minLength": 1, "maxLength": 9}),
    (Annotated[str, Field(pattern="^[a-z]+$")], {"type": "string", "pattern": "^[a-z]+$"}),
    (Annotated[str, StringConstraints(max_length=3)], {"type": "string", "maxLength": 3}),
    (Annotated[Text, Field(max_length=9)], {"type": "string", "format": "textarea", "maxLength": 9}),
    (Annotated[int | None, Field(ge=1)], {"type": ["integer", "null"], "minimum": 1}),
    (Optional[Annotated[int, Field(ge=1)]], {"type": ["integer", "null"], "minimum": 1}),
    (Annotated[Annotated[int, Field(ge=1)], Field(le=3)], {"type": "integer", "minimum": 1, "maximum": 3}),
    (Annotated[int, "a remark", re.compile("a")], {"type": "integer"}),
    (Annotated[int, Field(examples=[3])], {"type": "integer", "examples": [3]}),
    (Annotated[int, Field(json_schema_extra={"unit": "s"})], {"type": "integer", "unit": "s"}),
    (Month, {"type": "integer", "minimum": 1, "maximum": 12}),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "expected"), SCHEMAS)
def test_the_schema_of_every_type(annotation, expected):
    parameter = build(annotation)

    assert parameter.schema == {**expected, "title": "X"}
    assert json.loads(json.dumps(parameter.schema)) == parameter.schema
    assert parameter.required


def test_title_and_description_are_the_authors():
    schema = build(Annotated[int, Field(title="Rows", description="How\n    many.")], name="max_rows").schema

    assert (schema["title"], schema["description"]) == ("Rows", "How\nmany.")


def test_the_outermost_title_wins():
    assert build(Annotated[Annotated[int, Field(title="In")], Field(title="Out")]).schema["title"] == "Out"


@pytest.mark.parametrize(("name", "title"), [("max_rows", "Max rows"), ("x", "X"), ("_", "_"), ("iban", "Iban")])
def test_a_name_in_words(name, title):
    assert humanised(name) == title


# ---------------------------------------------------------------- defaults

DEFAULTS: list[tuple[Any, Any, Any]] = [
    (int, 3, 3),
    (float, 1, 1.0),
    (str, "", ""),
    (bool, False, False),
    (date, date(2026, 10, 31), "2026-10-31"),
    (Colour, Colour.RED, "red"),
    (Level, Level.LOW, 1),
    (Literal["a", "b"], "b", "b"),
    (Text, "long", "long"),
    (int | None, None, None),
    (int, None, None),  # written so before there was `| None`
    (Colour | None, None, None),
]


@pytest.mark.parametrize(("annotation", "default", "stored"), DEFAULTS)
def test_a_default_stands_in_the_schema_as_json(annotation, default, stored):
    parameter = build(annotation, default)

    assert parameter.schema["default"] == stored
    assert not parameter.required
    assert parameter.take({}) == default
    assert parameter.store(parameter.take({})) == stored


UNANNOTATED: list[tuple[Any, Any]] = [
    (3, "integer"), (1.5, "number"), (True, "boolean"), ("a", "string"), (None, ["string", "null"]),
    (date(2026, 10, 31), "string"), (Colour.RED, "string"), (Level.LOW, "integer"),
]  # fmt: skip


@pytest.mark.parametrize(("default", "json_type"), UNANNOTATED)
def test_without_annotation_the_type_of_the_default_decides(default, json_type):
    parameter = build(MISSING, default)

    assert parameter.schema["type"] == json_type
    assert parameter.take({}) == default


def test_without_annotation_and_default_it_is_a_text():
    assert build(MISSING).read("12") == "12"


# ---------------------------------------------------------------- refused at decoration


class Other:
    pass


class Empty(enum.Enum):
    pass


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


class Yes(enum.Enum):
    YES = True


class Huge(enum.Enum):
    HUGE = 2**70


UNSUITABLE: list[tuple[Any, str]] = [
    (list[int], "has the type list[int]; use str, int, float, bool, Literal, Enum, date, Optional of one of these, or"),
    (list, "has the type list; use"),
    (dict[str, int], "has the type dict[str, int]; use"),
    (tuple[int, ...], "has the type tuple[int, ...]; use"),
    (bytes, "has the type bytes; use"),
    (datetime, "has the type datetime; use"),
    (timedelta, "has the type timedelta; use"),
    (Decimal, "has the type Decimal; use"),
    (Path, "has the type Path; use"),
    (complex, "has the type complex; use"),
    (object, "has the type object; use"),
    (Any, "has the type Any; use"),
    (None, "has the type None; use"),
    (Other, "has the type Other; use"),
    (type("Name", (str,), {}), "has the type Name; use"),
    (NewType("UserId", int), "UserId; use"),
    (int | str, "has the type int | str; use"),
    (Union[int, str, None], "has the type "),
    (Optional[list[int]], "list[int]"),
    (Annotated[list[int], Field(min_length=1)], "list[int]"),
    ([int], "has the type [<class 'int'>]; use"),
    ({"a": 1}, "has the type {'a': 1}; use"),
    (5, "has the type 5; use"),
    (Literal[1, "a"], "has the type Literal[1, 'a'], whose values are not all texts or all numbers"),
    (Literal[True], "whose values are not all texts or all numbers"),
    (Literal[b"a"], "whose values are not all texts or all numbers"),
    (Literal[None], "whose values are not all texts or all numbers"),
    (Empty, "has the type Empty, whose values are not all texts or all numbers"),
    (Mixed, "has the type Mixed, whose values are not all texts or all numbers"),
    (Yes, "has the type Yes, whose values are not all texts or all numbers"),
    (Huge, "has annotations that do not work: "),
    (Annotated[str, Field(ge=1)], "has the constraint "),
    (Annotated[int, Field(min_length=1)], "has the constraint "),
    (Annotated[int, Field(pattern="a")], "has the constraint pattern, which does not fit int"),
    (Annotated[int, StringConstraints(pattern="a")], "has "),
    (Annotated[date, Field(pattern="a")], "has the constraint pattern, which does not fit date"),
    (Annotated[Colour, Field(pattern="a")], "has the constraint pattern, which does not fit Colour"),
    (Annotated[int, Field(json_schema_extra=lambda schema: 1 / 0)], "do not work: division by zero"),  # type: ignore[arg-type]
    (Annotated[bool, Field(ge=1)], "has the constraint "),
    (Annotated[Colour, Field(min_length=1)], "has the constraint "),
    (Annotated[str, Field(pattern="(?=a)")], "has annotations that do not work: "),
    (Annotated[int, Field(default=3)], "has a default or an alias inside Field(); give the default with `=`"),
    (Annotated[int, Field(default_factory=int)], "has a default or an alias inside Field()"),
    (Annotated[int, Field(alias="y")], "has a default or an alias inside Field()"),
    (Annotated[int, Field(json_schema_extra={"a": object()})], "has annotations that do not work: "),  # type: ignore[dict-item]
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "why"), UNSUITABLE)
def test_a_type_nobody_can_fill_in_is_refused(annotation, why):
    with pytest.raises(UnsuitableError) as caught:
        build(annotation)

    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


BAD_DEFAULTS: list[tuple[Any, Any, str]] = [
    (int, "three", "has the default 'three', which its own type refuses: Must be a whole number."),
    (int, True, "has the default True"),
    (Annotated[int, Field(ge=1)], 0, "has the default 0, which its own type refuses: Must be 1 or more."),
    (Literal["a", "b"], "c", "Must be one of a, b."),
    (str, "nul \x00", "Contains a character that cannot be stored."),
    (float, math.nan, "has the default nan"),
    (date, datetime(2026, 10, 31), "Must be a date like 2026-10-31."),
    (MISSING, [1], "has the type list; use"),
    (MISSING, datetime(2026, 10, 31), "has the type datetime; use"),
    (MISSING, object, "has the type type; use"),
]


@pytest.mark.parametrize(("annotation", "default", "why"), BAD_DEFAULTS)
def test_a_default_that_is_not_right_is_refused(annotation, default, why):
    with pytest.raises(UnsuitableError) as caught:
        build(annotation, default)

    assert why in str(caught.value)


# ---------------------------------------------------------------- values

VALUES: list[tuple[Any, Any, Any]] = [
    (Annotated[int, Field(ge=1)] | None, "", None),
    (int | None, None, None),
    (date | None, "", None),
    (bool | None, "", None),
    (Colour | None, "", None),
    (str | None, "", ""),  # an empty text is a text
    (str | None, None, None),
    (int | None, "7", 7),
    (Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True)], " ab ", "AB"),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), VALUES)
def test_what_the_function_gets(annotation, value, expected):
    parameter = build(annotation)

    assert parameter.read(value) == expected
    stored = parameter.store(parameter.read(value))
    assert parameter.read(json.loads(json.dumps(stored))) == expected


CONSTRAINED: list[tuple[Any, Any, str]] = [
    (int, None, "Required."),
    (str, None, "Required."),
    (Annotated[int, Field(ge=1)], 0, "Must be 1 or more."),
    (Annotated[int, Field(gt=1)], 1, "Must be more than 1."),
    (Annotated[int, Field(le=10)], 11, "Must be 10 or less."),
    (Annotated[float, Field(lt=1)], 1, "Must be less than 1."),
    (Annotated[int, Field(multiple_of=5)], 7, "Must be a multiple of 5."),
    (Annotated[str, Field(min_length=1)], "", "Must not be empty."),
    (Annotated[str, Field(min_length=2)], "a", "Must have at least 2 characters."),
    (Annotated[str, Field(max_length=2)], "abc", "Must have at most 2 characters."),
    (Annotated[str, Field(pattern="^a")], "b", "Must match ^a."),
    (Annotated[date, Field(ge=date(2026, 1, 1))], "2025-12-31", "Must be 2026-01-01 or more."),
    (Annotated[int | None, Field(ge=1)], 0, "Must be 1 or more."),
]


@pytest.mark.parametrize(("annotation", "value", "why"), CONSTRAINED)
def test_what_a_constraint_refuses(annotation, value, why):
    with pytest.raises(RefusedError) as caught:
        build(annotation).read(value)

    assert str(caught.value) == why


def test_a_validator_of_the_author_speaks_for_itself():
    def odd(value: int) -> int:
        if value % 2 == 0:
            raise ValueError("Only odd numbers, please")
        return value

    parameter = build(Annotated[int, AfterValidator(odd)])

    assert parameter.read(3) == 3
    with pytest.raises(RefusedError, match=r"^Only odd numbers, please\.$"):
        parameter.read(2)


def test_a_parameter_that_is_missing_is_required():
    with pytest.raises(RefusedError, match=r"^Required\.$"):
        build(int).take({"y": 1})
