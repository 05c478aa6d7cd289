"""Why a value was refused, in one sentence a person can act on.

This room is free of Django, so the sentences pass through `translate`, where `apps.ready()` puts Django's gettext.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from livejobs.protocol import sentence
from livejobs.sanitize import clean, cut

OWN: Final = "livejobs"  # the pydantic error type of our own sentences
_KIB: Final = 1024
_NAME_SHOWN: Final = 50  # characters of a name nobody knows
_SHOWN: Final = 300  # characters of all fields together in an error's message; the fields themselves are whole


class RefusedError(ValueError):
    """One value is not right; the text is the sentence for the person who gave it."""


class _Translation:
    """Where the sentences are translated; the words themselves until a Django app is there."""

    gettext: Callable[[str], str] = staticmethod(str)


def translate_with(translate: Callable[[str], str]) -> None:
    """Translate every sentence with `translate` from now on, at each use: the language is the reader's."""
    _Translation.gettext = staticmethod(translate)


def gettext(text: str) -> str:
    """Translate one sentence; import it as `_`, so that makemessages finds the texts."""
    return _Translation.gettext(text)


_ = gettext


def refused(template: str, **values: Any) -> PydanticCustomError:
    """Build the error a pydantic validator raises, from a translated sentence with `{placeholders}`."""
    return PydanticCustomError(OWN, "{sentence}", {"sentence": template.format(**values)})


def shown_name(name: str) -> str:
    """A name from outside, safe to send back."""
    return cut(clean(name), _NAME_SHOWN)


def unknown_parameter(name: str, known: list[str]) -> str:
    """Say that a task takes no such parameter, and which ones it takes."""
    name = shown_name(name)
    if not known:
        return _("There is no parameter {name}; this task takes none.").format(name=name)
    return _("There is no parameter {name}; this task takes {known}.").format(name=name, known=", ".join(known))


def too_deep(limit: int) -> str:
    """Say that params nest too deep."""
    return _("Nested deeper than {limit} levels.").format(limit=limit)


def too_large(size: int, limit: int) -> str:
    """Say that `size` bytes are over `limit` bytes: "312 KB; the limit is 256 KB."."""
    unit, divisor = ("bytes", 1) if limit < _KIB else ("KB", _KIB) if limit < _KIB**2 else ("MB", _KIB**2)
    # rounded up: 256 KB and one byte must not read "256 KB; the limit is 256 KB."
    has = ceil(size * 10 / divisor) / 10 if unit == "MB" else ceil(size / divisor)
    most = f"{limit / divisor:,.4g}"
    return _("{size} {unit}; the limit is {limit} {unit}.").format(size=f"{has:,}", limit=most, unit=unit)


def all_fields(fields: Mapping[str, str]) -> str:
    """Join field errors into the message of the whole, for a caller who sees only that."""
    each = [f"{name}: {text}" for name, text in fields.items()]
    return cut(" ".join([_("Some fields are not right."), *each]), _SHOWN)


def from_pydantic(error: ValidationError) -> str:
    """Turn what pydantic found into a sentence; what we have no words for keeps pydantic's."""
    found = error.errors(include_url=False, include_input=False)[0]
    context = found.get("ctx", {})
    if found["type"] == OWN:
        return str(context["sentence"])
    if found["type"] in ("value_error", "assertion_error"):  # raised by a validator of the job's author
        return sentence(str(context["error"])) or _("Not right.")
    if found["type"] == "string_too_short" and context["min_length"] == 1:
        return _("Must not be empty.")
    template = _templates().get(found["type"])
    if template is None:
        return sentence(found["msg"])
    return template.format(**{name: _plain(value) for name, value in context.items()})


def _templates() -> dict[str, str]:
    """The sentence of each pydantic error that a constraint of a parameter can cause."""
    return {
        "greater_than_equal": _("Must be {ge} or more."),
        "greater_than": _("Must be more than {gt}."),
        "less_than_equal": _("Must be {le} or less."),
        "less_than": _("Must be less than {lt}."),
        "multiple_of": _("Must be a multiple of {multiple_of}."),
        "string_too_short": _("Must have at least {min_length} characters."),
        "string_too_long": _("Must have at most {max_length} characters."),
        "string_pattern_mismatch": _("Must match {pattern}."),
        "int_type": _("Must be a whole number."),
        "int_parsing": _("Must be a whole number."),
        "int_parsing_size": _("Must be a whole number of at most 64 bits."),
        "int_from_float": _("Must be a whole number."),
        "float_type": _("Must be a number."),
        "float_parsing": _("Must be a number."),
        "finite_number": _("Must be a finite number."),
        "bool_type": _("Must be yes or no."),
        "bool_parsing": _("Must be yes or no."),
    }


def _plain(value: Any) -> str:
    """Show a bound as people write it: 1, not 1.0."""
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1_000_000 else str(value)
