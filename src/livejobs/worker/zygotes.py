"""Starting a zygote: by a fork while this process has one thread, else by a new Python."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from livejobs.conf import conf
from livejobs.hints import publishing
from livejobs.runner import start
from livejobs.runner.zygote import cover, inherited_lines

# what a new Python is told beside our environment: variables, and a descriptor that it inherits; the last one is asked
hand_on: Final[list[Callable[[], tuple[dict[str, str], int | None]]]] = [lambda: ({}, None)]
_kept: Final[list[Any]] = []  # connections of the process that forked us: collected, they would say good-bye on them


def fork(line: socket.socket, page: int) -> int:
    """Fork a zygote that has imported all that this process has.

    Before any thread and any connection of ours exists; those of the host's own code are covered.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        _let_go(keep={line.fileno(), page})
        start.serve(line.detach(), page, conf.WATCHDOG_SECONDS)
    finally:
        os._exit(70)


def execute(line: socket.socket, page: int) -> int:
    """Start a zygote that imports everything anew, from a process with threads."""
    more, descriptor = hand_on[-1]()
    environment = {**os.environ, **more, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [
        sys.executable, "-m", start.__name__, str(line.fileno()), str(page), str(conf.WATCHDOG_SECONDS), app_path(),
    ]  # fmt: skip
    passed = [line.fileno(), page] if descriptor is None else [line.fileno(), page, descriptor]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, env=environment, pass_fds=passed, stdin=subprocess.DEVNULL
        )
    finally:
        if descriptor is not None:
            os.close(descriptor)
    process.returncode = 0  # the place waits for it
    return process.pid


def start_first(line: socket.socket, page: int) -> int:
    """Fork where that is safe."""
    tasks = Path("/proc/self/task")
    alone = len(list(tasks.iterdir())) == 1 if tasks.exists() else True
    return (fork if alone else execute)(line, page)


def app_path() -> str:
    """Where the Celery app is, as `module:name`; empty where no module holds it."""
    app = publishing.celery_app()
    for name, module in list(sys.modules.items()):
        if name == "__main__" or name.startswith("celery."):  # Celery's own say only which is the current one
            continue
        names = [key for key, value in list(vars(module).items()) if value is app]
        if names:
            return f"{name}:{names[0]}"
    return ""


def _let_go(keep: set[int]) -> None:
    """Let go of what belongs to the process that forked us."""
    from django.db import connections

    cover(inherited_lines(keep))
    for wrapper in connections.all(initialized_only=True):
        _kept.append(wrapper.connection)
        wrapper.connection = None
        del connections[wrapper.alias]
