"""Loads somebody's file of functions, or a dotted module. `@live_job` itself puts the jobs into the registry.

The author's folder goes to the *end* of `sys.path`: a file of theirs called `celery.py` or `queue.py` must not take the
place of the module that Celery, Django or the standard library means by that name. For the same reason every part of
the server is started with `python -P`.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

import livejobs
from livejobs.definition import LiveJob, registry
from livejobs.errors import DefinitionError
from livejobs.runner import root_logging
from livejobs.sanitize import clean, cut
from livejobs.server.failures import StartError

T = TypeVar("T")
MESSAGE_MAX: Final = 300  # characters of an exception's message; the whole answer stays one sentence
ASIDE: Final = "livejobs_file_"  # before the name of a file whose own name means another module
_OURS: Final = os.path.join(os.path.dirname(livejobs.__file__), "")
_INTERACTIVE: Final = "TTY_INTERACTIVE"  # documented by rich
_UNFIT: Final = re.compile(r"\W")
_INSTALLED: Final = re.compile(r"[/\\](?:site|dist)-packages[/\\]")


class LoadError(StartError):
    """The jobs file cannot be used."""


def load(tasks: str, *, strict: bool = False) -> tuple[LiveJob[..., Any], ...]:
    """Load the jobs of a file or module into the registry, named as their functions, and return them.

    A function that cannot be a job does not keep the others from being loaded; the registry's refusals say why.

    :param tasks: the path of a Python file, or a dotted module.
    :param strict: whether such a function is a fault like any other.
    :raises LoadError: it is not there, cannot be imported, or defines no job; every fault that was found is said.
    """
    registry.short_names = registry.keeps_refusals = True
    before = {id(job) for job in registry}
    try:
        with _logging_of_its_own(), _rich_may_draw():
            module = _load_file(Path(tasks).expanduser()) if is_path(tasks) else _load_module(tasks)
    except LoadError as error:
        raise LoadError(_listed(tasks, [*registry.refusals, error.message])) from error
    # a module that was imported before defines nothing anew: what stands in it counts too
    inside = {id(value) for value in vars(module).values() if isinstance(value, LiveJob)}
    found = tuple(job for job in registry if id(job) not in before or id(job) in inside)
    if registry.refusals and (strict or not found):
        raise LoadError(_listed(tasks, registry.refusals))
    if not found:
        file = vars(module).get("__file__")  # a folder without __init__.py has none
        raise LoadError(f"There is no job in {shown(file) if file else tasks}; put @live_job above a function.")
    return found


def sources(tasks: str) -> list[str]:
    """The author's own files that are loaded by now: that of the jobs, and what it imported from beside it."""
    if not tasks:
        return []
    path = Path(tasks).expanduser().resolve()
    folder = path.parent if is_path(tasks) else Path.cwd()
    loaded = [getattr(module, "__file__", None) for module in tuple(sys.modules.values())]
    return sorted({file for file in loaded if file and _is_own(file, folder)})


@contextmanager
def _rich_may_draw() -> Iterator[None]:
    """Tell a console of rich that is made as the file is loaded that it may draw: it decides that only then.

    Not for longer: what a job starts would inherit it.
    """
    given = os.environ.get(_INTERACTIVE)
    os.environ.setdefault(_INTERACTIVE, "1")
    try:
        yield
    finally:
        if given is None:
            os.environ.pop(_INTERACTIVE, None)


@contextmanager
def _logging_of_its_own() -> Iterator[None]:
    """Let the file find a root logger without handlers, as any script does: `basicConfig` is for its jobs."""
    root = logging.getLogger()
    ours = list(root.handlers), root.level
    root.handlers.clear()
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root_logging.remember()
        root.handlers[:], level = ours
        root.setLevel(level)


def is_path(tasks: str) -> bool:
    """Say whether this means a file; else it is a dotted module."""
    package = os.path.isfile(os.path.join(tasks, "__init__.py"))
    return tasks.endswith(".py") or os.sep in tasks or (os.path.exists(tasks) and not package)


def _listed(tasks: str, faults: Sequence[str]) -> str:
    """Say one fault as it is, and several one below the other."""
    if len(faults) == 1:
        return faults[0]
    name = shown(tasks) if is_path(tasks) else tasks
    return "\n  ".join([f"{name} has {len(faults)} faults:", *faults])


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as messages have it: relative to the current folder when it is inside."""
    file = os.path.abspath(path)
    return os.path.relpath(file) if file.startswith(os.path.join(os.getcwd(), "")) else file


# ---------------------------------------------------------------- finding


def _load_file(given: Path) -> ModuleType:
    if given.is_dir():
        raise LoadError(f"{shown(given)} is a folder; name the file in it that has your @live_job functions.")
    if not given.is_file():
        raise LoadError(f"There is no file {shown(given)}.")
    path = given.resolve()
    _append_to_path(path.parent)
    name = _module_name(path)
    if (known := sys.modules.get(name)) is not None:
        return known  # one of its neighbours, or an earlier call, imported it
    # a loader of our own choice: the file need not end in .py
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # before it runs: dataclasses and pickle look their module up by name, and a neighbour may import it in turn
    sys.modules[name] = module
    try:
        _run(lambda: loader.exec_module(module), path.parent, shown(path))
    except LoadError:
        sys.modules.pop(name, None)
        raise
    return module


def _load_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise LoadError(f"There is no file or module {name}.")
    _append_to_path(Path.cwd())
    try:
        return _run(lambda: importlib.import_module(name), Path.cwd(), name)
    except _MissingError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise LoadError(f"There is no file or module {name}.") from None
        raise


def _append_to_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _module_name(path: Path) -> str:
    """Return the name to import a file as: its own, unless that means another module."""
    name = path.stem
    if "." in name or _means_another(name, path):
        name = ASIDE + _UNFIT.sub("_", name)
    while _means_another(name, path):
        name += "_"
    return name


def _means_another(name: str, path: Path) -> bool:
    if (known := sys.modules.get(name)) is not None:
        return not _is(getattr(known, "__file__", None), path)
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and not _is(spec.origin, path)


def _is(file: str | None, path: Path) -> bool:
    return file is not None and Path(file).resolve() == path


# ---------------------------------------------------------------- running, and what may go wrong


class _MissingError(LoadError):
    """A module is not there; `name` says which."""

    name: str | None = None


def _run(run: Callable[[], T], folder: Path, whole: str) -> T:
    """Run somebody's code; whatever it raises becomes one sentence.

    :param folder: where the author's files are.
    :param whole: what to name where no line of theirs led to it.
    :raises LoadError: it did not come to its end.
    """
    try:
        return run()
    except DefinitionError as error:
        raise LoadError(error.message) from error
    except SyntaxError as error:
        where = f"{shown(error.filename)}:{error.lineno or 1}" if error.filename else _place(error, folder) or whole
        raise LoadError(f"{where} has a syntax error: {_one_line(error.msg) or 'it cannot be read'}.") from error
    except ModuleNotFoundError as error:
        missing = _MissingError(_raised(error, _place(error, folder) or whole))
        missing.name = error.name
        raise missing from error
    except (Exception, SystemExit) as error:  # a script may end itself with sys.exit()
        raise LoadError(_raised(error, _place(error, folder) or whole)) from error


def _raised(error: BaseException, where: str) -> str:
    message = _one_line(_text(error))
    return f"{where} raised {type(error).__name__} while it was loaded{f': {message}' if message else ''}."


def _place(error: BaseException, folder: Path) -> str:
    """Return the author's line that led to an exception, as `file:line`, or nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(frame.filename, folder)]
    return f"{shown(own[-1].filename)}:{own[-1].lineno}" if own else ""


def _is_own(file: str, folder: Path) -> bool:
    if not file.startswith(os.path.join(folder, "")) or file.startswith(_OURS):
        return False
    # a virtual environment often lies beside the file
    return _INSTALLED.search(file[len(str(folder)) :]) is None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its message cannot be shown)"


def _one_line(text: str) -> str:
    return cut(clean(" ".join(text.split())), MESSAGE_MAX).rstrip(". ")
