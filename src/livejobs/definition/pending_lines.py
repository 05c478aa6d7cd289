"""Lines of log that wait to be stored: bounded, however much a job writes and whatever the database does."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple


class Line(NamedTuple):
    """What a job wrote; `seconds` since its attempt began."""

    seconds: float
    level: str
    text: str


class PendingLines:
    """The first half of what may be kept of an attempt and, of all that follows, the last half.

    Every line has a number. What falls out between the two halves is a number without a line. One thread takes lines
    while another one adds them.

    :param most: lines that may be kept.
    """

    def __init__(self, most: int) -> None:
        self.first = most // 2
        self.last = most - self.first
        self.written = 0
        self._first: deque[tuple[int, Line]] = deque()
        self._last: deque[tuple[int, Line]] = deque(maxlen=self.last)

    def __len__(self) -> int:
        return len(self._first) + len(self._last)

    def __iter__(self) -> Iterator[Line]:
        return iter([line for _, line in (*self._first, *self._last)])

    def append(self, line: Line) -> None:
        """Add a line."""
        self.written += 1
        (self._first if self.written <= self.first else self._last).append((self.written, line))

    def take(self, most: int) -> list[tuple[int, Line]]:
        """Take the next lines, each with its number, from 1."""
        taken: list[tuple[int, Line]] = []
        for lines in (self._first, self._last):
            while lines and len(taken) < most:
                taken.append(lines.popleft())
        return taken

    def clear(self) -> None:
        """Forget the lines; nobody may store them."""
        self._first.clear()
        self._last.clear()
