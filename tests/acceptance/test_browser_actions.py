"""Cancel and retry, as a person meets them: asked in place, told in place, only what is legal now."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import WORKERS, Person, Server, button, heard, id_of, row, run, text_of

pytest_plugins = ("tests.support.browser_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def cancel(page: Page, job: int) -> None:
    """Click Cancel in a row; the row asks."""
    row(page, job).get_by_role("button", name="Cancel").click()
    expect(row(page, job)).to_contain_text(f"Stop job {job}?")


def test_cancel_a_running_job(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    line = run(page, "hold", "October", gate=gate)
    job = id_of(line)
    expect(line.locator(".lj-word")).to_have_text("Running")
    expect(line.get_by_role("button")).to_have_accessible_name(f"Cancel October ({job})")

    cancel(page, job)
    expect(line.get_by_role("button", name="Stop it")).to_be_focused()
    line.get_by_role("button", name="Keep running").click()
    expect(line.get_by_role("button", name="Cancel")).to_be_focused()
    expect(line.locator(".lj-word")).to_have_text("Running")
    assert server.rows(id=job)[0]["cancel_requested_at"] is None

    cancel(page, job)
    page.keyboard.press("Escape")
    expect(line.get_by_role("button", name="Cancel")).to_be_focused()

    cancel(page, job)
    line.get_by_role("button", name="Stop it").click()
    expect(line.locator(".lj-word")).to_have_text("Cancelled")
    expect(line.locator(".lj-text")).to_have_text(re.compile(r"^After \d+(\.\d)? s$"))
    expect(line.get_by_role("button")).to_have_accessible_name(f"Retry October ({job})")
    assert heard(page, "October cancelled").count("October cancelled") == 1
    assert server.rows(id=job)[0]["state"] == "cancelled"


def test_a_job_that_does_not_look_is_interrupted(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    line = run(page, "deaf", "Stubborn", gate=gate)
    expect(line.locator(".lj-word")).to_have_text("Running")
    cancel(page, id_of(line))
    line.get_by_role("button", name="Stop it").click()
    expect(line.locator(".lj-word")).to_have_text("Cancelling")
    expect(line.locator(".lj-text")).to_have_text(re.compile(r"^Asked \d s ago; being stopped$"))
    expect(line.get_by_role("button")).to_have_count(0)
    expect(line.locator(".lj-word")).to_have_text("Cancelled")


def test_cancel_a_queued_job(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    for _ in range(WORKERS):
        person.job(page, "hold", "Busy", gate=gate)
    expect(page.locator(".lj-word", has_text="Running")).to_have_count(WORKERS)
    line = run(page, "at_once", "Patient")
    expect(line.locator(".lj-word")).to_have_text("Queued")
    expect(line.locator(".lj-text")).to_have_text(re.compile(r"^Waiting for a worker · \d s$"))
    cancel(page, id_of(line))
    line.get_by_role("button", name="Stop it").click()
    expect(line.locator(".lj-word")).to_have_text("Cancelled")
    expect(line.locator(".lj-text")).to_have_text("Before it started")
    server.let(gate)
    expect(page.locator(".lj-word", has_text="Completed")).to_have_count(WORKERS)
    after = run(page, "at_once", "Next")
    expect(after.locator(".lj-word")).to_have_text("Completed")
    assert server.rows(id=id_of(line))[0]["attempt"] == 0  # its message came, and did nothing


def test_cancel_on_the_job_page(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    job = person.job(page, "hold", "Here", gate=gate)
    page.goto(f"{server.url}jobs/{job}/")
    head = page.locator(".lj-jobhead")
    expect(head.locator(".lj-word")).to_have_text("Running")
    head.get_by_role("button", name="Cancel").click()
    head.get_by_role("button", name="Stop it").click()
    expect(head.locator(".lj-word")).to_have_text("Cancelled")
    steps = page.get_by_role("region", name="Timeline").locator(".lj-word")
    expect(steps).to_have_text(["Queued", "Running", "Cancelling", "Cancelled"])


def test_cancel_too_late(person: Person, server: Server, gate: str) -> None:
    """The job finishes while the question is open, and the page is the last to know."""
    wire = person.wire()
    page = person.open()
    line = run(page, "hold", "Quick", gate=gate)
    expect(line.locator(".lj-word")).to_have_text("Running")
    cancel(page, id_of(line))
    wire.slow()
    server.let(gate)
    server.until(page, id=id_of(line), state="succeeded")
    line.get_by_role("button", name="Stop it").click()
    expect(line).to_contain_text("Finished before it could be cancelled.")
    heard(page, "Finished before it could be cancelled.")
    wire.hurry()
    expect(line.locator(".lj-word")).to_have_text("Completed")
    assert server.rows(id=id_of(line))[0]["cancel_requested_at"] is None


def test_the_question_goes_away_when_the_job_finishes(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    line = run(page, "hold", "Quick", gate=gate)
    expect(line.locator(".lj-word")).to_have_text("Running")
    cancel(page, id_of(line))
    server.let(gate)
    expect(line.locator(".lj-word")).to_have_text("Completed")
    expect(line.get_by_role("button")).to_have_count(0)
    expect(line.get_by_role("link")).to_be_focused()  # not nowhere


def test_retry(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    line = run(page, "fail_until", "Again", gate=gate)
    expect(line.locator(".lj-text")).to_have_text("ValueError: the gate is shut")
    server.let(gate)
    line.get_by_role("button", name="Retry").click()
    expect(line).to_contain_text("Attempt 2 queued")
    heard(page, "Attempt 2 queued")
    expect(line.locator(".lj-word")).to_have_text("Completed")
    assert "ValueError" not in text_of(line)
    line.get_by_role("link").click()
    expect(page.get_by_role("region", name="Result")).to_contain_text("open")
    expect(page.get_by_role("region", name="Error")).to_have_count(0)
    expect(page.locator(".lj-attempt")).to_have_text(["Attempt 1", "Attempt 2"])
    steps = page.get_by_role("region", name="Timeline").locator(".lj-word")
    expect(steps).to_have_text(["Queued", "Running", "Failed", "Queued", "Running", "Completed"])
    failed = page.get_by_role("region", name="Timeline").get_by_role("listitem").nth(2)
    expect(failed).to_contain_text("ValueError the gate is shut")  # kept, though the job completed since
    expect(failed.locator("pre")).to_be_hidden()
    failed.get_by_text("Traceback", exact=True).click()
    expect(failed.locator("pre")).to_contain_text('raise ValueError("the gate is shut")')


def test_retry_a_cancelled_job_on_its_page(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    job = person.job(page, "hold", "Twice", gate=gate)
    page.goto(f"{server.url}jobs/{job}/")
    head = page.locator(".lj-jobhead")
    expect(head.locator(".lj-word")).to_have_text("Running")
    head.get_by_role("button", name="Cancel").click()
    head.get_by_role("button", name="Stop it").click()
    head.get_by_role("button", name="Retry").click()
    expect(head).to_contain_text("Attempt 2 queued")
    expect(head.locator(".lj-word")).to_have_text("Running")
    server.let(gate)
    expect(head.locator(".lj-word")).to_have_text("Completed")


def test_a_second_retry_comes_too_late(person: Person, server: Server, gate: str) -> None:
    """The page is the last to know that the job already runs again: it is told why, and there is no third attempt."""
    page = person.open()
    job = id_of(run(page, "hold", "Once", gate=gate))
    cancel(page, job)
    row(page, job).get_by_role("button", name="Stop it").click()
    expect(row(page, job).locator(".lj-word")).to_have_text("Cancelled")
    wire = person.wire()
    late = person.open()
    wire.slow()
    row(page, job).get_by_role("button", name="Retry").click()
    expect(row(page, job).locator(".lj-word")).to_have_text("Running")
    row(late, job).get_by_role("button", name="Retry").click()
    expect(row(late, job).locator(".lj-note")).not_to_be_empty()
    wire.hurry()
    expect(row(late, job).locator(".lj-word")).to_have_text("Running")
    server.let(gate)
    expect(row(late, job).locator(".lj-word")).to_have_text("Completed")
    assert server.rows(id=job)[0]["attempt"] == 2


def test_a_double_click_makes_one_job(person: Person, server: Server) -> None:
    page = person.open("?task=at_once")
    page.locator("#lj-name").fill("Twice")
    button(page).dblclick()
    expect(page.locator(".lj-row .lj-word")).to_have_text(["Completed"])
    page.locator("#lj-name").fill("Slowly")
    button(page).click()
    expect(page.locator(".lj-row")).to_have_count(2)  # the first click was answered …
    button(page).click()  # … when the second one comes
    last = run(page, "at_once", "Last")
    expect(last.locator(".lj-word")).to_have_text("Completed")
    expect(page.locator(".lj-row .lj-what a")).to_have_text(["Last", "Slowly", "Twice"])
    names = [made["name"] for made in server.rows() if made["id"] >= id_of(page.locator(".lj-row").last)]
    assert names == ["Twice", "Slowly", "Last"]
