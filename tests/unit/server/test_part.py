"""The way of a part to its readiness: the jobs, the servers, and what it says where something is missing."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from livejobs.server import part
from livejobs.server.failures import StartError
from livejobs.server.readiness import mark_ready, read_mark
from livejobs.server.watched_files import versions

SOURCE = """
from livejobs import live_job

@live_job
def hello() -> None: ...

@live_job
async def wrong() -> None: ...
"""


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch) -> Path:
    """The folder that the supervisor named; we are in another."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("LIVEJOBS_RUNTIME", str(folder))
    monkeypatch.delenv("LIVEJOBS_STRICT", raising=False)
    return folder


@pytest.fixture
def tasks(imports, jobs, monkeypatch) -> Path:
    """A file with one job, and one function that is none."""
    path = Path("tasks.py").absolute()
    path.write_text(SOURCE)
    monkeypatch.setenv("LIVEJOBS_TASKS", str(path))
    return path


def test_a_part_that_ends_well(runtime, capsys):
    assert part.run_part("web", lambda: 3) == 3
    assert list(runtime.iterdir()) == []
    assert capsys.readouterr().err == ""


def test_why_a_part_cannot_start_is_said_and_left_as_a_mark(runtime, capsys):
    def main() -> int:
        raise StartError("There is no file tasks.py.")

    assert part.run_part("web", main) == 1
    assert read_mark(runtime, "web", "failed") == {"sentence": "There is no file tasks.py."}
    assert capsys.readouterr().err == "There is no file tasks.py.\n"


def test_the_jobs_are_loaded_and_what_was_found_is_left_as_a_mark(tasks, runtime, jobs):
    part.load_jobs("worker")

    assert [job.name for job in jobs] == ["hello"]
    mark = read_mark(runtime, "worker", "loaded")
    assert mark is not None
    assert mark["files"] == versions([str(tasks)])
    assert [told[:36] for told in mark["refusals"]] == ["tasks.py:7: wrong cannot be a live j"]


def test_under_strict_a_function_that_is_none_is_a_fault(tasks, runtime, monkeypatch):
    monkeypatch.setenv("LIVEJOBS_STRICT", "1")

    with pytest.raises(StartError, match=r"tasks\.py:7: wrong cannot be a live job"):
        part.load_jobs("worker")
    assert read_mark(runtime, "worker", "loaded") is None


def test_a_process_without_jobs_has_nothing_to_load(runtime, jobs, monkeypatch):
    monkeypatch.delenv("LIVEJOBS_TASKS", raising=False)

    part.load_jobs("web")

    assert read_mark(runtime, "web", "loaded") == {"refusals": [], "files": {}}


def test_a_file_that_is_written_while_it_is_imported_has_changed_since(tasks, runtime):
    before = versions([str(tasks)])
    tasks.write_text(f"import os\nos.utime(__file__, ns=(1, 1))\n{SOURCE}")
    os.utime(tasks, ns=(0, 0))
    as_it_was = versions([str(tasks)])

    part.load_jobs("web")

    mark = read_mark(runtime, "web", "loaded")
    assert mark is not None
    assert mark["files"] == as_it_was != versions([str(tasks)]) != before


def test_one_that_stands_by_loads_and_serves_when_it_is_told(tasks, runtime, monkeypatch):
    reader, writer = os.pipe()
    monkeypatch.setattr(part, "_later", False)
    monkeypatch.setattr(part, "_standby", None)
    monkeypatch.setenv("LIVEJOBS_STANDBY", "1")
    monkeypatch.setenv("LIVEJOBS_PART", "web-next")
    kept = os.dup(0)
    os.dup2(reader, 0)
    try:
        part.load_later()
    finally:
        os.dup2(kept, 0)
    os.write(writer, b"load\n")
    part.load_jobs("web")
    assert read_mark(runtime, "web-next", "loaded") is not None
    assert read_mark(runtime, "web", "loaded") is None

    os.write(writer, b"serve\n")
    part.open_servers(runtime)
    part.wait_for_servers()

    assert "LIVEJOBS_STANDBY" not in os.environ
    mark_ready("web")
    assert read_mark(runtime, "web", "ready") == {}
    for descriptor in (reader, writer, kept):
        os.close(descriptor)


def test_a_part_loads_later_when_it_says_so(monkeypatch):
    monkeypatch.setattr(part, "_later", False)
    assert not part.loads_later()
    part.load_later()
    assert part.loads_later()


def test_it_waits_until_the_servers_are_there(runtime):
    waiting = threading.Thread(target=part.wait_for_servers)
    waiting.start()
    waiting.join(3 * part.LOOK_SECONDS)
    assert waiting.is_alive()

    part.open_servers(runtime)

    waiting.join(10)
    assert not waiting.is_alive()
    part.wait_for_servers()  # a part that starts again finds them open


def test_the_wait_has_a_bound():
    with pytest.raises(StartError, match=r"^The database and the queue were not ready within 0 s\.$"):
        part.wait_for_servers(seconds=0)


def test_without_a_supervisor_nobody_waits(monkeypatch):
    monkeypatch.delenv("LIVEJOBS_RUNTIME")
    part.wait_for_servers(seconds=0)
