"""A terminal that stops reading (Ctrl-S, `| less`, a log driver that hangs) costs lines, never work."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.server_process import STOP_SECONDS, Server, Visitor, get
from tests.support.servers import free_port
from tests.support.up import make
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(180)
START_SECONDS = 60
JOBS = 60  # each is told of in two lines or more: far more than the terminal takes
PIPE_BYTES = 4096
STOP_READING = b"\x13"  # Ctrl-S


@contextmanager
def a_terminal(kind: str) -> Iterator[tuple[int, int]]:
    """The end that is read, and the one a server writes to."""
    reading, writing = os.pipe() if kind == "pipe" else pty.openpty()
    if kind == "pipe":
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    try:
        yield reading, writing
    finally:
        os.close(reading)
        with suppress(OSError):
            os.close(writing)


def is_ready(server: Server) -> bool:
    try:
        return bool(json.loads(get(f"{server.url}readyz").text)["status"] == "ready")
    except OSError:
        return False


def is_full(writing: int) -> bool:
    return not select.select([], [writing], [], 0)[1]


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_work_goes_on_and_a_stop_is_heard(tmp_path: Path, kind: str):
    server = make(tmp_path / "server", port=free_port())
    with a_terminal(kind) as (reading, writing):
        server.terminal = writing
        try:
            process = server.launch()
            server.url = f"http://127.0.0.1:{server.port}/"
            if kind == "terminal":
                os.write(reading, STOP_READING)
            wait_for(lambda: is_ready(server), START_SECONDS, "the server")
            server.processes()
            visitor = Visitor(server)
            jobs = [visitor.start("add", a=number) for number in range(JOBS)]
            for number, job in enumerate(jobs):
                assert visitor.wait_for(job, "succeeded")["result"] == number + 1
            wait_for(lambda: is_full(writing), message="a terminal that takes no more")
            assert server.stop() < STOP_SECONDS
            assert process.returncode == 0
            assert server.processes() == {}
        finally:
            server.kill()


def test_what_waited_is_there_when_it_is_read_again(tmp_path: Path):
    server = make(tmp_path / "server", port=free_port())
    with a_terminal("pipe") as (reading, writing):
        server.terminal = writing
        try:
            server.launch()
            server.url = f"http://127.0.0.1:{server.port}/"
            wait_for(lambda: is_ready(server), START_SECONDS, "the server")
            visitor = Visitor(server)
            jobs = [visitor.start("add", a=number) for number in range(JOBS)]
            for job in jobs:
                visitor.wait_for(job, "succeeded")
            os.close(writing)
            os.set_blocking(reading, False)
            text = ""
            with closing(_Reader(reading)) as terminal:
                wait_for(lambda: f"Job {jobs[-1]} add: succeed" in terminal.text(), message="the last line")
                text = terminal.text()
            for job in jobs:
                assert f"Job {job} add: succeed" in text
            assert server.stop() < STOP_SECONDS
        finally:
            server.kill()


class _Reader:
    """Reads what there is."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._data = descriptor, b""

    def text(self) -> str:
        with suppress(BlockingIOError):
            while data := os.read(self._descriptor, 65_536):
                self._data += data
        return self._data.decode()

    def close(self) -> None:
        os.set_blocking(self._descriptor, True)
