"""What travels through an attempt's pipe: the bytes that anything prints, and between them frames.

A frame is one write of at most PIPE_BUF bytes (4,096 on Linux), which the kernel never tears (larger writes of several
processes do: 856 of 900 did). So a log record goes in as many frames as it needs, each behind a marker, and what Python
writes to stderr in frames of its own. The marker is framing, not security: a job may forge one, and only its own log
shows it.
"""

from __future__ import annotations

import select
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

ATOMIC: Final = select.PIPE_BUF  # bytes
MARKER: Final = b"\x00\x1eLJ\x1e\x02"
_HEAD: Final = struct.Struct(">IIBBH")  # process, record, kind, whether more follows, length
ROOM: Final = ATOMIC - len(MARKER) - _HEAD.size  # bytes of data in one frame


class Kind(IntEnum):
    """What a frame carries: a record of that level, what a job wrote to stderr, or a message to the agent."""

    DEBUG = 0
    INFO = 1
    WARNING = 2
    ERROR = 3
    CRITICAL = 4
    STDERR = 5  # bytes, not a record: they may end in the middle of a line, or of a letter
    OPERATOR = 7  # what the machinery says in the runner: a logger, a level, a text
    OUTCOME = 8  # where the channel to the agent was closed by the job


class Frame(NamedTuple):
    """One whole record."""

    kind: Kind
    data: bytes


def frames(process: int, record: int, kind: Kind, data: bytes) -> Iterator[bytes]:
    """Cut a record into frames, each to be written by one call."""
    parts = [data[start : start + ROOM] for start in range(0, len(data), ROOM)] or [b""]
    for number, part in enumerate(parts, 1):
        yield MARKER + _HEAD.pack(process, record, kind, number < len(parts), len(part)) + part


class Unframer:
    """Takes apart what came out of a pipe."""

    def __init__(self) -> None:
        self._rest = b""
        self._parts: dict[tuple[int, int], list[bytes]] = {}

    def feed(self, data: bytes) -> Iterator[bytes | Frame]:
        """Yield the bytes and the whole records in these bytes, in order; what is not whole waits for more."""
        data = self._rest + data
        self._rest = b""
        while data:
            raw, marker, after = data.partition(MARKER)
            if not marker:
                keep = _begun(data)
                raw, self._rest = data[: len(data) - keep], data[len(data) - keep :]
                if raw:
                    yield raw
                return
            if raw:
                yield raw
            if len(after) < _HEAD.size:
                self._rest = marker + after
                return
            process, record, kind, more, length = _HEAD.unpack_from(after)
            end = _HEAD.size + length
            if len(after) < end:
                self._rest = marker + after
                return
            parts = self._parts.setdefault((process, record), [])
            parts.append(after[_HEAD.size : end])
            if not more:
                del self._parts[process, record]
                if kind in _KINDS:
                    yield Frame(Kind(kind), b"".join(parts))
            data = after[end:]

    def finish(self) -> bytes:
        """Give back what looked like the begin of a frame and was none."""
        rest, self._rest = self._rest, b""
        return b"" if rest.startswith(MARKER) else rest


_KINDS: Final = frozenset(Kind)


def _begun(data: bytes) -> int:
    """How many bytes at the end may be the begin of a marker."""
    for length in range(min(len(MARKER) - 1, len(data)), 0, -1):
        if data.endswith(MARKER[:length]):
            return length
    return 0
