"""What one connection looks at: its watches, the groups they need, the jobs they show. It knows no words of a wire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from livejobs.live.event import Event, job_rank, progress_rank
from livejobs.live.logs import RecentLines
from livejobs.live.mailbox import Mailbox
from livejobs.live.requests import Groups, Scope
from livejobs.live.watches import Watching
from livejobs.protocol import WATCHES_MAX, PublicJob, Ref, Watch
from livejobs.states import FINISHED


@dataclass(frozen=True, slots=True)
class Seen:
    """What a session was told of a job by a snapshot: where the hub's comparison with the row begins."""

    job_id: int
    rank: int
    progress: int
    log_seq: int
    finished: bool


class Switchboard(Protocol):
    """What a coverage needs of the hub."""

    recent: RecentLines

    def join(self, coverage: Coverage, groups: Iterable[str]) -> None:
        """Offer the events of these groups to it."""

    def leave(self, coverage: Coverage, groups: Iterable[str]) -> None:
        """Stop doing so."""

    def hold(self, seen: Iterable[Seen]) -> None:
        """Keep jobs that are shown equal to their rows."""

    def release(self, job_ids: Iterable[int]) -> None:
        """Stop doing so for one connection."""

    def doubt(self, coverage: Coverage) -> None:
        """Compare all that is shown with the rows now: something may have been missed."""

    def count(self, coverage: Coverage, groups: tuple[str, ...], jobs: Scope) -> None:
        """Tell it, by `counted`, how many jobs of a list's scope are running: now, and when that changes."""

    def stop_counting(self, coverage: Coverage, groups: tuple[str, ...]) -> None:
        """Stop doing so for one of its lists."""


class Dialect(Protocol):
    """Who puts into words what a coverage hears."""

    def take(self, event: Event) -> None:
        """Take an event of a job that is looked at."""

    def narrowed(self, watching: Watching, dropped: Collection[int]) -> None:
        """Hear that a list's lower end rose, and which jobs it let go."""

    def counted(self, watching: Watching, running: int) -> None:
        """Hear how many jobs of a list's scope are running."""

    def let_go(self, job_id: int) -> None:
        """Hear that no watch looks at a job any more."""

    def abandon(self) -> None:
        """Give the connection up after a defect; its client comes back into a snapshot."""


class Coverage:
    """The watches of one connection."""

    def __init__(self, switchboard: Switchboard, mailbox: Mailbox, dialect: Dialect) -> None:
        self._switchboard, self._mailbox, self._dialect = switchboard, mailbox, dialect
        self._watches: dict[Ref, Watching] = {}
        self._joined: Counter[str] = Counter()
        self._ids: dict[int, int] = {}  # jobs looked at, and by how many watches
        self._running: dict[tuple[str, ...], int] = {}  # how many jobs run, by the groups of a list

    # ------------------------------------------------------------ watches come and go

    def begin(self, watch: Watch, allowed: Groups) -> bool:
        """Look at what a watch asks for, from its snapshot on; False when there are too many.

        A client that comes back to an id means the new watch.
        """
        self.remove(watch.id)
        if len(self._watches) >= WATCHES_MAX:
            return False
        self._watches[watch.id] = Watching(watch, allowed.groups, counted=allowed.jobs is not None)
        fresh = [group for group in allowed.groups if not self._joined[group]]
        self._joined.update(allowed.groups)
        self._switchboard.join(self, fresh)
        if allowed.jobs is not None:
            self._switchboard.count(self, allowed.groups, allowed.jobs)
        return True

    def current(self, watch: Watch) -> Watching | None:
        """What is known of a watch, unless the client looked away from it meanwhile."""
        watching = self._watches.get(watch.id)
        return watching if watching is not None and watching.command is watch else None

    def show(self, watching: Watching, jobs: list[PublicJob], early: list[Event]) -> None:
        """Keep what a snapshot showed equal to the rows, beginning with what came before it."""
        new: list[Seen] = []
        for job in jobs:
            job_id = job["id"]
            rank = job_rank(job["version"], whole=not job.get("truncated", False))
            progress = progress_rank(job["attempt"], job["progress"]["tick"])
            self._mailbox.told(job_id, rank, progress)
            if job_id not in self._ids:
                new.append(Seen(job_id, rank, progress, job["log_seq"], job["state"] in FINISHED))
            self._ids[job_id] = self._ids.get(job_id, 0) + 1
        self._switchboard.hold(new)
        for event in early:
            if self.offer(event):
                self._switchboard.hold([Seen(event.job_id, -1, -1, 0, finished=False)])
        if watching.overflowed:
            self._switchboard.doubt(self)
        if watching.groups in self._running and watching.counted:
            self._dialect.counted(watching, self._running[watching.groups])

    def admit_everywhere(self, job_id: int, groups: tuple[str, str]) -> None:
        """Let a job that one watch shows into every list that covers it, whether or not that has heard of it.

        :param groups: the list groups that carry the job.
        """
        for watching in self._watches.values():
            if not watching.pending and job_id in self._ids:
                self._admit(watching, job_id, groups)

    def remove(self, watch_id: Ref) -> None:
        """Look away."""
        watching = self._watches.pop(watch_id, None)
        if watching is None:
            return
        self._drop(watching.ids)
        self._stop_counting(watching)
        self._mailbox.forget_notes(watch_id)
        if watching.command.job_id is not None and not any(
            other.command.job_id == watching.command.job_id for other in self._watches.values()
        ):
            self._mailbox.logs.unfollow(watching.command.job_id)
        self._joined.subtract(watching.groups)
        left = [group for group in set(watching.groups) if self._joined[group] <= 0]
        for group in left:
            del self._joined[group]
        self._switchboard.leave(self, left)

    def close(self) -> None:
        """The socket is closed: look at nothing."""
        self._switchboard.leave(self, list(self._joined))
        self._switchboard.release(list(self._ids))
        for watching in self._watches.values():
            self._stop_counting(watching)
        self._watches.clear()
        self._joined.clear()
        self._ids.clear()

    # ------------------------------------------------------------ from the hub

    @property
    def watched(self) -> Collection[int]:
        """The ids of the jobs looked at."""
        return self._ids.keys()

    def missing(self, job_ids: set[int], group: str) -> set[int]:
        """Those of the jobs of a list group that a list of this connection ought to show and does not."""
        found: set[int] = set()
        for watching in self._watches.values():
            if not watching.pending and watching.command.job_id is None and group in watching.groups:
                lacking, dropped = watching.lacking(job_ids)
                self._let_go(watching, dropped)
                found |= lacking
        return found

    def counted(self, groups: tuple[str, ...], running: int) -> None:
        """Hear how many jobs of the scope with these groups are running."""
        self._running[groups] = running
        for watching in self._watches.values():
            if watching.groups == groups and watching.counted and not watching.pending:
                self._dialect.counted(watching, running)

    def offer(self, event: Event) -> bool:
        """Take an event of a joined group; say whether its job is looked at from now on."""
        job_id = event.job_id
        known = job_id in self._ids
        if known:
            self._dialect.take(event)
            if event.kind == "gone":
                self._forget(job_id)
        taken = False
        for watching in self._watches.values():  # of a job that one watch shows, the others may not have heard yet
            if not watching.pending:
                taken |= event.kind in ("job", "progress") and self._admit(watching, job_id, event.groups)
            elif watching.covers(job_id, event.groups):
                watching.keep(event)
        if taken and not known:
            self._dialect.take(event)
        return taken and not known

    def abandon(self) -> None:
        """Give this connection up after a defect."""
        self._dialect.abandon()

    # ------------------------------------------------------------ inside

    def _admit(self, watching: Watching, job_id: int, groups: tuple[str, str]) -> bool:
        """Let a job into a list that ought to show it; say whether that was so."""
        if job_id in watching.ids or not watching.covers(job_id, groups):
            return False
        dropped = watching.add(job_id)
        admitted = job_id in watching.ids
        if admitted:
            self._ids[job_id] = self._ids.get(job_id, 0) + 1
        self._let_go(watching, dropped - {job_id})
        return admitted

    def _let_go(self, watching: Watching, dropped: set[int]) -> None:
        """Look no longer at what a list let go, and say that it did."""
        if watching.take_narrowed():
            self._dialect.narrowed(watching, dropped)
        self._drop(dropped)

    def _stop_counting(self, watching: Watching) -> None:
        if watching.counted:
            self._switchboard.stop_counting(self, watching.groups)

    def _drop(self, job_ids: Iterable[int]) -> None:
        """One watch less looks at these jobs."""
        released = []
        for job_id in job_ids:
            self._ids[job_id] -= 1
            if not self._ids[job_id]:
                del self._ids[job_id]
                self._mailbox.forget(job_id)
                self._dialect.let_go(job_id)
                released.append(job_id)
        self._switchboard.release(released)

    def _forget(self, job_id: int) -> None:
        """The job is gone: no watch looks at it any more."""
        del self._ids[job_id]
        for watching in self._watches.values():
            watching.ids.discard(job_id)
        self._switchboard.release([job_id])
