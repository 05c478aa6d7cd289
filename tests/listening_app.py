"""The Celery app of a host that listens: what it hears is written to a file, a line of JSON each; then it stumbles."""

from __future__ import annotations

import json
import os
import traceback
from typing import Any

import django
from celery import signals

from tests.celery_app import app

HEARD = "LIVEJOBS_TEST_HEARD"  # names the file, in the environment

app.conf.worker_send_task_events = True
django.setup()


def note(**heard: Any) -> None:
    with open(os.environ[HEARD], "a") as file:
        file.write(json.dumps({"pid": os.getpid(), **heard}, default=str) + "\n")
    raise RuntimeError("a host's bug")


def frames(trace: Any) -> list[list[Any]]:
    return [[frame.name, frame.line] for frame in traceback.extract_tb(trace)]


@signals.task_success.connect
def succeeded(sender: Any, result: Any, **_: Any) -> None:
    note(signal="success", id=sender.request.id, result=result)


@signals.task_failure.connect
def failed(task_id: str, exception: Any, traceback: Any, einfo: Any, **_: Any) -> None:
    note(
        signal="failure", id=task_id, type=type(exception).__name__, text=str(exception), about=vars(exception),
        frames=frames(traceback), lines=einfo.traceback,
    )  # fmt: skip


@signals.task_retry.connect
def retried(request: Any, reason: Any, **_: Any) -> None:
    of = reason.exc
    note(signal="retry", id=request.id, text=str(of), when=reason.when, frames=frames(of and of.__traceback__))


@signals.task_revoked.connect
def revoked(request: Any, terminated: bool, **_: Any) -> None:
    note(signal="revoked", id=request.id, terminated=terminated)


def listen(name: str) -> None:
    from livejobs import current_job
    from livejobs import signals as live

    def hear(sender: Any, signal: Any, **about: Any) -> None:
        print(f"heard of {name}")
        note(signal=name, sender=sender.name, here=current_job().id, **about)

    getattr(live, name).connect(hear, weak=False)


listen("attempt_started")
listen("attempt_ended")
