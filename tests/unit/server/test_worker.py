"""The worker part: which queues it serves, and how Celery is started."""

from __future__ import annotations

import logging
import sys
import warnings
from types import ModuleType, SimpleNamespace
from typing import Any

import django
import pytest
from celery.platforms import SecurityWarning  # type: ignore[attr-defined]  # the stubs do not know it

from livejobs import live_job
from livejobs.server import worker
from livejobs.server.environment import Environment


@pytest.fixture
def serving(jobs: Any) -> None:
    """Jobs of three queues: the default one, and two that jobs name."""

    @live_job
    def one() -> None: ...

    @live_job(queue="reports")
    def two() -> None: ...

    @live_job(queue="reports")
    def three() -> None: ...

    @live_job(queue="mails")
    def four() -> None: ...


@pytest.fixture
def started(monkeypatch) -> list[Any]:
    """What happens as the part runs, in order; no worker is."""
    steps: list[Any] = []

    def run(arguments: list[str]) -> None:
        warnings.warn("pickle", SecurityWarning, stacklevel=1)  # an error in these tests, unless it was quietened
        steps.append(arguments)

    monkeypatch.setattr(django, "setup", lambda: steps.append("set up"))
    for step in ("load_later", "load_jobs", "wait_for_servers"):
        monkeypatch.setattr(worker, step, lambda *given, step=step: steps.append((step, *given)))
    for name in ("livejobs.server.project", "livejobs.server.project.celery", "livejobs.server.project.urls"):
        stand_in: Any = ModuleType(name)
        stand_in.app = SimpleNamespace(worker_main=run)
        monkeypatch.setitem(sys.modules, name, stand_in)
    return steps


def test_every_queue_that_a_job_names_is_served_and_the_default_one(serving, settings):
    assert worker.queues() == ["livejobs", "mails", "reports"]
    settings.LIVEJOBS = {"QUEUE": "mine"}
    assert worker.queues() == ["mails", "mine", "reports"]


def test_without_a_job_the_default_queue_is_served(jobs):
    assert worker.queues() == ["livejobs"]


def test_celery_gets_as_many_children_as_were_asked_for_and_every_queue(serving):
    arguments = worker.arguments(Environment(workers=3))

    assert arguments[:2] == ["--quiet", "worker"]  # the first is the program's option, not the command's
    assert {"--pool=threads", "--concurrency=3", "--queues=livejobs,mails,reports"} <= set(arguments)
    assert {"--without-gossip", "--without-mingle", "--without-heartbeat"} <= set(arguments)


def test_celery_understands_every_argument(serving):
    from celery.bin.worker import worker as command

    context = command.make_context("worker", worker.arguments(Environment(workers=3))[2:], resilient_parsing=True)

    assert context.params["concurrency"] == 3
    assert context.params["loglevel"] in (logging.WARNING, "WARNING")  # as the version of click has it
    assert context.args == []


def test_django_the_jobs_and_the_servers_are_there_before_the_worker_starts(serving, started, monkeypatch):
    monkeypatch.setenv("LIVEJOBS_WORKERS", "4")

    assert worker.main() == 0

    assert started[:4] == [("load_later",), "set up", ("load_jobs", "worker"), ("wait_for_servers",)]
    assert started[4] == worker.arguments(Environment(workers=4))
