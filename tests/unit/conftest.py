"""What unit tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from livejobs.definition import Registry, registry
from tests.support.forks import ForkServer


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry, empty: what a test defines is gone after it, and becomes no Celery task."""
    monkeypatch.setattr(registry, "_jobs", {})
    monkeypatch.setattr(registry, "_subscribers", [])
    monkeypatch.setattr(registry, "short_names", False)
    monkeypatch.setattr(registry, "keeps_refusals", False)
    monkeypatch.setattr(registry, "refusals", [])
    return registry


@pytest.fixture
def imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a test import what it likes: `sys.path` and `sys.modules` are as before after it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(before):
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Where tests with `in_a_fork` run."""
    server = ForkServer()
    yield server
    server.stop()
