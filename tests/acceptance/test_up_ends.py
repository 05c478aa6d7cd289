"""How a server stops, dies and comes back."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from livejobs.per_process import HURRY_AFTER
from tests.support.server_process import STOP_SECONDS, Server, Visitor, get
from tests.support.up import TASKS, a_server
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with a_server(tmp_path) as found:
        yield found


# ---------------------------------------------------------------- stopping


def test_ctrl_c_ends_everything_and_the_data_stay(server):
    server.start()
    visitor = Visitor(server)
    job = visitor.start("add", a=2)
    visitor.wait_for(job, "succeeded")
    key, port = (server.data / "secret_key").read_text(), server.port

    assert server.stop(signal.SIGINT) < STOP_SECONDS
    assert server.processes() == {}
    assert not server.runtime_left()

    server.start()
    assert (server.port, (server.data / "secret_key").read_text()) == (port, key)
    assert visitor.job(job)["result"] == 3
    server.stop()
    assert "Traceback" not in server.log


def test_a_job_that_hears_nothing_is_ended_and_runs_again_at_the_next_start(server, tmp_path):
    server.start()
    visitor, mark = Visitor(server), tmp_path / "mark"
    job = visitor.start("stubborn", mark=str(mark))
    wait_for(mark.exists, message="the job")

    assert server.stop() < STOP_SECONDS
    assert server.processes() == {}
    assert re.search(
        r"worker was still at work after \d s and was ended; a job it had not finished runs again at", server.err
    )

    server.start()
    assert "1 job that was running is queued again.\n" in server.out
    assert visitor.wait_for(job, "succeeded")["result"] == "the second time"
    assert visitor.job(job)["attempt"] == 2


SLEEPS = """
import time
from pathlib import Path
from livejobs import live_job


@live_job
def sleeps(mark: str) -> str:
    if Path(mark).exists():
        return "the second time"
    Path(mark).touch()
    time.sleep(600)
    return "the first time"
"""


@pytest.mark.parametrize("pool", ["threads", "prefork"])
@pytest.mark.parametrize("told", ["every process", "every process twice", "the worker's"])
def test_whoever_is_told_to_end_a_job_is_given_back_and_nothing_is_charged(tmp_path, told, pool):
    """systemd tells every process, a reboot does, and people press Ctrl-C twice."""
    server = Server(tmp_path / "server", extra={"LIVEJOBS_POOL": pool})
    (server.folder / "tasks.py").write_text(SLEEPS)
    try:
        server.start()
        visitor, marks = Visitor(server), [tmp_path / "one", tmp_path / "two"]
        jobs = [visitor.start("sleeps", mark=str(mark)) for mark in marks]
        wait_for(lambda: all(mark.exists() for mark in marks), message="the jobs")
        those = [pid for pid, command in server.processes().items() if told != "the worker's" or ".worker" in command]
        tell(those)
        if told == "every process twice":
            time.sleep(2 * HURRY_AFTER)  # sooner, the two are taken for one
            tell(those)
        if told != "the worker's":
            assert server.process is not None
            server.process.wait(STOP_SECONDS)
            wait_for(lambda: not server.processes(), message="the end of every process")
            server.start()
        for job in jobs:
            found = visitor.wait_for(job, "succeeded")
            assert (found["attempt"], found["losses"], found["failures"]) == (2, 0, 0)
            assert found["result"] == "the second time"
        server.stop()
    finally:
        server.kill()


def tell(pids: list[int]) -> None:
    """Send SIGTERM to all of them."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def test_the_processes_that_a_job_started_end_with_it(server, tmp_path):
    server.start()
    mark = tmp_path / "mark"
    Visitor(server).start("with_children", mark=str(mark))
    wait_for(mark.exists, message="the job")
    assert sum("time.sleep(600)" in command for command in server.processes().values()) == 2

    assert server.stop() < STOP_SECONDS
    assert server.processes() == {}


def test_a_killed_supervisor_leaves_no_process_and_the_next_start_goes_on(server, tmp_path):
    server.start()
    visitor, mark = Visitor(server), tmp_path / "mark"
    sleeper = visitor.start("with_children", mark=str(mark))
    job = visitor.start("stubborn", mark=str(tmp_path / "other"))
    wait_for((tmp_path / "other").exists, message="the jobs")
    wait_for(mark.exists, message="the jobs")

    server.kill()

    wait_for(lambda: not server.processes(), timeout=5, message="the guard's sweep")
    assert not server.runtime_left()
    server.start()
    assert "2 jobs that were running are queued again.\n" in server.out
    assert visitor.wait_for(job, "succeeded")["result"] == "the second time"
    assert visitor.job(sleeper)["state"] in ("queued", "running")


def test_a_start_right_after_a_kill_waits_for_the_sweep(server):
    server.start()
    server.kill()

    server.start()

    assert get(server.url).status == 200
    assert server.stop() < STOP_SECONDS


def test_told_to_stop_while_it_starts_it_stops(server):
    process = server.launch()
    wait_for(lambda: "database" in server.out, timeout=30)

    process.send_signal(signal.SIGTERM)

    assert server.wait() == 0
    assert server.processes() == {}
    assert server.out.splitlines()[-1] == "Stopped."
    assert server.err == ""


# ---------------------------------------------------------------- parts that die


@pytest.mark.parametrize("name", ["web", "worker", "maintenance", "valkey"])
def test_a_part_that_dies_is_started_again_and_jobs_still_run(server, name):
    server.start()
    visitor = Visitor(server)
    old = server.part(name)

    os.kill(old, signal.SIGKILL)

    wait_for(lambda: f"✓ {name:<12} ready again in " in server.out, timeout=30, message=name)
    assert server.part(name) not in (0, old)
    ended = rf"^{name} ended unexpectedly \(killed by SIGKILL\); starting it again in \d\.\d s\.$"
    assert re.search(ended, server.err, re.MULTILINE)
    job = visitor.start("add", a=4)
    assert visitor.wait_for(job, "succeeded", timeout=40)["result"] == 5
    assert server.stop() < STOP_SECONDS
    assert server.processes() == {}
    assert "Traceback" not in server.log


def test_a_jobs_file_that_was_broken_meanwhile_is_said_plainly_until_it_is_mended(server):
    server.start()
    tasks = server.folder / "tasks.py"
    tasks.write_text("def (")
    os.kill(server.part("worker"), signal.SIGKILL)
    wait_for(lambda: "tasks.py:1 has a syntax error: " in server.err, timeout=30)

    tasks.write_text(TASKS)

    wait_for(lambda: "✓ worker       ready again in " in server.out, timeout=30)
    server.stop()
    assert "Traceback" not in server.log


def test_a_guard_that_dies_is_started_again(server):
    server.start()
    guards = [pid for pid, command in server.processes().items() if "guard.py" in command]
    assert len(guards) == 1
    os.kill(guards[0], signal.SIGKILL)
    wait_for(lambda: [p for p, c in server.processes().items() if "guard.py" in c and p != guards[0]])

    server.kill()

    wait_for(lambda: not server.processes(), timeout=5, message="the second guard's sweep")
