"""The runner: every kind of field, what is refused and where it says so, and hostile texts in every place."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from livejobs.sanitize import marked
from tests.support.browser import Person, Server, button, id_of, is_live, row, run

pytest_plugins = ("tests.support.browser_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

HOSTILE = {
    "html": "<img src=x onerror=alert(1)><b>bold</b>",
    "script": "</script><script>alert(2)</script>",
    "emoji": "\U0001f469\u200d\U0001f680 \U0001f1e9\U0001f1ea",
    "right-to-left": "\u05e9\u05dc\u05d5\u05dd \u202eabc",
    "braces": "{name} ${alert(3)} &amp; %s",
    "255 characters": "W" * 255,
    "255 emoji": "\U0001f680" * 255,
}
REPLACED = "before\ufffdafter"  # what NUL and a lone surrogate become


def field(page: Page, name: str) -> Locator:
    """A field of the task `every_field`."""
    return page.locator(f"#lj-every_field-{name}")


def error(control: Locator) -> Locator:
    """The place of a field's error."""
    return control.page.locator(f"[id='{control.get_attribute('id')}-error']")


def test_a_task_is_preselected_by_the_address(person: Person) -> None:
    page = person.open("?task=count_words")
    expect(page.get_by_label("Task", exact=True)).to_have_value("count_words")
    expect(button(page)).to_have_text("Run Count words")
    expect(page.get_by_text("Paste anything, a whole book too.")).to_be_visible()
    page.goto(f"{person.server.url}?task=nonsense%22%3E")
    expect(button(page)).to_have_text("Run 3 sec task")


def test_what_was_typed_survives_a_look_at_another_task(person: Person) -> None:
    page = person.open("?task=count_words")
    page.locator("#lj-count_words-text").fill("kept")
    page.get_by_label("Task", exact=True).select_option("hold")
    expect(page.get_by_label("Gate")).to_be_visible()
    page.get_by_label("Task", exact=True).select_option("count_words")
    expect(page.locator("#lj-count_words-text")).to_have_value("kept")


def test_every_field_and_its_default(person: Person, server: Server) -> None:
    page = person.open("?task=every_field")
    expect(field(page, "whole")).to_have_value("3")
    expect(field(page, "yes")).to_be_checked()
    expect(field(page, "perhaps").locator("option:checked")).to_have_text("None")
    expect(field(page, "colour").locator("option:checked")).to_have_text("blue")
    job = id_of(run(page, "every_field", "Defaults", line="ok"))
    expect(row(page, job).locator(".lj-word")).to_have_text("Completed")

    field(page, "line").fill("two")
    field(page, "text").fill("one\ntwo")
    field(page, "whole").fill("9")
    field(page, "share").fill("0.25")
    field(page, "yes").uncheck()
    field(page, "perhaps").select_option(label="No")
    field(page, "fmt").select_option("xlsx")
    field(page, "colour").select_option("red")
    field(page, "day").fill("2026-10-31")
    field(page, "note").fill("noted")
    filled = id_of(run(page, "every_field", "Filled"))
    expect(row(page, filled).locator(".lj-word")).to_have_text("Completed")
    defaults = {
        "line": "ok", "text": "", "whole": 3, "share": 0.5, "yes": True, "perhaps": None, "fmt": "csv",
        "colour": "blue", "day": None, "note": None,
    }  # fmt: skip
    values = {
        "line": "two", "text": "one\ntwo", "whole": 9, "share": 0.25, "yes": False, "perhaps": False, "fmt": "xlsx",
        "colour": "red", "day": "2026-10-31", "note": "noted",
    }  # fmt: skip
    for made, expected in ((job, defaults), (filled, values)):
        assert person.context.request.get(f"{server.url}jobs/{made}/result/").json() == expected


def test_errors_are_at_their_fields_and_the_first_has_the_focus(person: Person, server: Server) -> None:
    page = person.open("?task=every_field")
    field(page, "whole").fill("0")
    button(page).click()
    expect(error(field(page, "line"))).to_have_text(re.compile("^(Required|Must have at least 2 characters)"))
    expect(error(field(page, "whole"))).to_have_text(re.compile("^Must be 1 or more"))
    expect(field(page, "line")).to_be_focused()
    for name in ("line", "whole"):
        expect(field(page, name)).to_have_attribute("aria-invalid", "true")
        expect(field(page, name)).to_have_accessible_description(re.compile("Must|Required"))
    field(page, "line").fill("ok")
    expect(error(field(page, "line"))).to_be_hidden()
    expect(error(field(page, "whole"))).to_be_visible()
    field(page, "line").press("Enter")
    expect(field(page, "whole")).to_be_focused()
    field(page, "whole").fill("1")
    button(page).click()
    expect(page.locator(".lj-row .lj-word")).to_have_text(["Completed"])
    expect(page.locator(".lj-error:visible")).to_have_count(0)
    expect(page.locator("[aria-invalid]")).to_have_count(0)


def test_letters_where_a_number_belongs(person: Person) -> None:
    page = person.open("?task=every_field")
    field(page, "line").fill("ok")
    field(page, "whole").focus()
    field(page, "whole").fill("")
    page.keyboard.type("1e")
    button(page).click()
    expect(error(field(page, "whole"))).to_have_text("Must be a number")
    expect(field(page, "whole")).to_be_focused()
    expect(page.locator(".lj-row")).to_have_count(0)


def test_params_that_are_too_large_are_refused_before_they_are_sent(person: Person, server: Server) -> None:
    wire = person.wire()
    page = person.open("?task=count_words")
    text = page.locator("#lj-count_words-text")
    text.fill("x" * (312 * 1024 - 40))
    button(page).click()
    expect(error(text)).to_have_text("312 KB; the limit is 256 KB.")
    expect(text).to_be_focused()
    assert wire.starts() == []
    text.fill("ä" * 150 * 1024)  # it is bytes that count
    button(page).click()
    expect(error(text)).to_have_text("301 KB; the limit is 256 KB.")
    assert wire.starts() == []
    text.fill("x" * (256 * 1024 - 100))
    button(page).click()
    expect(page.locator(".lj-row .lj-word")).to_have_text(["Completed"])


def test_a_name_of_256_characters(person: Person) -> None:
    page = person.open("?task=at_once")
    name = page.locator("#lj-name")
    name.fill("W" * 256)
    button(page).click()
    expect(error(name)).to_contain_text("255")
    expect(name).to_be_focused()
    expect(name).to_have_value("W" * 256)
    expect(page.locator(".lj-row")).to_have_count(0)
    name.fill("W" * 255)
    button(page).click()
    expect(page.locator(".lj-row .lj-what a")).to_have_text(["W" * 255])


def test_hostile_names(person: Person, server: Server) -> None:
    page = person.open("?task=at_once")
    jobs = {}
    for name in HOSTILE.values():
        line = run(page, "at_once", name)
        expect(line.locator(".lj-word")).to_have_text("Completed")
        assert line.locator(".lj-what a").text_content() == marked(name)  # what is hidden in it is shown
        jobs[id_of(line)] = name
    page.reload()
    for job, name in jobs.items():
        assert row(page, job).locator(".lj-what a").text_content() == marked(name)
        assert server.rows(id=job)[0]["name"] == name
    for job, name in jobs.items():
        page.goto(f"{server.url}jobs/{job}/")
        is_live(page)
        assert page.get_by_role("heading", level=1).text_content() == marked(name)
        assert page.title().startswith(" ".join(marked(name).split()))
        expect(page.locator("img, b, script:not([type])")).to_have_count(0)


@pytest.mark.parametrize("name", ["before\0after", "before\ud800after"], ids=["NUL", "surrogate"])
def test_what_no_text_can_hold_is_replaced_in_a_name(person: Person, name: str) -> None:
    page = person.open()
    # a lone surrogate does not get through Playwright's own wire: the page makes it
    job = page.evaluate(
        """(codes) => import("/static/livejobs/page.js").then(({ Page }) =>
          Page.shared().start({ task: "at_once", name: String.fromCharCode(...codes) })).then(({ id }) => id)""",
        [ord(letter) for letter in name],
    )
    expect(row(page, job).locator(".lj-what a")).to_have_text(REPLACED)
    expect(row(page, job).locator(".lj-word")).to_have_text("Completed")


def test_what_no_text_can_hold_is_refused_in_a_field(person: Person) -> None:
    wire = person.wire()
    page = person.open("?task=count_words")
    text = page.locator("#lj-count_words-text")
    text.evaluate("(field) => { field.value = 'before\\ud800after' }")
    button(page).click()
    expect(error(text)).to_have_text("Contains a character that cannot be stored.")
    expect(text).to_be_focused()
    assert wire.starts() == []
    text.evaluate("(field) => { field.value = 'before\\u0000after' }")
    button(page).click()
    expect(error(text)).to_have_text("Contains a character that cannot be stored.")
    expect(page.locator(".lj-row")).to_have_count(0)


@pytest.mark.parametrize("shape", ["table", "text", "error"])
def test_hostile_titles_logs_and_results(person: Person, server: Server, shape: str) -> None:
    page = person.open("?task=hostile")
    expect(button(page)).to_have_text("Run Hostile <b>title</b>")
    expect(page.get_by_text("Say <script>alert(0)</script> everywhere.")).to_be_visible()
    page.get_by_label("Shape").select_option(shape)
    line = run(page, "hostile")
    expect(line.locator(".lj-what a")).to_have_text("Hostile <b>title</b>")
    expect(line.locator(".lj-word")).to_have_text("Failed" if shape == "error" else "Completed")
    if shape == "error":
        expect(line.locator(".lj-text")).to_contain_text(f"ValueError: {HOSTILE['html']}")
    line.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Hostile <b>title</b>")
    lines = page.locator(".lj-logline span")
    said = [HOSTILE["html"], HOSTILE["script"], REPLACED, REPLACED]
    said += [HOSTILE["emoji"], HOSTILE["right-to-left"].replace("\u202e", ""), HOSTILE["braces"], HOSTILE["html"]]
    expect(lines).to_have_text(said)
    if shape == "error":
        failure = page.get_by_role("region", name="Error")
        expect(failure.locator(".lj-message")).to_contain_text(f"{HOSTILE['html']} {HOSTILE['script']} {REPLACED}")
        failure.get_by_role("button", name="Show traceback").click()
        expect(failure.locator("pre")).to_contain_text("ValueError: <img src=x")
    elif shape == "table":
        result = page.get_by_role("region", name="Result")
        expect(result.locator("th")).to_have_text(["key", "<i>text</i>"])
        cells = [HOSTILE["html"], HOSTILE["script"], REPLACED, REPLACED]
        cells += [HOSTILE["emoji"], HOSTILE["right-to-left"], HOSTILE["braces"]]
        expect(result.locator("td:nth-child(2)")).to_have_text(cells)
    else:
        expect(page.get_by_role("region", name="Result").locator("pre")).to_have_text(HOSTILE["script"])
    expect(page.locator("img, i, script:not([type])")).to_have_count(0)
