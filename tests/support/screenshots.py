"""`make screenshots`: the pictures of the README and the documentation, from a real server with real jobs.

They are meant to be looked at: light, dark, a phone, empty, failed, disconnected, a hundred jobs.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs/images"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip

# Starts jobs as any client does, with the cookies of the page; answers with their ids once each has its `ack`.
START = """
(starts) => new Promise((resolve, reject) => {
  const path = document.querySelector("meta[name=livejobs-socket]").content;
  const socket = new WebSocket(new URL(path, location.href.replace(/^http/, "ws")), "livejobs.v1");
  const ids = [];
  socket.onerror = () => reject(new Error("the socket failed"));
  socket.onmessage = ({ data }) => {
    const first = JSON.parse(data);
    for (const message of first.action === "batch" ? first.messages : [first]) {
      if (message.action === "hello") {
        starts.forEach((start, ref) => socket.send(JSON.stringify({ action: "start", ref, ...start })));
      }
      if (message.action === "error") reject(new Error(JSON.stringify(message)));
      if (message.action === "ack") ids.push(message.job.id);
      if (ids.length === starts.length) { socket.close(); resolve(ids); }
    }
  };
})
"""


@contextmanager
def server() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server of its own with the example tasks; its address."""
    folder = Path(tempfile.mkdtemp(prefix="lj-pictures-"))
    log = folder / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "livejobs.server.cli", "up", "examples/tasks.py", "--port", "0", "--workers", "2"],
            cwd=ROOT, env={**os.environ, "LIVEJOBS_DATA": str(folder / "data")}, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        found = wait_for(lambda: re.search(r"http://[\d.]+:\d+/", log.read_text()), timeout=30, message=f"{log}")
        yield found.group(), process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def open_page(browser: Browser, url: str, size: dict[str, int], scheme: Any = "light", state: Any = None) -> Page:
    """A page in a context of its own; with `state` it is the browser of an earlier one."""
    context = browser.new_context(viewport=size, color_scheme=scheme, device_scale_factor=2, storage_state=state)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url)
    expect(page.get_by_text("Live", exact=True).first).to_be_visible()
    return page


def picture(page: Page, name: str) -> None:
    """Take one picture of what is on the screen."""
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")
    print(f"docs/images/{name}.png")


def book(paragraphs: int) -> str:
    """A text long enough to be worth counting."""
    return "It was the best of times, it was the worst of times, it was the age of wisdom. " * paragraphs


def take(browser: Browser, url: str, process: subprocess.Popen[bytes]) -> None:
    """Take every picture, in the order in which the jobs come about."""
    page = open_page(browser, url, DESKTOP)
    picture(page, "empty-light")
    failed, _, counted = page.evaluate(
        START,
        [
            {"task": "fail", "name": "Import"},
            {"task": "sec3", "name": "Nap"},
            {"task": "count_words", "name": "October", "params": {"text": book(200)}},
        ],
    )
    for job in (failed, counted):
        expect(page.locator(f"#job-{job}")).to_contain_text(re.compile("Completed|Failed"), timeout=60_000)
    (running,) = page.evaluate(START, [{"task": "hash_tree", "name": "Digests", "params": {"folder": "/usr/lib"}}])
    expect(page.locator(f"#job-{running} progress")).to_be_visible(timeout=120_000)
    picture(page, "list-light")
    state = page.context.storage_state()

    picture(open_page(browser, url, DESKTOP, "dark", state), "list-dark")
    picture(open_page(browser, url, PHONE, "light", state), "list-phone")
    picture(open_page(browser, f"{url}jobs/{running}/", DESKTOP, "light", state), "job-light")
    picture(open_page(browser, f"{url}jobs/{counted}/", DESKTOP, "dark", state), "job-dark")
    picture(open_page(browser, f"{url}jobs/{failed}/", DESKTOP, "light", state), "failed-light")
    picture(open_page(browser, f"{url}jobs/{counted}/", PHONE, "light", state), "job-phone")

    page.evaluate(
        START, [{"task": "count_words", "name": f"Chapter {n}", "params": {"text": book(n)}} for n in range(1, 101)]
    )
    page.get_by_role("link", name="Chapter 100").scroll_into_view_if_needed()
    expect(page.locator("tbody tr").first).to_contain_text("Completed", timeout=120_000)
    page.reload()
    picture(page, "hundred-light")

    process.send_signal(signal.SIGTERM)
    expect(page.get_by_text("What you see may be old.").first).to_be_visible(timeout=20_000)
    picture(page, "disconnected-light")


def main() -> None:
    """Take the pictures again."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    IMAGES.mkdir(exist_ok=True)
    with server() as (url, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        take(browser, url, process)
        browser.close()


if __name__ == "__main__":
    main()
