"""What one connection looks at: lists and single jobs."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from livejobs.live.event import Event
from livejobs.protocol import Watch

WATCHES_MAX: Final = 50  # of one connection
LIST_JOBS_MAX: Final = 1_000  # jobs one list keeps live; the oldest stop being live first
EARLY_MAX: Final = 2_000  # events kept while a snapshot is read; with more, it is read once more


@dataclass(slots=True)
class Watching:
    """One watch, from its command on.

    A list is a range of ids of its scope: from the lowest of its snapshot (from any, when the snapshot had them all) up
    to `before` (or without end). So a row that was committed late falls into its place.
    """

    command: Watch
    groups: tuple[str, ...]
    pending: bool = True  # until the snapshot is answered
    low: int = 0
    ids: set[int] = field(default_factory=set)
    overflowed: bool = False
    _early: dict[tuple[str, int], Event] = field(default_factory=dict)

    def covers(self, job_id: int, groups: tuple[str, str]) -> bool:
        """Say whether this watch shows a job.

        :param groups: the list groups that carry the job.
        """
        if self.command.job_id is not None:
            return job_id == self.command.job_id
        return bool(self.within((job_id,))) and (groups[0] in self.groups or groups[1] in self.groups)

    def within(self, job_ids: Iterable[int]) -> set[int]:
        """Those of these ids that are in the range of this list."""
        before = self.command.jobs.before if self.command.jobs else None
        low, end = self.low, before if before is not None else sys.maxsize
        return {job_id for job_id in job_ids if low <= job_id < end}

    def keep(self, event: Event) -> None:
        """Keep an event that came before the snapshot; per job and kind the highest."""
        key = (event.kind, event.job_id)
        known = self._early.get(key)
        if known is None and len(self._early) >= EARLY_MAX:
            self.overflowed = True
        elif known is None or known.rank < event.rank:
            self._early[key] = event

    def begin_anew(self) -> None:
        """The snapshot is read once more: what came before that is in it."""
        self.overflowed = False
        self._early.clear()

    def settle(self, ids: Iterable[int], *, more: bool) -> list[Event]:
        """The snapshot is answered: know its range, and return what came before it.

        Of a fresh snapshot: what joined while it was read stays.
        """
        shown = set(ids)
        self.low = min(shown) if more and shown else 0
        self.ids = shown | {job_id for job_id in self.ids if job_id >= self.low}
        self.pending = self.overflowed = False
        early, self._early = list(self._early.values()), {}
        return early

    def add(self, job_id: int) -> list[int]:
        """Take a later job into the list; returns the ids that are dropped for it, its own where it is that old."""
        self.ids.add(job_id)
        if len(self.ids) <= LIST_JOBS_MAX:
            return []
        newest = sorted(self.ids)[LIST_JOBS_MAX // 10 :]  # a tenth at once, so that this is rare
        dropped = self.ids.difference(newest)
        self.ids, self.low = set(newest), newest[0]
        return list(dropped)
