"""Long lists: every row that a page shows is true, whatever happened to the connection, and there are not too many.

A page that says "Live" and shows a job as queued that has long succeeded is the one thing this project must never be.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import START, Person, Server, is_live, row
from tests.support.waiting import wait_for

pytest_plugins = ("tests.support.browser_fixtures",)
pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(400)]

TRUE_SECONDS = 10  # from the last change of a row until every page shows it
ALL_OVER_SECONDS = 240
WORDS = """
[...document.querySelectorAll(".lj-row")].map((row) => [
  Number(row.id.slice(4)), row.querySelector(".lj-word").textContent])
"""


def shown(page: Page) -> dict[int, str]:
    """The word of each row, by the id of its job, in the order of the page."""
    return dict(page.evaluate(WORDS))


def pause(server: Server, number: signal.Signals) -> None:
    """Stop the worker's parent, which hands out jobs, or let it go on."""
    os.kill(server.part("worker"), number)


def start_many(person: Person, page: Page, count: int) -> list[int]:
    """Start so many jobs at once."""
    return person.jobs(page, *[{"task": "at_once", "name": f"Job {number}"} for number in range(count)])


def await_all_over(server: Server, page: Page, ids: list[int]) -> None:
    """Wait until all of these have succeeded, by the database."""

    def over() -> bool:
        page.evaluate("0")
        wanted = set(ids)
        return sum(each["id"] in wanted for each in server.rows(state="succeeded")) == len(ids)

    wait_for(over, timeout=ALL_OVER_SECONDS, message="the end of all jobs")


def await_true(page: Page, ids: list[int]) -> dict[int, str]:
    """Wait until every row that is shown is completed, and they are the newest ones; what is shown then."""

    def true() -> dict[int, str]:
        found = shown(page)
        assert Counter(found.values()) == {"Completed": len(found)}, Counter(found.values())
        assert list(found) == sorted(ids, reverse=True)[: len(found)]
        return found

    return wait_for(true, timeout=TRUE_SECONDS, message="rows that are true")


def test_after_the_server_came_back_every_row_is_true(person: Person, server: Server) -> None:
    page = person.open()
    pause(server, signal.SIGSTOP)
    try:
        ids = start_many(person, page, 401)
        expect(page.locator(".lj-row")).to_have_count(401)
        os.kill(server.part("web"), signal.SIGKILL)
    finally:
        pause(server, signal.SIGCONT)
    await_all_over(server, page, ids)
    is_live(page)
    assert len(await_true(page, ids)) == 401
    expect(page.locator("livejobs-status")).to_have_text("Live")


def test_after_a_burst_every_row_is_true_and_there_are_a_thousand_at_most(person: Person, server: Server) -> None:
    page = person.open()
    pause(server, signal.SIGSTOP)  # those that the list lets go of still wait then, and change afterwards
    try:
        ids = start_many(person, page, 1501)
    finally:
        pause(server, signal.SIGCONT)
    await_all_over(server, page, ids)
    assert 500 <= len(await_true(page, ids)) <= 1000
    is_live(page)
    older = page.get_by_role("button", name="Load older jobs")
    expect(older).to_be_visible()
    assert row(page, ids[0]).count() == 0


def test_older_jobs_take_the_place_of_the_newest_once_the_list_is_full(person: Person, server: Server) -> None:
    page = person.open()
    # the page's own list is made to be full sooner: a thousand rows more take minutes
    modules = "performance.getEntriesByType('resource').find(({ name }) => /page[^/]*[.]js$/.test(name)).name"
    ids = start_many(person, page, 220)
    page.reload()
    is_live(page)
    page.evaluate(f"import({modules}).then(({{ Page }}) => {{ Page.shared().list.max = 150; }})")
    older = page.get_by_role("button", name="Load older jobs")
    for count in (100, 150):
        older.click()
        expect(page.locator(".lj-row")).to_have_count(count)
    older.click()
    expect(page.locator(".lj-row")).to_have_count(70)
    expect(row(page, ids[0])).to_be_attached()
    expect(older).to_have_count(0)
    page.get_by_role("button", name="Back to the newest jobs").click()
    expect(page.locator(".lj-row")).to_have_count(50)
    assert list(shown(page)) == sorted(ids, reverse=True)[:50]
    expect(page.get_by_role("button", name="Back to the newest jobs")).to_have_count(0)


def test_a_reader_keeps_the_place_through_a_reconnect(person: Person, server: Server) -> None:
    wire = person.wire()
    page = person.open()
    ids = start_many(person, page, 120)
    await_all_over(server, page, ids)
    looked_at = row(page, ids[40])
    looked_at.scroll_into_view_if_needed()
    before = looked_at.bounding_box()
    wire.cut()
    expect(page.locator("livejobs-status")).to_have_text("Reconnecting…")
    assert person.context.browser is not None
    elsewhere = person.context.browser.new_context(storage_state=person.context.storage_state())
    other = elsewhere.new_page()
    other.goto(server.url)
    newer = other.evaluate(START, [{"task": "at_once", "name": "Newer"}] * 7)
    await_all_over(server, page, newer)
    elsewhere.close()
    wire.mend()
    is_live(page)
    expect(page.get_by_role("button", name="7 new")).to_be_visible()
    assert looked_at.bounding_box() == before
    assert set(ids) <= set(shown(page))


def test_the_counter_counts_what_is_not_on_the_page(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    held = person.job(page, "hold", gate=gate)
    start_many(person, page, 60)
    page.reload()
    expect(page.locator(".lj-row")).to_have_count(50)
    assert row(page, held).count() == 0
    expect(page.locator(".lj-count")).to_have_text("1 running")
    server.let(gate)
    expect(page.locator(".lj-count")).to_be_empty()


def test_a_server_that_says_nothing_is_not_called_live(person: Person, server: Server) -> None:
    page = person.open()
    web = server.part("web")
    os.kill(web, signal.SIGSTOP)
    try:
        expect(page.locator("livejobs-status")).not_to_have_text("Live", timeout=20_000)
        expect(page.locator("livejobs-bar")).to_contain_text("What you see may be old.")
    finally:
        os.kill(web, signal.SIGCONT)
    is_live(page)
    person.complaints.expect("WebSocket connection to .* failed")
