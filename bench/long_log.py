"""A log of 10,000 lines of 2 KB in a real browser: how long it takes to open, and whether it halts while one scrolls.

The goal: it is open within one second, and nothing one does takes the page more than 50 ms (what a browser calls a long
task). No other page of this kind shows as much at once; the peer is the same text as a plain document in the same
browser, by turns: a measure of the machine.
"""

from __future__ import annotations

import shutil
import sqlite3
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.browser import FLAGS, START, Server

ROUNDS: Final = 5
LINES: Final = 10_000
LENGTH: Final = 2_000
STEPS: Final = 120  # of the wheel, up from the end
STEP: Final = 600  # pixels
WORDS: Final = "the quick brown fox of row {} was read from part-{}.csv, and found to be the same as it was before; "

# Runs in the page, before its scripts: what is seen when, and what held the page up meanwhile.
OBSERVE = """
(() => {
  const seen = (globalThis.seen = { last: 0, all: 0, tasks: [], shift: 0, frames: [], counting: false });
  const observe = (type, hear) =>
    new PerformanceObserver((list) => list.getEntries().forEach(hear)).observe({ type, buffered: true });
  observe("longtask", ({ duration }) => seen.tasks.push(duration));
  observe("layout-shift", ({ value, hadRecentInput }) => (seen.shift += hadRecentInput ? 0 : value));
  const lines = document.getElementsByClassName("lj-logline");
  let before = 0;
  const look = (now) => {
    if (seen.counting && before) seen.frames.push(now - before);
    before = now;
    const last = !seen.last && document.getElementById("LFINAL");
    if (last) {
      const { bottom, height } = last.getBoundingClientRect();
      if (height && bottom <= last.closest(".lj-log").getBoundingClientRect().bottom + 1) seen.last = performance.now();
    }
    if (!seen.all && lines.length >= FINAL) seen.all = performance.now();
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
""".replace("FINAL", str(LINES))

FIND = """
(text) => {
  getSelection().removeAllRanges();
  const begun = performance.now();
  const found = find(text);
  return found && getSelection().anchorNode.parentElement.closest(".lj-logline") ? performance.now() - begun : NaN;
}
"""


# Runs in the page: the time of the next picture.
DRAWN = "() => new Promise((then) => requestAnimationFrame(() => setTimeout(() => then(performance.now()))))"


def run() -> dict[str, float]:
    """Measure; the median of five visits, and of what held the page up the worst, too."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    folder = Path(tempfile.mkdtemp(prefix="lj-bench-"))
    try:
        with Server(folder) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            url, state = filled(browser, server)
            visit(browser, url, state)  # the server's first page compiles its templates
            with plain(folder) as peer:
                visits = [visit(browser, url, state) | visit_peer(browser, peer) for _ in range(ROUNDS)]
            browser.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return together(visits)


@contextmanager
def plain(folder: Path) -> Iterator[str]:
    """The address of the same text as a plain document, from a server of its own."""
    (folder / "log.txt").write_text("\n".join(map(line, range(1, LINES + 1))))
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/log.txt"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, and does not say so."""

    def log_message(self, format: str, *args: Any) -> None:  # its name in the standard library
        """Say nothing."""


def visit_peer(browser: Browser, url: str) -> dict[str, float]:
    """How long the plain document takes until it is there, all of it, and drawn."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(url, timeout=120_000)
    drawn = page.evaluate(DRAWN)
    context.close()
    return {"peer: a plain document is there (ms)": drawn}


def together(visits: list[dict[str, float]]) -> dict[str, float]:
    """The medians of what several visits measured, and the worst of what each held up longest."""
    measures = {name: statistics.median(visit[name] for visit in visits) for name in visits[0]}
    worst = {f"{name}, worst": max(visit[name] for visit in visits) for name in visits[0] if "longest" in name}
    return measures | worst


def filled(browser: Browser, server: Server) -> tuple[str, Any]:
    """The address of a job with a long log, and the cookies of whoever may see it."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.url)
    (job,) = page.evaluate(START, [{"task": "at_once"}])
    row = server.until(page, id=job, state="succeeded")
    state = context.storage_state()
    context.close()
    lines = ((job, number, 1, row["finished_at"], "info", line(number)) for number in range(1, LINES + 1))
    with closing(sqlite3.connect(server.data / "livejobs.sqlite3", timeout=20)) as database, database:
        database.execute("DELETE FROM livejobs_joblog WHERE job_id = ?", [job])
        insert = "INSERT INTO livejobs_joblog (job_id, seq, attempt, at, level, text) VALUES (?, ?, ?, ?, ?, ?)"
        database.executemany(insert, lines)
        database.execute("UPDATE livejobs_job SET log_seq = ? WHERE id = ?", [LINES, job])
    return f"{server.url}jobs/{job}/", state


def line(number: int) -> str:
    """One line of the log: words, so that it breaks as lines of logs do."""
    words = WORDS.format(number, number % 7)
    return (f"line {number} of the log: " + words * (LENGTH // len(words) + 1))[:LENGTH]


def visit(browser: Browser, url: str, state: Any) -> dict[str, float]:
    """One visit of a browser that was never here: it opens the page, scrolls up from the end, and looks for a line."""
    context: BrowserContext = browser.new_context(storage_state=state, viewport={"width": 1280, "height": 800})
    context.add_init_script(OBSERVE)
    page = context.new_page()
    page.goto(url)
    page.wait_for_function("() => seen.last && seen.all", timeout=120_000)
    page.wait_for_timeout(300)  # a long task is told after it has ended
    opened = page.evaluate("seen")
    frames, tasks = scrolled(page)
    found = page.evaluate(FIND, f"line {LINES // 2} of the log")
    context.close()
    return {
        "open: the last line is seen (ms)": opened["last"],
        "open: all lines are there (ms)": opened["all"],
        "open: long tasks": len(opened["tasks"]),
        "open: the longest one (ms)": max(opened["tasks"], default=0),
        "open: cumulative layout shift": opened["shift"],
        "scroll: long tasks": len(tasks),
        "scroll: the longest one (ms)": max(tasks, default=0),
        "scroll: frame, median (ms)": statistics.median(frames),
        "scroll: frame, 99 of 100 (ms)": statistics.quantiles(frames, n=100)[98],
        "find a line in the middle (ms)": found,
    }


def scrolled(page: Page) -> tuple[list[float], list[float]]:
    """Turn the wheel over the log, up from its end: how long frames took, and the long tasks."""
    page.locator(".lj-log").hover()
    page.evaluate("() => Object.assign(seen, { tasks: [], frames: [], counting: true })")
    for _ in range(STEPS):
        page.mouse.wheel(0, -STEP)
    page.wait_for_timeout(300)
    said = page.evaluate("seen")
    return said["frames"], said["tasks"]
