"""One connection's conversation, without I/O: frames and events in, requests and frames out.

The shell (`consumers`) gives every text frame to `receive` and executes the requests it returns one after the other,
giving each result to `answered` or `failed`. The hub gives events to `offer`. The shell writes what `next_frame`
returns. Nothing here knows of sockets, tasks or tables, so all of it is tested without any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from livejobs.errors import LivejobsError
from livejobs.live.event import Event, job_rank, progress_rank
from livejobs.live.logs import RecentLines
from livejobs.live.mailbox import Mailbox
from livejobs.live.requests import (
    Answer,
    Done,
    Greet,
    Groups,
    Hello,
    Jobs,
    LogAnswer,
    OneJob,
    ReadLog,
    Recheck,
    Request,
    Scope,
    Snapshot,
)
from livejobs.live.watches import Watching
from livejobs.protocol import (
    WATCHES_MAX,
    AnyCommand,
    Cancel,
    CloseCode,
    CountMessage,
    ErrorCode,
    FrameError,
    NarrowedMessage,
    Ping,
    PublicJob,
    Ref,
    Retry,
    SnapshotMessage,
    Start,
    Unwatch,
    Watch,
    decode,
    encode,
    error_message,
    parse,
    with_field,
)
from livejobs.states import FINISHED


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a frame: bytes of UTF-8, and how deep it may nest."""

    frame_bytes: int
    nesting: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a session was told of a job by a snapshot: where the hub's comparison with the row begins."""

    job_id: int
    rank: int
    progress: int
    log_seq: int
    finished: bool


class Switchboard(Protocol):
    """What a session needs of the hub."""

    recent: RecentLines

    def join(self, session: Session, groups: Iterable[str]) -> None:
        """Offer the events of these groups to the session."""

    def leave(self, session: Session, groups: Iterable[str]) -> None:
        """Stop doing so."""

    def hold(self, seen: Iterable[Seen]) -> None:
        """Keep jobs that a session shows equal to their rows."""

    def release(self, job_ids: Iterable[int]) -> None:
        """Stop doing so for one session."""

    def doubt(self, session: Session) -> None:
        """Compare all that the session shows with the rows now: something may have been missed."""

    def count(self, session: Session, groups: tuple[str, ...], jobs: Scope) -> None:
        """Tell the session, by `counted`, how many jobs of a list's scope are running: now, and when that changes."""

    def stop_counting(self, session: Session, groups: tuple[str, ...]) -> None:
        """Stop doing so for one list of the session."""


class Session:
    """The dialect `livejobs.v1`."""

    batching = True

    def __init__(self, switchboard: Switchboard, limits: Limits, wake: Callable[[], None]) -> None:
        self._switchboard = switchboard
        self._limits = limits
        self._wake = wake
        self._watches: dict[Ref, Watching] = {}
        self._joined: Counter[str] = Counter()
        self._ids: dict[int, int] = {}  # jobs looked at, and by how many watches
        self._running: dict[tuple[str, ...], int] = {}  # how many jobs run, by the groups of a list
        self._greeted = False
        self._status: str | None = None
        self.closing: CloseCode | None = None  # set when the shell is to close the socket
        self.mailbox = Mailbox(wake, switchboard.recent, batching=self.batching)

    # ------------------------------------------------------------ from the client

    def opened(self) -> list[Request]:
        """The socket was accepted."""
        return [Greet()]

    def receive(self, text: str) -> list[Request]:
        """Take a text frame. What is no command is answered at once."""
        try:
            command = parse(decode(text, max_bytes=self._limits.frame_bytes, max_depth=self._limits.nesting))
        except FrameError as error:
            self.say_error(error.code, error.message, error.ref, error.fields)
            return []
        if isinstance(command, Ping):
            self._acknowledge(command, None)
            return []
        if isinstance(command, Start):
            self.mailbox.expect()
        elif isinstance(command, Cancel | Retry):
            self.mailbox.expect(command.job_id)
        return [command]

    def receive_binary(self) -> None:
        """Take a binary frame: there is none in either dialect."""
        self.say_error(ErrorCode.BAD_FRAME, "Frames are text; this one is binary.", None)

    # ------------------------------------------------------------ from the shell

    def answered(self, request: Request, answer: Answer) -> list[Request]:
        """Take the result of a request; the requests returned are to be executed before any other."""
        match request, answer:
            case Greet(), Hello(message):
                self._say(encode(message))
                self._greeted = True
                if self._status is not None:
                    self.mailbox.status(self._status)
            case Start(), Done(job):
                self._acknowledge(request, job)
                self.mailbox.answered()
            case Cancel() | Retry(), Done(job):
                self._acknowledge(request, job)
                self.mailbox.answered(request.job_id)
            case Unwatch(), _:
                self._remove(request.id)
                self._acknowledge(request, None)
            case Watch(), Groups():
                return self._begin(request, answer)
            case Snapshot(watch, _), Jobs() | OneJob():
                watching = self._current(watch)
                if watching is not None:
                    self._show(watching, answer)
        return []

    def failed(self, request: Request, error: LivejobsError) -> None:
        """Take the refusal of a request. A client that cannot be greeted is sent away, and comes back later."""
        if isinstance(request, Greet):
            self.closing = CloseCode.RESTART
        if isinstance(request, Greet | Recheck):
            return
        if isinstance(request, Snapshot):
            if self._current(request.watch) is None:
                return
            self._remove(request.watch.id)
        ref = getattr(request.watch if isinstance(request, Snapshot) else request, "ref", None)
        self.say_error(error.code, str(error.message), ref, error.fields)
        if isinstance(request, Start):
            self.mailbox.answered()
        elif isinstance(request, Cancel | Retry):
            self.mailbox.answered(request.job_id)

    def next_frame(self) -> str | None:
        """The next frame to write, or None."""
        return self.mailbox.next_frame()

    def next_log(self) -> ReadLog | None:
        """The log lines to read from the database now, or None. At most one read is under way."""
        read = self.mailbox.logs.next_read()
        return ReadLog(*read) if read is not None else None

    def log_read(self, request: ReadLog, answer: LogAnswer) -> None:
        """Take the log lines that were read."""
        self.mailbox.logs.was_read(request.job_id, answer)

    def log_read_failed(self) -> None:
        """Forget a read that the database could not answer; the next `next_log` asks again."""
        self.mailbox.logs.read_failed()

    def closed(self) -> None:
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
        """Those of the jobs of a list group that a list of this session ought to show and does not."""
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
            if watching.groups == groups and watching.command.job_id is None and not watching.pending:
                self._say_count(watching)

    def offer(self, event: Event) -> bool:
        """Take an event of a joined group; say whether its job is looked at from now on."""
        job_id = event.job_id
        known = job_id in self._ids
        if known:
            self._accept(event)
            if event.kind == "gone":
                self._forget(job_id)
        taken = False
        for watching in self._watches.values():  # of a job that one watch shows, the others may not have heard yet
            if not watching.pending:
                taken |= event.kind in ("job", "progress") and self._admit(watching, job_id, event.groups)
            elif watching.covers(job_id, event.groups):
                watching.keep(event)
        if taken and not known:
            self._accept(event)
        return taken and not known

    def abandon(self) -> None:
        """Give this connection up after a defect; its client comes back into a snapshot."""
        self.closing = CloseCode.RESTART
        self._wake()

    def status(self, text: str) -> None:
        """Take a new `status` frame; it is sent after `hello`."""
        self._status = text
        if self._greeted:
            self.mailbox.status(text)

    def _accept(self, event: Event) -> None:
        kind = event.kind
        if kind == "job":
            self.mailbox.job(event.job_id, event.rank, event.text)
        elif kind == "progress":
            self.mailbox.progress(event.job_id, event.rank, event.text)
        elif kind == "log":
            self.mailbox.log(event.job_id, event.rank)
        else:
            self.mailbox.gone(event.job_id, event.text)

    # ------------------------------------------------------------ watches

    def _begin(self, watch: Watch, allowed: Groups) -> list[Request]:
        groups = allowed.groups
        self._remove(watch.id)  # a client that comes back to an id means the new watch
        if len(self._watches) >= WATCHES_MAX:
            self.say_error(ErrorCode.TOO_LARGE, f"One connection may have {WATCHES_MAX} watches.", watch.ref)
            return []
        self._watches[watch.id] = Watching(watch, groups, counted=allowed.jobs is not None)
        fresh = [group for group in groups if not self._joined[group]]
        self._joined.update(groups)
        self._switchboard.join(self, fresh)
        if allowed.jobs is not None:
            self._switchboard.count(self, groups, allowed.jobs)
        return [Snapshot(watch, allowed.listing)]

    def _current(self, watch: Watch) -> Watching | None:
        """The watch of a request, unless the client looked away from it meanwhile."""
        watching = self._watches.get(watch.id)
        return watching if watching is not None and watching.command is watch else None

    def _show(self, watching: Watching, answer: Jobs | OneJob) -> None:
        if isinstance(answer, OneJob):
            self._show_job(watching, answer)
        else:
            self._show_list(watching, answer)
        if watching.overflowed:
            self._switchboard.doubt(self)

    def _show_list(self, watching: Watching, answer: Jobs) -> None:
        early = watching.settle((job["id"] for job in answer.jobs), more=answer.more)
        message = self._snapshot(watching.command)
        message["more"] = answer.more
        message["from_id"] = watching.from_id
        message["before"] = watching.command.jobs.before if watching.command.jobs else None
        self._say(with_field(encode(message), "jobs", answer.text))
        self._follow(watching, answer.jobs, early)
        if watching.groups in self._running:
            self._say_count(watching)

    def _show_job(self, watching: Watching, answer: OneJob) -> None:
        message = self._snapshot(watching.command)
        message["job"], message["log"] = answer.job, answer.lines
        self._say(encode(message))
        last = answer.lines[-1]["seq"] if answer.lines else watching.command.log_after
        self.mailbox.logs.follow(answer.job["id"], last, answer.job["log_seq"])
        job_id = answer.job["id"]
        self._follow(watching, [answer.job], watching.settle([job_id], more=False))
        for other in self._watches.values():  # a list that covers it shows it now, whether or not it has heard of it
            if not other.pending and job_id in self._ids:
                self._admit(other, job_id, answer.groups)

    def _follow(self, watching: Watching, jobs: list[PublicJob], early: list[Event]) -> None:
        """Keep what a snapshot showed equal to the rows, beginning with what came before it."""
        new: list[Seen] = []
        for job in jobs:
            job_id = job["id"]
            rank = job_rank(job["version"], whole=not job.get("truncated", False))
            progress = progress_rank(job["attempt"], job["progress"]["tick"])
            self.mailbox.told(job_id, rank, progress)
            first = job_id not in self._ids
            self._ids[job_id] = self._ids.get(job_id, 0) + 1
            if first:
                new.append(Seen(job_id, rank, progress, job["log_seq"], job["state"] in FINISHED))
        self._switchboard.hold(new)
        for event in early:
            if self.offer(event):
                self._switchboard.hold([Seen(event.job_id, -1, -1, 0, finished=False)])

    def _remove(self, watch_id: Ref) -> None:
        watching = self._watches.pop(watch_id, None)
        if watching is None:
            return
        self._drop(watching.ids)
        self._stop_counting(watching)
        self.mailbox.forget_notes(watch_id)
        if watching.command.job_id is not None and not any(
            other.command.job_id == watching.command.job_id for other in self._watches.values()
        ):
            self.mailbox.logs.unfollow(watching.command.job_id)
        self._joined.subtract(watching.groups)
        left = [group for group in set(watching.groups) if self._joined[group] <= 0]
        for group in left:
            del self._joined[group]
        self._switchboard.leave(self, left)

    def _admit(self, watching: Watching, job_id: int, groups: tuple[str, str]) -> bool:
        """Let a job into a list that ought to show it; say whether that was so.

        :param groups: the list groups that carry the job.
        """
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
            self._say_narrowed(watching, dropped)
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
                self.mailbox.forget(job_id)
                released.append(job_id)
        self._switchboard.release(released)

    def _forget(self, job_id: int) -> None:
        """The job is gone: no watch looks at it any more."""
        del self._ids[job_id]
        for watching in self._watches.values():
            watching.ids.discard(job_id)
        self._switchboard.release([job_id])

    # ------------------------------------------------------------ words

    def say_error(self, code: ErrorCode, message: str, ref: Ref | None, fields: dict[str, str] | None = None) -> None:
        """Answer with an `error` frame."""
        self._say(encode(error_message(code, message, ref=ref, fields=fields)))

    def _acknowledge(self, request: AnyCommand, job: PublicJob | None) -> None:
        message: dict[str, object] = {"action": "ack"}
        if request.ref is not None:
            message["ref"] = request.ref
        if job is not None:
            message["job"] = job
        self._say(encode(message))

    def _snapshot(self, watch: Watch) -> SnapshotMessage:
        message: SnapshotMessage = {"action": "snapshot", "watch": watch.id}
        if watch.ref is not None:
            message["ref"] = watch.ref
        return message

    def _say_narrowed(self, watching: Watching, dropped: set[int]) -> None:
        message: NarrowedMessage = {
            "action": "narrowed",
            "watch": watching.command.id,
            "from_id": watching.from_id,
        }
        self._note(watching, message)

    def _say_count(self, watching: Watching) -> None:
        running = self._running[watching.groups]
        self._note(watching, {"action": "count", "watch": watching.command.id, "running": running})

    def _note(self, watching: Watching, message: NarrowedMessage | CountMessage) -> None:
        if watching.command.ref is not None:
            message["ref"] = watching.command.ref
        self.mailbox.note(message["action"], watching.command.id, encode(message))

    def _say(self, text: str) -> None:
        self.mailbox.answer(text)
