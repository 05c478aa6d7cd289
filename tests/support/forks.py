"""Tests in a process of their own: forked from a warm one, so that each costs milliseconds and spoils nothing.

Such a test may take signals, change folder, fork, and put a pipe over stdout: pytest's own process could bear none.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from livejobs.runner import process_tree

ROOT: Final = Path(__file__).parents[2]
TEST_SECONDS: Final = 50  # under pytest's own timeout


class ForkServer:
    """A process with one thread that has Django and the tests' Celery app loaded, and forks a child for each test."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, module: str, name: str, arguments: dict[str, Any]) -> None:
        """Run a test function in a fork.

        :raises AssertionError: it failed; the message holds what it wrote.
        """
        server = self._process = self._process or self._start()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps([module, name, arguments], default=str).encode() + b"\n")
        server.stdin.flush()
        answered, _, _ = select.select([server.stdout], [], [], TEST_SECONDS)
        answer = server.stdout.readline() if answered else b""
        if not answer:
            process_tree.end([server.pid, *process_tree.descendants(server.pid)], signal.SIGKILL)
            self.stop()
            raise AssertionError(f"{module}.{name} gave no answer")
        status, said = json.loads(answer)
        assert status == 0, f"exit status {status}\n{said}"

    def stop(self) -> None:
        """End it."""
        server, self._process = self._process, None
        if server is not None:
            server.communicate()

    def _start(self) -> subprocess.Popen[bytes]:
        # a warning that is an error in a finalizer would be a line in somebody's log
        strict = ["-W", "error", "-W", "ignore::ResourceWarning"]
        return subprocess.Popen(
            [sys.executable, *strict, "-m", __name__],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )


def in_a_fork(function: Callable[..., None]) -> Callable[..., None]:
    """Make a test run in a fork; its arguments (parameters, `tmp_path`) go there as JSON, a path as its text."""

    def test(fork_server: ForkServer, **arguments: Any) -> None:
        fork_server.run(function.__module__, function.__name__, arguments)

    asked = list(inspect.signature(function).parameters.values())
    server = inspect.Parameter("fork_server", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    test.__signature__ = inspect.Signature([server, *asked])  # type: ignore[attr-defined]
    test.__name__, test.__doc__, test.__module__ = function.__name__, function.__doc__, function.__module__
    test.__dict__.update(function.__dict__, function=function)  # marks
    return test


def _serve() -> None:
    import django

    from tests.celery_app import app

    django.setup()
    app.loader.import_default_modules()
    process_tree.become_subreaper()
    while line := sys.stdin.readline():
        module, name, arguments = json.loads(line)
        with tempfile.TemporaryFile() as output:
            test = getattr(import_module(module), name)
            child = os.fork()
            if child == 0:
                _run(getattr(test, "function", test), arguments, output.fileno())
            _, status = os.waitpid(child, 0)
            process_tree.sweep()
            output.seek(0)
            said = output.read().decode(errors="replace")
        print(json.dumps([status, said]), flush=True)


def _run(test: Callable[..., None], arguments: dict[str, Any], output: int) -> None:
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        test(**arguments)
        code = 0
    except BaseException:
        os.write(output, traceback.format_exc().encode(errors="replace"))
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
