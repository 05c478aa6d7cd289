"""The examples, called as what they are: plain functions."""

from __future__ import annotations

import ast
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livejobs import LiveJob
from livejobs.definition import Attempt, running
from livejobs.definition.results import MAX_RESULT_BYTES
from livejobs.errors import InvalidError, JobStopped
from livejobs.server.loader import load
from livejobs.states import StopReason

FILE = Path(__file__).parent.parent.parent / "examples/tasks.py"
Jobs = dict[str, LiveJob[..., Any]]


@pytest.fixture
def examples(jobs, imports) -> Jobs:
    return {job.name: job for job in load(str(FILE))}


@pytest.fixture
def attempt() -> Iterator[Attempt]:
    """An attempt that the functions run in."""
    found = Attempt(1, 1, "example")
    with running(found):
        yield found


def said(attempt: Attempt, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a job's log would have: its own lines, and what it printed (which the worker captures)."""
    return [text for _, _, text in attempt.lines] + capsys.readouterr().out.splitlines()


def test_there_are_four_each_with_title_and_help(examples):
    assert {name: job.title for name, job in examples.items()} == {
        "sec3": "3 sec task", "count_words": "Count words", "hash_tree": "Hash a folder", "fail": "Fail half way",
    }  # fmt: skip
    assert all(job.doc.endswith(".") for job in examples.values())


def test_they_need_nothing_that_a_newcomer_has_not_got():
    imported = set()
    for node in ast.walk(ast.parse(FILE.read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])

    assert imported - sys.stdlib_module_names == {
        "livejobs",
        "pydantic",
    }  # for Field(), as in the docs


def test_sec3_sleeps_three_seconds(examples, monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)

    assert examples["sec3"]() is None
    assert slept == [3]
    assert examples["sec3"].required == ()


# ---------------------------------------------------------------- count_words


def test_count_words_counts(examples):
    text = "So it goes. So, “it” goes -- and so on; it’s 1984!\nDon't café cafe\u0301"

    assert examples["count_words"](text, top=4) == [
        {"word": "so", "count": 3, "percent": 21.43},
        {"word": "café", "count": 2, "percent": 14.29},
        {"word": "goes", "count": 2, "percent": 14.29},
        {"word": "it", "count": 2, "percent": 14.29},
    ]
    words = {row["word"] for row in examples["count_words"](text)}
    assert words == {"so", "café", "goes", "it", "and", "on", "it’s", "1984", "don't"}


def test_count_words_counts_a_whole_book(examples, attempt, capsys):
    book = "It was the best of times,\nit was the worst of times. " * 4_000
    assert len(book) > 200_000

    rows = examples["count_words"](**examples["count_words"].arguments({"text": book, "top": "3"}))

    assert [(row["word"], row["count"]) for row in rows] == [("it", 8_000), ("of", 8_000), ("the", 8_000)]
    assert attempt.current == attempt.total
    assert said(attempt, capsys) == ["48,000 words, 7 different ones, 212,000 characters"]


@pytest.mark.parametrize("text", ["...", " \n ", "—"])
def test_a_text_without_words_has_none(examples, text):
    assert examples["count_words"](text) == []


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({}, {"text": "Required."}),
        ({"text": ""}, {"text": "Must not be empty."}),
        ({"text": "a", "top": 0}, {"top": "Must be 1 or more."}),
        ({"text": "a", "top": "1001"}, {"top": "Must be 1000 or less."}),
    ],
)
def test_count_words_asks_for_what_it_needs(examples, params, fields):
    with pytest.raises(InvalidError) as caught:
        examples["count_words"].validate(params)
    assert caught.value.fields == fields
    assert examples["count_words"].schema["properties"]["text"]["format"] == "textarea"


# ---------------------------------------------------------------- hash_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with files, a loop of links, a pipe, and a name that is no UTF-8."""
    (tmp_path / "deep/deeper").mkdir(parents=True)
    (tmp_path / "b.txt").write_bytes(b"b")
    (tmp_path / "a.txt").write_bytes(b"")
    (tmp_path / "deep/c").write_bytes(b"c" * 3_000_000)
    (tmp_path / "deep/loop").symlink_to(tmp_path)
    (tmp_path / "deep/deeper/link").symlink_to(tmp_path / "b.txt")
    (tmp_path / "deep/dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    with open(os.path.join(os.fsencode(tmp_path), b"\xff.bin"), "wb") as file:
        file.write(b"x")
    return tmp_path


def test_hash_tree_hashes_every_file(examples, tree, attempt, capsys):
    job = examples["hash_tree"]

    rows = job.dump_result(job(str(tree)))

    assert rows == [
        {"file": "a.txt", "bytes": 0, "sha256": hashlib.sha256().hexdigest()},
        {"file": "b.txt", "bytes": 1, "sha256": hashlib.sha256(b"b").hexdigest()},
        {"file": "\ufffd.bin", "bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()},
        {"file": "deep/c", "bytes": 3_000_000, "sha256": hashlib.sha256(b"c" * 3_000_000).hexdigest()},
    ]
    assert (attempt.current, attempt.total, attempt.message) == (4, 4, "3,000,002 bytes")
    assert said(attempt, capsys) == [f"Looking for files in {tree}", "Found 4 files", "4 files, 3,000,002 bytes"]


def test_hash_tree_shows_the_name_of_the_file_it_is_at(examples, tree, attempt, monkeypatch):
    seen: list[Any] = []
    module = sys.modules[examples["hash_tree"].func.__module__]

    def hash_file(path: Path, algorithm: str) -> tuple[int, None]:
        seen.append(attempt.message)
        return 0, None

    monkeypatch.setattr(module, "hash_file", hash_file)

    examples["hash_tree"](str(tree))

    assert seen[:2] == ["a.txt", "b.txt"]
    assert seen[3] == "deep/c"


def test_hash_tree_stops_inside_a_huge_file(examples, tree, attempt):
    attempt.stop_reason = StopReason.CANCEL
    module = sys.modules[examples["hash_tree"].func.__module__]

    with pytest.raises(JobStopped):
        module.hash_file(tree / "deep/c", "md5")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "blake2b", "md5"])
def test_hash_tree_knows_several_digests(examples, tmp_path, algorithm):
    (tmp_path / "a").write_bytes(b"a")

    (row,) = examples["hash_tree"](str(tmp_path), algorithm)

    assert row[algorithm] == hashlib.new(algorithm, b"a").hexdigest()


def test_hash_tree_goes_on_past_what_it_cannot_read(examples, tree, attempt, monkeypatch):
    real = Path.open

    def locked(self: Path, *args: Any) -> Any:
        if self.name == "b.txt":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *args)

    monkeypatch.setattr(Path, "open", locked)  # root may read everything
    rows = examples["hash_tree"](str(tree))

    assert rows[1] == {"file": "b.txt", "bytes": 0, "sha256": None}
    assert [(level, text) for _, level, text in attempt.lines] == [
        ("warning", f"Cannot read {tree / 'b.txt'}: Permission denied")
    ]


def test_hash_tree_keeps_the_digests_that_fit(examples, tmp_path, attempt, monkeypatch):
    for number in range(9):
        (tmp_path / f"{number}é").write_text("")
    job = examples["hash_tree"]
    monkeypatch.setattr(sys.modules[job.func.__module__], "RESULT_BYTES", 500)

    rows = job(str(tmp_path))

    assert len(rows) == 4
    assert job.dump_result(rows, max_bytes=502) == rows
    assert [text for _, _, text in attempt.lines] == ["Only the first 4 digests fit into the result"]


def test_the_room_for_digests_is_within_the_limit_of_a_result(examples):
    assert sys.modules[examples["hash_tree"].func.__module__].RESULT_BYTES < MAX_RESULT_BYTES


@pytest.mark.parametrize(
    ("folder", "error", "message"),
    [
        ("nowhere", FileNotFoundError, "There is no folder {here}/nowhere"),
        ("a.txt", NotADirectoryError, "{here}/a.txt is not a folder"),
        ("nul\udcff", FileNotFoundError, "There is no folder"),
    ],
)
def test_hash_tree_says_plainly_that_a_folder_is_not_there(examples, tree, monkeypatch, folder, error, message):
    monkeypatch.chdir(tree)

    with pytest.raises(error) as caught:
        examples["hash_tree"](folder)
    assert str(caught.value).startswith(message.format(here=tree))


def test_hash_tree_says_plainly_that_a_folder_may_not_be_read(examples, tree, monkeypatch):
    def locked(path: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(PermissionError, match=r"^The folder .+ cannot be read: Permission denied$"):
        examples["hash_tree"](str(tree))


def test_hash_tree_takes_a_folder_as_people_write_it(examples, tree, monkeypatch):
    monkeypatch.setenv("HOME", str(tree))

    assert len(examples["hash_tree"](" ~/deep ")) == 1


# ---------------------------------------------------------------- fail


def test_fail_fails_half_way(examples, attempt, monkeypatch, capsys):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    with pytest.raises(ValueError, match=r"^bad row 7$"):
        examples["fail"]()
    assert (attempt.current, attempt.total) == (6, 14)
    assert said(attempt, capsys) == ["Row 7 has no date", *(f"Reading row {row}" for row in range(1, 8))]
