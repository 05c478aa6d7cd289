"""What each process has one of: an object, made at first use and anew in a forked child; whether it was told to end."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

# seconds: a second signal after this is somebody who does not want to wait. A closed terminal sends two at once; where
# every process was told to end, who looks after them tells them, too
HURRY_AFTER: Final = 0.3


class PerProcess(Generic[T]):
    """Call it for the object of this process.

    :param make: makes the object; called once, whichever thread comes first.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self.made: T | None = None  # what there is, for who only looks
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self) -> T:
        """The object, made now if there is none."""
        made = self.made
        if made is None:
            with self._lock:
                made = self.made
                if made is None:
                    made = self.made = self._make()
        return made

    def take(self) -> T | None:
        """Take the object away, if there is one; the next call makes another."""
        with self._lock:
            made, self.made = self.made, None
        return made

    def _forget(self) -> None:
        self.made = None
        self._lock = threading.Lock()  # the parent's may have been held as it forked


class StopSignals:
    """How often somebody was told to end: once is asked, again and later is in a hurry."""

    def __init__(self) -> None:
        self.asked_at = math.inf  # by the monotonic clock
        self.hurried = False

    @property
    def asked(self) -> bool:
        """Whether there was a signal."""
        return self.asked_at < math.inf

    def hear(self) -> None:
        """Note a signal."""
        now = time.monotonic()
        if not self.asked:
            self.asked_at = now
        elif now - self.asked_at > HURRY_AFTER:
            self.hurried = True
