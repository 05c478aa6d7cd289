"""Integration tests run beside a real Valkey that starts each test empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings

from tests.support.servers import Valkey
from tests.support.workers import FAST, Worker, maintaining


@pytest.fixture(autouse=True)
def _empty_valkey(valkey: Valkey) -> None:
    valkey.empty()


@pytest.fixture(scope="module")
def worker(valkey: Valkey, django_db_setup: None, django_db_blocker, tmp_path_factory) -> Iterator[Worker]:
    """A worker of two children, shared by the tests of a file."""
    started = Worker(tmp_path_factory.mktemp("worker") / "worker.log")
    with django_db_blocker.unblock():
        started.start()
    yield started
    started.stop()


@pytest.fixture
def maintenance(worker: Worker, monkeypatch) -> Iterator[None]:
    """Maintenance beside it, ten times faster than people need it."""
    monkeypatch.setattr(settings, "LIVEJOBS", FAST)
    with maintaining():
        yield
