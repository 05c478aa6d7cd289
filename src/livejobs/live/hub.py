"""One per process: hears the channel layer for every socket, and heals from the rows what the layer lost.

Healing makes the broadcasts of a changed row again and delivers them here as if they had just come in, so there is one
way in for every event and one rule for what is new: the reducer's ranks.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ClassVar, Final, Protocol
from weakref import WeakKeyDictionary

from livejobs.conf import conf
from livejobs.database import pool
from livejobs.groups import job_group, job_of, list_groups
from livejobs.health import notices, presence
from livejobs.live import answers, queue_status
from livejobs.live.counts import Counts
from livejobs.live.coverage import Coverage, Seen
from livejobs.live.event import Event, read_event
from livejobs.live.layer import LayerLink, being_cancelled
from livejobs.live.logs import Chunk, RecentLines
from livejobs.live.reconciliation import Level, Reconciliation
from livejobs.live.requests import Answer, Scope
from livejobs.live.session import Conversation
from livejobs.live.shared import SharedReads
from livejobs.log_events import LogEvent, fields
from livejobs.protocol import QueueStatus, StatusMessage, encode

logger = logging.getLogger("livejobs.live")

HEAL_PAUSE_SECONDS: Final = 0.25  # between two rounds of healing, however many signs of loss there are
STATUS_SECONDS: Final = 2.0
STUMBLE_SECONDS: Final = 1.0  # before a task of the hub that failed begins again
WINDOW_SECONDS: Final = 60.0  # rows commit out of order: a new one is looked for this far back
IN_FLIGHT: Final = 10_000  # ids below the highest that may not have been committed when this process began to look
COUNT_LOOK_SECONDS: Final = 0.1  # between two looks at what is to be counted
# Of the threads that read for sockets: after a deploy every page asks for all its rows, and starts must not wait
SNAPSHOTS_AT_ONCE: Final = pool.THREADS // 2
REMADE_AT_ONCE: Final = 50  # events made again from rows at a time; each may hold a result of 1 MiB


class Socket(Protocol):
    """What the hub needs of the shell around a session."""

    @property
    def session(self) -> Conversation:
        """The session, in whatever dialect."""


class Hub:
    """What connections look at, the groups they want, the jobs they show. From the first socket to the last."""

    _of_loops: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]] = WeakKeyDictionary()

    @classmethod
    def here(cls) -> Hub:
        """The hub of the running event loop."""
        loop = asyncio.get_running_loop()
        hub = cls._of_loops.get(loop)
        if hub is None:
            hub = cls._of_loops[loop] = cls()
        return hub

    def __init__(self) -> None:
        self.recent = RecentLines()
        self.snapshots: SharedReads[Answer] = SharedReads(SNAPSHOTS_AT_ONCE)
        self._sockets: set[Socket] = set()
        self._groups: dict[str, set[Coverage]] = {}
        self._reconciliation = Reconciliation()
        self._counts = Counts()
        self._link = LayerLink(self._heard, self._joined, self._suspect_all, self._live_changed)
        self._tasks: list[asyncio.Task[None]] = []
        self._heal_now = asyncio.Event()
        self._lists_due_at = 0.0
        self._marks: deque[tuple[float, int]] = deque()  # (when, the highest id there was then)
        self._queues: dict[str, QueueStatus] | None = None
        self._notices: list[str] = []
        self._said = ""

    # ------------------------------------------------------------ sockets come and go

    def enter(self, socket: Socket) -> None:
        """Serve a socket's session."""
        self._sockets.add(socket)
        if not self._tasks:
            work = [self._link.run, self._heal_forever, self._count_forever, self._follow_status]
            work.append(pool.cut_off_hung_calls)
            self._tasks = [asyncio.create_task(_unfailing(each), name=f"livejobs-{each.__name__}") for each in work]
        if self._said:
            socket.session.status(self._said)

    async def exit(self, socket: Socket) -> None:
        """Serve it no longer; without any socket the hub ends, and the next one begins with a new hub."""
        socket.session.coverage.close()
        self._sockets.discard(socket)
        if self._sockets:
            return
        self._of_loops.pop(asyncio.get_running_loop(), None)
        self.snapshots.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------ what coverages ask (Switchboard)

    def join(self, coverage: Coverage, groups: Iterable[str]) -> None:
        """Offer the events of these groups to a connection."""
        for group in groups:
            self._groups.setdefault(group, set()).add(coverage)
            self._link.want(group)

    def leave(self, coverage: Coverage, groups: Iterable[str]) -> None:
        """Stop doing so."""
        for group in groups:
            those = self._groups.get(group, set())
            those.discard(coverage)
            if not those:
                self._groups.pop(group, None)
                self._link.unwant(group)
                if (job_id := job_of(group)) is not None:
                    self.recent.forget(job_id)

    def hold(self, seen: Iterable[Seen]) -> None:
        """Keep jobs that a connection shows equal to their rows."""
        self._reconciliation.hold(seen, time.monotonic())

    def release(self, job_ids: Iterable[int]) -> None:
        """Stop doing so for one connection."""
        self._reconciliation.release(job_ids)

    def doubt(self, coverage: Coverage) -> None:
        """Compare all that a connection shows with the rows, and look for what it lacks, now."""
        self._reconciliation.suspect(coverage.watched)
        self._look_again()

    def count(self, coverage: Coverage, groups: tuple[str, ...], jobs: Scope) -> None:
        """Tell a connection how many jobs of a scope are running."""
        self._counts.want(coverage, groups, jobs, time.monotonic())

    def stop_counting(self, coverage: Coverage, groups: tuple[str, ...]) -> None:
        """Stop doing so for one list of the connection."""
        self._counts.unwant(coverage, groups)

    # ------------------------------------------------------------ what the layer brings

    def _heard(self, message: Mapping[str, Any]) -> None:
        event = read_event(message)
        if event is None or event.group not in self._groups:
            return
        if event.kind == "log":
            self.recent.add(event.job_id, Chunk(*event.span, event.text))
        self._deliver(event)

    def _deliver(self, event: Event) -> None:
        self._reconciliation.hear(event, time.monotonic())
        if event.kind in ("job", "gone"):
            self._counts.hear(event.group)
        for coverage in tuple(self._groups.get(event.group, ())):
            try:
                taken = coverage.offer(event)
            except Exception:
                logger.exception(
                    "An event could not be taken; its socket is closed, the others go on",
                    extra=fields(LogEvent.EVENT_REFUSED, job=event.job_id),
                )
                coverage.abandon()
                continue
            if taken:
                rank, progress = (event.rank, -1) if event.kind == "job" else (-1, event.rank)
                self.hold([Seen(event.job_id, rank, progress, 0, finished=False)])

    def _joined(self, group: str) -> None:
        """From now on nothing of this group is missed; what came before may have been."""
        for coverage in self._groups.get(group, ()):
            self._reconciliation.suspect(coverage.watched)
        self._look_again()

    def _suspect_all(self) -> None:
        self._reconciliation.suspect()
        self._look_again()

    def _look_again(self) -> None:
        self._counts.suspect()
        self._lists_due_at = 0.0
        self._heal_now.set()

    def _live_changed(self) -> None:
        self._say_status()

    # ------------------------------------------------------------ healing

    async def _heal_forever(self) -> None:
        failing = False
        while True:
            try:
                await self._heal()
            except Exception as error:
                if not failing:
                    logger.warning(
                        "The live view could not be compared with the database: %s", error,
                        extra=fields(LogEvent.HEAL_FAILED),
                    )  # fmt: skip
                failing = True
                await asyncio.sleep(1)
            else:
                failing = False
            await asyncio.sleep(HEAL_PAUSE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._heal_now.wait()

    async def _heal(self) -> None:
        """Compare what is due; a round that fails leaves it due."""
        self._heal_now.clear()
        now = time.monotonic()
        due = self._reconciliation.take_due(now)
        if due:
            try:
                await self._heal_jobs(due)
            except Exception:
                self._reconciliation.suspect(due)
                raise
        if now >= self._lists_due_at:
            self._lists_due_at = now + conf.HEAL_SECONDS
            try:
                await self._heal_lists(now)
            except Exception:
                self._lists_due_at = 0.0
                raise

    async def _heal_jobs(self, due: list[int]) -> None:
        found = await pool.run(answers.levels, due)
        for job_id in set(due) - {level.job_id for level in found}:
            self._tell_gone(job_id)
        late = []
        for level in found:
            is_late, log_is_late = self._reconciliation.behind(level, self._groups.keys())
            if log_is_late:
                self._tell_log(level)
            if is_late:
                late.append(level)
            else:
                self._reconciliation.compared(level, time.monotonic())  # now: who comes later may know less
        await self._deliver_again([level.job_id for level in late])
        for level in late:
            self._reconciliation.compared(level, time.monotonic())

    async def _heal_lists(self, now: float) -> None:
        """Find rows that a list ought to show and nobody told us of; the newest first, as lists have room for them."""
        if all(job_of(group) is not None for group in self._groups):
            return
        above, below = await self._seen_before(now), None
        while found := await pool.run(answers.newcomers, above, below):
            await self._deliver_again(self._missed(found))
            if len(found) < answers.NEWCOMERS_AT_ONCE:
                return
            below = found[-1][0]

    async def _seen_before(self, now: float) -> int:
        """The highest id seen a window before the last round that worked: trouble and freezes only widen it."""
        highest = await pool.run(answers.newest_id)
        if not self._marks:
            self._marks.append((now - WINDOW_SECONDS, max(0, highest - IN_FLIGHT)))
        while len(self._marks) > 1 and self._marks[1][0] <= self._marks[-1][0] - WINDOW_SECONDS:
            self._marks.popleft()
        self._marks.append((now, highest))
        return self._marks[0][1]

    def _missed(self, newcomers: list[tuple[int, str]]) -> list[int]:
        carried: defaultdict[str, set[int]] = defaultdict(set)
        for job_id, owner_key in newcomers:
            for group in list_groups(owner_key):
                carried[group].add(job_id)
        missed: set[int] = set()
        for group, job_ids in carried.items():
            for coverage in self._groups.get(group, ()):
                missed |= coverage.missing(job_ids, group)
        return sorted(missed)

    async def _deliver_again(self, job_ids: list[int]) -> None:
        for start in range(0, len(job_ids), REMADE_AT_ONCE):
            for broadcast in await pool.run(answers.remade, job_ids[start : start + REMADE_AT_ONCE]):
                event = read_event(broadcast.message)
                if event is not None:
                    self._deliver(event)

    def _tell_gone(self, job_id: int) -> None:
        text = encode({"action": "gone", "job_id": job_id})
        event = Event("gone", job_id, "", 0, text, group=job_group(job_id))
        for socket in tuple(self._sockets):
            if job_id in socket.session.coverage.watched:
                socket.session.coverage.offer(event)

    def _tell_log(self, level: Level) -> None:
        """A hint without lines: each session reads them by its own cursor."""
        self._deliver(Event("log", level.job_id, level.owner_key, level.log_seq, "", group=job_group(level.job_id)))

    # ------------------------------------------------------------ counts

    async def _count_forever(self) -> None:
        while True:
            await asyncio.sleep(COUNT_LOOK_SECONDS)
            due = self._counts.due(time.monotonic())
            if not due:
                continue
            try:
                found = await pool.run(answers.running, [jobs for _, jobs in due])
            except Exception as error:
                logger.debug("The running jobs are counted again: %s", error)
                self._counts.suspect()
                await asyncio.sleep(STUMBLE_SECONDS)
            else:
                for (groups, _), running in zip(due, found, strict=True):
                    self._counts.took(groups, running)

    # ------------------------------------------------------------ status

    async def _follow_status(self) -> None:
        broker = queue_status.BrokerWatch()
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, thread_name_prefix="livejobs-broker")
        try:
            while True:
                broker_up = await loop.run_in_executor(thread, broker.is_up)
                with suppress(Exception):  # the last word stands
                    self._notices = await asyncio.to_thread(notices.notices)
                with suppress(Exception):  # without the database, too
                    workers = await pool.run(presence.worker_counts)
                    self._queues = queue_status.queue_statuses(workers, broker_up)
                self._say_status()
                await asyncio.sleep(STATUS_SECONDS)
        finally:
            try:
                await loop.run_in_executor(thread, broker.close)  # behind a question that a broker does not answer
            finally:
                thread.shutdown(wait=False)

    def _say_status(self) -> None:
        if self._queues is None or self._link.live is None:
            return
        message: StatusMessage = {
            "action": "status",
            "queues": self._queues,
            "live": "up" if self._link.live else "delayed",
            "notices": self._notices,
        }
        text = encode(message)
        if text != self._said:
            self._said = text
            for socket in self._sockets:
                socket.session.status(text)


async def _unfailing(work: Callable[[], Awaitable[None]]) -> None:
    """Run one of the hub's tasks; a defect in it is logged and must not silence every screen."""
    while not being_cancelled():
        try:
            await work()
        except Exception:
            logger.exception("The hub stumbled and goes on", extra=fields(LogEvent.HUB_FAILED))
        await asyncio.sleep(STUMBLE_SECONDS)
