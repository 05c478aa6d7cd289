"""The processes of a run: what is started, restarted, frozen and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import django

from tests.chaos import failpoints, ledger, scripts
from tests.chaos.defects import DEFECTS
from tests.chaos.proxy import Link, Proxy
from tests.support.servers import Postgres, Valkey, free_port
from tests.support.waiting import wait_for

START_SECONDS: Final = 60
STOP_SECONDS: Final = 25
PING_SECONDS: Final = 20.0  # uvicorn's own, scaled as all times are
DATABASE: Final = "chaos"


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each.

    :param children: how many jobs a worker runs at a time.
    :param pool: prefork or threads: in the second the worker itself is what looks after jobs.
    """

    webs: int = 2
    workers: int = 2
    children: int = 4
    maintainers: int = 2
    pool: str = "prefork"


@dataclass
class Process:
    """A process that is kept running: who dies is started again, as a supervisor would."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    kept: bool = False
    restarts: int = 0
    popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.popen is not None
        return self.popen.pid

    def start(self) -> None:
        """Start it in a session of its own, so that it can be ended whole."""
        with self.log.open("ab") as output:
            self.popen = subprocess.Popen(
                self.command, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )
        self.kept = True

    def signal(self, number: signal.Signals, *, whole: bool = False) -> None:
        """Send a signal to it, or to it and all that descends from it, as a machine that stops would."""
        for pid in {self.pid, *session(self.pid), *descendants(self.pid)} if whole else [self.pid]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def is_up(self) -> bool:
        """Whether it has not ended."""
        return self.popen is not None and self.popen.poll() is None


def session(leader: int) -> list[int]:
    """The processes of a session."""
    return [pid for pid, fields in _processes() if int(fields[3]) == leader]


def descendants(ancestor: int) -> list[int]:
    """All that was started below a process."""
    parents = {pid: int(fields[1]) for pid, fields in _processes()}
    found = [ancestor]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def children(parent: int) -> list[int]:
    """The children of a process."""
    return [pid for pid, fields in _processes() if int(fields[1]) == parent and fields[0] != "Z"]


def _processes() -> Iterator[tuple[int, list[str]]]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                yield int(name), Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue


@dataclass
class Cluster:
    """Everything that runs. `folder` is short: a unix socket lies in it."""

    folder: Path
    database: str  # postgresql or sqlite
    scale: float
    size: Size = field(default_factory=Size)
    defect: str = ""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "fail").mkdir(exist_ok=True)
        self.proxy = Proxy()
        self.valkey = Valkey(self.folder, appendonly=True)
        self.postgres = Postgres(careful=True) if self.database == "postgresql" else None
        self.ledger = self.folder / "ledger"
        self.sqlite = self.folder / "database" / "chaos.sqlite3"  # alone: a disk that is full is the database's only
        self.sqlite.parent.mkdir(exist_ok=True)
        self.static = scripts.served(DEFECTS[self.defect].edits if self.defect else (), self.folder)
        self.processes: list[Process] = []
        self.ports: list[int] = []
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="chaos-keeper", daemon=True)

    # ------------------------------------------------------------ start and stop

    def start(self) -> None:
        """Start the servers, make the tables, and start every process; returns when all are there."""
        self.valkey.start()
        self.broker = self.proxy.link("127.0.0.1", self.valkey.port)
        self.layer = self.proxy.link("127.0.0.1", self.valkey.port)
        self.links: list[Link] = [self.broker, self.layer]
        if self.postgres is not None:
            self.postgres.start()
            self.postgres.create(DATABASE)
            self.line = self.proxy.link("127.0.0.1", self.postgres.port)
            self.links.append(self.line)
        os.environ.update(self.variables(direct=True))
        self._make_tables()
        django.setup()  # for whoever looks from outside, past the proxy
        for number in range(self.size.webs):
            self.ports.append(free_port())
            self._add(f"web{number}", "uvicorn", "tests.chaos.asgi:application", "--port", str(self.ports[-1]),
                      "--log-level", "warning", "--timeout-graceful-shutdown", "2",
                      "--ws-ping-interval", str(self.scaled(PING_SECONDS)),
                      "--ws-ping-timeout", str(self.scaled(PING_SECONDS)))  # fmt: skip
        for number in range(self.size.workers):
            self._add(f"worker{number}", "celery", "--quiet", "-A", "tests.chaos.celery_app", "worker",
                      "--pool", self.size.pool, "--concurrency", str(self.size.children), "--without-gossip",
                      "--without-mingle", "--without-heartbeat", "-Q", "livejobs", "--loglevel", "WARNING",
                      "-n", f"w{number}@%h")  # fmt: skip
        for number in range(self.size.maintainers):
            self._add(f"maintain{number}", "livejobs.server.cli", "maintain")
        for process in self.processes:
            process.start()
        self._keeper.start()
        self.wait_until_whole()

    def stop(self) -> None:
        """End everything in order, and by force what does not end."""
        self._stopping.set()
        self._keeper.join(10)
        for link in self.links:
            link.heal()
        for process in self.processes:
            if process.popen is not None:
                process.signal(signal.SIGCONT, whole=True)
                process.signal(signal.SIGTERM)
        for process in self.processes:
            if process.popen is None:
                continue
            with suppress(subprocess.TimeoutExpired):
                process.popen.wait(STOP_SECONDS)
            process.signal(signal.SIGKILL, whole=True)
            process.popen.wait(STOP_SECONDS)
        self.valkey.stop()
        if self.postgres is not None:
            self.postgres.remove()
        self.proxy.close()

    def wait_until_whole(self, seconds: float = START_SECONDS) -> None:
        """Wait until every process does its work."""
        wait_for(self._is_whole, seconds, f"the processes ({self.folder})")

    def wait_until_served(self) -> None:
        """Wait until every web process answers."""
        wait_for(self._is_served, START_SECONDS, f"the web processes ({self.folder})")

    def variables(self, *, direct: bool = False) -> dict[str, str]:
        """What a process is told; `direct`: past the proxy, for those who look from outside."""
        if self.postgres is not None:
            database = f"127.0.0.1:{self.postgres.port if direct else self.line.port}"
        else:
            database = str(self.sqlite)
        return {
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "LIVEJOBS_CHAOS_SCALE": str(self.scale),
            "LIVEJOBS_CHAOS_DATABASE": database,
            "LIVEJOBS_CHAOS_DATABASE_NAME": DATABASE,
            "LIVEJOBS_CHAOS_REDIS": f"127.0.0.1:{self.broker.port}",
            "LIVEJOBS_CHAOS_LAYER": f"127.0.0.1:{self.layer.port}",
            "LIVEJOBS_CHAOS_DEFECT": self.defect,
            "LIVEJOBS_CHAOS_STATIC": str(self.static),
            ledger.VARIABLE: str(self.ledger),
            failpoints.VARIABLE: str(self.folder / "fail"),
            "LIVEJOBS_TEST_RUNTIME": str(self.folder / "runtime"),
            "PYTHONWARNINGS": "ignore",
            "C_FORCE_ROOT": "1",
        }

    # ------------------------------------------------------------ what is done to it

    def named(self, kind: str) -> list[Process]:
        """The processes of a kind: web, worker, maintain."""
        return [process for process in self.processes if process.name.startswith(kind)]

    def agents(self, process: Process) -> list[int]:
        """The processes of a worker that look after jobs."""
        return children(process.pid) if self.size.pool == "prefork" else [process.pid]

    def all_agents(self) -> list[int]:
        """Those of all workers."""
        return [pid for process in self.named("worker") if process.is_up() for pid in self.agents(process)]

    def kill(self, process: Process) -> None:
        """End a process as a machine that fails would: it and its children at once."""
        process.signal(signal.SIGKILL, whole=True)

    def scaled(self, seconds: float) -> float:
        """A fault's length, scaled as the time constants are."""
        return max(1.0, seconds / self.scale)

    # ------------------------------------------------------------ inside

    def _add(self, name: str, *command: str) -> None:
        environment = {**os.environ, **self.variables()}
        self.processes.append(Process(name, [sys.executable, "-m", *command], environment, self.folder / f"{name}.log"))

    def _make_tables(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "django", "migrate", "--verbosity", "0"],
            env={**os.environ, **self.variables(direct=True)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"The tables could not be made: {done.stderr}")

    def _keep(self) -> None:
        while not self._stopping.wait(0.2):
            for process in self.processes:
                if process.kept and not process.is_up():
                    if process.popen is not None:
                        for pid in session(process.pid):  # what a dead worker's jobs had started
                            os.kill(pid, signal.SIGKILL)
                    process.restarts += 1
                    process.start()

    def _is_whole(self) -> bool:
        if not all(process.is_up() for process in self.processes) or not self._is_served():
            return False
        names = presence_names("worker")
        there = {name.rsplit(":", 1)[1] for name in names}
        living = {str(pid) for pid in self.all_agents()}
        if len(there & living) < self.size.workers * (self.size.children if self.size.pool == "prefork" else 1):
            return False
        maintainers = {name.rsplit(":", 1)[1] for name in presence_names("maintenance")}
        return {str(process.pid) for process in self.named("maintain")} <= maintainers

    def _is_served(self) -> bool:
        for port in self.ports:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/jobs/livez", timeout=2) as answer:
                    if answer.status != 200:
                        return False
            except OSError:
                return False
        return True


def presence_names(kind: str) -> list[str]:
    """Who said that it is there."""
    from livejobs.models import Presence

    return list(Presence.objects.filter(kind=kind).values_list("name", flat=True))


def wait(seconds: float) -> None:
    """Let a fault last."""
    time.sleep(seconds)
