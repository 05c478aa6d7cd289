"""Starting a zygote: by a fork out of one thread, by a new Python out of several."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from livejobs.definition import Attempt, LiveJob, registry
from livejobs.definition.cells import SIZE
from livejobs.hints import publishing
from livejobs.runner import process_tree
from livejobs.worker import zygotes
from livejobs.worker.output_reader import OutputReader
from livejobs.worker.place import Place, StartZygote
from tests.support.forks import in_a_fork
from tests.support.waiting import wait_for


def started_by(start: StartZygote) -> list[str]:
    """The command line of the zygote that this starts; it has ended then."""
    page = os.memfd_create("test")
    os.truncate(page, SIZE)
    ours, theirs = socket.socketpair()
    with theirs:
        pid = start(theirs, page)
    # a fork has its parent's; a new Python has its own once it has begun
    command = wait_for(lambda: Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1])
    ours.close()
    assert os.waitpid(pid, 0)[1] == 0
    return command


def result_of(function: Any) -> Any:
    """What this returns as a job below a zygote that is forked now."""
    registry._jobs[function.__name__] = LiveJob(function, short_name=True)
    place, reader = Place(zygotes.fork, zygotes.fork), OutputReader(Attempt(7, 1, function.__name__))
    order = {"job": 7, "attempt": 1, "task": function.__name__, "params": {}, "timeout": None, "owner_key": ""}
    ended = place.run(order, reader)
    place.close()
    assert isinstance(ended, dict)
    return ended["result"]


@in_a_fork
def test_out_of_one_thread_it_is_forked():
    assert "livejobs.runner.start" not in started_by(zygotes.start_first)


@in_a_fork
def test_out_of_several_threads_it_is_a_new_python_with_the_same_app():
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        command = started_by(zygotes.start_first)
    finally:
        over.set()
        thread.join()
    assert command[1:3] == ["-m", "livejobs.runner.start"]
    assert command[-1] == "tests.celery_app:app"


@in_a_fork
def test_the_app_is_named_by_a_module_that_holds_it_or_not_at_all():
    assert zygotes.app_path() == "tests.celery_app:app"
    publishing.celery_app = object
    assert zygotes.app_path() == ""


@in_a_fork
def test_lines_of_the_process_that_forked_it_lead_nowhere_and_files_stay(tmp_path):
    line, other = socket.socketpair()
    file = open(f"{tmp_path}/open", "w")  # noqa: SIM115 - as a handler of logging holds it

    def look() -> list[str]:
        return [os.readlink(f"/proc/self/fd/{each.fileno()}") for each in (line, other, file)]

    assert result_of(look) == [os.devnull, os.devnull, f"{tmp_path}/open"]
    line.send(b"x")
    assert other.recv(1) == b"x"
    assert process_tree.children(os.getpid()) == [] or wait_for(lambda: process_tree.reap())


@in_a_fork
def test_djangos_connections_are_neither_used_nor_closed():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE mine (number integer)")

    def look() -> bool:
        with connection.cursor() as cursor, pytest.raises(Exception, match="no such table"):
            cursor.execute("SELECT * FROM mine")
        return isinstance(connection.connection, sqlite3.Connection)

    assert connection.vendor != "sqlite" or result_of(look) is True
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM mine")
        assert cursor.fetchone() == (0,)


@in_a_fork
def test_what_was_not_written_out_yet_is_written_once(tmp_path):
    sys.stdout = open(f"{tmp_path}/out", "w")  # noqa: SIM115
    print("once", end="")

    def look() -> str:
        return "seen"

    assert result_of(look) == "seen"
    sys.stdout.close()
    sys.stdout = sys.__stdout__
    assert Path(f"{tmp_path}/out").read_text() == "once"
