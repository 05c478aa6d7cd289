"""How long a person waits for the page: first contentful paint in a real browser on loopback, with an empty cache."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.browser import FLAGS, START, Server

ROUNDS = 5
JOBS = 50  # a full list
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
LIVE = "() => document.querySelector('.lj-pill-live') && performance.now()"


def milliseconds(browser: Browser, url: str, state: object = None) -> tuple[float, float]:
    """One visit of a browser that was never here: until something is painted, and until the page is connected."""
    context = browser.new_context(storage_state=state)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url)
    paint = page.wait_for_function(PAINT).json_value()
    live = page.wait_for_function(LIVE).json_value()
    context.close()
    return float(paint), float(live)


def filled(browser: Browser, url: str) -> object:
    """The cookies of somebody with a full list."""
    context = browser.new_context()
    page: Page = context.new_page()
    page.goto(url)
    page.evaluate(START, [{"task": "at_once", "name": f"Job {number}"} for number in range(JOBS)])
    page.wait_for_function(f"() => document.querySelectorAll('.lj-is-succeeded').length >= {JOBS}")
    state = context.storage_state()
    context.close()
    return state


def run() -> dict[str, float]:
    """Measure; the median of five."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    folder = Path(tempfile.mkdtemp(prefix="lj-bench-"))
    try:
        with Server(folder) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            milliseconds(browser, server.url)  # the server's first page compiles its templates
            empty = [milliseconds(browser, server.url) for _ in range(ROUNDS)]
            state = filled(browser, server.url)
            full = [milliseconds(browser, server.url, state) for _ in range(ROUNDS)]
            browser.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    measures = {}
    for name, visits in (("an empty list", empty), (f"{JOBS} jobs", full)):
        paints, lives = zip(*visits, strict=True)
        measures[f"first contentful paint, {name} (ms)"] = statistics.median(paints)
        measures[f"connected, {name} (ms)"] = statistics.median(lives)
    return measures
