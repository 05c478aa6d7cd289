"""The wire: every command and event of `livejobs.v1` as a typed message, and how text becomes one.

Nothing here opens a socket or a database. `static/livejobs/protocol.js` holds the same constants; a test compares both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

VERSION: Final = 1
SUBPROTOCOL: Final = "livejobs.v1"
LIST_DEFAULT: Final = 50  # rows in a snapshot when the client names no limit
LIST_MAX: Final = 200  # rows in one snapshot
LIST_LIVE_MAX: Final = 1_000  # rows that one list keeps live, and that our page shows; the oldest are let go first
LOG_MAX: Final = 10_000  # lines of one job that our page keeps: the first half and the last half
WATCHES_MAX: Final = 50  # of one connection
TRUNCATE_OVER: Final = 1024  # bytes of JSON: larger params and results are null in lists
KEY_MAX: Final = 100  # characters of an idempotency key or a ref


class ErrorCode(StrEnum):
    """What an `error` frame may say in `code`."""

    BAD_FRAME = "bad_frame"
    UNKNOWN_ACTION = "unknown_action"
    INVALID = "invalid"
    TOO_LARGE = "too_large"
    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"
    CONFLICT = "conflict"
    FINISHED = "finished"
    UNSUPPORTED = "unsupported"
    UNAVAILABLE = "unavailable"


class CloseCode(IntEnum):
    """Why the server closed a socket (RFC 6455 codes, then our own)."""

    TOO_LARGE = 1009
    RESTART = 1012
    SESSION_CHANGED = 4401
    TOO_SLOW = 4408


# ---------------------------------------------------------------- what the client sends


class Command(BaseModel):
    """What every command may carry. Unknown members are ignored, so that newer clients can talk to older servers."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)
    ref: Annotated[str, Field(max_length=KEY_MAX)] | int | None = None


ID_MAX: Final = 2**63 - 1  # SQLite cannot even be asked for more
JobId = Annotated[int, Field(ge=1, le=ID_MAX)]
WatchId = Annotated[str, Field(min_length=1, max_length=KEY_MAX)] | Annotated[int, Field(ge=0, le=2**53)]


class Start(Command):
    """Start a task. `key` makes a second copy of the same click answer with the same job."""

    action: Literal["start"]
    task: Annotated[str, Field(min_length=1, max_length=255)]
    name: str = ""
    params: dict[str, Any] = Field(default_factory=dict)
    key: Annotated[str, Field(min_length=1, max_length=KEY_MAX)] | None = None


class Cancel(Command):
    """Ask that a job stops."""

    action: Literal["cancel"]
    job_id: JobId


class Retry(Command):
    """Queue a finished job again, by a person."""

    action: Literal["retry"]
    job_id: JobId


class ListScope(BaseModel):
    """What a list shows: `before` pages by id, newest first."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    scope: Literal["mine", "all"]
    limit: Annotated[int, Field(ge=1, le=LIST_MAX)] = LIST_DEFAULT
    before: JobId | None = None


class Watch(Command):
    """Look at a list (`jobs`) or at one job (`job_id`): a snapshot, then its changes until `unwatch`."""

    action: Literal["watch"]
    id: WatchId
    jobs: ListScope | None = None
    job_id: JobId | None = None
    log_after: Annotated[int, Field(ge=0, le=2**53)] = 0


class Unwatch(Command):
    """Look away."""

    action: Literal["unwatch"]
    id: WatchId


class Ping(Command):
    """Ask whether the connection lives; any answer says so."""

    action: Literal["ping"]


AnyCommand = Start | Cancel | Retry | Watch | Unwatch | Ping
COMMANDS: Final = frozenset({"start", "cancel", "retry", "watch", "unwatch", "ping"})
_command: TypeAdapter[AnyCommand] = TypeAdapter(Annotated[AnyCommand, Field(discriminator="action")])


# ---------------------------------------------------------------- what the server sends

Ref = str | int


class Progress(TypedDict):
    """How far an attempt is. `tick` counts the reports, so that a later one wins; `total` null is an unknown total.

    What its processes use is there once it was measured: seconds of processor, and the most memory, in bytes.
    """

    tick: int
    current: float | None
    total: float | None
    message: str
    cpu_seconds: NotRequired[float]
    memory_peak: NotRequired[int]


class JobError(TypedDict):
    """Why a job failed. The traceback is not here: it travels over HTTP, to staff."""

    reason: str
    type: str
    message: str


class PublicJob(TypedDict):
    """A job as everyone who may see it sees it. Times are ISO 8601 in UTC, or null."""

    id: int
    task: str
    title: str
    name: str
    state: str
    params: dict[str, Any] | None
    progress: Progress
    result: Any
    error: JobError | None
    queue: str
    attempt: int
    failures: int
    retries: int
    losses: int
    owner: str | None
    created_at: str
    run_at: str | None
    started_at: str | None
    finished_at: str | None
    cancel_requested_at: str | None
    stopping_at: str | None
    worker: str | None
    log_seq: int
    version: int
    truncated: NotRequired[bool]


class LogLine(TypedDict):
    """One line of a job's log. `seq` counts from 1 over all attempts of the job."""

    seq: int
    attempt: int
    at: str
    level: str
    text: str


class TaskInfo(TypedDict):
    """A task this person may start. `schema` is the JSON Schema of its params."""

    name: str
    title: str
    doc: str
    schema: dict[str, Any]


class HelloMessage(TypedDict):
    """The first frame: who you are, what you may do, and the tasks you may start."""

    action: Literal["hello"]
    protocol: int
    server: str
    user: dict[str, Any] | None
    rights: list[str]
    retry_after: float
    retry_max: float
    tasks: list[TaskInfo]


class QueueStatus(TypedDict):
    """Whether anyone is there to run what waits in a queue."""

    workers: int
    broker: Literal["up", "down"]


class StatusMessage(TypedDict):
    """How the parts behind the page are: after `hello`, and on change. `notices` are sentences about its jobs."""

    action: Literal["status"]
    queues: dict[str, QueueStatus]
    live: Literal["up", "delayed"]
    notices: list[str]


class AckMessage(TypedDict):
    """A command was done. `job` is the job it made or changed."""

    action: Literal["ack"]
    ref: NotRequired[Ref]
    job: NotRequired[PublicJob]


class SnapshotMessage(TypedDict):
    """What a watch shows now: a list (`jobs`, `more`) or one job (`job`, `log`).

    A list is live in the range `from_id <= id < before`; `before` null is a range without an upper end.
    """

    action: Literal["snapshot"]
    ref: NotRequired[Ref]
    watch: Ref
    jobs: NotRequired[list[PublicJob]]
    more: NotRequired[bool]
    from_id: NotRequired[int]
    before: NotRequired[int | None]
    job: NotRequired[PublicJob]
    log: NotRequired[list[LogLine]]


class NarrowedMessage(TypedDict):
    """A list has become too long: from now on it is live from `from_id` up only."""

    action: Literal["narrowed"]
    ref: NotRequired[Ref]
    watch: Ref
    from_id: int


class CountMessage(TypedDict):
    """How many jobs of a list's scope are running, by the database: those that the list does not show included."""

    action: Literal["count"]
    ref: NotRequired[Ref]
    watch: Ref
    running: int


class JobMessage(TypedDict):
    """A job changed."""

    action: Literal["job"]
    job: PublicJob


class ProgressMessage(TypedDict):
    """An attempt got further. The highest `(attempt, tick)` wins."""

    action: Literal["progress"]
    job_id: int
    attempt: int
    tick: int
    current: float | None
    total: float | None
    message: str
    cpu_seconds: NotRequired[float]
    memory_peak: NotRequired[int]
    memory: NotRequired[int]  # bytes, now


class LogMessage(TypedDict):
    """New lines of a watched job's log."""

    action: Literal["log"]
    job_id: int
    lines: list[LogLine]


class OpenMessage(TypedDict):
    """The line of a watched job's log that has no end yet: a progress bar, dots. The highest `(attempt, tick)` wins.

    `seq` is the number it will have: from then on the line itself is shown.
    """

    action: Literal["open"]
    job_id: int
    attempt: int
    tick: int
    seq: int
    text: str


class GoneMessage(TypedDict):
    """A job is no more: pruned or deleted."""

    action: Literal["gone"]
    job_id: int


class BatchMessage(TypedDict):
    """Several messages in one frame, in order."""

    action: Literal["batch"]
    messages: list[Any]


class ErrorMessage(TypedDict):
    """A command, or a frame that is none, was refused."""

    action: Literal["error"]
    ref: NotRequired[Ref]
    code: str
    message: str
    fields: NotRequired[dict[str, str]]


ServerMessage = (
    HelloMessage | StatusMessage | AckMessage | SnapshotMessage | NarrowedMessage | CountMessage | JobMessage
    | ProgressMessage | LogMessage | OpenMessage | GoneMessage | BatchMessage | ErrorMessage
)  # fmt: skip


# ---------------------------------------------------------------- text to message and back


class FrameError(Exception):
    """A frame that is no command. It becomes an `error` frame; the socket lives.

    :param ref: the frame's own ref where it had a usable one, so that the client can tell which command it was.
    """

    def __init__(
        self, code: ErrorCode, message: str, *, ref: Ref | None = None, fields: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.ref, self.fields = code, message, ref, dict(fields or {})


def decode(text: str | bytes, *, max_bytes: int, max_depth: int) -> dict[str, Any]:
    """Read one frame as a JSON object.

    :param max_bytes: the bound of a frame, in bytes of UTF-8.
    :param max_depth: how deep arrays and objects may nest.
    :raises FrameError: `too_large` or `bad_frame`.
    """
    try:
        raw = text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise FrameError(ErrorCode.BAD_FRAME, "The frame is not valid Unicode.") from None
    if len(raw) > max_bytes:
        raise FrameError(ErrorCode.TOO_LARGE, f"The frame has {len(raw):,} bytes; the limit is {max_bytes:,}.")
    try:
        frame = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise FrameError(ErrorCode.BAD_FRAME, f"The frame is not JSON: {error.msg}.") from None
    if not isinstance(frame, dict):
        raise FrameError(ErrorCode.BAD_FRAME, "The frame is not a JSON object.")
    if not within_depth(frame, max_depth):
        raise FrameError(ErrorCode.TOO_LARGE, f"The frame nests deeper than {max_depth} levels.", ref=usable_ref(frame))
    return frame


def parse(frame: Mapping[str, Any]) -> AnyCommand:
    """Turn a decoded frame into a command.

    :raises FrameError: `unknown_action` or `invalid`, naming the fields.
    """
    ref = usable_ref(frame)
    action = frame.get("action")
    if not isinstance(action, str) or action not in COMMANDS:
        known = ", ".join(sorted(COMMANDS))
        raise FrameError(ErrorCode.UNKNOWN_ACTION, f"Unknown action; this server knows {known}.", ref=ref)
    try:
        command = _command.validate_python(dict(frame))
    except ValidationError as error:
        fields = {field_path(item["loc"][1:]): sentence(item["msg"]) for item in error.errors(include_url=False)}
        raise FrameError(ErrorCode.INVALID, f"Some fields of {action} are not right.", ref=ref, fields=fields) from None
    if isinstance(command, Watch):
        if (command.jobs is None) == (command.job_id is None):
            raise FrameError(ErrorCode.INVALID, "watch needs either jobs or job_id.", ref=ref)
        if command.jobs is not None and command.jobs.model_extra:
            names = ", ".join(sorted(command.jobs.model_extra))
            raise FrameError(ErrorCode.UNSUPPORTED, f"This version does not filter a list by {names}.", ref=ref)
    return command


def encode(message: Any) -> str:
    """Write a message, or a part of one, as JSON. Text inside must be free of lone surrogates (`sanitize.clean`)."""
    try:
        return orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:  # a whole number over 64 bits: PostgreSQL gives 1e30 back as one
        return str(json.dumps(message, separators=(",", ":")))


def with_field(encoded: str, name: str, value: str) -> str:
    """Add a field, encoded already, to an encoded object that has other fields."""
    return f'{encoded[:-1]},"{name}":{value}}}'


def batch(texts: list[str]) -> str:
    """Join encoded messages into one `batch` frame without decoding them."""
    return '{"action":"batch","messages":[' + ",".join(texts) + "]}" if len(texts) > 1 else texts[0]


def error_message(
    code: ErrorCode, message: str, *, ref: Ref | None = None, fields: Mapping[str, str] | None = None
) -> ErrorMessage:
    """Build an `error` frame."""
    frame: ErrorMessage = {"action": "error", "code": code.value, "message": message}
    if ref is not None:
        frame["ref"] = ref
    if fields:
        frame["fields"] = dict(fields)
    return frame


def usable_ref(frame: Mapping[str, Any]) -> Ref | None:
    """The frame's `ref`, if it is one that can be echoed: a short text or a whole number."""
    ref = frame.get("ref")
    if isinstance(ref, bool):
        return None
    if isinstance(ref, int) or (isinstance(ref, str) and len(ref) <= KEY_MAX):
        return ref
    return None


def within_depth(value: Any, depth: int) -> bool:
    """Say whether arrays and objects nest at most `depth` deep. Walks without recursion: the input is hostile."""
    level: list[Any] = [value]
    while True:
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return True
        if depth == 0:
            return False
        depth -= 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]


def field_path(location: tuple[int | str, ...]) -> str:
    """Name a field as people write it: `params.rows.3`."""
    return ".".join(str(part) for part in location) or "frame"


def sentence(text: str) -> str:
    """Turn a library's message into a sentence: one capital, one full stop."""
    text = text.strip().rstrip(".")
    return (text[:1].upper() + text[1:] + ".") if text else ""
