"""`livejobs check` beside a real `livejobs up`, and the health addresses of that server."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server_process import COMMAND, Server, environment, get
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(180)
PARTS = ["settings", "database", "migrations", "workers", "maintenance", "broker", "channel_layer"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that each test leaves as it was."""
    folder = tmp_path_factory.mktemp("checked")
    (folder / "tasks.py").write_text("from livejobs import live_job\n\n\n@live_job\ndef nothing() -> None: ...\n")
    found = Server(folder)
    found.start()
    yield found
    found.stop()
    assert "Traceback" not in found.log


def check(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """What a second terminal gets."""
    return subprocess.run(
        [*COMMAND, "check", *arguments], cwd=folder, env=environment(extra), capture_output=True, text=True, timeout=60
    )


def statuses(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert "Traceback" not in done.stderr
    return {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}


def test_all_is_well_and_nothing_is_left_behind(server):
    done = check(server.folder, "--data", "data")

    assert done.returncode == 0, done.stdout + done.stderr
    assert statuses(done) == dict.fromkeys([*PARTS, "canary"], "ok")
    assert re.search(r"It ran and finished within \d+\.\d\d s, after \d+\.\d\d s in the queue livejobs\.", done.stdout)
    assert done.stderr == ""
    with sqlite3.connect(server.data / "livejobs.sqlite3") as database:
        for table in ("job", "jobevent", "joblog"):
            assert database.execute(f"SELECT count(*) FROM livejobs_{table}").fetchone() == (0,)
    database.close()


def test_servers_of_another_terminal_are_not_asked(server):
    """The server uses its own; what this terminal has set means some other project."""
    elsewhere = {"REDIS_URL": "redis://:secret@127.0.0.1:1", "DATABASE_URL": "postgresql://ada:secret@127.0.0.1:1/jobs"}
    done = check(server.folder, LIVEJOBS_DATA=str(server.data), **elsewhere)

    assert done.returncode == 0, done.stdout + done.stderr


def test_workers_that_do_not_answer(server):
    worker = server.part("worker")
    os.killpg(worker, signal.SIGSTOP)
    try:
        done = check(server.folder, "--data", "data", "--timeout", "0.5")
    finally:
        os.killpg(worker, signal.SIGCONT)

    assert done.returncode == 1
    assert statuses(done) == {**dict.fromkeys(PARTS, "ok"), "canary": "down"}
    assert "canary         down      Still queued after 0.5 s: the workers of the queue livejobs" in done.stdout
    wait_for(lambda: check(server.folder, "--data", "data").returncode == 0, 60, "the workers' return")


def test_no_server_runs_there(tmp_path):
    done = check(tmp_path, "--data", "nowhere")

    assert done.returncode == 1
    assert (
        done.stderr
        == f"livejobs: No livejobs up runs on {tmp_path}/nowhere; start one, or name its folder with --data.\n"
    )
    assert not list(tmp_path.iterdir())


def test_settings_that_are_not_there(tmp_path):
    for command in ("check", "maintain"):
        done = subprocess.run(
            [*COMMAND, command], cwd=tmp_path, env=environment({"DJANGO_SETTINGS_MODULE": "shop.settings"}),
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 1
        assert done.stderr == (
            "livejobs: DJANGO_SETTINGS_MODULE is shop.settings, and there is no module shop here;"
            " go to the project's folder.\n"
        )


def test_health_is_at_the_root(server):
    alive, ready = get(f"{server.url}livez"), get(f"{server.url}readyz")

    assert (alive.status, alive.text) == (200, "ok")
    assert ready.status == 200
    assert json.loads(ready.text)["status"] == "ready"
    assert {part["status"] for part in json.loads(ready.text)["checks"].values()} == {"ok"}
    assert ready.headers["Set-Cookie"] is None


def test_valkey_hangs_and_the_answer_comes_in_time(server):
    valkey = server.part("valkey")
    os.kill(valkey, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        ready = get(f"{server.url}readyz")
        took = time.monotonic() - begun
        assert get(f"{server.url}livez").status == 200
    finally:
        os.kill(valkey, signal.SIGCONT)

    assert took < 3
    assert ready.status == 200
    told = json.loads(ready.text)
    assert told["status"] == "degraded"
    assert [name for name, part in told["checks"].items() if part["status"] == "down"] == ["broker", "channel_layer"]
    assert "valkey.sock" not in ready.text
    wait_for(lambda: '"status": "ready"' in get(f"{server.url}readyz").text, 30, "all to be well again")
