"""Text as a terminal would show it, cut into lines."""

from __future__ import annotations

import threading

from livejobs.definition import Attempt
from livejobs.worker.terminal import Terminal


class LineCutter:
    """Cuts the text that a job writes into lines of its log."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._level = "info"  # of what was written last: one screen shows stdout and stderr
        self._terminal = Terminal(self._log, attempt.max_text)
        self._lock = threading.RLock()  # several threads of the job print at once; a signal handler may in between
        self.last = ""  # the last line that says something

    def write(self, text: str, level: str = "info") -> None:
        """Log every line that is finished; what may still be drawn again is open."""
        with self._lock:
            if level != self._level and text:
                self._terminal.settle()  # a bar that has ended is of who drew it
                self._level = level
            self._terminal.feed(text)
            self._show()

    def settle(self) -> None:
        """Log what only might be drawn again, before something else is logged."""
        with self._lock:
            self._terminal.settle()
            self._show()

    def finish(self) -> None:
        """Log what was written without an end of line."""
        with self._lock:
            self._terminal.finish()
            self._show()

    def _show(self) -> None:
        attempt, terminal = self._attempt, self._terminal
        attempt.open_line, attempt.drawn, attempt.drawn_last = terminal.text, terminal.drawn, terminal.ended

    def _log(self, line: str) -> None:
        if line.strip():
            self.last = line.strip()
        self._attempt.write(self._level, line)


def shown(line: str) -> str:
    """What a terminal would show of a line with carriage returns."""
    return line.rstrip("\r").rsplit("\r", 1)[-1]
