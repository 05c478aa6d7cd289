"""What comes out of an attempt's pipe, as lines of its log."""

from __future__ import annotations

import codecs
import logging
from contextlib import suppress
from typing import Any

import orjson

from livejobs.definition import Attempt
from livejobs.runner.framing import Frame, Kind, Unframer
from livejobs.sanitize import one_line, plain
from livejobs.worker.lines import LineCutter


class OutputReader:
    """Feeds one attempt's log.

    :param attempt: gets each line.
    """

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.outcome: dict[str, Any] | None = None  # where it came this way
        self._unframer = Unframer()
        self._decoder, self._stderr = _decoder(), _decoder()  # each may be in the middle of a letter
        self._lines = LineCutter(attempt)

    @property
    def last_line(self) -> str:
        """The last line that was written."""
        return self._lines.last

    def feed(self, data: bytes) -> None:
        """Take what was read; nothing after an outcome."""
        for part in self._unframer.feed(data):
            if self.outcome is not None:
                return
            if isinstance(part, Frame):
                self._take(part)
            else:
                self._lines.write(self._decoder.decode(part))

    def finish(self) -> None:
        """Log what was written without an end of line."""
        rest = self._unframer.finish() if self.outcome is None else b""
        self._lines.write(self._decoder.decode(rest, final=True))
        self._lines.write(self._stderr.decode(b"", final=True), "stderr")
        self._lines.finish()

    def _take(self, frame: Frame) -> None:
        if frame.kind is Kind.OUTCOME:
            with suppress(ValueError):  # forged by the job
                self.outcome = orjson.loads(frame.data)
        elif frame.kind is Kind.STDERR:
            self._lines.write(self._stderr.decode(frame.data), "stderr")
        elif frame.kind is Kind.OPERATOR:
            _tell_operator(frame.data)
        else:
            text = frame.data.decode("utf-8", "replace")
            self._lines.settle()
            for line in text.splitlines() or [""]:
                self.attempt.write(frame.kind.name.lower(), line)


def _decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")("replace")


def _tell_operator(data: bytes) -> None:
    """Log what the machinery says in the runner; a job may forge it, so it commands no terminal and begins no line."""
    with suppress(ValueError, TypeError, KeyError):
        about = orjson.loads(data)
        lines = plain(about["text"]).splitlines()
        logging.getLogger(one_line(about["logger"])).log(about["level"], "%s", "\n    ".join(lines))
