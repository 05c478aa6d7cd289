"""The log of a job over HTTP, in parts, so that it costs no memory however long it is: a file, upwards for a page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from livejobs.conf import conf
from livejobs.database import pool
from livejobs.hints.log_lines import read_lines
from livejobs.hints.public_job import iso
from livejobs.models import JobLog
from livejobs.protocol import ID_MAX, LogLine, encode
from livejobs.sanitize import one_line
from livejobs.web.words import say

PART_LINES: Final = 500
# of what a page shows at a time: in less than 50 ms, so that it never halts
SHOWN_LINES: Final = 250
SHOWN_CHARACTERS: Final = 512 * 1024
LAST_LINES: Final = 100  # that come with the page itself
LAST_CHARACTERS: Final = 64 * 1024


def last_lines(job_id: int) -> list[LogLine]:
    """The end of a log, as it comes with a page."""
    return read_lines(job_id, before=ID_MAX, most=LAST_LINES, characters=LAST_CHARACTERS)


class Parts(ABC):
    """What is sent part by part, each read when the one before is taken."""

    @abstractmethod
    def read(self) -> str:
        """The next part; empty at the end."""

    def __iter__(self) -> Iterator[str]:
        while part := self.read():
            yield part

    async def __aiter__(self) -> AsyncIterator[str]:
        while part := await pool.run(self.read):
            yield part


class EarlierLines(Parts):
    """The lines before one. Each line of JSON has some of them, in order; those above are next, an empty one is last.

    :param before: the number of a line.
    """

    def __init__(self, job_id: int, before: int) -> None:
        self._job_id, self._before = job_id, before
        self._ended = False

    def read(self) -> str:
        """The lines before those of the last part."""
        if self._ended:
            return ""
        lines = read_lines(self._job_id, before=self._before, most=SHOWN_LINES, characters=SHOWN_CHARACTERS)
        self._ended = not lines  # said, because what was cut looks like an end, too
        if lines:
            self._before = lines[0]["seq"]
        return f"{encode(lines)}\n"


class LogFile(Parts):
    """One job's log. Each line begins with its time, so that no text can pass for one of ours.

    :param several: whether the job has more than one attempt.
    """

    def __init__(self, job_id: int, *, several: bool) -> None:
        self._rows = JobLog.objects.using(conf.DATABASE).filter(job_id=job_id).order_by("seq")
        self._last = 0
        self._attempt = 0 if several else None
        # in the reader's language, which is not that of the thread the file is written in
        words = {key: say(key) for key in ("attempt_line", "lines_left_out", "line_left_out")}
        self._say: Callable[..., str] = lambda key, n: words[key].format(n=n)

    def read(self) -> str:
        """The next lines."""
        return "".join(self._written(line) for line in list(self._rows.filter(seq__gt=self._last)[:PART_LINES]))

    def _written(self, line: JobLog) -> str:
        found = []
        if missing := line.seq - self._last - 1:
            key = "line_left_out" if missing == 1 else "lines_left_out"
            found.append(f"… {self._say(key, f'{missing:,}')} …")
        if self._attempt is not None and line.attempt != self._attempt:
            self._attempt = line.attempt
            found.append(f"--- {self._say('attempt_line', line.attempt)} ---")
        level = "" if line.level == "info" else f"{line.level.upper()} "
        found.append(f"{iso(line.at)} {level}{one_line(line.text)}")
        self._last = line.seq
        return "\n".join([*found, ""])
