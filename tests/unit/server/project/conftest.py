"""The project's modules without its Celery app, which would become the current one of this process."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest


@pytest.fixture(autouse=True)
def _without_celery(imports: None, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = ModuleType("livejobs.server.project.celery")
    monkeypatch.setattr(stand_in, "app", None, raising=False)
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
