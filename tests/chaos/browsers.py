"""Real browsers: a headless Chromium with some people's pages, whose DOM is read.

Playwright's synchronous interface lives in a thread of its own. Each page is opened once and then left to itself:
whatever becomes of the server, it is the page that comes back, not the browser that loads it again.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from playwright.sync_api import BrowserContext, CDPSession, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from livejobs.protocol import LIST_LIVE_MAX
from livejobs.web.words import say
from tests.chaos.pages import Look
from tests.chaos.truth import SAID, Truth
from tests.support.browser import FLAGS
from tests.support.waiting import wait_for

T = TypeVar("T")
ANSWER_SECONDS: Final = 60.0
OPEN_SECONDS: Final = 30.0
SENTENCES: Final = 20

# Runs in the page before its own scripts: keeps its connections, so that they can be lost.
KEEP_SOCKETS = """
const sockets = new Set();
globalThis.WebSocket = class extends WebSocket {
  constructor(...what) {
    super(...what);
    sockets.add(this);
    this.addEventListener("close", () => sockets.delete(this));
  }
};
globalThis.dropSockets = () => sockets.forEach((socket) => socket.close());
"""

# Runs in the page: all that a person can read of the list.
READ = """
() => {
  const text = (within, selector) => within.querySelector(selector)?.textContent ?? null;
  return {
    status: text(document, "livejobs-status"),
    count: text(document, ".lj-count"),
    older: !!document.querySelector(".lj-older"),
    held: text(document, ".lj-new"),
    rows: [...document.querySelectorAll(".lj-row")].map((row) => ({
      id: Number(row.id.slice(4)),
      kind: [...row.classList].filter((name) => name.startsWith("lj-is-")).join(" ").slice(6),
      word: text(row, ".lj-word"),
      line: text(row, ".lj-text"),
      name: text(row, ".lj-what a"),
      sub: text(row, ".lj-sub"),
    })),
  };
}
"""
CLICK_OLDER = "document.querySelector('.lj-older:not([disabled])')?.click()"


@dataclass
class Tab:
    """One person's page."""

    context: BrowserContext
    page: Page
    tools: CDPSession


class Browsers:
    """Some people with real browsers."""

    def __init__(self, count: int, cookie: str, ports: Sequence[int]) -> None:
        self.count = count
        self._cookie, self._ports = cookie, ports
        self._tabs: list[Tab] = []
        self._thrown: list[str] = []
        self._work: queue.Queue[tuple[Callable[[], Any], Future[Any]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._serve, name="chaos-browsers", daemon=True)

    def open(self) -> None:
        """Start the browser and open every page."""
        if self.count:
            self._thread.start()
            self._do(self._open)

    def close(self) -> None:
        """End the browser."""
        if self._thread.is_alive():
            self._work.put(None)
            self._thread.join(ANSWER_SECONDS)

    # ------------------------------------------------------------ what people do

    def older(self, until: int) -> None:
        """Click “Load older jobs” until there are so many rows, or no more."""

        def click(page: Page) -> bool:
            shown = page.evaluate(READ)
            if len(shown["rows"]) < until and shown["older"]:
                page.evaluate(CLICK_OLDER)
                page.wait_for_timeout(100)
                return False
            return True

        def everywhere() -> None:
            for tab in self._tabs:
                wait_for(lambda tab=tab: click(tab.page), OPEN_SECONDS, f"{until} rows")  # type: ignore[misc]

        self._do(everywhere)

    def drop(self) -> int:
        """Lose every connection; says how many there were."""
        self._do(lambda: [tab.page.evaluate("dropSockets()") for tab in self._tabs])
        return self.count

    def freeze(self) -> None:
        """Freeze the first page, as a browser does with a tab that nobody looks at."""
        self._do(lambda: self._become("frozen"))

    def thaw(self) -> None:
        """Let it run on."""
        self._do(lambda: self._become("active"))

    def reopen(self) -> None:
        """Open every page anew."""

        def everywhere() -> None:
            for tab in self._tabs:
                self._load(tab.page)

        self._do(everywhere)

    # ------------------------------------------------------------ what is seen

    def look(self, truth: Truth) -> Look:
        """Hold every page against the truth."""
        look = Look()
        for number, shown in enumerate(self._do(lambda: [tab.page.evaluate(READ) for tab in self._tabs])):
            found = wrong(shown, truth)
            look.found += [f"browser {number}: {sentence}" for sentence in found[:SENTENCES]]
            look.rows.append(len(shown["rows"]))
        look.found += [f"thrown in a browser: {text}" for text in self._thrown]
        return look

    def ports(self) -> list[int]:
        """The ports of the web processes at the other ends of the connections."""
        return [self._ports[number % len(self._ports)] for number in range(self.count)]

    # ------------------------------------------------------------ inside: in the thread

    def _serve(self) -> None:
        while (asked := self._work.get()) is not None:
            work, answer = asked
            try:
                answer.set_result(work())
            except BaseException as error:
                answer.set_exception(error)
        if self._tabs:
            self._browser.close()
            self._playwright.stop()

    def _do(self, work: Callable[[], T]) -> T:
        """Have something done in the thread that Playwright belongs to."""
        if not self.count:
            return work()  # without pages nothing is asked of it
        answer: Future[T] = Future()
        self._work.put((work, answer))
        return answer.result(ANSWER_SECONDS)

    def _open(self) -> None:
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for number in range(self.count):
            port = self._ports[number % len(self._ports)]
            context = self._browser.new_context(base_url=f"http://127.0.0.1:{port}")
            context.add_cookies([{"name": "sessionid", "value": self._cookie, "url": "http://127.0.0.1"}])
            context.add_init_script(KEEP_SOCKETS)
            context.on("weberror", lambda error: self._thrown.append(str(error.error)))
            page = context.new_page()
            self._load(page)
            self._tabs.append(Tab(context, page, context.new_cdp_session(page)))

    def _load(self, page: Page) -> None:
        page.goto("/jobs/")
        live = f"document.querySelector('livejobs-status').textContent === {say('live')!r}"
        try:
            page.wait_for_function(live)
        except PlaywrightError as error:
            raise RuntimeError(f"A page is not live: {page.evaluate(READ)}, {self._thrown}") from error

    def _become(self, state: str) -> None:
        if self._tabs:
            self._tabs[0].tools.send("Page.setWebLifecycleState", {"state": state})


def wrong(shown: dict[str, Any], truth: Truth) -> list[str]:
    """What is wrong on one page, a sentence each."""
    rows, count = shown["rows"], len(shown["rows"])
    found = []
    wanted = {
        "status": say("live"),
        "count": say("count", n=truth.running) if truth.running else "",
        "older": count < len(truth.ids),
        "held": None,
    }
    found += [f"{name} is {shown[name]!r}, not {value!r}" for name, value in wanted.items() if shown[name] != value]
    if [row["id"] for row in rows] != truth.ids[:count]:
        found.append(f"its {count} rows are not the newest {count}")
    if not min(truth.least, len(truth.ids)) <= count <= LIST_LIVE_MAX:
        found.append(f"it shows {count} rows of {len(truth.ids)}")
    for row in rows:
        said = truth.rows[row["id"]]["said"] if row["id"] in truth.rows else dict.fromkeys(SAID, "(no such job)")
        found += [
            f"job {row['id']}: {name} reads {row[name]!r}, not {value!r}"
            for name, value in said.items()
            if value is not None and row[name] != value
        ]
    return found


def chromium() -> str | None:
    """Where a browser is. Under CI one has to be there."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None and os.environ.get("CI") == "true":
        raise RuntimeError("There is no Chromium for the browsers of the chaos suite.")
    return found
