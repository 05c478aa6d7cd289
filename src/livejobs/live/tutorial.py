"""The tutorial's dialect, over the same session: exactly the frames its page knows, and no others."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from livejobs.errors import LivejobsError
from livejobs.live.event import Event, job_rank
from livejobs.live.requests import TUTORIAL_LIST, Answer, Done, Groups, Jobs, Recheck, Request, StartNamed
from livejobs.live.session import Limits, Session, Switchboard
from livejobs.live.watches import Watching
from livejobs.protocol import (
    LIST_LIVE_MAX,
    CloseCode,
    ErrorCode,
    FrameError,
    ListScope,
    PublicJob,
    Ref,
    Watch,
    decode,
    encode,
)
from livejobs.states import State

PREFIX: Final = "start_"
FINISHED_WORDS: Final = {State.SUCCEEDED: "completed", State.FAILED: "failed", State.CANCELLED: "cancelled"}
MINE: Final = Watch(action="watch", id="tutorial", jobs=ListScope(scope="mine", limit=TUTORIAL_LIST))


class TutorialSession(Session):
    """A client without a subprotocol. `started` means accepted and always precedes `completed`.

    The session's newest jobs are followed from the start, so a client that comes back still gets its `completed`.
    """

    batching = False

    def __init__(self, switchboard: Switchboard, limits: Limits, wake: Callable[[], None]) -> None:
        super().__init__(switchboard, limits, wake)
        self._announced: dict[int, int] = {}  # the version of each job whose finish was sent

    def opened(self) -> list[Request]:
        """Greet with an id that says nothing: the tutorial's own gave away the internal channel name."""
        self._say(encode({"action": "reply_channel", "reply_channel": secrets.token_urlsafe(16)}))
        return [MINE]

    def receive(self, text: str) -> list[Request]:
        """Take a text frame: `start_<task>` with a `job_name`."""
        try:
            request = _read(decode(text, max_bytes=self._limits.frame_bytes, max_depth=self._limits.nesting))
        except FrameError as error:
            self.say_error(error.code, error.message, None)
            return []
        self.mailbox.expect()
        return [request]

    def answered(self, request: Request, answer: Answer) -> list[Request]:
        """Take the result of a request."""
        match request, answer:
            case StartNamed(), Done(job):
                self._say(_frame("started", job))
                self.mailbox.answered()
                self._announce(job)  # a task that runs inline has finished before it could be answered
                return []
            case Watch(), Groups():
                return super().answered(request, replace(answer, jobs=None))  # its page counts nothing
        return super().answered(request, answer)

    def failed(self, request: Request, error: LivejobsError) -> None:
        """Take the refusal of a request. Without its list a client would wait in vain: it is to come back later."""
        if not isinstance(request, StartNamed):
            if not isinstance(request, Recheck):
                self.closing = CloseCode.RESTART
            return
        details = "; ".join(f"{field}: {text}" for field, text in error.fields.items())
        self.say_error(error.code, f"{error.message} {details}".strip(), None)
        self.mailbox.answered()

    def status(self, text: str) -> None:
        """The tutorial's page knows no status."""

    def say_error(self, code: ErrorCode, message: str, ref: Ref | None, fields: dict[str, str] | None = None) -> None:
        """Answer with the dialect's `error` frame."""
        self._say(encode({"action": "error", "message": message}))

    def _show_list(self, watching: Watching, answer: Jobs) -> None:
        early = watching.settle((job["id"] for job in answer.jobs), more=answer.more)
        for job in reversed(answer.jobs):
            if job["id"] in answer.just_finished:
                self._announce(job)
            elif job["state"] in FINISHED_WORDS:
                self._announced[job["id"]] = job["version"]
        self._follow(watching, answer.jobs, early)

    def _say_narrowed(self, watching: Watching, dropped: set[int]) -> None:
        """Its page knows no lists; what matters to it is that a `completed` will not come."""
        if any(job_id not in self._announced or self.mailbox.holds(job_id) for job_id in dropped):
            text = f"Only the newest {LIST_LIVE_MAX:,} jobs are followed: of older ones no completion is sent here."
            self.say_error(ErrorCode.TOO_LARGE, text, None)

    def _accept(self, event: Event) -> None:
        if event.kind == "job" and event.rank >> 1 > self._announced.get(event.job_id, 0):
            self._announce(event.job)
        elif event.kind == "gone":
            self._announced.pop(event.job_id, None)

    def _drop(self, job_ids: Iterable[int]) -> None:
        dropped = list(job_ids)
        super()._drop(dropped)
        for job_id in dropped:
            if job_id not in self._ids:
                self._announced.pop(job_id, None)

    def _announce(self, job: PublicJob) -> None:
        """Send a job's finish, once."""
        job_id, version = job["id"], job["version"]
        word = FINISHED_WORDS.get(State(job["state"]))
        if word is None or self._announced.get(job_id, 0) >= version:
            return
        self._announced[job_id] = version
        self.mailbox.job(job_id, job_rank(version, whole=True), _frame(word, job))


def _frame(word: str, job: PublicJob) -> str:
    return encode({"action": word, "job_id": job["id"], "job_name": job["name"], "job_status": word})


def _read(frame: dict[str, Any]) -> StartNamed:
    action = frame.get("action")
    if not isinstance(action, str) or not action.startswith(PREFIX) or len(action) == len(PREFIX):
        raise FrameError(ErrorCode.UNKNOWN_ACTION, "Unknown action; send start_ and the name of a task.")
    name = frame.get("job_name", "")
    if not isinstance(name, str):
        raise FrameError(ErrorCode.INVALID, "job_name must be a text.")
    return StartNamed(action.removeprefix(PREFIX), name)
