"""How many jobs of each list's scope are running, for all connections that show such a list.

Pure bookkeeping: the hub asks which scopes to count now, and whom to tell. The number is the database's, never a sum of
events: those may be lost, and a list shows only a part of its scope.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from livejobs.conf import conf
from livejobs.live.coverage import Coverage
from livejobs.live.requests import Scope

COUNT_SECONDS: Final = 0.5  # between two counts of one scope, however many of its jobs change

Groups = tuple[str, ...]


@dataclass(slots=True)
class Counted:
    """One scope, known by the groups that carry its events: whoever has the same ones sees the same jobs."""

    jobs: Scope
    due_at: float
    counted_at: float = 0.0
    running: int | None = None  # not counted yet
    coverages: Counter[Coverage] = field(default_factory=Counter)


class Counts:
    """The scopes that are shown. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._counted: dict[Groups, Counted] = {}
        self._of_group: dict[str, set[Groups]] = {}

    def want(self, coverage: Coverage, groups: Groups, jobs: Scope, now: float) -> None:
        """Tell this connection from now on; one more list of it shows this scope. What is known is told at once."""
        counted = self._counted.get(groups)
        if counted is None:
            counted = self._counted[groups] = Counted(jobs, now)
            for group in groups:
                self._of_group.setdefault(group, set()).add(groups)
        counted.coverages[coverage] += 1
        counted.due_at = min(counted.due_at, max(now, counted.counted_at + COUNT_SECONDS))
        if counted.running is not None:
            coverage.counted(groups, counted.running)

    def unwant(self, coverage: Coverage, groups: Groups) -> None:
        """One list less of this connection shows this scope."""
        counted = self._counted.get(groups)
        if counted is None:
            return
        counted.coverages[coverage] -= 1
        if counted.coverages[coverage] <= 0:
            del counted.coverages[coverage]
        if not counted.coverages:
            del self._counted[groups]
            for group in groups:
                self._of_group[group].discard(groups)
                if not self._of_group[group]:
                    del self._of_group[group]

    def hear(self, group: str) -> None:
        """A job changed, and this group carries it."""
        for groups in self._of_group.get(group, ()):
            counted = self._counted[groups]
            counted.due_at = min(counted.due_at, counted.counted_at + COUNT_SECONDS)

    def due(self, now: float) -> list[tuple[Groups, Scope]]:
        """The scopes to count now; each is due again when its jobs may have changed unheard."""
        found = [(groups, counted.jobs) for groups, counted in self._counted.items() if counted.due_at <= now]
        for groups, _ in found:
            counted = self._counted[groups]
            counted.counted_at, counted.due_at = now, now + conf.HEAL_SECONDS
        return found

    def suspect(self) -> None:
        """Count everything again: something may have been missed."""
        for counted in self._counted.values():
            counted.due_at = 0.0

    def took(self, groups: Groups, running: int) -> None:
        """Take a number the database said, and tell the connections where it is another one."""
        counted = self._counted.get(groups)
        if counted is None or counted.running == running:
            return
        counted.running = running
        for coverage in tuple(counted.coverages):
            coverage.counted(groups, running)
