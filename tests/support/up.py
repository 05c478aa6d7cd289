"""`livejobs up` with a file of jobs, from outside."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server_process import COMMAND, Server, environment
from tests.support.servers import Valkey
from tests.support.waiting import wait_for

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
def environment() -> str:
    """Say what a program that a job starts finds in its environment, and what this process began with."""
    return subprocess.check_output(["env"], text=True) + Path("/proc/self/environ").read_text()


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


@contextmanager
def an_outside_valkey() -> Iterator[Valkey]:
    """A Valkey that is not a server's own; stopped and removed in the end."""
    with tempfile.TemporaryDirectory(prefix="lj-") as folder:
        valkey = Valkey(Path(folder))
        valkey.start()
        yield valkey
        valkey.stop()


def make(folder: Path, **options: object) -> Server:
    folder.mkdir(exist_ok=True)
    (folder / "tasks.py").write_text(TASKS)
    return Server(folder, **options)  # type: ignore[arg-type]


@contextmanager
def a_server(folder: Path) -> Iterator[Server]:
    """A server of one test's own, not started; whatever is left of it is ended."""
    found = make(folder / "server")
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
