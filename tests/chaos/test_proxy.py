"""The proxy: what it is told to do to connections, it does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import COMMIT_REPLY, Link, Proxy
from tests.support.waiting import wait_for


@pytest.fixture
def link() -> Iterator[Link]:
    """A way to a server that sends everything back."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    proxy = Proxy()
    yield proxy.link(*server.getsockname())
    proxy.close()
    server.close()


def echo(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(65_536):
                connection.sendall(data)
        except OSError:
            return


def client(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=5)


def said(line: socket.socket, data: bytes) -> bytes:
    """What comes back, up to as much as was sent."""
    line.sendall(data)
    back = b""
    while len(back) < len(data) and (more := line.recv(65_536)):
        back += more
    return back


def is_cut(line: socket.socket) -> bool:
    try:
        return line.recv(10) == b""
    except ConnectionResetError:
        return True


def test_what_is_sent_arrives_and_comes_back(link: Link) -> None:
    with client(link) as line:
        assert said(line, b"x" * 300_000) == b"x" * 300_000
        assert link.connections == 1
    wait_for(lambda: link.connections == 0)


def test_a_reset_cuts_every_connection_and_lets_new_ones_in(link: Link) -> None:
    with client(link) as one, client(link) as other:
        assert said(one, b"1") + said(other, b"2") == b"12"
        link.reset()
        assert is_cut(one)
        assert is_cut(other)
    with client(link) as line:
        assert said(line, b"3") == b"3"


def test_refused_connections_are_reset(link: Link) -> None:
    link.refused = True
    try:
        with client(link) as line:
            assert is_cut(line)
    except ConnectionResetError:  # already while it was being made
        pass
    link.heal()
    with client(link) as line:
        assert said(line, b"1") == b"1"


def test_a_silent_link_closes_nothing_and_passes_nothing(link: Link) -> None:
    with client(link) as line:
        assert said(line, b"1") == b"1"
        link.silent = True
        line.sendall(b"2")
        line.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.recv(1)
        link.heal()
        line.settimeout(5)
        assert is_cut(line)


def test_a_late_link_is_late_both_ways(link: Link) -> None:
    with client(link) as line:
        link.delay = 0.2
        began = time.monotonic()
        assert said(line, b"1") == b"1"
        assert time.monotonic() - began >= 0.4


def test_a_connection_is_cut_after_so_many_bytes(link: Link) -> None:
    with client(link) as line:
        link.cut_after(100)
        assert said(line, b"x" * 90) == b"x" * 90
        line.sendall(b"x" * 20)
        assert is_cut(line)


def test_the_reply_to_a_commit_is_lost_as_often_as_wanted(link: Link) -> None:
    link.commits_to_lose = 1
    with client(link) as line:
        line.sendall(b"before" + COMMIT_REPLY)
        assert is_cut(line)
    assert link.lost_commits == 1
    with client(link) as line:
        assert said(line, COMMIT_REPLY) == COMMIT_REPLY
