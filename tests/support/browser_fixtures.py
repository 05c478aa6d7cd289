"""The fixtures of the browser tests: `pytest_plugins = ("tests.support.browser_fixtures",)` asks for them.

Every test fails on a console error, an uncaught exception or a violation of the content security policy, except for
those it says it expects.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.conftest import missing
from tests.support.browser import FLAGS, PATIENCE, Complaints, Person, Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for every browser test of this process. A test that stops it starts it again."""
    with Server(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium. Not for the whole session: while it runs, no asyncio test can."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        missing("There is no Chromium to test the page with.")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def complaints() -> Complaints:
    """What the browsers of this test complain about."""
    return Complaints()


@pytest.fixture
def someone(browser: Browser, server: Server, complaints: Complaints) -> Iterator[Callable[..., Person]]:
    """Call it for a person with a browser of their own; options are those of a Playwright context."""
    people: list[Person] = []

    def come(**options: Any) -> Person:
        people.append(Person(browser, server, complaints, **options))
        return people[-1]

    yield come
    for person in people:
        person.context.close()
    complaints.check()


@pytest.fixture
def person(someone: Callable[..., Person]) -> Person:
    """Somebody at a desk."""
    return someone()


@pytest.fixture
def gate(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a gate of this test's own; it is opened in the end, so that no worker stays busy."""
    name = re.sub(r"\W+", "-", request.node.name)
    yield name
    server.let(name)
