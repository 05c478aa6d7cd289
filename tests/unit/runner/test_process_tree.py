"""Finding and ending all that descends from a process, wherever it went."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from livejobs.runner import process_tree
from tests.support.forks import in_a_fork
from tests.support.waiting import wait_for

LEAVE = "setsid sleep 300 >/dev/null 2>&1 & echo $!"  # a session of its own, and its parent ends


def sleeping() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "300"])


def one_that_left() -> int:
    said = subprocess.run(["sh", "-c", LEAVE], capture_output=True, text=True, check=True).stdout
    return int(said)


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@in_a_fork
def test_children_are_found_and_what_they_started_only_below_them():
    assert process_tree.children(os.getpid()) == []
    shell = subprocess.Popen(["sh", "-c", "sleep 300 & wait"])
    wait_for(lambda: len(process_tree.descendants(os.getpid())) == 2)
    assert process_tree.children(os.getpid()) == [shell.pid]
    (below,) = process_tree.descendants(shell.pid)
    assert set(process_tree.descendants(os.getpid())) == {shell.pid, below}
    process_tree.sweep()


@in_a_fork
def test_the_name_of_a_program_confuses_nobody(tmp_path):
    program = Path(tmp_path) / "a) Z 1"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "300"])
    assert process_tree.descendants(os.getpid()) == [process.pid]
    process_tree.sweep()


@in_a_fork
def test_one_that_ended_is_no_descendant_and_is_reaped_with_its_status():
    assert process_tree.reap() == {}
    first, second = os.fork(), 0
    if first == 0:
        os._exit(3)
    second = os.fork()
    if second == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    wait_for(lambda: not process_tree.descendants(os.getpid()))
    ended = process_tree.reap()
    assert {pid: os.waitstatus_to_exitcode(status) for pid, status in ended.items()} == {first: 3, second: -9}
    assert process_tree.reap() == {}


@in_a_fork
def test_a_signal_is_sent_to_each_that_is_still_there():
    process, gone = sleeping(), sleeping()
    gone.kill()
    gone.wait()
    process_tree.end([gone.pid, process.pid], signal.SIGTERM)
    assert process.wait() == -signal.SIGTERM


@in_a_fork
def test_a_subreaper_keeps_what_left_its_parent_and_its_session():
    process_tree.become_subreaper()
    left = one_that_left()
    assert process_tree.children(os.getpid()) == [left]
    assert process_tree.sweep() == {left: signal.SIGKILL}


@in_a_fork
def test_a_sweep_ends_all_below_and_says_how_children_ended():
    process_tree.become_subreaper()
    done = os.fork()
    if done == 0:
        os._exit(7)
    wait_for(lambda: done not in process_tree.descendants(os.getpid()))
    process, left = sleeping(), one_that_left()
    ended = process_tree.sweep()
    assert {pid: os.waitstatus_to_exitcode(status) for pid, status in ended.items()} == {
        done: 7, process.pid: -9, left: -9,
    }  # fmt: skip
    assert process_tree.descendants(os.getpid()) == []
    assert process_tree.sweep() == {}


@in_a_fork
@pytest.mark.parametrize("polite", [False, True])
def test_a_polite_sweep_lets_a_process_clean_up(polite, tmp_path):
    mark = Path(tmp_path) / "mark"
    script = f"trap 'echo cleaned > {mark}; exit 0' TERM; echo ready > {mark}; while :; do sleep 0.01; done"
    subprocess.Popen(["sh", "-c", script])
    wait_for(lambda: mark.exists() and mark.read_text())
    process_tree.sweep(10.0 if polite else 0.0)
    assert mark.read_text() == ("cleaned\n" if polite else "ready\n")


@in_a_fork
def test_a_polite_sweep_kills_what_does_not_listen(tmp_path):
    mark = Path(tmp_path) / "mark"
    process = subprocess.Popen(["sh", "-c", f"trap '' TERM; echo ready > {mark}; while :; do sleep 0.01; done"])
    wait_for(mark.exists)
    assert process_tree.sweep(0.05)[process.pid] == signal.SIGKILL


@in_a_fork
def test_one_that_dies_with_its_parent_does():
    process_tree.become_subreaper()
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        this, child = os.getpid(), os.fork()
        if child == 0:
            process_tree.die_with_parent(this)
            os.write(writing, b"%d" % os.getpid())
        signal.pause()
    child = int(os.read(reading, 20))
    os.kill(parent, signal.SIGKILL)
    wait_for(lambda: {parent, child} <= process_tree.sweep().keys() or not exists(child))


@in_a_fork
def test_one_whose_parent_is_gone_already_ends_at_once():
    child = os.fork()
    if child == 0:
        process_tree.die_with_parent(os.getppid() + 1)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_system_without_proc_is_asked_by_ps(monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda self: not str(self).startswith("/proc"))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert process.pid in process_tree.descendants(os.getpid())
        process.communicate(b"\n")


def test_the_children_of_one_that_is_gone_are_none():
    process = subprocess.Popen(["true"])
    process.wait()
    assert process_tree.children(process.pid) == []
