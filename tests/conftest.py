"""What every test may ask for. A missing server is skipped on a laptop and fails the run under `CI=true`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from livejobs.database import pool
from tests.support.servers import MissingServerError, Postgres, Valkey
from tests.support.waiting import wait_for

IN_CI = os.environ.get("CI") == "true"


def pytest_configure(config: pytest.Config) -> None:
    settings.RUNTIME.mkdir(parents=True, exist_ok=True, mode=0o700)


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(settings.RUNTIME, ignore_errors=True)
    if not hasattr(config, "workerinput"):
        shutil.rmtree(settings.RUNTIME.parent, ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database-only", action="store_true", help="leave out the tests that do not use the database")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here / "acceptance"):
            item.add_marker(pytest.mark.acceptance)
    if config.getoption("--database-only"):
        config.hook.pytest_deselected(items=[item for item in items if not uses_database(item)])
        items[:] = [item for item in items if uses_database(item)]


def uses_database(item: pytest.Item) -> bool:
    """Say whether a test asks for the test database: by mark, or by a fixture that needs it."""
    return item.get_closest_marker("django_db") is not None or "django_db_setup" in getattr(item, "fixturenames", ())


def missing(why: str) -> None:
    """Skip a test that lacks a part of the machine; in CI that part must be there."""
    if IN_CI:
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """The Valkey that `tests.settings` names. A test that stops it starts it again."""
    server = Valkey(settings.RUNTIME)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of this test process."""
    try:
        server = Postgres()
    except MissingServerError as error:
        missing(str(error))
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    request: pytest.FixtureRequest, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """Start PostgreSQL before Django opens its database there."""
    if settings.DATABASE == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        settings.DATABASES["default"]["PORT"] = str(server.port)
        os.environ["LIVEJOBS_TEST_DATABASE_PORT"] = str(server.port)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Tell processes that a test starts which database the test uses; in the end nobody else may use it."""
    os.environ["LIVEJOBS_TEST_DATABASE_NAME"] = str(settings.DATABASES["default"]["NAME"])
    yield
    pool.close()  # views read a log on its threads, too
    if settings.DATABASE == "postgresql":  # which cannot drop it while a process that has just ended is still seen
        with django_db_blocker.unblock():
            wait_for(_nobody_else, 20, "the end of all other sessions")


def _nobody_else() -> bool:
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT state, backend_start, query FROM pg_stat_activity WHERE {others}")
        found = cursor.fetchall()
    assert not found, found
    return True
