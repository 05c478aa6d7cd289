"""What one connection looks at: lists and single jobs."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from heapq import nlargest
from typing import Final

from livejobs.live.event import Event
from livejobs.protocol import LIST_LIVE_MAX, Watch

EARLY_MAX: Final = 2_000  # events kept while a snapshot is read; with more, what it shows is compared with the rows


@dataclass(slots=True)
class Watching:
    """One watch, from its command on.

    A list is a range of ids of its scope: from the lowest of its snapshot (from any, when the snapshot had them all) up
    to `before` (or without end). So a row that was committed late falls into its place. It never has more than
    LIST_LIVE_MAX ids: then its lower end rises, and the client is told.
    """

    command: Watch
    groups: tuple[str, ...]
    counted: bool = False  # whether the running jobs of its scope are counted for it
    pending: bool = True  # until the snapshot is answered
    from_id: int = 0
    ids: set[int] = field(default_factory=set)
    overflowed: bool = False
    _narrowed: bool = False
    _early: dict[tuple[str, int], Event] = field(default_factory=dict)

    @property
    def before(self) -> int:
        """The upper end of a list; its own id is not in it."""
        before = self.command.jobs.before if self.command.jobs else None
        return sys.maxsize if before is None else before

    def covers(self, job_id: int, groups: tuple[str, str]) -> bool:
        """Say whether this watch shows a job.

        :param groups: the list groups that carry the job.
        """
        if self.command.job_id is not None:
            return job_id == self.command.job_id
        in_range = self.from_id <= job_id < self.before
        return in_range and (groups[0] in self.groups or groups[1] in self.groups)

    def within(self, job_ids: Iterable[int]) -> set[int]:
        """Those of these ids that are in the range of this list."""
        from_id, before = self.from_id, self.before
        return {job_id for job_id in job_ids if from_id <= job_id < before}

    def keep(self, event: Event) -> None:
        """Keep an event that came before the snapshot; per job and kind the highest."""
        key = (event.kind, event.job_id)
        known = self._early.get(key)
        if known is None and len(self._early) >= EARLY_MAX:
            self.overflowed = True
        elif known is None or known.rank < event.rank:
            self._early[key] = event

    def settle(self, ids: Iterable[int], *, more: bool) -> list[Event]:
        """The snapshot is answered: know its range, and return what came before it."""
        self.ids = set(ids)
        self.from_id = min(self.ids) if more and self.ids else 0
        self.pending = False
        early, self._early = list(self._early.values()), {}
        return early

    def add(self, job_id: int) -> set[int]:
        """Take a later job into the list; returns the ids that are let go for it, its own where it is that old."""
        self.ids.add(job_id)
        if len(self.ids) <= LIST_LIVE_MAX:
            return set()
        return self._narrow(sorted(self.ids)[max(1, LIST_LIVE_MAX // 10)])  # a tenth at once, so that this is rare

    def lacking(self, job_ids: Collection[int]) -> tuple[set[int], set[int]]:
        """Of these jobs, the newest that ought to be in this list and are not; and the ids let go to make room."""
        found = self.within(job_ids) - self.ids
        if len(found) <= LIST_LIVE_MAX:
            return found, set()
        newest = nlargest(LIST_LIVE_MAX, found)
        return set(newest), self._narrow(newest[-1])

    def take_narrowed(self) -> bool:
        """Say whether the lower end has risen since this was asked last, or since the snapshot."""
        narrowed, self._narrowed = self._narrowed, False
        return narrowed

    def _narrow(self, from_id: int) -> set[int]:
        self.from_id, self._narrowed = from_id, True
        dropped = {job_id for job_id in self.ids if job_id < from_id}
        self.ids -= dropped
        return dropped
