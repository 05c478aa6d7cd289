"""What a job prints or logs becomes its log: `print()`, stderr and the standard logging module.

While any job runs, one stream stands in for stdout and one for stderr, and one handler sits at the root logger. Each
asks who is speaking: a job started inside a job, or two jobs in two threads, keep their lines apart.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final

from livejobs.definition import Attempt, attempt_of, current_job, level_of
from livejobs.runner.output import is_own
from livejobs.worker.lines import LineCutter

_FORMAT: Final = logging.Formatter("%(message)s")


class JobLogHandler(logging.Handler):
    """Sends log records to the current job; records of the machinery pass by."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, its traceback included, a line each."""
        attempt = attempt_of(current_job())
        if attempt is None or is_own(record):
            return
        try:
            _capture.settle(attempt)
            for line in _FORMAT.format(record).splitlines() or [""]:
                attempt.write(level_of(record.levelno), line)
        except Exception:
            self.handleError(record)


class JobOutput(io.TextIOBase):
    """Stands in for stdout or stderr: what a job writes goes to its log, what others write goes where it went."""

    def __init__(self, original: Any, level: str) -> None:
        self.original, self.level = original, level
        self._cutters: dict[Attempt, LineCutter] = {}
        self._bytes = _Bytes(self)

    def write(self, text: str) -> int:
        """Write text; returns its length."""
        attempt = attempt_of(current_job())
        if attempt is None:
            if self.original is not None:
                self.original.write(text)
        else:
            _capture.settle(attempt, but=self)
            cutter = self._cutters.get(attempt) or self._cutters.setdefault(attempt, LineCutter(attempt))
            cutter.write(text, self.level)
        return len(text)

    def flush(self) -> None:
        """Flush what is not a job's; a job's lines go out by themselves."""
        if self.original is not None and attempt_of(current_job()) is None:
            self.original.flush()

    def settle(self, attempt: Attempt) -> None:
        """Log what only might be drawn again: something else is to be logged below it."""
        cutter = self._cutters.get(attempt)
        if cutter is not None:
            cutter.settle()

    def finish(self, attempt: Attempt) -> None:
        """Log what an attempt wrote without an end of line; it writes no more."""
        cutter = self._cutters.pop(attempt, None)
        if cutter is not None:
            cutter.finish()

    def close(self) -> None:
        """Nothing: a job must not close what the next one prints to."""

    def writable(self) -> bool:
        """Yes."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # some libraries ask a stream for it
        """UTF-8."""
        return "utf-8"

    @property
    def buffer(self) -> io.RawIOBase:
        """What `sys.stdout.buffer.write(b"…")` writes to."""
        return self._bytes


class _Bytes(io.RawIOBase):
    def __init__(self, output: JobOutput) -> None:
        self._output = output
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._output.write(self._decoder.decode(bytes(data)))
        return len(data)

    def close(self) -> None:
        pass


class _Capture:
    """Puts the two streams and the handler in place for the first of the jobs that run, and back after the last."""

    def __init__(self) -> None:
        self._lock, self._jobs = threading.Lock(), 0
        self._out, self._err = JobOutput(None, "info"), JobOutput(None, "stderr")
        self._handler = JobLogHandler()
        self._quiet: list[tuple[logging.Handler, int]] = []
        self._root_level = logging.NOTSET

    def begin(self) -> None:
        with self._lock:
            self._jobs += 1
            if self._jobs == 1:
                self._out, self._err = JobOutput(sys.stdout, "info"), JobOutput(sys.stderr, "stderr")
                sys.stdout, sys.stderr = self._out, self._err
                self._listen(logging.getLogger())

    def end(self, attempt: Attempt) -> None:
        with self._lock:
            self._jobs -= 1
            if self._jobs == 0:
                sys.stdout, sys.stderr = self._out.original, self._err.original
                self._unlisten(logging.getLogger())
        self._out.finish(attempt)
        self._err.finish(attempt)

    def settle(self, attempt: Attempt, but: JobOutput | None = None) -> None:
        for output in (self._out, self._err):
            if output is not but:
                output.settle(attempt)

    def _listen(self, root: logging.Logger) -> None:
        """Hear `logging.info()` even in a worker that logs warnings only, without making that worker's log longer."""
        self._root_level, self._quiet = root.level, []
        if root.level > logging.INFO:
            self._quiet = [(handler, handler.level) for handler in root.handlers if handler.level < root.level]
            for handler, _ in self._quiet:
                handler.setLevel(root.level)
            root.setLevel(logging.INFO)
        root.addHandler(self._handler)

    def _unlisten(self, root: logging.Logger) -> None:
        root.removeHandler(self._handler)
        if self._root_level > logging.INFO:
            root.setLevel(self._root_level)
        for handler, level in self._quiet:
            handler.setLevel(level)


_capture = _Capture()


@contextlib.contextmanager
def captured(attempt: Attempt) -> Iterator[None]:
    """Send what the job prints and logs to its log, until the block ends."""
    _capture.begin()
    try:
        yield
    finally:
        _capture.end(attempt)


def _unlock_after_fork() -> None:
    _capture._lock = threading.Lock()


os.register_at_fork(after_in_child=_unlock_after_fork)
