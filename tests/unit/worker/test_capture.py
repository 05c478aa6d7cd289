"""What a job prints or logs becomes its log."""

from __future__ import annotations

import logging
import sys
import threading

import pytest

from livejobs.definition import Attempt, running
from livejobs.worker.capture import captured


@pytest.fixture
def attempt() -> Attempt:
    return Attempt(7, 1, "tests.task", max_text=100)


def lines(attempt: Attempt) -> list[tuple[str, str]]:
    return [(level, text) for _, level, text in attempt.lines]


def texts(attempt: Attempt) -> list[str]:
    return [text for _, _, text in attempt.lines]


def test_streams_and_loggers_write_to_the_log(attempt):
    before = sys.stdout, sys.stderr, list(logging.getLogger().handlers), logging.getLogger().level
    with captured(attempt), running(attempt):
        print("printed")
        print("to stderr", file=sys.stderr)
        logging.getLogger("library").critical("logged %d", 3)
        sys.stdout.buffer.write("é".encode()[:1])
        sys.stdout.buffer.write("é\n".encode()[1:])
        print("rest", end="", flush=True)
    after = sys.stdout, sys.stderr, list(logging.getLogger().handlers), logging.getLogger().level
    assert lines(attempt) == [
        ("info", "printed"), ("stderr", "to stderr"), ("critical", "logged 3"), ("info", "é"), ("info", "rest"),
    ]  # fmt: skip
    assert after == before


def test_info_is_heard_where_the_process_logs_warnings_only(attempt, caplog):
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.WARNING)
    shown: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: shown.append(record.getMessage())  # type: ignore[method-assign]
    root.addHandler(handler)
    try:
        with captured(attempt), running(attempt):
            logging.info("for the job")
            logging.debug("for nobody")
            logging.warning("for both")
        logging.info("for nobody")
        assert root.level == logging.WARNING
        assert handler.level == logging.NOTSET
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert texts(attempt) == ["for the job", "for both"]
    assert shown == ["for both"]


def test_the_machinery_is_not_captured(attempt):
    with captured(attempt), running(attempt):
        logging.getLogger("livejobs.worker").error("ours")
        logging.getLogger("celery.task").error("Celery's")
        thread = threading.Thread(target=logging.error, args=("from our thread",), name="livejobs-outlet")
        thread.start()
        thread.join()
    assert texts(attempt) == []


def test_a_traceback_is_a_line_each(attempt):
    with captured(attempt), running(attempt):
        try:
            raise ValueError("bad row")
        except ValueError:
            logging.exception("caught")
    assert texts(attempt)[0] == "caught"
    assert texts(attempt)[-1] == "ValueError: bad row"


def test_a_job_inside_a_job_has_a_log_of_its_own(attempt):
    inner = Attempt(8, 1, "tests.inner")
    with captured(attempt), running(attempt):
        print("outer ", end="")
        with captured(inner), running(inner):
            print("inner")
            logging.warning("logged once")
        print("again")
    assert texts(attempt) == ["outer again"]
    assert texts(inner) == ["inner", "logged once"]


def test_what_others_print_goes_where_it_went(attempt, capsys):
    def other():
        print("from elsewhere", flush=True)

    with captured(attempt), running(attempt), captured(attempt), running(Attempt(8, 1, "tests.other")):
        thread = threading.Thread(target=other)  # with two jobs at once it belongs to neither
        thread.start()
        thread.join()
    assert texts(attempt) == []
    assert capsys.readouterr().out == "from elsewhere\n"


def test_a_job_that_takes_or_closes_stdout_harms_nobody(attempt):
    before = sys.stdout
    with captured(attempt), running(attempt):
        sys.stdout.close()
        print("still", flush=True)
        sys.stdout = None
    assert sys.stdout is before
    assert texts(attempt) == ["still"]


def test_what_a_record_cannot_format_is_reported_and_harmless(attempt, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with captured(attempt), running(attempt):
        logging.getLogger("library").error("%d", "no number")
        print("goes on")
    assert texts(attempt)[-1] == "goes on"


@pytest.mark.parametrize(
    ("number", "level"), [(5, "debug"), (10, "debug"), (20, "info"), (25, "info"), (60, "critical")]
)
def test_levels_between_ours_become_the_lower_one(attempt, number, level):
    logger = logging.getLogger("library.levels")
    logger.setLevel(1)
    with captured(attempt), running(attempt):
        logger.log(number, "text")
    assert lines(attempt) == [(level, "text")]


def test_a_bar_that_has_ended_stays_above_what_comes_next(attempt):
    with captured(attempt), running(attempt):
        print("\r1/2\r2/2", file=sys.stderr)
        print("done")
        print("\r3/3", file=sys.stderr)
        logging.warning("logged")
    assert texts(attempt) == ["2/2", "done", "3/3", "logged"]
