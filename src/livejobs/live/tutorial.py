"""The tutorial's dialect, over the same coverage: exactly the frames its page knows, and no others."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, Final

from livejobs.errors import LivejobsError
from livejobs.live.coverage import Coverage, Switchboard
from livejobs.live.event import Event, job_rank
from livejobs.live.mailbox import Mailbox
from livejobs.live.requests import (
    TUTORIAL_LIST,
    Answer,
    Done,
    Groups,
    Jobs,
    ReadSnapshot,
    Recheck,
    Request,
    StartNamed,
)
from livejobs.live.session import Limits
from livejobs.live.watches import Watching
from livejobs.protocol import (
    LIST_LIVE_MAX,
    CloseCode,
    ErrorCode,
    FrameError,
    ListScope,
    PublicJob,
    Watch,
    decode,
    encode,
)
from livejobs.states import State

PREFIX: Final = "start_"
FINISHED_WORDS: Final = {State.SUCCEEDED: "completed", State.FAILED: "failed", State.CANCELLED: "cancelled"}
MINE: Final = Watch(action="watch", id="tutorial", jobs=ListScope(scope="mine", limit=TUTORIAL_LIST))


class TutorialSession:
    """A client without a subprotocol. `started` means accepted and always precedes `completed`.

    The session's newest jobs are followed from the start, so a client that comes back still gets its `completed`.
    """

    def __init__(self, switchboard: Switchboard, limits: Limits, wake: Callable[[], None]) -> None:
        self._limits = limits
        self._wake = wake
        self._announced: dict[int, int] = {}  # the version of each job whose finish was sent
        self.closing: CloseCode | None = None
        self.mailbox = Mailbox(wake, switchboard.recent, batching=False)
        self.coverage = Coverage(switchboard, self.mailbox, self)

    # ------------------------------------------------------------ from the client

    def opened(self) -> list[Request]:
        """Greet with an id that says nothing: the tutorial's own gave away the internal channel name."""
        self._say({"action": "reply_channel", "reply_channel": secrets.token_urlsafe(16)})
        return [MINE]

    def receive(self, text: str) -> list[Request]:
        """Take a text frame: `start_<task>` with a `job_name`."""
        try:
            request = _read(decode(text, max_bytes=self._limits.frame_bytes, max_depth=self._limits.nesting))
        except FrameError as error:
            self._say_error(error.message)
            return []
        self.mailbox.expect()
        return [request]

    def receive_binary(self) -> None:
        """Take a binary frame: there is none."""
        self._say_error("Frames are text; this one is binary.")

    # ------------------------------------------------------------ from the shell

    def answered(self, request: Request, answer: Answer) -> list[Request]:
        """Take the result of a request."""
        match request, answer:
            case StartNamed(), Done(job):
                self._say(_frame("started", job))
                self.mailbox.answered()
                self._announce(job)  # a task that runs inline has finished before it could be answered
            case Watch(), Groups():
                self.coverage.begin(request, replace(answer, jobs=None))  # its page counts nothing
                return [ReadSnapshot(request, answer.listing)]
            case ReadSnapshot(watch, _), Jobs():
                watching = self.coverage.current(watch)
                if watching is not None:
                    self._show(watching, answer)
        return []

    def failed(self, request: Request, error: LivejobsError) -> None:
        """Take the refusal of a request. Without its list a client would wait in vain: it is to come back later."""
        if not isinstance(request, StartNamed):
            if not isinstance(request, Recheck):
                self.closing = CloseCode.RESTART
            return
        details = "; ".join(f"{field}: {text}" for field, text in error.fields.items())
        self._say_error(f"{error.message} {details}".strip())
        self.mailbox.answered()

    def status(self, text: str) -> None:
        """The tutorial's page knows no status."""

    # ------------------------------------------------------------ from what is looked at (Dialect)

    def take(self, event: Event) -> None:
        """Announce a finish; of the rest its page knows nothing."""
        if event.kind == "job" and event.rank >> 1 > self._announced.get(event.job_id, 0):
            self._announce(event.job)
        elif event.kind == "gone":
            self._announced.pop(event.job_id, None)

    def narrowed(self, watching: Watching, dropped: Collection[int]) -> None:
        """Its page knows no lists; what matters to it is that a `completed` will not come."""
        if any(job_id not in self._announced or self.mailbox.holds(job_id) for job_id in dropped):
            self._say_error(
                f"Only the newest {LIST_LIVE_MAX:,} jobs are followed: of older ones no completion is sent here."
            )

    def counted(self, watching: Watching, running: int) -> None:
        """The tutorial's page counts nothing."""

    def let_go(self, job_id: int) -> None:
        """Forget whether a job's finish was sent."""
        self._announced.pop(job_id, None)

    def abandon(self) -> None:
        """Give this connection up after a defect; its client comes back and is told what it missed."""
        self.closing = CloseCode.RESTART
        self._wake()

    # ------------------------------------------------------------ words

    def _show(self, watching: Watching, answer: Jobs) -> None:
        early = watching.settle((job["id"] for job in answer.jobs), more=answer.more)
        for job in reversed(answer.jobs):
            if job["id"] in answer.just_finished:
                self._announce(job)
            elif job["state"] in FINISHED_WORDS:
                self._announced[job["id"]] = job["version"]
        self.coverage.show(watching, answer.jobs, early)

    def _announce(self, job: PublicJob) -> None:
        """Send a job's finish, once."""
        job_id, version = job["id"], job["version"]
        word = FINISHED_WORDS.get(State(job["state"]))
        if word is None or self._announced.get(job_id, 0) >= version:
            return
        self._announced[job_id] = version
        self.mailbox.job(job_id, job_rank(version, whole=True), encode(_frame(word, job)))

    def _say_error(self, message: str) -> None:
        self._say({"action": "error", "message": message})

    def _say(self, frame: dict[str, Any]) -> None:
        self.mailbox.answer(encode(frame))


def _frame(word: str, job: PublicJob) -> dict[str, Any]:
    return {"action": word, "job_id": job["id"], "job_name": job["name"], "job_status": word}


def _read(frame: dict[str, Any]) -> StartNamed:
    action = frame.get("action")
    if not isinstance(action, str) or not action.startswith(PREFIX) or len(action) == len(PREFIX):
        raise FrameError(ErrorCode.UNKNOWN_ACTION, "Unknown action; send start_ and the name of a task.")
    name = frame.get("job_name", "")
    if not isinstance(name, str):
        raise FrameError(ErrorCode.INVALID, "job_name must be a text.")
    return StartNamed(action.removeprefix(PREFIX), name)
