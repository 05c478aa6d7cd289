"""Why the server could not start: always one plain sentence, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from livejobs.errors import LivejobsError


class StartError(LivejobsError):
    """Livejobs could not start."""


def run_part(main: Callable[[], int]) -> int:
    """Run a part of the server and return its exit code; why it cannot start is one sentence here too.

    The jobs file was fine when the server started, but may be broken by the time a part is started again.
    """
    try:
        return main()
    except StartError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
