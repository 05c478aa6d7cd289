"""The guard: whom it finds, that it ends them all, and whom it leaves alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livejobs.server import guard
from tests.support.waiting import wait_for

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a shell that leads a session of its own; whatever is left of it is ended."""
    started: list[subprocess.Popen[bytes]] = []

    def run(script: str = "exec sleep 60", runtime: str = "") -> subprocess.Popen[bytes]:
        environment = {"PATH": os.environ["PATH"], **({"LIVEJOBS_RUNTIME": runtime} if runtime else {})}
        process = subprocess.Popen(
            ["sh", "-c", script], env=environment, stdout=subprocess.PIPE, start_new_session=True
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def line_of(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def is_sleeping(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has become its program: until then it has our environment."""
    return b"sleep" in Path(f"/proc/{process.pid}/cmdline").read_bytes()


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


# ---------------------------------------------------------------- whom it finds


def test_the_processes_of_a_session_are_found_and_nobody_elses(start):
    process, other = start("sleep 60 & echo $!; wait"), start()
    child = int(line_of(process))

    assert sorted(guard.members({process.pid})) == sorted([process.pid, child])
    assert other.pid not in guard.members({process.pid})
    assert guard.members(set()) == []


def test_a_process_that_left_the_session_is_found_by_what_it_inherited(start, tmp_path):
    ours, theirs = start(runtime=str(tmp_path)), start(runtime=f"{tmp_path}-2")
    wait_for(lambda: is_sleeping(ours) and is_sleeping(theirs))

    assert guard.members(set(), str(tmp_path)) == [ours.pid]


def test_the_dead_are_not_found(start):
    process = start("exit 0")
    wait_for(lambda: is_gone(process.pid))  # nobody has waited for it yet

    assert guard.members({process.pid}) == []


def test_a_name_that_looks_like_numbers_misleads_nobody(start, tmp_path):
    """The command's name stands in the middle of what the kernel says, and may hold anything."""
    shutil.copy(shutil.which("sleep") or "", tmp_path / "x) S 1 1 1")
    process = start(f"exec '{tmp_path}/x) S 1 1 1' 60")
    wait_for(lambda: b"x) S" in Path(f"/proc/{process.pid}/stat").read_bytes())

    assert guard.members({process.pid}) == [process.pid]
    assert process.pid not in guard.members({1})


# ---------------------------------------------------------------- that it ends them


def test_all_of_them_are_ended_those_that_hear_nothing_and_those_that_left_too(start, tmp_path):
    deaf = start("trap '' TERM INT HUP; sleep 60 & echo $!; wait")
    child = int(line_of(deaf))
    left, other = start(runtime=str(tmp_path)), start()
    wait_for(lambda: is_sleeping(left))

    assert guard.end({deaf.pid}, str(tmp_path))

    assert (deaf.wait(5), left.wait(5)) == (-signal.SIGKILL, -signal.SIGKILL)
    assert is_gone(child)
    assert other.poll() is None


def test_a_session_that_has_ended_is_no_trouble(start):
    process = start("exit 0")
    process.wait(5)

    assert guard.end({process.pid})


def test_it_says_when_they_are_not_gone_in_time(start, monkeypatch):
    process = start()

    with monkeypatch.context() as powerless:
        powerless.setattr(os, "killpg", lambda *_: None)
        powerless.setattr(os, "kill", lambda *_: None)
        assert not guard.end({process.pid}, seconds=0)

    assert process.poll() is None


def test_without_proc_the_group_is_ended(start, monkeypatch):
    process = start("sleep 60 & echo $!; wait")
    child = int(line_of(process))

    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(os.path, "isdir", lambda path: False)
        assert guard.members({process.pid}) == []
        assert guard.end({process.pid})

    assert process.wait(5) == -signal.SIGKILL
    wait_for(lambda: is_gone(child))


# ---------------------------------------------------------------- the process


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A guard as the supervisor starts it, over the folder `runtime`."""
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / "valkey.sock").touch()
    command = [sys.executable, "-I", "-S", guard.__file__, str(tmp_path / "runtime")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env={"PATH": os.defpath}, start_new_session=True) as process:
        yield process
        process.kill()


def test_when_its_pipe_closes_it_ends_what_it_was_told_and_removes_the_folder(start, watching, tmp_path):
    told, forgotten, heir = start(), start(), start(runtime=str(tmp_path / "runtime"))
    wait_for(lambda: is_sleeping(heir))
    watching.stdin.write(f"+{told.pid}\n+{forgotten.pid}\n-{forgotten.pid}\n-{forgotten.pid}\n".encode())

    watching.stdin.close()

    assert watching.wait(10) == 0
    assert (told.wait(5), heir.wait(5)) == (-signal.SIGKILL, -signal.SIGKILL)
    assert forgotten.poll() is None
    assert not (tmp_path / "runtime").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_outlives_the_signals_that_end_the_supervisor(start, watching, number):
    def ignores() -> bool:
        found = Path(f"/proc/{watching.pid}/status").read_text().partition("SigIgn:")[2].split()[0]
        return bool(int(found, 16) & 1 << (number - 1))

    told = start()
    wait_for(ignores, message="the guard ready for signals")
    watching.send_signal(number)
    watching.stdin.write(f"+{told.pid}\n".encode())

    watching.stdin.close()

    assert watching.wait(10) == 0
    assert told.wait(5) == -signal.SIGKILL
