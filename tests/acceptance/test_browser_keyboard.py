"""Everything without a mouse: the keys of the list, the order of the tab key, and where the focus is afterwards."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Person, Server, button, id_of, is_live, row, run

pytest_plugins = ("tests.support.browser_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def focused(page: Page) -> str:
    """What has the focus: its id, else its text."""
    text: str = page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")
    return text


def three(person: Person, page: Page, task: str = "at_once") -> list[int]:
    """Three jobs, the newest first."""
    ids = person.jobs(page, *[{"task": task, "name": name} for name in ("First", "Second", "Third")])
    expect(page.locator(".lj-row")).to_have_count(3)
    return ids[::-1]


def test_start_and_open_a_job_by_keys_alone(person: Person) -> None:
    page = person.open()
    page.keyboard.press("n")
    expect(page.get_by_label("Task", exact=True)).to_be_focused()
    page.keyboard.type("Count")  # a select finds what one types; N in it is a letter
    expect(button(page)).to_have_text("Run Count words")
    page.keyboard.press("Tab")
    expect(page.locator("#lj-name")).to_be_focused()
    page.keyboard.type("Jack n Jill?")
    page.keyboard.press("Tab")
    expect(page.locator("#lj-count_words-text")).to_be_focused()
    page.keyboard.type("up the hill")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".lj-row .lj-word")).to_have_text(["Completed"])
    expect(page.locator("#lj-count_words-text")).to_be_focused()  # where it was
    expect(page.locator("dialog")).to_have_count(0)
    page.keyboard.press("Tab")
    expect(page.locator("#lj-count_words-top")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    expect(button(page)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".lj-row .lj-word")).to_have_text(["Completed", "Completed"])
    expect(button(page)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert focused(page) == "Jack n Jill?"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Jack n Jill?")


def test_j_and_k(person: Person) -> None:
    page = person.open()
    three(person, page)
    seen = []
    for key in "jjjjkkkk":
        page.keyboard.press(key)
        seen.append(focused(page))
    assert seen == ["Third", "Second", "First", "First", "Second", "Third", "Third", "Third"]


def test_the_focus_returns_after_back(person: Person) -> None:
    page = person.open()
    ids = three(person, page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Second")
    page.go_back()
    expect(row(page, ids[1]).get_by_role("link")).to_be_focused()
    page.keyboard.press("j")
    expect(row(page, ids[2]).get_by_role("link")).to_be_focused()


def test_the_focus_stays_on_its_row_through_updates(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    job = id_of(run(page, "hold", "Watched", gate=gate))
    link = row(page, job).get_by_role("link")
    link.focus()
    for step in (100, 200):
        server.let(gate, step)
        expect(row(page, job)).to_contain_text(f"{step}/1,000")
        expect(link).to_be_focused()
    other = person.job(page, "at_once", "Other")
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    expect(link).to_be_focused()
    server.let(gate)
    expect(row(page, job).locator(".lj-word")).to_have_text("Completed")
    expect(link).to_be_focused()
    page.get_by_role("button", name="1 new").focus()
    page.keyboard.press("Enter")
    expect(row(page, other).get_by_role("link")).to_be_focused()


def test_cancel_and_retry(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    job = id_of(run(page, "hold", "Held", gate=gate))
    expect(row(page, job).locator(".lj-word")).to_have_text("Running")
    page.keyboard.press("c")  # no row is meant: nothing happens
    page.locator("h2").first.click()
    page.keyboard.press("j")
    page.keyboard.press("r")  # not legal now
    page.keyboard.press("c")
    expect(page.get_by_role("button", name="Stop it")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Keep running")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Stop it")).to_have_count(0)
    page.keyboard.press("c")
    page.keyboard.press("Enter")
    expect(row(page, job).locator(".lj-word")).to_have_text("Cancelled")
    expect(row(page, job).get_by_role("link")).to_be_focused()
    expect(row(page, job).get_by_role("button", name="Retry")).not_to_have_attribute("aria-disabled", "true")
    page.keyboard.press("r")
    expect(row(page, job)).to_contain_text("Attempt 2 queued")
    expect(row(page, job).locator(".lj-word")).to_have_text("Running")
    expect(row(page, job).get_by_role("link")).to_be_focused()


def test_the_sheet_and_switching_the_keys_off(person: Person) -> None:
    page = person.open()
    three(person, page)
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard")
    expect(sheet).to_be_visible()
    expect(sheet.locator("dd")).to_contain_text(["Next, previous job", "Open", "Cancel", "Retry", "Go to the runner"])
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.keyboard.press("?")
    sheet.get_by_label("Use these keys").uncheck()
    sheet.get_by_role("button", name="Close").click()
    expect(sheet).to_be_hidden()
    page.reload()
    is_live(page)
    page.keyboard.press("j")
    expect(page.locator(".lj-row a:focus")).to_have_count(0)
    page.keyboard.press("?")
    sheet.get_by_label("Use these keys").check()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.wait_for_function("!document.activeElement.closest('dialog')")  # the focus goes back a little later
    page.keyboard.press("j")
    expect(page.locator(".lj-row a:focus")).to_have_text("Third")


def test_the_order_of_the_tab_key(person: Person, gate: str) -> None:
    page = person.open("?task=count_words")
    job = person.job(page, "hold", "Held", gate=gate)
    expect(row(page, job).locator(".lj-word")).to_have_text("Running")
    order = []
    for _ in range(8):
        page.keyboard.press("Tab")
        order.append(focused(page))
    fields = ["lj-task", "lj-name", "lj-count_words-text", "lj-count_words-top", "Run Count words"]
    assert order == ["Livejobs", *fields, "Held", "Cancel"]
