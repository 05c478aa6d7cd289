"""Text as a terminal would show it, cut into lines."""

from __future__ import annotations

import threading

from livejobs.definition import Attempt


class LineCutter:
    """Cuts the text that a job writes into lines of its log."""

    def __init__(self, attempt: Attempt, level: str) -> None:
        self._attempt, self._level, self._rest = attempt, level, ""
        self._broken = False  # the line was too long and its first part is logged already
        self._lock = threading.RLock()  # several threads of the job print at once; a signal handler may in between
        self.last = ""  # the last line that says something

    def write(self, text: str) -> None:
        """Log every complete line; a carriage return starts a line over, as a terminal does."""
        with self._lock:
            *lines, rest = (self._rest + text).split("\n")
            for line in lines:
                if not self._broken:
                    self._log(shown(line))
                self._broken = False
            if "\r" in rest[:-1]:  # a progress bar: only its last state counts
                rest = shown(rest) + ("\r" if rest.endswith("\r") else "")
            if self._broken:
                rest = ""
            elif len(rest) > self._attempt.max_text:
                self._log(rest)  # its begin; the rest of it is dropped
                self._broken, rest = True, ""
            self._rest = self._attempt.open_line = rest

    def finish(self) -> None:
        """Log what was written without an end of line."""
        with self._lock:
            rest, self._rest = shown(self._rest), ""
            self._attempt.open_line = ""
            if rest:
                self._log(rest)

    def _log(self, line: str) -> None:
        if line.strip():
            self.last = line.strip()
        self._attempt.write(self._level, line)


def shown(line: str) -> str:
    """What a terminal would show of a line with carriage returns."""
    return line.rstrip("\r").rsplit("\r", 1)[-1]
