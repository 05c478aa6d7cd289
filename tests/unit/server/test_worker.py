"""The worker part: which queues it serves, and how Celery is started."""

from __future__ import annotations

import socket
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
from livejobs.server.failures import StartError


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

    def made(**options: Any) -> Any:
        warnings.warn("pickle", SecurityWarning, stacklevel=1)  # an error in these tests, unless it was quietened
        steps.append(options)
        return SimpleNamespace(start=lambda: steps.append("started"), exitcode=70)

    monkeypatch.setattr(django, "setup", lambda: steps.append("set up"))
    for step in ("load_later", "load_jobs", "wait_for_servers"):
        monkeypatch.setattr(worker, step, lambda *given, step=step: steps.append((step, *given)))
    for name in ("livejobs.server.project", "livejobs.server.project.celery", "livejobs.server.project.urls"):
        stand_in: Any = ModuleType(name)
        stand_in.app = SimpleNamespace(Worker=made)
        monkeypatch.setitem(sys.modules, name, stand_in)
    return steps


def test_every_queue_that_a_job_names_is_served_and_the_default_one(serving, settings):
    assert worker.queues() == ["livejobs", "mails", "reports"]
    settings.LIVEJOBS = {"QUEUE": "mine"}
    assert worker.queues() == ["mails", "mine", "reports"]


def test_without_a_job_the_default_queue_is_served(jobs):
    assert worker.queues() == ["livejobs"]


def test_celery_gets_as_many_places_as_were_asked_for_and_every_queue(serving, monkeypatch):
    monkeypatch.delenv("LIVEJOBS_POOL", raising=False)
    options = worker.options(Environment(workers=3))

    assert (options["concurrency"], options["queues"]) == (3, ["livejobs", "mails", "reports"])
    assert options["pool_cls"].__module__ == "celery.concurrency.thread"
    assert options["hostname"] == f"livejobs@{socket.gethostname()}"
    monkeypatch.setenv("LIVEJOBS_POOL", "prefork")
    assert worker.options(Environment())["pool_cls"].__module__ == "celery.concurrency.prefork"


def test_a_pool_that_cannot_run_live_jobs_is_refused_by_name(serving, monkeypatch):
    monkeypatch.setenv("LIVEJOBS_POOL", "gevent")
    with pytest.raises(StartError, match=r"^LIVEJOBS_POOL is 'gevent'; it has to be threads, prefork or solo\.$"):
        worker.options(Environment())


def test_django_the_jobs_and_the_servers_are_there_before_the_worker_starts(serving, started, monkeypatch):
    monkeypatch.setenv("LIVEJOBS_WORKERS", "4")

    assert worker.main() == 70

    assert started[:4] == [("load_later",), "set up", ("load_jobs", "worker"), ("wait_for_servers",)]
    assert started[4:] == [worker.options(Environment(workers=4)), "started"]
