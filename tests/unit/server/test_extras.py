"""What the command needs beyond the app, and the sentence that says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

from livejobs.server import cli, extras
from livejobs.server.failures import StartError


@pytest.fixture
def without(monkeypatch):
    """Let these modules be missing."""

    def remove(*names: str) -> None:
        monkeypatch.setattr(extras, "find_spec", lambda name: None if name in names else object())

    return remove


def said(command: str) -> str:
    with pytest.raises(StartError) as caught:
        extras.require_server(command)
    return caught.value.message


def test_nothing_is_missing_here():
    for command in ("up", "check", "maintain", ""):
        extras.require_server(command)
    extras.require_driver("postgresql://here/jobs")


@pytest.mark.parametrize("missing", extras.SERVER)
def test_up_needs_the_whole_server(without, missing):
    without(missing)

    assert said("up") == "livejobs up needs more than the app: pip install 'livejobs[server]'"


def test_the_other_commands_need_the_command_line_only(without):
    without("uvicorn", "servestatic", "websockets")
    for command in ("check", "maintain", ""):
        extras.require_server(command)

    without("typer")
    assert said("check") == (
        "livejobs check needs more than the app: pip install 'livejobs[server]';"
        " in a Django project manage.py livejobs_check does it without"
    )
    assert "manage.py livejobs_maintain" in said("maintain")
    assert said("") == "livejobs needs more than the app: pip install 'livejobs[server]'"


@pytest.mark.parametrize("url", ["postgresql://here/jobs", "postgres://here/jobs"])
def test_postgresql_needs_a_driver(without, url):
    without("psycopg")  # the other one will do
    extras.require_driver(url)

    without(*extras.DRIVERS)
    with pytest.raises(StartError) as caught:
        extras.require_driver(url)
    assert caught.value.message == (
        "PostgreSQL (DATABASE_URL) needs more than the app: pip install 'livejobs[postgresql]'"
    )


@pytest.mark.parametrize("url", ["", "sqlite:///jobs.sqlite3", "mysql://here/jobs"])
def test_no_other_database_needs_one(without, url):
    without(*extras.DRIVERS)

    extras.require_driver(url)


def test_the_console_script_hands_over(monkeypatch):
    called = []
    monkeypatch.setattr(sys, "argv", ["livejobs", "up"])
    monkeypatch.setattr(cli, "main", lambda: called.append("main"))

    extras.main()

    assert called == ["main"]


def test_the_console_script_says_what_is_missing(without, monkeypatch, capsys):
    without("typer")
    monkeypatch.setattr(sys, "argv", ["livejobs", "--verbose", "maintain", "up"])

    with pytest.raises(SystemExit) as ended:
        extras.main()

    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("livejobs: livejobs maintain needs more than the app: ")


def test_a_folder_that_was_deleted_is_said_in_one_sentence(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = "import os, sys; from livejobs.server import extras; os.rmdir(os.getcwd()); extras.main()"
    done = subprocess.run([sys.executable, "-P", "-c", script], cwd=gone, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "livejobs: The folder you are in does not exist any more; go to another one (cd).\n"


def test_ctrl_c_while_it_is_loaded_is_no_traceback(monkeypatch):
    def interrupted(_command: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(extras, "require_server", interrupted)
    with pytest.raises(SystemExit) as ended:
        extras.main()
    assert ended.value.code == 130
