"""A zygote with real runners: it forks, signals and collects them, and ends with its agent."""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any, NoReturn

import pytest

from livejobs.definition.cells import BEAT, SIZE, Cells
from livejobs.runner import process_tree, zygote
from livejobs.runner.channel import Channel, ChannelClosedError, pair
from livejobs.runner.zygote import Zygote
from tests.support.forks import in_a_fork
from tests.support.waiting import wait_for

STILL = 60.0  # seconds: longer than any test here


def say_and_wait(line: socket.socket) -> NoReturn:
    """A runner that says who it is, and waits to be ended."""
    line.send(b"%d" % os.getpid())
    while True:
        signal.pause()


class Agent:
    """The agent's side of a zygote, both in a fork of a test."""

    def __init__(
        self, serve: zygote.Serve = say_and_wait, still_seconds: float = STILL, cells: Cells | None = None
    ) -> None:
        self.cells = cells or Cells(mmap.mmap(-1, SIZE))
        self.channel, theirs = pair()
        process_tree.become_subreaper()
        self.pid = os.fork()
        if self.pid == 0:
            self.channel.close()
            Zygote(Channel(theirs), self.cells, still_seconds, serve).run()
        theirs.close()
        self.number = 0

    def spawn(self) -> tuple[int, socket.socket]:
        """Have a runner; its pid, and our end of the line to it."""
        ours, theirs = socket.socketpair()
        self.number += 1
        with theirs:
            self.channel.send({"do": "spawn", "runner": self.number}, [theirs.fileno()])
        return self.heard("spawned"), ours

    def ask(self, what: str, **more: Any) -> None:
        self.channel.send({"do": what, "runner": self.number, **more})

    def heard(self, what: str) -> Any:
        """What the zygote says next must be this, of the current runner."""
        ready, _, _ = select.select([self.channel], [], [], 20)
        assert ready, f"not a word of {what}"
        message, _ = self.channel.receive()
        assert what in message, message
        assert message.get("runner", self.number) == self.number
        return message[what]

    def leave(self) -> None:
        """Be gone, and see the zygote end."""
        self.channel.close()
        assert os.waitpid(self.pid, 0)[1] == 0
        wait_for(lambda: process_tree.descendants(os.getpid()) == [])


def written(path: Path) -> str:
    """The text of a file, once there is one."""
    return wait_for(lambda: path.read_text() if path.exists() else None)


@in_a_fork
def test_it_forks_a_runner_that_leads_its_own_session_and_says_how_it_ended():
    agent = Agent()
    pid, line = agent.spawn()
    assert int(line.recv(20)) == pid
    assert os.getsid(pid) == pid
    assert process_tree.children(agent.pid) == [pid]
    os.kill(pid, signal.SIGKILL)
    assert agent.heard("ended") == signal.SIGKILL
    agent.leave()


@in_a_fork
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_ends_a_whole_server_passes_both(number):
    agent = Agent()
    pid, line = agent.spawn()
    line.recv(20)
    for each in (agent.pid, pid):
        os.kill(each, number)
    agent.ask("kill")
    assert agent.heard("ended") == signal.SIGKILL
    agent.leave()


@in_a_fork
def test_what_a_runner_starts_can_be_ended_by_sigterm():
    def serve(line: socket.socket) -> NoReturn:
        process = subprocess.Popen(["sleep", "300"])
        process.terminate()
        line.send(b"%d" % process.wait())
        os._exit(0)

    agent = Agent(serve)
    _, line = agent.spawn()
    assert line.recv(20) == b"%d" % -signal.SIGTERM
    assert agent.heard("ended") == 0
    agent.leave()


@in_a_fork
def test_an_interrupt_is_the_signal_for_the_current_runner_only():
    def serve(line: socket.socket) -> NoReturn:
        signal.signal(zygote.SIGNAL, lambda *_: line.send(b"!"))
        say_and_wait(line)

    agent = Agent(serve)
    _, line = agent.spawn()
    line.recv(20)
    agent.channel.send({"do": "interrupt", "runner": agent.number - 1})
    agent.ask("interrupt")
    assert line.recv(20) == b"!"
    agent.ask("kill")
    agent.heard("ended")
    assert line.recv(20) == b""
    agent.ask("interrupt")  # there is none
    agent.spawn()
    agent.leave()


@in_a_fork
def test_a_kill_ends_the_current_runner_and_all_below_it():
    def serve(line: socket.socket) -> NoReturn:
        for own_session in (False, True):
            subprocess.Popen(["sleep", "300"], start_new_session=own_session)
        say_and_wait(line)

    agent = Agent(serve)
    pid, line = agent.spawn()
    line.recv(20)
    agent.channel.send({"do": "kill", "runner": agent.number - 1})
    assert len(process_tree.descendants(agent.pid)) == 3
    agent.ask("kill")
    assert agent.heard("ended") == signal.SIGKILL
    wait_for(lambda: process_tree.descendants(os.getpid()) == [agent.pid])
    assert not Path(f"/proc/{pid}").exists()
    agent.leave()


@in_a_fork
def test_a_polite_kill_lets_what_a_job_left_clean_up(tmp_path):
    mark = Path(tmp_path) / "mark"
    script = f"trap 'echo cleaned > {mark}; exit 0' TERM; echo ready > {mark}; while :; do sleep 0.01; done"

    def serve(line: socket.socket) -> NoReturn:
        subprocess.Popen(["sh", "-c", script])
        written(mark)
        say_and_wait(line)

    zygote.POLITE_SECONDS = 20.0  # type: ignore[misc]
    agent = Agent(serve)
    _, line = agent.spawn()
    line.recv(20)
    agent.ask("kill", polite=True)
    assert agent.heard("ended") == signal.SIGKILL  # the runner itself has nothing to clean up
    assert mark.read_text() == "cleaned\n"
    agent.leave()


@in_a_fork
def test_what_a_runner_left_that_ended_is_ended_too():
    def serve(line: socket.socket) -> NoReturn:
        subprocess.Popen(["sleep", "300"], start_new_session=True)
        os._exit(3)

    agent = Agent(serve)
    agent.spawn()
    assert os.waitstatus_to_exitcode(agent.heard("ended")) == 3
    wait_for(lambda: process_tree.descendants(os.getpid()) == [agent.pid])
    agent.leave()


@in_a_fork
def test_a_new_runner_takes_the_place_of_one_that_lives():
    agent = Agent()
    first, line = agent.spawn()
    line.recv(20)
    ours, theirs = socket.socketpair()
    with theirs:
        agent.channel.send({"do": "spawn", "runner": 2}, [theirs.fileno()])
    assert agent.heard("ended") == signal.SIGKILL
    agent.number = 2
    second = agent.heard("spawned")
    assert second != first
    assert int(ours.recv(20)) == second
    agent.leave()


@in_a_fork
def test_a_fault_in_a_runner_ends_it_with_a_code_of_ours():
    def serve(line: socket.socket) -> NoReturn:
        raise ValueError("a fault")

    agent = Agent(serve)
    agent.spawn()
    assert os.waitstatus_to_exitcode(agent.heard("ended")) == zygote.FAULT
    agent.leave()


@in_a_fork
def test_a_runner_has_no_line_to_its_agent():
    def serve(line: socket.socket) -> NoReturn:
        found = [os.readlink(f"/proc/self/fd/{each}") for each in zygote.inherited_lines(set())]
        line.send(b"%d" % sum(name.startswith("socket:") for name in found))
        say_and_wait(line)

    agent = Agent(serve)
    _, line = agent.spawn()
    assert line.recv(1) == b"1"
    agent.leave()


@in_a_fork
def test_it_ends_with_all_below_when_its_agent_is_gone():
    agent = Agent()
    _, line = agent.spawn()
    line.recv(20)
    agent.leave()
    assert line.recv(1) == b""


@in_a_fork
def test_a_runner_dies_with_its_zygote():
    agent = Agent()
    _, line = agent.spawn()
    line.recv(20)
    os.kill(agent.pid, signal.SIGKILL)
    assert line.recv(1) == b""
    with pytest.raises(ChannelClosedError):
        agent.channel.receive()


@in_a_fork
def test_an_agent_that_stands_still_is_told_so_and_its_runner_is_ended():
    agent = Agent(still_seconds=0.3)
    _, line = agent.spawn()
    line.recv(20)
    assert agent.heard("still") > 0.3
    assert line.recv(1) == b""
    with pytest.raises(ChannelClosedError):
        agent.channel.receive()
    agent.leave()


@in_a_fork
def test_an_agent_that_beats_is_alive():
    """The runner ends by itself after a time in which a still one would have been given up."""
    cells = Cells(mmap.mmap(-1, SIZE))

    def serve(line: socket.socket) -> NoReturn:
        wait_for(lambda: cells.view[BEAT] >= 40)
        os._exit(4)

    agent = Agent(serve, still_seconds=0.6, cells=cells)
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.05):
            cells.view[BEAT] += 1

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        agent.spawn()
        assert os.waitstatus_to_exitcode(agent.heard("ended")) == 4
    finally:
        over.set()
        thread.join()
    agent.leave()


@in_a_fork
def test_covered_descriptors_keep_their_numbers_and_lead_nowhere():
    one, other = os.pipe()
    zygote.cover([one, other])
    assert [os.readlink(f"/proc/self/fd/{each}") for each in (one, other)] == [os.devnull] * 2
    assert not os.get_inheritable(one)


@in_a_fork
def test_lines_are_found_and_files_are_not(tmp_path):
    before = set(zygote.inherited_lines(set()))
    pipe, (line, other), poll = os.pipe(), socket.socketpair(), select.epoll()
    with open(f"{tmp_path}/file", "w"):
        found = set(zygote.inherited_lines({other.fileno()})) - before
    assert found == {*pipe, line.fileno(), poll.fileno()}


@in_a_fork
def test_a_title_is_what_ps_shows():
    zygote.set_title("livejobs-zygote-and-more")
    assert Path("/proc/self/comm").read_text() == "livejobs-zygote\n"


def a_fault(*_: object) -> NoReturn:
    raise ValueError("a fault of ours")


@in_a_fork
def test_a_fault_of_its_own_ends_it_with_all_below():
    zygote.Zygote._do = a_fault  # type: ignore[method-assign,assignment]
    agent = Agent()
    agent.ask("spawn")
    with pytest.raises(ChannelClosedError):
        agent.channel.receive()
    agent.leave()
