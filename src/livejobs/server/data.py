"""The data folder: one server at a time, one secret key."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from livejobs.server.failures import StartError

DATABASE: Final = "livejobs.sqlite3"
OURS: Final = (f"{DATABASE}*", "secret_key*", "lock", "valkey", "valkey.broken", ".runtime-*")
LOCK_PATIENCE: Final = 5.0  # seconds: how long a killed server's guard may take to clear away what it left


@dataclass(frozen=True, slots=True)
class Running:
    """What a server says of itself in the lock file; see `DataFolder.sign`."""

    pid: int
    url: str
    valkey: str
    outside: tuple[str, ...]


class DataFolder:
    """A data folder held by this process until it ends.

    The lock belongs to an open file, so it goes with the process however that dies. The guard holds it too: a new
    server must not open files that a killed one's Valkey still writes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock: int = -1

    def take(self) -> None:
        """Create the folder if need be and lock it.

        :raises StartError: it cannot be written, or another server holds it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._check_owner()
            self.lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise StartError(f"The data folder {self.path} is not a folder.") from None
        except OSError as error:
            raise StartError(f"The data folder {self.path} cannot be written: {error.strerror}.") from None
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise StartError(f"The data folder {self.path} cannot be written: Permission denied.")
        self._wait_for_lock()
        self._close_to_others()

    def _check_owner(self) -> None:
        """Refuse a folder of somebody else, who could read it and open it again."""
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            raise StartError(
                f"The data folder {self.path} belongs to another user (uid {owner}; you are {os.geteuid()}); give it to"
                " this one (chown), or name another with --data."
            )

    def _close_to_others(self) -> None:
        """Let nobody else read what is ours: sessions, params and logs, and the key, with which one is everybody.

        Our files, and the folder itself where nothing else is in it (`--data .` is a project's).
        """
        found = list(self.path.iterdir())
        ours = [each for each in found if any(fnmatch(each.name, name) for name in OURS)]
        for each in (*ours, *([self.path] if len(ours) == len(found) else [])):
            self._narrow(each)

    def _narrow(self, path: Path) -> None:
        """Take the rights of others from a file or folder.

        :raises StartError: it is another user's.
        """
        try:
            mode = path.lstat().st_mode
            if mode & 0o077 and not stat.S_ISLNK(mode):
                path.chmod(mode & 0o700)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StartError(f"{path} cannot be kept from others: {error.strerror}.") from None

    def _wait_for_lock(self) -> None:
        deadline = time.monotonic() + LOCK_PATIENCE
        while not self._try_lock():
            pid, url = self._holder()
            # a holder that lives will not let go; one that was killed is being cleared away by its guard
            if _alive(pid) or time.monotonic() > deadline:
                who = f"process {pid}, {url}" if url else "another process"
                raise StartError(
                    f"The data folder {self.path} is in use by another livejobs up ({who}); "
                    "stop that one, or give this one its own with --data."
                )
            time.sleep(0.05)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        os.ftruncate(self.lock, 0)
        return True

    def _holder(self) -> tuple[int, str]:
        found = _signed(self.lock)
        return (found.pid, found.url) if found else (0, "")

    def sign(self, url: str, *, valkey: str = "", outside: Sequence[str] = ()) -> None:
        """Write into the lock file who holds it: for the message a second start gives, and for `livejobs check`.

        :param valkey: the socket of the embedded Valkey.
        :param outside: the environment variables that name servers outside; never what they hold.
        """
        lines = [f"{os.getpid()} {url}", *(f"uses {name}" for name in outside)]
        if valkey:
            lines.append(f"valkey {valkey}")
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, "".join(f"{line}\n" for line in lines).encode(), 0)

    def subfolder(self, name: str) -> Path:
        """Return a folder inside, created if need be."""
        folder = self.path / name
        try:
            folder.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise StartError(f"The folder {folder} cannot be written: {error.strerror}.") from None
        return folder


def running(path: Path) -> Running | None:
    """Return the server that runs on a data folder, or None; it is not disturbed.

    :raises StartError: the folder is somebody else's.
    """
    try:
        lock = os.open(path / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StartError(f"The data folder {path} cannot be read: {error.strerror}.") from None
    try:
        found = _signed(lock)
        return found if found and _alive(found.pid) and _is_held(lock) else None
    finally:
        os.close(lock)


def _is_held(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _signed(lock: int) -> Running | None:
    first, *rest = os.pread(lock, 4000, 0).decode(errors="replace").splitlines() or [""]
    pid, _, url = first.partition(" ")
    if not pid.isdigit() or not url:
        return None
    said = [line.partition(" ") for line in rest]
    valkey = next((value for word, _, value in said if word == "valkey"), "")
    return Running(int(pid), url, valkey, tuple(value for word, _, value in said if word == "uses"))


def secret_key(data: Path) -> str:
    """Return the secret key of a data folder; the first one to ask makes it.

    :raises StartError: it cannot be read or written.
    """
    path = data / "secret_key"
    try:
        if not path.exists():
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
            aside = data / f"secret_key.{os.getpid()}"
            try:
                descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    file.write(secrets.token_urlsafe(50))
                # link, not rename: of two processes that start together one wins and both read the same key
                with suppress(FileExistsError):
                    path.hardlink_to(aside)
            finally:
                aside.unlink(missing_ok=True)
        key = path.read_text().strip()
    except OSError as error:
        raise StartError(f"The secret key {path} cannot be read or written: {error.strerror}.") from None
    if not key:
        raise StartError(f"The secret key {path} is empty; remove the file and a new one is made.")
    return key


def _alive(pid: int) -> bool:
    if not pid:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
