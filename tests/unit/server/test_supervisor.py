"""The supervisor: what it starts and when, what it says, what it does about a death, and how it stops."""

from __future__ import annotations

import ctypes
import io
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livejobs.per_process import HURRY_AFTER
from livejobs.server import guard, managed_process, supervisor
from livejobs.server.environment import Environment
from livejobs.server.failures import StartError
from livejobs.server.managed_process import ManagedProcess, Stage
from livejobs.server.output import Output
from livejobs.server.readiness import read_mark
from livejobs.server.supervisor import IDLE_SECONDS, LOOK_SECONDS, Supervisor
from tests.support.waiting import wait_for

pytest_plugins = ("tests.support.server_fixtures",)

Part = Callable[..., ManagedProcess]
Serve = Callable[..., Supervisor]
URL = "http://127.0.0.1:8000/"
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
READY = "Livejobs is ready"
DEAF = "trap '' TERM; echo up; while :; do sleep 60; done"
PR_SET_CHILD_SUBREAPER = 36
POLITE = "trap 'echo bye; exit 0' TERM; echo up; sleep 60 & wait"


class Said(io.StringIO):
    """All that was said, out and err in one; `then` is what happens as soon as some words are said, once each."""

    def __init__(self) -> None:
        super().__init__()
        self.then: dict[str, Callable[[], object]] = {}

    def write(self, text: str) -> int:
        count = super().write(text)
        for words in [words for words in self.then if words in text]:
            self.then.pop(words)()
        return count

    def lines(self) -> list[str]:
        """The lines, with single spaces, and every duration the same."""
        return [re.sub(r" +", " ", re.sub(r"\d+(\.\d)? s\b", "N s", line)) for line in self.getvalue().splitlines()]


class Gate:
    """What a part's script waits for with `read go <{gate}`."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def __str__(self) -> str:
        return f"/dev/fd/{self.reader}"

    def open(self) -> None:
        os.write(self.writer, b"go\n")


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    os.close(gate.reader)
    os.close(gate.writer)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def part(runtime: Path) -> Part:
    """Make a part that runs a shell script, is ready at once, and is started again soon."""

    def make(name: str, script: str = "exec sleep 60", **options: Any) -> ManagedProcess:
        environment = {"PATH": os.environ["PATH"], "LIVEJOBS_RUNTIME": str(runtime)}
        options = {"probe": lambda: "", "delay": 0.01, **options}
        return ManagedProcess(name, ["sh", "-c", script], environment=environment, **options)

    return make


@pytest.fixture
def serve(said: Said, runtime: Path, lock: int) -> Iterator[Serve]:
    """Make a supervisor. After the test nothing that it started may be left, and signals do what they did before."""
    handlers = {number: signal.getsignal(number) for number in HANDLED}
    wakeup = signal.set_wakeup_fd(-1)
    made: list[Supervisor] = []

    def make(*parts: ManagedProcess) -> Supervisor:
        listening = socket.create_server(("127.0.0.1", 0))
        made.append(Supervisor(parts, Environment(runtime=runtime), listening, lock, URL, Output(said, said)))
        return made[-1]

    yield make
    left = guard.members(set(), str(runtime))
    for server in made:
        server.told.hurried = True
        server._stop()
        for key in list(server.selector.get_map().values()):
            for end in key.data:
                end.close()
        server.selector.close()
    signal.set_wakeup_fd(wakeup)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert left == []


def stop() -> None:
    """Press Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


def when_up(part: ManagedProcess) -> ManagedProcess:
    """Let the part be ready once it has said that it is."""
    part.probe = lambda: "" if "up" in part.last else None
    return part


def never() -> None:
    """The probe of a part that does not become ready."""


# ---------------------------------------------------------------- starting


def test_parts_start_at_once_the_servers_open_when_those_awaited_are_ready_and_all_are_told_in_order(
    part, serve, said, runtime, gate
):
    database = part("database", f"read go <{gate}", ends=True, awaited=True, descriptors=(gate.reader,))
    valkey = part("valkey", probe=lambda: "9.1.2", awaited=True)
    opened: list[bool] = []

    def when_open() -> str | None:
        opened.append(read_mark(runtime, "servers", "ready") is not None)
        gate.open()
        return "" if opened[-1] else None

    web, worker = part("web", probe=when_open), part("worker")
    said.then[READY] = stop

    serve(database, valkey, web, worker).run()

    assert web.started_at <= database.ready_at
    assert opened[0] is False
    assert opened[-1] is True
    assert said.lines() == [
        "ok database ready in N s",
        "ok valkey ready in N s (9.1.2)",
        "ok web ready in N s",
        "ok worker ready in N s",
        f"{READY} after N s: {URL} (Ctrl-C stops it)",
        "Stopping…",
        "Stopped.",
    ]
    assert [each.stage for each in (database, valkey, web, worker)] == [Stage.DONE, *[Stage.STOPPED] * 3]


def test_a_part_that_is_ready_before_its_turn_is_told_when_it_is(part, serve, said, gate):
    """What people read is always in the same order."""
    database = part("database", f"read go <{gate}", ends=True, descriptors=(gate.reader,))
    web = part("web", probe=lambda: gate.open() or "")
    said.then[READY] = stop

    serve(database, web).run()

    assert [line.split()[1] for line in said.lines()[:2]] == ["database", "web"]


def test_lines_written_before_a_part_is_ready_are_told_once_and_when_it_is(part, serve, said, gate):
    web = part("web", f"echo one; echo; echo two; read go <{gate}; echo three; exec sleep 60")
    web.descriptors = (gate.reader,)

    def probe() -> str | None:
        assert said.lines() == []
        return "" if web.held == ["one", "two"] else None

    web.probe = probe
    said.then |= {READY: gate.open, "three": stop}

    serve(web).run()

    assert said.lines()[:3] == ["web | one", "web | two", "ok web ready in N s"]
    assert said.lines()[4:] == ["web | three", "Stopping…", "Stopped."]


def test_of_a_part_that_is_not_shown_nothing_is_told(part, serve, said):
    valkey = when_up(part("valkey", "echo up; exec sleep 60", shown=False))
    said.then[READY] = stop

    serve(valkey).run()

    assert not [line for line in said.lines() if "|" in line]


def test_a_part_starts_without_the_marks_of_an_earlier_one(part, serve, said, runtime):
    (runtime / "web.failed").write_text('{"sentence": "Old."}')
    (runtime / "web.ready").write_text("{}")
    web = part("web", "echo {} >$LIVEJOBS_RUNTIME/web.fresh; exec sleep 60")
    found: list[object] = []

    def probe() -> str | None:
        found.extend(read_mark(runtime, "web", kind) for kind in ("failed", "ready"))
        return "" if (runtime / "web.fresh").exists() else None

    web.probe = probe
    said.then[READY] = stop

    serve(web).run()

    assert set(found) == {None}


@pytest.mark.parametrize(
    ("mark", "sentences"),
    [
        ({"requeued": 0}, []),
        ({"requeued": 1}, ["1 job that was running is queued again."]),
        ({"requeued": 3}, ["3 jobs that were running are queued again."]),
        ({}, []),
    ],
)
def test_it_is_told_how_many_jobs_are_queued_again(part, serve, said, mark, sentences):
    database = part("database", f"echo '{json.dumps(mark)}' >$LIVEJOBS_RUNTIME/database.ready", ends=True)
    said.then[READY] = stop

    serve(database).run()

    assert said.lines()[1:-3] == sentences


def test_the_loop_looks_often_while_something_starts_and_seldom_when_nothing_does(part, serve):
    first, second = part("web"), part("worker")
    server = serve(first, second)
    first.stage = second.stage = Stage.READY
    assert server._patience() == IDLE_SECONDS
    second.stage = Stage.STARTING
    assert server._patience() == LOOK_SECONDS
    second.stage, second.start_at = Stage.WAITING, time.monotonic() + IDLE_SECONDS / 2
    assert LOOK_SECONDS < server._patience() <= IDLE_SECONDS / 2
    second.start_at = 0
    assert server._patience() == LOOK_SECONDS


# ---------------------------------------------------------------- failing to start


def test_one_that_dies_three_times_before_it_was_ready_ends_the_start(part, serve, said, tmp_path):
    valkey = part("valkey")
    web = part("web", f"echo broken; echo x >>{tmp_path}/tries; exit 3", probe=never)
    worker = part("worker")

    with pytest.raises(StartError) as caught:
        serve(valkey, web, worker).run()

    assert str(caught.value) == "web could not be started: it ended 3 times with exit code 3."
    assert (tmp_path / "tries").read_text() == "x\n" * 3
    assert said.lines() == ["ok valkey ready in N s", "web | broken"]
    assert (valkey.stage, worker.stage) == (Stage.STOPPED, Stage.STOPPED)


def test_what_keeps_one_from_starting_is_mended_once_and_said(part, serve, said, tmp_path):
    mark = tmp_path / "mended"
    valkey = when_up(part("valkey", f"[ -e {mark} ] || {{ echo torn; exit 1; }}; echo up; exec sleep 60", shown=False))
    found: list[int] = []

    def mend(said: Iterable[str]) -> str:
        assert list(said) == ["torn"]
        found.append(valkey.failed_starts)
        mark.touch()
        return "It was mended."

    valkey.mend = mend
    said.then[READY] = stop
    serve(valkey).run()
    assert found == [supervisor.FAILED_STARTS]
    assert said.lines()[:2] == ["It was mended.", "ok valkey ready in N s"]
    assert not valkey.mended


@pytest.mark.parametrize("said_by_mend", ["It was mended.", None])
def test_what_cannot_be_mended_ends_the_start(part, serve, said_by_mend: str | None):
    valkey = part("valkey", "exit 1", probe=never)
    calls: list[str] = []

    def mend(_said: Iterable[str]) -> str | None:
        calls.append("mended")
        return said_by_mend

    valkey.mend = mend
    with pytest.raises(StartError, match="it ended 3 times with exit code 1"):
        serve(valkey).run()
    assert calls == ["mended"]


def test_one_that_takes_too_long_is_killed_and_counts_as_dead(part, serve, monkeypatch):
    monkeypatch.setattr(managed_process, "START_SECONDS", 0.03)

    with pytest.raises(StartError) as caught:
        serve(part("web", DEAF, probe=never)).run()

    assert str(caught.value) == "web could not be started: it ended 3 times with killed by SIGKILL."


def test_one_whose_program_is_not_there_ends_the_start_with_a_sentence(part, serve, said):
    web = part("web")
    web.command = ["/nowhere/web"]

    with pytest.raises(StartError, match=r"^web could not be started: .*/nowhere/web"):
        serve(web).run()


def test_one_that_is_down_when_its_turn_comes_is_not_told_as_ready(part, serve, said, gate):
    """It was ready, and died while those before it were still starting."""
    database = part("database", f"read go <{gate}", ends=True, descriptors=(gate.reader,))
    web = part("web")
    server = serve(database, web)
    told: list[Stage] = []
    ready = server.output.ready

    def note(name: str, *args: Any, **options: Any) -> None:
        if name == "web":
            told.append(web.stage)
        ready(name, *args, **options)

    server.output.ready = note

    def die() -> str:
        os.kill(web.pid, signal.SIGKILL)
        return ""

    def go_on() -> None:
        web.probe = lambda: ""
        gate.open()

    web.probe = die
    said.then["web ended unexpectedly"] = go_on
    said.then[READY] = stop

    server.run()

    assert told == [Stage.READY]


def test_one_that_closes_its_output_is_not_asked_for_more(part, serve, said, monkeypatch):
    """The end of a file is always ready to be read: a loop that listens to it never waits."""
    web = when_up(part("web", "echo up; exec >&- 2>&-; exec sleep 60"))
    server = serve(web)
    reads: list[str] = []
    read = server._read

    def note(one: ManagedProcess) -> None:
        reads.append(one.name)
        read(one)

    monkeypatch.setattr(server, "_read", note)
    said.then[READY] = stop

    server.run()

    assert len(reads) <= 4
    assert web.silent


def test_failed_starts_before_a_good_one_and_what_they_wrote_are_forgotten(part, serve, said, tmp_path):
    tries = tmp_path / "tries"
    script = f"echo trying; echo x >>{tries}; [ $(wc -l <{tries}) = 3 ] || exit 3; echo up; exec sleep 60"
    web = when_up(part("web", script))
    said.then[READY] = stop

    serve(web).run()

    assert said.lines()[:3] == ["web | trying", "web | up", "ok web ready in N s"]
    assert web.failed_starts == 0


def test_a_one_shot_part_that_says_why_not_ends_the_start_with_its_sentence(part, serve, said):
    script = """echo noise; echo '{"sentence": "The disk is full."}' >$LIVEJOBS_RUNTIME/database.failed; exit 1"""
    valkey, web = part("valkey"), part("web", probe=never)

    with pytest.raises(StartError) as caught:
        serve(part("database", script, ends=True), valkey, web).run()

    assert str(caught.value) == "The disk is full."
    assert said.lines() == []
    assert (valkey.stage, web.stage) == (Stage.STOPPED, Stage.STOPPED)


def test_a_one_shot_part_that_dies_without_a_word_is_not_tried_again(part, serve, said):
    with pytest.raises(StartError) as caught:
        serve(part("database", "echo Traceback; kill -9 $$", ends=True)).run()

    assert str(caught.value) == "database could not be started: it ended with killed by SIGKILL."
    assert said.lines() == ["database | Traceback"]


# ---------------------------------------------------------------- deaths


def test_one_that_was_ready_and_dies_is_started_again_and_it_is_said(part, serve, said, gate):
    web = part("web", f"read go <{gate}; echo last words; exit 7", descriptors=(gate.reader,))
    said.then |= {READY: gate.open, "ready again": stop}

    serve(web).run()

    assert said.lines()[2:] == [
        "web | last words",
        "web ended unexpectedly (exit code 7); starting it again in N s.",
        "ok web ready again in N s",
        "Stopping…",
        "Stopped.",
    ]


def test_what_a_part_wrote_that_is_not_shown_is_told_when_it_dies(part, serve, said, gate):
    script = f"echo loading; read go <{gate}; echo disk full; exit 1"
    valkey = part("valkey", script, descriptors=(gate.reader,), shown=False)
    said.then |= {READY: gate.open, "ready again": stop}

    serve(valkey).run()

    assert said.lines()[2:6] == [
        "valkey ended unexpectedly (exit code 1); starting it again in N s.",
        "valkey | loading",
        "valkey | disk full",
        "ok valkey ready again in N s",
    ]


def test_after_a_first_start_nobody_waits_for_others_again(part, serve, said):
    valkey = part("valkey")
    web = part("web")

    def kill_both() -> None:
        valkey.delay = 60
        for each in (valkey, web):
            os.kill(each.pid, signal.SIGKILL)
            wait_for(lambda each=each: each.process.poll() is not None)  # type: ignore[misc]

    said.then |= {READY: kill_both, "web          ready again": stop}

    serve(valkey, web).run()

    assert (valkey.stage, web.stage) == (Stage.WAITING, Stage.STOPPED)


def test_one_that_was_ready_is_started_again_however_often_it_dies(part, serve, said):
    web = part("web")
    deaths: list[float] = []

    def break_it() -> None:
        web.command, web.probe = ["sh", "-c", "exit 1"], never
        os.kill(web.pid, signal.SIGKILL)

    def note() -> None:
        deaths.append(web.delay)
        web.delay = 0.01
        said.then["ended unexpectedly"] = stop if len(deaths) == supervisor.FAILED_STARTS + 1 else note

    said.then |= {READY: break_it, "ended unexpectedly": note}

    serve(web).run()

    assert web.failed_starts > supervisor.FAILED_STARTS
    assert said.lines()[-2:] == ["Stopping…", "Stopped."]


def test_a_death_is_seen_at_once_and_what_it_left_is_ended(part, serve, said, gate, monkeypatch):
    """Its child still holds the pipe, so nothing but the signal tells."""
    monkeypatch.setattr(supervisor, "IDLE_SECONDS", 30)
    web = part("web", f"sleep 60 & echo $!; read go <{gate}; exit 1", descriptors=(gate.reader,))
    left: list[int] = []
    said.then |= {
        READY: gate.open,
        "ended unexpectedly": lambda: left.extend(guard.members({web.pid})),
        "ready again": stop,
    }
    began = time.monotonic()

    serve(web).run()

    assert left == []
    assert time.monotonic() - began < 15


# ---------------------------------------------------------------- stopping


@pytest.mark.parametrize("number", ["INT", "TERM", "HUP"])
def test_a_signal_stops_it_at_once(part, serve, said, gate, monkeypatch, number):
    monkeypatch.setattr(supervisor, "IDLE_SECONDS", 30)
    web = part("web", f"read go <{gate}; kill -s {number} $PPID; exec sleep 60", descriptors=(gate.reader,))
    said.then[READY] = gate.open
    began = time.monotonic()

    serve(web).run()

    assert said.lines()[-2:] == ["Stopping…", "Stopped."]
    assert time.monotonic() - began < 15


@pytest.fixture
def first_process() -> Iterator[None]:
    """As in a container: what loses its parent is ours."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0)


def test_what_lost_its_parent_is_collected(part, serve, said, tmp_path, first_process):
    file = tmp_path / "orphan"
    leaves = part("worker", f"sh -c 'sleep 0.05 & echo $! >{file}.new'; mv {file}.new {file}; exec sleep 60")

    def is_gone() -> str | None:
        return "" if file.exists() and not Path(f"/proc/{file.read_text().strip()}").exists() else None

    said.then[READY] = stop
    serve(leaves, part("web", probe=is_gone)).run()
    assert "ok web ready in N s" in said.lines()


def test_it_can_be_stopped_while_it_starts(part, serve, said):
    web = part("web", probe=stop)
    worker = part("worker", probe=never)

    serve(web, worker).run()

    assert said.lines() == ["Stopping…", "Stopped."]
    assert (web.stage, worker.stage) == (Stage.STOPPED, Stage.STOPPED)


def test_jobs_are_stopped_first_then_the_page_then_what_carried_the_messages(part, serve, said):
    names = ("valkey", "web", "worker", "maintenance")
    server = serve(*(when_up(part(name, POLITE, stop_seconds=10)) for name in names))
    open_at: dict[str, bool] = {}

    def note(name: str) -> Callable[[], None]:
        return lambda: open_at.update({name: server.listening.fileno() != -1})

    said.then |= {READY: stop, **{f"{name:<12}| bye": note(name) for name in names}}

    server.run()

    stopping = said.lines()[said.lines().index("Stopping…") + 1 :]
    assert sorted(stopping[:2]) == ["maintenance | bye", "worker | bye"]
    assert stopping[2:] == ["web | bye", "valkey | bye", "Stopped."]
    # browsers are refused as soon as web goes, and not sooner
    assert open_at == {"worker": True, "maintenance": True, "web": False, "valkey": False}


def test_what_celery_says_at_its_end_is_not_passed_on(part, serve, said):
    script = POLITE.replace("echo bye", r"echo; echo worker: Warm shutdown \(MainProcess\); echo bye")
    said.then[READY] = stop

    serve(when_up(part("worker", script, stop_seconds=10))).run()

    assert said.lines()[-3:] == ["Stopping…", "worker | bye", "Stopped."]


@pytest.mark.parametrize("name", ["worker", "maintenance"])
def test_one_that_does_not_stop_is_killed_after_its_seconds(part, serve, said, name):
    said.then[READY] = stop
    deaf = when_up(part(name, DEAF, stop_seconds=0.1))
    server = serve(deaf)

    server.run()

    assert server.told.asked
    assert 0.1 < time.monotonic() - server.told.asked_at < 5
    lost = "worker was still at work after N s and was ended; a job it had not finished runs again at the next start."
    assert said.lines()[said.lines().index("Stopping…") + 1 :] == [*([lost] if name == "worker" else []), "Stopped."]


def test_who_asks_again_does_not_wait(part, serve, said):
    server = serve(when_up(part("worker", DEAF, stop_seconds=50)))

    def ask_again() -> None:
        server.told.asked_at -= HURRY_AFTER  # as if that long had passed
        stop()

    said.then |= {READY: stop, "Stopping…": ask_again}
    began = time.monotonic()

    server.run()

    assert time.monotonic() - began < 15
    assert said.lines()[-2:] == ["Stopping…", "Stopped."]


def test_the_worker_is_told_again_and_has_a_moment_to_give_its_jobs_back(part, serve, said):
    gives_back = (
        "trap 'trap \"sleep 0.3; echo given back; exit\" TERM; echo waits' TERM; echo up; while :; do sleep 0.05; done"
    )
    server = serve(when_up(part("worker", gives_back, stop_seconds=50)))

    def ask_again() -> None:
        server.told.asked_at -= HURRY_AFTER  # as if that long had passed
        stop()

    said.then |= {READY: stop, "waits": ask_again}

    server.run()

    assert said.lines()[-3:] == ["worker | waits", "worker | given back", "Stopped."]


def test_two_signals_of_a_closed_terminal_count_as_one(part, serve, said):
    server = serve(when_up(part("worker", DEAF, stop_seconds=0.1)))

    def close_the_terminal() -> None:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)

    said.then[READY] = close_the_terminal

    server.run()

    assert not server.told.hurried
    assert any("still at work" in line for line in said.lines())


def test_at_the_end_nothing_is_left_not_even_what_left_its_session(part, serve, said, runtime):
    escaped = "setsid sh -c 'trap \"\" TERM HUP; echo up; while :; do sleep 60; done' & sleep 60 & wait"
    server = serve(when_up(part("worker", escaped)), part("valkey", "exit 0", ends=True))
    said.then[READY] = stop

    server.run()

    assert guard.members(set(), str(runtime)) == []
    assert not runtime.exists()
    assert server.guard.process is not None
    assert server.guard.process.returncode == 0
    assert server.listening.fileno() == -1
    assert server.guard.sessions == set()


# ---------------------------------------------------------------- the guard


def killed(process: subprocess.Popen[bytes] | None) -> subprocess.Popen[bytes]:
    """Kill a guard."""
    assert process is not None
    process.kill()
    process.wait(10)
    return process


def test_the_loop_keeps_the_guard(part, serve, said):
    web = part("web")
    server = serve(web)
    first: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        first.append(killed(server.guard.process))
        os.kill(web.pid, signal.SIGKILL)  # so that there is something to wait for

    said.then |= {READY: kill, "ready again": stop}

    server.run()

    assert server.guard.process is not None
    assert server.guard.process.pid != first[0].pid
    assert server.guard.process.returncode == 0
