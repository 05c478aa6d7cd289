"""What a job prints and logs, on its way to its log: descriptors 1 and 2 are a pipe to the agent, real streams over it.

So everything a terminal would show is in the log, whoever wrote it: print, `os.write(1)`, C code, a subprocess. Log
records go through the same pipe behind a marker, and so does what Python writes to stderr: all keep their order, and it
is known what they are. What a program or C code writes to descriptor 2 cannot be told from stdout.
"""

from __future__ import annotations

import codecs
import ctypes
import io
import itertools
import logging
import os
import sys
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final

import orjson

from livejobs.definition import Attempt, level_of
from livejobs.runner import root_logging
from livejobs.runner.clean import OWN_THREADS, handlers, remembered
from livejobs.runner.framing import ROOM, Kind, frames
from livejobs.runner.interrupt import raise_if_due

# loggers that speak of the machinery, not of the job
OWN_LOGGERS: Final = frozenset(
    {"livejobs", "celery", "kombu", "amqp", "redis", "channels", "channels_redis", "asyncio", "billiard"}
)
_FORMAT: Final = logging.Formatter("%(message)s")
REPLACE: Final = "livejobs.replace"  # half a surrogate pair becomes U+FFFD, and ends no job
codecs.register_error(REPLACE, lambda error: ("\ufffd".encode(), getattr(error, "end", 0)))
_LEVELS: Final = {"debug": 0, "info": 1, "warning": 2, "error": 3, "critical": 4}
_EMIT: Final = logging.StreamHandler.emit.__code__
_CONFIGURE: Final = logging.basicConfig.__code__
_RICH: Final = "rich.console"
_numbers: Final = itertools.count(1)
_pipe: list[int] = [1]
_pipe_is: list[os.stat_result] = []  # a job may close it (`os.closerange`), and its next file gets the number
_NAMES: Final = {1: "<stdout>", 2: "<stderr>"}
_IN_LINES: Final = 1  # _IOLBF
_SAID_MAX: Final = 2_000  # characters of a line that is kept as what was said last
_libc: Final = ctypes.CDLL(None)
_current: list[Attempt] = []  # the attempt whose output the streams carry
_streams: list[
    Any
] = []  # its stdout and stderr: one that a job replaced would close, as it is collected, what it shares


class Output(io.TextIOWrapper):
    """stdout or stderr of a runner: a real stream, which also notices that the job has to stop."""

    mode = "w"
    _last = _open = ""

    @property
    def last(self) -> str:
        """The last line that says something: what a program says before it exits with a code."""
        return self._open.strip() or self._last

    def write(self, text: str) -> int:
        """Write text; what a log handler writes goes as a record. A whole line is a step at which a job may stop."""
        caller = sys._getframe(1)
        if caller.f_code is _EMIT:
            record = caller.f_locals["record"]
            if is_own(record):
                send_to_operator(record)
            else:
                send(level_of(record.levelno), text.removesuffix("\n"))
            count = len(text)
        else:
            count = super().write(text)
        self.note(text)
        if "\n" in text:  # print() writes the end of a line by itself: not in the middle of one
            look_up()
        return count

    def isatty(self) -> bool:
        """No; but rich, which is silent where it may not draw, may: its colours and its cursor are understood."""
        return sys._getframe(1).f_globals.get("__name__") == _RICH or super().isatty()

    def note(self, text: str) -> None:
        """Keep in mind what was said last."""
        whole, newline, rest = text.rpartition("\n")
        if newline:
            said = (self._open + whole).rstrip().rpartition("\n")[2].rpartition("\r")[2].strip()
            self._last, self._open = said[:_SAID_MAX] or self._last, rest[:_SAID_MAX]
        elif len(self._open) < _SAID_MAX:
            self._open += text[:_SAID_MAX]


class Stderr(io.FileIO):
    """Descriptor 2: what goes through it is marked as stderr, unless a job gave the number to a file of its own."""

    def write(self, data: Any) -> int:
        """Write as much as one frame holds; the buffer above comes back with the rest. None: the pipe is full."""
        if not _is_pipe(2):
            return super().write(data)
        part = bytes(data)[:ROOM]
        try:
            os.write(2, next(frames(os.getpid(), _next_number(), Kind.STDERR, part)))
        except BlockingIOError:
            return None  # type: ignore[return-value]  # so a raw stream says it
        return len(part)


class RecordHandler(logging.Handler):
    """At the root: sends records that no handler of the job's own shows, as Python itself would; ours pass by."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record, its traceback included."""
        if not _current or self._is_shown(record):
            return
        try:
            if is_own(record):
                send_to_operator(record)
                return
            text = _FORMAT.format(record)
            send(level_of(record.levelno), text)
            if isinstance(sys.stderr, Output):
                sys.stderr.note(f"{text}\n")
        except Exception:
            self.handleError(record)
        look_up()

    def _is_shown(self, record: logging.LogRecord) -> bool:
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            for handler in logger.handlers:
                if handler is not self and record.levelno >= handler.level and is_terminal(handler):
                    return True
            logger = logger.parent if logger.propagate else None
        return False


_records: Final = RecordHandler()


class RootHandlers(list[logging.Handler]):
    """The root's handlers. `basicConfig` finds none where there is only ours: it then does in a job what it says."""

    def __len__(self) -> int:
        count = super().__len__()
        if sys._getframe(1).f_code is not _CONFIGURE:
            return count
        return count - sum(isinstance(handler, RecordHandler) for handler in self)


def is_terminal(handler: logging.Handler) -> bool:
    """Whether a handler writes to stdout or stderr, by a console of rich or by itself."""
    if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
        stream = getattr(handler, "stream", None)
    elif any(each.__module__ == "rich.logging" for each in type(handler).__mro__):
        stream = getattr(getattr(handler, "console", None), "file", None)
    else:
        return False
    # while rich draws, others stand in for stdout and stderr
    return isinstance(stream, Output) or stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)


def look_up() -> None:
    """Stop here if the job has to.

    :raises Interrupted: it has to, and has not seen it yet.
    """
    for attempt in _current:
        raise_if_due(attempt)


def is_own(record: logging.LogRecord) -> bool:
    """Whether a record speaks of the machinery, not of the job."""
    return record.name.split(".", 1)[0] in OWN_LOGGERS or (record.threadName or "").startswith(OWN_THREADS)


def send(level: str, text: str) -> None:
    """Send a record of one or more lines, after what the streams hold."""
    flush()
    send_frame(Kind(_LEVELS[level]), text.encode("utf-8", REPLACE))


def log(level: str, text: str) -> None:
    """Send a line of `current_job().log`; that is a step, too."""
    send(level, text)
    look_up()


def send_to_operator(record: logging.LogRecord) -> None:
    """Have the agent log what the machinery says in this process: it is none of the job's log."""
    about = {"logger": record.name, "level": record.levelno, "text": logging.Formatter().format(record)}
    send_frame(Kind.OPERATOR, orjson.dumps(about))


def send_frame(kind: Kind, data: bytes) -> None:
    """Write a record or a message into the pipe."""
    for frame in frames(os.getpid(), _next_number(), kind, data):
        # our own, because a job may send its stdout elsewhere … or close what it does not know
        os.write(_pipe[0] if _is_pipe(_pipe[0]) else 1, frame)


def _next_number() -> int:
    return next(_numbers) & 0xFFFFFFFF


def _is_pipe(descriptor: int) -> bool:
    """Whether a number still stands for the pipe of the attempt."""
    try:
        return bool(_pipe_is) and os.path.samestat(os.fstat(descriptor), _pipe_is[0])
    except OSError:
        return False


def flush() -> None:
    """Write out what streams hold, those that were saved at import among them."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__, *_streams):
        with suppress(Exception):  # a job may have closed or replaced it
            stream.flush()


def prepare() -> None:
    """Once, as the runner begins: what was saved at import (`OUT = sys.stdout`) is written in lines, too."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=REPLACE, line_buffering=True)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__  # not what Celery put in their place
    with suppress(ValueError):  # no such name; what C code prints: in lines as well, in its place among ours
        _libc.setvbuf(ctypes.c_void_p.in_dll(_libc, "stdout"), None, _IN_LINES, 0)
    root_logging.restore()
    _hear_records()


def _hear_records() -> None:
    """Have our handler at the root; before each attempt, for an earlier one may have put a list of its own there."""
    root = logging.getLogger()
    if not isinstance(root.handlers, RootHandlers):
        root.handlers = RootHandlers(root.handlers)
    if _records not in root.handlers:
        root.addHandler(_records)
    if root.level == logging.WARNING and not any(map(is_terminal, root.handlers)):
        root.setLevel(logging.INFO)  # nobody chose it


def open_streams(attempt: Attempt, pipe: int, known: Collection[logging.Handler] | None = None) -> None:
    """Begin an attempt: everything that is written goes into its pipe, which is ours from now on.

    :param known: the handlers at loggers, where somebody knows them; to look at hundreds of loggers takes long.
    """
    _pipe[0], _pipe_is[:] = pipe, [os.fstat(pipe)]
    for descriptor in (1, 2):
        os.dup2(pipe, descriptor)
    sys.stdout, sys.stderr = _streams[:] = _stream(1), _stream(2)
    for handler in handlers() if known is None else {*known, *remembered()}:  # made at import, over the streams of then
        if isinstance(handler, logging.StreamHandler) and is_terminal(handler):
            handler.setStream(sys.stdout if handler.stream is sys.__stdout__ else sys.stderr)
    _hear_records()
    _current[:] = [attempt]


def end() -> None:
    """End an attempt: all it wrote is in the pipe, and what is logged from now on belongs to nobody."""
    flush()
    _libc.fflush(None)  # a line that C code did not end
    _current.clear()


def close_streams() -> None:
    """Let go of the pipe of an attempt that has ended."""
    if _is_pipe(_pipe[0]):
        os.close(_pipe[0])
    _pipe[0] = 1
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def last_said() -> str:
    """The last line of stderr, else of stdout."""
    said = [getattr(stream, "last", "") for stream in (sys.stderr, sys.stdout)]
    return next(filter(None, said), "")


def _stream(descriptor: int) -> Any:
    raw = (Stderr if descriptor == 2 else io.FileIO)(descriptor, "w", closefd=False)
    raw.name = _NAMES[descriptor]  # as Python itself names them
    # in lines, as on a terminal
    return Output(io.BufferedWriter(raw), encoding="utf-8", errors=REPLACE, line_buffering=True)
