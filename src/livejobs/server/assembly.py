"""Puts a server together: checks what it was asked for, knows which parts there are, and runs them."""

from __future__ import annotations

import http.client
import ipaddress
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from livejobs.server import database_config, handover, valkey
from livejobs.server.data import DataFolder, secret_key
from livejobs.server.environment import OUTSIDE, Environment
from livejobs.server.failures import StartError
from livejobs.server.managed_process import ManagedProcess
from livejobs.server.readiness import read_mark
from livejobs.server.supervisor import Supervisor

BACKLOG: Final = 2048
# seconds: running jobs get five when the server stops (SHUTDOWN_SECONDS), and are released in what is left; with the
# other parts that stays under the ten that a stop may take
WORKER_SECONDS: Final = 7.0
FIRST_REQUEST_SECONDS: Final = 5.0
RUNTIME_PREFIX: Final = ".runtime-"  # in the data folder, where others may have folders, too
CONTAINER_MARKS: Final = ("/.dockerenv", "/run/.containerenv")
OF_A_CONTAINER: Final = (
    "In a container: start it with --network=host, or have a proxy in the same container that asks who comes."
)


def run(
    *, tasks: str, host: str, port: int, data: Path, workers: int, strict: bool = False, reload: bool = False
) -> None:
    """Run a server until it is told to stop.

    :raises StartError: it could not start; the sentence says why.
    """
    if not 0 <= port <= 65535:
        raise StartError(f"The port must be a number from 0 to 65535, not {port}.")
    if workers < 1:
        raise StartError(f"The number of workers must be 1 or more, not {workers}.")
    address = loopback_address(host)
    redis_url, database_url = (os.environ.get(name, "") for name in OUTSIDE)
    if redis_url:
        valkey.parse(redis_url)
    database_config.configuration(database_url, data)
    if tasks.endswith(".py") and not Path(tasks).is_file():
        raise StartError(f"There is no file {tasks}.")
    binary = "" if redis_url else valkey.find_binary()

    folder = DataFolder(data)
    folder.take()
    secret_key(data)
    with listen(address, port) as listening:
        port = listening.getsockname()[1]
        url = f"http://{_in_url(host)}:{port}/"
        runtime = runtime_folder(data)
        try:
            environment = Environment(
                tasks, data, runtime, host, port, workers, redis_url, database_url, strict, reload
            )
            outside = [name for name in OUTSIDE if os.environ.get(name)]
            folder.sign(url, valkey="" if redis_url else str(environment.valkey_socket), outside=outside)
            parts = assemble(environment, listening, binary, folder)
            Supervisor(parts, environment, listening, folder.lock, url).run()
        finally:
            # the guard did that already, unless it was never started
            shutil.rmtree(runtime, ignore_errors=True)


def assemble(
    environment: Environment, listening: socket.socket, binary: str, folder: DataFolder
) -> list[ManagedProcess]:
    """Return the parts, in the order in which people are told about them."""
    runtime = environment.runtime
    assert runtime is not None
    addresses = handover.hand_over(environment.addresses())  # open as long as we are
    variables = {**environment.variables(), handover.VARIABLE: str(addresses)}
    marked = _marked(runtime)
    parts = [
        ManagedProcess(
            "database",
            _module("preflight"),
            marked("database"),
            environment=variables,
            descriptors=(addresses,),
            awaited=True,
            ends=True,
        ),
        ManagedProcess(
            "web",
            _module("web"),
            lambda: "" if marked("web")() is not None and _serves(environment, listening) else None,
            environment={**variables, "LIVEJOBS_SOCKET": str(listening.fileno())},
            descriptors=(listening.fileno(), addresses),
            stop_seconds=1.5,
        ),
        ManagedProcess(
            "worker",
            _module("worker"),
            marked("worker"),
            environment=variables,
            descriptors=(addresses,),
            stop_seconds=WORKER_SECONDS,
        ),
        ManagedProcess(
            "maintenance",
            [*_module("cli"), "maintain"],
            marked("maintenance"),
            environment=variables,
            descriptors=(addresses,),
            stop_seconds=2.0,
        ),
    ]
    if not environment.redis_url:
        parts.insert(1, _valkey(environment, binary, folder.subfolder("valkey")))
    return parts


def _valkey(environment: Environment, binary: str, folder: Path) -> ManagedProcess:
    path = environment.valkey_socket
    return ManagedProcess(
        "valkey",
        [binary, "-"],
        lambda: valkey.answers(path),
        environment={"PATH": os.environ.get("PATH", os.defpath), "LIVEJOBS_RUNTIME": str(environment.runtime)},
        stdin=valkey.configuration(path, folder).encode(),
        awaited=True,
        shown=False,
        stop_seconds=1.0,
        mend=lambda said: valkey.set_aside(folder, said),
    )


def _module(name: str) -> list[str]:
    # -P: the current folder stays off sys.path, where somebody's celery.py or queue.py would come first
    return [sys.executable, "-P", "-m", f"livejobs.server.{name}"]


def _marked(runtime: Path) -> Callable[[str], Callable[[], str | None]]:
    def probe_for(name: str) -> Callable[[], str | None]:
        def probe() -> str | None:
            mark = read_mark(runtime, name, "ready")
            return None if mark is None else str(mark.get("detail", ""))

        return probe

    return probe_for


def _serves(environment: Environment, listening: socket.socket) -> bool:
    """Whether web answers. Asks for a page that does not exist: it warms everything up and leaves no session behind."""
    address, port = listening.getsockname()[:2]
    connection = http.client.HTTPConnection(address, port, timeout=FIRST_REQUEST_SECONDS)
    try:
        connection.request("GET", f"/ready-{secrets.token_hex(4)}", headers={"Host": _in_url(environment.host)})
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


# ---------------------------------------------------------------- addresses and folders


def loopback_address(host: str) -> str:
    """Return the address to listen on.

    :raises StartError: it is not one of this machine only. There is no sign-in yet, and whoever reaches the server
        may run its jobs.
    """
    if host == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        raise StartError(
            f"{host!r} is not an address of this machine; use 127.0.0.1, ::1 or localhost "
            "(sign-in for other addresses comes in a later version)."
        ) from None
    if not address.is_loopback:
        container = f" {OF_A_CONTAINER}" if any(Path(mark).exists() for mark in CONTAINER_MARKS) else ""
        raise StartError(
            f"Listening on {host} would let others in; use 127.0.0.1, ::1 or localhost "
            f"(sign-in for other addresses comes in a later version).{container}"
        )
    return str(address)


def listen(address: str, port: int) -> socket.socket:
    """Open the listening socket.

    :raises StartError: the port is in use, or may not be opened.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # without it a port stays taken for a minute after a stop
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise StartError(_why_not(error, address, port)) from None
    return listening


def _why_not(error: OSError, address: str, port: int) -> str:
    import errno

    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {address} is in use; stop what listens there, or choose another with --port."
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return f"This machine has no address {address}."
    return f"Port {port} on {address} cannot be opened: {error.strerror}."


def runtime_folder(data: Path) -> Path:
    """Make a folder that only we may enter, with a path short enough for a socket in it.

    In the data folder, if it can be: what cleans up old temporary files, or after somebody who has logged out, would
    take the sockets from a server that runs.

    :param data: is held by us; what a server left there that was killed together with its guard is removed.
    :raises StartError: there is no place for one.
    """
    for left in data.glob(f"{RUNTIME_PREFIX}*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
    places = (data, os.environ.get("TMPDIR"), os.environ.get("XDG_RUNTIME_DIR"), "/tmp", "/var/tmp")  # noqa: S108 - mkdtemp makes it private
    for base in places:
        if not base:
            continue
        try:
            folder = Path(tempfile.mkdtemp(prefix=RUNTIME_PREFIX if base is data else "livejobs-", dir=base))
        except OSError:
            continue
        if _takes_sockets(folder):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
    raise StartError("There is no place for a runtime folder; set TMPDIR to a short path that can be written.")


def _takes_sockets(folder: Path) -> bool:
    """Whether a socket can be made in a folder: some file systems have none, and a path may be too long."""
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) > valkey.SOCKET_PATH_MAX:
        return False
    try:
        with socket.socket(socket.AF_UNIX) as trial:
            trial.bind(str(path))
        path.unlink()
    except OSError:
        return False
    return True


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
