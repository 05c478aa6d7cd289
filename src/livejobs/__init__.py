"""Livejobs makes background jobs live: started in a browser, watched as they run, found again after a reload.

This module imports neither Django nor Celery until a verb that needs them is used, so that a plain file of functions
can say `from livejobs import live_job, current_job`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from livejobs.definition import LiveJob, Text, current_job, live_job

if TYPE_CHECKING:
    from livejobs.actions import acancel, aretry, astart, cancel, retry, start, start_many

__version__ = "0.1.0"

__all__ = [
    "LiveJob",
    "Text",
    "__version__",
    "acancel",
    "aretry",
    "astart",
    "cancel",
    "current_job",
    "live_job",
    "retry",
    "start",
    "start_many",
]

_VERBS: Final = frozenset({"acancel", "aretry", "astart", "cancel", "retry", "start", "start_many"})


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(import_module("livejobs.actions"), name)
    raise AttributeError(f"module 'livejobs' has no attribute {name!r}")
