"""What a newcomer installs: the wheel, built and put into an empty environment, runs `livejobs up`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import wait_for

ROOT = Path(__file__).parent.parent.parent
STARTED = re.compile(r"http://127\.0\.0\.1:\d+/")
INSTALL_SECONDS = 240  # cold; about 15 s on a quiet machine
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


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing in it but the wheel and what it asks for; its `bin` folder."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = ["-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("livejobs-*.whl")
    venv.create(folder / "env", with_pip=True)
    binaries = folder / "env" / "bin"
    run(binaries / "python", *pip, "install", "--constraint", ROOT / "constraints.txt", wheel, cwd=folder)
    return binaries


@pytest.fixture
def server(installed: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    (tmp_path / "tasks.py").write_text(TASKS)
    kept = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"}
    environment = {key: value for key, value in os.environ.items() if key in kept}
    log = tmp_path / "output.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [installed / "livejobs", "up", "tasks.py", "--port", "0", "--workers", "1"],
            cwd=tmp_path, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    yield process, log
    if process.poll() is None:
        process.kill()
        process.wait()


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
