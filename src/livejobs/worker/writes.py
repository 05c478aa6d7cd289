"""What one attempt writes: log batches, progress, renewals, and its one finish. Synchronous; one thread calls."""

from __future__ import annotations

import logging
import math
import secrets
import threading
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from livejobs import leases, transitions
from livejobs.conf import conf
from livejobs.database.thread import AWAY
from livejobs.definition import Attempt, registry
from livejobs.definition.cells import MESSAGE_MAX
from livejobs.hints import broadcast, channel_messages
from livejobs.hints.public_job import iso, public_progress, with_use
from livejobs.leases import Lease, NumberedLine, Renewal
from livejobs.log_events import LogEvent, fields
from livejobs.models import Job
from livejobs.protocol import LogLine, Progress
from livejobs.runner.outcome import Failed, Outcome, Stopped, Succeeded, failure
from livejobs.sanitize import clean, cut
from livejobs.states import ErrorReason, StopReason
from livejobs.worker.bars import BarReader
from livejobs.worker.lines import shown
from livejobs.worker.resources import Use

logger = logging.getLogger("livejobs.worker")

_CHANCES: Final = 1_000
LOG_BATCH: Final = 500  # lines in one transaction
FLUSH_LINES: Final = 1_000  # stored at once: a job that writes faster must not keep its lease from being renewed
OPEN_AGAIN_SECONDS: Final = 2.0  # until an open line that stays as it is is told again: somebody may have come since


class OpenLine(NamedTuple):
    """What screens were told last of the line that has no end yet; `seq` is the number it will have."""

    tick: int
    seq: int
    text: str
    told_at: float


class AttemptWrites:
    """The writes of one attempt. All but `sample` run on one thread, so that they happen in order."""

    def __init__(self, job: Job, attempt: Attempt) -> None:
        self.attempt = attempt
        self.lease = Lease(job.id, job.attempt, job.lease_owner)
        self._owner_key = job.owner_key
        self._before = self._stored = job.log_seq  # the last line before this attempt, and the last that is stored
        self._left_out = self._before + attempt.lines.first  # up to here there is nothing to delete
        self._began = job.started_at or datetime.now(UTC)
        self._batch: list[NumberedLine] = []
        self._open = OpenLine(0, 0, "", 0.0)
        self._progress = public_progress(0, None, None, "")
        self._saved_tick = 0
        self._bars = BarReader(attempt)
        self.use = Use(0, 0)  # of its processes, as seen last
        self.memory_peak = self._told = 0
        self._sampling = threading.Lock()

    def sample(self) -> Progress | None:
        """Read the function's progress; None when nothing changed since the last look.

        A function that reports none itself is seen by the bar that it draws.
        """
        attempt = self.attempt
        with self._sampling:
            current, total, message = attempt.current, attempt.total, attempt.cells.doing
            if current is None and (bar := self._bars.look()) is not None:
                current, total, message = bar
            message = cut(clean(message), MESSAGE_MAX)
            told = public_progress(self._progress["tick"], current, total, message)
            seen = with_use(told, round(self.use.cpu_seconds, 2), self.memory_peak)
            if seen == self._progress and self.use.memory == self._told:
                return None
            seen["tick"] += 1
            self._told = self.use.memory
            self._progress = seen
            return seen

    def note_use(self, use: Use) -> None:
        """Take what its processes use now."""
        self.use = use
        self.memory_peak = max(self.memory_peak, use.memory)

    def progress_events(self, progress: Progress) -> list[channel_messages.Broadcast]:
        """The events that tell screens of a sample."""
        lease = self.lease
        return channel_messages.progress_events(lease.job_id, self._owner_key, lease.attempt, progress, self.use.memory)

    def open_line_events(self, now: float) -> list[channel_messages.Broadcast]:
        """The events that tell screens of the line that has no end yet; none while they know."""
        before = self._open
        seq = self._before + self.attempt.lines.written + 1  # first: a line that ends just now must not be told twice
        text = clean(shown(self.attempt.open_line))
        same = (seq, text) == (before.seq, before.text)
        if same and (not text or now - before.told_at < OPEN_AGAIN_SECONDS):
            return []
        self._open = OpenLine(before.tick + 1, seq, text, now)
        if not text and seq != before.seq:
            return []  # the line itself takes its place
        return channel_messages.open_events(
            self.lease.job_id, self._owner_key, self.lease.attempt, self._open.tick, seq, text
        )

    @property
    def unsaved_progress(self) -> bool:
        """Whether the last sample is newer than what is stored."""
        return self._progress["tick"] > self._saved_tick

    def save_progress(self) -> None:
        """Store the last sample."""
        progress = self._progress
        leases.save_progress(self.lease, progress)
        self._saved_tick = progress["tick"]

    def renew(self) -> Renewal | None:
        """Raise the beat of the lease."""
        return leases.renew(self.lease)

    def mark_stopping(self, reason: StopReason) -> None:
        """Show that the attempt is being stopped."""
        transitions.mark_stopping(self.lease, reason)

    def flush_log(self, most: float = FLUSH_LINES) -> None:
        """Store and send lines written so far. A batch keeps its numbers until it is stored.

        :param most: lines; more may be stored, by less than a batch.
        """
        stored = 0
        while stored < most and (self._batch or self.attempt.lines):
            if not self._batch:
                self._take_batch()
            batch, after = self._batch, self._stored
            if not leases.append_log(self.lease, batch, after):
                self.attempt.lines.clear()  # the lease is lost: a zombie writes nothing
                self._batch = []
                return
            self._stored, self._batch = batch[-1].seq, []
            stored += len(batch)
            lines = [_public(line, self.lease.attempt) for line in batch]
            broadcast.send(channel_messages.log_events(self.lease.job_id, self._owner_key, lines, after))
            self._leave_out(LOG_BATCH)

    def finish(self, outcome: Outcome, wait: timedelta | None = None) -> Job | None:
        """Write how the attempt ended, once; None when the lease was lost.

        :param wait: until the next attempt of one that failed; None: there is none.
        """
        self._flush_last()
        self.sample()
        match outcome:
            case Succeeded(result):
                return transitions.succeed(self.lease, result, self._progress)
            case Failed(error) if wait is not None:
                return transitions.back_off(self.lease, error, self._progress, wait)
            case Failed(error):
                return transitions.fail(self.lease, error, self._progress)
            case Stopped(StopReason.CANCEL):
                return transitions.stopped(self.lease, self._progress)
            case Stopped(StopReason.SHUTDOWN):
                return transitions.release(self.lease)
            case Stopped(StopReason.TIMEOUT):
                return transitions.expire(self.lease, self._progress)
            case Stopped():
                return None  # the lease is another's; there is nothing to say

    def finish_unstorable(self, error: Exception) -> Job | None:
        """Write a failure in place of a result the database would not take."""
        logger.exception(
            "The result of job %d could not be stored", self.lease.job_id,
            extra=self._fields(LogEvent.JOB_RESULT_NOT_STORED),
        )  # fmt: skip
        return transitions.fail(self.lease, failure(ErrorReason.RESULT, error), self._progress)

    def _flush_last(self) -> None:
        """Store the last lines before the finish; lines the database refuses must not keep a job from its end."""
        try:
            self.flush_log(math.inf)
            self._leave_out(1)
        except AWAY:
            raise
        except Exception:
            logger.exception(
                "Lines of the log of job %d could not be stored", self.lease.job_id,
                extra=self._fields(LogEvent.JOB_LOG_NOT_STORED),
            )  # fmt: skip
            self.attempt.lines.clear()
            self._batch = []

    def _fields(self, event: LogEvent) -> dict[str, Any]:
        return fields(event, job=self.lease.job_id, task=self.attempt.task, attempt=self.lease.attempt)

    def _leave_out(self, least: int) -> None:
        """Delete what is stored between the first and the last lines that are kept, where it has so many numbers."""
        upto = self._stored - self.attempt.lines.last
        if upto - self._left_out >= least:
            leases.leave_out(self.lease, self._left_out, upto)
            self._left_out = upto

    def _take_batch(self) -> None:
        # the database's time of the claim plus our own elapsed time: a skewed clock does not show
        self._batch = [
            NumberedLine(self._before + number, self._began + timedelta(seconds=seconds), level, clean(text))
            for number, (seconds, level, text) in self.attempt.lines.take(LOG_BATCH)
        ]


def wait_before_retry(job: Job, outcome: Outcome) -> timedelta | None:
    """How long a job that failed waits for its next attempt; None when there is none."""
    live_job = registry.get(job.task)
    if not isinstance(outcome, Failed) or not outcome.may_retry or job.failures >= job.retries or live_job is None:
        return None
    first, longest = conf.BACKOFF_SECONDS, conf.BACKOFF_MAX_SECONDS
    chance = secrets.randbelow(_CHANCES) / _CHANCES
    return timedelta(seconds=live_job.wait_before_retry(job.failures, chance, backoff=first, backoff_max=longest))


def _public(line: NumberedLine, attempt: int) -> LogLine:
    return {"seq": line.seq, "attempt": attempt, "at": iso(line.at) or "", "level": line.level, "text": line.text}
