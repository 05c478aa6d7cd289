"""Where a command that is run beside a server finds its settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from livejobs.health import report
from livejobs.server import cli, entry
from livejobs.server.data import DataFolder
from livejobs.server.environment import SETTINGS_MODULE
from livejobs.server.failures import StartError

BOTH = {"REDIS_URL": "redis://here", "DATABASE_URL": "postgresql://here/jobs"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    """A data folder that a server, this process, holds."""
    found = DataFolder(tmp_path / "data")
    found.take()
    yield found
    os.close(found.lock)


def test_a_server_with_servers_of_its_own(folder):
    folder.sign("http://127.0.0.1:8000/", valkey="/run/lj/valkey.sock")
    variables = {**BOTH, "LIVEJOBS_RUNTIME": "/run/other", "LIVEJOBS_TASKS": "tasks.py", "HOME": "/"}

    entry.join(folder.path, variables)

    assert variables == {
        "HOME": "/",
        "LIVEJOBS_VALKEY_SOCKET": "/run/lj/valkey.sock",
        "LIVEJOBS_DATA": str(folder.path),
        "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
    }


def test_a_server_with_servers_outside(folder):
    folder.sign("http://127.0.0.1:8000/", outside=list(BOTH))
    variables = dict(BOTH)
    entry.join(folder.path, variables)
    assert BOTH.items() <= variables.items()

    with pytest.raises(StartError) as caught:
        entry.join(folder.path, {"REDIS_URL": "redis://here"})
    assert str(caught.value) == f"The server on {folder.path} was started with DATABASE_URL; set it here too."


def test_no_server_here_but_servers_outside(tmp_path):
    variables = dict(BOTH)

    entry.join(tmp_path / "data", variables)

    assert variables == {**BOTH, "LIVEJOBS_DATA": str(tmp_path / "data"), "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE}


def test_no_server_anywhere(tmp_path):
    with pytest.raises(StartError) as caught:
        entry.join(tmp_path / "data", {"REDIS_URL": "redis://here"})
    assert str(caught.value).startswith(f"No livejobs up runs on {tmp_path}/data; ")


@pytest.mark.parametrize(("name", "host"), [("shop.settings", True), (SETTINGS_MODULE, False), ("", False)])
def test_a_host_is_one_with_settings_of_its_own(name, host):
    assert entry.has_host({"DJANGO_SETTINGS_MODULE": name}) is host
    assert not entry.has_host({})


def test_a_hosts_modules_are_found_in_the_current_folder(tmp_path, monkeypatch, imports):
    (tmp_path / "shop_of_test_entry.py").write_text("import nowhere_of_test_entry\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop_of_test_entry")

    with pytest.raises(ModuleNotFoundError, match="nowhere_of_test_entry"):  # the project's own mistake: all of it
        entry.set_up()


def test_the_default_time_of_the_canary_is_one():
    assert cli.CHECK_SECONDS == report.SECONDS
