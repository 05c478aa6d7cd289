"""What the supervisor says: plain lines, readable in a terminal, a pipe and a log file alike."""

from __future__ import annotations

import os
import sys
from typing import Final, TextIO

from livejobs.sanitize import one_line
from livejobs.server.line_writer import LineWriter

NAME_WIDTH: Final = 12
LAST_SECONDS: Final = 1.0  # how long the last lines may take
GREEN: Final = "\x1b[32m"
DIM: Final = "\x1b[2m"
PLAIN: Final = "\x1b[0m"


class Output:
    """Progress on stdout; what parts and jobs write, warnings and errors on stderr.

    Somebody may close our output (`livejobs up | head`): then it is silent, and the server goes on. Or stop reading it:
    then lines wait, and are left out.
    """

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self._writers: dict[tuple[int, int], LineWriter] = {}  # by device and inode
        # "ok" where the terminal's encoding has no check mark
        self.check = "✓" if _can_write(self.out, "✓") else "ok"
        self.bar = "│" if _can_write(self.err, "│") else "|"

    def ready(self, name: str, seconds: float, detail: str = "", *, again: bool = False) -> None:
        """Say that a part is ready, and how long it took."""
        words = f"{name:<{NAME_WIDTH}} ready {'again ' if again else ''}in {seconds:.1f} s"
        self._write(self.out, f"{_colour(self.out, GREEN, self.check)} {words}{f' ({detail})' if detail else ''}")

    def say(self, line: str) -> None:
        """Write one line of progress."""
        self._write(self.out, line)

    def warn(self, line: str) -> None:
        """Write one line about something that went wrong."""
        self._write(self.err, line)

    def passed_on(self, name: str, line: str) -> None:
        """Write one line that a part wrote."""
        self._write(self.err, f"{_colour(self.err, DIM, f'{name:<{NAME_WIDTH}}{self.bar}')} {one_line(line)}")

    def flush(self) -> None:
        """Have written what was said, where somebody reads it."""
        for writer in set(self._writers.values()):
            writer.flush(LAST_SECONDS)

    def _write(self, stream: TextIO, line: str) -> None:
        encoding = stream.encoding or "utf-8"
        data = f"{line}\n".encode(encoding, "replace")
        writer = self._writer(stream)
        if writer is not None:
            writer.write(data)
        else:
            stream.write(data.decode(encoding))
            stream.flush()

    def _writer(self, stream: TextIO) -> LineWriter | None:
        """Who writes to a stream: one for both where they are one terminal, so that lines keep their order."""
        try:
            descriptor = stream.fileno()
            found = os.fstat(descriptor)
        except (OSError, ValueError):
            return None  # text that is kept in memory
        place = (found.st_dev, found.st_ino)
        if place not in self._writers:
            self._writers[place] = LineWriter(descriptor)
        return self._writers[place]


def _can_write(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _colour(stream: TextIO, colour: str, text: str) -> str:
    return f"{colour}{text}{PLAIN}" if stream.isatty() and not os.environ.get("NO_COLOR") else text
