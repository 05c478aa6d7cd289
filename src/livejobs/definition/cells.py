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
_CELLS: Final = 16
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
        self.view[CURRENT] = self.view[TOTAL] = math.nan

    def number(self, cell: int) -> float | None:
        """A number, or None where it is none."""
        value = self.view[cell]
        return None if math.isnan(value) else value

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
