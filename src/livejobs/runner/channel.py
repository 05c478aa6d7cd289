"""Messages between agent, zygote and runner: JSON behind four bytes of length, with descriptors beside it.

JSON, because nothing that comes from a process that runs somebody's function is ever unpickled. A stream socket,
because a packet of 256 KiB is refused by default (measured), and a result may be larger.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any, Final

import orjson

_LENGTH: Final = struct.Struct(">I")
MOST_BYTES: Final = 8 * 1024 * 1024  # of a message, both ways: a result of 1 MiB and an error beside it fit
_MOST_DESCRIPTORS: Final = 4


class ChannelClosedError(Exception):
    """The other side is gone, or what it sent is no message."""


class Channel:
    """One end. Each message is sent by one call of `send`; threads of one process need a lock of their own."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._is = os.fstat(line.fileno())

    def fileno(self) -> int:
        """Return the descriptor, for `select`."""
        return self._line.fileno()

    def is_ours(self) -> bool:
        """Whether the descriptor still is this channel: a job may have closed all, and opened another in its place."""
        try:
            return os.path.samestat(self._is, os.fstat(self._line.fileno()))
        except OSError:
            return False

    def send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send a message.

        :param descriptors: open files that the other side gets, too.
        :raises ChannelClosedError: the other side is gone, or the message is too large.
        """
        data = orjson.dumps(message)
        if len(data) > MOST_BYTES:
            raise ChannelClosedError(f"a message of {len(data):,} bytes; the limit is {MOST_BYTES:,}")
        try:
            whole = memoryview(_LENGTH.pack(len(data)) + data)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
            sent = self._line.sendmsg([whole], rights)
            if sent < len(whole):  # to send nothing would fail where the other side took all, and ended since
                self._line.sendall(whole[sent:])
        except OSError as error:
            raise ChannelClosedError(str(error)) from error

    def receive(self) -> tuple[dict[str, Any], list[int]]:
        """Wait for a message; returns it and the descriptors that came with it.

        :raises ChannelClosedError: the other side is gone.
        """
        descriptors: list[int] = []
        head = self._exactly(_LENGTH.size, descriptors)
        (length,) = _LENGTH.unpack(head)
        if length > MOST_BYTES:
            raise ChannelClosedError(f"a message of {length:,} bytes; the limit is {MOST_BYTES:,}")
        data = self._exactly(length, descriptors)
        try:
            message = orjson.loads(data)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            raise ChannelClosedError("no JSON object")
        return message, descriptors

    def close(self) -> None:
        """Close this end."""
        self._line.close()

    def _exactly(self, length: int, descriptors: list[int]) -> bytes:
        data = bytearray()
        while len(data) < length:
            try:
                part, found, _, _ = socket.recv_fds(self._line, length - len(data), _MOST_DESCRIPTORS)
            except OSError as error:
                raise ChannelClosedError(str(error)) from error
            if not part:
                raise ChannelClosedError("closed")
            data += part
            for descriptor in found:
                os.set_inheritable(descriptor, False)  # they come as the other side's, and jobs start programs
            descriptors += found
        return bytes(data)


def pair() -> tuple[Channel, socket.socket]:
    """Make a channel: our end, and the socket for the other side."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return Channel(ours), theirs
