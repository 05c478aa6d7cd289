"""Log lines on their way to browsers: a small cache of recent ones per process, a cursor per session and job.

A log message on the channel layer is only a hint. Each session reads lines by its own cursor, from the cache or from
JobLog, at its own pace: a slow browser misses nothing and costs no memory.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

CACHE_BYTES: Final = 4 * 1024 * 1024  # of recent lines kept per process, all jobs together
JOB_BYTES: Final = 256 * 1024  # of these at most for one job


@dataclass(slots=True)
class Chunk:
    """An encoded `log` frame with all lines that are kept of `first` to `last`."""

    first: int
    last: int
    text: str


class RecentLines:
    """The newest chunks of the jobs somebody looks at."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[int, deque[Chunk]] = OrderedDict()
        self._sizes: dict[int, int] = {}
        self._size = 0

    def add(self, job_id: int, chunk: Chunk) -> None:
        """Remember a chunk; the oldest go when there are too many."""
        chunks = self._jobs.setdefault(job_id, deque())
        if any(known.first == chunk.first and known.last == chunk.last for known in chunks):
            return
        chunks.append(chunk)
        self._jobs.move_to_end(job_id)
        self._grow(job_id, len(chunk.text))
        while self._sizes[job_id] > JOB_BYTES and len(chunks) > 1:
            self._grow(job_id, -len(chunks.popleft().text))
        while self._size > CACHE_BYTES and len(self._jobs) > 1:
            self.forget(next(iter(self._jobs)))

    def after(self, job_id: int, cursor: int) -> Chunk | None:
        """The chunk that holds line `cursor + 1`, or None: then it has to be read from JobLog."""
        for chunk in self._jobs.get(job_id, ()):
            if chunk.first <= cursor + 1 <= chunk.last:
                return chunk
        return None

    def forget(self, job_id: int) -> None:
        """Drop a job's lines: nobody looks at it, or it is gone."""
        if self._jobs.pop(job_id, None) is not None:
            self._size -= self._sizes.pop(job_id)

    def _grow(self, job_id: int, by: int) -> None:
        self._sizes[job_id] = self._sizes.get(job_id, 0) + by
        self._size += by


@dataclass(slots=True)
class _Cursor:
    sent: int
    known: int  # the highest line there is, as far as we were told


class LogCursors:
    """How far one session has read the logs it follows.

    :param recent: the cache of this process.
    """

    def __init__(self, recent: RecentLines) -> None:
        self._recent = recent
        self._cursors: dict[int, _Cursor] = {}
        self._behind: dict[int, None] = {}  # ordered: the log that waited longest is next
        self._read: deque[str] = deque()
        self._reading: tuple[int, int] | None = None  # the (job, line) after which lines are being read

    def follow(self, job_id: int, after: int, known: int) -> None:
        """Send lines above `after` from now on; `known` is the highest there is. Twice is harmless, never is not."""
        cursor = self._cursors.get(job_id)
        if cursor is None:
            self._cursors[job_id] = _Cursor(after, known)
        else:
            cursor.sent = min(cursor.sent, after)
        self.hint(job_id, known)

    def unfollow(self, job_id: int) -> None:
        """Send no more of this log."""
        self._cursors.pop(job_id, None)
        self._behind.pop(job_id, None)

    def hint(self, job_id: int, last: int) -> bool:
        """Hear of lines up to `last`; say whether there is something to send."""
        cursor = self._cursors.get(job_id)
        if cursor is None:
            return False
        cursor.known = max(cursor.known, last)
        if cursor.known > cursor.sent:
            self._behind[job_id] = None
            return True
        return False

    def next_text(self) -> str | None:
        """The next `log` frame that can be sent without the database."""
        if self._read:
            return self._read.popleft()
        read = self._reading[0] if self._reading is not None else None
        for job_id in self._behind:
            chunk = None if job_id == read else self._recent.after(job_id, self._cursors[job_id].sent)
            if chunk is not None:
                self._advance(job_id, chunk.last)
                return chunk.text
        return None

    def next_read(self) -> tuple[int, int] | None:
        """The (job, line) after which lines have to be read from JobLog now; one read at a time."""
        if self._reading is not None or self._read or not self._behind:
            return None
        job_id = next(iter(self._behind))
        self._reading = job_id, self._cursors[job_id].sent
        return self._reading

    def was_read(self, job_id: int, chunk: Chunk | None) -> None:
        """Take what JobLog had; None means that it has nothing (the job was pruned)."""
        reading, self._reading = self._reading, None
        cursor = self._cursors.get(job_id)
        if cursor is None or reading != (job_id, cursor.sent):
            return  # the client looked away meanwhile, or began anew at another line: that is read next
        if chunk is not None:
            self._read.append(chunk.text)
        self._advance(job_id, chunk.last if chunk is not None else cursor.known)

    def read_failed(self) -> None:
        """Forget a read that the database could not answer; the caller tries again later."""
        self._reading = None

    def _advance(self, job_id: int, last: int) -> None:
        cursor = self._cursors[job_id]
        cursor.sent = max(cursor.sent, last)
        self._behind.pop(job_id, None)
        if cursor.known > cursor.sent:
            self._behind[job_id] = None
