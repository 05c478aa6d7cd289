"""`/livez` and `/readyz`, as a load balancer sees them."""

from __future__ import annotations

import pytest
from django.db import connections
from django.test import Client

from livejobs.health import parts
from livejobs.health.parts import Finding, Status

FINE = Finding(Status.OK, "Fine.")


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    found = {"database": FINE, "migrations": FINE, "workers": Finding(Status.OK, "Two.", {"livejobs": 2})}
    monkeypatch.setattr(parts, "look", lambda: found)
    return found


@pytest.fixture
def guarded(settings, monkeypatch):
    """A host that signs people in everywhere and wraps each request in a transaction."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)


def test_alive_without_a_database_or_a_session(guarded):
    response = Client().get("/jobs/livez")  # a query would fail this test

    assert (response.status_code, response.text) == (200, "ok")
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies
    assert Client().head("/jobs/livez").status_code == 200
    assert Client().post("/jobs/livez").status_code == 405


def test_ready(looked, guarded):
    response = Client().get("/jobs/readyz")

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies
    assert response.json() == {
        "status": "ready",
        "checks": {
            "database": {"status": "ok", "message": "Fine."},
            "migrations": {"status": "ok", "message": "Fine."},
            "workers": {"status": "ok", "message": "Two.", "queues": {"livejobs": 2}},
        },
    }


def test_jobs_are_accepted_and_wait(looked):
    looked["workers"] = Finding(Status.DEGRADED, "One is missing.", {"livejobs": 0})
    response = Client().get("/jobs/readyz")

    assert (response.status_code, response.json()["status"]) == (200, "degraded")


@pytest.mark.parametrize("part", ["database", "migrations"])
def test_no_job_can_be_accepted(looked, part):
    looked[part] = Finding(Status.DOWN, "Away.")
    response = Client().get("/jobs/readyz")

    assert (response.status_code, response.json()["status"]) == (503, "unavailable")
