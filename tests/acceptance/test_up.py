"""`livejobs up` from outside: a server that runs, and the command itself."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

import livejobs
from tests.support.server_process import STOP_SECONDS, Server, Visitor, get
from tests.support.servers import Valkey, free_port
from tests.support.up import TASKS, a_server, an_outside_valkey, make, refused, run, sentence
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that the tests only look at."""
    server = make(tmp_path_factory.mktemp("running"))
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with a_server(tmp_path) as found:
        yield found


# ---------------------------------------------------------------- a server that runs


def test_one_line_for_each_part_then_the_address(running):
    lines = running.out.splitlines()

    assert [re.sub(r"\d+\.\d s", "N s", line) for line in lines] == [
        "✓ database     ready in N s",
        re.sub(r"\d+\.\d s", "N s", next(line for line in lines if "valkey" in line)),
        "✓ web          ready in N s",
        "✓ worker       ready in N s",
        "✓ maintenance  ready in N s",
        f"Livejobs is ready after N s: {running.url} (Ctrl-C stops it)",
    ]
    assert re.fullmatch(r"✓ valkey       ready in \d+\.\d s \(\d+\.\d+\.\d+\)", lines[1])


def test_it_says_nothing_else(tmp_path):
    server = make(tmp_path / "quiet")
    server.start()
    get(server.url)

    seconds = server.stop()

    assert server.out.splitlines()[-2:] == ["Stopping…", "Stopped."]
    assert server.err == ""
    assert server.processes() == {}
    assert seconds < STOP_SECONDS


def test_a_job_runs(running):
    visitor = Visitor(running)

    job = visitor.start("add", a=2, b=3)

    assert visitor.wait_for(job, "succeeded")["result"] == 5
    assert visitor.log(job) == ["adding"]


def test_the_secret_key_is_for_us_alone(running):
    key = running.data / "secret_key"

    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_text()) >= 50
    assert running.data.stat().st_mode & 0o777 == 0o700
    assert running.runtime.stat().st_mode & 0o777 == 0o700
    for pid in running.processes():
        assert key.read_text().encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_nothing_listens_but_web_and_on_loopback_only(running):
    """Valkey has a unix socket; nobody on the network, nor another user of this machine, can reach it."""
    inodes = {
        os.readlink(entry)
        for pid in running.processes()
        for entry in Path(f"/proc/{pid}/fd").iterdir()
        if os.path.lexists(entry) and os.readlink(entry).startswith("socket:")
    }
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                address, port = fields[1].split(":")
                listening.add((address, int(port, 16)))

    assert listening == {("0100007F", running.port)}
    assert (running.runtime / "valkey.sock").is_socket()
    assert (running.runtime / "valkey.sock").stat().st_mode & 0o777 == 0o700


def test_a_page_that_is_not_there_says_nothing_about_us(running):
    answer = get(f"{running.url}nothing/here")

    assert answer.status == 404
    assert not re.search(r"urlconf|DEBUG|Traceback|settings|livejobs\.", answer.text, re.IGNORECASE)
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Server"] is None


def test_another_host_is_refused(running):
    """A page elsewhere, whose name was made to point here, would have a Host and an Origin that agree."""
    assert get(running.url, Host="evil.example").status == 400
    assert get(running.url, Host=f"localhost:{running.port}").status == 200
    evil = f"evil.example:{running.port}"
    with (
        socket.create_connection(("127.0.0.1", running.port)) as plain,
        pytest.raises(InvalidStatus) as caught,
        connect(f"ws://{evil}/dashboard/", sock=plain, origin=Origin(f"http://{evil}"), proxy=None),
    ):
        pass
    assert caught.value.response.status_code == 403


def test_a_text_frame_that_is_no_text_leaves_no_traceback(running):
    with Visitor(running).connect() as socket:
        socket.recv(timeout=10)  # hello
        socket.send(b"\xff\xfe", text=True)
        with suppress(ConnectionClosed):
            while True:
                socket.recv(timeout=10)
    assert socket.close_code == 1007
    assert Visitor(running).start("add", a=1)
    assert "Traceback" not in running.log


def test_what_other_servers_of_this_machine_have_set_keeps_nobody_out(running):
    """Browsers send the cookies of every port of a host."""
    visitor = Visitor(running)
    others = "; ".join(f"other{number}={'x' * 1000}" for number in range(32))
    visitor.cookie = f"{others}; {visitor.cookie}"
    assert get(running.url, Cookie=visitor.cookie).status == 200
    job = visitor.start("add", a=1, b=2)
    assert visitor.wait_for(job, "succeeded")["result"] == 3
    with pytest.raises(InvalidStatus) as refused:
        connect(running.url.replace("http", "ws", 1) + "socket/", additional_headers={"Cookie": others * 3})
    assert refused.value.response.status_code == 431
    wait_for(lambda: "its headers are longer than 64 KB" in running.log, message="the line in the log")


def test_a_body_is_refused_before_it_is_kept(running):
    host, port = running.url.removeprefix("http://").rstrip("/").split(":")
    for path in ("/", "/livez", "/nope"):
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 300000000\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_the_tutorials_address_is_there(running):
    assert get(f"{running.url}dashboard/").status == 200
    with connect(running.url.replace("http", "ws") + "dashboard/") as tutorial:
        assert json.loads(tutorial.recv(timeout=10))["action"] == "reply_channel"


def test_two_servers_of_one_machine_keep_their_browsers_apart(running, server):
    server.start()
    here, there = Visitor(running), Visitor(server)
    both = f"{here.cookie}; {there.cookie}"
    assert here.cookie.partition("=")[0] != there.cookie.partition("=")[0]
    for visitor in (here, there):
        job = visitor.start("add", a=1, b=2)
        answer = get(f"{visitor.server.url}jobs/{job}/", Cookie=both)
        assert (answer.status, answer.headers["Set-Cookie"]) == (200, None)


def test_a_second_start_on_the_same_data_is_refused(running):
    done = run("up", "tasks.py", "--port", "0", "--data", str(running.data), cwd=running.folder)

    assert done.returncode == 1
    assert sentence(done.stderr) == (
        f"The data folder {running.data} is in use by another livejobs up (process {running.process.pid},"
        f" {running.url}); stop that one, or give this one its own with --data."
    )
    assert get(running.url).status == 200


def test_a_port_in_use_is_refused(running, tmp_path):
    (tmp_path / "tasks.py").write_text(TASKS)

    assert refused("tasks.py", "--port", str(running.port), cwd=tmp_path) == (
        f"Port {running.port} on 127.0.0.1 is in use; stop what listens there, or choose another with --port."
    )


# ---------------------------------------------------------------- the command itself


def test_the_version_and_the_help(tmp_path):
    assert run("--version", cwd=tmp_path).stdout == f"livejobs {livejobs.__version__}\n"
    helped = run("--help", cwd=tmp_path)
    assert (helped.returncode, helped.stderr) == (0, "")
    assert {"up", "maintain"} <= set(helped.stdout.split())
    assert "--host" in run("up", "--help", cwd=tmp_path).stdout
    assert list(tmp_path.iterdir()) == []


def test_a_command_nobody_knows(tmp_path):
    done = run("down", cwd=tmp_path)

    assert done.returncode == 2
    assert "down" in sentence(done.stderr)


# ---------------------------------------------------------------- servers outside


@pytest.fixture
def outside() -> Iterator[Valkey]:
    """A Valkey that is not the server's own."""
    with an_outside_valkey() as found:
        yield found


def test_servers_outside_are_used_instead(server, outside, postgres):
    database = postgres.create(f"up_{os.getpid()}")
    server.extra |= {"REDIS_URL": outside.url().rpartition("/")[0], "DATABASE_URL": database}

    server.start()

    assert "valkey" not in server.out
    assert server.part("valkey") == 0
    assert not (server.data / "livejobs.sqlite3").exists()
    visitor = Visitor(server)
    job = visitor.start("add", a=2)
    assert visitor.wait_for(job, "succeeded")["result"] == 3
    assert outside.url() not in visitor.wait_for(visitor.start("environment"), "succeeded")["result"]
    with outside.client(1) as layer:
        assert layer.pubsub_channels()
    assert server.stop() < STOP_SECONDS
    assert server.processes() == {}
    server.start()
    assert visitor.job(job)["result"] == 3
    server.stop()
    assert "Traceback" not in server.log


def test_nobody_else_may_read_what_is_in_the_data_folder(running):
    assert Visitor(running).start("add", a=1)
    found = {each.name: each.stat().st_mode & 0o077 for each in (running.data, *running.data.iterdir())}
    assert {"data", "livejobs.sqlite3", "livejobs.sqlite3-wal", "secret_key", "lock", "valkey"} <= found.keys()
    assert set(found.values()) == {0}


def test_servers_that_share_a_redis_keep_apart(tmp_path, outside):
    """Each job of one has the number of one of the other's."""
    a, b = (make(tmp_path / name) for name in "ab")
    try:
        for server in (a, b):
            server.extra |= {"REDIS_URL": outside.url().rpartition("/")[0]}
            server.start()
        at_a, at_b = Visitor(a), Visitor(b)
        with at_b.connect() as screen:
            screen.send(json.dumps({"action": "watch", "id": 1, "jobs": {"scope": "mine"}}))
            theirs = [at_b.start("add", a=number) for number in range(3)]
            mine = [at_a.start("add", a=100 + number) for number in range(6)]
            for number, job in enumerate(mine):
                assert at_a.wait_for(job, "succeeded", timeout=10)["result"] == 101 + number
            for number, job in enumerate(theirs):
                assert at_b.wait_for(job, "succeeded", timeout=10)["result"] == 1 + number
            last = at_b.start("add", a=50)
            assert at_b.wait_for(last, "succeeded")
            heard = jobs_heard_of(screen, until=lambda job: job["id"] == last and job["state"] == "succeeded")
        assert set(theirs) & set(mine)
        assert {job["params"]["a"] for job in heard} == {0, 1, 2, 50}
        assert {server.stop() < STOP_SECONDS for server in (a, b)} == {True}
        assert "another project" not in a.log + b.log
    finally:
        for server in (a, b):
            server.kill()


def jobs_heard_of(screen: ClientConnection, until: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Every job that a socket is told of, up to one."""
    found: list[dict[str, Any]] = []
    while not (found and until(found[-1])):
        frame = json.loads(screen.recv(timeout=10))
        for message in frame.get("messages", [frame]):
            found += [message["job"]] if message["action"] == "job" else message.get("jobs", [])
    return found


def test_it_listens_on_ipv6_loopback_when_asked(server):
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    server.arguments += ["--host", "::1"]

    server.start()

    assert server.url == f"http://[::1]:{server.port}/"
    assert get(server.url).status == 200
    server.stop()


def test_a_port_is_free_again_at_once(server):
    server.port = free_port()
    server.start()
    get(server.url)
    server.stop()

    assert server.start() == f"http://127.0.0.1:{server.port}/"
    server.stop()
