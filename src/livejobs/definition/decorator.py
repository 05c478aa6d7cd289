"""`@live_job`: a function becomes a live job, and is known to its process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

from livejobs.definition.live_job import LiveJob
from livejobs.definition.options import Options
from livejobs.definition.registry import registry
from livejobs.definition.signature import refuse
from livejobs.errors import DefinitionError

O = ParamSpec("O")  # noqa: E741 - as the P and R of a function, it is that of its options
P = ParamSpec("P")
R = TypeVar("R")


class Decorator(Protocol[O]):
    """What type checkers know of `live_job`: with or without options, and which options there are."""

    @overload
    def __call__(self, func: Callable[P, R], /) -> LiveJob[P, R]: ...  # type: ignore[overload-overlap]  # options are named

    @overload
    def __call__(self, *args: O.args, **options: O.kwargs) -> Callable[[Callable[P, R]], LiveJob[P, R]]: ...


def _taking(options: Callable[O, Options]) -> Callable[[Callable[..., Any]], Decorator[O]]:
    """Say to type checkers that a function takes what `Options` takes, so that these stand in one place."""
    return lambda function: cast("Decorator[O]", function)


@_taking(Options)
def live_job(func: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a live job of a function: `@live_job`, or `@live_job(title=...)`; `Options` describes them all.

    Under `livejobs up` a function that cannot be used stays what it is, and the registry keeps why.

    :raises DefinitionError: the function or an option cannot be used; the message says where and what would be right.
    """

    def decorate(func: Callable[..., Any]) -> Any:
        try:
            if isinstance(title, str):
                raise refuse(func, _by_position(title))
            job = LiveJob(func, short_name=registry.short_names, **options)
            registry.register(job)
        except DefinitionError as error:
            registry.refuse(error)
            return func
        return job

    title: object = func
    if isinstance(func, str) and not registry.keeps_refusals:
        raise DefinitionError(f"{_by_position(func)}.")
    return decorate if func is None or isinstance(func, str) else decorate(func)


def _by_position(title: str) -> str:
    return f"@live_job({title!r}) is not right; write @live_job(title={title!r})"
