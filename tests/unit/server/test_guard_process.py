"""The supervisor's side of the guard: what it remembers, and that it is there."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livejobs.server.guard_process import Guard
from tests.support.waiting import wait_for

pytest_plugins = ("tests.support.server_fixtures",)


@pytest.fixture
def watch(runtime: Path, lock: int) -> Iterator[Guard]:
    """A guard that was started."""
    watch = Guard(runtime, lock)
    watch.start()
    yield watch
    watch.finish()


@pytest.fixture
def sleeper() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start something that leads a session of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "60"], start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(10)


def killed(process: subprocess.Popen[bytes] | None) -> subprocess.Popen[bytes]:
    """Kill a guard."""
    assert process is not None
    process.kill()
    process.wait(10)
    return process


def test_when_it_is_finished_it_has_ended_what_it_remembers(watch, sleeper, runtime):
    told, forgotten = sleeper(), sleeper()
    watch.remember(told.pid)
    watch.remember(forgotten.pid)
    watch.forget(forgotten.pid)
    watch.forget(forgotten.pid)

    watch.finish()

    assert watch.process.returncode == 0
    assert told.wait(10) == -signal.SIGKILL
    assert forgotten.poll() is None
    assert not runtime.exists()


def test_one_that_was_killed_is_started_again_and_knows_what_the_first_knew(watch, sleeper):
    before, meanwhile, forgotten = sleeper(), sleeper(), sleeper()
    watch.remember(before.pid)
    watch.remember(forgotten.pid)
    watch.keep()
    first = killed(watch.process)
    watch.remember(meanwhile.pid)  # nobody hears it
    watch.forget(forgotten.pid)

    watch.keep()

    assert watch.process.pid != first.pid
    watch.finish()
    assert (before.wait(10), meanwhile.wait(10)) == (-signal.SIGKILL, -signal.SIGKILL)
    assert forgotten.poll() is None


def test_it_holds_the_lock_until_it_has_swept_and_has_nothing_else_of_ours(watch, lock, tmp_path):
    os.close(lock)
    again = os.open(tmp_path / "lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    environ = wait_for(Path(f"/proc/{watch.process.pid}/environ").read_bytes)  # empty until it has begun
    assert environ == f"PATH={os.defpath}\0".encode()
    assert os.getsid(watch.process.pid) == watch.process.pid

    watch.finish()

    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(again)


def test_one_that_was_never_started_is_no_trouble(runtime, lock):
    watch = Guard(runtime, lock)
    watch.keep()
    watch.remember(1)
    watch.forget(1)
    watch.finish()

    assert watch.process is None
    assert runtime.exists()
