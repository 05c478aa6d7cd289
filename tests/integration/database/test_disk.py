"""A disk that is full is told apart from a database that is away."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection

from livejobs import actions
from livejobs.database import disk
from livejobs.errors import UnavailableError
from livejobs.health import parts
from livejobs.health.parts import Finding, Status
from livejobs.models import Job
from livejobs.policy import Person
from tests import jobs

pytestmark = pytest.mark.django_db(transaction=True)
ADA = Person(None, ("browser:ada",))
only_sqlite = pytest.mark.skipif(settings.DATABASE != "sqlite", reason="about a file")


@pytest.fixture
def usage(monkeypatch) -> Any:
    def make(free: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - free, free))

    return make


@only_sqlite
def test_a_full_disk_is_unavailable_and_says_so(usage):
    usage(disk.LEAST_BYTES - 1)
    found = parts.look()
    assert found["database"] == Finding(Status.DOWN, "Its disk is full.")
    assert parts.overall(found) == "unavailable"
    usage(disk.LEAST_BYTES)
    assert parts.look()["database"].status is Status.OK


def test_where_nothing_is_known_it_is_not_full(usage, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "NAME", ":memory:/nowhere")
    assert not disk.is_full("default")


def start_until_it_is_full() -> None:
    for _ in range(500):
        actions.start_as(ADA, "tests.jobs.add", {"a": 1, "b": 1})


@only_sqlite
def test_a_start_that_a_full_disk_refuses_says_so():
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0]}")
        try:
            with pytest.raises(UnavailableError) as refused:
                start_until_it_is_full()
        finally:
            cursor.execute("PRAGMA max_page_count = 1073741823")
    assert refused.value.message == "The disk of the database is full. Nothing was started."
    count = Job.objects.count()
    actions.start(jobs.add, {"a": 1, "b": 1})
    assert Job.objects.count() == count + 1


@pytest.mark.parametrize(("attribute", "code", "full"), [
    ("sqlstate", "53100", True), ("pgcode", "53100", True), ("sqlstate", "57P01", False),
])  # fmt: skip
def test_postgresql_says_it_by_its_code(attribute, code, full):
    driver = Exception("could not extend file")
    setattr(driver, attribute, code)
    error = OperationalError("could not extend file")
    error.__cause__ = driver
    assert disk.says_full(error) is full
    assert not disk.says_full(OperationalError("away"))
