"""Ends a worker child that can run no Python: one that is stuck in C with the interpreter's lock, or was frozen.

The only thing that can is a thread without Python: `faulthandler` waits for the next re-arming, and ends the process
when that does not come. A thawed child is ended that way before it takes another step.
"""

from __future__ import annotations

import faulthandler
import math
import sys
from typing import Final

from livejobs.conf import conf
from livejobs.worker.parent import parent

REARMS: Final = 14  # within its time: each second of the 14 of the design


class Watchdog:
    """Armed while a job is at hand; only in a child, which takes no other job along."""

    def __init__(self) -> None:
        self._rearm_at = -math.inf
        self._armed = False

    def keep(self, now: float, *, wanted: bool) -> None:
        """Arm it anew when that is due; disarm it when it is not wanted. Called from the agent's loop."""
        if wanted and parent.is_child():
            if now >= self._rearm_at:
                # the descriptor, not sys.stderr: a job may have taken that
                faulthandler.dump_traceback_later(conf.WATCHDOG_SECONDS, exit=True, file=sys.__stderr__ or 2)
                self._rearm_at, self._armed = now + conf.WATCHDOG_SECONDS / REARMS, True
        elif self._armed:
            faulthandler.cancel_dump_traceback_later()
            self._rearm_at, self._armed = -math.inf, False
