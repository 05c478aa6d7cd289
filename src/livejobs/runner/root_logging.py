"""The root logger as somebody's own code left it, before a server or Celery set up theirs; free of both."""

from __future__ import annotations

import logging
from typing import Any

_left: list[Any] = []  # its handlers and its level


def remember(**_: Any) -> None:
    """Note what it is now (Celery's celeryd_init, or once a jobs file was imported); the first time counts."""
    root = logging.getLogger()
    if not _left:
        _left[:] = [list(root.handlers), root.level]


def restore() -> None:
    """Make it what it was."""
    if _left:
        root = logging.getLogger()
        root.handlers[:], level = _left
        root.setLevel(level)
