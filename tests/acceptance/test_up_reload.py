"""A jobs file that is changed while `livejobs up` serves it: said or, with `--reload`, served."""

from __future__ import annotations

import html
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.server_process import STOP_SECONDS, Server, Visitor, get
from tests.support.waiting import wait_for

pytest_plugins = ("tests.support.browser_fixtures",)
pytestmark = pytest.mark.timeout(180)

SERVED_SECONDS = 2  # the promise, on a machine that has nothing else to do
PATIENCE = 30  # for one that has

TASKS = """
import time
from pathlib import Path
import wording
from livejobs import live_job

VERSION = {version}


@live_job(title="Version {version}")
def version() -> int:
    return VERSION


@live_job
def greeting() -> str:
    return wording.GREETING


@live_job
def long(mark: str) -> int:
    Path(mark).touch()
    give_up_at = time.monotonic() + 120
    while VERSION == 1:
        time.sleep(0.05)
        assert time.monotonic() < give_up_at
    return VERSION
"""


def save(server: Server, version: int) -> None:
    (server.folder / "tasks.py").write_text(TASKS.format(version=version))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """A server on version 1, started; whatever is left of it is ended."""
    made: list[Server] = []

    def started(*arguments: str) -> Server:
        server = Server(tmp_path / "server", arguments=arguments)
        made.append(server)
        (server.folder / "wording.py").write_text('GREETING = "Hello"\n')
        save(server, 1)
        server.start()
        return server

    yield started
    for server in made:
        server.kill()
        wait_for(lambda server=server: not server.processes(), message="the guard's sweep")  # type: ignore[misc]


def page(server: Server) -> str:
    try:
        return html.unescape(get(server.url).text)
    except OSError:
        return ""


def standing_by(server: Server) -> list[int]:
    """The parts that stand by, warm: all that they import is imported."""
    found = []
    for pid in server.processes():
        try:
            if b"LIVEJOBS_STANDBY=1" in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


def test_a_saved_file_is_served_and_what_ran_begins_again(make, tmp_path):
    server = make("--reload")
    visitor, mark = Visitor(server), tmp_path / "mark"
    job = visitor.start("long", mark=str(mark))
    wait_for(mark.exists, message="the job")
    wait_for(lambda: len(standing_by(server)) == 3, timeout=PATIENCE, message="three that stand by")

    begun = time.monotonic()
    save(server, 2)
    wait_for(lambda: "Version 2" in page(server), timeout=PATIENCE, message="the new page")
    seconds = time.monotonic() - begun

    print(f"served after {seconds:.1f} s")
    found = visitor.wait_for(job, "succeeded")
    assert (found["result"], found["attempt"], found["failures"], found["losses"]) == (2, 2, 0, 0)
    assert visitor.wait_for(visitor.start("version"), "succeeded")["result"] == 2
    wait_for(lambda: "tasks.py is served anew after " in server.out)
    assert "Traceback" not in server.log
    assert server.stop() < STOP_SECONDS
    assert server.processes() == {}


def test_a_file_beside_it_is_one_of_its_own(make):
    server = make("--reload")
    (server.folder / "wording.py").write_text('GREETING = "Good morning"\n')
    wait_for(lambda: "wording.py is served anew after " in server.out, timeout=PATIENCE)

    visitor = Visitor(server)
    assert visitor.wait_for(visitor.start("greeting"), "succeeded")["result"] == "Good morning"
    assert server.stop() < STOP_SECONDS


def test_a_broken_file_keeps_the_last_good_one_and_is_said_until_it_is_mended(make):
    server = make("--reload")
    (server.folder / "tasks.py").write_text("def (")
    told = "tasks.py cannot be loaded; its last good version is served:"
    wait_for(lambda: told in server.err, timeout=PATIENCE)

    assert "\n  tasks.py:1 has a syntax error: " in server.err
    assert f"{told} tasks.py:1 has a syntax error: " in page(server)
    visitor = Visitor(server)
    assert visitor.wait_for(visitor.start("version"), "succeeded")["result"] == 1

    save(server, 2)
    wait_for(lambda: "Version 2" in page(server) and told not in page(server), timeout=PATIENCE)
    assert visitor.wait_for(visitor.start("version"), "succeeded")["result"] == 2
    assert server.stop() < STOP_SECONDS
    assert "Traceback" not in server.log


def test_an_open_page_says_what_becomes_of_the_file(make, browser: Browser):
    server = make("--reload")
    page = browser.new_page()
    page.goto(server.url)
    expect(page.locator(".lj-pill")).to_have_text("Live")
    (server.folder / "tasks.py").write_text("def (")
    expect(page.locator("livejobs-notices")).to_contain_text(
        "tasks.py cannot be loaded; its last good version is served:"
    )
    expect(page.locator("livejobs-announcer")).to_contain_text("tasks.py cannot be loaded")

    save(server, 2)
    expect(page.locator("livejobs-form")).to_contain_text("Version 2")
    expect(page.locator("livejobs-notices")).to_be_empty()
    page.context.close()
    assert server.stop() < STOP_SECONDS


def test_a_part_that_took_over_is_started_again_like_any_other(make):
    server = make("--reload")
    save(server, 2)
    wait_for(lambda: "tasks.py is served anew after " in server.out, timeout=PATIENCE)
    workers = [pid for pid, command in server.processes().items() if "livejobs.server.worker" in command]
    for pid in workers:  # the one that took over, its children, and one that stands by, if there is one yet
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: "✓ worker       ready again in " in server.out, timeout=PATIENCE)

    visitor = Visitor(server)
    assert visitor.wait_for(visitor.start("version"), "succeeded", timeout=PATIENCE)["result"] == 2
    assert server.stop() < STOP_SECONDS
    assert server.processes() == {}


def test_without_reload_a_change_is_said(make):
    server = make()
    save(server, 2)

    wait_for(lambda: "tasks.py has changed; restart the server to run it" in server.err, timeout=PATIENCE)
    assert "tasks.py has changed since it was loaded; the server has to be restarted to run it." in page(server)
    visitor = Visitor(server)
    assert visitor.wait_for(visitor.start("version"), "succeeded")["result"] == 1
    assert server.stop() < STOP_SECONDS
    assert server.err.count("has changed") == 1
