"""What the command `livejobs` needs beyond the app: which extra brings it, and the sentence where that is missing.

The console script begins here, because the command line itself cannot be imported without its extra.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Final

from livejobs.server.database_config import POSTGRESQL
from livejobs.server.failures import StartError

COMMAND_LINE: Final = ("typer",)
# websockets comes with uvicorn[standard]: a bare uvicorn answers a WebSocket with 404
SERVER: Final = (*COMMAND_LINE, "uvicorn", "websockets", "servestatic")
DRIVERS: Final = ("psycopg", "psycopg2")  # Django takes either
# commands that a project has without the extra
OF_A_PROJECT: Final = {"check": "manage.py livejobs_check", "maintain": "manage.py livejobs_maintain"}


def require_server(command: str) -> None:
    """Refuse a command of which a module is missing.

    :raises StartError: its extra is not installed.
    """
    needed = SERVER if command == "up" else COMMAND_LINE
    if all(_installed(name) for name in needed):
        return
    name = f"livejobs {command}".rstrip()
    message = f"{name} needs more than the app: pip install 'livejobs[server]'"
    if command in OF_A_PROJECT:
        message += f"; in a Django project {OF_A_PROJECT[command]} does it without"
    raise StartError(message)


def require_driver(database_url: str) -> None:
    """Refuse a PostgreSQL for which there is no driver.

    :raises StartError: its extra is not installed.
    """
    if database_url.partition("://")[0] in POSTGRESQL and not any(_installed(name) for name in DRIVERS):
        raise StartError("PostgreSQL (DATABASE_URL) needs more than the app: pip install 'livejobs[postgresql]'")


def require_folder() -> None:
    """Refuse to run in a folder that was deleted: every relative path would be a puzzle.

    :raises StartError: it was.
    """
    try:
        os.getcwd()
    except OSError:
        raise StartError("The folder you are in does not exist any more; go to another one (cd).") from None


def _installed(name: str) -> bool:
    return find_spec(name) is not None


def main() -> None:
    """Run the command `livejobs` and exit."""
    try:
        require_folder()
        require_server(next((word for word in sys.argv[1:] if not word.startswith("-")), ""))
        from livejobs.server import cli
    except StartError as error:
        sys.stderr.write(f"livejobs: {error.message}\n")
        sys.exit(1)
    except KeyboardInterrupt:  # while it is still being loaded
        sys.exit(130)
    cli.main()
