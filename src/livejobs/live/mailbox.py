"""What waits to be written to one socket: bounded, whatever the browser's pace.

Answers are FIFO and never conflated. Of a job's state, its progress and its open line only the latest waits. A job's
events wait behind the answer to the command that made or changed it. Logs wait in the database, not here (see `logs`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from livejobs.live.logs import LogCursors, RecentLines
from livejobs.protocol import Ref, batch

FRAME_CHARACTERS: Final = 128 * 1024  # a batch is closed when it is this long; one message may be longer
NOTHING: Final = -1  # lower than every rank


class Mailbox:
    """One session's outgoing messages.

    :param wake: called when something to write has come.
    :param recent: the process's cache of log lines.
    :param batching: whether several messages may share a `batch` frame (the tutorial's dialect knows none).
    """

    def __init__(self, wake: Callable[[], None], recent: RecentLines, *, batching: bool = True) -> None:
        self._wake = wake
        self._batching = batching
        self._answers: deque[str] = deque()
        self.unread = 0  # characters of the answers that wait; a client that does not read them is not read either
        self._status: str | None = None
        self._notes: dict[tuple[str, Ref], str] = {}  # of watches, by (action, watch): the latest wins
        self._gone: deque[str] = deque()
        self._jobs: dict[int, tuple[int, str]] = {}  # the latest state of each job, with its rank
        self._progress: dict[int, tuple[int, str]] = {}
        self._open: dict[int, tuple[int, str]] = {}  # of each log the line that has no end yet, with its rank
        self._told: dict[int, int] = {}  # the highest rank the browser was told, by answers or events
        self._told_progress: dict[int, int] = {}
        self._starts = 0
        self._fresh: set[int] = set()  # jobs first heard of while a start was unanswered: one of them may be its job
        self._waiting: Counter[int] = Counter()
        self.logs = LogCursors(recent)

    # ------------------------------------------------------------ answers

    def answer(self, text: str) -> None:
        """Add the answer to a command."""
        self._answers.append(text)
        self.unread += len(text)
        self._wake()

    def expect(self, job_id: int | None = None) -> None:
        """Hold back events until a command is answered: those of `job_id`, or of jobs not heard of yet (a start)."""
        if job_id is None:
            self._starts += 1
        else:
            self._waiting[job_id] += 1

    def answered(self, job_id: int | None = None) -> None:
        """Let events pass again; called after the answer was added.

        Commands run one after the other, so no job of a later start can be among those held back.
        """
        if job_id is None:
            self._starts -= 1
            self._fresh.clear()
        else:
            self._waiting[job_id] -= 1
            if self._waiting[job_id] <= 0:
                del self._waiting[job_id]
        self._wake()

    def told(self, job_id: int, rank: int, progress: int) -> None:
        """Know what a snapshot said of a job: events that are not higher need not be sent."""
        if rank > self._told.get(job_id, NOTHING):
            self._told[job_id] = rank
        if progress > self._told_progress.get(job_id, NOTHING):
            self._told_progress[job_id] = progress

    # ------------------------------------------------------------ events

    def status(self, text: str) -> None:
        """Add a `status`; only the latest waits."""
        self._status = text
        self._wake()

    def note(self, action: str, watch_id: Ref, text: str) -> None:
        """Add what is to be known of a watch (`narrowed`, `count`); it is read before the jobs that follow from it."""
        self._notes[action, watch_id] = text
        self._wake()

    def forget_notes(self, watch_id: Ref) -> None:
        """Drop what waits to be said of a watch that is no more."""
        for key in [key for key in self._notes if key[1] == watch_id]:
            del self._notes[key]

    def job(self, job_id: int, rank: int, text: str) -> None:
        """Add a job's state; the highest rank wins."""
        told = self._told.get(job_id, NOTHING)
        if rank <= told:
            return
        waiting = self._jobs.get(job_id)
        if waiting is not None and waiting[0] >= rank:
            return
        if told == NOTHING and waiting is None and self._starts:
            self._fresh.add(job_id)
        self._jobs[job_id] = (rank, text)
        self._wake()

    def progress(self, job_id: int, rank: int, text: str) -> None:
        """Add a report of progress; the highest rank wins."""
        if rank <= self._told_progress.get(job_id, NOTHING):
            return
        waiting = self._progress.get(job_id)
        if waiting is not None and waiting[0] >= rank:
            return
        if self._starts and job_id not in self._told and job_id not in self._jobs:
            self._fresh.add(job_id)
        self._progress[job_id] = (rank, text)
        self._wake()

    def log(self, job_id: int, last: int) -> None:
        """Hear that a job's log has lines up to `last`."""
        if self.logs.hint(job_id, last):
            self._wake()

    def open(self, job_id: int, rank: int, text: str) -> None:
        """Add the line of a log that has no end yet; only the latest waits."""
        waiting = self._open.get(job_id)
        if waiting is None or waiting[0] < rank:
            self._open[job_id] = (rank, text)
            self._wake()

    def gone(self, job_id: int, text: str) -> None:
        """Say that a job is no more, and nothing else of it."""
        self.forget(job_id)
        self._gone.append(text)
        self._wake()

    def holds(self, job_id: int) -> bool:
        """Whether a job's state waits to be written."""
        return job_id in self._jobs

    def forget(self, job_id: int) -> None:
        """Drop what waits for a job that this session no longer looks at."""
        for kept in (self._jobs, self._progress, self._open, self._told, self._told_progress):
            kept.pop(job_id, None)
        self._fresh.discard(job_id)
        self.logs.unfollow(job_id)

    # ------------------------------------------------------------ writing

    def next_frame(self) -> str | None:
        """Take the next frame to write, or None. Answers first, each a frame; then what may share a batch."""
        if self._answers:
            answer = self._answers.popleft()
            self.unread -= len(answer)
            return answer
        texts: list[str] = []
        size = 0
        while size < FRAME_CHARACTERS:
            text = self._next_event()
            if text is None:
                break
            texts.append(text)
            size += len(text)
            if not self._batching:
                break
        return batch(texts) if texts else None

    def _next_event(self) -> str | None:
        if self._status is not None:
            status, self._status = self._status, None
            return status
        if self._notes:
            return self._notes.pop(next(iter(self._notes)))
        if self._gone:
            return self._gone.popleft()
        return (
            self._take(self._jobs, self._told)
            or self._take(self._progress, self._told_progress)
            or self.logs.next_text()
            or (self._open.pop(next(iter(self._open)))[1] if self._open else None)
        )

    def _take(self, waiting: dict[int, tuple[int, str]], told: dict[int, int]) -> str | None:
        for job_id in waiting:
            if job_id not in self._fresh and job_id not in self._waiting:
                rank, text = waiting.pop(job_id)
                told[job_id] = rank
                return text
        return None
