"""A hub that only takes notes, and the messages and events that sessions are fed with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

from livejobs.groups import all_group, job_group, owner_group
from livejobs.hints.channel_messages import job_events, progress_events
from livejobs.hints.public_job import public_job
from livejobs.live.coverage import Coverage, Seen
from livejobs.live.event import Event, read_event
from livejobs.live.logs import RecentLines
from livejobs.live.requests import Done, Groups, Hello, Jobs, OneJob, ReadSnapshot, Request, Scope
from livejobs.live.session import Limits, Session
from livejobs.models import Job
from livejobs.protocol import HelloMessage, LogLine, PublicJob, Watch, encode

ME = "browser:me"
MINE = owner_group(ME)
LIMITS = Limits(frame_bytes=4096, nesting=20)
SCOPE = cast("Scope", object())  # which only the hub reads
HELLO = Hello(cast("HelloMessage", {"action": "hello", "rights": []}))


class FakeSwitchboard:
    """What a coverage needs of the hub: it notes who joined what, and which jobs are held."""

    def __init__(self) -> None:
        self.recent = RecentLines()
        self.joined: set[str] = set()
        self.held: dict[int, list[Seen]] = {}
        self.counted: Counter[tuple[str, ...]] = Counter()
        self.doubted = 0
        self.woken = 0

    def join(self, coverage: Coverage, groups: Iterable[str]) -> None:
        fresh = set(groups)
        assert not fresh & self.joined
        self.joined |= fresh

    def leave(self, coverage: Coverage, groups: Iterable[str]) -> None:
        left = set(groups)
        assert left <= self.joined
        self.joined -= left

    def hold(self, seen: Iterable[Seen]) -> None:
        for each in seen:
            assert each.job_id not in self.held, "held twice by one session"
            self.held[each.job_id] = [each]

    def release(self, job_ids: Iterable[int]) -> None:
        for job_id in job_ids:
            assert self.held.pop(job_id)

    def doubt(self, coverage: Coverage) -> None:
        self.doubted += 1

    def count(self, coverage: Coverage, groups: tuple[str, ...], jobs: Scope) -> None:
        self.counted[groups] += 1

    def stop_counting(self, coverage: Coverage, groups: tuple[str, ...]) -> None:
        assert self.counted[groups] > 0
        self.counted -= Counter([groups])

    def wake(self) -> None:
        self.woken += 1

    def offer(self, coverage: Coverage, event: Event) -> bool:
        """Offer an event as the hub does."""
        taken = coverage.offer(event)
        if taken:
            self.hold([Seen(event.job_id, event.rank, -1, 0, finished=False)])
        return taken


def job(number: int, version: int = 1, state: str = "queued", **values: Any) -> Job:
    """A row that no database has seen."""
    values = {"task": "work", "queue": "q", "owner_key": ME, "params": {}, **values}
    row = Job(id=number, version=version, state=state, **values)
    row.created_at = None  # type: ignore[assignment]  # the database's clock
    return row


def public(number: int, version: int = 1, state: str = "queued", **values: Any) -> PublicJob:
    """A job as a snapshot has it."""
    return public_job(job(number, version, state, **values), truncate=True)


def job_event(number: int, version: int = 1, state: str = "queued", *, group: str = MINE, **values: Any) -> Event:
    """The broadcast of a changed job, as the hub reads it from one group."""
    events = [read_event(each.message) for each in job_events(job(number, version, state, **values))]
    return next(event for event in events if event is not None and event.group == group)


def progress_event(number: int, attempt: int, tick: int, *, group: str = MINE, owner_key: str = ME) -> Event:
    progress = {"tick": tick, "current": tick, "total": None, "message": ""}
    events = [read_event(each.message) for each in progress_events(number, owner_key, attempt, cast("Any", progress))]
    return next(event for event in events if event is not None and event.group == group)


def log_event(number: int, last: int) -> Event:
    return Event("log", number, ME, last, "", group=job_group(number))


def gone_event(number: int) -> Event:
    text = encode({"action": "gone", "job_id": number})
    return Event("gone", number, ME, 0, text, group=job_group(number))


def line(seq: int) -> LogLine:
    return {"seq": seq, "attempt": 1, "at": "2026-01-01T00:00:00.000Z", "level": "info", "text": f"line {seq}"}


def frames(session: Session) -> list[dict[str, Any]]:
    """Everything that can be written now, batches taken apart."""
    found: list[dict[str, Any]] = []
    while (text := session.mailbox.next_frame()) is not None:
        frame = json.loads(text)
        found += frame["messages"] if frame["action"] == "batch" else [frame]
    return found


def send(session: Session, **frame: Any) -> list[Request]:
    """Let the client send a command."""
    return session.receive(json.dumps(frame))


def watch_list(session: Session, jobs: Iterable[PublicJob] = (), *, id: Any = "list", more: bool = False, **what: Any):
    """Watch a list and answer it at once."""
    snapshot = begin_list(session, id=id, **what)
    session.answered(snapshot, Jobs(list(jobs), more=more))
    return snapshot


def begin_list(
    session: Session, *, id: Any = "list", ref: Any = None, scope: str = "mine", **what: Any
) -> ReadSnapshot:  # fmt: skip
    """Watch a list; its snapshot is not read yet."""
    (watch,) = send(session, action="watch", id=id, ref=ref, jobs={"scope": scope, **what})
    assert isinstance(watch, Watch)
    (snapshot,) = session.answered(watch, Groups((MINE,) if scope == "mine" else (all_group(),), SCOPE))
    assert isinstance(snapshot, ReadSnapshot)
    return snapshot


def watch_job(session: Session, shown: PublicJob, lines: Iterable[LogLine] = (), *, id: Any = "job", **what: Any):
    """Watch one job and answer it at once."""
    (watch,) = send(session, action="watch", id=id, job_id=shown["id"], **what)
    assert isinstance(watch, Watch)
    (snapshot,) = session.answered(watch, Groups((job_group(shown["id"]),)))
    session.answered(snapshot, OneJob(shown, list(lines), (MINE, all_group())))
    return snapshot


def started(session: Session, request: Request, shown: PublicJob) -> None:
    session.answered(request, Done(shown))
