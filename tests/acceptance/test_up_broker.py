"""A broker that changes its mind: jobs that run go on, and jobs are taken again soon after it lets us."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_process import STOP_SECONDS, Server, Visitor, get
from tests.support.servers import Valkey
from tests.support.up import an_outside_valkey, make
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(240)
PATIENCE = 30  # the promise is 5 s, on a machine that has nothing else to do

TASKS = """
import time
from pathlib import Path
from livejobs import live_job


@live_job
def add(a: int) -> int:
    return a + 1


@live_job
def holds(mark: str) -> str:
    Path(mark).touch()
    give_up_at = time.monotonic() + 200
    while Path(mark).exists():
        time.sleep(0.05)
        assert time.monotonic() < give_up_at
    return "held on"
"""

# what is said to the broker, and what takes it back
MOODS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "read-only": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "out of memory": (("CONFIG", "SET", "maxmemory", "1mb"), ("CONFIG", "SET", "maxmemory", "0")),
    "no right to push": (("ACL", "SETUSER", "default", "-lpush"), ("ACL", "SETUSER", "default", "+lpush")),
    "no right to take": (("ACL", "SETUSER", "default", "-brpop"), ("ACL", "SETUSER", "default", "+brpop")),
}


@pytest.fixture
def outside() -> Iterator[Valkey]:
    """A Valkey that is not the server's own."""
    with an_outside_valkey() as found:
        yield found


@pytest.fixture
def server(tmp_path: Path, outside: Valkey) -> Iterator[Server]:
    made = make(tmp_path / "server")
    (made.folder / "tasks.py").write_text(TASKS)
    made.extra |= {"REDIS_URL": outside.url().rpartition("/")[0]}
    made.start()
    yield made
    made.kill()
    wait_for(lambda: not made.processes(), message="the guard's sweep")


def health(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(get(server.url + "readyz").text)
    return found


def test_jobs_are_taken_again_and_those_that_run_go_on(server: Server, outside: Valkey, tmp_path: Path):
    visitor, mark = Visitor(server), tmp_path / "mark"
    long = visitor.start("holds", mark=str(mark))
    wait_for(mark.exists, PATIENCE, "the long job")
    workers = server.part("worker")

    for mood, (change, undo) in MOODS.items():
        with outside.client() as client:
            client.execute_command(*change)
            try:
                if mood != "no right to take":
                    wait_for(lambda: health(server)["checks"]["broker"]["status"] == "down", PATIENCE, mood)
                waiting = [visitor.start("add", a=number) for number in range(3)]
                assert health(server)["status"] == "degraded" or mood == "no right to take"
            finally:
                client.execute_command(*undo)
        for job in (*waiting, visitor.start("add", a=7)):
            assert visitor.wait_for(job, "succeeded", timeout=PATIENCE), mood
        wait_for(lambda: health(server)["status"] == "ready", PATIENCE, f"health after {mood}")

    assert visitor.job(long)["state"] == "running"
    mark.unlink()
    done = visitor.wait_for(long, "succeeded", timeout=PATIENCE)
    assert (done["result"], done["attempt"], done["losses"]) == ("held on", 1, 0)
    assert server.part("worker") == workers
    assert "Traceback" not in server.log
    assert server.log.count("Connection to broker lost") <= 2 * len(MOODS)
    assert server.stop() < STOP_SECONDS


def test_a_queue_that_was_torn_is_set_aside_and_no_job_is_lost(tmp_path: Path):
    server = make(tmp_path / "server")
    try:
        server.start()
        visitor, mark = Visitor(server), tmp_path / "mark"
        done = visitor.start("add", a=1)
        assert visitor.wait_for(done, "succeeded")
        waits = visitor.start("stubborn", mark=str(mark))
        wait_for(mark.exists, PATIENCE, "a job that runs")
        server.stop()
        (file,) = (server.data / "valkey" / "appendonlydir").glob("*.incr.aof")
        with file.open("ab") as torn:
            torn.write(bytes(512))

        server.start()
        assert "It was set aside as valkey.broken, and a new one is begun" in server.err
        assert (server.data / "valkey.broken" / "appendonlydir").is_dir()
        assert visitor.wait_for(waits, "succeeded", timeout=PATIENCE)["result"] == "the second time"
        assert visitor.job(done)["state"] == "succeeded"
        assert server.stop() < STOP_SECONDS
    finally:
        server.kill()


def test_a_page_for_a_new_browser_is_a_sentence_where_nothing_can_be_written(tmp_path: Path):
    server = make(tmp_path / "server")
    try:
        server.start()
        with closing(sqlite3.connect(server.data / "livejobs.sqlite3", timeout=30)) as database:
            database.execute("DROP TABLE django_session")
        answer = get(server.url)
        assert answer.status == 500
        assert "This page cannot be shown now" in answer.text
        assert "the server&#x27;s log says what" in answer.text
        server.stop()
    finally:
        server.kill()
