"""Messages between two processes: whole, bounded, and with open files."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from livejobs.runner.channel import MOST_BYTES, Channel, ChannelClosedError, pair


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = pair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_arrive_whole_and_in_order(ends):
    ours, theirs = ends
    for number in range(3):
        ours.send({"number": number, "text": "é\n\x00"})
    other = Channel(theirs)
    assert [other.receive() for _ in range(3)] == [({"number": number, "text": "é\n\x00"}, []) for number in range(3)]


def test_it_is_for_select(ends):
    ours, theirs = ends
    assert ours.fileno() not in (-1, theirs.fileno())


def test_a_message_larger_than_any_buffer_passes(ends):
    ours, theirs = ends
    large = {"text": "x" * 2 * 1024 * 1024}
    sender = threading.Thread(target=ours.send, args=(large,))
    sender.start()
    assert Channel(theirs).receive() == (large, [])
    sender.join()


def test_open_files_come_with_their_message_and_are_not_inherited_further(ends, tmp_path):
    ours, theirs = ends
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_text(path.name)
        with path.open() as file:
            ours.send({"file": path.name}, [file.fileno()])
    other = Channel(theirs)
    for path in paths:
        message, (descriptor,) = other.receive()
        assert message == {"file": path.name}
        assert not os.get_inheritable(descriptor)
        with open(descriptor) as file:
            assert file.read() == path.name


def test_the_other_side_that_is_gone_is_an_error_both_ways(ends):
    ours, theirs = ends
    theirs.close()
    with pytest.raises(ChannelClosedError):
        ours.receive()
    with pytest.raises(ChannelClosedError):
        ours.send({})


def test_the_end_within_a_message_is_the_end(ends):
    ours, theirs = ends
    theirs.sendall(struct.pack(">I", 100) + b"{")
    theirs.close()
    with pytest.raises(ChannelClosedError, match="closed"):
        ours.receive()


def test_a_message_beyond_the_bound_is_refused_by_both_sides(ends):
    ours, theirs = ends
    with pytest.raises(ChannelClosedError, match="limit"):
        ours.send({"text": "x" * MOST_BYTES})
    theirs.sendall(struct.pack(">I", MOST_BYTES + 1))
    with pytest.raises(ChannelClosedError, match="limit"):
        ours.receive()


@pytest.mark.parametrize("data", [b"[]", b"7", b"{", b""])
def test_what_is_no_json_object_is_no_message(ends, data):
    ours, theirs = ends
    theirs.sendall(struct.pack(">I", len(data)) + data)
    with pytest.raises(ChannelClosedError, match="no JSON object"):
        ours.receive()


def test_what_was_taken_was_sent_even_if_the_other_side_ended_since(monkeypatch):
    """Else an order would be given twice, and its function run twice."""
    line = socket.socketpair()

    class Dying:
        def fileno(self) -> int:
            return line[0].fileno()

        def sendmsg(self, *arguments: Any) -> int:
            sent = line[0].sendmsg(*arguments)
            line[1].recv(1 << 16)
            line[1].close()
            return sent

        def sendall(self, data: Any) -> None:
            line[0].sendall(data)

    Channel(cast(Any, Dying())).send({"job": 1})
    line[0].close()
