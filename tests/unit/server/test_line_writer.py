"""Whoever has something to say never waits, whatever becomes of the terminal."""

from __future__ import annotations

import fcntl
import os
import re
import threading
from collections.abc import Iterator

import pytest

from livejobs.server import line_writer
from livejobs.server.line_writer import LineWriter
from tests.support.waiting import wait_for

PIPE = 4096  # bytes that a pipe of ours takes before a write waits


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE)
    yield reading, writing
    for end in (reading, writing):
        if os.path.exists(f"/proc/self/fd/{end}"):
            os.close(end)


def read_to(reading: int, last: bytes) -> list[bytes]:
    """Everything up to a line."""
    data = b""
    while not data.endswith(last + b"\n"):
        data += os.read(reading, 65_536)
    return data.splitlines()


def test_lines_come_out_in_order_and_whole(ends):
    reading, writing = ends
    writer = LineWriter(writing)
    lines = [b"%d" % number * (number % 300 + 1) for number in range(2_000)]
    reader: list[bytes] = []
    thread = threading.Thread(target=lambda: reader.extend(read_to(reading, b"last")))
    thread.start()
    for line in (*lines, b"last"):
        writer.write(line + b"\n")
    assert writer.flush(20)
    thread.join(20)
    assert reader == [*lines, b"last"]


def test_where_nobody_reads_nobody_waits_and_what_is_left_out_is_counted(ends, monkeypatch):
    monkeypatch.setattr(line_writer, "MOST_BYTES", 100_000)
    reading, writing = ends
    writer = LineWriter(writing)
    for number in range(50_000):
        writer.write(b"line %d\n" % number)
    assert not writer.flush(0.05)
    assert writer._size <= 100_000
    writer.write(b"last\n")

    found = read_to(reading, b"last")
    assert found.pop() == b"last"
    expected, left_out = 0, 0
    for line in found:
        if gap := re.fullmatch(rb"\.\.\. (\d+) lines? (?:was|were) left out here: this output was not read\.", line):
            left_out += int(gap[1])
            expected += int(gap[1])
        else:
            assert line == b"line %d" % expected
            expected += 1
    assert expected == 50_000
    assert left_out > 30_000
    assert writer.flush(20)


def test_where_it_was_closed_all_is_taken_and_nothing_kept(ends):
    reading, writing = ends
    writer = LineWriter(writing)
    os.close(reading)
    writer.write(b"to nobody\n")
    wait_for(lambda: writer._closed)
    writer.write(b"more\n")
    assert writer.flush(0)
    assert not writer._lines


def test_a_terminal_that_somebody_made_non_blocking_is_waited_for(ends):
    reading, writing = ends
    os.set_blocking(writing, False)
    writer = LineWriter(writing)
    for number in range(3_000):
        writer.write(b"%d\n" % number)
    writer.write(b"last\n")
    assert not writer.flush(0.05)
    assert read_to(reading, b"last") == [*(b"%d" % number for number in range(3_000)), b"last"]


def test_a_line_larger_than_all_that_may_wait_is_left_out(ends, monkeypatch):
    monkeypatch.setattr(line_writer, "MOST_BYTES", 100)
    reading, writing = ends
    writer = LineWriter(writing)
    writer.write(b"x" * 101 + b"\n")
    writer.write(b"last\n")
    assert read_to(reading, b"last") == [b"... 1 line was left out here: this output was not read.", b"last"]


def test_a_disk_that_is_full_costs_the_lines_of_that_time(tmp_path, monkeypatch):
    monkeypatch.setattr(line_writer, "AGAIN_SECONDS", 0.01)
    write, full = os.write, [True]

    def written(descriptor: int, data: bytes) -> int:
        if full[0] and descriptor == file.fileno():
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    with (tmp_path / "log").open("wb") as file:
        monkeypatch.setattr(os, "write", written)
        writer = LineWriter(file.fileno())
        for number in range(5):
            writer.write(b"%d\n" % number)
        assert writer.flush(20)
        full[0] = False
        writer.write(b"room\n")
        assert writer.flush(20)
    assert (tmp_path / "log").read_bytes() == b"... 5 lines were left out here: this output was not read.\nroom\n"
