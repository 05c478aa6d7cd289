"""What a newcomer installs: the wheel in an empty environment brings the app alone; with its extra it is a server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import wait_for

ROOT = Path(__file__).parent.parent.parent
STARTED = re.compile(r"http://127\.0\.0\.1:\d+/")
INSTALL_SECONDS = 240  # cold; about 15 s on a quiet machine
# What the app needs, and what those need in turn, by hand: nothing of a server, of PostgreSQL or of our tests.
APP = {
    "livejobs",
    *("django", "asgiref", "sqlparse"),
    *("celery", "billiard", "kombu", "amqp", "vine", "tzlocal", "python-dateutil", "six", "packaging"),
    *("click", "click-didyoumean", "click-plugins", "click-repl", "prompt-toolkit", "wcwidth"),  # Celery's command line
    *("channels", "channels-redis", "msgpack", "redis"),
    *("pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection"),
    *("orjson", "tblib"),
}
BACKPORTS = {"async-timeout"}  # redis, before Python 3.11.3
START_SECONDS = 30
STOP_SECONDS = 15  # the promise is 10

pytestmark = pytest.mark.timeout(2 * INSTALL_SECONDS)

TASKS = '''
from livejobs import live_job


@live_job(title="Say hello")
def hello(whom: str = "world") -> str:
    """Greet someone."""
    return f"Hello, {whom}!"
'''

PROJECT = """
SECRET_KEY = "only for this test"
INSTALLED_APPS = [
    "django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "channels", "livejobs",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": ["redis://127.0.0.1:1"]},  # nobody is there
    },
}
"""


def pip(*arguments: str | Path) -> str:
    """Run our own pip; what it installs into has none, so that nothing is there but what was asked for."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    (found,) = folder.glob("livejobs-*.whl")
    return found


def install(folder: Path, what: str, like: Path | None = None) -> Path:
    """Make an environment with nothing in it but this and what it asks for; return its `bin` folder.

    :param like: the `bin` of an environment to begin with.
    """
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    if like is not None:
        packages = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
        ours = shutil.ignore_patterns("livejobs*")  # its command is made as it is installed
        shutil.copytree(like.parent / packages, folder / packages, ignore=ours, dirs_exist_ok=True)
    pip("--python", python, "install", "--no-compile", "--constraint", ROOT / "constraints.txt", what)
    return python.parent


@pytest.fixture(scope="module")
def app(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app alone."""
    return install(tmp_path_factory.mktemp("app"), str(wheel))


@pytest.fixture(scope="module")
def installed(wheel: Path, app: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app and the server."""
    return install(tmp_path_factory.mktemp("server"), f"{wheel}[server]", like=app)


def environment(**extra: str) -> dict[str, str]:
    """What somebody has who knows nothing of our tests."""
    kept = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"}
    return {key: value for key, value in os.environ.items() if key in kept} | extra


def said(folder: Path, *command: str | Path, **extra: str) -> tuple[int, str]:
    """The exit code of a command, and all it wrote."""
    done = subprocess.run(
        command, cwd=folder, env=environment(**extra), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode, done.stdout


@pytest.fixture
def server(installed: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    (tmp_path / "tasks.py").write_text(TASKS)
    log = tmp_path / "output.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [installed / "livejobs", "up", "tasks.py", "--port", "0", "--workers", "1"],
            cwd=tmp_path, env=environment(), stdout=output, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    yield process, log
    if process.poll() is None:
        process.kill()
        process.wait()


def test_the_app_brings_what_a_project_has_anyway(app: Path) -> None:
    listed = json.loads(pip("--python", app / "python", "list", "--format", "json"))
    found = {package["name"].lower().replace("_", "-") for package in listed}

    assert found - BACKPORTS == APP


def test_the_app_alone_says_what_the_command_needs(app: Path, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)

    assert said(tmp_path, app / "livejobs", "up", "tasks.py") == (
        1,
        "livejobs: livejobs up needs more than the app: pip install 'livejobs[server]'\n",
    )
    assert said(tmp_path, app / "livejobs", "check") == (
        1,
        "livejobs: livejobs check needs more than the app: pip install 'livejobs[server]';"
        " in a Django project manage.py livejobs_check does it without\n",
    )
    assert not (tmp_path / ".livejobs").exists()


def test_the_app_alone_has_its_commands_in_a_project(app: Path, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(PROJECT)
    shop = {"DJANGO_SETTINGS_MODULE": "shop", "PYTHONPATH": ".", "CELERY_BROKER_URL": "redis://127.0.0.1:1"}

    def manage(*command: str) -> tuple[int, str]:
        return said(tmp_path, app / "python", "-m", "django", *command, **shop)

    assert manage("check", "--fail-level", "WARNING") == (0, "System check identified no issues (0 silenced).\n")
    assert manage("migrate", "--verbosity", "0") == (0, "")
    code, told = manage("livejobs_check", "--timeout", "0")
    assert code == 1
    assert {
        "settings": "ok", "database": "ok", "migrations": "ok", "workers": "down", "maintenance": "down",
        "broker": "down", "channel_layer": "down", "canary": "down",
    }.items() <= {line.split()[0]: line.split()[1] for line in told.splitlines()}.items(), told  # fmt: skip


def test_the_server_says_what_postgresql_needs(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)

    assert said(tmp_path, installed / "livejobs", "up", DATABASE_URL="postgresql://127.0.0.1:1/jobs") == (
        1,
        "livejobs: PostgreSQL (DATABASE_URL) needs more than the app: pip install 'livejobs[postgresql]'\n",
    )


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.status == 200
        return str(answer.read().decode())


def test_the_wheel_serves_the_page_and_stops(server: tuple[subprocess.Popen[str], Path]) -> None:
    process, log = server

    def address() -> str | None:
        if process.poll() is not None:
            pytest.fail(f"The server ended with {process.returncode}:\n{log.read_text()}", pytrace=False)
        found = STARTED.search(log.read_text())
        return found.group() if found else None

    url = wait_for(address, timeout=START_SECONDS, message=f"the server's address in {log}")

    page = get(url)
    assert "Say hello" in page
    linked = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert any(name.endswith(".js") for name in linked)
    assert any(name.endswith(".css") for name in linked)
    for name in linked:
        get(url.rstrip("/") + name)

    process.send_signal(signal.SIGTERM)
    assert process.wait(STOP_SECONDS) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
