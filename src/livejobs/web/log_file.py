"""The log of a job as a text file: read in parts, so that it costs no memory however long it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from livejobs.conf import conf
from livejobs.database import pool
from livejobs.hints.public_job import iso
from livejobs.models import JobLog
from livejobs.sanitize import one_line
from livejobs.web.words import say

PART_LINES: Final = 500


class LogFile:
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

    def __iter__(self) -> Iterator[str]:
        while part := self._read():
            yield part

    async def __aiter__(self) -> AsyncIterator[str]:
        while part := await pool.run(self._read):
            yield part

    def _read(self) -> str:
        """The next lines; empty at the end."""
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
