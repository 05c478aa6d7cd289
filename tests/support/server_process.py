"""A real `livejobs up` in a process of its own, and somebody who uses it over HTTP and WebSocket."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from email.message import Message
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from livejobs.server import guard
from tests.support.waiting import wait_for

START_SECONDS = 60  # about 4 on a quiet machine
STOP_SECONDS = 10  # the promise
COMMAND = (sys.executable, "-P", "-m", "livejobs.server.cli")
MINE = "LIVEJOBS_TEST_SERVER"  # marks every process of one server, the jobs' own ones included
URL = re.compile(r"http://\S+/")


# Coverage doubles what a process costs, and whole servers are what the acceptance tests spend their time on. What their
# parts do is measured in unit and integration tests, in the workers that those start, too.
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without what is meant for the tests' own Django, and with `extra`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LIVEJOBS_", "DJANGO_")) and name not in ("REDIS_URL", "DATABASE_URL")
    }
    return {**kept, **UNMEASURED, **(extra or {})}


class Server:
    """`livejobs up` on a data folder of its own. A second `start` has the same data and, once known, the same port.

    :param folder: where it runs; its data are in `data` inside.
    :param tasks: the jobs file, relative to the folder.
    """

    def __init__(
        self,
        folder: Path,
        tasks: str = "tasks.py",
        *,
        workers: int = 2,
        port: int = 0,
        extra: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.tasks, self.workers, self.port = folder, tasks, workers, port
        self.extra, self.arguments = dict(extra or {}), list(arguments)
        self.data = folder / "data"
        self.url = ""
        self.mark = uuid.uuid4().hex
        self.process: subprocess.Popen[bytes] | None = None
        self.terminal: int | None = None  # a descriptor it writes to, in place of the files that are read here
        self._runtimes: set[str] = set()
        self._sessions: set[int] = set()

    # ------------------------------------------------------------ its life

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it without waiting until it is ready."""
        command = [*COMMAND, "up", self.tasks, "--port", str(self.port), "--data", str(self.data)]
        command += ["--workers", str(self.workers), *self.arguments]
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment({**self.extra, MINE: self.mark}), stdin=subprocess.DEVNULL,
                stdout=out if self.terminal is None else self.terminal,
                stderr=err if self.terminal is None else self.terminal, start_new_session=True,
            )  # fmt: skip
        return self.process

    def start(self) -> str:
        """Start it and wait until it is ready; return its address."""
        self.launch()
        try:
            self.url = wait_for(self._ready, timeout=START_SECONDS, message="the server's address")
        except BaseException:
            self.kill()
            raise
        self.port = int(self.url.rstrip("/").rpartition(":")[2])
        self.processes()  # remembers where to look for what it leaves behind
        return self.url

    def _ready(self) -> str:
        assert self.process is not None
        if (code := self.process.poll()) is not None:
            raise RuntimeError(f"The server ended with {code}:\n{self.log}")
        found = re.search(r"Livejobs is ready after .+: (http://\S+/)", self.out)
        return found.group(1) if found else ""

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 2 * STOP_SECONDS) -> float:
        """End it as its owner would, in order; return how many seconds that took."""
        if self.process is None:
            return 0
        self.processes()
        begun = time.monotonic()
        if number == signal.SIGINT:
            os.killpg(self.process.pid, number)  # what Ctrl-C in a terminal does
        else:
            self.process.send_signal(number)
        code = self.wait(seconds)
        assert code == 0, f"It ended with {code}:\n{self.log}"
        return time.monotonic() - begun

    def wait(self, seconds: float = 2 * STOP_SECONDS) -> int:
        """Wait until it has ended; return its exit code."""
        process = self.process
        assert process is not None
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"It did not end within {seconds} s:\n{self.log}") from None
        self.process = None
        return code

    def kill(self) -> None:
        """End the supervisor as a power cut would; its guard ends the rest."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def restart(self) -> str:
        """Stop it, and start it again at the same address."""
        self.stop()
        return self.start()

    # ------------------------------------------------------------ what it says

    @property
    def out(self) -> str:
        """What it wrote to its standard output."""
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        """What it wrote to its standard error: what parts and jobs wrote is there too."""
        return (self.folder / "err").read_text()

    @property
    def log(self) -> str:
        """Both."""
        return self.out + self.err

    # ------------------------------------------------------------ its processes

    def processes(self) -> dict[int, str]:
        """Every living process of this server, those that jobs started included, by id; its command line."""
        found = {int(name): _command(name) for name in os.listdir("/proc") if name.isdigit() and self._owns(name)}
        for pid in found:
            self._remember(pid)
        for runtime in self._runtimes:
            found |= {pid: _command(str(pid)) for pid in guard.members(self._sessions, runtime)}
        return found

    def _owns(self, pid: str) -> bool:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return False
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except (OSError, IndexError):
            return False
        # Valkey and the guard get no environment of ours
        return f"{MINE}={self.mark}".encode() in variables or any(run in _command(pid) for run in self._runtimes)

    def _remember(self, pid: int) -> None:
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            self._sessions.add(os.getsid(pid))
        except OSError:
            return
        for variable in variables:
            if variable.startswith(b"LIVEJOBS_RUNTIME=/"):
                self._runtimes.add(variable.partition(b"=")[2].decode())

    def part(self, name: str) -> int:
        """The process id of `web`, `worker`, `maintenance` or `valkey`; 0 while it is not there."""
        assert self.process is not None
        words = {"web": "livejobs.server.web", "worker": "livejobs.server.worker", "maintenance": " maintain"}
        for pid, command in self.processes().items():
            if words.get(name, "valkey-server") in command and _parent(pid) == self.process.pid:
                return pid
        return 0

    def runtime_left(self) -> list[str]:
        """The folders of its sockets that it has not removed."""
        return [folder for folder in self._runtimes if Path(folder).exists()]

    @property
    def runtime(self) -> Path:
        """The folder of its sockets."""
        return next(folder for folder in map(Path, self._runtimes) if folder.exists())


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


class Answer:
    """An HTTP answer."""

    def __init__(self, status: int, headers: Message, text: str) -> None:
        self.status, self.headers, self.text = status, headers, text


def get(url: str, **headers: str) -> Answer:
    """Fetch a page, whatever its status."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Answer(answer.status, answer.headers, answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read().decode())


class Visitor:
    """Somebody with a browser: a session of their own, which outlives each connection."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cookie = get(server.url).headers["Set-Cookie"].partition(";")[0]

    def connect(self) -> ClientConnection:
        """Open a socket of the dialect livejobs.v1; its first frame is `hello`."""
        return connect(
            self.server.url.replace("http", "ws", 1) + "socket/",
            subprotocols=[Subprotocol("livejobs.v1")],
            additional_headers={"Cookie": self.cookie},
            max_size=None,
        )

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send one command on a fresh connection and return its answer."""
        with self.connect() as socket:
            socket.send(json.dumps({**command, "ref": 1}))
            while True:
                frame = json.loads(socket.recv(timeout=10))
                for message in frame.get("messages", [frame]):
                    if message.get("ref") == 1:
                        answer: dict[str, Any] = message
                        return answer

    def start(self, task: str, **params: Any) -> int:
        """Start a job; return its id."""
        answer = self.ask(action="start", task=task, params=params)
        assert answer["action"] == "ack", answer
        return int(answer["job"]["id"])

    def job(self, job_id: int) -> dict[str, Any]:
        """The public job as it is now."""
        found: dict[str, Any] = self.ask(action="watch", id=1, job_id=job_id)["job"]
        return found

    def log(self, job_id: int) -> list[str]:
        """The lines of its log."""
        return [line["text"] for line in self.ask(action="watch", id=1, job_id=job_id)["log"]]

    def wait_for(self, job_id: int, *states: str, timeout: float = 30) -> dict[str, Any]:
        """Wait until a job is in one of these states; return it. A server that is away meanwhile is waited for."""

        def look() -> dict[str, Any] | None:
            try:
                job = self.job(job_id)
            except (OSError, EOFError) as error:
                raise AssertionError(str(error)) from None
            assert job["state"] in states, job
            return job

        return wait_for(look, timeout=timeout, message=f"job {job_id}")
