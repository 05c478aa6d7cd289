"""The files of the jobs, against what was loaded: a change counts once, and when it has settled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livejobs.server.watched_files import WatchedFiles, versions


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.py"
    path.write_text("x = 1")
    return path


@pytest.fixture
def watched(file) -> WatchedFiles:
    """What a web part and a worker have loaded, seen once."""
    found = WatchedFiles()
    for part in ("web", "worker"):
        found.loaded(part, versions([str(file)]))
    assert found.changed() == []
    return found


def save(path: Path, text: str, at: int) -> None:
    path.write_text(text)
    os.utime(path, ns=(at, at))


def test_a_file_as_it_was_loaded_has_not_changed(watched, file):
    assert watched.files == [str(file)]
    assert [watched.changed() for _ in range(3)] == [[], [], []]


def test_a_change_is_told_once_it_has_settled_and_only_once(watched, file):
    save(file, "x = ", 1)
    assert watched.changed() == []
    save(file, "x = 2", 2)
    assert watched.changed() == []
    assert watched.changed() == [str(file)]
    assert watched.changed() == []

    save(file, "x = 3", 3)
    assert watched.changed() == []
    assert watched.changed() == [str(file)]


def test_one_that_is_gone_has_changed_and_one_put_in_its_place(watched, file):
    file.unlink()
    assert [watched.changed(), watched.changed()] == [[], [str(file)]]

    file.with_name("other").write_text("x = 1")
    file.with_name("other").replace(file)
    assert [watched.changed(), watched.changed()] == [[], [str(file)]]


def test_what_was_loaded_anew_has_not_changed(watched, file):
    save(file, "x = 2", 2)
    watched.changed()
    watched.changed()
    for part in ("web", "worker"):
        watched.loaded(part, versions([str(file)]))
    assert [watched.changed(), watched.changed()] == [[], []]


def test_where_one_part_has_an_older_one_it_has_changed(watched, file):
    save(file, "x = 2", 2)
    watched.loaded("web", versions([str(file)]))
    assert [watched.changed(), watched.changed()] == [[], [str(file)]]


def test_nothing_was_loaded():
    assert WatchedFiles().changed() == WatchedFiles().files == []
