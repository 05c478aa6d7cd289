"""The connection is lost and comes back: nothing is missed, nothing is sent by surprise, no input is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import TASKS, Person, Server, button, heard, id_of, is_live, row, run, text_of

pytest_plugins = ("tests.support.browser_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

# Every second message that the channel layer brings to the web process is lost, the hub's own pings and echoes too.
LOSSY = """
from channels_redis.pubsub import RedisPubSubLoopLayer

arrived = 0
receive = RedisPubSubLoopLayer.receive


async def lossy(self, channel):
    global arrived
    while True:
        message = await receive(self, channel)
        arrived += 1
        if arrived % 2:
            return message
        with open("lost", "a") as file:
            print(message.get("type"), file=file)


RedisPubSubLoopLayer.receive = lossy
"""


def try_now(page: Page) -> None:
    """Click the button, unless the page was faster and is connected already."""
    page.evaluate("() => document.querySelector('livejobs-bar button')?.click()")


def test_a_job_finishes_while_the_connection_is_lost(person: Person, server: Server, gate: str) -> None:
    wire = person.wire()
    page = person.open()
    line = run(page, "hold", "Meanwhile", gate=gate)
    expect(line.locator(".lj-word")).to_have_text("Running")
    wire.cut()
    expect(page.locator("livejobs-status")).to_have_text("Reconnecting…")
    bar = page.locator("livejobs-bar")
    expect(bar).to_contain_text("What you see may be old.")
    expect(bar).to_contain_text(re.compile(r"Reconnecting in \d+ s\.|Connecting…"))
    server.let(gate)
    server.until(page, id=id_of(line), state="succeeded")
    expect(line.locator(".lj-word")).to_have_text("Running")  # nobody told this page
    wire.mend()
    try_now(page)
    is_live(page)
    expect(line.locator(".lj-word")).to_have_text("Completed")
    expect(bar).to_be_empty()
    heard(page, "Connected again.")
    told = heard(page, "Meanwhile completed")  # before it or after it: what is said a second later is said apart
    assert told.count("Meanwhile completed") == 1


def test_a_short_break_is_no_news(person: Person, server: Server, gate: str) -> None:
    wire = person.wire()
    page = person.open()
    line = run(page, "hold", "On", gate=gate)
    page.evaluate("() => { const now = Date.now(); Date.now = () => now; }")  # short, however busy this machine is
    wire.cut()
    wire.mend()
    is_live(page)
    server.let(gate, 400)
    expect(line).to_contain_text("400/1,000")
    assert "What you see may be old." not in page.evaluate("spoken.join()")


def test_the_log_is_taken_up_where_it_ended(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    job = person.job(page, "hold", "Log", gate=gate)
    server.until(page, id=job, log_seq=1)
    wire = person.wire()
    page = person.open(f"jobs/{job}/")
    log = page.locator(".lj-logline span")
    server.let(gate, 1)
    expect(log.last).to_have_text("step 1")
    wire.cut()
    server.let(gate, 2)
    server.until(page, id=job, log_seq=3)
    wire.mend()
    is_live(page)
    server.let(gate, 3)
    expect(log).to_have_text([f"waiting at {gate}", "step 1", "step 2", "step 3"])
    watches = [frame for frame in wire.sent if frame["action"] == "watch"]
    assert [frame["log_after"] for frame in watches] == [1, 2]  # what came with the page, or before, is not sent again


def test_the_server_is_stopped_and_started_again(person: Person, server: Server, gate: str) -> None:
    person.complaints.expect("WebSocket connection to .* failed")
    page = person.open()
    done = run(page, "at_once", "Before")
    expect(done.locator(".lj-word")).to_have_text("Completed")
    line = run(page, "hold", "Across", gate=gate)
    expect(line.locator(".lj-word")).to_have_text("Running")
    server.stop()
    try:
        expect(page.locator("livejobs-bar")).to_contain_text("What you see may be old.")
        server.let(gate)
    finally:
        server.start()
    try_now(page)
    is_live(page)
    expect(line.locator(".lj-word")).to_have_text("Completed")  # it was queued again, and ran
    expect(done.locator(".lj-word")).to_have_text("Completed")
    after = run(page, "at_once", "After")
    expect(after.locator(".lj-word")).to_have_text("Completed")


def test_the_page_wakes_up(person: Person) -> None:
    """A phone that was in a pocket: the page tries at once instead of waiting for its turn."""
    wire = person.wire()
    page = person.open()
    wire.cut()
    expect(page.locator("livejobs-bar")).to_contain_text("What you see may be old.")
    page.evaluate("Page => { Math.random = () => 1 }")
    expect(page.locator("livejobs-bar")).to_contain_text(re.compile(r"Reconnecting in \d+ s\."))
    wire.mend()
    page.evaluate("dispatchEvent(new Event('pageshow'))")
    is_live(page)


def test_a_submit_while_disconnected_sends_nothing_later(person: Person, server: Server) -> None:
    wire = person.wire()
    page = person.open("?task=count_words")
    wire.cut()
    expect(page.locator("livejobs-status")).to_have_text("Reconnecting…")
    page.locator("#lj-name").fill("Kept")
    page.locator("#lj-count_words-text").fill("so it goes")
    button(page).click()
    note = page.locator(".lj-formnote")
    expect(note).to_have_text("Not connected. Nothing was started; your input is kept.")
    heard(page, "Not connected. Nothing was started; your input is kept.")
    expect(page.locator("#lj-name")).to_have_value("Kept")
    wire.mend()
    is_live(page)
    expect(page.locator("#lj-name")).to_have_value("Kept")
    expect(page.locator("#lj-count_words-text")).to_have_value("so it goes")
    expect(page.locator(".lj-empty")).to_be_visible()
    assert wire.starts() == []
    button(page).click()
    expect(page.locator(".lj-row .lj-word")).to_have_text(["Completed"])
    expect(note).to_be_hidden()
    assert len(wire.starts()) == 1


def test_a_start_that_was_not_answered_is_sent_again(person: Person, server: Server, gate: str) -> None:
    wire = person.wire()
    page = person.open("?task=hold")

    def lose_the_answer(frame: dict[str, Any]) -> None:
        if frame["action"] == "start":
            wire.cut()

    wire.after = lose_the_answer
    page.locator("#lj-name").fill("Only once")
    page.locator("#lj-hold-gate").fill(gate)
    button(page).click()
    expect(page.locator(".lj-formnote")).to_have_text("Checking whether it started…")
    expect(button(page)).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#lj-name")).to_have_value("Only once")
    made = server.until(page, name="Only once")
    wire.after = lambda _frame: None
    wire.mend()
    is_live(page)
    expect(row(page, made["id"])).to_contain_text("Only once")
    expect(page.locator(".lj-formnote")).to_be_hidden()
    expect(page.locator("#lj-name")).to_have_value("")
    first, second = wire.starts()
    assert first == second
    assert first["key"]
    expect(page.locator(".lj-row")).to_have_count(1)
    assert len(server.rows(name="Only once")) == 1


def test_an_action_while_disconnected(person: Person, server: Server, gate: str) -> None:
    wire = person.wire()
    page = person.open()
    line = run(page, "hold", "Untouched", gate=gate)
    expect(line.locator(".lj-word")).to_have_text("Running")
    wire.cut()
    expect(page.locator("livejobs-status")).to_have_text("Reconnecting…")
    line.get_by_role("button", name="Cancel").click()
    line.get_by_role("button", name="Stop it").click()
    expect(line).to_contain_text("Not connected. Nothing was changed.")
    wire.mend()
    is_live(page)
    server.let(gate)
    expect(line.locator(".lj-word")).to_have_text("Completed")
    assert [frame for frame in wire.sent if frame["action"] == "cancel"] == []


def test_an_action_before_the_connection_is_up_waits_for_it(person: Person, server: Server, gate: str) -> None:
    """A job's page has its buttons before its connection: whoever is quick is not told that it is away."""
    page = person.open()
    job = person.job(page, "hold", "Quick", gate=gate)
    wire = person.wire()
    wire.slow("hello")
    page.goto(f"{server.url}jobs/{job}/")
    head = page.locator(".lj-jobhead")
    expect(page.locator("livejobs-status")).to_have_text("Connecting…")
    head.get_by_role("button", name="Cancel").click()
    head.get_by_role("button", name="Stop it").click()
    expect(head.get_by_role("button", name="Cancel")).to_have_attribute("aria-disabled", "true")
    wire.hurry()
    expect(head.locator(".lj-word")).to_have_text("Cancelled")
    assert len([frame for frame in wire.sent if frame["action"] == "cancel"]) == 1


@pytest.fixture(scope="module")
def lossy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose channel layer loses every second message."""
    with Server(tmp_path_factory.mktemp("lossy"), TASKS + LOSSY) as started:
        yield started


def test_every_second_message_is_lost(person: Person, lossy: Server, request: pytest.FixtureRequest) -> None:
    person.server = lossy
    gates = [f"lossy-{number}" for number in range(6)]
    one, two = person.open(), person.open()
    held = [person.job(one, "hold", f"Held {gate}", gate=gate) for gate in gates]
    for job in held:
        expect(row(two, job)).to_be_visible(timeout=10_000)
    for gate in gates:
        for step in (10, 20, 30):
            lossy.let(gate, step)
        lossy.let(gate)
    quick = person.jobs(one, *[{"task": "at_once", "name": f"Quick {number}"} for number in range(10)])
    failing = person.job(one, "fail", "Failing")
    for job in (*held, *quick, failing):
        lossy.until(one, id=job, state="failed" if job == failing else "succeeded")
    for page in (one, two):
        for job in (*held, *quick):
            expect(row(page, job).locator(".lj-word")).to_have_text("Completed", timeout=10_000)
        expect(row(page, failing).locator(".lj-text")).to_have_text("ValueError: bad row 7", timeout=10_000)
        expect(page.locator(".lj-row")).to_have_count(len(held) + len(quick) + 1)
        expect(page.locator(".lj-count")).to_be_empty()
    shown = [text_of(line) for line in one.locator(".lj-row").all()]
    assert shown == [text_of(line) for line in two.locator(".lj-row").all()]
    fresh = person.open()
    assert shown == [text_of(line) for line in fresh.locator(".lj-row").all()]  # of the database, not of messages
    assert (lossy.folder / "lost").read_text().count("\n") > 10
