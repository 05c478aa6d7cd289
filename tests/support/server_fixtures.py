"""What a supervisor and its guard are given: `pytest_plugins = ("tests.support.server_fixtures",)` asks for them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    folder = tmp_path / "runtime"
    folder.mkdir()
    return folder


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    """The descriptor of a file that is locked; a test may close it."""
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield descriptor
    with contextlib.suppress(OSError):
        os.close(descriptor)
