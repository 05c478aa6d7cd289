"""What the browser tests are made of: a real server, people with browsers, and something between the two.

The fixtures are in `tests.support.browser_fixtures`; they need a file of their own because pytest loads it as a plugin.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    WebSocketRoute,
    expect,
)

from tests.support import server_process
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples/tasks.py"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PATIENCE = 20_000  # milliseconds; the machine may be busy with other tests
WORKERS = 2
SOCKET = re.compile(r"/socket/$")

# What the browser tests run beside the examples. A gate is a file: a job waits until a test writes into it.
TASKS = '''
import logging
import time
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

from examples_tasks import count_words, fail, hash_tree, sec3
from livejobs import Text, current_job, live_job
from pydantic import Field

GATES = Path(__file__).with_name("gates")


def said(gate):
    try:
        return (GATES / gate).read_text()
    except FileNotFoundError:
        return ""


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@live_job(title="At once")
def at_once() -> None:
    """Return at once."""


@live_job(title="Hold")
def hold(gate: str) -> str:
    """Count as far as the gate says, and end when it says so."""
    job, count = current_job(), 0
    print("waiting at", gate)
    while (word := said(gate)) != "end":
        if word and int(word) != count:
            count = int(word)
            print("step", count)
            job.progress(count, 1000, "counting")
        job.check_cancelled()
        time.sleep(0.02)
    return "held"


@live_job(title="Deaf")
def deaf(gate: str) -> None:
    """Look once whether anybody wants it to stop, and never again: it has five seconds then."""
    current_job().check_cancelled()
    while said(gate) != "end":
        time.sleep(0.02)


@live_job(title="Fail until")
def fail_until(gate: str) -> str:
    """Fail until the gate is open."""
    print("looking at", gate)
    if said(gate) != "end":
        raise ValueError("the gate is shut")
    return "open"


@live_job(title="Every field")
def every_field(
    line: Annotated[str, Field(min_length=2, description="Two letters or more.")],
    text: Text = "",
    whole: Annotated[int, Field(ge=1, le=9)] = 3,
    share: float = 0.5,
    yes: bool = True,
    perhaps: Optional[bool] = None,
    fmt: Literal["csv", "xlsx"] = "csv",
    colour: Colour = Colour.BLUE,
    day: Optional[date] = None,
    note: Optional[str] = None,
) -> dict[str, Any]:
    """Show what a form can ask."""
    return {
        "line": line, "text": text, "whole": whole, "share": share, "yes": yes, "perhaps": perhaps, "fmt": fmt,
        "colour": colour.value, "day": day.isoformat() if day else None, "note": note,
    }


HOSTILE = {
    "html": "<img src=x onerror=alert(1)><b>bold</b>",
    "script": "</script><script>alert(2)</script>",
    "nul": "before\\0after",
    "surrogate": "before\\ud800after",
    "emoji": "\\U0001f469\\u200d\\U0001f680 \\U0001f1e9\\U0001f1ea",
    "rtl": "\\u05e9\\u05dc\\u05d5\\u05dd \\u202eabc",
    "braces": "{name} ${alert(3)} &amp; %s",
}


@live_job(title="Hostile <b>title</b>")
def hostile(shape: Literal["table", "text", "error"]) -> Any:
    """Say <script>alert(0)</script> everywhere."""
    for text in HOSTILE.values():
        print(text)
        current_job().progress(1, 2, text)
    logging.getLogger("hostile").warning(HOSTILE["html"])
    if shape == "error":
        raise ValueError(" ".join(HOSTILE.values()))
    if shape == "text":
        return HOSTILE["script"]
    return [{"key": key, "<i>text</i>": text} for key, text in HOSTILE.items()]


@live_job(title="Odd rows")
def odd_rows() -> list[dict[str, Any]]:
    """Return names that every object of JavaScript has something for."""
    return [{"__proto__": "mine", "constructor": 1}, {"a": 1}]


@live_job(title="Many lines")
def many_lines(gate: str, lines: int = 300) -> list[dict[str, Any]]:
    """Log a lot, wait, log one line more."""
    for number in range(lines):
        print("line", number)
    current_job().log("careful", level="warning")
    current_job().log("broken", level="error")
    while said(gate) != "end":
        current_job().check_cancelled()
        time.sleep(0.02)
    print("the last line")
    return [{"n": n, "square": n * n} for n in range(150)]
'''

# Runs in the page: reports what a content security policy refused, whether or not the browser writes it on the console.
REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} refused ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""

# Runs in the page: keeps what the live region said. Texts of the same second are said together, full stops between.
LISTEN = """
globalThis.spoken = [];
new MutationObserver((changes) => {
  for (const { target } of changes) {
    const region = target.closest?.("livejobs-announcer");
    if (region?.textContent) spoken.push(region.textContent);
  }
}).observe(document, { childList: true, subtree: true });
"""

# Runs in the page: starts jobs as any client does, with the page's cookies, and answers with their ids.
START = """
(starts) => new Promise((resolve, reject) => {
  const path = document.querySelector("meta[name=livejobs-socket]").content;
  const socket = new WebSocket(new URL(path, location.href.replace(/^http/, "ws")), "livejobs.v1");
  const ids = [];
  const hear = (message) => {
    if (message.action === "batch") message.messages.forEach(hear);
    if (message.action === "hello") {
      starts.forEach((start, ref) => socket.send(JSON.stringify({ action: "start", ref, ...start })));
    }
    if (message.action === "error") reject(new Error(JSON.stringify(message)));
    if (message.action === "ack") ids[message.ref] = message.job.id;
    if (Object.keys(ids).length === starts.length) { socket.close(); resolve(ids); }
  };
  socket.onerror = () => reject(new Error("the socket failed"));
  socket.onmessage = ({ data }) => hear(JSON.parse(data));
})
"""


class Server(server_process.Server):
    """`livejobs up` with the tasks of the browser tests, which a test can stop and start again."""

    def __init__(self, folder: Path, tasks: str = TASKS) -> None:
        super().__init__(folder, "browser_tasks.py", workers=WORKERS)
        self.gates = folder / "gates"
        self.gates.mkdir()
        shutil.copy(EXAMPLES, folder / "examples_tasks.py")
        (folder / self.tasks).write_text(tasks)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for gate in self.gates.iterdir():
            self.let(gate.name)
        self.stop()
        assert "Traceback" not in self.log, self.log

    def let(self, gate: str, word: str | int = "end") -> None:
        """Write a word into a gate: how far to count, or `end`."""
        path = self.gates / f"{gate}.new"
        path.write_text(str(word))
        path.rename(self.gates / gate)

    def rows(self, **equal: Any) -> list[dict[str, Any]]:
        """Return the rows of jobs, oldest first, straight from the database."""
        where = " AND ".join(f"{column} = :{column}" for column in equal) or "1"
        with closing(sqlite3.connect(self.data / "livejobs.sqlite3", timeout=20)) as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute(f"SELECT * FROM livejobs_job WHERE {where} ORDER BY id", equal)
            return [dict(row) for row in found]

    def until(self, page: Page, **equal: Any) -> dict[str, Any]:
        """Wait until there is such a row."""

        def there() -> dict[str, Any] | None:
            page.evaluate("0")  # while Playwright is not asked anything, no `Wire` passes anything on
            return next(iter(self.rows(**equal)), None)

        return wait_for(there, timeout=PATIENCE / 1000, message=f"a row with {equal}")


class Complaints:
    """What a browser complained about, and what a test said it would."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.expected: list[str] = []

    def expect(self, *patterns: str) -> None:
        """Let complaints that match one of these regular expressions pass."""
        self.expected += patterns

    def hear(self, context: BrowserContext) -> None:
        """Listen to every page of a context."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self.found.append(f"uncaught: {error.error}"))
        context.add_init_script(REPORT_VIOLATIONS)

    def check(self) -> None:
        """Fail when there was a complaint that nobody expected."""
        left = [text for text in self.found if not any(re.search(pattern, text) for pattern in self.expected)]
        assert not left, "The browser complained:\n" + "\n".join(left)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")


class Wire:
    """Every connection of a person's pages opened from now on, which a test can read along, slow down and cut."""

    def __init__(self, context: BrowserContext, path: re.Pattern[str] = SOCKET) -> None:
        self.sent: list[dict[str, Any]] = []
        self.heard: list[dict[str, Any]] = []
        self.after: Callable[[dict[str, Any]], None] = lambda _frame: None  # called once a page's frame was passed on
        self._lost = False
        self._slow: tuple[str, ...] = ()
        self._late: list[tuple[WebSocketRoute, dict[str, Any]]] = []
        self._open: list[tuple[WebSocketRoute, WebSocketRoute]] = []
        context.route_web_socket(path, self._opened)

    def cut(self) -> None:
        """Close every connection, and any that is tried, until `mend`. What was under way is lost with it."""
        self._lost = True
        self._late.clear()
        while self._open:
            near, far = self._open.pop()
            near.close(code=1012)
            far.close()

    def mend(self) -> None:
        """Let connections come about again."""
        self._lost = False

    def slow(self, *actions: str) -> None:
        """Keep such messages back until `hurry`: events, if none is named."""
        self._slow = actions or ("job", "progress", "log")

    def hurry(self) -> None:
        """Pass on what was kept back, and everything from now on."""
        self._slow = ()
        for near, message in self._late:
            near.send(json.dumps(message))
        self._late.clear()

    def starts(self) -> list[dict[str, Any]]:
        """The `start` frames that pages sent."""
        return [frame for frame in self.sent if frame["action"] == "start"]

    def _opened(self, near: WebSocketRoute) -> None:
        if self._lost:
            near.close(code=1012)
            return
        far = near.connect_to_server()
        self._open.append((near, far))

        def from_page(text: str | bytes) -> None:
            frame = json.loads(text)
            self.sent.append(frame)
            far.send(text)
            self.after(frame)

        def from_server(text: str | bytes) -> None:
            frame = json.loads(text)
            for message in frame["messages"] if frame["action"] == "batch" else [frame]:
                self.heard.append(message)
                if message["action"] in self._slow:
                    self._late.append((near, message))
                else:
                    near.send(json.dumps(message))

        near.on_message(from_page)
        far.on_message(from_server)


class Person:
    """Somebody with a browser of their own: one session, any number of pages."""

    def __init__(self, browser: Browser, server: Server, complaints: Complaints, **options: Any) -> None:
        self.server, self.complaints = server, complaints
        # an icon that turns for ever costs a machine without a graphics card half a processor
        self.context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **options})
        self.context.set_default_timeout(PATIENCE)
        complaints.hear(self.context)
        self.context.add_init_script(LISTEN)

    def wire(self) -> Wire:
        """Put something between the pages opened from now on and the server."""
        return Wire(self.context)

    def open(self, path: str = "", *, live: bool = True) -> Page:
        """Open a page, and wait until it is connected."""
        page = self.context.new_page()
        page.goto(self.server.url + path)
        if live:
            is_live(page)
        return page

    def job(self, page: Page, task: str, name: str = "", **params: Any) -> int:
        """Start one job as a client of this person's session would, not by the form; its id."""
        return self.jobs(page, {"task": task, "name": name, "params": params})[0]

    def jobs(self, page: Page, *starts: dict[str, Any]) -> list[int]:
        """Start several."""
        ids: list[int] = page.evaluate(START, list(starts))
        return ids


def is_live(page: Page) -> None:
    """Wait until a page is connected."""
    expect(page.locator("livejobs-status")).to_have_text("Live", timeout=PATIENCE)


def row(page: Page, job_id: int) -> Locator:
    """A job's row in the list."""
    return page.locator(f"#job-{job_id}")


def button(page: Page) -> Locator:
    """The runner's button."""
    return page.locator("livejobs-form .lj-primary")


def run(page: Page, task: str, name: str = "", **params: str) -> Locator:
    """Fill in the form and run it, as a person does; the row that comes about."""
    before = page.locator(".lj-row").count()
    page.get_by_label("Task", exact=True).select_option(task)
    if name:
        page.locator("#lj-name").fill(name)
    for field, value in params.items():
        page.locator(f"#lj-{task}-{field}").fill(value)
    button(page).click()
    expect(page.locator(".lj-row")).to_have_count(before + 1)
    return row(page, id_of(page.locator(".lj-row").first))


def id_of(line: Locator) -> int:
    """The id of the job in a row."""
    return int((line.get_attribute("id") or "").removeprefix("job-"))


def text_of(place: Locator) -> str:
    """What a person reads, whatever the layout: white space as one space."""
    return re.sub(r"\s+", " ", place.inner_text()).strip()


def heard(page: Page, text: str) -> str:
    """Wait until a text was read aloud to those who listen; everything that was, in order."""
    page.wait_for_function("(text) => spoken.join('. ').includes(text)", arg=text)
    everything: str = page.evaluate("spoken.join('. ')")
    return everything
