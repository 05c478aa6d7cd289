"""What the supervisor does about a jobs file that has changed, step by step, without a process."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import pytest

from livejobs.server import jobs_notice, standby
from livejobs.server.managed_process import ManagedProcess, Stage
from livejobs.server.output import Output
from livejobs.server.readiness import read_mark, write_mark
from livejobs.server.reloading import AGAIN_SECONDS, LOAD_SECONDS, LOADERS, LOOK_SECONDS, Reloading, standby_of
from livejobs.server.watched_files import versions


class World:
    """A server whose parts are names, with a clock of its own."""

    def __init__(self, folder: Path, reload: bool) -> None:
        self.runtime, self.file = folder / "runtime", folder / "tasks.py"
        self.runtime.mkdir()
        self.file.write_text("x = 0")
        self.now, self.steps = 100.0, list[Any]()
        self.ended: dict[int, int] = {}
        self.out, self.err = io.StringIO(), io.StringIO()
        self.reloading = Reloading(
            self.runtime, Output(self.out, self.err), self, self.make if reload else None, lambda: self.now
        )
        for name in LOADERS:
            self.load(name)
            self.reloading.ready(name)

    def load(self, mark: str) -> None:
        """A part leaves the mark that it has loaded the file."""
        write_mark(self.runtime, mark, "loaded", {"refusals": [], "files": versions([str(self.file)])})

    def save(self, text: str) -> None:
        self.file.write_text(text)
        os.utime(self.file, ns=(0, int(self.now * 1e6)))

    def look(self, times: int = 3) -> None:
        for _ in range(times):
            self.now += LOOK_SECONDS
            self.reloading.look(settled=True)

    def make(self, name: str) -> ManagedProcess:
        found = ManagedProcess(name, [], lambda: None)
        found.say = lambda word: self.steps.append((name, word))  # type: ignore[method-assign]
        return found

    # ------------------------------------------------------------ what is asked of the supervisor

    def begin(self, part: ManagedProcess) -> None:
        self.steps.append(("begin", part.name))

    def end(self, part: ManagedProcess) -> int | None:
        return self.ended.pop(id(part), None)

    def kill(self, part: ManagedProcess) -> None:
        self.steps.append(("kill", part.name))

    def replace(self, name: str, successor: ManagedProcess) -> None:
        self.steps.append(("replace", name))


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIVEJOBS_RUNTIME", str(tmp_path / "runtime"))
    return World(tmp_path, reload=True)


@pytest.fixture
def plain(tmp_path, monkeypatch) -> World:
    """Without --reload."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIVEJOBS_RUNTIME", str(tmp_path / "runtime"))
    return World(tmp_path, reload=False)


def all_of(word: Any) -> list[Any]:
    return [(word, name) if isinstance(word, str) else (name, word) for name in LOADERS]


def test_without_reload_a_change_is_said_once_on_terminal_and_page(plain):
    plain.look()
    assert (plain.err.getvalue(), jobs_notice.sentences()) == ("", [])

    plain.save("x = 1")
    plain.look(10)

    said = "tasks.py has changed; restart the server to run it (or start it with --reload).\n"
    assert plain.err.getvalue() == said
    assert len(jobs_notice.sentences()) == 1
    assert plain.steps == []


def test_those_that_stand_by_are_started_once_all_is_ready(world):
    world.reloading.look(settled=False)
    assert world.steps == []
    world.look()
    assert world.steps == all_of("begin")


def test_a_saved_file_is_loaded_then_served_by_all(world):
    world.look()
    world.steps.clear()
    world.save("x = 1")
    world.look()
    assert world.steps == all_of(standby.LOAD)

    world.load("web-next")
    world.load("worker-next")
    world.look()
    assert len(world.steps) == 3  # one has not loaded it yet
    world.load("maintenance-next")
    world.look(1)
    assert world.steps[3:] == [step for name in LOADERS for step in (("replace", name), (name, standby.SERVE))]
    assert all(read_mark(world.runtime, name, "loaded") for name in LOADERS)

    world.steps.clear()
    for name in LOADERS:
        assert world.out.getvalue() == ""
        world.reloading.ready(name)
    assert re.fullmatch(r"tasks\.py is served anew after 0\.\d s\.\n", world.out.getvalue())
    world.look()
    assert world.steps == all_of("begin")  # for the next one


def broken(world: World) -> None:
    """Save a file that web cannot load."""
    world.save("def (")
    world.look()
    write_mark(world.runtime, "web-next", "failed", {"sentence": "tasks.py:1 has a syntax error: invalid syntax."})
    world.ended[id(world.reloading.standbys["web"])] = 1
    world.look(1)


def test_a_broken_file_keeps_the_last_good_one_and_is_said(world):
    world.look()
    broken(world)

    assert not any(step[0] == "replace" for step in world.steps)
    assert world.err.getvalue() == (
        "tasks.py cannot be loaded; its last good version is served:\n"
        "  tasks.py:1 has a syntax error: invalid syntax.\n"
    )
    assert jobs_notice.sentences()[0].endswith(": tasks.py:1 has a syntax error: invalid syntax.")
    world.steps.clear()
    world.look(10)
    assert world.steps == all_of("begin")  # and it is not tried again

    world.save("x = 2")
    world.look()
    for name in LOADERS:
        world.load(f"{name}-next")
    world.look(1)
    for name in LOADERS:
        world.reloading.ready(name)
    assert jobs_notice.sentences() == []


def test_one_that_dies_as_it_loads_is_a_fault_of_the_file(world):
    world.look()
    world.save("import os; os._exit(3)")
    world.look()
    world.ended[id(world.reloading.standbys["worker"])] = 3
    world.look(1)
    assert "  it ended its process (exit code 3).\n" in world.err.getvalue()


def test_a_file_that_is_never_loaded_is_given_up(world):
    world.look()
    world.save("while True: pass")
    world.look()
    world.now += LOAD_SECONDS
    world.look(1)
    assert "  it was not loaded within 60 s.\n" in world.err.getvalue()
    assert world.reloading.file == ""


def test_a_file_that_is_saved_again_while_it_is_loaded_is_begun_anew(world):
    world.look()
    world.save("x = 1")
    world.look()
    world.steps.clear()
    world.save("x = 2")
    world.look()
    assert world.steps == [step for name in LOADERS for step in (("begin", name), (name, standby.LOAD))]


def test_one_that_was_killed_is_started_again_after_a_moment(world):
    world.look()
    world.steps.clear()
    world.ended[id(world.reloading.standbys["web"])] = -9
    world.look()
    assert world.steps == []
    world.now += AGAIN_SECONDS
    world.look(1)
    assert world.steps == [("begin", "web")]


def test_the_one_that_stands_by_is_the_part_itself_with_a_word_to_wait_for():
    part = ManagedProcess("web", ["serve"], lambda: "", environment={"A": "1"}, descriptors=(7,), stop_seconds=1.5)

    found = standby_of(part)

    assert (found.name, found.command, found.descriptors, found.hears) == ("web", ["serve"], (7,), True)
    assert found.environment == {"A": "1", "LIVEJOBS_STANDBY": "1", "LIVEJOBS_PART": "web-next"}
    assert found.stage is Stage.WAITING
    assert found.probe() is None
