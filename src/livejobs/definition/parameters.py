"""One parameter of a live job: from its annotation to a form field, a JSON Schema property and a check.

The schema of a task is one flat JSON Schema object, simple enough that a form renders it with a single `switch`::

    {"type": "object", "properties": {<name>: <property>, ...}, "required": [<name>, ...],
     "additionalProperties": false}

Properties come in the order of the signature. There is never a `$ref`, `$defs`, `anyOf`, `allOf` or `const`.
A property has

- `type`: `"string"`, `"integer"`, `"number"` or `"boolean"`; when Optional a list of two: `["integer", "null"]`
- `format`: `"textarea"` (`livejobs.Text`) or `"date"` (ISO 8601, `2026-10-31`); absent for other types
- `enum`: the values of a Literal or an Enum, all texts or all numbers; for an Optional parameter the last one is null
- `default`: a JSON value (a date as ISO text, an Enum as its value); absent exactly when the name is in `required`
- `title`: always there; `description`: only where the author gave one
- constraints: `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf` (numbers); `minLength`,
  `maxLength`, `pattern` (texts; Rust's regular expressions, so a browser may not know every one)
- whatever else the author put into `Field(json_schema_extra=...)`, and `examples`
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import orjson
from pydantic import AfterValidator, BeforeValidator, StringConstraints, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from livejobs.definition import parameter_types
from livejobs.definition.wording import RefusedError, from_pydantic
from livejobs.definition.wording import gettext as _

Text: TypeAlias = Annotated[str, parameter_types.Textarea()]
"""A text of several lines: a `str` for the function and for mypy, a textarea in the form."""

SUPPORTED: Final = "str, int, float, bool, Literal, Enum, date, Optional of one of these, or livejobs.Text"
_OURS: Final = {"type", "enum", "const", "default", "title", "description", "$ref", "$defs", "anyOf", "allOf"}


class UnsuitableError(Exception):
    """This parameter cannot be one of a live job; the text continues the sentence "parameter x …"."""


# ---------------------------------------------------------------- reading an annotation


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation taken apart: its core type, whether None is allowed, and what `Annotated` said about it."""

    core: Any
    kind: parameter_types.Kind
    nullable: bool
    metadata: tuple[Any, ...]
    choices: tuple[Any, ...] = ()  # as JSON

    @classmethod
    def read(cls, annotation: Any) -> Annotation:
        """Take an annotation apart.

        :raises UnsuitableError: its type is none a form can ask for.
        """
        core, nullable, metadata = _unwrap(annotation)
        if get_origin(core) is Literal:
            members = [(value, value) for value in get_args(core) if value is not None]
            nullable = nullable or None in get_args(core)
            core = Literal[tuple(value for value, _member in members)] if members else core
        elif isinstance(core, type) and issubclass(core, Enum):
            members = [(member.value, member) for member in core]
        else:
            if (kind := parameter_types.of_type(core, metadata)) is None:
                raise UnsuitableError(f"has the type {_spelled(annotation)}; use {SUPPORTED}")
            return cls(core, kind, nullable, metadata)
        if (kind := parameter_types.of_choices(members)) is None:
            raise UnsuitableError(f"has the type {_spelled(annotation)}, whose values are not all texts or all numbers")
        return cls(core, kind, nullable, metadata, tuple(value for value, _member in members))

    def field(self, attribute: str) -> Any:
        """What the outermost pydantic `Field` says about `title` or `description`, or None."""
        said = [getattr(item, attribute) for item in self.metadata if isinstance(item, FieldInfo)]
        return next((value for value in reversed(said) if value), None)

    def adapter(self) -> TypeAdapter[Any]:
        """Build pydantic's check of one value that is not None."""
        for item in self.metadata:
            if isinstance(item, FieldInfo) and (
                item.default is not PydanticUndefined or item.default_factory or item.alias or item.validation_alias
            ):
                raise UnsuitableError("has a default or an alias inside Field(); give the default with `=`")
        # ours outermost: they see the value first, and the result last
        checks = (AfterValidator(self.kind.after), BeforeValidator(self.kind.before))
        whole: Any = Annotated[(self.core, *self.metadata, *checks)]
        return TypeAdapter(whole, config={"allow_inf_nan": False})

    def schema(self, adapter: TypeAdapter[Any], name: str) -> dict[str, Any]:
        """Build the JSON Schema property, all but the default."""
        found = {key: value for key, value in adapter.json_schema().items() if key not in _OURS}
        given = found.keys() | ({"pattern"} if self._has_pattern() else set())
        if misfits := sorted((given & parameter_types.CONSTRAINTS) - self.kind.constraints):
            raise UnsuitableError(f"has the constraint {misfits[0]}, which does not fit {_spelled(self.core)}")
        schema: dict[str, Any] = {"type": [self.kind.json_type, "null"] if self.nullable else self.kind.json_type}
        if self.kind.format:
            schema["format"] = self.kind.format
        if self.choices:
            schema["enum"] = [*self.choices, None] if self.nullable else list(self.choices)
        schema |= {key: value for key, value in found.items() if key not in schema}
        schema["title"] = self.field("title") or humanised(name)
        if description := self.field("description"):
            schema["description"] = inspect.cleandoc(description)
        orjson.dumps(schema)  # what an author put into json_schema_extra may be no JSON
        return schema

    def _has_pattern(self) -> bool:
        """Whether a pattern was given: where it does not fit, pydantic leaves it out of the schema, and fails later."""
        inside = [part for item in self.metadata if isinstance(item, FieldInfo) for part in item.metadata]
        said = [*inside, *(item for item in self.metadata if isinstance(item, StringConstraints))]
        return any(getattr(part, "pattern", None) is not None for part in said)


def _unwrap(annotation: Any) -> tuple[Any, bool, tuple[Any, ...]]:
    """Take off `Annotated`, Optional and `type` aliases; the metadata comes innermost first."""
    nullable, metadata, core = False, (), annotation
    while True:
        if hasattr(core, "__value__") and not isinstance(core, type):  # `type Month = Annotated[...]` of Python 3.12
            core = core.__value__
        elif get_origin(core) is Annotated:
            core, metadata = core.__origin__, (*core.__metadata__, *metadata)
        elif get_origin(core) in (Union, UnionType):
            others = [option for option in get_args(core) if option is not NoneType]
            if len(others) != 1:
                raise UnsuitableError(f"has the type {_spelled(annotation)}; use {SUPPORTED}")
            nullable, core = True, others[0]
        else:
            return core, nullable, metadata


def _spelled(annotation: Any) -> str:
    """A type as people write it."""
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def humanised(name: str) -> str:
    """A name as a title: `max_rows` is "Max rows"."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:] or name


# ---------------------------------------------------------------- the parameter

_MISSING: Final = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its JSON Schema property, and the way from JSON to what the function gets and back."""

    name: str
    schema: dict[str, Any]
    adapter: TypeAdapter[Any]
    nullable: bool
    blank_is_none: bool  # an empty form field of anything but a text
    default: Any = _MISSING  # as the function gets it

    @classmethod
    def build(cls, name: str, annotation: Any, default: Any) -> Parameter:
        """Make a parameter of what the signature says about it.

        Without annotation the type of the default decides, else it is a text. A default of None makes it Optional.

        :raises UnsuitableError: the type is not supported, a constraint does not fit it, or the default is not right.
        """
        if annotation is _MISSING:
            annotation = str if default is _MISSING or default is None else type(default)
        read = Annotation.read(Union[annotation, None] if default is None else annotation)  # noqa: UP007 - may be a text
        try:
            adapter = read.adapter()
            schema = read.schema(adapter, name)
        except UnsuitableError:
            raise
        except Exception as error:  # pydantic's own, and whatever the author's code in Field() raises
            raise UnsuitableError(f"has annotations that do not work: {_one_line(error)}") from error
        parameter = cls(name, schema, adapter, read.nullable, read.nullable and read.core is not str, default)
        if default is not _MISSING:
            schema["default"] = parameter._stored_default()
        return parameter

    @property
    def required(self) -> bool:
        """Whether a job cannot start without it."""
        return self.default is _MISSING

    def take(self, params: Mapping[str, Any]) -> Any:
        """Take this parameter out of params; its default when it is not there.

        :raises RefusedError: it is missing or not right.
        """
        if self.name in params:
            return self.read(params[self.name])
        if self.required:
            raise RefusedError(_("Required."))
        return self.default

    def read(self, value: Any) -> Any:
        """Turn a value from a form, from JSON or from Python into what the function gets.

        :raises RefusedError: with the sentence for the person who gave it.
        """
        if (self.nullable and value is None) or (self.blank_is_none and isinstance(value, str) and not value):
            return None
        if value is None:
            raise RefusedError(_("Required."))
        try:
            return self.adapter.validate_python(value)
        except ValidationError as error:
            raise RefusedError(from_pydantic(error)) from None

    def store(self, typed: Any) -> Any:
        """Turn what the function gets into JSON."""
        return None if typed is None else self.adapter.dump_python(typed, mode="json", warnings=False)

    def _stored_default(self) -> Any:
        try:
            return self.store(self.read(self.default))
        except RefusedError as error:
            raise UnsuitableError(f"has the default {self.default!r}, which its own type refuses: {error}") from None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
