"""The data folder: one server at a time, one secret key."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from livejobs.server import data
from livejobs.server.data import DataFolder, secret_key
from livejobs.server.failures import StartError

HOLD = """
import sys
import time
from pathlib import Path
from livejobs.server.data import DataFolder
folder = DataFolder(Path(sys.argv[1]))
folder.take()
folder.sign("http://127.0.0.1:8000/")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    found = DataFolder(tmp_path / "deep" / "data")
    yield found
    if found.lock >= 0:
        os.close(found.lock)


@pytest.fixture
def holder(folder: DataFolder) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_folder_is_made_for_us_alone(folder):
    folder.take()
    folder.sign("http://127.0.0.1:8000/")

    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert (folder.path / "lock").stat().st_mode & 0o777 == 0o600
    assert (folder.path / "lock").read_text() == f"{os.getpid()} http://127.0.0.1:8000/\n"
    assert folder.subfolder("valkey").stat().st_mode & 0o777 == 0o700
    assert folder.subfolder("valkey") == folder.path / "valkey"


def test_the_second_is_told_who_was_first(folder, holder):
    with pytest.raises(StartError) as caught:
        folder.take()

    assert str(caught.value) == (
        f"The data folder {folder.path} is in use by another livejobs up"
        f" (process {holder.pid}, http://127.0.0.1:8000/); stop that one, or give this one its own with --data."
    )


def test_a_server_is_found_by_what_it_signed(folder, holder):
    found = data.running(folder.path)

    assert found == data.Running(holder.pid, "http://127.0.0.1:8000/", "", ())
    holder.kill()
    holder.wait()
    assert data.running(folder.path) is None
    assert data.running(folder.path / "nowhere") is None


def test_what_it_signs_is_where_others_find_its_servers(folder):
    folder.take()
    assert data.running(folder.path) is None  # not signed yet

    folder.sign("http://[::1]:8000/", valkey="/run/a b/valkey.sock", outside=["DATABASE_URL"])

    assert data.running(folder.path) == data.Running(
        os.getpid(), "http://[::1]:8000/", "/run/a b/valkey.sock", ("DATABASE_URL",)
    )
    assert (folder.path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_lock_that_nobody_holds_is_no_server(folder):
    folder.path.mkdir(parents=True)
    (folder.path / "lock").write_text(f"{os.getpid()} http://127.0.0.1:8000/\n")

    assert data.running(folder.path) is None


def test_a_data_folder_of_somebody_else(folder, monkeypatch):
    def refuse(*args: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StartError, match="cannot be read: Permission denied"):
        data.running(folder.path)


def test_the_lock_goes_with_its_process(folder, holder):
    holder.kill()
    holder.wait()

    folder.take()

    assert (folder.path / "lock").read_text() == ""  # until it is signed


def test_what_a_killed_one_left_behind_is_waited_for_a_moment(folder, holder, monkeypatch):
    """Its guard may hold the lock a little longer."""
    (folder.path / "lock").write_text(f"{2**22 + 1} http://127.0.0.1:8000/\n")  # a process that is no more
    waited: list[float] = []

    def end_the_guard(seconds: float) -> None:
        waited.append(seconds)
        holder.kill()
        holder.wait()

    monkeypatch.setattr(time, "sleep", end_the_guard)
    folder.take()

    assert len(waited) == 1


def test_but_not_for_ever(folder, holder, monkeypatch):
    (folder.path / "lock").write_text("garbage")
    monkeypatch.setattr(data, "LOCK_PATIENCE", 0.0)

    with pytest.raises(StartError, match=r"in use by another livejobs up \(another process\)"):
        folder.take()


def test_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "data").write_text("")

    with pytest.raises(StartError, match=r"^The data folder .+/data is not a folder\.$"):
        DataFolder(tmp_path / "data").take()
    with pytest.raises(StartError, match=r"^The data folder .+ cannot be written: Not a directory\.$"):
        DataFolder(tmp_path / "data" / "deeper").take()


def test_a_folder_that_cannot_be_written_is_refused(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *args: False)  # root may write everywhere

    with pytest.raises(StartError, match=r"cannot be written: Permission denied\.$"):
        folder.take()


def test_a_file_in_the_place_of_a_subfolder_is_refused(folder):
    folder.take()
    (folder.path / "valkey").write_text("")

    with pytest.raises(StartError, match=r"^The folder .+/valkey cannot be written: File exists\.$"):
        folder.subfolder("valkey")


def modes(folder: Path) -> dict[str, int]:
    return {each.name: each.lstat().st_mode & 0o777 for each in folder.iterdir()}


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o700])
def test_a_folder_that_holds_what_is_ours_is_closed_to_others(tmp_path, mode):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("livejobs.sqlite3", "livejobs.sqlite3-wal", "secret_key"):
        (folder / name).write_text("ours")
    (folder / "valkey").mkdir()
    folder.chmod(mode)
    DataFolder(folder).take()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert set(modes(folder).values()) == {0o600, 0o700}


def test_in_a_folder_with_other_things_what_is_ours_is_closed_and_nothing_else_touched(tmp_path):
    """`--data .` in a project's own folder."""
    for name in ("secret_key", "script.sh", "livejobs.sqlite3-wal"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o755)
    (tmp_path / "valkey").mkdir(mode=0o755)
    (tmp_path / "secret_key.bak").symlink_to(tmp_path / "script.sh")
    tmp_path.chmod(0o755)

    DataFolder(tmp_path).take()

    assert tmp_path.stat().st_mode & 0o777 == 0o755
    found = modes(tmp_path)
    assert (found.pop("script.sh"), found.pop("secret_key.bak")) == (0o755, 0o777)
    assert found == {
        "secret_key": 0o700, "livejobs.sqlite3-wal": 0o700, "valkey": 0o700, "lock": 0o600,
    }  # fmt: skip


def test_what_is_removed_meanwhile_is_no_trouble(tmp_path, monkeypatch):
    (tmp_path / "other").touch()
    (tmp_path / "livejobs.sqlite3-wal").touch(0o644)
    chmod = Path.chmod

    def removed(self: Path, mode: int) -> None:
        if self.name.endswith("-wal"):
            raise FileNotFoundError
        chmod(self, mode)

    monkeypatch.setattr(Path, "chmod", removed)
    DataFolder(tmp_path).take()


def test_what_another_user_left_there_is_named(tmp_path, monkeypatch):
    (tmp_path / "secret_key").touch(0o644)
    (tmp_path / "other").touch()

    def refused(_self: Path, _mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refused)
    with pytest.raises(StartError, match=r"secret_key cannot be kept from others: Operation not permitted\.$"):
        DataFolder(tmp_path).take()


def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(StartError, match=r"^The data folder .* belongs to another user \(uid \d+; you are \d+\); give"):
        DataFolder(tmp_path).take()
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- the secret key


def test_a_key_is_made_once_and_kept(tmp_path):
    key = secret_key(tmp_path / "data")

    assert len(key) >= 50
    assert secret_key(tmp_path / "data") == key
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret_key"]
    assert secret_key(tmp_path / "other") != key


def test_processes_that_start_together_read_one_key(tmp_path):
    read = (
        "import sys; from pathlib import Path; from livejobs.server.data import secret_key;"
        "print(secret_key(Path(sys.argv[1])))"
    )

    with ThreadPoolExecutor(4) as pool:
        keys = list(pool.map(
            lambda _: subprocess.check_output([sys.executable, "-c", read, str(tmp_path / "data")], text=True), range(4)
        ))  # fmt: skip

    assert len(set(keys)) == 1


def test_a_key_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "secret_key").write_text("\n")
    with pytest.raises(StartError, match=r"is empty; remove the file and a new one is made\.$"):
        secret_key(tmp_path)

    (tmp_path / "secret_key").unlink()
    (tmp_path / "secret_key").mkdir()
    with pytest.raises(StartError, match=r"cannot be read or written: Is a directory\.$"):
        secret_key(tmp_path)


def test_a_full_disk_leaves_no_half_of_a_key(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(StartError, match="No space left on device"):
        secret_key(tmp_path)
    assert list(tmp_path.iterdir()) == []
