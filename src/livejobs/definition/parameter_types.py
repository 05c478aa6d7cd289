"""What each type of a parameter accepts: from a form (all texts), from JSON and from Python.

pydantic does the reading; a kind says what is checked before and after it, and how the type looks in JSON Schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any, Final

from livejobs.definition.wording import gettext as _
from livejobs.definition.wording import refused
from livejobs.sanitize import is_clean

_ISO_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NUMERIC: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_TEXTUAL: Final = frozenset({"minLength", "maxLength", "pattern"})
# pydantic leaves a constraint that does not fit the type in the schema, under its Python name, and fails at the first
# value
CONSTRAINTS: Final = _NUMERIC | _TEXTUAL | {
    "ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "allow_inf_nan", "max_digits", "decimal_places",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Textarea:
    """Marks a text that a form shows as an area of several lines."""


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Kind:
    """How one Python type looks in JSON Schema, and what is checked before and after pydantic does its part."""

    json_type: str
    constraints: frozenset[str] = frozenset()
    before: Callable[[Any], Any] = _as_it_is
    after: Callable[[Any], Any] = _as_it_is
    format: str | None = None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise refused(_("Must be text."))
    if not is_clean(value):
        raise refused(_("Contains a character that cannot be stored."))
    return str.__str__(value)  # the plain text of a subclass, such as a member of a StrEnum


def _whole(value: Any) -> Any:
    if isinstance(value, bool):  # True is 1 for Python, not for a person
        raise refused(_("Must be a whole number."))
    return value


def _64_bits(value: int) -> int:
    # 64 bits are what orjson writes; a larger number could be stored but never sent to a browser
    if not -(2**63) <= value < 2**63:
        raise refused(_("Must be a whole number of at most 64 bits."))
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise refused(_("Must be a number."))
    return value


def _day(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _ISO_DATE.fullmatch(value.strip()):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            pass
    # not what pydantic takes too: seconds since 1970
    raise refused(_("Must be a date like {example}."), example=date(2026, 10, 31).isoformat())


_KINDS: Final[dict[Any, Kind]] = {
    str: Kind("string", _TEXTUAL, _text),
    int: Kind("integer", _NUMERIC, _whole, _64_bits),
    float: Kind("number", _NUMERIC, _number),
    bool: Kind("boolean"),
    date: Kind("string", before=_day, format="date"),
}
_AREA: Final = Kind("string", _TEXTUAL, _text, format="textarea")


def of_type(core: Any, metadata: Iterable[Any]) -> Kind | None:
    """The kind of a plain type; None when it is no type that a form can ask for."""
    if core is str and any(isinstance(item, Textarea) for item in metadata):
        return _AREA
    return _KINDS.get(core) if isinstance(core, type) else None


_JSON_TYPES: Final[dict[frozenset[type], str]] = {
    frozenset({str}): "string",
    frozenset({int}): "integer",
    frozenset({float}): "number",
    frozenset({int, float}): "number",
}


def of_choices(members: list[tuple[Any, Any]]) -> Kind | None:
    """The kind of a Literal or an Enum; None when its values are not all texts or all numbers.

    :param members: its values, as JSON and as Python has them.
    """
    types = frozenset(type(value) for value, _member in members)
    if types not in _JSON_TYPES:
        return None
    by_value = dict(members)
    by_text = {str(value): member for value, member in members}

    def chosen(value: Any) -> Any:
        value = value.value if isinstance(value, Enum) else value
        if isinstance(value, str) and str not in types and value in by_text:  # a form sends "2" for 2
            return by_text[value]
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value in by_value:
            return by_value[value]
        raise refused(_("Must be one of {choices}."), choices=", ".join(map(str, by_value)))

    return Kind(_JSON_TYPES[types], before=chosen)
