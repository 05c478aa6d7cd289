"""What has become of the jobs file since it was loaded: the supervisor leaves it as a mark, and the page says it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from livejobs.server.environment import Environment
from livejobs.server.readiness import read_mark, write_mark

NAME: Final = "jobs"
KIND: Final = "notice"


def leave_changed(runtime: Path, file: str) -> None:
    """Note that a file has changed, and that the earlier one is served."""
    write_mark(runtime, NAME, KIND, {"file": file, "fault": ""})


def leave_broken(runtime: Path, file: str, fault: str) -> None:
    """Note that a file has changed and cannot be served, and why."""
    write_mark(runtime, NAME, KIND, {"file": file, "fault": fault})


def remove(runtime: Path) -> None:
    """Note that what is served is what is there."""
    (runtime / f"{NAME}.{KIND}").unlink(missing_ok=True)


def sentences() -> list[str]:
    """What the page says; in the web part."""
    from django.utils.translation import gettext as _

    runtime = Environment.read().runtime
    mark = None if runtime is None else read_mark(runtime, NAME, KIND)
    if mark is None:
        return []
    if mark["fault"]:
        told = _("{file} cannot be loaded; its last good version is served: {fault}")
    else:
        told = _("{file} has changed since it was loaded; the server has to be restarted to run it.")
    return [told.format(file=mark["file"], fault=mark["fault"])]
