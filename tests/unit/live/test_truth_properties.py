"""Hub, session, mailbox and a client's reducer driven together, with small bounds, in any order of what may happen.

At rest every job that the client shows equals its row, or the client does not show it. Its twin is truth.test.js.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from livejobs.database import pool
from livejobs.errors import NotFoundError, UnavailableError
from livejobs.groups import job_group, list_groups
from livejobs.hints.channel_messages import Broadcast, gone_events, job_events, progress_events
from livejobs.hints.public_job import public_job
from livejobs.live import answers, coverage, hub, session, watches
from livejobs.live.hub import Hub
from livejobs.live.reconciliation import Level
from livejobs.live.requests import Groups, Jobs, Nothing, OneJob, ReadSnapshot
from livejobs.live.session import Session
from livejobs.models import Job
from livejobs.protocol import Ping, Unwatch, Watch
from tests.support.reducer import Reducer
from tests.unit.live.switchboard import HELLO, LIMITS, MINE, job

LIST_LIVE_MAX, EARLY_MAX, WATCHES_MAX, NEWCOMERS = 4, 2, 4, 3
SNAPSHOT = 3  # rows
STATES = ("queued", "running", "running", "succeeded")
NO_PROGRESS = {"tick": 0, "current": None, "total": None, "message": ""}


class Rows:
    """The database: what the hub and the session ask is answered from here."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.last = 0

    def levels(self, job_ids: list[int]) -> list[Level]:
        found = [self.jobs[job_id] for job_id in job_ids if job_id in self.jobs]
        return [Level(j.id, j.owner_key, j.version, j.attempt, j.tick, j.log_seq, j.state) for j in found]

    def remade(self, job_ids: list[int]) -> list[Broadcast]:
        return [event for job_id in job_ids if job_id in self.jobs for event in self.events(job_id)]

    def events(self, job_id: int) -> list[Broadcast]:
        row = self.jobs[job_id]
        found = job_events(row)
        if row.tick:
            progress: Any = {"tick": row.tick, "current": row.current, "total": None, "message": ""}
            found += progress_events(row.id, row.owner_key, row.attempt, progress)
        return found

    def newest_id(self) -> int:
        return max(self.jobs, default=0)

    def newcomers(self, above: int, below: int | None = None) -> list[tuple[int, str]]:
        ids = [job_id for job_id in self.jobs if above < job_id and (below is None or job_id < below)]
        return [(job_id, self.jobs[job_id].owner_key) for job_id in sorted(ids, reverse=True)[:NEWCOMERS]]

    def running(self, scopes: list[Any]) -> list[int]:
        return [sum(row.state == "running" for row in self.jobs.values()) for _ in scopes]

    def newest(self, before: int | None) -> list[Job]:
        return sorted((j for j in self.jobs.values() if before is None or j.id < before), key=lambda j: -j.id)

    def shown(self, job_id: int) -> dict[str, Any]:
        """What a client is to show of a job."""
        public: dict[str, Any] = dict(public_job(self.jobs[job_id]))
        if public["state"] == "queued":
            public["progress"] = NO_PROGRESS
        return public


class Shell:
    """What the hub needs of a socket."""

    def __init__(self, served: Session) -> None:
        self.session = served


async def at_once(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


@contextmanager
def small_bounds(rows: Rows, clock: Callable[[], float]) -> Iterator[None]:
    """The live room over these rows, with bounds that are met all the time."""
    with (
        patch.object(watches, "LIST_LIVE_MAX", LIST_LIVE_MAX),
        patch.object(watches, "EARLY_MAX", EARLY_MAX),
        patch.object(session, "WATCHES_MAX", WATCHES_MAX),
        patch.object(coverage, "WATCHES_MAX", WATCHES_MAX),
        patch.object(hub, "time", SimpleNamespace(monotonic=clock)),
        patch.object(pool, "run", at_once),
        patch.multiple(
            answers, levels=rows.levels, remade=rows.remade, newest_id=rows.newest_id, newcomers=rows.newcomers,
            running=rows.running, NEWCOMERS_AT_ONCE=NEWCOMERS,
        ),
    ):  # fmt: skip
        yield


class Conversation(RuleBasedStateMachine):
    """One client that comes and goes, and everything that may happen around it."""

    @initialize(count=st.integers(0, 6))
    def begin(self, count: int) -> None:
        self.rows, self.now = Rows(), 1000.0
        self.bounds = small_bounds(self.rows, lambda: self.now)
        self.bounds.__enter__()
        self.hub = Hub()
        self.hub._link = SimpleNamespace(want=lambda _: None, unwant=lambda _: None, live=True)  # type: ignore[assignment]
        self.reducer = Reducer()
        self.refs = self.names = 0
        self.pieces: list[str] = []
        self.wanted: dict[str, dict[str, Any]] = {}
        self.layer: list[Broadcast] = []
        self.deleted: set[int] = set()  # ids are never used twice
        for _ in range(count):
            self.accept(lost=True)
        self.session: Session | None = None
        self.connect()
        self.ask_for_list(SNAPSHOT)
        self.go_on()

    def teardown(self) -> None:
        if not hasattr(self, "bounds"):
            return
        try:
            self.settle()
            self.check()
        finally:
            self.bounds.__exit__(None, None, None)

    # ------------------------------------------------------------ rows change, and the layer says so, or not

    @rule(lost=st.booleans())
    def accept(self, lost: bool) -> None:
        self.rows.last += 1
        self.write(job(self.rows.last), lost)

    @rule()
    def reserve(self) -> None:
        """An id whose row is committed later, or never."""
        self.rows.last += 1

    @rule(which=st.integers(1, 12), lost=st.booleans())
    def commit_late(self, which: int, lost: bool) -> None:
        if which <= self.rows.last and which not in self.rows.jobs and which not in self.deleted:
            self.write(job(which), lost)

    @rule(which=st.integers(1, 40), lost=st.booleans())
    def change(self, which: int, lost: bool) -> None:
        row = self.some(which)
        if row is not None:
            version = row.version + 1
            state = STATES[version % len(STATES)]
            attempt = row.attempt + (state == "running" and row.state != "running")
            values = {"attempt": attempt, "tick": row.tick, "current": row.current}
            self.write(job(row.id, version, state, **values), lost)

    @rule(which=st.integers(1, 40), lost=st.booleans())
    def progress(self, which: int, lost: bool) -> None:
        row = self.some(which)
        if row is not None and row.state == "running":
            values = {"attempt": row.attempt, "tick": row.tick + 1, "current": row.tick + 1}
            self.write(job(row.id, row.version, row.state, **values), lost)

    @rule(which=st.integers(1, 40), lost=st.booleans())
    def delete(self, which: int, lost: bool) -> None:
        row = self.some(which)
        if row is not None:
            del self.rows.jobs[row.id]
            self.deleted.add(row.id)
            if not lost:
                self.layer += gone_events(row.id, row.owner_key)

    @rule(at=st.integers(0, 20), count=st.integers(1, 5))
    def hear_some(self, at: int, count: int) -> None:
        """Messages arrive, in any order."""
        for _ in range(count):
            self.hear(at)

    def hear(self, at: int) -> None:
        if self.layer:
            self.hub._heard(self.layer.pop(at % len(self.layer)).message)

    def some(self, which: int) -> Job | None:
        ids = sorted(self.rows.jobs)
        return self.rows.jobs[ids[which % len(ids)]] if ids else None

    def write(self, row: Job, lost: bool) -> None:
        self.rows.jobs[row.id] = row
        if not lost:
            self.layer += self.rows.events(row.id)

    # ------------------------------------------------------------ the client

    def connect(self) -> None:
        if self.session is not None:
            self.hub._sockets.clear()
            self.session.coverage.close()
        self.session = Session(self.hub, LIMITS, lambda: None)
        self.hub._sockets.add(Shell(self.session))
        self.pipe: list[str] = []  # of the client, not read by the server yet
        self.reading: list[tuple[ReadSnapshot, Any]] = []  # read, and not answered yet
        self.session.answered(self.session.opened()[0], HELLO)
        self.reducer.apply({"action": "hello"})
        self.session.mailbox.next_frame()
        while len(self.pieces) > 1:  # what lies below the first piece is asked for again once that is answered
            self.look_away(self.pieces.pop())
        self.pipe.clear()
        for name, what in self.wanted.items():
            self.send(name, what)

    @rule()
    def lose_the_connection(self) -> None:
        self.connect()

    def send(self, name: str, what: dict[str, Any]) -> None:
        self.refs += 1
        frame = {"action": "watch", "id": name, "ref": self.refs, **what}
        self.reducer.apply(frame)
        self.pipe.append(json.dumps(frame))

    def ask_for_list(self, limit: int, before: int | None = None) -> None:
        """Each list has a name of its own, and none overlaps another: it begins where the one above it ends."""
        self.names += 1
        self.pieces.append(f"list{self.names}")
        scope = {"scope": "mine", "limit": limit, **({} if before is None else {"before": before})}
        self.wanted[self.pieces[-1]] = {"jobs": scope}
        self.send(self.pieces[-1], self.wanted[self.pieces[-1]])

    @rule(limit=st.integers(1, SNAPSHOT))
    def load_older(self, limit: int) -> None:
        last = self.reducer.watches.get(self.pieces[-1]) if self.pieces else None
        if last is not None and last.answered and last.from_id > 0:
            self.ask_for_list(limit, int(last.from_id))

    @rule()
    def look_away_from_the_oldest(self) -> None:
        if len(self.pieces) > 1:
            self.look_away(self.pieces.pop())

    def narrowed(self, message: dict[str, Any]) -> None:
        """What lies below a list that was narrowed is let go of: there is a gap."""
        if message["watch"] in self.pieces:
            below = self.pieces.index(message["watch"]) + 1
            for name in self.pieces[below:]:
                self.look_away(name)
            del self.pieces[below:]

    @rule(which=st.integers(1, 12), name=st.sampled_from(["j", "k"]))
    def watch_job(self, which: int, name: str) -> None:
        self.wanted[name] = {"job_id": which}
        self.send(name, self.wanted[name])

    @rule(name=st.sampled_from(["j", "k"]))
    def look_away_from_a_job(self, name: str) -> None:
        self.look_away(name)

    def look_away(self, name: str) -> None:
        if self.wanted.pop(name, None) is not None:
            frame = {"action": "unwatch", "id": name}
            self.reducer.apply(frame)
            self.pipe.append(json.dumps(frame))

    @rule()
    def take_command(self) -> None:
        """The server takes the next command; what a watch shows is read now and answered later."""
        assert self.session is not None
        if not self.pipe or self.reading:  # requests of one socket are executed one after the other
            return
        (request,) = self.session.receive(self.pipe.pop(0))
        if isinstance(request, Unwatch | Ping):
            self.session.answered(request, Nothing())
            return
        assert isinstance(request, Watch)
        if request.job_id is not None and request.job_id not in self.rows.jobs:
            self.session.failed(request, NotFoundError())
            return
        groups = Groups((MINE,), None) if request.job_id is None else Groups((job_group(request.job_id),))
        for snapshot in self.session.answered(request, groups):
            assert isinstance(snapshot, ReadSnapshot)
            self.reading.append((snapshot, self.read(snapshot.watch)))

    def read(self, watch: Watch) -> Any:
        if watch.job_id is not None:
            row = self.rows.jobs.get(watch.job_id)
            return OneJob(public_job(row), [], list_groups(row.owner_key)) if row is not None else NotFoundError()
        assert watch.jobs is not None
        newest = self.rows.newest(watch.jobs.before)
        shown = newest[: watch.jobs.limit]
        return Jobs([public_job(row, truncate=True) for row in shown], more=len(newest) > len(shown))

    @rule(away=st.integers(0, 5))
    def answer(self, away: int) -> None:
        assert self.session is not None
        if self.reading:
            snapshot, found = self.reading.pop(0)
            if away == 5:
                found = UnavailableError()
            if isinstance(found, Exception):
                self.session.failed(snapshot, found)  # type: ignore[arg-type]
            else:
                self.session.answered(snapshot, found)

    @rule(count=st.integers(1, 4))
    def read_frames(self, count: int) -> None:
        """The client reads what was written, and asks again for what could not be answered."""
        assert self.session is not None
        for _ in range(count):
            text = self.session.mailbox.next_frame()
            if text is None:
                return
            frame = json.loads(text)
            for message in frame["messages"] if frame["action"] == "batch" else [frame]:
                self.reducer.apply(message)
                if message["action"] == "narrowed":
                    self.narrowed(message)
                if message["action"] == "error" and message.get("ref") is not None:
                    self.refused(message)

    def refused(self, message: dict[str, Any]) -> None:
        again = message["code"] == "unavailable"
        for name, watched in list(self.reducer.watches.items()):
            if again and watched.ref == message["ref"]:
                self.send(name, self.wanted[name])
        if not again:
            self.wanted = {name: what for name, what in self.wanted.items() if name in self.reducer.watches}
            self.pieces = [name for name in self.pieces if name in self.wanted]

    # ------------------------------------------------------------ time

    @rule(seconds=st.sampled_from([0.1, 6.0, 40.0]))
    def heal(self, seconds: float) -> None:
        self.now += seconds
        asyncio.run(self.hub._heal())

    @rule()
    def go_on(self) -> None:
        """Everything arrives that is under way."""
        while self.layer:
            self.hear(at=0)
        while self.pipe or self.reading:
            self.take_command()
            self.answer(away=0)
            self.read_frames(count=9)
        self.read_frames(count=99)

    def settle(self) -> None:
        """Let everything arrive, and heal the rest."""
        for _ in range(3):
            self.go_on()
            self.heal(seconds=61.0)
        self.go_on()

    def check(self) -> None:
        assert self.reducer.answered
        view = self.reducer.view()
        for key, shown in view.items():
            assert int(key) in self.rows.jobs, f"job {key} is shown, and there is none"
            assert {name: value for name, value in shown.items() if name != "log"} == self.rows.shown(int(key))
        for watched in self.reducer.watches.values():
            covered = {str(job_id) for job_id in self.rows.jobs if watched.covers(job_id)}
            assert covered <= view.keys(), "a watch covers what is not shown"
            assert len(covered) <= LIST_LIVE_MAX


Conversation.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.timeout(600)  # to shrink what was found
class TestConversation(Conversation.TestCase):  # type: ignore[misc, valid-type]
    """What hypothesis makes of it."""
