"""A part that stands by (`--reload`): it has imported everything but the jobs file, and waits for a word.

The supervisor has one for each part that loads the jobs. Where a file was saved they load it, and when all could, the
old ones are told to go. The words come through the standard input; its end is the supervisor's.
"""

from __future__ import annotations

import os
from typing import Final

from livejobs.server.readiness import PART

VARIABLE: Final = "LIVEJOBS_STANDBY"
LOAD: Final = b"load\n"
SERVE: Final = b"serve\n"


class Standby:
    """Our side of the words, in a part that stands by."""

    def __init__(self) -> None:
        # kept from the jobs: whatever they read from the standard input, it is not ours
        self._words = os.fdopen(os.dup(0), "rb", buffering=0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)

    def wait_for(self, word: bytes) -> None:
        """Wait until we are told to go on.

        :raises SystemExit: the supervisor is gone, or needs us no more.
        """
        if self._words.readline() != word:
            raise SystemExit(0)

    def take_over(self) -> None:
        """Be a part like any other, whose marks have its plain name."""
        self._words.close()
        for name in (VARIABLE, PART):
            os.environ.pop(name, None)


def begin() -> Standby | None:
    """Stand by, where this process was started to do so."""
    return Standby() if os.environ.get(VARIABLE) else None
