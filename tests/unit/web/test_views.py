"""The page and what it fetches, as an HTTP client sees them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import AsyncClient, Client

from livejobs.models import Job, JobEvent, JobLog
from livejobs.policy import BROWSER_ID
from livejobs.states import State
from livejobs.web import log_file, views

pytestmark = pytest.mark.django_db
INDEX = "/jobs/"
HOSTILE = "</script><script>alert(1)</script>\u202e\"'&<b>"


def snapshot_of(response: Any) -> dict[str, Any]:
    found = re.search(
        r'<script id="livejobs-snapshot" type="application/json">(.*?)</script>', response.text, re.DOTALL
    )
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def texts_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html)).strip()


@pytest.fixture
def browser() -> Client:
    """A browser that has seen the page."""
    client = Client()
    client.get(INDEX)
    return client


def own(client: Client | AsyncClient, **values: Any) -> Job:
    """A job of that browser."""
    values = {"task": "sec3", "queue": "livejobs", **values}
    return Job.objects.create(owner_key=f"browser:{client.session[BROWSER_ID]}", **values)


def test_the_first_get_gives_the_browser_its_id():
    client = Client()
    response = client.get(INDEX)
    assert response.status_code == 200
    browser_id = client.session[BROWSER_ID]
    client.get(INDEX)
    assert client.session[BROWSER_ID] == browser_id
    assert "private" in response["Cache-Control"]


def test_the_page_says_where_the_socket_is(browser):
    assert '<meta name="livejobs-socket" content="/jobs/socket/">' in browser.get(INDEX).text


def test_an_empty_list(browser):
    response = browser.get(INDEX)
    assert "No jobs yet. Run one; it stays here after a reload." in response.text
    assert snapshot_of(response)["jobs"] == []


def test_a_row_and_its_snapshot(browser):
    job = own(browser, name="October", state=State.RUNNING, attempt=1, tick=1, current=610, total=1000)
    response = browser.get(INDEX)
    assert f'<tr role="row" id="job-{job.pk}" class="lj-row lj-is-running">' in response.text
    assert f'<a href="/jobs/jobs/{job.pk}/" dir="auto" title="October">October</a>' in response.text
    assert '<progress max="1000" value="610" aria-label="Progress of October"></progress>' in response.text
    assert '<span class="lj-count"></span>' in response.text  # how many is for the scripts to say
    snapshot = snapshot_of(response)
    assert snapshot["running"] == 1
    assert [row["id"] for row in snapshot["jobs"]] == [job.pk]
    assert snapshot["urls"]["job"] == "/jobs/jobs/0/"
    assert snapshot["words"]["succeeded"] == "Completed"


def test_fifty_rows_and_a_button_for_older_ones(browser):
    for _ in range(51):
        own(browser)
    response = browser.get(INDEX)
    assert response.text.count('<tr role="row" id=') == 50
    assert snapshot_of(response)["more"] is True
    assert "Load older jobs" in response.text


def test_only_own_jobs(browser):
    own(browser, name="Mine")
    response = Client().get(INDEX)
    assert "Mine" not in response.text


def test_hostile_texts_are_texts(browser):
    job = own(browser, name=HOSTILE, params={"text": HOSTILE}, state=State.SUCCEEDED, result=HOSTILE)
    for address in (INDEX, f"{INDEX}jobs/{job.pk}/"):
        response = browser.get(address)
        assert "<script>alert" not in response.text
        assert "<b>" not in response.text
        assert snapshot_of(response)["jobs"][0]["name"] == HOSTILE


def test_lists_carry_large_params_cut_and_the_own_page_whole(browser):
    job = own(browser, params={"text": "x" * 2000})
    assert snapshot_of(browser.get(INDEX))["jobs"][0]["params"] is None
    assert snapshot_of(browser.get(f"{INDEX}jobs/{job.pk}/"))["jobs"][0]["params"] == {"text": "x" * 2000}


def test_a_job_page(browser):
    job = own(browser, name="October")
    JobEvent.objects.create(job=job, version=1, state="queued", actor="ada", data={"edge": "accept"})
    response = browser.get(f"{INDEX}jobs/{job.pk}/")
    assert response.status_code == 200
    assert "<title>October · Livejobs</title>" in response.text
    step = snapshot_of(response)["timeline"][0]
    assert (step["edge"], step["state"], step["actor"]) == ("accept", "queued", "ada")


def test_foreign_and_unknown_ids_are_answered_alike(browser):
    foreign = own(browser)
    other = Client()
    other.get(INDEX)
    answers = [other.get(f"{INDEX}jobs/{job_id}/") for job_id in (foreign.pk, foreign.pk + 1000, 10**30)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({re.sub(r'"now": \d+', "", answer.text) for answer in answers}) == 1
    assert "No such job, or it is not yours." in answers[0].text
    for below in ("timeline/", "result/", "traceback/", "stacks/", "lines/?before=9"):
        assert other.get(f"{INDEX}jobs/{foreign.pk}/{below}").status_code == 404


def test_a_session_is_kept_for_who_opens_a_page_only(browser):
    foreign, before = own(browser), Session.objects.count()
    for path in ("", f"jobs/{foreign.pk + 1000}/", f"jobs/{foreign.pk}/", f"jobs/{foreign.pk}/timeline/", "livez"):
        Client(headers={"Sec-Fetch-Dest": "image"}).get(f"{INDEX}{path}")
        if path:
            Client().get(f"{INDEX}{path}")
    assert Session.objects.count() == before
    for headers in ({}, {"Sec-Fetch-Dest": "document"}):
        Client(headers=headers).get(INDEX)
    assert Session.objects.count() == before + 2


def test_staff_sees_every_job(browser):
    job = own(browser)
    staff = Client()
    staff.force_login(get_user_model().objects.create_user("ada", is_staff=True))
    assert staff.get(f"{INDEX}jobs/{job.pk}/").status_code == 200


def test_the_timeline_as_json_hides_the_random_part_of_a_lease(browser):
    job = own(browser)
    JobEvent.objects.create(job=job, version=2, state="running", attempt=1, actor="host:7/abc", data={"edge": "claim"})
    steps = browser.get(f"{INDEX}jobs/{job.pk}/timeline/").json()["timeline"]
    assert [(step["version"], step["actor"]) for step in steps] == [(2, "host:7")]


ERROR = {"reason": "exception", "type": "ValueError", "message": "bad row <7>", "traceback": "Traceback <b>"}


def failing(client: Client) -> Job:
    """A job whose first attempt failed and whose second one runs."""
    job = own(client, state=State.RUNNING, attempt=2)
    data = {"edge": "back_off", "error": ERROR, "run_at": "2026-10-31T12:00:07.700Z"}
    JobEvent.objects.create(job=job, version=3, state="retrying", attempt=1, actor="host:7/abc", data=data)
    JobEvent.objects.create(job=job, version=4, state="queued", attempt=1, data={"edge": "due"})
    return job


def test_every_attempts_error_stays_in_the_timeline(browser):
    address = f"{INDEX}jobs/{failing(browser).pk}/"
    response = browser.get(address)
    first, second = browser.get(f"{address}timeline/").json()["timeline"]
    assert first["error"] == {name: ERROR[name] for name in ("reason", "type", "message")}
    assert first["run_at"] == "2026-10-31T12:00:07.700Z"
    assert (second["error"], second["run_at"]) == (None, None)
    assert snapshot_of(response)["timeline"] == [first, second]
    shown = texts_of(response.text)
    assert "Retrying" in shown
    assert (
        '<time datetime="2026-10-31T12:00:07.700Z"><noscript>2026-10-31 12:00:07 UTC</noscript></time>' in response.text
    )
    assert "· Attempt 1 failed · next one at 2026-10-31 12:00:07 UTC · host:7 ValueError bad row &lt;7&gt;" in shown


def test_tracebacks_of_the_timeline_are_for_staff_and_where_set_for_the_owner(browser, settings):
    address = f"{INDEX}jobs/{failing(browser).pk}/"
    for path in (address, f"{address}timeline/"):
        assert "Traceback " not in browser.get(path).text
    settings.LIVEJOBS = {"TRACEBACK_FOR_OWNER": True}
    assert browser.get(f"{address}timeline/").json()["timeline"][0]["error"] == ERROR
    page = browser.get(address).text
    assert (
        '<details><summary>Traceback</summary><pre class="lj-pre" dir="auto" tabindex="0">Traceback &lt;b&gt;</pre>'
        in page
    )


def test_where_a_job_is_is_told_to_those_who_may_see_tracebacks(browser, settings, monkeypatch):
    asked = list[tuple[int, int]]()
    answers = ["Main thread (most recent call last):", None, ""]

    async def ask(job_id: int, attempt: int) -> str | None:
        asked.append((job_id, attempt))
        return answers.pop(0)

    monkeypatch.setattr(views, "ask_stacks", ask)
    job = own(browser, state=State.RUNNING, attempt=2)
    address = f"{INDEX}jobs/{job.pk}/stacks/"
    assert browser.get(address).status_code == 404
    settings.LIVEJOBS = {"TRACEBACK_FOR_OWNER": True}
    response = browser.get(address)
    assert (response.status_code, response.text) == (200, "Main thread (most recent call last):")
    assert "private" in response["Cache-Control"]
    for _ in ("nobody answers", "it ended meanwhile"):
        response = browser.get(address)
        assert (response.status_code, response.text) == (204, "")
    assert asked == [(job.pk, 2)] * 3
    ended = own(browser, state=State.SUCCEEDED, attempt=1)
    assert browser.get(f"{INDEX}jobs/{ended.pk}/stacks/").status_code == 404


def test_a_long_log_is_read_upwards(browser, monkeypatch):
    monkeypatch.setattr(log_file, "SHOWN_LINES", 2)
    job = own(browser, log_seq=4)
    for seq in (1, 2, 4):
        JobLog.objects.create(job=job, seq=seq, attempt=1, at=job.created_at, level="info", text=f"Käse {seq}")
    address = f"{INDEX}jobs/{job.pk}/lines/?before="
    response = browser.get(f"{address}5")
    assert "private" in response["Cache-Control"]
    parts = [json.loads(part) for part in response.getvalue().splitlines()]
    assert [[(line["seq"], line["text"]) for line in part] for part in parts] == [
        [(2, "Käse 2"), (4, "Käse 4")], [(1, "Käse 1")], [],
    ]  # fmt: skip
    assert browser.get(f"{address}1").getvalue() == b"[]\n"


@pytest.mark.parametrize("before", ["", "x", "-1", "1.5", "٣", "9" * 19, "9" * 5000])
def test_what_is_no_number_of_a_line_is_refused_by_name(browser, before):
    response = browser.get(f"{INDEX}jobs/{own(browser).pk}/lines/", {"before": before})
    assert response.status_code == 400
    assert response.text == "before: the number of a line is missing, as in ?before=100."


def test_a_result_is_downloaded_as_json(browser):
    job = own(browser, state=State.SUCCEEDED, result=[{"word": "Käse"}])
    response = browser.get(f"{INDEX}jobs/{job.pk}/result/")
    assert response.json() == [{"word": "Käse"}]
    assert response["Content-Disposition"] == f'attachment; filename="job-{job.pk}.json"'
    running = own(browser, state=State.RUNNING)
    assert browser.get(f"{INDEX}jobs/{running.pk}/result/").status_code == 404


def test_a_log_is_downloaded_as_text_by_whoever_may_see_the_job(browser):
    job = own(browser, state=State.RUNNING, attempt=1)
    for seq in (1, 2):
        JobLog.objects.create(job=job, seq=seq, attempt=1, at=job.created_at, level="info", text=f"Käse {seq}")
    address = f"{INDEX}jobs/{job.pk}/log/"
    response = browser.get(address)
    assert response.streaming
    lines = response.getvalue().decode().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["Käse 1", "Käse 2"]
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="job-{job.pk}.txt"'
    assert "private" in response["Cache-Control"]
    assert Client().get(address).status_code == 404


@pytest.mark.django_db(transaction=True)
async def test_a_log_is_streamed_by_a_server_of_many_too():
    client = AsyncClient()
    await client.get(INDEX)
    job = await sync_to_async(own)(client, state=State.RUNNING, attempt=1)
    await JobLog.objects.acreate(job=job, seq=1, attempt=1, at=job.created_at, level="error", text="no")
    response: Any = await client.get(f"{INDEX}jobs/{job.pk}/log/")
    [part] = [part async for part in response.streaming_content]
    assert part.endswith(b"Z ERROR no\n")


def test_a_traceback_is_for_staff_and_where_set_for_the_owner(browser, settings):
    error = {"reason": "exception", "type": "E", "message": "m", "traceback": "Traceback <b>"}
    job = own(browser, state=State.FAILED, error=error)
    address = f"{INDEX}jobs/{job.pk}/traceback/"
    assert browser.get(address).status_code == 404
    assert "Traceback " not in browser.get(f"{INDEX}jobs/{job.pk}/").text
    settings.LIVEJOBS = {"TRACEBACK_FOR_OWNER": True}
    response = browser.get(address)
    assert response.text == "Traceback <b>"
    assert response["Content-Type"].startswith("text/plain")


def test_nothing_is_changed_by_http(browser):
    assert browser.post(INDEX).status_code == 405


def test_a_failed_job_may_be_retried_and_a_waiting_one_cancelled(browser):
    own(browser)
    own(browser, state=State.FAILED, error={"reason": "lost", "type": "", "message": ""})
    text = texts_of(browser.get(INDEX).text)
    assert "Failed The worker stopped before this job finished Retry" in text
    assert "Queued Cancel" in text  # how long it waits is for the scripts to say
