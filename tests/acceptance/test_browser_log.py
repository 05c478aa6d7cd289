"""The log of a job as a person reads it: however long it is, and whatever is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browser import Person, Server

pytest_plugins = ("tests.support.browser_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

TASKS = """
import time
from pathlib import Path

from livejobs import current_job, live_job

GATES = Path(__file__).with_name("gates")


def said(gate):
    try:
        return (GATES / gate).read_text()
    except FileNotFoundError:
        return ""


@live_job
def draws_a_bar(gate: str) -> None:
    print("waiting", end="", flush=True)
    before = ""
    while (word := said(gate)) != "end":
        if word and word != before:
            print(f"\\r{word} of 10", end="", flush=True)
            before = word
        current_job().check_cancelled()
        time.sleep(0.02)
    print("\\r10 of 10", end="")


@live_job
def writes_for_a_terminal() -> None:
    print("\\033[31mred\\033[0m and \\033[1mbold\\033[0m")
    print("\\033[2K\\033[1A50 %\\033]0;title\\007")
    print("see https://example.org/a?b=1.")
    print("\\u202etxt.exe\\u202c")
    print("<b>html</b>")
    raise ValueError("\\033[31mbad\\033[0m row at https://example.org/7\\nJob 1 forged: succeed")


@live_job
def prints_many(gate: str, lines: int, more: int, width: int = 10) -> None:
    for number in range(1, lines + 1):
        print(f"line {number} ".ljust(width, "x"))
    while said(gate) != "end":
        current_job().check_cancelled()
        time.sleep(0.02)
    for number in range(lines + 1, lines + more + 1):
        print(f"line {number} ".ljust(width, "x"))
"""

# Runs in the page: looks for a text as a person does; the line in which it was found.
FIND = """
(text) => find(text) ? getSelection().anchorNode.parentElement.closest(".lj-logline").id : ""
"""


# Runs in the page: the numbers of the lines, as they stand.
NUMBERS = "() => [...document.querySelectorAll('.lj-logline')].map(({ id }) => Number(id.slice(1)))"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the tasks above."""
    with Server(tmp_path_factory.mktemp("log"), TASKS) as started:
        yield started


def test_a_line_without_an_end_is_live_and_stays_as_it_ended(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    job = person.job(page, "draws_a_bar", gate=gate)
    page.goto(f"{server.url}jobs/{job}/")
    line = page.locator(".lj-open span")
    expect(line).to_have_text("waiting")  # though it was said before the page came
    server.let(gate, 5)
    expect(line).to_have_text("5 of 10")
    server.let(gate, 7)
    expect(line).to_have_text("7 of 10")
    expect(page.locator(".lj-block .lj-logline")).to_have_count(0)
    server.let(gate)
    expect(page.locator(".lj-block .lj-logline")).to_have_text([re.compile("10 of 10$")])
    expect(line).to_have_count(0)


def test_colours_are_colours_links_are_links_and_nothing_turns_a_line_round(
    person: Person, server: Server, gate: str
) -> None:
    page = person.open()
    job = person.job(page, "writes_for_a_terminal")
    server.until(page, id=job, state="failed")
    page.goto(f"{server.url}jobs/{job}/")
    log = page.locator(".lj-log")
    expect(log.locator(".lj-logline > span")).to_have_text(
        ["red and bold", "50 %", "see https://example.org/a?b=1.", "txt.exe", "<b>html</b>"]
    )
    expect(log.locator(".lj-fg1")).to_have_text("red")
    expect(log.locator(".lj-bold")).to_have_text("bold")
    link = log.get_by_role("link", name="https://example.org/a?b=1")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(link).to_have_attribute("href", "https://example.org/a?b=1")
    for place in (page.get_by_role("region", name="Error"), page.get_by_role("region", name="Timeline")):
        expect(place).to_contain_text("bad row at https://example.org/7")
        expect(place.locator(".lj-fg1").first).to_have_text("bad")
        assert "\x1b" not in place.inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download log").click()
    lines = download.value.path().read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines[:2]] == ["red and bold", "50 %"]
    assert "\x1b" not in server.log


def printed(person: Person, server: Server, gate: str, lines: int, more: int) -> tuple[Page, str]:
    """Somebody's page, and the address of a job of theirs that has printed so many lines and waits."""
    page = person.open()
    job = person.job(page, "prints_many", gate=gate, lines=lines, more=more)
    server.until(page, id=job, log_seq=lines)
    return page, f"{server.url}jobs/{job}/"


def test_of_a_long_log_the_first_and_the_last_lines_are_shown_and_how_many_are_not(
    person: Person, server: Server, gate: str
) -> None:
    page, address = printed(person, server, gate, 12_000, 50)
    page.goto(address)
    lines = page.locator(".lj-logline")
    expect(lines.last).to_contain_text("line 12000")
    gap = page.locator(".lj-gap")
    expect(gap).to_have_count(1)
    server.let(gate)
    expect(lines.last).to_contain_text("line 12050")
    expect(page.locator("livejobs-job .lj-title ~ .lj-state")).to_contain_text("Completed")
    page.reload()
    expect(lines).to_have_count(10_000)
    expect(gap).to_have_text("2,050 lines left out")
    expect(lines.nth(4_999)).to_contain_text("line 5000")
    expect(lines.nth(5_000)).to_contain_text("line 7051")


def test_while_a_job_writes_on_a_page_keeps_a_bounded_number_of_lines(
    person: Person, server: Server, gate: str
) -> None:
    page = person.open()
    job = person.job(page, "prints_many", gate=gate, lines=9_990, more=3_000)
    page.goto(f"{server.url}jobs/{job}/")
    lines = page.locator(".lj-logline")
    expect(lines).to_have_count(9_990)
    expect(page.locator(".lj-gap")).to_have_count(0)
    server.let(gate)
    expect(lines.last).to_contain_text("line 12990")
    assert lines.count() <= 10_200
    expect(page.locator(".lj-gap")).to_have_count(1)
    expect(lines.first).to_contain_text("line 1 ")
    expect(lines.nth(4_999)).to_contain_text("line 5000")


def test_a_long_log_is_seen_from_its_end_while_earlier_lines_are_on_their_way(
    person: Person, server: Server, gate: str
) -> None:
    page, address = printed(person, server, gate, 2_000, 1)
    person.complaints.expect("503")
    answers: list[Route] = []
    page.route("**/lines/*", lambda route: answers.append(route))
    with page.expect_request("**/lines/*"):
        page.goto(address)
    lines, gap = page.locator(".lj-logline"), page.locator(".lj-gap")
    expect(lines.last).to_contain_text("line 2000")
    expect(lines.last).to_be_in_viewport()
    expect(gap).to_have_text("Loading…")
    server.let(gate)
    expect(lines.last).to_contain_text("line 2001")  # which waits for none of those before
    expect(lines).to_have_count(101)

    page.locator(".lj-log").evaluate("(log) => (log.scrollTop = 40)")
    expect(page.get_by_role("button", name="Latest")).to_be_visible()
    read = page.locator("#L1905")
    expect(read).to_be_in_viewport()
    first, *_ = answers[0].fetch().text().splitlines(keepends=True)
    with page.expect_request("**/lines/*"):  # the answer was cut, so it is asked again
        answers[0].fulfill(content_type="application/x-ndjson", body=first)
    expect(lines).to_have_count(351)
    expect(gap).to_have_text("Loading…")
    answers[1].fulfill(status=503)  # and again, until the server is back
    page.unroute("**/lines/*")
    expect(lines).to_have_count(2_001)
    expect(gap).to_have_count(0)
    expect(lines.first).to_contain_text("line 1 ")
    assert page.evaluate(NUMBERS) == list(range(1, 2_002))
    expect(read).to_be_in_viewport()  # nothing moved under who reads


def test_of_ten_thousand_long_lines_each_is_there_and_is_found(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    server.let(gate)
    job = person.job(page, "prints_many", gate=gate, lines=10_000, more=0, width=2_000)
    server.until(page, id=job, state="succeeded")
    page.goto(f"{server.url}jobs/{job}/")
    lines = page.locator(".lj-logline")
    expect(lines).to_have_count(10_000)
    expect(lines.last).to_be_in_viewport()
    expect(page.locator(".lj-gap")).to_have_count(0)
    assert page.evaluate(FIND, "line 5000 ") == "L5000"
    page.locator(".lj-log").evaluate("(log) => (log.scrollTop = 0)")
    expect(lines.first).to_be_in_viewport()
    expect(lines.first).to_contain_text("line 1 ")
    page.goto(f"{server.url}jobs/{job}/#L7000")
    expect(page.locator("#L7000")).to_be_in_viewport()
