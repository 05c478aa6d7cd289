"""The five levels of a line of log, and what else they are called."""

from __future__ import annotations

import logging
from typing import Final

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_FROM: Final = ((50, "critical"), (40, "error"), (30, "warning"), (20, "info"), (0, "debug"))


def level_of(given: object) -> str:
    """The level that is meant: one of ours, or what logging takes, by name or by number.

    What is none of these is info: a wrong level is no reason for a job to fail.
    """
    if isinstance(given, str):
        if given in LEVELS:
            return given
        given = logging.getLevelNamesMapping().get(given.strip().upper(), given)
    try:
        number = float(given)  # type: ignore[arg-type]
    except Exception:
        return "info"
    return next((name for bound, name in _FROM if number >= bound), "info")
