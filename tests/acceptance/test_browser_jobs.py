"""A form starts a job and every screen follows it: what a person sees from the click to the result."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import APIResponse, Route, expect

from tests.support.browser import (
    EXAMPLES,
    PATIENCE,
    PHONE,
    Person,
    Server,
    button,
    heard,
    id_of,
    is_live,
    row,
    run,
    text_of,
)
from tests.support.waiting import wait_for

pytest_plugins = ("tests.support.browser_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

# Runs in the page: the tab is in the background, and in front again.
HIDE = """
for (const [name, value] of [["hidden", true], ["visibilityState", "hidden"]])
  Object.defineProperty(document, name, { value, configurable: true });
document.dispatchEvent(new Event("visibilitychange"));
"""
SHOW = """
delete document.hidden;
delete document.visibilityState;
document.dispatchEvent(new Event("visibilitychange"));
"""


def test_start_watch_finish(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    expect(page.locator(".lj-empty")).to_have_text("No jobs yet. Run one; it stays here after a reload.")
    line = run(page, "hold", "October", gate=gate)
    expect(line).to_contain_text("October")
    expect(line).to_have_class(re.compile(r"\blj-own\b"))
    expect(page.locator("#lj-name")).to_have_value("")  # the next job gets a name of its own
    expect(line.locator(".lj-word")).to_have_text("Running")
    expect(page.locator(".lj-count")).to_have_text("1 running")
    server.let(gate, 610)
    bar = line.get_by_role("progressbar", name="Progress of October")
    expect(bar).to_have_attribute("value", "610")
    expect(bar).to_have_attribute("max", "1000")
    expect(line).to_contain_text("610/1,000")
    expect(line).to_contain_text("counting")
    server.let(gate)
    expect(line.locator(".lj-word")).to_have_text("Completed")
    expect(line.locator(".lj-text")).to_have_text(re.compile(r"^in \d+(\.\d)? s$"))
    expect(page.locator(".lj-count")).to_be_empty()
    expect(line.get_by_role("button")).to_have_count(0)  # nothing is legal now
    assert heard(page, "October completed").count("October") == 2  # queued, completed; progress is never announced

    line.get_by_role("link", name="October").click()
    expect(page.get_by_role("heading", name="October")).to_be_visible()
    expect(page.get_by_role("region", name="Result")).to_contain_text("held")
    log = page.get_by_role("region", name="Log")
    expect(log).to_contain_text(f"waiting at {gate}")
    expect(log).to_contain_text("step 610")
    expect(page.get_by_role("region", name="Parameters")).to_contain_text(gate)
    expect(page.get_by_role("region", name="Timeline").locator(".lj-word")).to_have_text(
        ["Queued", "Running", "Completed"]
    )


def test_the_three_seconds_of_the_tutorial(person: Person) -> None:
    page = person.open("?task=sec3")
    expect(button(page)).to_have_text("Run 3 sec task")
    button(page).click()
    line = page.locator(".lj-row").first
    expect(line.locator(".lj-word")).to_have_text("Running")
    expect(line.locator(".lj-text")).to_have_text(re.compile(r"^[12] s$"))  # it counts
    expect(line.locator(".lj-text")).to_have_text(re.compile(r"^in 3\.\d s$"))
    expect(line.locator(".lj-word")).to_have_text("Completed")


def test_reload_in_mid_run(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    job = id_of(run(page, "hold", "Long", gate=gate))
    server.let(gate, 250)
    expect(row(page, job)).to_contain_text("250/1,000")
    page.reload()
    is_live(page)
    expect(row(page, job).locator(".lj-word")).to_have_text("Running")
    expect(row(page, job)).to_contain_text("250/1,000")
    server.let(gate, 500)
    expect(row(page, job)).to_contain_text("500/1,000")
    server.let(gate)
    expect(row(page, job).locator(".lj-word")).to_have_text("Completed")


def test_a_job_page_in_mid_run(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    job = person.job(page, "hold", "Slow", gate=gate)
    server.let(gate, 100)
    page = person.open(f"jobs/{job}/")
    head = page.locator(".lj-jobhead")
    expect(head).to_contain_text("100/1,000")
    expect(page.locator(".lj-log")).to_contain_text("step 100")
    page.reload()
    is_live(page)
    expect(page.locator(".lj-log")).to_contain_text("step 100")
    server.let(gate, 900)
    expect(head).to_contain_text("900/1,000")
    expect(page.locator(".lj-log")).to_contain_text("step 900")
    expect(page).to_have_title("90 % · Slow")
    server.let(gate)
    expect(head.locator(".lj-word")).to_have_text("Completed")
    expect(page.get_by_role("region", name="Result")).to_contain_text("held")
    expect(page.get_by_role("region", name="Timeline").locator(".lj-word")).to_have_text(
        ["Queued", "Running", "Completed"]
    )
    seqs = page.locator(".lj-logline a").all_inner_texts()
    assert seqs == [str(number) for number in range(1, len(seqs) + 1)]  # none lost, none doubled


def test_on_a_phone_where_a_job_is_comes_into_sight(someone: Callable[..., Person], server: Server, gate: str) -> None:
    person = someone(viewport=PHONE)
    page = person.open()
    job = person.job(page, "hold", "Slow", gate=gate)
    server.let(gate, 100)
    page.goto(f"{server.url}jobs/{job}/")
    expect(page.locator(".lj-log")).to_contain_text("step 100")
    page.get_by_role("button", name="Where is it?").click()  # below the log
    expect(page.get_by_role("region", name="Where it is").get_by_role("heading")).to_be_in_viewport()
    server.let(gate)


def test_where_a_job_is(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    job = person.job(page, "hold", "Slow", gate=gate)
    server.let(gate, 100)
    page.goto(f"{server.url}jobs/{job}/")
    expect(page.locator(".lj-log")).to_contain_text("step 100")
    where = page.get_by_role("region", name="Where it is")
    expect(where).to_have_count(0)  # nobody asked
    page.get_by_role("button", name="Where is it?").click()
    expect(where).to_contain_text("Main thread (most recent call last):")
    expect(where).to_contain_text("in hold")
    page.route("**/stacks/", lambda route: route.fulfill(status=204))
    where.get_by_role("button", name="Where is it?").click()
    expect(where).to_contain_text("No answer: the job just ended, or its worker does not answer.")
    page.unroute("**/stacks/")
    where.get_by_role("button", name="Where is it?").click()
    expect(where).to_contain_text("in hold")
    server.let(gate)
    expect(page.locator(".lj-jobhead .lj-word")).to_have_text("Completed")  # it was not stopped
    expect(where).to_have_count(0)
    expect(page.get_by_role("button", name="Where is it?")).to_have_count(0)


def test_the_timeline_catches_up(person: Person, server: Server, gate: str) -> None:
    """The job finishes while an older timeline is still under way."""
    page = person.open()
    job = person.job(page, "fail_until", "Behind", gate=gate)
    expect(row(page, job).locator(".lj-word")).to_have_text("Failed")
    server.let(gate)
    page.goto(f"{server.url}jobs/{job}/")
    late: list[tuple[Route, APIResponse]] = []

    def hold_the_first(route: Route) -> None:
        if late:
            route.continue_()
        else:
            late.append((route, route.fetch()))

    page.route("**/timeline/", hold_the_first)
    head = page.locator(".lj-jobhead")
    head.get_by_role("button", name="Retry").click()
    expect(head.locator(".lj-word")).to_have_text("Completed")
    ((route, answer),) = wait_for(lambda: page.evaluate("0") or late, timeout=PATIENCE / 1000)
    route.fulfill(response=answer)
    steps = page.get_by_role("region", name="Timeline").locator(".lj-word")
    expect(steps).to_have_text(["Queued", "Running", "Failed", "Queued", "Running", "Completed"])


def test_two_tabs(person: Person, server: Server, gate: str) -> None:
    one, two = person.open(), person.open()
    job = id_of(run(one, "hold", "Shared", gate=gate))
    expect(row(two, job)).to_contain_text("Shared")
    server.let(gate, 333)
    for page in (one, two):
        expect(row(page, job)).to_contain_text("333/1,000")
    row(two, job).get_by_role("button", name="Cancel").click()
    two.get_by_role("button", name="Stop it").click()
    for page in (one, two):
        expect(row(page, job).locator(".lj-word")).to_have_text("Cancelled")
    assert text_of(row(one, job)) == text_of(row(two, job))


def test_another_session_sees_nothing(someone: Callable[..., Person], gate: str) -> None:
    owner, other = someone(), someone()
    other.complaints.expect("404")
    elsewhere = other.open()
    page = owner.open()
    job = id_of(run(page, "hold", "Private", gate=gate))
    expect(row(page, job).locator(".lj-word")).to_have_text("Running")
    other.job(elsewhere, "at_once", "Own")
    expect(elsewhere.locator(".lj-row")).to_have_count(1)  # whatever came before this one has arrived
    expect(elsewhere.locator("body")).not_to_contain_text("Private")
    for below in ("", "timeline/", "result/", "traceback/"):
        assert other.context.request.get(f"{other.server.url}jobs/{job}/{below}").status == 404
    missing = other.open(f"jobs/{job}/", live=False)
    expect(missing.get_by_role("heading")).to_have_text("No such job, or it is not yours.")
    expect(missing.locator("body")).not_to_contain_text("Private")
    expect(missing.get_by_role("link", name="All jobs")).to_be_visible()


def test_an_unknown_job(person: Person) -> None:
    person.complaints.expect("404")
    page = person.open("jobs/999999999/", live=False)
    expect(page.get_by_role("heading")).to_have_text("No such job, or it is not yours.")
    is_live(page)  # its frame works as on any other page
    page.get_by_role("link", name="All jobs").click()
    expect(button(page)).to_be_enabled()


def test_a_failing_job(person: Person) -> None:
    page = person.open()
    line = run(page, "fail", "Import")
    expect(line.locator(".lj-word")).to_have_text("Failed")
    expect(line.locator(".lj-text")).to_have_text("ValueError: bad row 7")
    expect(line.get_by_role("button", name=re.compile("Retry"))).to_be_visible()
    assert heard(page, "Import failed: ValueError: bad row 7").count("Import failed: ValueError: bad row 7") == 1
    line.get_by_role("link").click()
    error = page.get_by_role("region", name="Error")
    expect(error).to_contain_text("bad row 7")
    expect(error.locator("code")).to_have_text("ValueError")
    expect(page.locator(".lj-log")).to_contain_text("Row 7 has no date")
    expect(page.locator(".lj-level-warning b")).to_have_text("warning")  # said, not only coloured
    error.get_by_role("button", name="Show traceback").click()
    expect(error.locator("pre")).to_contain_text('raise ValueError("bad row 7")')
    expect(error.locator("pre")).to_contain_text("examples_tasks.py")


def test_a_text_of_200_kb(person: Person) -> None:
    page = person.open("?task=count_words")
    words = ["time"] * 30_000 + ["Käse"] * 10_000
    book = " ".join(words)
    assert len(book.encode()) > 200 * 1024
    line = run(page, "count_words", "A book", text=book)
    expect(line.locator(".lj-word")).to_have_text("Completed")
    line.get_by_role("link").click()
    result = page.get_by_role("region", name="Result").locator("table")
    expect(result.locator("th")).to_have_text(["word", "count", "percent"])
    expect(result.locator("td")).to_have_text(["time", "30000", "75", "käse", "10000", "25"])
    expect(page.locator(".lj-log")).to_contain_text("40,000 words, 2 different ones")
    page.go_back()
    expect(page.locator("#lj-count_words-text")).to_be_visible()


def test_a_row_shows_what_it_has_and_nothing_of_its_language(person: Person) -> None:
    page = person.open("?task=odd_rows")
    line = run(page, "odd_rows")
    expect(line.locator(".lj-word")).to_have_text("Completed")
    line.get_by_role("link").click()
    result = page.get_by_role("region", name="Result").locator("table")
    expect(result.locator("th")).to_have_text(["__proto__", "constructor", "a"])
    expect(result.locator("td")).to_have_text(["mine", "1", "", "", "", "1"])


def test_jobs_without_a_name_are_told_apart_by_their_params(person: Person) -> None:
    page = person.open("?task=count_words")
    for text in ("apples", "pears"):  # and what stands in the field "top"
        line = run(page, "count_words", text=text)
        expect(line.locator(".lj-sub")).to_have_text(f"text: {text} · top: 20")
    line = run(page, "count_words", text="x" * 41)
    expect(line.locator(".lj-sub")).not_to_contain_text("xxx")
    page.reload()
    expect(page.locator(".lj-sub").filter(has_text="text: pears")).to_have_count(1)


def test_a_folder(person: Person, server: Server) -> None:
    folder = server.folder / "tree"
    (folder / "deep").mkdir(parents=True, exist_ok=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep/b.txt").write_bytes(EXAMPLES.read_bytes())
    page = person.open("?task=hash_tree")
    line = run(page, "hash_tree", folder=str(folder))
    expect(line.locator(".lj-word")).to_have_text("Completed")
    line.get_by_role("link").click()
    expect(page.get_by_role("region", name="Result").locator("tbody tr")).to_have_count(2)
    expect(page.get_by_role("region", name="Result")).to_contain_text(
        "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    )
    with page.expect_download() as download:
        page.get_by_role("link", name="Download JSON").click()
    assert '"deep/b.txt"' in download.value.path().read_text()


def test_a_long_log_follows_until_one_scrolls_up(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    job = person.job(page, "many_lines", gate=gate)
    page = person.open(f"jobs/{job}/")
    log = page.locator(".lj-log")
    last = log.locator(".lj-logline").last
    expect(last).to_contain_text("broken")
    expect(last).to_be_in_viewport()
    log.hover()
    page.mouse.wheel(0, -2000)
    latest = page.get_by_role("button", name="Jump to latest")
    expect(latest).to_be_visible()
    expect(last).not_to_be_in_viewport()
    server.let(gate)
    expect(last).to_contain_text("the last line")
    expect(last).not_to_be_in_viewport()  # what is read does not run away
    latest.click()
    expect(last).to_be_in_viewport()
    expect(latest).to_have_count(0)

    page.locator("#L17 a").click()
    expect(page).to_have_url(re.compile("#L17$"))
    page.reload()
    expect(page.locator("#L17")).to_be_in_viewport()
    expect(page.locator("#L17")).to_have_class(re.compile("lj-target"))


def test_a_result_of_many_rows(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    server.let(gate)
    job = person.job(page, "many_lines", gate=gate)
    expect(row(page, job).locator(".lj-word")).to_have_text("Completed")
    page.goto(f"{server.url}jobs/{job}/")
    rows = page.get_by_role("region", name="Result").locator("tbody tr")
    expect(rows).to_have_count(100)
    page.get_by_role("button", name="Show all 150 rows").click()
    expect(rows).to_have_count(150)


def test_a_job_without_a_result(person: Person) -> None:
    page = person.open()
    run(page, "at_once").get_by_role("link").click()
    expect(page.locator(".lj-panel").first).to_contain_text("Finished without a result.")
    expect(page.locator("livejobs-log")).to_contain_text("Nothing was logged.")
    expect(page.get_by_role("link", name="Download JSON")).to_have_count(0)


def test_older_jobs(person: Person) -> None:
    page = person.open()
    ids = person.jobs(page, *[{"task": "at_once", "name": f"Number {n}"} for n in range(60)])
    expect(page.locator(".lj-row")).to_have_count(60)
    page.reload()
    is_live(page)
    expect(page.locator(".lj-row")).to_have_count(50)
    page.get_by_role("button", name="Load older jobs").click()
    expect(page.locator(".lj-row")).to_have_count(60)
    expect(page.get_by_role("button", name="Load older jobs")).to_have_count(0)
    shown = [int(text) for text in page.locator(".lj-row .lj-id").all_inner_texts()]
    assert shown == sorted(ids, reverse=True)


def test_title_and_icon(person: Person, server: Server, gate: str) -> None:
    page = person.open()
    icon = page.locator("link[rel=icon]")
    expect(page).to_have_title("Livejobs")
    expect(icon).to_have_attribute("href", re.compile(r"icons/idle\.svg$"))
    line = run(page, "hold", "October", gate=gate)
    expect(icon).to_have_attribute("href", re.compile(r"icons/running\.svg$"))
    line.get_by_role("link").click()
    server.let(gate, 610)
    expect(page).to_have_title("61 % · October")
    expect(icon).to_have_attribute("href", re.compile(r"icons/running\.svg$"))
    page.evaluate(HIDE)
    server.let(gate)
    expect(page).to_have_title("✓ October")  # until it is looked at
    expect(icon).to_have_attribute("href", re.compile(r"icons/done\.svg$"))
    page.evaluate(SHOW)
    expect(page).to_have_title("October · Livejobs")
    for name in ("idle", "running", "done", "failed"):
        answer = person.context.request.get(f"{server.url}static/livejobs/icons/{name}.svg")
        assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")
