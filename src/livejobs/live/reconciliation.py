"""What this process has heard of each job that a session looks at, held against what the rows say.

Pure bookkeeping: the hub asks it which jobs to compare now, and which of the compared ones somebody has to be told of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from livejobs.conf import conf
from livejobs.groups import job_group, list_groups
from livejobs.live.coverage import Seen
from livejobs.live.event import Event, job_rank, progress_rank
from livejobs.states import FINISHED

NOTHING: Final = -1  # lower than every rank
SUSPECT: Final = 0.0  # the time at which a job is due that may have changed without our hearing of it


@dataclass(frozen=True, slots=True)
class Level:
    """How far a row is: what is compared, without the row's texts."""

    job_id: int
    owner_key: str
    version: int
    attempt: int
    tick: int
    log_seq: int
    state: str

    @property
    def version_rank(self) -> int:
        """The least rank of an event that says all of this version."""
        return job_rank(self.version, whole=False)

    @property
    def progress_rank(self) -> int:
        """The rank of the stored progress; lower than every rank before the first report, which the job itself says."""
        return progress_rank(self.attempt, self.tick) if self.tick else NOTHING


@dataclass(slots=True)
class Held:
    """One job that sessions look at."""

    sessions: int
    rank: int  # what every session knows at least
    progress: int
    log_seq: int
    due_at: float
    heard: dict[str, tuple[int, int]] = field(default_factory=dict)  # by group: the highest that came through it

    def through(self, group: str) -> tuple[int, int]:
        """What the sessions of a group know at least, as (rank, progress)."""
        rank, progress = self.heard.get(group, (NOTHING, NOTHING))
        return max(rank, self.rank), max(progress, self.progress)


class Reconciliation:
    """The jobs that are looked at, by id. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, seen: Iterable[Seen], now: float) -> None:
        """One session more looks at these jobs."""
        due = {finished: now + _pause(finished) for finished in (False, True)}
        for each in seen:
            self._hold(each, due[each.finished])

    def _hold(self, seen: Seen, due_at: float) -> None:
        """It may know less than was heard before it came: progress is sent more often than it is stored."""
        held = self._held.get(seen.job_id)
        if held is None:
            self._held[seen.job_id] = Held(1, seen.rank, seen.progress, seen.log_seq, due_at)
            return
        held.sessions += 1
        held.rank, held.progress = min(held.rank, seen.rank), min(held.progress, seen.progress)
        held.log_seq = min(held.log_seq, seen.log_seq)
        for group, (rank, progress) in held.heard.items():
            held.heard[group] = (min(rank, seen.rank), min(progress, seen.progress))
        held.due_at = min(held.due_at, due_at)

    def release(self, job_ids: Iterable[int]) -> None:
        """One session less looks at each of these."""
        for job_id in job_ids:
            held = self._held.get(job_id)
            if held is not None:
                held.sessions -= 1
                if not held.sessions:
                    del self._held[job_id]

    def hear(self, event: Event, now: float) -> None:
        """Note what came through a group. A finished job of which there is news runs again: it is due sooner."""
        held = self._held.get(event.job_id)
        if held is None:
            return
        rank, progress = before = held.heard.get(event.group, (NOTHING, NOTHING))
        if event.kind == "job":
            held.heard[event.group] = (max(rank, event.rank), progress)
        elif event.kind == "progress":
            held.heard[event.group] = (rank, max(progress, event.rank))
        elif event.kind == "log":
            held.log_seq = max(held.log_seq, event.rank)
        if held.heard.get(event.group, before) != before:
            held.due_at = min(held.due_at, now + _pause(finished=False))

    def take_due(self, now: float) -> list[int]:
        """The jobs to compare with their rows now. One that becomes suspect from here on is due again."""
        due = [job_id for job_id, held in self._held.items() if held.due_at <= now]
        for job_id in due:
            self._held[job_id].due_at = now + _pause(finished=False)
        return due

    def suspect(self, job_ids: Collection[int] | None = None) -> None:
        """Make these jobs due at once; all of them when none are named."""
        for job_id in self._held if job_ids is None else job_ids:
            if job_id in self._held:
                self._held[job_id].due_at = SUSPECT

    def behind(self, level: Level, wanted: Collection[str]) -> tuple[bool, bool]:
        """Say whether some session knows less than the row says: (of job or progress, of its log)."""
        held = self._held.get(level.job_id)
        if held is None:
            return False, False
        groups = (job_group(level.job_id), *list_groups(level.owner_key))
        known = [held.through(group) for group in groups if group in wanted]
        late = any(rank < level.version_rank or progress < level.progress_rank for rank, progress in known)
        return late, held.log_seq < level.log_seq

    def compared(self, level: Level, now: float) -> None:
        """Note that every session knows what the row said: nothing was missing, or it was sent."""
        held = self._held.get(level.job_id)
        if held is None:
            return
        held.rank, held.progress = max(held.rank, level.version_rank), max(held.progress, level.progress_rank)
        held.log_seq = max(held.log_seq, level.log_seq)
        if held.due_at != SUSPECT:
            newest = all(rank >> 1 <= level.version for rank, _ in held.heard.values())
            held.due_at = now + _pause(finished=newest and level.state in FINISHED)


def _pause(finished: bool) -> float:
    return conf.HEAL_FINISHED_SECONDS if finished else conf.HEAL_SECONDS
