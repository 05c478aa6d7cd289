"""A zygote by a new Python, as a process with threads starts one."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from livejobs.definition.cells import SIZE
from livejobs.runner import start
from livejobs.runner.channel import Channel, pair
from tests.support.forks import ROOT


@contextmanager
def a_zygote(app: str, **environment: str) -> Iterator[Channel]:
    """A zygote; it ends when its channel is closed."""
    channel, theirs = pair()
    page = os.memfd_create("test")
    os.truncate(page, SIZE)
    try:
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-m", start.__name__, str(theirs.fileno()), str(page), "60.0", app],
            pass_fds=(theirs.fileno(), page), cwd=ROOT, env={**os.environ, **environment},
        ) as process:  # fmt: skip
            theirs.close()
            try:
                yield channel
            finally:
                channel.close()
        assert process.returncode == 0
    finally:
        os.close(page)


def said(channel: Channel) -> dict[str, Any]:
    assert select.select([channel], [], [], 40)[0], "silent"
    return channel.receive()[0]


def outcome_of(zygote: Channel, task: str) -> dict[str, Any]:
    """What a runner of this zygote tells of one attempt."""
    control, theirs = pair()
    with theirs:
        zygote.send({"do": "spawn", "runner": 1}, [theirs.fileno()])
    assert said(zygote)["spawned"]
    output, writing = os.pipe()
    order = {"job": 7, "attempt": 1, "task": task, "params": {}, "timeout": None, "owner_key": ""}
    control.send(order, [writing])
    try:
        outcome: dict[str, Any] = said(control)["outcome"]
        return outcome
    finally:
        control.close()
        os.close(output)
        os.close(writing)


def test_it_has_loaded_the_app_that_the_worker_has():
    with a_zygote("tests.celery_app:app") as zygote:
        assert outcome_of(zygote, "tests.jobs.at_once") == {"result": "done"}


def test_without_an_app_it_has_django_and_says_what_it_does_not_know():
    with a_zygote("", DJANGO_SETTINGS_MODULE="tests.settings") as zygote:
        outcome = outcome_of(zygote, "tests.jobs.at_once")
    assert outcome["error"]["message"] == "There is no task tests.jobs.at_once here."
