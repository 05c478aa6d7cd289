"""The command line: what each command is given, and that whatever goes wrong is one sentence and an exit code."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

import livejobs
from livejobs.health import report
from livejobs.maintenance import loop
from livejobs.server import assembly, cli, entry, extras, part, readiness
from livejobs.server.environment import default_workers
from livejobs.server.failures import StartError

VARIABLES = (
    "LIVEJOBS_HOST",
    "LIVEJOBS_PORT",
    "LIVEJOBS_DATA",
    "LIVEJOBS_WORKERS",
    "LIVEJOBS_STRICT",
    "LIVEJOBS_RELOAD",
    "DATABASE_URL",
    "REDIS_URL",
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch) -> Path:
    """An empty folder, and no variable that would speak for an option."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def ran(monkeypatch) -> list[dict[str, Any]]:
    """What a server would have been started with."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(assembly, "run", lambda **given: found.append(given))
    return found


@pytest.fixture
def steps(monkeypatch) -> Iterator[list[Any]]:
    """What `maintain` and `check` did, in order; no settings are touched."""
    level = logging.getLogger("livejobs").level
    found: list[Any] = []
    monkeypatch.setattr(entry, "set_up", lambda: found.append("set up"))
    monkeypatch.setattr(entry, "join", lambda data: found.append(("join", data)))
    monkeypatch.setattr(readiness, "mark_ready", lambda part: found.append(("ready", part)))
    for step in ("load_later", "load_jobs", "wait_for_servers"):
        monkeypatch.setattr(part, step, lambda *given, step=step: found.append((step, *given)))
    monkeypatch.setattr(loop, "run", lambda more: found.extend(["loop", *(duty.name for duty in more)]))
    yield found
    logging.getLogger("livejobs").setLevel(level)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


# ---------------------------------------------------------------- up


def test_up_has_a_default_for_everything(ran, here):
    (here / "tasks.py").touch()

    assert run("up") == 0
    assert ran == [
        {
            "tasks": str(here / "tasks.py"),
            "host": "127.0.0.1",
            "port": 8000,
            "data": here / ".livejobs",
            "workers": default_workers(),
            "strict": False,
            "reload": False,
        }
    ]


def test_up_takes_options(ran, here):
    assert (
        run(
            "up",
            "jobs/mine.py",
            "--host",
            "::1",
            "--port",
            "0",
            "--data",
            "~/jobs",
            "--workers",
            "3",
            "--strict",
            "--reload",
        )
        == 0
    )
    assert ran == [
        {
            "tasks": str(here / "jobs/mine.py"),
            "host": "::1",
            "port": 0,
            "data": Path("~/jobs").expanduser(),
            "workers": 3,
            "strict": True,
            "reload": True,
        }
    ]


def test_up_takes_variables(ran, here, monkeypatch):
    for name, value in {
        "HOST": "localhost",
        "PORT": "9000",
        "DATA": "kept",
        "WORKERS": "4",
        "STRICT": "1",
        "RELOAD": "1",
    }.items():
        monkeypatch.setenv(f"LIVEJOBS_{name}", value)

    assert run("up", "shop.jobs") == 0
    assert ran == [
        {
            "tasks": "shop.jobs",
            "host": "localhost",
            "port": 9000,
            "data": here / "kept",
            "workers": 4,
            "strict": True,
            "reload": True,
        },
    ]


def test_a_file_without_an_ending_is_a_file(ran, here):
    (here / "jobs").touch()

    assert run("up", "jobs") == 0
    assert ran[0]["tasks"] == str(here / "jobs")


def test_up_without_a_jobs_file(ran, capsys):
    assert run("up") == 1
    assert capsys.readouterr().err == "livejobs: Which jobs? There is no tasks.py here; say livejobs up FILE.\n"
    assert ran == []


def test_postgresql_without_its_driver(ran, monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_URL", "postgresql://here/jobs")
    monkeypatch.setattr(extras, "DRIVERS", ("no_driver_of_test_cli",))

    assert run("up", "tasks.py") == 1
    assert "pip install 'livejobs[postgresql]'" in capsys.readouterr().err
    assert ran == []


# ---------------------------------------------------------------- maintain and check


def test_maintain_says_that_it_is_ready_and_runs(steps):
    assert run("maintain") == 0
    assert steps == ["set up", ("ready", "maintenance"), "loop"]


def test_maintain_of_our_own_server_loads_the_jobs_and_waits_for_its_servers(steps, monkeypatch):
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    assert run("maintain") == 0
    assert steps == [
        ("load_later",),
        "set up",
        ("load_jobs", "maintenance"),
        ("wait_for_servers",),
        ("ready", "maintenance"),
        "loop",
        "sessions",
    ]


def test_maintain_leaves_a_mark_where_it_cannot_start(steps, monkeypatch, tmp_path, capsys):
    def fail(name: str) -> None:
        raise StartError("There is no file tasks.py.")

    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    monkeypatch.setenv("LIVEJOBS_RUNTIME", str(tmp_path))
    monkeypatch.setattr(part, "load_jobs", fail)

    assert run("maintain") == 1

    assert readiness.read_mark(tmp_path, "maintenance", "failed") == {"sentence": "There is no file tasks.py."}
    assert capsys.readouterr().err == "livejobs: There is no file tasks.py.\n"


@pytest.mark.django_db
def test_sessions_that_have_expired_are_deleted():
    for key, days in (("old", -1), ("new", 1)):
        Session.objects.create(session_key=key, session_data="", expire_date=timezone.now() + timedelta(days=days))
    cli._delete_expired_sessions()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]


@pytest.mark.parametrize(("command", "done"), [("maintain", 0), ("check", 1)])
def test_only_our_own_settings_take_the_database_from_a_variable(steps, monkeypatch, capsys, command, done):
    monkeypatch.setenv("DATABASE_URL", "postgresql://here/jobs")
    monkeypatch.setattr(extras, "DRIVERS", ("no_driver_of_test_cli",))
    monkeypatch.setattr(report, "checkup", lambda write, seconds: False)

    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    assert run(command) == done
    assert capsys.readouterr().err == ""

    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    assert run(command) == 1
    assert "livejobs[postgresql]" in capsys.readouterr().err


@pytest.mark.parametrize("well", [True, False])
def test_check_tells_by_its_exit_code(steps, monkeypatch, capsys, here, well: bool):
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)

    def checkup(write: Any, seconds: float) -> bool:
        write(f"within {seconds} s")
        return well

    monkeypatch.setattr(report, "checkup", checkup)

    assert run("check", "--timeout", "2.5") == (0 if well else 1)
    assert capsys.readouterr().out == "within 2.5 s\n"
    assert steps == [("join", here / ".livejobs"), "set up"]


def test_check_in_a_project_joins_no_server_unless_told(steps, monkeypatch, here):
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    monkeypatch.setattr(report, "checkup", lambda write, seconds: True)

    assert run("check") == 0
    assert run("check", "--data", "kept") == 0
    assert steps == ["set up", ("join", here / "kept"), "set up"]


# ---------------------------------------------------------------- the rest


def test_the_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"livejobs {livejobs.__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["up", "--nonsense"], ["up", "--port", "many"]])
def test_a_command_line_that_is_wrong(capsys, arguments):
    assert run(*arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("livejobs: ")
    assert told.endswith(".\n")
    assert told.count("\n") == 1


def test_no_command_at_all(capsys):
    assert run() == 2
    captured = capsys.readouterr()
    assert "Usage: livejobs" in captured.out + captured.err


def test_ctrl_c(monkeypatch):
    def interrupted(**given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(assembly, "run", interrupted)
    assert run("up", "tasks.py") == 130


def test_a_mistake_of_ours_is_told_whole(monkeypatch):
    def mistaken(**given: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(assembly, "run", mistaken)
    with pytest.raises(ZeroDivisionError):
        cli.main(["up", "tasks.py"])
