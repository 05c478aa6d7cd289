"""Sockets against a real database and a real Valkey: both dialects, who owns what, and how sockets end."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session as StoredSession
from django.db import OperationalError

from livejobs import actions, leases, transitions
from livejobs.database import pool
from livejobs.hints import broadcast
from livejobs.hints.channel_messages import log_events, progress_events
from livejobs.hints.public_job import public_log_line
from livejobs.live import answers, endpoint
from livejobs.live.hub import Hub
from livejobs.models import Job, JobLog
from livejobs.policy import Policy
from livejobs.protocol import SUBPROTOCOL, ErrorCode
from tests.support.rows import DONE, ERROR, TASK, accepted, claimed, line
from tests.support.sockets import HOST, PATIENCE, browser, person, rows
from tests.support.waiting import await_for
from tests.support.workers import Worker

pytest_plugins = ("tests.support.socket_fixtures",)
pytestmark = [pytest.mark.usefixtures("fast"), pytest.mark.timeout(120)]
MINE = {"owner_key": "browser:me"}


def log_of(job: Job, lease: leases.Lease, first: int, last: int) -> None:
    """Write lines as an agent does, and tell of them."""
    leases.append_log(lease, [line(seq, f"line {seq}") for seq in range(first, last + 1)])
    stored = JobLog.objects.filter(job=job, seq__gte=first, seq__lte=last).order_by("seq")
    broadcast.send(log_events(job.id, job.owner_key, [public_log_line(each) for each in stored]))


# ---------------------------------------------------------------- the conversation


async def test_a_conversation_from_hello_to_goodbye(sockets):
    client = await sockets(await browser())
    assert client.accepted == {"type": "websocket.accept", "subprotocol": SUBPROTOCOL}
    hello = await client.until(lambda message: message["action"] == "hello")
    assert client.seen[0] is hello
    assert (hello["user"], hello["rights"]) == (None, ["start", "cancel", "retry"])
    assert {"tests.jobs.add", "tests.jobs.at_once"} <= {task["name"] for task in hello["tasks"]}
    assert "tests.jobs.fails" not in {task["name"] for task in hello["tasks"]}
    await client.status(live="up", queues={"livejobs": {"workers": 0, "broker": "up"}})
    assert [status["live"] for status in client.of("status")] == ["up"]  # and was never said to be delayed

    snapshot = await client.watch()
    assert (snapshot["watch"], snapshot["jobs"], snapshot["more"]) == ("list", [], False)
    ack = await client.ask(action="start", task=TASK, params={"a": 1}, name=" October ")
    assert (ack["action"], ack["job"]["state"], ack["job"]["name"]) == ("ack", "queued", "October")
    job_id = ack["job"]["id"]
    await client.until(lambda message: message["action"] == "job")
    assert client.seen.index(ack) < client.seen.index(client.of("job")[0])

    one = await client.watch("one", job_id=job_id)
    assert (one["job"]["params"], one["log"]) == ({"a": 1, "b": 1}, [])
    job, lease = await rows(claimed, await rows(Job.objects.get, id=job_id))
    await rows(log_of, job, lease, 1, 3)
    await client.until(lambda message: message["action"] == "log")
    broadcast.send(progress_events(job_id, job.owner_key, 1, DONE))
    assert await client.until(lambda message: message["action"] == "progress") == {
        "action": "progress",
        "job_id": job_id,
        "attempt": 1,
        **DONE,
    }
    await rows(transitions.succeed, lease, 2, DONE)
    await client.until(lambda message: message["action"] == "job" and message["job"]["state"] == "succeeded")
    view = client.view[str(job_id)]
    assert (view["result"], [each["text"] for each in view["log"]]) == (2, ["line 1", "line 2", "line 3"])

    retried = await client.ask(action="retry", job_id=job_id)
    assert retried["job"]["state"] == "queued"
    cancelled = await client.ask(action="cancel", job_id=job_id)
    assert cancelled["job"]["state"] == "cancelled"
    assert (await client.ask(action="unwatch", id="list"))["action"] == "ack"
    await rows(Job.objects.filter(id=job_id).delete)
    assert await client.until(lambda message: message["action"] == "gone") == {"action": "gone", "job_id": job_id}
    assert client.view == {}


async def test_several_messages_share_a_batch(sockets):
    client = await sockets(await browser())
    await client.watch()
    client.gate.clear()
    jobs = [await rows(accepted, **MINE) for _ in range(20)]
    client.send(action="unwatch", id="nothing")
    client.gate.set()
    await await_for(lambda: client.view.keys() == {str(job.id) for job in jobs}, PATIENCE)
    await rows(lambda: [transitions.cancel(job.id) for job in jobs])
    await await_for(lambda: {job["state"] for job in client.view.values()} == {"cancelled"}, PATIENCE)
    assert "batch" in {json.loads(frame)["action"] for frame in client.frames}


async def test_every_error_code_is_said_and_the_socket_lives(sockets, monkeypatch):
    monkeypatch.setattr(Policy, "check_start", _only_additions)
    client = await sockets(await browser())
    queued = (await client.ask(action="start", task=TASK, params={"a": 1}, key="k"))["job"]
    await client.ask(action="cancel", job_id=queued["id"])
    deep: list[object] = []
    for _ in range(30):
        deep = [deep]
    asked: dict[ErrorCode, dict[str, Any]] = {
        ErrorCode.UNKNOWN_ACTION: {"action": "dance"},
        ErrorCode.INVALID: {"action": "start", "task": TASK, "params": {"a": "no number", "c": 1}},
        ErrorCode.TOO_LARGE: {"action": "start", "task": TASK, "params": {"a": deep}},
        ErrorCode.NOT_FOUND: {"action": "start", "task": "tests.jobs.fails"},
        ErrorCode.NOT_ALLOWED: {"action": "start", "task": "tests.jobs.at_once"},
        ErrorCode.CONFLICT: {"action": "start", "task": TASK, "params": {"a": 2}, "key": "k"},
        ErrorCode.UNSUPPORTED: {"action": "watch", "id": 1, "jobs": {"scope": "mine", "state": "failed"}},
    }
    found = {code: await client.ask(**frame) for code, frame in asked.items()}
    assert {code: answer.get("code") for code, answer in found.items()} == {code: code.value for code in asked}
    assert set(found[ErrorCode.INVALID]["fields"]) >= {"a", "c"}
    client.send_text("[]")
    await client.until(lambda message: message.get("code") == "bad_frame")
    client.send_binary(b"\x00")
    await await_for(lambda: len([m for m in client.of("error") if m["code"] == "bad_frame"]) == 2, PATIENCE)

    with monkeypatch.context() as broken:
        broken.setattr(actions, "_start", _away)
        assert (await client.ask(action="start", task=TASK, params={"a": 1}))["code"] == "unavailable"
    assert (await client.ask(action="start", task=TASK, params={"a": 1}))["action"] == "ack"
    assert (await client.ask(action="watch", id=1, jobs={"scope": "all"}))["code"] == "not_allowed"
    assert (await client.ask(action="retry", job_id=queued["id"]))["action"] == "ack"
    assert (await client.ask(action="retry", job_id=queued["id"]))["code"] == "invalid"
    assert (await client.ask(action="watch", id=1, job_id=2**62))["code"] == "not_found"
    assert client.closed is None


def _only_additions(self, person, live_job, params):
    from livejobs.errors import NotAllowedError

    if live_job.name == "tests.jobs.at_once":
        raise NotAllowedError


def _away(*args, **kwargs):
    raise OperationalError("the database is away")


async def test_a_finished_job_cannot_be_cancelled(sockets):
    client = await sockets(await browser())
    job, lease = await rows(claimed, **MINE)
    await rows(transitions.succeed, lease, 2, DONE)
    assert (await client.ask(action="cancel", job_id=job.id))["code"] == "finished"


async def test_the_same_click_twice_is_one_job(sockets):
    cookie = await browser()
    one, other = await sockets(cookie), await sockets(cookie)
    frame = {"action": "start", "task": TASK, "params": {"a": 1}, "key": "click"}
    first = await one.ask(**frame)
    again, elsewhere = await asyncio.gather(one.ask(**frame), other.ask(**frame))
    assert first["job"]["id"] == again["job"]["id"] == elsewhere["job"]["id"]
    assert await rows(Job.objects.count) == 1


async def test_what_was_refused_stored_nothing(sockets):
    client = await sockets(await browser())
    answer = await client.ask(action="start", task=TASK, params={"b": "x"})
    assert answer["code"] == "invalid"
    assert set(answer["fields"]) == {"a", "b"}
    answer = await client.ask(action="start", task=TASK, params={"a": 1}, name="x" * 256)
    assert set(answer["fields"]) == {"name"}
    assert await rows(Job.objects.count) == 0


async def test_two_watches_on_one_socket(sockets):
    client = await sockets(await browser())
    first = await rows(accepted, **MINE)
    await client.watch("list")
    await client.watch(7, job_id=first.id)
    second = await rows(accepted, **MINE)
    await client.until(lambda message: message["action"] == "job" and message["job"]["id"] == second.id)
    await client.ask(action="unwatch", id="list")
    client.seen.clear()
    await rows(lambda: [transitions.cancel(each.id) for each in (second, first)])
    await client.until(lambda message: message["action"] == "job" and message["job"]["id"] == first.id)
    assert {message["job"]["id"] for message in client.of("job")} == {first.id}


async def test_a_list_is_paged_by_before(sockets):
    client = await sockets(await browser())
    ids = [(await rows(accepted, **MINE)).id for _ in range(7)]
    found, before = [], None
    while True:
        page = await client.watch("page", jobs={"scope": "mine", "limit": 3, **({"before": before} if before else {})})
        found += [job["id"] for job in page["jobs"]]
        if not page["more"]:
            break
        before = found[-1]
    assert found == ids[::-1]


async def test_large_params_are_cut_in_lists_and_whole_in_a_watch_of_the_job(sockets):
    client = await sockets(await browser())
    job = await rows(accepted, **MINE, params={"text": "x" * 5000})
    listed = (await client.watch())["jobs"][0]
    assert (listed["params"], listed["truncated"]) == (None, True)
    whole = (await client.watch("one", job_id=job.id))["job"]
    assert whole["params"] == job.params
    assert "truncated" not in whole


# ---------------------------------------------------------------- logs


async def test_a_long_log_arrives_whole_and_in_order(sockets):
    client = await sockets(await browser())
    job, lease = await rows(claimed, **MINE)
    for first in range(1, 9_001, 1_000):
        await rows(leases.append_log, lease, [line(seq, "x" * 40) for seq in range(first, first + 1_000)])
    snapshot = await client.watch("one", job_id=job.id, log_after=0)
    assert 0 < len(snapshot["log"]) < 9_000
    for first in range(9_001, 10_001, 100):
        await rows(log_of, job, lease, first, first + 99)
    await await_for(lambda: len(client.view[str(job.id)]["log"]) == 10_000, PATIENCE)
    seqs = [each["seq"] for message in client.seen for each in message.get("lines", message.get("log", []))]
    assert seqs == list(range(1, 10_001))
    assert max(map(len, client.frames)) < 512 * 1024


async def test_a_log_is_read_after_the_line_that_is_known(sockets):
    client = await sockets(await browser())
    job, lease = await rows(claimed, **MINE)
    await rows(leases.append_log, lease, [line(seq) for seq in range(1, 1_001)])
    snapshot = await client.watch("one", job_id=job.id, log_after=990)
    assert [each["seq"] for each in snapshot["log"]] == list(range(991, 1_001))


async def test_long_lines_come_in_frames_of_bounded_size(sockets):
    client = await sockets(await browser())
    job, lease = await rows(claimed, **MINE)
    await rows(leases.append_log, lease, [line(seq, "x" * 8_000) for seq in range(1, 201)])
    await client.watch("one", job_id=job.id)
    await await_for(lambda: len(client.view[str(job.id)]["log"]) == 200, PATIENCE)
    assert max(map(len, client.frames)) < 512 * 1024


async def test_a_log_is_read_again_when_the_database_was_away(sockets, monkeypatch):
    monkeypatch.setattr(endpoint, "LOG_AGAIN_SECONDS", 0.05)
    client = await sockets(await browser())
    job, lease = await rows(claimed, **MINE)
    await rows(leases.append_log, lease, [line(seq) for seq in range(1, 1_001)])
    failures = iter([True, True, True])
    real = answers.read_log

    def sometimes(request):
        if next(failures, False):
            raise OperationalError("away")
        return real(request)

    monkeypatch.setattr(answers, "read_log", sometimes)
    await client.watch("one", job_id=job.id)
    await await_for(lambda: len(client.view[str(job.id)]["log"]) == 1_000, PATIENCE)


# ---------------------------------------------------------------- whose jobs


async def test_a_browser_sees_its_own_jobs_and_no_others(sockets):
    mine, theirs = await sockets(await browser("me")), await sockets(await browser("them"))
    await mine.watch()
    await theirs.watch()
    job = (await mine.ask(action="start", task=TASK, params={"a": 1}))["job"]
    await mine.until(lambda message: message["action"] == "job")
    own = (await theirs.ask(action="start", task=TASK, params={"a": 1}))["job"]
    await theirs.until(lambda message: message["action"] == "job")
    assert theirs.view.keys() == {str(own["id"])}
    assert (await theirs.watch("again"))["jobs"][0]["id"] == own["id"]
    for frame in ({"action": "cancel"}, {"action": "retry"}, {"action": "watch", "id": "x"}):
        foreign = await theirs.ask(**frame, job_id=job["id"])
        unknown = await theirs.ask(**frame, job_id=2**62)
        for answer in (foreign, unknown):
            del answer["ref"]
        assert foreign == unknown
        assert foreign["code"] == "not_found"
    assert (await rows(Job.objects.get, id=job["id"])).state == "queued"


async def test_a_user_sees_their_jobs_and_those_of_this_browser(sockets):
    user = await person("ada")
    client = await sockets(await browser("laptop", user))
    hello = await client.until(lambda message: message["action"] == "hello")
    assert hello["user"] == {"id": user.pk, "name": "ada"}
    ids = [
        (await rows(accepted, owner=user, owner_key=f"user:{user.pk}")).id,
        (await rows(accepted, owner_key="browser:laptop")).id,
    ]
    await rows(accepted, owner_key="browser:other")
    await rows(accepted)
    assert [job["id"] for job in (await client.watch())["jobs"]] == ids[::-1]
    started = (await client.ask(action="start", task=TASK, params={"a": 1}))["job"]
    assert started["owner"] == "ada"
    later = (await rows(accepted, owner_key="browser:laptop")).id
    await await_for(lambda: {str(started["id"]), str(later)} <= client.view.keys(), PATIENCE)


async def test_staff_sees_and_acts_on_all(sockets):
    client = await sockets(await browser("s", await person("root", is_staff=True)))
    hello = await client.until(lambda message: message["action"] == "hello")
    assert "see_all" in hello["rights"]
    ids = [(await rows(accepted, owner_key=key)).id for key in ("browser:a", "", "user:999")]
    assert [job["id"] for job in (await client.watch(jobs={"scope": "all"}))["jobs"]] == ids[::-1]
    assert (await client.watch("mine"))["jobs"] == []
    later = (await rows(accepted, owner_key="browser:b")).id
    await client.until(lambda message: message["action"] == "job" and message["job"]["id"] == later)
    assert (await client.ask(action="cancel", job_id=ids[0]))["job"]["state"] == "cancelled"


async def test_ownerless_jobs_are_everyones_where_the_setting_says_so(sockets, monkeypatch):
    job = await rows(accepted)
    client = await sockets(await browser())
    assert (await client.watch())["jobs"] == []
    assert (await client.watch("x", job_id=job.id))["code"] == "not_found"
    monkeypatch.setitem(settings.LIVEJOBS, "OWNERLESS_FOR_ALL", True)
    assert [each["id"] for each in (await client.watch())["jobs"]] == [job.id]
    later = await rows(accepted)
    await client.until(lambda message: message["action"] == "job" and message["job"]["id"] == later.id)


async def test_without_a_session_the_connection_owns_what_it_starts(sockets):
    one, other = await sockets(), await sockets()
    await one.watch()
    job = (await one.ask(action="start", task=TASK, params={"a": 1}))["job"]
    await one.until(lambda message: message["action"] == "job")
    assert (await other.ask(action="cancel", job_id=job["id"]))["code"] == "not_found"
    assert (await one.ask(action="cancel", job_id=job["id"]))["action"] == "ack"


# ---------------------------------------------------------------- the handshake


@pytest.mark.parametrize("origin", ["http://evil.example", f"https://{HOST}", "null", f"http://{HOST}:8080"])
async def test_another_origin_is_refused(sockets, origin):
    client = await sockets(await browser(), origin=origin)
    assert client.closed == 403
    await await_for(lambda: not client.served, PATIENCE)


async def test_the_servers_own_origin_no_origin_and_trusted_ones_are_let_in(sockets, monkeypatch):
    monkeypatch.setattr(settings, "CSRF_TRUSTED_ORIGINS", ["https://pages.example"])
    for headers in ({}, {"origin": f"http://{HOST}"}, {"origin": "https://pages.example"}):
        assert (await sockets(**headers)).accepted


async def test_a_subprotocol_we_do_not_speak_is_refused(sockets):
    assert (await sockets(subprotocols=("graphql-ws",))).closed == 403
    both = await sockets(subprotocols=("graphql-ws", SUBPROTOCOL))
    assert both.accepted is not None
    assert both.accepted["subprotocol"] == SUBPROTOCOL


# ---------------------------------------------------------------- how sockets end


async def test_signing_in_closes_the_socket_at_the_next_command(sockets):
    cookie = await browser()
    client = await sockets(cookie)
    await client.watch()
    await rows(StoredSession.objects.all().delete)  # a new key takes the place of the old one
    client.send(action="start", task=TASK, params={"a": 1})
    assert await client.code() == 4401
    assert await rows(Job.objects.count) == 0
    await await_for(lambda: not client.served, PATIENCE)


async def test_signing_out_is_noticed_without_a_command(sockets, monkeypatch):
    monkeypatch.setitem(settings.LIVEJOBS, "SESSION_SECONDS", 0.1)
    user = await person("ada")
    client = await sockets(await browser("laptop", user))
    await client.watch()
    await rows(StoredSession.objects.all().delete)
    assert await client.code() == 4401


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": True}])
async def test_another_standing_of_the_user_closes_the_socket(sockets, change):
    user = await person("ada")
    client = await sockets(await browser("laptop", user))
    await client.watch()
    await rows(type(user).objects.update, **change)
    client.send(action="unwatch", id="list")
    assert await client.code() == 4401


async def test_without_a_database_the_client_is_told_to_come_back(sockets, monkeypatch):
    monkeypatch.setattr(answers, "answer_to", _away)
    for client in (await sockets(), await sockets(at="/dashboard/", subprotocols=())):
        assert await client.code() == 1012


async def test_a_recheck_without_a_database_keeps_the_socket(sockets, monkeypatch):
    monkeypatch.setitem(settings.LIVEJOBS, "SESSION_SECONDS", 0.05)
    client = await sockets(await browser())
    await client.watch()
    asked: list[object] = []
    with monkeypatch.context() as broken:

        def away(door: object, request: object) -> None:
            asked.append(request)
            _away()

        broken.setattr(answers, "answer_to", away)
        await await_for(lambda: len(asked) >= 3, PATIENCE)
    assert (await client.ask(action="unwatch", id="list"))["action"] == "ack"


async def test_a_defect_closes_one_socket_and_is_logged(sockets, monkeypatch, caplog):
    other = await sockets(await browser())
    client = await sockets(await browser())
    await client.watch()
    with monkeypatch.context() as broken:
        broken.setattr(answers, "_groups", lambda *args: 1 / 0)
        client.send(action="watch", id=1, jobs={"scope": "mine"})
        assert await client.code() == 1012
    assert (await other.watch())["action"] == "snapshot"
    assert "A request of a socket failed: Watch" in caplog.text


async def test_a_client_that_takes_nothing_in_is_closed_and_costs_bounded_memory(sockets, monkeypatch):
    monkeypatch.setitem(settings.LIVEJOBS, "SLOW_CLIENT_SECONDS", 0.5)
    monkeypatch.setattr(endpoint, "FAREWELL_SECONDS", 60.0)
    client = await sockets(await browser())
    await client.watch()
    job, lease = await rows(claimed, **MINE)
    await client.watch("one", job_id=job.id)
    client.gate.clear()
    for first in range(1, 2_001, 100):
        await rows(log_of, job, lease, first, first + 99)
        broadcast.send(progress_events(job.id, job.owner_key, 1, {**DONE, "tick": 10 + first}))
    (socket,) = Hub.here()._sockets
    waiting = socket.session.mailbox
    assert sum(map(len, (waiting._answers, waiting._jobs, waiting._progress, waiting._gone, waiting.logs._read))) <= 4
    frames = len(client.frames)
    await await_for(lambda: client.blocked == "websocket.close", PATIENCE, "the close")
    client.gate.set()
    assert await client.code() == 4408
    assert len(client.frames) == frames
    await await_for(lambda: not client.served, PATIENCE)


async def test_a_client_that_never_takes_in_the_close_is_let_go(sockets, monkeypatch):
    monkeypatch.setitem(settings.LIVEJOBS, "SLOW_CLIENT_SECONDS", 0.2)
    monkeypatch.setattr(endpoint, "FAREWELL_SECONDS", 0.2)
    client = await sockets(await browser())
    await client.watch()
    client.gate.clear()
    client.send(action="unwatch", id="list")
    await await_for(lambda: not client.served, PATIENCE)
    assert client.closed is None


async def test_a_changed_session_of_a_client_that_takes_nothing_in_is_let_go_too(sockets, monkeypatch):
    monkeypatch.setattr(endpoint, "FAREWELL_SECONDS", 0.2)
    client = await sockets(await browser())
    await client.watch()
    client.gate.clear()
    await rows(StoredSession.objects.all().delete)
    client.send(action="unwatch", id="list")
    await await_for(lambda: not client.served, PATIENCE)


async def test_a_client_that_does_not_read_its_answers_is_not_read_either(sockets, monkeypatch):
    monkeypatch.setattr(endpoint, "UNREAD_MAX", 2_000)
    client = await sockets(await browser())
    await client.watch()
    client.gate.clear()
    for number in range(500):
        client.send(action="unwatch", id=number, ref=number)
    await await_for(lambda: client._incoming.qsize() < 490, PATIENCE)
    left = client._incoming.qsize()
    assert left > 300
    client.gate.set()
    await client.until(lambda message: message.get("ref") == 499)
    answered = [message["ref"] for message in client.of("ack")]
    assert answered == list(range(500))


async def test_of_a_client_that_is_too_slow_nothing_more_is_done_though_it_has_sent_more(sockets, monkeypatch):
    """Else its answers would be kept for ever: what waits for one client is bounded, whatever it does."""
    monkeypatch.setitem(settings.LIVEJOBS, "SLOW_CLIENT_SECONDS", 0.2)
    monkeypatch.setattr(endpoint, "UNREAD_MAX", 2_000)
    monkeypatch.setattr(endpoint, "FAREWELL_SECONDS", 0.2)
    client = await sockets(await browser())
    await client.watch()
    (socket,) = Hub.here()._sockets
    client.gate.clear()
    for number in range(500):
        client.send(action="unwatch", id=number, ref=number)
    await await_for(lambda: not client.served, PATIENCE)
    assert client._incoming.qsize() > 300
    assert socket.session.mailbox.unread < 4_000


async def test_a_client_that_goes_while_it_is_not_read_leaves_nothing(sockets, monkeypatch):
    monkeypatch.setattr(endpoint, "UNREAD_MAX", 200)
    client = await sockets(await browser())
    await client.watch()
    client.gate.clear()
    for number in range(50):
        client.send(action="unwatch", id=number, ref=number)
    await await_for(lambda: client._incoming.qsize() < 49, PATIENCE)
    client.fault = OSError("gone")
    client.gate.set()
    await await_for(lambda: not client.served, PATIENCE)


@pytest.mark.parametrize("fault", [OSError("gone"), RuntimeError("after sending 'websocket.close'")])
async def test_a_socket_that_cannot_be_written_to_ends_without_a_word(sockets, fault, caplog):
    client = await sockets(await browser())
    await client.watch()
    client.fault = fault
    with caplog.at_level(logging.WARNING):
        client.send(action="unwatch", id="list")
        await await_for(lambda: not client.served, PATIENCE)
    assert caplog.records == []


async def test_a_client_that_goes_in_the_middle_of_a_command_has_it_done(sockets, monkeypatch):
    client = await sockets(await browser())
    await client.watch()
    client.send(action="start", task=TASK, params={"a": 1})
    await client.close()
    assert await rows(Job.objects.count) == 1


async def test_a_cancelled_server_task_ends_the_socket(sockets):
    client = await sockets(await browser())
    await client.watch()
    assert client._task is not None
    client._task.cancel()
    await asyncio.wait([client._task])
    assert client._task.cancelled()


# ---------------------------------------------------------------- the tutorial's dialect


def said(word: str, job_id: int, name: str) -> dict[str, object]:
    return {"action": word, "job_id": job_id, "job_name": name, "job_status": word}


async def test_the_tutorials_conversation_to_the_letter(sockets):
    client = await sockets(await browser(), at="/dashboard/", subprotocols=())
    assert client.accepted == {"type": "websocket.accept", "subprotocol": None}
    first = await client.until(lambda message: True)
    assert set(first) == {"action", "reply_channel"}
    client.send(action="start_at_once", job_name="October")
    started = await client.until(lambda message: message["action"] == "started")
    job = await rows(Job.objects.get)
    assert started == said("started", job.id, "October")
    _, lease = await rows(claimed, job)
    await rows(transitions.succeed, lease, "done", DONE)
    completed = await client.until(lambda message: message["action"] == "completed")
    assert completed == said("completed", job.id, "October")
    assert [message["action"] for message in client.seen] == ["reply_channel", "started", "completed"]


async def test_failed_and_cancelled_are_said_likewise(sockets):
    client = await sockets.tutorial(await browser())
    job, lease = await rows(claimed, **MINE, name="f")
    await rows(transitions.fail, lease, ERROR, DONE)
    other = await rows(accepted, **MINE, name="c")
    await rows(transitions.cancel, other.id)
    await await_for(lambda: len(client.seen) == 2, PATIENCE)
    assert {message["job_id"]: message for message in client.seen} == {
        job.id: said("failed", job.id, "f"),
        other.id: said("cancelled", other.id, "c"),
    }


async def test_a_client_that_comes_back_gets_completed_and_never_started(sockets, monkeypatch):
    cookie = await browser()
    client = await sockets.tutorial(cookie)
    client.send(action="start_at_once", job_name="a")
    await client.until(lambda message: message["action"] == "started")
    await client.close()
    job, lease = await rows(claimed, await rows(Job.objects.get))
    await rows(transitions.succeed, lease, 1, DONE)
    for _ in range(2):
        back = await sockets(cookie, at="/dashboard/", subprotocols=())
        await back.until(lambda message: message["action"] == "completed")
        assert back.seen[1:] == [said("completed", job.id, "a")]
    stranger = await sockets.tutorial(await browser("them"))
    assert stranger.seen == []
    monkeypatch.setitem(settings.LIVEJOBS, "TUTORIAL_REPLAY_SECONDS", 0.0)
    late = await sockets(cookie, at="/dashboard/", subprotocols=())
    late.send(action="nothing")
    await late.until(lambda message: message["action"] == "error")
    assert [message["action"] for message in late.seen] == ["reply_channel", "error"]


@pytest.mark.parametrize(
    "frame", ['{"action":"boo"}', "x", "[]", '{"action":"start_nothing"}', '{"action":"start_add"}']
)
async def test_what_is_no_command_of_the_tutorials_gets_an_error(sockets, frame):
    client = await sockets.tutorial(await browser())
    client.send_text(frame)
    await client.until(lambda message: message["action"] == "error")
    client.send(action="start_at_once", job_name="x")
    await client.until(lambda message: message["action"] == "started")
    assert set(client.seen[0]) == {"action", "message"}


async def test_both_dialects_are_spoken_at_both_paths(sockets):
    other = await sockets(at="/jobs/socket/", subprotocols=())
    await other.until(lambda message: message["action"] == "reply_channel")
    other = await sockets(at="/dashboard/")
    await other.until(lambda message: message["action"] == "hello")


async def test_two_hundred_starts_are_each_started_before_they_are_completed(sockets, monkeypatch):
    client = await sockets.tutorial(await browser())
    stop = asyncio.Event()
    worker = asyncio.create_task(_finish_whatever_is_queued(stop))
    names = [f"job {number}" for number in range(200)]
    for name in names:
        client.send(action="start_at_once", job_name=name)
    await await_for(lambda: len(client.seen) >= 400, 60, "all of both")
    stop.set()
    await worker
    ids = {message["job_name"]: message["job_id"] for message in client.seen}
    assert sorted(ids) == sorted(names)
    assert len(set(ids.values())) == 200
    for name in names:
        assert [m for m in client.seen if m["job_name"] == name] == [
            said("started", ids[name], name),
            said("completed", ids[name], name),
        ]


async def test_two_hundred_starts_with_a_real_worker(sockets, tmp_path):
    worker = Worker(tmp_path / "worker.log")
    await rows(worker.start)
    try:
        client = await sockets.tutorial(await browser())
        for number in range(200):
            client.send(action="start_at_once", job_name=f"job {number}")
        await await_for(lambda: len(client.seen) >= 400, 90, "all of both")
    finally:
        await asyncio.to_thread(worker.stop)
    ids = {message["job_name"]: message["job_id"] for message in client.seen}
    assert len(ids) == 200
    for name, job_id in ids.items():
        assert [m for m in client.seen if m["job_name"] == name] == [
            said("started", job_id, name),
            said("completed", job_id, name),
        ]


async def _finish_whatever_is_queued(stop: asyncio.Event) -> None:
    """Run jobs as soon as they are committed: long before a socket could say that they were accepted."""

    def run() -> None:
        for job in Job.objects.queued():
            _, lease = claimed(job)
            transitions.succeed(lease, 1, DONE)

    while not stop.is_set():
        await pool.run(run)


async def test_a_start_does_not_wait_for_the_lists_of_everybody_who_came_back(sockets, monkeypatch):
    go_on = threading.Event()
    read = answers.read_list
    monkeypatch.setattr(answers, "read_list", lambda *args: (go_on.wait(PATIENCE), read(*args))[1])
    crowd = [await sockets(await browser(f"b{number}")) for number in range(2 * pool.THREADS)]
    watching = [asyncio.create_task(client.watch()) for client in crowd]
    try:
        one = await sockets(await browser("starter"))
        begun = asyncio.get_running_loop().time()
        assert (await one.ask(action="start", task=TASK, params={"a": 1}))["action"] == "ack"
        assert asyncio.get_running_loop().time() - begun < PATIENCE / 2
        assert not any(task.done() for task in watching)
    finally:
        go_on.set()
    await asyncio.gather(*watching)


async def test_pages_of_one_person_that_come_back_at_once_share_their_reads(sockets, monkeypatch):
    go_on, asked, reads = threading.Event(), [], []
    allowed, read = answers._groups, answers.read_list

    def ask(*args: Any) -> Any:
        asked.append(found := allowed(*args))
        return found

    def slowly(wanted: Any) -> Any:
        reads.append(wanted)
        go_on.wait(PATIENCE)
        return read(wanted)

    monkeypatch.setattr(answers, "_groups", ask)
    monkeypatch.setattr(answers, "read_list", slowly)
    me, other = await browser("me"), await browser("other")
    mine = [await rows(accepted, owner_key="browser:me") for _ in range(3)]
    others = await rows(accepted, owner_key="browser:other")
    crowd = [await sockets(me) for _ in range(20)] + [await sockets(other)]
    watching = [asyncio.create_task(client.watch()) for client in crowd]
    await await_for(lambda: len(asked) == len(crowd), PATIENCE)
    late = await rows(accepted, owner_key="browser:me")  # nobody told of it: it is in the rows that are read later
    go_on.set()
    for snapshot in (await asyncio.gather(*watching))[:-1]:
        assert {job["id"] for job in snapshot["jobs"]} >= {job.id for job in mine}
    everything = {str(job.id) for job in [*mine, late]}
    await await_for(lambda: all(set(client.view) == everything for client in crowd[:-1]), PATIENCE)
    assert set(crowd[-1].view) == {str(others.id)}
    assert len(reads) <= 4  # of each person one that was under way when the others asked, and one for them
