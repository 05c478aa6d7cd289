"""The page of memory by which a running function and its agent know of each other without a call.

Where the function has a process of its own the page is shared between the two; a step of `track` is one store into it.
Each cell has one writer.
"""

from __future__ import annotations

import math
from typing import Final

SIZE: Final = 4096  # bytes: one page of memory
CURRENT, TOTAL = 0, 1  # progress; NaN: none. Written by the function
LOOKED: Final = 2  # 1: it called track, progress or check_cancelled in this attempt
RAISED: Final = 3  # 1: `JobStopped` was raised in it
STOP: Final = 4  # the number of a StopReason, from 1; 0: none. Written by the agent
INTERRUPT: Final = 5  # 1: it is to be interrupted. Written by the agent
BEAT: Final = 6  # raised by the agent each second
VERSION: Final = 7  # of the message: odd while it is written
LENGTH: Final = 8  # of the message, in bytes
CPU_BEFORE: Final = 9  # seconds that the process had used as the attempt began. Written by the runner
INNER: Final = 10  # from here, for each track inside of another, what CURRENT and TOTAL are for the outermost
INNER_SHOWN: Final = 3  # so many of them
MESSAGE_MAX: Final = 255  # characters of a message, the size of its column
_CELLS: Final = 18  # the last two take the steps of a track that is deeper
_TEXT: Final = _CELLS * 8
_TRIES: Final = 5


class Cells:
    """One page.

    :param memory: `SIZE` bytes, shared or not.
    """

    __slots__ = ("text", "view")

    def __init__(self, memory: object | None = None) -> None:
        whole = memoryview(bytearray(SIZE) if memory is None else memory)  # type: ignore[arg-type]
        self.view = whole[:_TEXT].cast("d")
        self.text = whole[_TEXT:]
        if memory is None:
            self.clear()

    def clear(self) -> None:
        """Begin an attempt: all but the agent's beat."""
        for cell in range(_CELLS):
            if cell != BEAT:
                self.view[cell] = 0.0
        for cell in (CURRENT, TOTAL, *range(INNER, _CELLS)):
            self.view[cell] = math.nan

    def number(self, cell: int) -> float | None:
        """A number, or None where it is none."""
        value = self.view[cell]
        return None if math.isnan(value) else value

    @property
    def doing(self) -> str:
        """The message, and how far the tracks inside of the outermost one are: "reading 3/10"."""
        pairs = (INNER + 2 * depth for depth in range(INNER_SHOWN))
        steps = [_step(self.number(cell), self.number(cell + 1)) for cell in pairs]
        return " ".join(filter(None, (self.message, " · ".join(filter(None, steps)))))

    @property
    def message(self) -> str:
        """What is being done now; the last whole one if it is being written just now."""
        for _ in range(_TRIES):
            version = self.view[VERSION]
            text = bytes(self.text[: int(self.view[LENGTH])])
            if version % 2 == 0 and version == self.view[VERSION]:
                return text.decode("utf-8", "replace")
        return ""

    @message.setter
    def message(self, text: str) -> None:
        data = text.encode("utf-8", "replace")[: len(self.text)]
        begun = self.view[VERSION] // 2 * 2 + 1  # an interrupted write left an odd one
        self.view[VERSION] = begun
        self.text[: len(data)] = data
        self.view[LENGTH] = len(data)
        self.view[VERSION] = begun + 1


def cell_of(depth: int) -> int:
    """Where a track counts; its total is in the next cell.

    :param depth: how many it is inside of.
    """
    return INNER + 2 * (min(depth, INNER_SHOWN + 1) - 1) if depth else CURRENT


def _step(current: float | None, total: float | None) -> str:
    return "" if current is None else f"{current:.15g}" if total is None else f"{current:.15g}/{total:.15g}"
