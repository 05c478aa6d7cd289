"""The result of a job as JSON: everything that has a form there, and a clear error for what has none."""

from __future__ import annotations

import json
import math
from collections import ChainMap, Counter, OrderedDict, UserDict, deque, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, RootModel

from livejobs.definition.results import MAX_RESULT_BYTES, dump
from livejobs.errors import ResultError
from tests.unit.definition.test_parameter_types import Colour, Level, Note, Shade


@dataclass
class Row:
    name: str
    inner: Any = None
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Slotted:
    day: date


class Model(BaseModel):
    day: date
    rows: list[Row] = []


class Numbers(RootModel[list[int]]):
    pass


class Nothing(RootModel[None]):
    pass


Point = namedtuple("Point", "x y")
IDENTIFIER = UUID("12345678-1234-5678-1234-567812345678")

PLAIN: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (3, 3),
    (2**63 - 1, 2**63 - 1),
    (-(2**63), -(2**63)),
    (1.5, 1.5),
    ("text", "text"),
    ([], []),
    ({}, {}),
    ((1, (2,)), [1, [2]]),
    (Point(1, 2), [1, 2]),
    (Colour.RED, "red"),
    (Shade.DARK, "dark"),
    (Level.LOW, 1),
    (Note("note"), "note"),
    (date(2026, 10, 31), "2026-10-31"),
    (datetime(2026, 10, 31, 12, tzinfo=UTC), "2026-10-31T12:00:00Z"),
    (time(12, 30), "12:30:00"),
    (timedelta(seconds=90), "PT1M30S"),
    (Decimal("1.10"), "1.10"),
    (IDENTIFIER, str(IDENTIFIER)),
    (PurePosixPath("a/b"), "a/b"),
    (Row("a", Row("b"), ["x"]), {"name": "a", "inner": {"name": "b", "inner": None, "tags": []}, "tags": ["x"]}),
    (Slotted(date(2026, 10, 31)), {"day": "2026-10-31"}),
    (Model(day=date(2026, 10, 31), rows=[Row("a")]),
     {"day": "2026-10-31", "rows": [{"name": "a", "inner": None, "tags": []}]}),
    (Numbers([1, 2]), [1, 2]),
    ([Nothing(None)], [None]),
    (Counter("aab"), {"a": 2, "b": 1}),
    (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (ChainMap({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
    (UserDict(a=1), {"a": 1}),
    ({1: "a", Level.HIGH: "b", Colour.RED: "c", date(2026, 1, 1): "d", IDENTIFIER: "e", Decimal("1.5"): "f"},
     {"1": "a", "2": "b", "red": "c", "2026-01-01": "d", str(IDENTIFIER): "e", "1.5": "f"}),
    ({Note("key"): 1}, {"key": 1}),
    ("nul \x00 half \ud800", "nul \ufffd half \ufffd"),
    ({"k\x00": ["\udfff"]}, {"k\ufffd": ["\ufffd"]}),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), PLAIN)
def test_what_has_a_form_in_json(value, expected):
    found = dump(value)

    assert found == expected
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert type(found) in (type(None), bool, int, float, str, list, dict)


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


class Opaque:
    pass


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __hash__(self) -> int:
        return 1


@dataclass
class Broken:
    @property
    def name(self) -> str:
        raise RuntimeError("half way\x00")

    name_: str = ""

    def __getattribute__(self, attribute: str) -> Any:
        if attribute == "name_":
            raise RuntimeError("half way \x00.")
        return super().__getattribute__(attribute)


REFUSED: list[tuple[Any, str]] = [
    (math.nan, "the result is nan, which JSON does not know; return None or a text instead"),
    ({"rows": [1, math.inf]}, "the result['rows'][1] is inf, which JSON does not know"),
    (2**63, "the result is a whole number of more than 64 bits; return it as text"),
    (b"a", "the result is bytes; return text, or the path of a file"),
    (bytearray(), "the result is bytes"),
    ({1}, "the result is a set, which has no order; return sorted(...)"),
    (frozenset(), "the result is a set"),
    (range(3), "the result is a range; return list(...)"),
    ((n for n in "a"), "the result is a generator; return list(...)"),
    (deque([1]), "the result is a deque; return list(...)"),
    ({}.keys(), "the result is a dict_keys; return list(...)"),
    ([Opaque()], "the result[0] is a Opaque; return text, numbers, lists and dicts"),
    (Row, "the result is a type; return text"),
    (1j, "the result is a complex; return text"),
    ({None: 1}, "the result has the key None; keys must be text"),
    ({True: 1}, "the result has the key True; keys must be text"),
    ({1.5: 1}, "the result has the key 1.5; keys must be text"),
    ({("a", 1): 1}, "the result has the key ('a', 1); keys must be text"),
    ({1: "a", "1": "b"}, "the result has two keys that both read '1'"),
    ({"a\x00": 1, "a\ufffd": 2}, "the result has two keys that both read 'a\ufffd'"),
    ({"x" * 1000: 1j}, "xx'] is a complex"),
    (endless(), "it nests deeper than 100 levels, or contains itself"),
    ({Hostile(): 1}, "RuntimeError: no repr"),
    (Broken(), "RuntimeError: half way \ufffd"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_has_no_form_there_is_said_where_and_why(number):
    value, why = REFUSED[number]

    with pytest.raises(ResultError) as caught:
        dump(value)

    assert str(caught.value).startswith("The result cannot be kept as JSON: ")
    assert why in str(caught.value)
    assert str(caught.value).endswith(".")
    assert not str(caught.value).endswith("..")


def test_a_hundred_levels_are_fine():
    value: Any = 1
    for _ in range(100):
        value = [value]

    assert dump(value) == value


def test_a_result_may_not_be_too_large():
    assert dump("x" * (MAX_RESULT_BYTES - 2)) is not None
    with pytest.raises(ResultError, match=r"^The result is too large: 1\.1 MB; the limit is 1 MB\.$"):
        dump("x" * (MAX_RESULT_BYTES - 1))
    with pytest.raises(ResultError, match="5 bytes; the limit is 4 bytes"):
        dump("abc", max_bytes=4)
