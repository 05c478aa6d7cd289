"""A place where jobs run: a real zygote and real runners, forked out of a process with one thread."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from livejobs.definition import Attempt, LiveJob, registry
from livejobs.definition.cells import INTERRUPT
from livejobs.runner import process_tree
from livejobs.states import StopReason
from livejobs.worker import place as places
from livejobs.worker import zygotes
from livejobs.worker.output_reader import OutputReader
from livejobs.worker.place import Death, Place, how_it_died
from tests.support.forks import in_a_fork
from tests.support.waiting import wait_for


def whoami() -> int:
    return os.getpid()


def sleeps() -> None:
    print("waiting")
    time.sleep(60)


def leaves_a_process() -> int:
    return subprocess.Popen(["sleep", "300"], start_new_session=True).pid


class Host:
    """A place, and who runs attempts there."""

    def __init__(self, *functions: Callable[..., Any], again: Any = zygotes.fork, **bounds: float) -> None:
        for function in (whoami, sleeps, leaves_a_process, *functions):
            registry._jobs[function.__name__] = LiveJob(function, short_name=True)
        process_tree.become_subreaper()
        self.place = Place(zygotes.fork, again, **bounds)
        self.zygote = self.place._pid
        self.attempt = Attempt(7, 1, "none")
        self.lines: list[str] = []
        self.last_line = ""

    def run(self, task: str, **params: Any) -> Any:
        """Run an attempt; the result, else how it ended."""
        self.attempt = Attempt(7, 1, task)
        self.attempt.share(self.place.cells)
        reader = OutputReader(self.attempt)
        order = {"job": 7, "attempt": 1, "task": task, "params": params, "timeout": None, "owner_key": ""}
        ended = self.place.run(order, reader)
        self.lines, self.last_line = [text for _, _, text in self.attempt.lines], reader.last_line
        return ended["result"] if isinstance(ended, dict) and "result" in ended else ended

    @contextmanager
    def while_it_waits(self, *steps: Callable[[], object]) -> Any:
        """Do this from another thread once the function has written its first line, while the block runs it."""

        def act() -> None:
            wait_for(lambda: self.attempt.lines, 20)
            for step in steps:
                step()

        self.attempt = Attempt(7, 1, "none")
        thread = threading.Thread(target=act)
        thread.start()
        yield
        thread.join()

    def leave(self) -> None:
        """Close the place, and see all that was below it end."""
        self.place.close()
        wait_for(lambda: not process_tree.descendants(os.getpid()))


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@in_a_fork
def test_attempts_run_one_after_the_other_in_one_warm_process_that_is_not_this():
    host = Host()
    first, second = host.run("whoami"), host.run("whoami")
    assert first == second == host.place.runner != os.getpid()
    host.leave()


@in_a_fork
def test_what_it_writes_is_its_log_and_its_progress_is_in_the_page():
    host = Host()
    assert host.run("tests.jobs.count_up", to=2) == {"counted": 2}
    assert host.lines == ["line 0", "logged 0", "line 1", "logged 1"]
    assert host.attempt.cells.number(0) == 2
    assert host.run("tests.jobs.prints_megabytes") == 5
    assert host.lines[-2:] == ["999 of 1000", "bytes é"] or "bytes é" in host.lines[-1]
    host.leave()


@in_a_fork
def test_a_failure_is_told_and_not_unpickled():
    host = Host()
    ended = host.run("tests.jobs.fails")
    assert ended["error"]["message"] == "bad row 7"
    host.leave()


@in_a_fork
@pytest.mark.parametrize(
    ("how", "signal_number", "code", "last_line"),
    [("exit", 0, 3, "the reason"), ("segfault", 11, 0, ""), ("SIGKILL", 9, 0, "the last line")],
)
def test_a_runner_that_dies_is_known_with_its_last_words_and_replaced(how, signal_number, code, last_line):
    host = Host()
    death = host.run("tests.jobs.crashes", how=how)
    assert isinstance(death, Death)
    assert (death.signal, death.code, death.killed, death.still) == (signal_number, code, False, False)
    assert host.lines[0] == "the last line"
    assert not last_line or host.last_line == last_line
    assert host.run("whoami") == host.place.runner
    host.leave()


@in_a_fork
def test_an_interrupt_raises_in_the_function_and_its_runner_is_replaced():
    def pressed() -> bool:
        host.attempt.view[INTERRUPT] = 1
        host.place.interrupt()
        return host.attempt.raised

    def stop() -> None:
        host.attempt.stop_reason = StopReason.CANCEL

    host = Host()
    first = host.run("whoami")
    with host.while_it_waits(stop, lambda: wait_for(pressed)):
        assert host.run("sleeps") == {"stopped": "cancel"}
    host.place.settle()
    assert host.run("whoami") != first
    host.leave()


@in_a_fork
def test_a_kill_ends_a_runner_that_does_not_listen_and_all_below_it():
    host = Host()
    with host.while_it_waits(lambda: host.place.kill()):
        death = host.run("tests.jobs.swallows_for_ever")
    assert death == Death(signal.SIGKILL, killed=True)
    with host.while_it_waits(lambda: host.place.kill()):
        assert host.run("tests.jobs.stuck_in_c") == death
    assert host.run("whoami") == host.place.runner
    host.leave()


@in_a_fork
def test_what_a_job_left_is_ended_before_the_next_one_runs():
    host = Host()
    first, left = host.run("whoami"), host.run("leaves_a_process")
    host.place.settle()
    assert host.run("whoami") != first
    assert gone(left)
    host.leave()


@in_a_fork
@pytest.mark.parametrize(("bounds", "jobs"), [({"most_jobs": 1}, 1), ({"most_jobs": 3}, 3), ({"most_memory": 1}, 2)])
def test_beyond_its_bounds_a_runner_is_replaced(bounds, jobs):
    """Where its first job is very short, its pid, and so its memory, may be known one job later."""
    host = Host(**bounds)
    pids = Counter(host.run("whoami") for _ in range(7))
    assert max(pids.values()) <= jobs
    assert "most_memory" in bounds or max(pids.values()) == jobs
    host.leave()


@in_a_fork
def test_a_fresh_one_is_one_that_ran_nothing():
    host = Host()
    host.place.settle(fresh=True)
    first = host.run("whoami")
    host.place.settle(fresh=True)
    second = host.run("whoami")
    assert first != second
    assert host.place._number == 2
    host.leave()


@in_a_fork
def test_after_a_stop_all_it_started_is_gone_once_the_place_is_clear():
    host = Host()
    first, left = host.run("whoami"), host.run("leaves_a_process")
    host.place.clear()
    assert gone(first)
    assert gone(left)
    assert host.run("whoami") != first
    host.leave()


@in_a_fork
def test_a_runner_that_died_between_two_jobs_costs_none():
    host = Host()
    first = host.run("whoami")
    host.place.settle()
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: gone(first))
    assert host.run("whoami") not in (first, Death)
    host.leave()


@in_a_fork
def test_a_zygote_that_dies_loses_its_attempt_and_is_replaced():
    host = Host()
    with host.while_it_waits(lambda: os.kill(host.zygote, signal.SIGKILL)):
        assert host.run("sleeps") == Death(None)
    assert isinstance(host.run("whoami"), int)
    assert host.place._pid != host.zygote
    host.leave()


@in_a_fork
def test_a_zygote_that_died_between_two_jobs_costs_none():
    host = Host()
    first = host.run("whoami")
    host.place.settle()
    os.kill(host.zygote, signal.SIGKILL)
    wait_for(lambda: process_tree.reap() or gone(host.zygote))
    wait_for(lambda: process_tree.reap() or gone(first))
    assert isinstance(host.run("whoami"), int)
    assert host.place._pid != host.zygote
    host.leave()


@in_a_fork
def test_another_zygote_may_come_from_a_new_python():
    host = Host(again=zygotes.execute)
    with host.while_it_waits(lambda: os.kill(host.zygote, signal.SIGKILL)):
        host.run("sleeps")
    assert host.run("tests.jobs.at_once") == "done"
    assert "livejobs.runner.start" in Path(f"/proc/{host.place._pid}/cmdline").read_text()
    host.leave()


@in_a_fork
def test_an_agent_that_stood_still_finds_its_job_ended():
    settings.LIVEJOBS = {"WATCHDOG_SECONDS": 0.2}
    host = Host()
    death = host.run("sleeps")
    assert isinstance(death, Death)
    assert (death.still, death.status) == (True, None)
    settings.LIVEJOBS = {}
    assert isinstance(host.run("whoami"), int)
    host.leave()


@in_a_fork
def test_an_agent_that_beats_is_none_that_stands_still():
    settings.LIVEJOBS = {"WATCHDOG_SECONDS": 0.6}
    host = Host()
    beats: list[int] = []

    def beat() -> None:
        host.place.beat()
        beats.append(1)

    def beat_for_long() -> bool:
        beat()
        return len(beats) > 150  # 1.5 seconds and more

    with host.while_it_waits(lambda: wait_for(beat_for_long), lambda: host.place.kill()):
        assert host.run("sleeps") == Death(signal.SIGKILL, killed=True)
    host.leave()


@in_a_fork
def test_a_job_that_closes_its_channel_is_heard_by_its_pipe_and_the_next_one_runs():
    def closes() -> str:
        print("before")
        os.closerange(3, 200)
        return "closed"

    host = Host(closes)
    assert host.run("closes") == "closed"
    assert host.lines == ["before"]
    assert isinstance(host.run("whoami"), int)
    host.leave()


@in_a_fork
def test_its_outcome_may_come_behind_more_than_is_read_at_once():
    def closes() -> str:
        os.write(1, b"x\n" * 100_000)
        os.closerange(3, 200)
        return "closed"

    for _ in range(20):
        host = Host(closes)
        assert host.run("closes") == "closed"
        host.leave()


@in_a_fork
def test_a_job_that_closes_stdout_and_leaves_a_process_with_it_ends_all_the_same():
    def closes() -> str:
        subprocess.Popen(["sleep", "300"])
        os.close(1)
        return "closed"

    host = Host(closes)
    assert host.run("closes") == "closed"
    assert isinstance(host.run("whoami"), int)
    host.leave()


@in_a_fork
def test_what_a_job_left_writes_into_nobodys_log():
    def leaves() -> None:
        subprocess.Popen(["sh", "-c", "while sleep 0.01; do echo late; done"])

    host = Host(leaves)
    host.run("leaves")
    assert isinstance(host.run("whoami"), int)
    assert host.lines == []
    host.leave()


@in_a_fork
def test_a_flood_that_a_job_left_keeps_nobody():
    host = Host(leaves_a_flood)
    assert host.run("leaves_a_flood") == "gone"
    assert isinstance(host.run("whoami"), int)
    assert host.lines == []
    host.leave()


def leaves_a_flood() -> str:
    flood = subprocess.Popen(["yes", "late"], start_new_session=True)
    io = Path(f"/proc/{flood.pid}/io")
    wait_for(lambda: int(re.findall(r"wchar: (\d+)", io.read_text())[0]) > 200_000, 20, "a flood")
    return "gone"


@in_a_fork
def test_no_descriptor_is_left_open():
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    host = Host(most_jobs=1)
    host.run("whoami")
    before = count()
    for _ in range(3):
        host.run("whoami")
        host.run("tests.jobs.crashes", how="SIGKILL")
    assert count() == before
    host.leave()


@pytest.mark.parametrize(
    ("death", "last_line", "said"),
    [
        (Death(9), "", "Killed by signal 9 (SIGKILL); often the machine was out of memory"),
        (Death(11), "x", "Segmentation fault (signal 11)"),
        (Death(15), "x", "Killed by signal 15 (SIGTERM)"),
        (Death(6 | 0x80), "", "Killed by signal 6 (SIGABRT)"),
        (Death(50), "", "Killed by signal 50"),
        (Death(None), "x", "The process that runs jobs was lost"),
        (Death(3 << 8), "no such file", "Exited with code 3: no such file"),
        (Death(3 << 8), "", "Exited with code 3"),
        (Death(0), "bye", "Exited with code 0"),
    ],
)
def test_how_it_died_is_said_in_one_sentence(death, last_line, said):
    assert how_it_died(death, last_line).startswith(said)


def test_the_memory_of_a_process_is_known_and_of_none_is_nothing():
    assert places._memory(os.getpid()) > 1_000_000
    assert places._memory(2**30) == 0
    assert sys.platform != "linux" or places._memory(os.getpid()) % os.sysconf("SC_PAGE_SIZE") == 0


def read_stacks(host: Host) -> str:
    return wait_for(lambda: text if "in call" in (text := host.place.stacks()) else None, 20)


@in_a_fork
def test_it_is_seen_where_a_job_is_even_where_c_code_keeps_the_lock_of_python():
    host = Host()
    seen = list[str]()
    with host.while_it_waits(host.place.ask_stacks, lambda: seen.append(read_stacks(host)), host.place.kill):
        assert isinstance(host.run("tests.jobs.matches_for_ever"), Death)
    assert "in matches_for_ever" in seen[0]
    with host.while_it_waits(host.place.ask_stacks, lambda: seen.append(read_stacks(host)), host.place.kill):
        assert isinstance(host.run("sleeps"), Death)  # in another runner, and nothing is left of the first answer
    assert "in sleeps" in seen[1]
    assert "in matches_for_ever" not in seen[1]
    host.leave()


def closes_all_and_opens(path: str) -> None:
    os.write(1, b"waiting\n")
    os.closerange(3, 100)
    files = [open(path, "a") for _ in range(100)]  # noqa: SIM115
    wait_for(lambda: Path(f"{path}.go").exists(), 20)
    del files


@in_a_fork
def test_stacks_go_to_no_file_that_a_job_opened_in_place_of_ours(tmp_path):
    host = Host(closes_all_and_opens)
    path = Path(tmp_path) / "mine"

    def ask() -> None:
        wait_for(lambda: path.exists() and len(os.listdir(f"/proc/{host.place.runner}/fd")) > 100, 20)
        host.place.ask_stacks()
        Path(f"{path}.go").touch()

    with host.while_it_waits(ask):
        host.run("closes_all_and_opens", path=str(path))
    assert path.read_text() == host.place.stacks() == ""
    host.leave()
