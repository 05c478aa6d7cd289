"""All that a job writes goes into its pipe, in order; what the machinery says does not."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from rich.logging import RichHandler

from livejobs.definition import Attempt
from livejobs.runner import interrupt, output
from livejobs.runner.framing import Frame, Kind, Unframer
from livejobs.runner.interrupt import Interrupted
from livejobs.states import StopReason
from tests.support.forks import in_a_fork


def an_attempt() -> Attempt:
    return Attempt(7, 1, "tests.task", send=output.log)


def written_by(work: Callable[[], Any], attempt: Attempt | None = None) -> list[bytes | Frame]:
    """What comes out of the pipe of an attempt that does this; bytes that follow one another as one."""
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    reading, writing = os.pipe()
    output.open_streams(attempt or an_attempt(), writing)
    data: list[bytes] = []
    reader = threading.Thread(target=lambda: data.extend(iter(lambda: os.read(reading, 65_536), b"")))
    reader.start()
    try:
        work()
    finally:
        output.end()
        output.close_streams()
        reader.join()
        for descriptor, before in zip((1, 2), saved, strict=True):
            os.dup2(before, descriptor)
    found: list[bytes | Frame] = []
    for part in Unframer().feed(b"".join(data)):
        if isinstance(part, bytes) and found and isinstance(found[-1], bytes):
            found[-1] += part
        else:
            found.append(part)
    return found


def logger(name: str = "some.library") -> logging.Logger:
    return logging.getLogger(name)


@in_a_fork
def test_whoever_writes_it_comes_in_one_order():
    def work() -> None:
        print("printed")
        os.write(1, b"written\n")
        subprocess.run(["echo", "started"], check=True)
        logger().warning("logged")
        print("to stderr", file=sys.stderr)
        sys.stdout.buffer.write(b"bytes\n")
        sys.stdout.flush()
        an_attempt().write("error", "told")
        print("rest", end="")

    assert written_by(work) == [
        b"printed\nwritten\nstarted\n", Frame(Kind.WARNING, b"logged"), Frame(Kind.STDERR, b"to stderr\n"),
        b"bytes\n", Frame(Kind.ERROR, b"told"), b"rest",
    ]  # fmt: skip


@in_a_fork
def test_stderr_is_marked_until_its_number_is_given_to_another_file(tmp_path):
    def work() -> None:
        sys.stderr.buffer.write("é".encode()[:1])
        sys.stderr.flush()
        os.write(2, b"not told apart\n")
        with Path(tmp_path, "errors").open("wb") as file:
            os.dup2(file.fileno(), 2)
        print("elsewhere", file=sys.stderr)
        os.close(2)
        with contextlib.suppress(OSError):
            print("nowhere", file=sys.stderr)

    assert written_by(work) == [Frame(Kind.STDERR, "é".encode()[:1]), b"not told apart\n"]
    assert Path(tmp_path, "errors").read_text() == "elsewhere\n"


@in_a_fork
def test_much_on_stderr_is_written_whole_and_none_of_it_is_lost_with_who_wrote_it():
    def work() -> None:
        sys.stderr.write("x" * 10_000)
        sys.stderr.flush()
        buffer: Any = sys.stderr.buffer
        buffer.raw.write(memoryview(b"12345678").cast("Q"))

    found = written_by(work)
    assert all(isinstance(each, Frame) and each.kind is Kind.STDERR for each in found)
    assert b"".join(each.data for each in found if isinstance(each, Frame)) == b"x" * 10_000 + b"12345678"
    assert len(found) == 4  # each may be read before the next is there


@in_a_fork
def test_a_record_keeps_its_level_and_its_lines():
    def work() -> None:
        logger().info("one\ntwo")
        logger().log(25, "between")
        logger().critical("worst")
        try:
            raise ValueError("bad row")
        except ValueError:
            logger().exception("caught")

    *records, last = written_by(work)
    assert records == [
        Frame(Kind.INFO, b"one\ntwo"), Frame(Kind.INFO, b"between"), Frame(Kind.CRITICAL, b"worst")
    ]  # fmt: skip
    assert isinstance(last, Frame)
    assert last.data.startswith(b"caught\nTraceback")
    assert last.data.endswith(b"ValueError: bad row")


@in_a_fork
def test_info_is_heard_where_nobody_chose_a_level_and_not_where_somebody_did():
    def work() -> None:
        logger().info("in passing")

    assert written_by(work) == [Frame(Kind.INFO, b"in passing")]
    logging.getLogger().setLevel(logging.ERROR)
    assert written_by(work) == []


@in_a_fork
def test_a_job_may_configure_logging_as_a_script_does():
    def work() -> None:
        logging.basicConfig(format="<%(levelname)s> %(message)s", level=logging.DEBUG)
        logging.basicConfig(format="never", level=logging.ERROR)  # the second one does nothing
        logger().debug("mine")
        logging.info("by the module")

    assert written_by(work) == [Frame(Kind.DEBUG, b"<DEBUG> mine"), Frame(Kind.INFO, b"<INFO> by the module")]


@in_a_fork
def test_nobody_configures_logging_for_a_job_that_only_logs():
    assert written_by(lambda: logging.info("plain")) == [Frame(Kind.INFO, b"plain")]


@in_a_fork
def test_what_a_host_configured_stays_for_a_job_that_configures():
    logging.getLogger().addHandler(logging.NullHandler())

    def work() -> None:
        logging.basicConfig(format="never", level=logging.DEBUG)
        logging.warning("plain")

    assert written_by(work) == [Frame(Kind.WARNING, b"plain")]


@in_a_fork
def test_a_handler_of_the_jobs_own_formats_its_records_and_they_come_once():
    def work() -> None:
        logging.basicConfig(format="<%(levelname)s> %(message)s", level=logging.DEBUG, force=True)
        logging.getLogger().addHandler(output.RecordHandler())
        logger().debug("mine")

    assert written_by(work) == [Frame(Kind.DEBUG, b"<DEBUG> mine")]


@in_a_fork
def test_a_handler_made_at_import_writes_to_the_pipe():
    handler = logging.StreamHandler(sys.__stdout__)
    handler.setFormatter(logging.Formatter("import: %(message)s"))
    logger("made.early").addHandler(handler)

    assert written_by(lambda: logger("made.early").error("hello")) == [Frame(Kind.ERROR, b"import: hello")]


@in_a_fork
def test_a_file_handler_writes_its_file_and_the_log_has_the_record_too(tmp_path):
    path = Path(tmp_path) / "own.log"
    handler = logging.FileHandler(path)
    logger().addHandler(handler)

    assert written_by(lambda: logger().error("hello")) == [Frame(Kind.ERROR, b"hello")]
    handler.close()
    assert path.read_text() == "hello\n"


@in_a_fork
def test_what_the_machinery_says_is_for_the_operator():
    def work() -> None:
        logger("livejobs.worker").error("of job %d", 7)
        thread = threading.Thread(target=logger().error, args=("from our thread",), name="livejobs-outlet")
        thread.start()
        thread.join()

    parts = written_by(work)
    assert [part.kind for part in parts if isinstance(part, Frame)] == [Kind.OPERATOR] * 2
    told = [orjson.loads(part.data) for part in parts if isinstance(part, Frame)]
    assert told == [
        {"logger": "livejobs.worker", "level": logging.ERROR, "text": "of job 7"},
        {"logger": "some.library", "level": logging.ERROR, "text": "from our thread"},
    ]


@in_a_fork
def test_half_a_surrogate_pair_ends_no_job():
    def work() -> None:
        print("a\ud800b")
        logger().warning("c\udfffd")

    assert written_by(work) == ["a\ufffdb\n".encode(), Frame(Kind.WARNING, "c\ufffdd".encode())]


@in_a_fork
def test_a_record_that_cannot_be_formatted_is_harmless():
    logging.raiseExceptions = False

    def work() -> None:
        logger().error("%d", "no number")
        print("goes on")

    assert written_by(work) == [b"goes on\n"]


@in_a_fork
def test_a_line_on_a_terminal_is_there_at_once():
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    output.open_streams(an_attempt(), writing)
    print("whole")
    print("half", end="")
    assert os.read(reading, 100) == b"whole\n"
    print("flushed", end="", flush=True)
    assert os.read(reading, 100) == b"halfflushed"
    output.close_streams()


@in_a_fork
def test_after_the_end_nobody_hears_it_and_the_streams_are_as_before():
    before = sys.__stdout__, sys.__stderr__
    reading, writing = os.pipe()
    output.open_streams(an_attempt(), writing)
    print("in time", end="")
    output.end()
    logger().warning("nobody's")
    output.close_streams()
    print("late")
    os.write(2, b"later")
    logger().warning("latest")
    assert (sys.stdout, sys.stderr) == before
    assert os.read(reading, 100) == b"in time"
    assert os.read(reading, 100) == b""


@in_a_fork
def test_the_last_line_of_stderr_else_of_stdout_is_known():
    said: list[str] = []

    def work() -> None:
        said.append(output.last_said())
        print("one\ntwo\n")
        said.append(output.last_said())
        print("cannot open the file", end="\n\n", file=sys.stderr)
        print("three")
        said.append(output.last_said())
        print("10 %\r20 %", file=sys.stderr)
        said.append(output.last_said())
        logger().error("logged")
        said.append(output.last_said())
        print("half a line", end="", file=sys.stderr)
        said.append(output.last_said())

    written_by(work)
    assert said == ["", "two", "cannot open the file", "20 %", "logged", "half a line"]


@in_a_fork
@pytest.mark.parametrize("how", ["print", "job.log", "log", "own handler"])
def test_a_whole_line_is_a_step_at_which_a_job_stops_once(how):
    attempt, said = an_attempt(), []

    def say() -> None:
        if how == "print":
            print("busy", end="")
            said.append(attempt.raised)
            print()
        elif how == "job.log":
            attempt.write("error", "busy")
        else:
            logger().warning("busy")

    def function() -> None:
        if how == "own handler":
            logging.basicConfig(force=True)
        attempt.stop_reason = StopReason.CANCEL
        try:
            say()
            print("too late")
        finally:
            say()  # clean-up may write: it is raised once

    def work() -> None:
        with pytest.raises(Interrupted):
            interrupt.call(attempt, function, {})

    expected = {
        "print": [b"busy\nbusy\n"],
        "job.log": [Frame(Kind.ERROR, b"busy")] * 2,
        "log": [Frame(Kind.WARNING, b"busy")] * 2,
        "own handler": [Frame(Kind.WARNING, b"WARNING:some.library:busy")] * 2,
    }
    assert written_by(work, attempt) == expected[how]
    assert said in ([], [False, True])  # not in the middle of a line


@in_a_fork
@pytest.mark.parametrize("what", ["stdout", "all it does not know", "stdout sent elsewhere"])
def test_a_job_that_closes_what_it_has_is_heard_as_long_as_there_is_a_way(what):
    def work() -> None:
        if what == "stdout":
            os.close(1)
        elif what == "stdout sent elsewhere":
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        else:
            os.close(output._pipe[0])
        logger().error("heard")

    assert written_by(work) == [Frame(Kind.ERROR, b"heard")]


@in_a_fork
def test_what_c_code_prints_is_in_its_place():
    libc = ctypes.CDLL(None)

    def work() -> None:
        print("one")
        libc.puts(b"two")
        print("three")
        libc.printf(b"four")

    output.prepare()
    assert written_by(work) == [b"one\ntwo\nthree\nfour"]


@in_a_fork
def test_the_streams_are_named_as_pythons_own():
    seen: list[object] = []
    written_by(lambda: seen.extend((each.name, each.mode, each.encoding) for each in (sys.stdout, sys.stderr)))
    assert seen == [("<stdout>", "w", "utf-8"), ("<stderr>", "w", "utf-8")]


@in_a_fork
def test_what_was_saved_at_import_is_written_in_lines():
    saved = sys.stdout
    sys.stdout = None  # Celery puts a proxy there
    output.prepare()
    assert sys.stdout is saved
    assert written_by(lambda: print("early", file=saved)) == [b"early\n"]


def test_rich_may_draw_and_prints_come_once_meanwhile():
    def work() -> None:
        assert not sys.stdout.isatty()
        console = Console()
        assert console.is_interactive
        log, by_rich = logger("of.streams"), logger("of.rich")
        log.addHandler(logging.StreamHandler(sys.stderr))
        by_rich.addHandler(RichHandler(console=console, show_time=False, show_path=False))
        try:
            with console.status("waiting"):
                print("printed")
                log.warning("logged")
                by_rich.warning("by rich")
        finally:
            log.handlers.clear()
            by_rich.handlers.clear()

    parts = written_by(work)
    text = b"".join(part for part in parts if isinstance(part, bytes)).decode()
    assert "\x1b[?25l" in text
    assert (text.count("printed\n"), text.count("by rich")) == (1, 1)
    assert [part.data for part in parts if isinstance(part, Frame)] == [b"logged"]
