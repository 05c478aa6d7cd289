"""What every page must be: readable for all, as wide as a phone, and the same from the server as from the scripts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import (
    DESKTOP,
    PATIENCE,
    PHONE,
    WORKERS,
    Complaints,
    Person,
    Server,
    button,
    is_live,
    row,
    text_of,
)
from tests.support.waiting import wait_for

pytest_plugins = ("tests.support.browser_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

LONG = "Quarterly-report-of-the-department-without-a-single-space-in-its-name" * 3
STATES = ("queued", "running", "succeeded", "failed", "cancelled")


@dataclass
class Past:
    """Somebody's jobs, one in every state that can be reached and stays; their browser's cookies."""

    state: Any
    jobs: dict[str, int]

    def path(self, name: str) -> str:
        """The address of a page: that of a job, else one of the others."""
        others = {"list": "", "fields": "?task=every_field", "missing": "jobs/999999999/"}
        return others[name] if name in others else f"jobs/{self.jobs[name]}/"


@pytest.fixture(scope="module")
def past(browser: Browser, server: Server) -> Iterator[Past]:
    """Jobs in every state. The running ones hold every worker, so one more stays queued."""
    complaints = Complaints()
    person = Person(browser, server, complaints)
    page = person.open()
    gate = "look"
    failed = person.job(page, "hostile", LONG, shape="error")
    table = person.job(page, "count_words", "October", text="so it goes " * 50)
    cancelled = person.job(page, "fail", "Stopped")
    for job, word in ((failed, "Failed"), (table, "Completed"), (cancelled, "Failed")):
        expect(row(page, job).locator(".lj-word")).to_have_text(word)
    running = [person.job(page, "hold", f"Held {number}", gate=gate) for number in range(WORKERS)]
    for job in running:
        expect(row(page, job).locator(".lj-word")).to_have_text("Running")
    server.let(gate, 610)
    expect(row(page, running[-1])).to_contain_text("610/1,000")
    row(page, cancelled).get_by_role("button", name="Retry").click()
    expect(row(page, cancelled).locator(".lj-word")).to_have_text("Queued")
    row(page, cancelled).get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Stop it").click()
    expect(row(page, cancelled).locator(".lj-word")).to_have_text("Cancelled")
    page.mouse.move(5, 5)  # new rows wait while the pointer is over the list
    page.locator("h2").first.click()
    queued = person.job(page, "every_field", "Waiting", line="ok", text="two\nlines")
    expect(row(page, queued).locator(".lj-word")).to_have_text("Queued")
    state = person.context.storage_state()
    person.context.close()
    complaints.check()
    jobs = {"queued": queued, "running": running[0], "succeeded": table, "failed": failed, "cancelled": cancelled}
    yield Past(state, jobs)
    server.let(gate)


def no_violations(page: Page, scheme: str) -> None:
    """Fail on anything axe finds. In the dark only colours are others."""
    rules = {} if scheme == "light" else {"runOnly": ["color-contrast"]}
    results = Axe().run(page, options={"resultTypes": ["violations"], **rules})
    found = [
        f"{violation['id']}: {violation['help']}\n  " + "\n  ".join(node["html"] for node in violation["nodes"])
        for violation in results.response["violations"]
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe(someone: Callable[..., Person], past: Past, scheme: str) -> None:
    new = someone(color_scheme=scheme).open()
    expect(new.locator(".lj-empty")).to_be_visible()
    no_violations(new, scheme)
    person = someone(color_scheme=scheme, storage_state=past.state)
    person.complaints.expect("404")
    page = person.open()
    for name in ("list", "fields", "running", "succeeded", "failed", "missing"):
        page.goto(person.server.url + past.path(name))
        is_live(page)
        if name == "fields":
            button(page).click()
            expect(page.locator(".lj-error:visible")).to_have_count(1)
        elif name == "failed":
            page.get_by_role("button", name="Show traceback").click()
            expect(page.locator("[aria-labelledby=lj-error] pre")).to_contain_text("Traceback")
        elif name == "list":
            page.keyboard.press("?")
            no_violations(page, scheme)
            page.keyboard.press("Escape")
            row(page, past.jobs["running"]).get_by_role("button", name="Cancel").click()
        no_violations(page, scheme)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_while_disconnected(someone: Callable[..., Person], past: Past, scheme: str) -> None:
    person = someone(color_scheme=scheme, storage_state=past.state)
    wire = person.wire()
    page = person.open()
    wire.cut()
    expect(page.locator("livejobs-bar")).to_contain_text("What you see may be old.")
    button(page).click()
    expect(page.locator(".lj-formnote")).to_be_visible()
    no_violations(page, scheme)


def test_390_pixels_without_sideways_scroll(someone: Callable[..., Person], past: Past) -> None:
    phone = {"viewport": PHONE, "is_mobile": True, "has_touch": True}
    new = someone(**phone).open()
    fits(new)
    expect(new.locator("#lj-name")).to_be_visible()  # nothing is folded before there are jobs
    person = someone(**phone, storage_state=past.state)
    person.complaints.expect("404")
    wire = person.wire()
    page = person.open()
    for name in ("list", "fields", *STATES, "missing"):
        page.goto(person.server.url + past.path(name))
        is_live(page)
        fits(page)
        if name == "fields":
            button(page).tap()
            expect(page.locator(".lj-error:visible")).to_have_count(1)
            fits(page)
        elif name == "failed":
            page.get_by_role("button", name="Show traceback").tap()
            expect(page.locator("[aria-labelledby=lj-error] pre")).to_contain_text("Traceback")
            fits(page)
    page.goto(person.server.url)
    is_live(page)
    line = row(page, past.jobs["running"])
    line.get_by_role("button", name="Cancel").tap()
    expect(line.get_by_role("button", name="Keep running")).to_be_visible()
    fits(page)
    line.get_by_role("button", name="Keep running").tap()
    wire.cut()
    expect(page.locator("livejobs-bar")).to_contain_text("What you see may be old.")
    fits(page)


def fits(page: Page) -> None:
    """Nothing sticks out sideways, what is to be tapped is large enough, and a field does not make iOS zoom in."""
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], f"{page.url} is {width} px wide"
    for place in page.locator("button:visible, a.lj-button:visible").all():
        box = place.bounding_box()
        assert box is not None
        assert box["height"] >= 44, f"{place.inner_text()} at {page.url} is {box['height']} px high"
    sizes = page.eval_on_selector_all(
        "input:not([type=checkbox]), select, textarea", "all => all.map((field) => getComputedStyle(field).fontSize)"
    )
    assert set(sizes) <= {"16px"}


def test_a_phone_folds_the_runner_once_jobs_exist(someone: Callable[..., Person], past: Past) -> None:
    person = someone(viewport=PHONE, is_mobile=True, has_touch=True, storage_state=past.state)
    page = person.open()
    expect(button(page)).to_be_in_viewport()
    expect(page.locator("#lj-name")).to_be_hidden()
    options = page.get_by_role("button", name="Options")
    expect(options).to_have_attribute("aria-expanded", "false")
    options.tap()
    expect(page.locator("#lj-name")).to_be_visible()
    expect(options).to_have_attribute("aria-expanded", "true")
    page.get_by_label("Task", exact=True).select_option("count_words")  # required fields unfold it
    expect(page.locator("#lj-count_words-text")).to_be_visible()
    line = row(page, past.jobs["succeeded"])
    line.scroll_into_view_if_needed()
    box = line.bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + 40, box["y"] + box["height"] - 16)  # the whole card opens the job
    expect(page.get_by_role("heading", level=1)).to_have_text("October")


# Runs in the page: every element of a place with its attributes and its own text, without what lives: the second line
# of a job that has not failed, durations, times as text, the counter; and without what makes a button work.
FACTS = """
(places) => places.flatMap((place) => [...document.querySelectorAll(place)].map((found) => {
  const copy = found.cloneNode(true);
  const failed = (element) => !!element.closest(".lj-is-failed");
  for (const element of copy.querySelectorAll(".lj-text, .lj-took, .lj-count, time")) {
    if (element.matches(".lj-text") && failed(element)) continue;
    element.removeAttribute("title");
    element.textContent = "";
  }
  for (const element of copy.querySelectorAll("button")) {
    for (const name of ["disabled", "aria-disabled", "aria-label"]) element.removeAttribute(name);
  }
  const plain = (text) => text.replace(/\\s+/g, " ").trim();
  return [copy, ...copy.querySelectorAll("*")].map((element) => [
    element.localName,
    ...[...element.attributes].map(({ name, value }) => `${name}=${plain(value)}`).sort(),
    plain([...element.childNodes].map((node) => (node instanceof Text ? node.data : "")).join("")),
  ]);
}))
"""

# Runs in the page: where everything is that a person sees both before the scripts and after them.
WHERE = """
(places) => places.flatMap((place) => [...document.querySelectorAll(place)]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".lj-hidden"))
  .map((element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return [place, ...[x, y, width, height].map((value) => Math.round(value))];
  }))
"""
SEEN = [
    ".lj-runner h2", ".lj-form .lj-label", ".lj-form :is(input, select, textarea, p, button)", ".lj-jobs",
    ".lj-jobs h2", ".lj-row", ".lj-row :is(a, progress, button, .lj-word)", ".lj-older", ".lj-empty",
    ".lj-jobhead", ".lj-jobhead :is(h1, progress, button, .lj-word)",
]  # fmt: skip
STEPS = [".lj-steps li", ".lj-steps .lj-icon", ".lj-steperror"]  # where they are not below the log

# Runs in the page: [score, what moved] of each shift that no input explains.
SHIFTS = """
globalThis.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput, sources } of list.getEntries()) {
    const moved = sources.map(({ node }) => node?.outerHTML?.slice(0, 120) ?? node?.nodeValue);
    if (!hadRecentInput) shifts.push([value, moved]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
PAINTED = "() => performance.getEntriesByName('first-contentful-paint').length > 0"


@contextmanager
def before_its_scripts(page: Page, address: str) -> Iterator[None]:
    """Open a page as the server renders it, painted; its scripts come at the end of the block, and have run then."""
    held: list[Route] = []
    page.route("**/index.js", lambda route: held.append(route))
    with page.expect_request("**/index.js"):
        page.goto(address, wait_until="commit")
    page.wait_for_function(PAINTED)
    assert not page.evaluate("!!customElements.get('livejobs-table')")
    yield
    wait_for(lambda: page.evaluate("0") or held, timeout=PATIENCE / 1000)[0].continue_()
    page.wait_for_function("() => !!customElements.get('livejobs-keys')")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_server_renders_the_facts_that_the_elements_render(
    someone: Callable[..., Person], past: Past, size: Any
) -> None:
    """The same elements, attributes and texts, in the same places; without scripts the page says that it needs them."""
    person = someone(storage_state=past.state, viewport=size)
    # no connection and no clock: what the elements show is the snapshot that came with the page
    person.context.route_web_socket(re.compile("/socket/$"), lambda _near: None)
    person.context.add_init_script("globalThis.setInterval = () => 0")
    plain = someone(storage_state=past.state, viewport=size, java_script_enabled=False)
    seen = SEEN if size == PHONE else SEEN + STEPS
    for name in ("list", "fields", *STATES):
        places = ["livejobs-table"] if name in ("list", "fields") else [".lj-jobhead", ".lj-steps"]
        page = person.context.new_page()
        with before_its_scripts(page, person.server.url + past.path(name)):
            facts = page.evaluate(FACTS, places)
            where = page.evaluate(WHERE, seen)
            read = text_of(page.locator(places[0]))
        assert len(facts) == len(places)
        assert where
        assert page.evaluate(FACTS, places) == facts
        assert page.evaluate(WHERE, seen) == where
        page.close()

        page = plain.open(past.path(name), live=False)
        expect(page.locator(".lj-main > noscript p")).to_have_text(
            "Livejobs needs JavaScript to start and follow jobs."
        )
        expect(page.locator(".lj-main > noscript p")).to_be_visible()
        assert text_of(page.locator(places[0])) == read
        for place_of_button in page.locator("button").all():
            expect(place_of_button).to_be_disabled()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_jumps_while_a_page_opens(someone: Callable[..., Person], past: Past, size: Any) -> None:
    """The cumulative layout shift of every page is 0: from what the server rendered to two seconds of being live."""
    new, person = someone(viewport=size), someone(viewport=size, storage_state=past.state)
    pages = []
    for who, name in ((new, "list"), *((person, name) for name in ("list", "fields", *STATES))):
        page = who.context.new_page()
        page.add_init_script(SHIFTS)
        with before_its_scripts(page, who.server.url + past.path(name)):
            pass
        is_live(page)
        pages.append((page, name, page.evaluate("performance.now()")))
    for page, name, live_at in pages:  # the two seconds of one are those of all
        page.wait_for_function("(time) => performance.now() > time + 2000", arg=live_at)
        assert page.evaluate("shifts") == [], name


@pytest.mark.parametrize(
    ("language", "thousand", "clock"), [("en", "1,000", "{:%-I:%M:%S %p}"), ("de", "1.000", "{:%H:%M:%S}")]
)
def test_numbers_and_times_are_the_readers(
    someone: Callable[..., Person], past: Past, language: str, thousand: str, clock: str
) -> None:
    """In the language of the document and the zone of the browser, whatever those of the server are."""
    person = someone(storage_state=past.state, timezone_id="Asia/Kolkata")
    page = person.context.new_page()
    with before_its_scripts(page, person.server.url + past.path("running")):
        page.evaluate("(language) => { document.documentElement.lang = language; }", language)
    is_live(page)
    expect(page.locator(".lj-jobhead .lj-text")).to_contain_text(f"610/{thousand}")
    times = page.locator(".lj-steps time").all()
    assert times
    for time in times:
        at = datetime.fromisoformat(time.get_attribute("datetime") or "").astimezone(ZoneInfo("Asia/Kolkata"))
        assert text_of(time) == clock.format(at)


def test_without_scripts_result_log_and_params_can_be_read(someone: Callable[..., Person], past: Past) -> None:
    plain = someone(storage_state=past.state, java_script_enabled=False)
    page = plain.open(past.path("succeeded"), live=False)
    panels = page.locator("noscript .lj-panel")
    expect(panels.locator("h2")).to_have_text(["Result", "Log", "Parameters"])
    expect(panels.nth(0)).to_contain_text('"word": "goes"')
    expect(panels.nth(1)).to_contain_text("words, ")
    expect(panels.nth(2)).to_contain_text("so it goes so it goes")
    for time in page.locator(".lj-steps time").all():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", text_of(time))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download log").click()
    assert "words, " in download.value.path().read_text()
    page = plain.open(past.path("failed"), live=False)
    expect(page.locator("noscript .lj-panel h2")).to_have_text(["Error", "Log", "Parameters"])


def test_from_a_dark_screen_it_is_printed_dark_on_white(someone: Callable[..., Person], past: Past) -> None:
    page = someone(storage_state=past.state, color_scheme="dark").open(past.path("succeeded"))
    colours = """() => { const { color, backgroundColor } = getComputedStyle(document.querySelector(".lj"));
      const sum = (found) => found.match(/\\d+/g).slice(0, 3).reduce((one, other) => Number(one) + Number(other), 0);
      return [color, backgroundColor].map(sum); }"""
    text, ground = page.evaluate(colours)
    assert text > 600 > 200 > ground
    page.emulate_media(media="print")
    text, ground = page.evaluate(colours)
    assert text < 200 < 600 < ground


def test_an_empty_list_is_rendered_by_the_server_too(someone: Callable[..., Person]) -> None:
    page = someone(java_script_enabled=False).open(live=False)
    expect(page.locator(".lj-empty")).to_have_text("No jobs yet. Run one; it stays here after a reload.")
    expect(page.get_by_role("button", name="Run")).to_be_disabled()
    expect(page.locator("livejobs-status")).to_be_hidden()  # there is no connection to tell of


def test_new_jobs_wait_while_one_reads(person: Person, gate: str) -> None:
    page = person.open()
    first = person.job(page, "hold", "First", gate=gate)
    row(page, first).hover()
    others = person.jobs(page, *[{"task": "at_once", "name": f"Other {number}"} for number in range(3)])
    waiting = page.get_by_role("button", name="3 new")
    expect(waiting).to_be_visible()
    expect(page.locator(".lj-row")).to_have_count(1)
    box = row(page, first).bounding_box()
    waiting.click()
    expect(page.locator(".lj-row")).to_have_count(4)
    expect(waiting).to_have_count(0)
    assert box is not None
    row(page, others[0]).hover()
    own = run_quietly(page)  # one's own start appears at once, whatever the pointer does
    expect(page.locator(".lj-row").first.locator(".lj-what a")).to_have_text(own)
    page.mouse.move(5, 5)
    person.job(page, "at_once", "Last")
    expect(page.locator(".lj-row").first.locator(".lj-what a")).to_have_text("Last")


def run_quietly(page: Page) -> str:
    """Start a job by keys, so that the pointer stays where it is."""
    page.locator("#lj-name").focus()
    page.keyboard.type("Own")
    page.get_by_label("Task", exact=True).select_option("at_once")
    page.locator("#lj-name").press("Enter")
    return "Own"


def test_reduced_motion(someone: Callable[..., Person], past: Past) -> None:
    page = someone(storage_state=past.state).open()
    expect(page.locator(".lj-is-running .lj-icon").first).to_have_css("animation-name", "none")
    page = someone(reduced_motion="no-preference", storage_state=past.state).open()
    expect(page.locator(".lj-is-running .lj-icon").first).to_have_css("animation-name", "lj-turn")
