"""One object for each process: made at its first use, and anew in a forked child, which has none of its threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


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
