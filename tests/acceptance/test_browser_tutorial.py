"""A page of our own that does what the page of the tutorial "Django Channels and Celery" does: same ids, same script.

It is served from the server's own address, speaks the dialect without a subprotocol at `/dashboard/`, and knows nothing
of Livejobs.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import PATIENCE, Person, Server, Wire
from tests.support.waiting import wait_for

pytest_plugins = ("tests.support.browser_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Tutorial</title><link rel="icon" href="data:,"></head>
<body>
<h1>Task Runner</h1>
<form id="taskform">
  <label for="task_name">Task Name</label> <input id="task_name" name="task_name" type="text">
  <button type="submit">Run 3 sec task</button>
</form>
<table id="task_status">
  <thead><tr><th>Task ID</th><th>Task Name</th><th>Task Status</th></tr></thead>
  <tbody></tbody>
</table>
<script src="/tutorial/dashboard.js"></script>
</body>
</html>
"""

SCRIPT = """
(() => {
  const url = location.protocol.replace("http", "ws") + "//" + location.host + "/dashboard/";
  let socket;

  // what ReconnectingWebSocket does: open again, some time after each close
  function open() {
    socket = new WebSocket(url);
    socket.onmessage = heard;
    socket.onclose = () => setTimeout(open, 200);
  }

  function heard(message) {
    const data = JSON.parse(message.data);
    if (data.action === "started") {
      const row = document.createElement("tr");
      const span = document.createElement("span");
      span.id = "item-status-" + data.job_id;
      span.className = "label label-primary";
      span.textContent = data.job_status;
      for (const content of [data.job_id, data.job_name, span]) {
        const cell = document.createElement("td");
        cell.append(content);
        row.append(cell);
      }
      document.querySelector("#task_status tbody").append(row);
    } else if (data.action === "completed") {
      const span = document.getElementById("item-status-" + data.job_id);
      span.className = "label label-success";
      span.textContent = data.job_status;
    }
  }

  document.getElementById("taskform").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = document.getElementById("task_name");
    socket.send(JSON.stringify({ action: "start_sec3", job_name: name.value }));
    name.value = "";
    name.focus();
  });

  open();
})();
"""


@pytest.fixture
def wire(person: Person) -> Wire:
    """What lies between the page and the server."""
    return Wire(person.context, re.compile("/dashboard/$"))


@pytest.fixture
def dashboard(person: Person, wire: Wire, server: Server) -> Page:
    """The page, its script and its socket, all from the server's own address."""
    person.open()  # a first visit gives the browser its session; the tutorial's page is then of the same person
    page = person.context.new_page()
    # Chromium takes what a test serves for a page of the internet, which must ask before it talks to this machine
    person.context.grant_permissions(["local-network-access"])
    html, script = "text/html; charset=utf-8", "text/javascript; charset=utf-8"
    page.route("**/tutorial/", lambda route: route.fulfill(content_type=html, body=PAGE))
    page.route("**/tutorial/dashboard.js", lambda route: route.fulfill(content_type=script, body=SCRIPT))
    page.goto(f"{server.url}tutorial/")
    return page


def start(page: Page, wire: Wire, name: str) -> None:
    """Fill in the form and send it, once the page is connected."""

    def connected() -> bool:
        page.evaluate("0")  # while Playwright is not asked anything, the wire passes nothing on
        return any(message["action"] == "reply_channel" for message in wire.heard)

    wait_for(connected, timeout=PATIENCE / 1000)
    page.locator("#task_name").fill(name)
    page.get_by_role("button", name="Run 3 sec task").click()


def test_the_tutorials_page(dashboard: Page, wire: Wire, server: Server) -> None:
    start(dashboard, wire, "First")
    status = dashboard.locator("#task_status tbody tr td span")
    expect(status).to_have_text(["started"])
    start(dashboard, wire, "Second <b>")
    expect(dashboard.locator("#task_status tbody tr")).to_have_count(2)
    expect(status).to_have_text(["completed", "completed"])
    expect(status.first).to_have_class("label label-success")
    for name in ("First", "Second <b>"):
        made = server.rows(name=name)[-1]
        assert made["state"] == "succeeded"
        cells = dashboard.locator("tr", has=dashboard.locator(f"#item-status-{made['id']}")).locator("td")
        expect(cells).to_have_text([str(made["id"]), name, "completed"])


def test_the_tutorials_page_through_a_reconnect(dashboard: Page, wire: Wire) -> None:
    """The connection is lost while the job runs: the completion comes over the next one."""
    start(dashboard, wire, "Across")
    status = dashboard.locator("#task_status tbody tr td span")
    expect(status).to_have_text(["started"])
    wire.cut()
    wire.mend()
    expect(status).to_have_text(["completed"])
    expect(dashboard.locator("#task_status tbody tr")).to_have_count(1)  # `started` is never sent again
    assert [message["action"] for message in wire.heard].count("reply_channel") == 2


def test_the_tutorials_page_when_the_job_ends_meanwhile(dashboard: Page, wire: Wire, server: Server) -> None:
    """The job finishes while there is no connection at all: its completion is sent again to whoever comes back."""
    start(dashboard, wire, "Meanwhile")
    status = dashboard.locator("#task_status tbody tr td span")
    expect(status).to_have_text(["started"])
    wire.cut()
    server.until(dashboard, name="Meanwhile", state="succeeded")
    expect(status).to_have_text(["started"])
    wire.mend()
    expect(status).to_have_text(["completed"])
