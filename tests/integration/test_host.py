"""A project of one's own: the app under a prefix, any ASGI server, a plain Celery worker, `livejobs maintain`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from livejobs.models import Job
from tests.support.servers import free_port
from tests.support.waiting import wait_for
from tests.support.workers import Worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]


def process(log: Path, *command: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONWARNINGS": "ignore"}
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *command], env=environment, stdout=output, stderr=output, start_new_session=True
        )


@pytest.fixture
def host(db: None, tmp_path: Path) -> Iterator[str]:
    """The address of a host project with all of its processes."""
    log, port = tmp_path / "host.log", free_port()
    worker = Worker(log)
    worker.start()
    processes = [
        process(log, "uvicorn", "tests.asgi:application", "--port", str(port), "--timeout-graceful-shutdown", "2"),
        process(log, "livejobs.server.cli", "maintain"),
    ]
    wait_for(lambda: "Uvicorn running" in log.read_text(), 30, f"uvicorn ({log})")
    yield f"127.0.0.1:{port}"
    for each in processes:
        each.terminate()
    for each in processes:
        each.wait(15)
    worker.stop()
    assert "Traceback" not in log.read_text(), log.read_text()


def answer(socket: ClientConnection, action: str) -> dict[str, Any]:
    """The next message of that action; others pass."""
    while True:
        message = json.loads(socket.recv(timeout=20))
        for each in message["messages"] if message["action"] == "batch" else [message]:
            if each["action"] == action:
                return dict(each)


def test_a_job_is_started_and_followed_under_a_prefix(host: str) -> None:
    with urllib.request.urlopen(f"http://{host}/jobs/", timeout=20) as page:
        html, cookie = page.read().decode(), page.headers["Set-Cookie"].split(";")[0]
    found = re.search(r'name="livejobs-socket" content="([^"]+)"', html)
    assert found
    assert found[1] == "/jobs/socket/"

    headers = {"Cookie": cookie, "Origin": f"http://{host}"}
    with connect(f"ws://{host}{found[1]}", subprotocols=["livejobs.v1"], additional_headers=headers) as socket:  # type: ignore[list-item]
        assert {task["name"] for task in answer(socket, "hello")["tasks"]} == {"tests.jobs.at_once", "tests.jobs.add"}
        socket.send(json.dumps({"action": "start", "ref": 1, "task": "tests.jobs.add", "params": {"a": 2}}))
        job = answer(socket, "ack")["job"]
        socket.send(json.dumps({"action": "watch", "id": "page", "job_id": job["id"]}))
        last = answer(socket, "snapshot")["job"]
        while last["state"] != "succeeded":
            last = answer(socket, "job")["job"]
    assert last["result"] == 3

    request = urllib.request.Request(f"http://{host}/jobs/jobs/{job['id']}/", headers={"Cookie": cookie})
    with urllib.request.urlopen(request, timeout=20) as page:
        assert "Completed" in page.read().decode()


def test_the_commands_of_a_host(host: str) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONWARNINGS": "ignore"}
    for command in (["django", "livejobs_check"], ["livejobs.server.cli", "check"]):
        done = subprocess.run(
            [sys.executable, "-m", *command, "--timeout", "30"], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert {line.split()[1] for line in done.stdout.splitlines()} == {"ok"}
        assert "It ran and finished within" in done.stdout
    assert not Job.objects.exists()
