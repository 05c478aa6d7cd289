"""A runner, attempt after attempt, in a process of its own; the test is its agent."""

from __future__ import annotations

import builtins
import logging
import mmap
import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livejobs.definition import Attempt, LiveJob, current_job, registry
from livejobs.definition.cells import INTERRUPT, RAISED, SIZE, STOP, Cells
from livejobs.runner import loop, process_tree, zygote
from livejobs.runner.channel import ChannelClosedError, pair
from livejobs.states import StopReason
from livejobs.worker.output_reader import OutputReader
from livejobs.worker.place import read_rest
from tests.support.forks import in_a_fork
from tests.support.waiting import wait_for


class Agent:
    """The agent's side of a runner that was forked by a zygote of nothing."""

    def __init__(self, *functions: Callable[..., Any]) -> None:
        for function in functions:
            registry._jobs[function.__name__] = LiveJob(function, short_name=True)
        self.page = os.memfd_create("page")
        os.truncate(self.page, SIZE)
        self.cells = Cells(mmap.mmap(self.page, SIZE))
        self.channel, theirs = pair()
        self.attempts, self.lines = 0, list[str]()
        ready, said = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._be_a_zygote(theirs, said)
        theirs.close()
        os.close(said)
        self.runner = int(os.read(ready, 20))

    def _be_a_zygote(self, line: socket.socket, said: int) -> None:
        self.channel.close()
        process_tree.become_subreaper()
        runner = os.fork()
        if runner == 0:
            os.close(said)
            try:
                os.setsid()
                loop.serve(self.cells, self.page)(line)
            finally:
                os._exit(zygote.FAULT)
        line.close()
        os.write(said, b"%d" % runner)
        _, status = os.waitpid(runner, 0)
        process_tree.sweep()
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)

    def run(self, task: str, timeout: float | None = None, **params: Any) -> tuple[dict[str, Any], list[str]]:
        """Run an attempt; what the runner told of its end, and the lines of its log."""
        output, writing = os.pipe()
        self.attempts += 1
        order = {
            "job": 7, "attempt": self.attempts, "task": task, "params": params, "timeout": timeout,
            "owner_key": "user:3",
        }  # fmt: skip
        attempt = Attempt(7, self.attempts, task)
        attempt.share(self.cells)
        self.channel.send(order, [writing])
        os.close(writing)
        reader = OutputReader(attempt)
        told: dict[str, Any] = {}
        watched: list[Any] = [output, self.channel]
        while self.channel not in select.select(watched, [], [])[0]:
            reader.feed(os.read(output, 65_536))
        try:
            told, _ = self.channel.receive()
            read_rest(output, reader)
        except ChannelClosedError:  # it may say more through the pipe
            for data in iter(lambda: os.read(output, 65_536), b""):
                reader.feed(data)
        reader.finish()
        os.close(output)
        self.lines = [text for _, _, text in attempt.lines]
        outcome = reader.outcome or told.get("outcome")
        assert outcome is not None, "the runner is dead"
        return outcome, self.lines

    def left(self) -> list[str]:
        """What the attempt left, as its runner says."""
        clean: list[str] = self.channel.receive()[0]["clean"]
        return clean

    def leave(self) -> int:
        """Be gone; the exit code of the runner."""
        self.channel.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def add(a: int, b: int = 1) -> int:
    print("adding")
    return a + b


@in_a_fork
def test_attempts_run_one_after_the_other_in_one_process():
    def whoami() -> list[int]:
        return [os.getpid(), current_job().attempt, current_job().id or 0]

    agent = Agent(add, whoami)
    assert agent.run("add", a=2) == ({"result": 3}, ["adding"])
    assert agent.left() == []
    assert agent.run("whoami") == ({"result": [agent.runner, 2, 7]}, [])
    assert agent.left() == []
    assert agent.leave() == 0


@in_a_fork
def test_a_task_that_is_not_known_here_fails():
    agent = Agent()
    outcome, _ = agent.run("nothing.such")
    assert outcome["error"]["type"] == "LookupError"
    assert outcome["error"]["message"] == "There is no task nothing.such here."
    assert agent.left() == []
    agent.leave()


@in_a_fork
def test_a_failure_and_the_end_of_its_time_are_told():
    def fails() -> None:
        raise ValueError("bad row 7")

    def late() -> None:
        time.sleep(0.02)

    agent = Agent(fails, late)
    outcome, _ = agent.run("fails")
    assert (outcome["error"]["message"], outcome["may_retry"]) == ("bad row 7", True)
    assert agent.left() == []
    assert agent.run("late", timeout=0.001)[0] == {"stopped": "timeout"}
    agent.leave()


@in_a_fork
def test_a_program_that_exits_with_a_code_fails_with_its_last_line():
    def program() -> None:
        print("no such file", file=sys.stderr)
        print("bye")
        sys.exit(2)

    agent = Agent(program)
    outcome, lines = agent.run("program")
    assert outcome["error"]["message"] == "Exited with code 2: no such file"
    assert lines == ["no such file", "bye"]
    agent.leave()


@in_a_fork
def test_it_is_a_process_in_which_an_ordinary_program_runs():
    def look() -> dict[str, Any]:
        assert sys.stdin is not None
        child = subprocess.run([sys.executable, "-c", "print('child')"], check=True)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            pooled = pool.map(abs, [-1])
        return {
            "stdin": [sys.stdin.read(), os.readlink("/proc/self/fd/0")],
            "unbuffered": os.environ["PYTHONUNBUFFERED"],
            "thread": [threading.current_thread().name, threading.current_thread() is threading.main_thread()],
            "child": child.returncode,
            "pooled": pooled,
            "oom": Path("/proc/self/oom_score_adj").read_text().strip(),
        }

    multiprocessing.current_process()._config["daemon"] = True  # type: ignore[attr-defined]  # as in Celery's pool
    agent = Agent(look)
    outcome, lines = agent.run("look")
    assert outcome["result"] == {
        "stdin": ["", os.devnull], "unbuffered": "1", "thread": ["MainThread", True], "child": 0, "pooled": [1],
        "oom": loop.OOM_SCORE,
    }  # fmt: skip
    assert lines == ["child"]
    agent.leave()


@in_a_fork
def test_who_asks_the_keyboard_is_told_what_to_do():
    def asks() -> None:
        builtins.input("name? ")

    agent = Agent(asks)
    outcome, _ = agent.run("asks")
    assert outcome["error"]["type"] == "EOFError"
    assert "parameter" in outcome["error"]["message"]
    agent.leave()


@in_a_fork
def test_a_crash_in_c_says_where():
    def crashes() -> None:
        os.abort()

    agent = Agent(crashes)
    with pytest.raises(AssertionError, match="the runner is dead"):
        agent.run("crashes")
    assert agent.lines[0] == "Fatal Python error: Aborted"
    assert any("in crashes" in line for line in agent.lines)
    agent.channel.close()


@in_a_fork
def test_what_ends_others_passes_a_job_and_ends_what_it_forks():
    def forks() -> list[int]:
        os.kill(os.getpid(), signal.SIGTERM)
        ended = []
        for number in (signal.SIGTERM, signal.SIGHUP) * 20:
            child = os.fork()
            if child == 0:
                while True:
                    signal.pause()
            os.kill(child, number)  # at once, as `Process.terminate()` may
            ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return ended

    agent = Agent(forks)
    assert agent.run("forks")[0] == {"result": [-signal.SIGTERM, -signal.SIGHUP] * 20}
    agent.leave()


@in_a_fork
def test_what_an_attempt_changed_is_put_back_and_what_it_left_is_named():
    def changes() -> list[Any]:
        before = [os.getcwd(), sys.argv[:], logging.getLogger().level, signal.getsignal(zygote.SIGNAL) is None]
        os.chdir("/")
        sys.argv = ["changed"]
        logging.basicConfig(level=logging.DEBUG, force=True)
        signal.signal(zygote.SIGNAL, signal.SIG_IGN)
        return before

    def leaves() -> None:
        subprocess.Popen(["sleep", "300"], start_new_session=True)

    agent = Agent(changes, leaves)
    first, _ = agent.run("changes")
    assert agent.left() == []
    assert agent.run("changes")[0] == first
    assert agent.left() == []
    agent.run("leaves")
    assert agent.left() == ["processes"]
    agent.leave()


@in_a_fork
def test_what_a_job_left_does_not_write_into_the_next_ones_log():
    def leaves() -> None:
        subprocess.Popen(["sh", "-c", "while sleep 0.01; do echo late; done"])
        print("mine")

    agent = Agent(leaves, add)
    _, lines = agent.run("leaves")
    assert [line for line in lines if line != "late"] == ["mine"]
    assert agent.left() == ["processes"]
    assert agent.run("add", a=1) == ({"result": 2}, ["adding"])
    agent.leave()


@in_a_fork
def test_a_stop_is_told_and_the_runner_says_that_it_was_interrupted():
    def sleeps() -> None:
        print("waiting", flush=True)
        time.sleep(60)

    agent = Agent(sleeps, add)
    agent.run("add", a=1)
    assert agent.left() == []
    if os.fork() == 0:
        wait_for(lambda: _pressed(agent))
        os._exit(0)
    assert agent.run("sleeps")[0] == {"stopped": StopReason.CANCEL.value}
    assert agent.left() == ["an interrupt"]
    agent.leave()


def _pressed(agent: Agent) -> bool:
    agent.cells.view[STOP], agent.cells.view[INTERRUPT] = 1.0, 1.0
    os.kill(agent.runner, zygote.SIGNAL)
    return agent.cells.view[RAISED] != 0


@in_a_fork
@pytest.mark.parametrize("first", [3, 0])
def test_a_job_that_closes_everything_is_heard_all_the_same(first):
    """By its pipe, which `os.closerange(3, …)` leaves; without it its runner ends, and says nothing false."""

    def closes() -> str:
        print("before", flush=True)
        os.closerange(first, 100)
        return "closed"

    agent = Agent(closes)
    if first == 3:
        assert agent.run("closes") == ({"result": "closed"}, ["before"])
        assert agent.leave() == 0
    else:
        with pytest.raises(AssertionError, match="the runner is dead"):
            agent.run("closes")
        agent.channel.close()


@in_a_fork
def test_a_job_that_closes_stdout_is_heard_by_the_channel():
    def closes() -> str:
        os.close(1)
        return "closed"

    agent = Agent(closes, add)
    assert agent.run("closes") == ({"result": "closed"}, [])
    assert agent.left() == []
    assert agent.run("add", a=1) == ({"result": 2}, ["adding"])
    assert agent.leave() == 0


@in_a_fork
def test_it_ends_when_its_agent_is_gone():
    agent = Agent(add)
    assert not select.select([agent.channel], [], [], 0)[0]
    assert agent.leave() == 0


def takes_every_signal() -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, zygote.SIGNAL, signal.SIGCHLD}:
        signal.signal(number, signal.SIG_DFL)


def waits_for_a_file(path: str) -> str:
    Path(f"{path}.begun").touch()
    wait_for(lambda: Path(path).exists(), 20)
    return "done"


@in_a_fork
def test_it_writes_down_where_its_threads_are_when_it_is_asked_and_goes_on(tmp_path):
    agent = Agent(takes_every_signal, waits_for_a_file)
    agent.run("takes_every_signal")  # of one attempt, and the next one hears it again
    agent.left()
    os.lseek(agent.page, SIZE, os.SEEK_SET)
    go = Path(tmp_path) / "go"

    def ask() -> None:
        wait_for(lambda: Path(f"{go}.begun").exists(), 20)
        os.kill(agent.runner, zygote.STACKS)
        wait_for(lambda: b"in waits_for_a_file" in os.pread(agent.page, 100_000, SIZE), 20)
        go.touch()

    asking = threading.Thread(target=ask)
    asking.start()
    outcome, _ = agent.run("waits_for_a_file", path=str(go))
    asking.join()
    assert outcome == {"result": "done"}
    agent.leave()
