"""What a job prints or logs becomes its log: `print()`, stderr and the standard logging module."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import Final

from livejobs.worker.context import Attempt, attempt_of, current_job

# loggers that speak of the machinery, not of the job
OWN_LOGGERS: Final = (
    "livejobs",
    "celery",
    "kombu",
    "amqp",
    "redis",
    "channels",
    "channels_redis",
    "asyncio",
    "billiard",
)
_FORMAT: Final = logging.Formatter("%(message)s")


class JobLogHandler(logging.Handler):
    """Sends log records to the current job; records of the machinery and of other threads pass by."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, its traceback included, a line each."""
        attempt = attempt_of(current_job())
        if attempt is None or record.name.split(".", 1)[0] in OWN_LOGGERS or record.threadName in MACHINERY:
            return
        try:
            for line in _FORMAT.format(record).splitlines() or [""]:
                attempt.write(_level(record.levelno), line)
        except Exception:
            self.handleError(record)


class JobStream(io.TextIOBase):
    """A stdout or stderr that cuts what is written into lines of the job's log."""

    def __init__(self, attempt: Attempt, level: str) -> None:
        self._attempt, self._level, self._rest = attempt, level, ""

    def writable(self) -> bool:
        """Yes."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # some libraries ask a stream for it
        """UTF-8."""
        return "utf-8"

    def write(self, text: str) -> int:
        """Log every complete line; a carriage return starts a line over, as a terminal does."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._attempt.write(self._level, line.rstrip("\r").rsplit("\r", 1)[-1])
        if len(self._rest) > self._attempt.max_text:
            self.finish()
        return len(text)

    def finish(self) -> None:
        """Log what was written without an end of line."""
        rest, self._rest = self._rest.rstrip("\r").rsplit("\r", 1)[-1], ""
        if rest:
            self._attempt.write(self._level, rest)


MACHINERY: Final = frozenset({"livejobs-outlet", "livejobs-publish", "livejobs-agent"})


@contextlib.contextmanager
def captured(attempt: Attempt) -> Iterator[None]:
    """Send what the job prints and logs to its log, until the block ends."""
    out, err = JobStream(attempt, "info"), JobStream(attempt, "warning")
    root, handler = logging.getLogger(), JobLogHandler()
    root.addHandler(handler)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield
    finally:
        root.removeHandler(handler)
        out.finish()
        err.finish()


def _level(number: int) -> str:
    for bound, name in ((50, "critical"), (40, "error"), (30, "warning"), (20, "info")):
        if number >= bound:
            return name
    return "debug"
