"""What a worker child does with the processes and the descriptors around it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from livejobs.worker import processes


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_connections_to_one_address_are_let_go_and_their_numbers_stay_taken(server):
    lines = [socket.create_connection(server.getsockname()) for _ in range(2)]
    pair = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_connection(other.getsockname()) as elsewhere:
        processes.let_go_of_connections([lines[0].fileno(), pair[0].fileno(), 9_999])
        assert [os.readlink(f"/proc/self/fd/{line.fileno()}") for line in lines] == [os.devnull] * 2
        assert elsewhere.getpeername() == other.getsockname()
        assert server.fileno() > 0
        pair[0].send(b"x")
        assert pair[1].recv(1) == b"x"
    for line in [*lines, *pair]:
        line.close()


def test_only_a_leader_of_a_group_ends_what_it_started():
    script = """
import os, subprocess, sys
from livejobs.worker import processes
processes.end_started()  # of a group that is not its own: nothing
processes.lead_a_group()
process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
assert processes.members() == [process.pid], processes.members()
processes.end_started()
assert process.wait(5) == -15
assert processes.members() == []
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
