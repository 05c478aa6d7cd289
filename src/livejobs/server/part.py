"""The way of a part to its readiness: it loads the jobs file, waits for its servers, and says why where it cannot.

The parts are started all at once, so that a file that takes long to import is imported by each at the same time, while
the tables are brought up to date. Nobody touches a server before the supervisor has opened them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from livejobs.server import standby
from livejobs.server.environment import Environment
from livejobs.server.failures import StartError
from livejobs.server.readiness import mark_failed, mark_loaded, read_mark, write_mark
from livejobs.server.standby import Standby
from livejobs.server.watched_files import versions

SERVERS: Final = "servers"  # whose mark says that the database and the queue are there
LOOK_SECONDS: Final = 0.02
SERVERS_SECONDS: Final = 600.0  # a large table may take minutes to be brought up to date
_later: bool = False
_standby: Standby | None = None


def run_part(name: str, main: Callable[[], int]) -> int:
    """Run a part of the server and return its exit code; why it cannot start is said plainly, and left as a mark.

    The jobs file may have been fine when the server started, and be broken by the time a part is started again.
    """
    try:
        return main()
    except StartError as error:
        mark_failed(name, error.message)
        sys.stderr.write(f"{error.message}\n")
        return 1


def loads_later() -> bool:
    """Whether this process loads the jobs itself, after Django is set up."""
    return _later


def load_later() -> None:
    """Have Django set up without the jobs; from here on a part may stand by."""
    global _later, _standby
    _later, _standby = True, standby.begin()


def load_jobs(name: str) -> None:
    """Load the jobs, and say which files they came from and which functions are none.

    :raises LoadError: the file or module cannot be used.
    """
    from livejobs.definition import registry
    from livejobs.server.loader import load, sources

    if _standby is not None:
        _standby.wait_for(standby.LOAD)
    environment = Environment.read()
    # as it was before: one that is written while it is imported has changed since
    before = versions([os.path.realpath(os.path.expanduser(environment.tasks))])
    if environment.tasks:
        load(environment.tasks, strict=environment.strict)
    files = {file: before.get(file, found) for file, found in versions(sources(environment.tasks)).items()}
    mark_loaded(name, refusals=registry.refusals, files=files)


def open_servers(runtime: Path) -> None:
    """Let the parts go on: their servers are there."""
    write_mark(runtime, SERVERS, "ready", {})


def wait_for_servers(seconds: float = SERVERS_SECONDS) -> None:
    """Wait until the servers are there, or until it is our turn; where no supervisor is, nobody says so.

    :raises StartError: they never were.
    """
    if _standby is not None:
        _standby.wait_for(standby.SERVE)
        _standby.take_over()
    runtime = Environment.read().runtime
    give_up_at = time.monotonic() + seconds
    while runtime is not None and read_mark(runtime, SERVERS, "ready") is None:
        if time.monotonic() > give_up_at:
            raise StartError(f"The database and the queue were not ready within {seconds:.0f} s.")
        time.sleep(LOOK_SECONDS)
