"""What comes out of an attempt's pipe becomes its log."""

from __future__ import annotations

import logging

import orjson
import pytest

from livejobs.definition import Attempt
from livejobs.runner.framing import MARKER, Kind, frames
from livejobs.worker.output_reader import OutputReader


@pytest.fixture
def reader() -> OutputReader:
    return OutputReader(Attempt(7, 1, "tests.task"))


def record(kind: Kind, data: bytes, number: int = 1) -> bytes:
    return b"".join(frames(1, number, kind, data))


def lines(reader: OutputReader) -> list[tuple[str, str]]:
    return [(level, text) for _, level, text in reader.attempt.lines]


def test_bytes_become_lines_of_level_info_and_records_have_their_own(reader):
    reader.feed(b"one\n" + record(Kind.ERROR, b"two") + b"three\n" + record(Kind.DEBUG, b""))
    assert lines(reader) == [("info", "one"), ("error", "two"), ("info", "three"), ("debug", "")]


def test_a_record_of_several_lines_is_a_line_each(reader):
    reader.feed(record(Kind.WARNING, b"caught\nTraceback\r\nValueError: x"))
    assert lines(reader) == [("warning", "caught"), ("warning", "Traceback"), ("warning", "ValueError: x")]


def test_a_bar_that_has_ended_stays_above_the_next_record(reader):
    reader.feed(b"\r1/2\r2/2\n" + record(Kind.INFO, b"logged"))
    assert lines(reader) == [("info", "2/2"), ("info", "logged")]


def test_what_python_wrote_to_stderr_is_shown_as_such(reader):
    reader.feed(b"out\n" + record(Kind.STDERR, b"half ") + record(Kind.STDERR, "é".encode()[:1]))
    reader.feed(record(Kind.STDERR, "é".encode()[1:] + b"\n\r1/2\r2/2\n") + b"out again\n")
    assert lines(reader) == [("info", "out"), ("stderr", "half é"), ("stderr", "2/2"), ("info", "out again")]


def test_a_letter_may_be_cut_on_both_streams(reader):
    out, error = "é\n".encode(), record(Kind.STDERR, "€".encode()[:2])
    reader.feed(out[:1] + error + out[1:] + record(Kind.STDERR, "€\n".encode()[2:]))
    assert lines(reader) == [("info", "é"), ("stderr", "€")]


def test_what_was_read_in_pieces_is_put_together(reader):
    for byte in "é is one letter\n".encode() + record(Kind.INFO, "€".encode()):
        reader.feed(bytes([byte]))
    assert lines(reader) == [("info", "é is one letter"), ("info", "€")]


def test_what_is_no_utf_8_is_shown_as_such(reader):
    reader.feed(b"a\xffb\n" + record(Kind.INFO, b"c\xffd"))
    assert lines(reader) == [("info", "a\ufffdb"), ("info", "c\ufffdd")]


def test_the_rest_is_logged_at_the_finish(reader):
    reader.feed(b"rest " + "é".encode()[:1])
    assert lines(reader) == []
    reader.finish()
    assert lines(reader) == [("info", "rest \ufffd")]
    assert reader.last_line == "rest \ufffd"


def test_the_begin_of_a_marker_that_came_to_nothing_is_text(reader):
    reader.feed(b"end" + MARKER[:2])
    reader.finish()
    assert lines(reader) == [("info", "end" + MARKER[:2].decode())]


def test_what_comes_after_an_outcome_is_nobodys(reader):
    reader.feed(b"mine" + record(Kind.OUTCOME, b"{}") + b"late\n" + record(Kind.INFO, b"later", 2))
    reader.feed(b"latest\n" + MARKER[:2])
    reader.finish()
    assert lines(reader) == [("info", "mine")]


def test_an_outcome_may_come_this_way(reader):
    assert reader.outcome is None
    reader.feed(record(Kind.OUTCOME, b'{"result": 7}'))
    assert reader.outcome == {"result": 7}
    assert lines(reader) == []


def test_what_the_machinery_said_goes_to_the_workers_own_log(reader, caplog):
    about = {"logger": "livejobs.worker", "level": logging.ERROR, "text": "100 % of it"}
    reader.feed(record(Kind.OPERATOR, orjson.dumps(about)))
    assert lines(reader) == []
    assert caplog.record_tuples == [("livejobs.worker", logging.ERROR, "100 % of it")]


def test_the_last_line_is_of_what_was_printed(reader):
    assert reader.last_line == ""
    reader.feed(b"Segmentation fault\n\n" + record(Kind.INFO, b"logged"))
    assert reader.last_line == "Segmentation fault"


def test_what_a_job_forges_commands_no_terminal_and_begins_no_line_of_the_workers_log(reader, caplog):
    about = {"logger": "livejobs\n.x", "level": logging.ERROR, "text": "\x1b[2Jone\nJob 7 forged\r"}
    reader.feed(record(Kind.OPERATOR, orjson.dumps(about)))
    assert caplog.record_tuples == [("livejobs ⏎ .x", logging.ERROR, "one\n    Job 7 forged")]


@pytest.mark.parametrize("data", [b"no json", b"[]", b"{}", b'{"logger": 1, "level": "x", "text": null}'])
def test_what_is_nothing_of_the_machinery_is_nothing(reader, caplog, data):
    reader.feed(record(Kind.OPERATOR, data) + record(Kind.INFO, b"next", 2))
    assert lines(reader) == [("info", "next")]
    assert caplog.records == []
