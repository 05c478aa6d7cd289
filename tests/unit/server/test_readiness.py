"""The marks of the parts: written whole or not at all, read by name, forgotten before the next start."""

from __future__ import annotations

from pathlib import Path

import pytest

from livejobs.server.readiness import mark_failed, mark_loaded, mark_ready, read_mark, remove_marks, write_mark


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch) -> Path:
    """The folder that the supervisor named."""
    monkeypatch.setenv("LIVEJOBS_RUNTIME", str(tmp_path))
    return tmp_path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_a_part_found_is_read_back(runtime):
    mark_ready("database", applied=3, detail="ü")

    assert read_mark(runtime, "database", "ready") == {"applied": 3, "detail": "ü"}
    assert read_mark(runtime, "database", "failed") is None
    assert read_mark(runtime, "web", "ready") is None


def test_why_a_part_cannot_start_is_a_mark_of_its_own(runtime):
    mark_failed("database", "There is no file tasks.py.")

    assert read_mark(runtime, "database", "failed") == {"sentence": "There is no file tasks.py."}
    assert read_mark(runtime, "database", "ready") is None


def test_a_mark_takes_its_place_in_one_step(runtime, monkeypatch):
    """Whoever looks before that finds the earlier one, never half of this one."""
    mark_ready("web", port=1)
    seen: list[object] = []
    replace = Path.replace

    def look_first(path: Path, target: Path) -> Path:
        seen.append(read_mark(runtime, "web", "ready"))
        assert path.parent == runtime  # of the same file system
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", look_first)
    mark_ready("web", port=2)

    assert seen == [{"port": 1}]
    assert read_mark(runtime, "web", "ready") == {"port": 2}
    assert names(runtime) == {"web.ready"}


def test_outside_a_supervisor_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIVEJOBS_RUNTIME", raising=False)

    mark_ready("maintenance")
    mark_failed("maintenance", "No.")

    assert names(tmp_path) == set()


def test_a_part_that_starts_again_begins_without_marks(runtime):
    mark_loaded("web")
    mark_ready("web")
    mark_failed("web", "No.")
    mark_ready("worker")

    remove_marks(runtime, "web")
    remove_marks(runtime, "web")  # there may be none

    assert names(runtime) == {"worker.ready"}


def test_the_supervisor_writes_marks_where_it_keeps_them(tmp_path):
    write_mark(tmp_path, "servers", "ready", {"n": 1})

    assert read_mark(tmp_path, "servers", "ready") == {"n": 1}
    assert names(tmp_path) == {"servers.ready"}


def test_what_is_no_record_is_no_mark(runtime):
    (runtime / "web.ready").write_text("[]")

    assert read_mark(runtime, "web", "ready") is None
