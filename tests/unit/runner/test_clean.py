"""An attempt leaves its runner as it was; what cannot be put back is named."""

from __future__ import annotations

import asyncio
import builtins
import gc
import io
import locale
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone, translation

from livejobs.runner.clean import OWN_THREADS, CleanState
from tests.support.forks import in_a_fork
from tests.support.waiting import wait_for

TIMERS = {
    signal.ITIMER_REAL: signal.SIGALRM,
    signal.ITIMER_VIRTUAL: signal.SIGVTALRM,
    signal.ITIMER_PROF: signal.SIGPROF,
}


def state_of_signals() -> Any:
    numbers = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
    return [signal.getsignal(number) for number in numbers], signal.pthread_sigmask(signal.SIG_BLOCK, ())


def state_of_streams() -> list[object]:
    return [sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__]


def put_back_after(change: Callable[[], object], state: Callable[[], Any]) -> None:
    """Check that this changes the state, and that the state is then as before."""
    clean, before = CleanState(), state()
    change()
    assert state() != before
    clean.put_back()
    assert state() == before
    assert clean.left_behind() == []


# ---------------------------------------------------------------- what is put back


@in_a_fork
def test_nothing_that_changed_leaves_nothing_behind():
    clean = CleanState()
    clean.put_back()
    assert clean.left_behind() == []


@in_a_fork
def test_the_folder_even_where_the_jobs_own_is_gone(tmp_path):
    def change() -> None:
        os.mkdir(f"{tmp_path}/gone")
        os.chdir(f"{tmp_path}/gone")
        os.rmdir(f"{tmp_path}/gone")

    clean, before = CleanState(), os.getcwd()
    change()
    clean.put_back()
    assert os.getcwd() == before


@in_a_fork
def test_the_environment_and_the_time_zone():
    os.environ["KEPT"] = "before"

    def change() -> None:
        os.environ["NEW"] = "new"
        del os.environ["KEPT"]
        os.environ["TZ"] = "Pacific/Kiritimati"
        time.tzset()

    put_back_after(change, lambda: (dict(os.environ), time.tzname, time.timezone))
    assert subprocess.run(["env"], capture_output=True, text=True, check=True).stdout.count("KEPT=before") == 1


@in_a_fork
def test_the_umask():
    def state() -> int:
        now = os.umask(0)
        os.umask(now)
        return now

    put_back_after(lambda: os.umask(0o077), state)


@in_a_fork
def test_signals_their_handlers_and_their_mask():
    def change() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGINT})

    put_back_after(change, state_of_signals)


@in_a_fork
@pytest.mark.parametrize("which", sorted(TIMERS))
def test_timers_and_the_alarm(which):
    def change() -> None:
        signal.signal(TIMERS[which], lambda *_: None)
        signal.setitimer(which, 300)

    put_back_after(change, lambda: signal.getitimer(which)[0] > 0)
    put_back_after(lambda: signal.alarm(300), lambda: signal.getitimer(signal.ITIMER_REAL)[0] > 0)


@in_a_fork
def test_the_timeout_of_sockets():
    put_back_after(lambda: socket.setdefaulttimeout(3), socket.getdefaulttimeout)


@in_a_fork
def test_the_filters_of_warnings_and_what_shows_them():
    def change() -> None:
        warnings.simplefilter("ignore")
        warnings.showwarning = lambda *_, **__: None

    put_back_after(change, lambda: (list(warnings.filters), warnings.showwarning))
    with pytest.raises(UserWarning):  # this process runs with -W error
        warnings.warn("heard again", UserWarning, stacklevel=1)


@in_a_fork
def test_the_locale():
    locale.setlocale(locale.LC_ALL, "C")
    put_back_after(lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8"), lambda: locale.setlocale(locale.LC_ALL))


@in_a_fork
def test_the_language_and_the_time_zone_of_django():
    def change() -> None:
        translation.activate("fr")
        timezone.activate("Asia/Tokyo")

    put_back_after(change, lambda: (translation.get_language(), timezone.get_current_timezone_name()))


@in_a_fork
def test_the_garbage_collector_and_the_depth_of_recursion():
    def change() -> None:
        gc.disable()
        gc.set_threshold(1, 2, 3)
        sys.setrecursionlimit(5_000)

    put_back_after(change, lambda: (gc.isenabled(), gc.get_threshold(), sys.getrecursionlimit()))
    gc.disable()
    put_back_after(gc.enable, gc.isenabled)


@in_a_fork
def test_the_path_and_the_arguments():
    def change() -> None:
        sys.path.insert(0, "/somewhere")
        sys.argv = ["other"]

    put_back_after(change, lambda: (list(sys.path), list(sys.argv)))


@in_a_fork
def test_the_streams():
    def change() -> None:
        sys.stdout = sys.__stderr__ = io.StringIO()  # type: ignore[misc,assignment]
        sys.stdin = sys.stderr = None

    put_back_after(change, state_of_streams)


@in_a_fork
def test_the_input_that_quit_closed():
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    clean = CleanState()
    with pytest.raises(SystemExit):
        builtins.quit()
    assert sys.stdin.closed
    for _ in range(2):
        clean.put_back()
        assert sys.stdin.read() == ""


@in_a_fork
def test_the_hooks():
    def change() -> None:
        sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *_: None  # type: ignore[assignment]
        sys.displayhook = print

    put_back_after(change, lambda: (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook))


@in_a_fork
def test_the_event_loop():
    clean = CleanState()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.close()
    clean.put_back()
    assert asyncio.run(asyncio.sleep(0, "runs")) == "runs"


@in_a_fork
def test_numpys_generator_is_seeded_anew_where_it_is_loaded():
    seeded: list[bool] = []

    class Random:
        def seed(self) -> None:
            seeded.append(True)

    sys.modules["numpy.random"] = Random()  # type: ignore[assignment]
    CleanState().put_back()
    assert seeded == [True]


def state_of_logging() -> Any:
    names = ["", "library", "library.part"]
    loggers = [logging.getLogger(name) for name in names]
    return [
        *((one.level, list(one.handlers), list(one.filters), one.propagate, one.disabled) for one in loggers),
        logging.root.manager.disable, logging.getLogRecordFactory(), logging.raiseExceptions,
        [(handler.level, getattr(handler, "stream", None)) for handler in logging.getLogger("library").handlers],
    ]  # fmt: skip


def change_one_logger() -> None:
    one = logging.getLogger("library.part")
    one.setLevel(logging.DEBUG)
    one.addHandler(logging.NullHandler())
    one.addFilter(lambda _: False)
    one.propagate = False


def change_the_handler_of_a_library() -> None:
    (handler,) = logging.getLogger("library").handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setLevel(logging.CRITICAL)
    handler.setStream(io.StringIO())


def replace_the_factory_of_records() -> None:
    logging.setLogRecordFactory(lambda *args, **kwargs: logging.LogRecord(*args, **kwargs))
    logging.raiseExceptions = False


LOGGING_CHANGES: dict[str, Callable[[], object]] = {
    "basicConfig": lambda: logging.basicConfig(level=logging.DEBUG, force=True),
    "dictConfig": lambda: __import__("logging.config").config.dictConfig({"version": 1}),
    "disable": lambda: logging.disable(logging.CRITICAL),
    "one logger": change_one_logger,
    "a handler": change_the_handler_of_a_library,
    "the factory": replace_the_factory_of_records,
}


@in_a_fork
@pytest.mark.parametrize("change", LOGGING_CHANGES)
def test_logging(change):
    logging.getLogger("library.part")
    handler = logging.StreamHandler()
    logging.getLogger("library").addHandler(handler)
    put_back_after(LOGGING_CHANGES[change], state_of_logging)


@in_a_fork
def test_a_logger_that_the_attempt_made_is_as_a_new_one():
    clean = CleanState()
    made = logging.getLogger("made.by.the.attempt")
    made.setLevel(logging.DEBUG)
    made.addHandler(logging.NullHandler())
    made.propagate, made.disabled = False, True
    clean.put_back()
    assert (made.level, made.handlers, made.propagate, made.disabled) == (logging.NOTSET, [], True, False)


@in_a_fork
@pytest.mark.parametrize("how", ["used", "autocommit off", "in a block"])
def test_connections_are_closed_and_open_anew(how):
    clean = CleanState()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    mine = connections["default"]
    if how == "autocommit off":
        mine.set_autocommit(False)
    elif how == "in a block":
        from django.db import transaction

        transaction.atomic().__enter__()
    clean.put_back()
    assert mine.connection is None or how == "in a block"
    with connection.cursor() as cursor:
        cursor.execute("SELECT 2")
        assert cursor.fetchone() == (2,)
    assert connections["default"].get_autocommit()
    assert connections["default"] is not mine


@in_a_fork
def test_one_thing_that_cannot_be_put_back_does_not_keep_the_others(tmp_path):
    os.mkdir(f"{tmp_path}/first")
    os.chdir(f"{tmp_path}/first")
    clean = CleanState()
    os.chdir("/")
    os.rmdir(f"{tmp_path}/first")
    socket.setdefaulttimeout(3)
    logging.disable(logging.CRITICAL)
    clean.put_back()
    assert socket.getdefaulttimeout() is None
    assert logging.root.manager.disable == 0


# ---------------------------------------------------------------- what is named


@in_a_fork
def test_a_thread_that_lives_on_and_none_that_ended_or_is_ours():
    clean, over = CleanState(), threading.Event()
    ours = threading.Thread(target=over.wait, name=f"{OWN_THREADS}outlet")
    ours.start()
    done = threading.Thread(target=int)
    done.start()
    done.join()
    assert clean.left_behind() == []
    thread = threading.Thread(target=over.wait)
    thread.start()
    assert clean.left_behind() == ["threads"]
    over.set()
    thread.join()
    ours.join()
    assert clean.left_behind() == []


@in_a_fork
@pytest.mark.parametrize("own_session", [False, True])
def test_a_process_that_lives_on(own_session):
    clean = CleanState()
    process = subprocess.Popen(["sleep", "300"], start_new_session=own_session)
    assert clean.left_behind() == ["processes"]
    process.kill()
    process.wait()
    assert clean.left_behind() == []


@in_a_fork
def test_a_process_that_left_its_parent_is_found_with_ours():
    clean = CleanState()
    said = subprocess.run(["sh", "-c", "setsid sleep 300 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True)
    assert clean.left_behind() == ["processes"]
    os.kill(int(said.stdout), signal.SIGKILL)


def lower_the_priority() -> None:
    os.nice(1)


def lower_a_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, most))


def set_a_trace_function() -> None:
    sys.settrace(lambda *_: None)


def set_a_profile_function() -> None:
    sys.setprofile(lambda *_: None)


def become_another() -> None:
    os.setresuid(-1, 65_534, -1)


NAMED = {
    "a priority": lower_the_priority,
    "limits": lower_a_limit,
    "a trace function": set_a_trace_function,
    "another user": become_another,
}


@in_a_fork
@pytest.mark.parametrize("word", NAMED)
def test_what_cannot_be_put_back_is_named(word):
    if word == "another user" and os.geteuid() != 0:
        return
    clean = CleanState()
    NAMED[word]()
    clean.put_back()
    assert clean.left_behind() == [word]
    sys.settrace(None)


@in_a_fork
def test_a_profile_function_is_named_too():
    clean = CleanState()
    set_a_profile_function()
    assert clean.left_behind() == ["a trace function"]
    sys.setprofile(None)


@in_a_fork
def test_several_are_named_together():
    clean = CleanState()
    process = subprocess.Popen(["sleep", "300"])
    lower_the_priority()
    assert clean.left_behind() == ["processes", "a priority"]
    process.kill()
    wait_for(lambda: process.poll() is not None)
