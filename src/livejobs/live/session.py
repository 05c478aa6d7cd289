"""A conversation in the dialect `livejobs.v1`, without I/O: frames and events in, requests and frames out.

The shell (`endpoint`) gives every text frame to `receive` and executes the requests it returns one after the other,
giving each result to `answered` or `failed`. The hub gives events to `coverage`. The shell writes what the mailbox
returns. Nothing here knows of sockets, tasks or tables, so all of it is tested without any.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from livejobs.errors import LivejobsError
from livejobs.live.coverage import Coverage, Switchboard
from livejobs.live.event import Event
from livejobs.live.mailbox import Mailbox
from livejobs.live.requests import (
    Answer,
    Done,
    Greet,
    Groups,
    Hello,
    Jobs,
    OneJob,
    ReadSnapshot,
    Recheck,
    Request,
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


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a frame: bytes of UTF-8, and how deep it may nest."""

    frame_bytes: int
    nesting: int


class Conversation(Protocol):
    """What the shell and the hub need of a session, in whatever dialect."""

    mailbox: Mailbox
    coverage: Coverage
    closing: CloseCode | None  # set when the shell is to close the socket

    def opened(self) -> list[Request]:
        """The socket was accepted."""

    def receive(self, text: str) -> list[Request]:
        """Take a text frame. What is no command is answered at once."""

    def receive_binary(self) -> None:
        """Take a binary frame: there is none in either dialect."""

    def answered(self, request: Request, answer: Answer) -> list[Request]:
        """Take the result of a request; the requests returned are to be executed before any other."""

    def failed(self, request: Request, error: LivejobsError) -> None:
        """Take the refusal of a request."""

    def status(self, text: str) -> None:
        """Take a new `status` frame."""


class Session:
    """The dialect `livejobs.v1`."""

    def __init__(self, switchboard: Switchboard, limits: Limits, wake: Callable[[], None]) -> None:
        self._limits = limits
        self._wake = wake
        self._greeted = False
        self._status: str | None = None
        self.closing: CloseCode | None = None
        self.mailbox = Mailbox(wake, switchboard.recent)
        self.coverage = Coverage(switchboard, self.mailbox, self)

    # ------------------------------------------------------------ from the client

    def opened(self) -> list[Request]:
        """The socket was accepted."""
        return [Greet()]

    def receive(self, text: str) -> list[Request]:
        """Take a text frame. What is no command is answered at once."""
        try:
            command = parse(decode(text, max_bytes=self._limits.frame_bytes, max_depth=self._limits.nesting))
        except FrameError as error:
            self._say_error(error.code, error.message, error.ref, error.fields)
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
        """Take a binary frame: there is none."""
        self._say_error(ErrorCode.BAD_FRAME, "Frames are text; this one is binary.", None)

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
                self.coverage.remove(request.id)
                self._acknowledge(request, None)
            case Watch(), Groups():
                if self.coverage.begin(request, answer):
                    return [ReadSnapshot(request, answer.listing)]
                text = f"One connection may have {WATCHES_MAX} watches."
                self._say_error(ErrorCode.TOO_LARGE, text, request.ref)
            case ReadSnapshot(watch, _), Jobs():
                if (watching := self.coverage.current(watch)) is not None:
                    self._show_list(watching, answer)
            case ReadSnapshot(watch, _), OneJob():
                if (watching := self.coverage.current(watch)) is not None:
                    self._show_job(watching, answer)
        return []

    def failed(self, request: Request, error: LivejobsError) -> None:
        """Take the refusal of a request. A client that cannot be greeted is sent away, and comes back later."""
        if isinstance(request, Greet):
            self.closing = CloseCode.RESTART
        if isinstance(request, Greet | Recheck):
            return
        if isinstance(request, ReadSnapshot):
            if self.coverage.current(request.watch) is None:
                return
            self.coverage.remove(request.watch.id)
        ref = getattr(request.watch if isinstance(request, ReadSnapshot) else request, "ref", None)
        self._say_error(error.code, str(error.message), ref, error.fields)
        if isinstance(request, Start):
            self.mailbox.answered()
        elif isinstance(request, Cancel | Retry):
            self.mailbox.answered(request.job_id)

    def status(self, text: str) -> None:
        """Take a new `status` frame; it is sent after `hello`."""
        self._status = text
        if self._greeted:
            self.mailbox.status(text)

    # ------------------------------------------------------------ from what is looked at (Dialect)

    def take(self, event: Event) -> None:
        """Pass an event on."""
        if event.kind == "job":
            self.mailbox.job(event.job_id, event.rank, event.text)
        elif event.kind == "progress":
            self.mailbox.progress(event.job_id, event.rank, event.text)
        elif event.kind == "log":
            self.mailbox.log(event.job_id, event.rank)
        elif event.kind == "open":
            self.mailbox.open(event.job_id, event.rank, event.text)
        else:
            self.mailbox.gone(event.job_id, event.text)

    def narrowed(self, watching: Watching, dropped: Collection[int]) -> None:
        """Say where a list ends now."""
        self._note(watching, {"action": "narrowed", "watch": watching.command.id, "from_id": watching.from_id})

    def counted(self, watching: Watching, running: int) -> None:
        """Say how many jobs of a list's scope are running."""
        self._note(watching, {"action": "count", "watch": watching.command.id, "running": running})

    def let_go(self, job_id: int) -> None:
        """Nothing is kept here of a job."""

    def abandon(self) -> None:
        """Give this connection up after a defect; its client comes back into a snapshot."""
        self.closing = CloseCode.RESTART
        self._wake()

    # ------------------------------------------------------------ snapshots

    def _show_list(self, watching: Watching, answer: Jobs) -> None:
        early = watching.settle((job["id"] for job in answer.jobs), more=answer.more)
        message = self._snapshot(watching.command)
        message["more"] = answer.more
        message["from_id"] = watching.from_id
        message["before"] = watching.command.jobs.before if watching.command.jobs else None
        self._say(with_field(encode(message), "jobs", answer.text))
        self.coverage.show(watching, answer.jobs, early)

    def _show_job(self, watching: Watching, answer: OneJob) -> None:
        message = self._snapshot(watching.command)
        message["job"], message["log"] = answer.job, answer.lines
        self._say(encode(message))
        job_id = answer.job["id"]
        last = answer.lines[-1]["seq"] if answer.lines else watching.command.log_after
        self.mailbox.logs.follow(job_id, last, answer.job["log_seq"])
        self.coverage.show(watching, [answer.job], watching.settle([job_id], more=False))
        self.coverage.admit_everywhere(job_id, answer.groups)

    # ------------------------------------------------------------ words

    def _say_error(self, code: ErrorCode, message: str, ref: Ref | None, fields: dict[str, str] | None = None) -> None:
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

    def _note(self, watching: Watching, message: NarrowedMessage | CountMessage) -> None:
        if watching.command.ref is not None:
            message["ref"] = watching.command.ref
        self.mailbox.note(message["action"], watching.command.id, encode(message))

    def _say(self, text: str) -> None:
        self.mailbox.answer(text)
