"""One measurement of `bench.reconnect`: `python -m bench._reconnect DATABASE` prints the measures as JSON."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import sync_playwright

import livejobs
from tests.chaos.clients import new_browser
from tests.chaos.cluster import Cluster, Size
from tests.chaos.pages import Observer, gathered
from tests.support.browser import FLAGS

JOBS: Final = 1_200
ROWS: Final = 1_000
ROUNDS: Final = 7
PAGES: Final = 200
PROCESSES: Final = 4
CROWDS: Final = 3
STATIC: Final = Path(livejobs.__file__).parent / "static"

# Runs in a browser: another connection at once, and how long it takes until all rows are live and painted.
RECONNECT: Final = """
async () => {
  const { name } = performance.getEntriesByType("resource").find(({ name }) => /\\/page[^/]*\\.js$/.test(name));
  const page = (await import(name)).Page.shared();
  const rows = () => document.querySelectorAll(".lj-row").length;
  const before = rows();
  const begun = performance.now();
  page.socket.close();
  page.socket.connect();
  while (page.health !== "live") await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  if (rows() !== before || before < %d) throw new Error(`${before} rows became ${rows()}`);
  return performance.now() - begun;
}
"""


def main(database: str) -> dict[str, float]:
    """Measure with this database: postgresql or sqlite."""
    folder = Path(tempfile.mkdtemp(prefix="lj-bench-"))
    cluster = Cluster(folder, database, 1.0, Size(webs=1, workers=1, children=1, maintainers=1))
    try:
        cluster.start()
        cookie = new_browser(cluster.ports[0])
        fill(cookie)
        return {**one_browser(cluster, cookie), **many_pages(cluster, cookie, folder)}
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def fill(cookie: str) -> None:
    """Give this browser its jobs, all of them done."""
    from django.contrib.sessions.backends.db import SessionStore
    from django.db.models.functions import Now

    from livejobs.models import Job
    from livejobs.policy import BROWSER_ID

    owner = f"browser:{SessionStore(session_key=cookie)[BROWSER_ID]}"
    Job.objects.bulk_create(
        Job(
            task="tests.chaos.jobs.steps", name=f"Job {number}", owner_key=owner, queue="livejobs", state="succeeded",
            version=3, attempt=1, params={"count": 10, "seconds": 1.0}, result=10, started_at=Now(), finished_at=Now(),
            tick=10, current=10, total=10, lease_owner="host:1/x",
        )
        for number in range(JOBS)
    )  # fmt: skip


def one_browser(cluster: Cluster, cookie: str) -> dict[str, float]:
    """A real browser with a thousand rows comes back."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    url = f"http://127.0.0.1:{cluster.ports[0]}/jobs/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(reduced_motion="reduce")
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": url}])
        page = context.new_page()
        page.goto(url)
        rows = page.locator(".lj-row")
        while (count := rows.count()) < ROWS:
            page.locator(".lj-older:enabled").click(timeout=30_000)
            page.wait_for_function("(count) => document.querySelectorAll('.lj-row').length > count", arg=count)
        times = [page.evaluate(RECONNECT % ROWS) for _ in range(ROUNDS)]
        browser.close()
    return {
        "a browser with 1,000 rows: from a reconnect to a true page (ms, median)": statistics.median(times),
        "the same, slowest": max(times),
    }


def many_pages(cluster: Cluster, cookie: str, folder: Path) -> dict[str, float]:
    """Two hundred pages with a thousand rows each come back at once."""
    observers = [Observer(f"pages{number}", STATIC, folder / f"pages{number}.log") for number in range(PROCESSES)]
    web = cluster.named("web")[0].pid
    try:
        for observer in observers:
            observer.ask("open", count=PAGES // PROCESSES, cookie=cookie, ports=cluster.ports).result(120)
            observer.ask("older", until=ROWS, every=1).result(300)
        rounds = [crowd(observers, web) for _ in range(CROWDS)]
    finally:
        for observer in observers:
            observer.close()
    slowest, median, cpu, memory = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {
        "200 pages with 1,000 rows at once: the last one is true after (s)": slowest,
        "the same, half of them": median,
        "processor time of the web process for it (s)": cpu,
        "memory of the web process after it (MB)": memory,
    }


def crowd(observers: list[Observer], web: int) -> tuple[float, float, float, float]:
    """All pages lose their connection at once: (slowest, median) in seconds, the server's CPU seconds and its MB."""
    before = cpu_seconds(web)
    times = sorted(ms for found in gathered(each.ask("reconnect") for each in observers) for ms in found)
    assert len(times) == PAGES
    return times[-1] / 1000, statistics.median(times) / 1000, cpu_seconds(web) - before, resident_megabytes(web)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, in seconds (proc(5): clock ticks, 100 a second)."""
    fields: list[Any] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def resident_megabytes(pid: int) -> float:
    """Memory that a process holds now, in MB."""
    return next(
        int(line.split()[1]) / 1024
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
