"""The signature of a live job: its form, its JSON Schema and its validation, in one.

`parameters` knows one parameter and describes the schema; this module knows a function and all of its parameters.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, get_type_hints

import orjson

from livejobs.conf import Settings
from livejobs.definition import wording
from livejobs.definition.parameters import Parameter, UnsuitableError
from livejobs.errors import DefinitionError, InvalidError, TooLargeError
from livejobs.protocol import within_depth

MAX_PARAMS_BYTES: Final = Settings.MAX_PARAMS_BYTES
MAX_NESTING: Final = Settings.MAX_NESTING
_NAMED_UNKNOWN: Final = 10  # unknown names that are answered one by one: the answer must not grow with hostile input
_UNFIT: Final[dict[Any, tuple[str, str]]] = {
    inspect.Parameter.VAR_POSITIONAL: (
        "*",
        "takes any number of values; name each parameter, so a form can ask for it",
    ),
    inspect.Parameter.VAR_KEYWORD: ("**", "takes any names; name each parameter, so a form can ask for it"),
    inspect.Parameter.POSITIONAL_ONLY: ("", "is positional-only; leave out the `/`, a job gets its parameters by name"),
}


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes, ready to show, to check and to call with."""

    function: str
    parameters: tuple[Parameter, ...]
    positional: tuple[str, ...]

    @classmethod
    def of(cls, func: Callable[..., Any]) -> Signature:
        """Read the signature of a function.

        :raises DefinitionError: it is no plain function, or parameters cannot be asked for in a form.
        """
        _check_function(func)
        parameters: list[Parameter] = []
        unsuitable: list[UnsuitableError] = []
        for parameter in inspect.signature(func).parameters.values():
            try:
                parameters.append(_parameter(func, parameter))
            except UnsuitableError as error:
                unsuitable.append(error)
        if unsuitable:
            raise refuse(func, *map(str, unsuitable)) from unsuitable[0].__cause__
        by_position = [
            parameter.name
            for parameter in inspect.signature(func).parameters.values()
            if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        ]
        return cls(func.__name__, tuple(parameters), tuple(by_position))

    @property
    def names(self) -> list[str]:
        """The names of all parameters, in order."""
        return [parameter.name for parameter in self.parameters]

    @property
    def required(self) -> tuple[str, ...]:
        """The names of those without a default."""
        return tuple(parameter.name for parameter in self.parameters if parameter.required)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the params; see `parameters` for its shape."""
        return {
            "type": "object",
            "properties": {parameter.name: parameter.schema for parameter in self.parameters},
            "required": list(self.required),
            "additionalProperties": False,
        }

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Give positional arguments their names, as calling the function would.

        :raises InvalidError: there are more than the function takes, or one is given twice.
        """
        if len(args) > len(self.positional):
            raise InvalidError(
                f"{self.function}() takes at most {len(self.positional)} positional arguments; {len(args)} were given."
            )
        params = dict(zip(self.positional, args, strict=False))
        if twice := [name for name in params if name in kwargs]:
            raise InvalidError(f"{self.function}() got {twice[0]} twice, by position and by name.")
        return params | dict(kwargs)

    def validate(self, params: Mapping[str, Any], max_bytes: int, max_nesting: int) -> dict[str, Any]:
        """Check params and give them back as JSON, defaults filled in, so that a retry does what was meant.

        :param max_bytes: the bound of all params together, in bytes of JSON.
        :raises InvalidError: `fields` says for each parameter what is wrong.
        :raises TooLargeError: a bound was passed; `fields` names the largest parameter.
        """
        if not within_depth(dict(params), max_nesting):
            raise TooLargeError(wording.too_deep(max_nesting))
        typed = self.arguments(params)
        stored = {parameter.name: parameter.store(typed[parameter.name]) for parameter in self.parameters}
        if (size := len(orjson.dumps(stored))) > max_bytes:
            largest = max(stored, key=lambda name: len(orjson.dumps(stored[name])))
            message = wording.too_large(size, max_bytes)
            raise TooLargeError(message, fields={largest: message})
        return stored

    def arguments(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Turn params, stored or just given, into the typed arguments of the function, defaults filled in.

        Stored params are checked again: the function may have changed since (a deploy). So a validator that the author
        put into `Annotated` sees a value twice, and must give its own output back unchanged.

        :raises InvalidError: `fields` says for each parameter what is wrong.
        """
        typed: dict[str, Any] = {}
        unknown = [str(name) for name in params if name not in self.names]
        fields = {
            wording.shown_name(name): wording.unknown_parameter(name, self.names) for name in unknown[:_NAMED_UNKNOWN]
        }
        for parameter in self.parameters:
            try:
                typed[parameter.name] = parameter.take(params)
            except wording.RefusedError as refused:
                fields[parameter.name] = str(refused)
        if fields:
            raise InvalidError(wording.all_fields(fields), fields=fields)
        return typed


def place(func: Any) -> str:
    """Where a function is, as `file:line`; relative to the current folder when it is inside."""
    code = getattr(inspect.unwrap(func), "__code__", None)
    if code is None:
        return getattr(func, "__module__", None) or "somewhere"
    file = os.path.abspath(code.co_filename)
    inside = file.startswith(os.path.join(os.getcwd(), ""))
    return f"{os.path.relpath(file) if inside else file}:{code.co_firstlineno}"


def refuse(func: Any, *reasons: str) -> DefinitionError:
    """Build the sentence that says why this function cannot be a live job; a further reason is one more."""
    name = getattr(func, "__name__", None) or type(func).__name__
    told = " Also: ".join(f"{reason.rstrip('.')}." for reason in reasons)
    error = DefinitionError(f"{place(func)}: {name} cannot be a live job: {told}")
    error.reasons = reasons
    return error


def _check_function(func: Any) -> None:
    """Refuse what is no plain function that returns its result."""
    if inspect.isclass(func) or not inspect.isfunction(func):
        raise refuse(func, "it is not a function; decorate a plain function defined with `def`")
    if func.__name__ == "<lambda>":
        raise refuse(func, "a lambda has no name to find it by; write it as a function with `def`")
    if inspect.iscoroutinefunction(func) or inspect.isasyncgenfunction(func):
        raise refuse(func, "it is an `async def`; write a plain `def`, a job has a worker process to itself")
    if inspect.isgeneratorfunction(func):
        raise refuse(func, "it is a generator; return the result, and report on the way with current_job().track(...)")
    first = next(iter(inspect.signature(func).parameters), "")
    if "." in func.__qualname__.rpartition("<locals>.")[2] or first in ("self", "cls"):
        hint = f"parameter {first} makes it a method" if first in ("self", "cls") else "it is defined in a class"
        raise refuse(func, f"{hint}; write a plain function, current_job() is there for the job itself")


def _parameter(func: Callable[..., Any], parameter: inspect.Parameter) -> Parameter:
    stars, unfit = _UNFIT.get(parameter.kind, ("", ""))
    try:
        if unfit:
            raise UnsuitableError(unfit)
        return Parameter.build(parameter.name, _resolved(func, parameter), parameter.default)
    except UnsuitableError as error:
        raise UnsuitableError(f"parameter {stars}{parameter.name} {error}") from error.__cause__


def _resolved(func: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The annotation of one parameter as an object, also under `from __future__ import annotations`.

    One at a time: another one that only type checkers can read (that of the return value, say) does not matter here.
    """
    if parameter.annotation is inspect.Parameter.empty:
        return parameter.annotation
    holder: Any = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        hints = get_type_hints(holder, globalns=getattr(inspect.unwrap(func), "__globals__", {}), include_extras=True)
    except Exception as error:
        raise UnsuitableError(f"has the annotation {parameter.annotation}, which cannot be read: {error}") from error
    return hints[parameter.name]
