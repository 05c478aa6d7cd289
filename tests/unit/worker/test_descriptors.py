"""Connections that a fork left are let go of, and no others."""

from __future__ import annotations

import os
import socket

from livejobs.worker import descriptors
from tests.support.forks import in_a_fork


@in_a_fork
def test_connections_to_one_address_are_let_go_and_their_numbers_stay_taken():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        lines = [socket.create_connection(server.getsockname()) for _ in range(2)]
        elsewhere = socket.create_connection(other.getsockname())
        pair = socket.socketpair()
        descriptors.let_go_of_connections([lines[0].fileno(), pair[0].fileno(), 9_999])
        assert [os.readlink(f"/proc/self/fd/{line.fileno()}") for line in lines] == [os.devnull] * 2
        assert elsewhere.getpeername() == other.getsockname()
        pair[0].send(b"x")
        assert pair[1].recv(1) == b"x"


@in_a_fork
def test_without_a_connection_nothing_is_touched():
    reading, writing = os.pipe()
    descriptors.let_go_of_connections([reading])
    descriptors.let_go_of_connections([])
    os.write(writing, b"x")
    assert os.read(reading, 1) == b"x"
