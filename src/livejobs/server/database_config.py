"""The database: SQLite in the data folder, or the one that DATABASE_URL names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from livejobs.server.failures import StartError
from livejobs.server.valkey import shown

POSTGRESQL: Final = frozenset({"postgres", "postgresql", "pgsql"})
CONNECT_SECONDS: Final = 5

# IMMEDIATE: a transaction that reads first and writes later would fail at once when another wrote in between.
# WAL: readers do not wait for the writer. NORMAL: with WAL a crash of the process loses nothing.
SQLITE_OPTIONS: Final[dict[str, Any]] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,  # seconds
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
}


def configuration(url: str, data: Path) -> dict[str, Any]:
    """Return Django's settings for a database.

    :param url: `postgresql://user:password@host:port/name?sslmode=require`, `sqlite:///path`, or empty for the
        embedded SQLite. What follows the question mark is passed on to the driver.
    :raises StartError: the URL is not of that form.
    """
    if not url:
        return _sqlite(data / "livejobs.sqlite3")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise StartError("DATABASE_URL has no valid port number.") from None
    if parts.scheme == "sqlite":
        if not parts.path.strip("/"):
            raise StartError("DATABASE_URL must name a file: sqlite:///path/to/file.")
        # as everywhere: three slashes for a relative path, four for an absolute one
        return _sqlite(Path(unquote(parts.path[1:])))
    if parts.scheme not in POSTGRESQL:
        raise StartError("DATABASE_URL must begin with postgresql:// or sqlite://.")
    name = unquote(parts.path[1:])
    if not name:
        raise StartError("DATABASE_URL must end with the name of a database.")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    # taken out in any case: Django gives each of them to the driver itself
    host, user, password, number = (options.pop(key, "") for key in ("host", "user", "password", "port"))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or "") or user,
        "PASSWORD": unquote(parts.password or "") or password,
        # a socket's folder cannot stand where a host name does: postgresql:///name?host=/run/postgresql
        "HOST": host or unquote(parts.hostname or ""),
        "PORT": str(port or number),
        "OPTIONS": {"connect_timeout": CONNECT_SECONDS, **options},
        # Under ASGI each request has a thread of its own, and a connection kept there would leak. Our own threads
        # keep theirs themselves.
        "CONN_MAX_AGE": 0,
    }


def _sqlite(path: Path) -> dict[str, Any]:
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": dict(SQLITE_OPTIONS)}


def title(url: str, data: Path) -> str:
    """Name the database as messages do: never with its password."""
    return shown(url) if url else str(data / "livejobs.sqlite3")
