"""A disk that is full: reads go on, and every write is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from django.db import connections
from django.utils.translation import gettext as _

from livejobs.errors import UnavailableError

LEAST_BYTES: Final = 1024 * 1024  # free: a start and its log need less


def is_full(alias: str) -> bool:
    """Whether the disk of a database on this machine (SQLite) is full; of another one nothing is known."""
    connection = connections[alias]
    if connection.vendor != "sqlite":
        return False
    try:
        return shutil.disk_usage(Path(str(connection.settings_dict["NAME"])).parent).free < LEAST_BYTES
    except OSError:
        return False  # in memory


def says_full(error: BaseException) -> bool:
    """Whether a database says that its disk is full: SQLite, and PostgreSQL (53100, disk_full)."""
    cause = error.__cause__
    return "disk is full" in str(error) or getattr(cause, "sqlstate", getattr(cause, "pgcode", "")) == "53100"


def unavailable(error: BaseException) -> UnavailableError:
    """What a person is told where the database refused: that it cannot be reached, or that its disk is full."""
    return UnavailableError(_("The disk of the database is full. Nothing was started.") if says_full(error) else "")
