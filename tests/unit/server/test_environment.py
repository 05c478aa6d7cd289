"""What the supervisor tells its parts, and what they read back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livejobs.server.environment import FOREIGN, SETTINGS_MODULE, Environment, default_workers
from livejobs.server.failures import StartError

WHOLE = Environment(
    tasks="/jobs/tasks.py", data=Path("/data"), runtime=Path("/run/lj"), host="::1", port=9000, workers=3,
    redis_url="redis://host", database_url="postgresql://host/jobs", strict=True,
    reload=True,
)  # fmt: skip


def test_a_part_reads_what_the_supervisor_wrote():
    assert Environment.read(WHOLE.variables(), WHOLE.addresses()) == WHOLE
    small = Environment(data=Path("/data"), runtime=Path("/run/lj"))
    assert Environment.read(small.variables(), small.addresses()) == small


def test_every_variable_has_a_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert Environment.read({}, {}) == Environment(data=tmp_path / ".livejobs", workers=default_workers())
    empty = dict.fromkeys(WHOLE.variables(), "")
    assert Environment.read(empty, {}) == Environment.read({}, {})


def test_what_would_mislead_celery_or_django_is_left_out(monkeypatch):
    for name in (*FOREIGN, "DJANGO_SETTINGS_MODULE"):
        monkeypatch.setenv(name, "somebody.elses")
    monkeypatch.setenv("MY_OWN", "kept")

    variables = WHOLE.variables()

    assert not set(FOREIGN) & set(variables)
    assert variables["DJANGO_SETTINGS_MODULE"] == SETTINGS_MODULE
    assert variables["MY_OWN"] == "kept"


def test_addresses_are_in_no_environment(monkeypatch):
    """The supervisor read them; what it then hands to its parts is what holds."""
    monkeypatch.setenv("REDIS_URL", "redis://stale")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///stale")

    assert not {"REDIS_URL", "DATABASE_URL"} & set(WHOLE.variables())
    assert WHOLE.addresses() == {"REDIS_URL": "redis://host", "DATABASE_URL": "postgresql://host/jobs"}


def test_where_the_queue_is():
    assert WHOLE.redis == "redis://host"
    embedded = Environment(data=Path("/data"), runtime=Path("/run/lj"))
    assert embedded.redis == "unix:///run/lj/valkey.sock"
    assert embedded.variables()["LIVEJOBS_VALKEY_SOCKET"] == "/run/lj/valkey.sock"
    assert WHOLE.variables()["LIVEJOBS_VALKEY_SOCKET"] == ""


def test_a_process_outside_the_supervisor_is_told_where_the_queue_is(monkeypatch):
    monkeypatch.delenv("LIVEJOBS_VALKEY_SOCKET", raising=False)
    outside = Environment(data=Path("/data"))

    assert outside.valkey_socket == Path("/data/valkey.sock")
    monkeypatch.setenv("LIVEJOBS_VALKEY_SOCKET", "/elsewhere/v.sock")
    assert outside.valkey_socket == Path("/elsewhere/v.sock")


@pytest.mark.parametrize(("cores", "workers"), [(None, 2), (1, 2), (2, 2), (3, 3), (4, 4), (64, 4)])
def test_one_worker_a_processor_within_bounds(monkeypatch, cores, workers):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)

    assert default_workers() == workers


def test_a_program_that_was_not_given_an_address_uses_no_other():
    """One that a job starts inherits what names the server, and not what may hold a password."""
    with pytest.raises(StartError, match=r"^REDIS_URL is not set here: livejobs up keeps it out of the environment"):
        Environment.read(WHOLE.variables(), {})
    assert "LIVEJOBS_OUTSIDE" in WHOLE.variables()
    small = Environment(data=Path("/data"), runtime=Path("/run/lj"))
    assert Environment.read(small.variables(), {}) == small
