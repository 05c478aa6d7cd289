"""Putting a server together: what it refuses, where it listens, and which parts it has."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livejobs.server import assembly, valkey
from livejobs.server.data import DataFolder, running
from livejobs.server.environment import Environment
from livejobs.server.failures import StartError
from livejobs.server.managed_process import ManagedProcess
from livejobs.server.readiness import mark_ready


@pytest.fixture(autouse=True)
def _no_servers_outside(monkeypatch) -> None:
    for name in ("REDIS_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def sentence_of(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(StartError) as caught:
        call(*arguments, **named)
    sentence = str(caught.value)
    assert re.fullmatch(r"[^\n]+\.", sentence), sentence
    return sentence


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("host", "address"),
    [("localhost", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("127.8.9.1", "127.8.9.1"), ("::1", "::1"),
     ("[::1]", "::1"), ("0:0:0:0:0:0:0:1", "::1")],
)  # fmt: skip
def test_an_address_of_this_machine(host, address):
    assert assembly.loopback_address(host) == address


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "8.8.8.8", "fe80::1"])
def test_an_address_that_lets_others_in_is_refused(host, monkeypatch):
    monkeypatch.setattr(assembly, "CONTAINER_MARKS", ("/no/such/mark",))
    assert sentence_of(assembly.loopback_address, host) == (
        f"Listening on {host} would let others in; use 127.0.0.1, ::1 or localhost "
        "(sign-in for other addresses comes in a later version)."
    )


def test_in_a_container_the_sentence_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(assembly, "CONTAINER_MARKS", (str(tmp_path),))
    assert "In a container: start it with --network=host, or " in sentence_of(assembly.loopback_address, "0.0.0.0")


@pytest.mark.parametrize("host", ["example.com", "", "127.0.0.1:8000", "127.1"])
def test_what_is_no_address_is_refused(host):
    assert sentence_of(assembly.loopback_address, host).startswith(f"{host!r} is not an address of this machine; ")


def test_it_listens_and_a_port_that_was_left_a_moment_ago_is_free():
    with assembly.listen("127.0.0.1", 0) as first:
        address, port = first.getsockname()
        with socket.create_connection((address, port)), first.accept()[0]:
            pass  # closed by us first: the port would stay taken for a minute
    with assembly.listen("127.0.0.1", port) as second:
        assert second.getsockname() == ("127.0.0.1", port)


def test_a_port_in_use_is_named():
    with assembly.listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert sentence_of(assembly.listen, "127.0.0.1", port) == (
            f"Port {port} on 127.0.0.1 is in use; stop what listens there, or choose another with --port."
        )


def test_an_address_that_this_machine_does_not_have():
    assert sentence_of(assembly.listen, "192.0.2.1", 0) == "This machine has no address 192.0.2.1."


def test_a_port_that_is_not_for_us(monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)

    assert sentence_of(assembly.listen, "127.0.0.1", 80) == "Port 80 on 127.0.0.1 cannot be opened: Permission denied."


# ---------------------------------------------------------------- the runtime folder


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="lj-", dir="/tmp") as folder:
        yield Path(folder)


def test_a_folder_for_us_alone_in_the_data_folder_where_nobody_cleans_up(monkeypatch, short, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    folder = assembly.runtime_folder(short)

    assert folder.parent == short
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir()) == []
    (short / "livejobs.sqlite3").touch()
    another = assembly.runtime_folder(short)  # of a server that was killed together with its guard nothing is left
    assert {each.name for each in short.iterdir()} == {another.name, "livejobs.sqlite3"}
    assert another != folder


def test_where_the_data_folder_takes_no_sockets_another_one_will_do(monkeypatch, short):
    (short / "other").mkdir()
    monkeypatch.setenv("TMPDIR", str(short / "other"))
    bind = socket.socket.bind

    def refuse(self: socket.socket, address: Any) -> None:
        if Path(str(address)).parent.parent == short:
            raise PermissionError(1, "Operation not permitted")
        bind(self, address)

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert assembly.runtime_folder(short).parent == short / "other"
    assert [each.name for each in short.iterdir()] == ["other"]


@pytest.mark.parametrize("place", ["too long", "nowhere"])
def test_a_place_that_cannot_hold_a_socket_is_passed_over(tmp_path, place):
    base = tmp_path / ("x" * 100)
    if place == "too long":
        base.mkdir()
    folder = assembly.runtime_folder(base)
    folder.rmdir()

    assert folder.parent != base
    assert len(os.fsencode(folder / "valkey.sock")) <= valkey.SOCKET_PATH_MAX
    assert not base.exists() or list(base.iterdir()) == []


def test_no_place_anywhere(monkeypatch, tmp_path):
    monkeypatch.setattr(valkey, "SOCKET_PATH_MAX", 5)
    assert sentence_of(assembly.runtime_folder, tmp_path).startswith(
        "There is no place for a runtime folder; set TMPDIR "
    )


# ---------------------------------------------------------------- the parts


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with assembly.listen("127.0.0.1", 0) as found:
        yield found


@pytest.fixture
def environment(tmp_path: Path, monkeypatch) -> Environment:
    """A server with servers of its own; this process is one of its parts."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("LIVEJOBS_RUNTIME", str(tmp_path))
    return Environment(tasks="tasks.py", data=tmp_path / "data", runtime=tmp_path, workers=3)


def assembled(environment: Environment, listening: socket.socket) -> dict[str, ManagedProcess]:
    folder = DataFolder(environment.data)
    return {part.name: part for part in assembly.assemble(environment, listening, "/bin/valkey-server", folder)}


def test_the_parts_in_the_order_in_which_people_are_told(environment, listening):
    parts = assembled(environment, listening)

    assert list(parts) == ["database", "valkey", "web", "worker", "maintenance"]
    assert [name for name, part in parts.items() if part.awaited] == ["database", "valkey"]
    assert [name for name, part in parts.items() if part.ends] == ["database"]


def test_with_a_redis_outside_there_is_no_valkey_and_nobody_waits_for_it(tmp_path, listening):
    parts = assembled(Environment(data=tmp_path, runtime=tmp_path, redis_url="redis://host"), listening)

    assert list(parts) == ["database", "web", "worker", "maintenance"]
    assert [name for name, part in parts.items() if part.awaited] == ["database"]
    (addresses,) = parts["worker"].descriptors
    assert parts["worker"].environment["LIVEJOBS_HANDOVER"] == str(addresses)
    assert json.loads(os.pread(addresses, 1000, 0)) == {"REDIS_URL": "redis://host", "DATABASE_URL": ""}
    assert "redis://host" not in str([part.environment for part in parts.values()])


def test_each_of_ours_is_a_module_that_the_current_folder_cannot_replace(environment, listening):
    parts = assembled(environment, listening)

    for name, module in {"database": "preflight", "web": "web", "worker": "worker", "maintenance": "cli"}.items():
        assert parts[name].command[:4] == [sys.executable, "-P", "-m", f"livejobs.server.{module}"]
        assert Environment.read(parts[name].environment, {}) == environment
    assert parts["maintenance"].command[4:] == ["maintain"]


def test_web_serves_the_socket_that_we_opened(environment, listening):
    web = assembled(environment, listening)["web"]

    assert web.descriptors[0] == listening.fileno()
    assert web.environment["LIVEJOBS_SOCKET"] == str(listening.fileno())


def test_valkey_is_told_where_to_listen_and_nothing_that_is_no_concern_of_its(environment, listening, monkeypatch):
    monkeypatch.setenv("MY_SECRET", "x")
    part = assembled(environment, listening)["valkey"]

    assert part.command == ["/bin/valkey-server", "-"]
    assert part.stdin == valkey.configuration(environment.valkey_socket, environment.data / "valkey").encode()
    assert (environment.data / "valkey").is_dir()
    assert dict(part.environment) == {"PATH": os.environ["PATH"], "LIVEJOBS_RUNTIME": str(environment.runtime)}
    assert part.probe() is None
    assert not part.shown


def test_a_stop_is_over_in_ten_seconds_however_long_each_takes(environment, listening):
    parts = assembled(environment, listening)
    jobs = max(parts[name].stop_seconds for name in ("database", "worker", "maintenance"))

    assert jobs + parts["web"].stop_seconds + parts["valkey"].stop_seconds < 10


@pytest.mark.parametrize("name", ["database", "worker", "maintenance"])
def test_a_part_is_ready_when_it_says_so(environment, listening, name):
    part = assembled(environment, listening)[name]

    assert part.probe() is None
    mark_ready(name)
    assert part.probe() == ""
    mark_ready(name, detail="3 jobs")
    assert part.probe() == "3 jobs"


# ---------------------------------------------------------------- a run


class Run:
    """What the supervisor was given, and what there was around it as it ran."""

    error: Exception | None = None

    def __init__(self) -> None:
        self.parts: list[ManagedProcess] = []
        self.environment = Environment()
        self.url = ""
        self.signed: Any = None
        self.port = 0

    def __call__(
        self, parts: list[ManagedProcess], environment: Environment, listening: socket.socket, lock: int, url: str
    ) -> Run:
        self.parts, self.environment, self.url = parts, environment, url
        self.port = listening.getsockname()[1]
        self.signed = running(environment.data)
        self.lock = lock
        return self

    def run(self) -> None:
        assert self.environment.runtime is not None
        assert self.environment.runtime.is_dir()
        os.close(self.lock)
        if self.error is not None:
            raise self.error


@pytest.fixture
def ran(monkeypatch) -> Run:
    """In place of a supervisor."""
    found = Run()
    monkeypatch.setattr(assembly, "Supervisor", found)
    return found


def run(data: Path, **given: Any) -> None:
    assembly.run(**{"tasks": "shop.jobs", "host": "127.0.0.1", "port": 0, "data": data, "workers": 2, **given})


@pytest.mark.parametrize(
    ("given", "variables", "beginning"),
    [
        ({"port": 65536}, {}, "The port must be a number from 0 to 65535, not 65536."),
        ({"port": -1}, {}, "The port must be a number from 0 to 65535, not -1."),
        ({"workers": 0}, {}, "The number of workers must be 1 or more, not 0."),
        ({"host": "0.0.0.0"}, {}, "Listening on 0.0.0.0 would let others in"),
        ({"tasks": "/nowhere/tasks.py"}, {}, "There is no file /nowhere/tasks.py."),
        ({}, {"REDIS_URL": "http://host"}, "REDIS_URL must begin with redis://"),
        ({}, {"DATABASE_URL": "mysql://host/jobs"}, "DATABASE_URL must begin with postgresql://"),
    ],
)
def test_what_is_asked_wrongly_is_said_before_anything_is_made(ran, tmp_path, monkeypatch, given, variables, beginning):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert sentence_of(run, tmp_path / "data", **given).startswith(beginning)
    assert not (tmp_path / "data").exists()
    assert ran.parts == []


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]")])
def test_a_server_is_run_on_the_port_it_got_and_says_where_it_is(ran, tmp_path, host, shown):
    run(tmp_path / "data", host=host)

    assert ran.url == f"http://{shown}:{ran.port}/"
    assert ran.environment == Environment(
        "shop.jobs", tmp_path / "data", ran.environment.runtime, host, ran.port, 2, "", "", False, False
    )
    assert ran.signed.url == ran.url
    assert ran.signed.valkey == str(ran.environment.valkey_socket)
    assert ran.signed.outside == ()
    assert (tmp_path / "data" / "secret_key").exists()
    assert not ran.environment.runtime.exists()


def test_a_server_with_servers_outside_signs_their_names_and_needs_no_valkey(ran, tmp_path, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://:secret@host")
    monkeypatch.setenv("DATABASE_URL", "postgresql://jobs:secret@host/jobs")
    monkeypatch.setattr(valkey, "find_binary", lambda: pytest.fail("nobody needs one"))

    run(tmp_path)

    assert (ran.signed.valkey, ran.signed.outside) == ("", ("REDIS_URL", "DATABASE_URL"))
    assert "secret" not in (tmp_path / "lock").read_text()
    assert [part.name for part in ran.parts] == ["database", "web", "worker", "maintenance"]


def test_a_start_that_fails_leaves_neither_folder_nor_port_behind(ran, tmp_path):
    ran.error = StartError("No.")

    assert sentence_of(run, tmp_path / "data") == "No."

    assert not ran.environment.runtime.exists()
    with assembly.listen("127.0.0.1", ran.port):
        pass
