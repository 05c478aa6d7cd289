"""When an agent gives its jobs back: its worker was told to stop, or this child of it alone."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from enum import Enum
from types import FrameType
from typing import Any

from livejobs.conf import conf
from livejobs.per_process import StopSignals
from livejobs.worker.parent import parent


class Demand(Enum):
    """What is to be done with the jobs that run."""

    GO_ON = "go on"
    GIVE_BACK = "give back"
    AT_ONCE = "give back at once"


class Shutdown:
    """What an agent has heard of its end.

    :param is_busy: whether a job runs.
    """

    def __init__(self, is_busy: Callable[[], bool]) -> None:
        self._is_busy = is_busy
        self._alone = StopSignals()
        self._give_back_at = math.inf
        self._before: Any = None  # what SIGTERM did to this process

    def listen(self) -> None:
        """Have SIGTERM to a child of a worker give its job back instead of losing it; in the child's main thread.

        To be called for each job: Celery sets a handler of its own after ours could be set first.
        """
        if signal.getsignal(signal.SIGTERM) != self._on_term:
            self._before = signal.signal(signal.SIGTERM, self._on_term)

    def demand(self, now: float) -> Demand:
        """Say what is to be done now; the grace begins when this is asked first after the news."""
        if not (self._alone.asked or parent.is_shutting_down()):
            return Demand.GO_ON
        if self._alone.hurried or parent.is_hurried():
            return Demand.AT_ONCE
        self._give_back_at = min(self._give_back_at, now + conf.SHUTDOWN_SECONDS)
        return Demand.GIVE_BACK if now >= self._give_back_at else Demand.GO_ON

    def take_leave(self) -> bool:
        """Whether this child has given back what it was told to end with; said once."""
        over = self._alone.asked and not self._is_busy()
        if over:
            self._alone = StopSignals()
        return over

    def _on_term(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_busy():
            self._alone.hear()
        else:
            signal.signal(signal.SIGTERM, self._before)
            signal.raise_signal(signal.SIGTERM)
