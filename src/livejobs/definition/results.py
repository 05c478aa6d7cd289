"""The result of a job as plain JSON: what a function returned, ready to store and to send."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from livejobs.conf import Settings
from livejobs.definition import wording
from livejobs.errors import ResultError
from livejobs.sanitize import clean

MAX_RESULT_BYTES: Final = Settings.MAX_RESULT_BYTES
MAX_DEPTH: Final = 100  # levels of lists and dicts; also what ends a value that contains itself
_AS_TEXT: Final = (date, time, timedelta, Decimal, UUID, PurePath)  # ISO 8601, digits, …: as pydantic writes them
_NAME_SHOWN: Final = 40  # characters of a key in an error's path


class _NotJSONError(Exception):
    """Where in the result, and what is wrong there."""


def dump(value: Any, max_bytes: int = MAX_RESULT_BYTES) -> Any:
    """Turn what a function returned into plain JSON.

    Dataclasses, pydantic models and mappings become objects, tuples become lists, an Enum its value; dates, times,
    Decimal, UUID and paths become texts. Keys must be texts, or turn into texts without two becoming one (1 and "1").
    Texts are cleaned of NUL and lone surrogates. Nothing is left out silently: what has no JSON form is an error.

    :param max_bytes: the bound, in bytes of JSON.
    :raises ResultError: it has no JSON form (NaN, a set, bytes, …) or is too large; the message says where and why.
    """
    try:
        plain = _plain(value, "the result", 0)
        size = len(orjson.dumps(plain))
    except _NotJSONError as error:
        raise ResultError(f"The result cannot be kept as JSON: {error}.") from None
    except Exception as error:  # a property of the author's class, say: it must fail this job, and no more
        reason = f"{type(error).__name__}: {error}".rstrip(".")
        raise ResultError(f"The result cannot be kept as JSON: {clean(reason)}.") from error
    if size > max_bytes:
        raise ResultError(f"The result is too large: {wording.too_large(size, max_bytes)}")
    return plain


def _plain(value: Any, path: str, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    for types, turn in _LEAVES:
        if isinstance(value, types):
            return turn(value, path, depth)
    if depth == MAX_DEPTH:
        raise _NotJSONError(f"it nests deeper than {MAX_DEPTH} levels, or contains itself")
    if isinstance(value, list | tuple):
        return [_plain(item, f"{path}[{place}]", depth + 1) for place, item in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    elif isinstance(value, BaseModel):
        return _plain(value.model_dump(), path, depth + 1)  # that of a RootModel may be anything
    if isinstance(value, Mapping):
        return _object(value, path, depth)
    raise _NotJSONError(f"{path} is {_described(value)}")


def _object(value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        name = _key(key, path)
        if name in plain:
            raise _NotJSONError(f"{path} has two keys that both read {wording.shown_name(name)!r}")
        plain[name] = _plain(item, f"{path}[{clean(name)[:_NAME_SHOWN]!r}]", depth + 1)
    return plain


def _key(key: Any, path: str) -> str:
    key = key.value if isinstance(key, Enum) else key
    if isinstance(key, str):
        return clean(str.__str__(key))
    if isinstance(key, int | Decimal | date | UUID) and not isinstance(key, bool):
        return str(to_jsonable_python(key))
    raise _NotJSONError(f"{path} has the key {clean(repr(key))[:_NAME_SHOWN]}; keys must be text")


def _enum(value: Enum, path: str, depth: int) -> Any:
    return _plain(value.value, path, depth)


def _text(value: str, path: str, depth: int) -> str:
    return clean(str.__str__(value))


def _whole(value: int, path: str, depth: int) -> int:
    if not -(2**63) <= value < 2**63:
        raise _NotJSONError(f"{path} is a whole number of more than 64 bits; return it as text")
    return int(value)


def _number(value: float, path: str, depth: int) -> float:
    if not math.isfinite(value):
        raise _NotJSONError(f"{path} is {value}, which JSON does not know; return None or a text instead")
    return float(value)


def _written(value: Any, path: str, depth: int) -> str:
    # pydantic knows the paths of this system only, not a PurePath
    return clean(str(value if isinstance(value, PurePath) else to_jsonable_python(value)))


# in this order: a member of an IntEnum is an int too, a datetime is a date
_LEAVES: Final[tuple[tuple[Any, Callable[[Any, str, int], Any]], ...]] = (
    (Enum, _enum), (str, _text), (int, _whole), (float, _number), (_AS_TEXT, _written),
)  # fmt: skip


def _described(value: Any) -> str:
    if isinstance(value, set | frozenset):
        return "a set, which has no order; return sorted(...)"
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes; return text, or the path of a file"
    if hasattr(value, "__iter__"):
        return f"a {type(value).__name__}; return list(...)"
    return f"a {type(value).__name__}; return text, numbers, lists and dicts"
