"""The signature of a function as form, schema and check of all its parameters together."""

from __future__ import annotations

import functools
import os
import re
import textwrap
import types
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field

from livejobs import Text
from livejobs.definition.signature import MAX_NESTING, MAX_PARAMS_BYTES, Signature, place, refuse
from livejobs.errors import DefinitionError, InvalidError, TooLargeError

if TYPE_CHECKING:
    from decimal import Decimal


def report(
    month: date,
    notes: Text = "",
    form: Literal["csv", "xlsx"] = "csv",
    *,
    rows: Annotated[int, Field(ge=1, le=10_000)] = 100,
    ratio: float | None = None,
) -> dict[str, Decimal]:  # only a type checker can read that, and nobody else has to
    """Write a report."""
    return {}


REPORT = Signature.of(report)


def validate(params: Any, max_bytes: int = MAX_PARAMS_BYTES, max_nesting: int = MAX_NESTING) -> dict[str, Any]:
    return REPORT.validate(params, max_bytes, max_nesting)


def refused(params: Any) -> dict[str, str]:
    with pytest.raises(InvalidError) as caught:
        validate(params)
    return caught.value.fields


# ---------------------------------------------------------------- the schema


def test_the_schema_of_a_whole_function():
    assert REPORT.schema() == {
        "type": "object",
        "properties": {
            "month": {"type": "string", "format": "date", "title": "Month"},
            "notes": {"type": "string", "format": "textarea", "title": "Notes", "default": ""},
            "form": {"type": "string", "enum": ["csv", "xlsx"], "title": "Form", "default": "csv"},
            "rows": {"type": "integer", "minimum": 1, "maximum": 10_000, "title": "Rows", "default": 100},
            "ratio": {"type": ["number", "null"], "title": "Ratio", "default": None},
        },
        "required": ["month"],
        "additionalProperties": False,
    }
    assert list(REPORT.schema()["properties"]) == ["month", "notes", "form", "rows", "ratio"]
    assert REPORT.names == ["month", "notes", "form", "rows", "ratio"]
    assert REPORT.required == ("month",)
    assert REPORT.positional == ("month", "notes", "form")


def test_a_function_without_parameters():
    def bare(): ...

    signature = Signature.of(bare)

    assert signature.schema() == {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    assert signature.validate({}, 10, 10) == signature.arguments({}) == {}
    with pytest.raises(InvalidError) as caught:
        signature.arguments({"a": 1})
    assert caught.value.fields == {"a": "There is no parameter a; this task takes none."}


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
def test_annotations_are_read_with_and_without_the_future(future):
    source = future + textwrap.dedent("""\
        from datetime import date
        from typing import Annotated, Literal, Optional
        from pydantic import Field
        from livejobs import Text

        def job(a: date, b: Annotated[int, Field(ge=1)], c: Optional[Text] = None, d: 'Literal["x", "y"]' = "x"): ...
        """)
    module = types.ModuleType("written")
    exec(compile(source, "written.py", "exec", dont_inherit=True), vars(module))

    properties = Signature.of(module.job).schema()["properties"]

    assert {name: (p["type"], p.get("format"), p.get("minimum"), p.get("enum")) for name, p in properties.items()} == {
        "a": ("string", "date", None, None),
        "b": ("integer", None, 1, None),
        "c": (["string", "null"], "textarea", None, None),
        "d": ("string", None, None, ["x", "y"]),
    }


# ---------------------------------------------------------------- refused at decoration


def many(*rows: int): ...


def any_name(**rows: int): ...


def by_position(rows, /): ...


def a_list(rows: list[int]): ...


def unread(month: Decimal): ...


def wrong_default(rows: int = "ten"): ...  # type: ignore[assignment]


def misfit(rows: Annotated[str, Field(ge=1)]): ...


UNSUITABLE = [
    (many, r"parameter \*rows takes any number of values; name each parameter, so a form can ask for it"),
    (any_name, r"parameter \*\*rows takes any names; name each parameter, so a form can ask for it"),
    (by_position, r"parameter rows is positional-only; leave out the `/`, a job gets its parameters by name"),
    (a_list, r"parameter rows has the type list\[int\]; use str, int, .+"),
    (unread, r"parameter month has the annotation Decimal, which cannot be read: name 'Decimal' is not defined"),
    (wrong_default, r"parameter rows has the default 'ten', which its own type refuses: Must be a whole number\."),
    (misfit, r"parameter rows has the constraint \w+, which does not fit str"),
]


@pytest.mark.parametrize(("func", "why"), UNSUITABLE, ids=[func.__name__ for func, _ in UNSUITABLE])
def test_one_sentence_names_file_function_and_parameter(func, why):
    with pytest.raises(DefinitionError) as caught:
        Signature.of(func)

    line = func.__code__.co_firstlineno
    start = rf"tests/unit/definition/test_signature\.py:{line}: {func.__name__} cannot be a live job: "
    assert re.fullmatch(start + why.removesuffix(r"\.") + r"\.", str(caught.value)), str(caught.value)


def test_a_place_inside_the_current_folder_is_relative(monkeypatch, tmp_path):
    line = report.__code__.co_firstlineno

    assert place(report) == f"tests/unit/definition/test_signature.py:{line}"
    assert place(functools.wraps(report)(lambda: None)) == f"tests/unit/definition/test_signature.py:{line}"
    monkeypatch.chdir(tmp_path)
    assert place(report) == f"{os.path.abspath(__file__)}:{line}"


@pytest.mark.parametrize(("thing", "where"), [(len, "builtins"), (3, "somewhere"), (dict, "builtins")])
def test_a_place_of_what_has_no_code(thing, where):
    assert place(thing) == where


def test_what_has_no_name_is_named_by_its_type():
    assert str(refuse(3, "it is not right")) == "somewhere: int cannot be a live job: it is not right."


# ---------------------------------------------------------------- binding


def test_positional_arguments_get_their_names():
    assert REPORT.bind(("2026-10-31", "a"), {"rows": 1}) == {"month": "2026-10-31", "notes": "a", "rows": 1}
    assert REPORT.bind((), {}) == {}
    assert REPORT.bind((), {"unknown": 1}) == {"unknown": 1}  # said later, field by field


@pytest.mark.parametrize(
    ("args", "kwargs", "why"),
    [
        ((1, 2, 3, 4), {}, "report() takes at most 3 positional arguments; 4 were given."),
        ((1,), {"month": 2}, "report() got month twice, by position and by name."),
    ],
)
def test_what_a_call_would_refuse_is_refused(args, kwargs, why):
    with pytest.raises(InvalidError) as caught:
        REPORT.bind(args, kwargs)
    assert str(caught.value) == why


# ---------------------------------------------------------------- checking


def test_params_come_back_as_json_with_defaults():
    stored = validate({"month": date(2026, 10, 31), "rows": "5"})

    assert stored == {"month": "2026-10-31", "notes": "", "form": "csv", "rows": 5, "ratio": None}
    assert REPORT.arguments(stored) == {**stored, "month": date(2026, 10, 31)}
    assert validate(stored) == stored


def test_everything_wrong_is_said_at_once_field_by_field():
    assert refused({"rows": 0, "form": "pdf", "colour": "red"}) == {
        "colour": "There is no parameter colour; this task takes month, notes, form, rows, ratio.",
        "month": "Required.",
        "form": "Must be one of csv, xlsx.",
        "rows": "Must be 1 or more.",
    }


def test_the_message_names_the_fields_too():
    with pytest.raises(InvalidError) as caught:
        validate({"rows": 0})

    assert str(caught.value) == "Some fields are not right. month: Required. rows: Must be 1 or more."


def test_hostile_names_do_not_make_a_hostile_answer():
    fields = refused({f"{number}\x00\ud800" + "x" * 10_000: 1 for number in range(1000)})

    assert len(fields) == 11  # ten of them, and the month that is missing
    assert all(len(name) <= 50 and "\x00" not in name and "\ud800" not in name for name in fields)
    assert sum(map(len, fields.values())) < 2_000


def test_names_that_are_no_text_are_unknown_ones():
    assert "There is no parameter 3;" in refused({3: 1, "month": "2026-10-31"})["3"]


def test_params_may_not_be_too_large():
    with pytest.raises(TooLargeError) as caught:
        validate({"month": "2026-10-31", "notes": "x" * MAX_PARAMS_BYTES})

    assert str(caught.value) == "257 KB; the limit is 256 KB."
    assert caught.value.fields == {"notes": "257 KB; the limit is 256 KB."}
    with pytest.raises(TooLargeError, match=r"^\d+ bytes; the limit is 50 bytes\.$"):
        validate({"month": "2026-10-31"}, max_bytes=50)


def test_the_bound_is_in_bytes_not_in_characters():
    size = len(b'{"month":"2026-10-31","notes":"","form":"csv","rows":100,"ratio":null}')
    validate({"month": "2026-10-31", "notes": "é" * 10}, max_bytes=size + 20)

    with pytest.raises(TooLargeError):
        validate({"month": "2026-10-31", "notes": "é" * 10}, max_bytes=size + 19)


def test_params_may_not_nest_too_deep():
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(TooLargeError, match=r"^Nested deeper than 20 levels\.$"):
        validate({"month": deep})


def test_two_hundred_kilobytes_of_text_are_fine():
    text = "It was the best of times.\n" * 8_000

    assert validate({"month": "2026-10-31", "notes": text})["notes"] == text
