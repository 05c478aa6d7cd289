"""The hub against a real Valkey and a real database: what the layer loses is healed, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError

from livejobs import leases, transitions
from livejobs.groups import owner_group
from livejobs.health import notices
from livejobs.health.presence import WORKER, beat, leave
from livejobs.hints import broadcast, channel_messages
from livejobs.hints.channel_messages import Broadcast, gone_events, progress_events
from livejobs.hints.public_job import public_job, public_log_line
from livejobs.leases import Lease
from livejobs.live import answers, hub, queue_status, watches
from livejobs.live.coverage import Coverage
from livejobs.live.hub import Hub
from livejobs.live.session import Session
from livejobs.live.watches import Watching
from livejobs.models import Job, JobLog
from livejobs.protocol import Progress
from tests.support.rows import DONE, TASK, accepted, claimed, line
from tests.support.servers import Postgres, Valkey
from tests.support.sockets import PATIENCE, Client, browser, others, person, rows
from tests.support.waiting import await_for
from tests.unit.live.switchboard import LIMITS, public, watch_list

pytest_plugins = ("tests.support.socket_fixtures",)
pytestmark = [pytest.mark.usefixtures("fast"), pytest.mark.timeout(180)]
MINE = {"owner_key": "browser:me"}


def drop(monkeypatch: pytest.MonkeyPatch, lost: Callable[[Mapping[str, Any]], bool]) -> None:
    """Lose messages on their way from the layer to the hub."""
    real = Hub._heard
    monkeypatch.setattr(Hub, "_heard", lambda self, message: None if lost(message) else real(self, message))


def every_second() -> Callable[[Mapping[str, Any]], bool]:
    heard = iter(range(10**9))
    return lambda message: next(heard) % 2 == 0


async def shows(client: Client, state: str, job: Job, timeout: float = PATIENCE) -> None:
    await await_for(lambda: client.view.get(str(job.id), {}).get("state") == state, timeout, f"{state} of {job}")


# ---------------------------------------------------------------- what was lost is healed


def some_work(dice: random.Random, jobs: list[Job], held: dict[int, Lease]) -> None:
    """One step of one job, as workers and people make them, broadcasts included."""
    job = dice.choice(jobs)
    row = Job.objects.get(id=job.id)
    lease = held.get(job.id)
    match row.state, dice.randint(0, 4):
        case "queued", 0:
            transitions.cancel(job.id)
        case "queued", _:
            _, held[job.id] = claimed(row, owner=f"host:1/{dice.random()}")
        case "running", 0 if lease:
            transitions.succeed(lease, {"rows": dice.randint(0, 9)}, {**DONE, "tick": row.tick + 1})
        case "running", 1 if lease:
            seq = row.log_seq + 1
            leases.append_log(lease, [line(seq), line(seq + 1)])
            stored = JobLog.objects.filter(job=row, seq__gte=seq).order_by("seq")
            broadcast.send(
                channel_messages.log_events(row.id, row.owner_key, [public_log_line(each) for each in stored])
            )
        case "running", _ if lease:
            progress: Progress = {**DONE, "tick": row.tick + 1, "current": row.tick}
            leases.save_progress(lease, progress)
            broadcast.send(progress_events(row.id, row.owner_key, row.attempt, progress))
        case _, 0:
            transitions.retry(job.id)


def truth(ids: list[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for job in Job.objects.select_related("owner").filter(id__in=ids):
        public: dict[str, Any] = dict(public_job(job))
        if job.state not in ("running", "succeeded", "failed", "cancelled"):
            public["progress"] = {"tick": 0, "current": None, "total": None, "message": ""}
        found[str(job.id)] = public
    return found


def seqs(jobs: list[Job]) -> dict[int, list[int]]:
    return {job.id: list(JobLog.objects.filter(job=job).order_by("seq").values_list("seq", flat=True)) for job in jobs}


async def test_with_every_second_message_lost_each_view_ends_as_the_rows(sockets, monkeypatch):
    drop(monkeypatch, every_second())
    me, staff = await browser(), await browser("s", await person("root", is_staff=True))
    listing, everything, single = await sockets(me), await sockets(staff), await sockets(me)
    await listing.watch()
    await everything.watch(jobs={"scope": "all"})
    dice, held = random.Random(7), dict[int, Lease]()
    jobs = [await rows(accepted, **MINE) for _ in range(12)]
    for number, job in enumerate(jobs[:4]):
        await single.watch(number, job_id=job.id)
    for _ in range(250):
        await rows(some_work, dice, jobs, held)
    jobs += [await rows(accepted, **MINE) for _ in range(5)]
    expected = await rows(truth, [job.id for job in jobs])
    lines = await rows(seqs, jobs)

    def agree() -> bool:
        for client, ids in ((listing, jobs), (everything, jobs), (single, jobs[:4])):
            view = client.view
            for job in ids:
                shown = {**view.get(str(job.id), {})}
                log = shown.pop("log", None)
                # of its version: lines that came since are told to those who follow the log, and are compared below
                assert shown.get("log_seq", 0) <= expected[str(job.id)]["log_seq"]
                shown["log_seq"] = expected[str(job.id)]["log_seq"]
                assert shown == expected[str(job.id)]
                if client is single:
                    assert log is not None
                    assert [each["seq"] for each in log] == lines[job.id]
        return True

    await await_for(agree, 10, "what each page shows")


async def test_with_every_message_lost_a_job_still_joins_and_finishes(sockets, monkeypatch):
    drop(monkeypatch, lambda message: True)
    client = await sockets(await browser())
    await client.watch()
    job, lease = await rows(claimed, **MINE)
    await client.until(lambda message: message["action"] == "job")
    await rows(transitions.succeed, lease, 1, DONE)
    await shows(client, "succeeded", job, 10)
    assert client.view[str(job.id)]["progress"]["tick"] == DONE["tick"]


async def test_a_lost_log_message_is_healed(sockets, monkeypatch):
    drop(monkeypatch, lambda message: True)
    client = await sockets(await browser())
    job, lease = await rows(claimed, **MINE)
    await client.watch("one", job_id=job.id)
    await rows(leases.append_log, lease, [line(seq) for seq in range(1, 1_201)])
    await await_for(lambda: len(client.view[str(job.id)]["log"]) == 1_200, 10)


async def test_the_tutorials_dialect_is_healed_too(sockets, monkeypatch):
    drop(monkeypatch, lambda message: True)
    client = await sockets.tutorial(await browser())
    client.send(action="start_at_once", job_name="x")
    await client.until(lambda message: message["action"] == "started")
    _, lease = await rows(claimed, await rows(Job.objects.get))
    await rows(transitions.succeed, lease, 1, DONE)
    await client.until(lambda message: message["action"] == "completed", 10)


async def test_a_retry_that_was_heard_is_followed_closely(sockets, monkeypatch):
    monkeypatch.setitem(settings.LIVEJOBS, "HEAL_FINISHED_SECONDS", 600.0)
    client = await sockets(await browser())
    job, lease = await rows(claimed, **MINE)
    await rows(transitions.succeed, lease, 1, DONE)
    await client.watch()
    await rows(transitions.retry, job.id)
    await shows(client, "queued", job)
    drop(monkeypatch, lambda message: True)
    Hub.here()._link._hear = lambda message: None
    await rows(transitions.cancel, job.id)
    await shows(client, "cancelled", job, 10)


@pytest.mark.parametrize("told", [True, False])
async def test_a_deleted_job_is_gone(sockets, told):
    client = await sockets(await browser())
    await client.watch()
    job = await rows(accepted, **MINE)
    await shows(client, "queued", job)
    await rows(Job.objects.filter(id=job.id).delete)
    if told:
        broadcast.send(gone_events(job.id, job.owner_key))
    await client.until(lambda message: message["action"] == "gone", 10)
    await await_for(lambda: not len(Hub.here()._reconciliation))
    assert client.view == {}


async def test_a_job_that_was_committed_late_finds_its_place(sockets, monkeypatch):
    drop(monkeypatch, lambda message: True)
    client = await sockets(await browser())
    reserved = await rows(accepted, **MINE)
    values = await rows(lambda: Job.objects.filter(id=reserved.id).values().get())
    await rows(reserved.delete)
    later = await rows(accepted, **MINE)
    await client.watch()
    await rows(lambda: Job.objects.create(**values))
    await await_for(lambda: client.view.keys() == {str(values["id"]), str(later.id)}, 10)


async def test_a_session_that_came_between_a_report_and_its_row_is_told(sockets):
    """Progress is sent ten times a second and stored once a second."""
    first = await sockets(await browser())
    job, lease = await rows(claimed, **MINE)
    await first.watch()
    broadcast.send(progress_events(job.id, job.owner_key, 1, {**DONE, "tick": 50}))
    await await_for(lambda: first.view[str(job.id)]["progress"]["tick"] == 50, PATIENCE)
    second = await sockets(await browser())
    await second.watch()
    assert second.view[str(job.id)]["progress"]["tick"] == 0
    await rows(leases.save_progress, lease, {**DONE, "tick": 50})
    await await_for(lambda: second.view[str(job.id)]["progress"]["tick"] == 50, 10)


# ---------------------------------------------------------------- Valkey comes and goes


async def test_without_valkey_a_socket_is_accepted_and_told_that_live_updates_are_delayed(sockets, valkey):
    valkey.stop()
    try:
        client = await sockets(await browser())
        await client.status(live="delayed", queues={"livejobs": {"workers": 0, "broker": "down"}})
        await client.watch()
        answer = await client.ask(action="start", task=TASK, params={"a": 1})
        assert answer["action"] == "ack"
        await client.until(lambda message: message["action"] == "job", 10)
    finally:
        valkey.start()
    await client.status(live="up", queues={"livejobs": {"workers": 0, "broker": "up"}})


async def test_what_happened_while_valkey_was_away_is_shown_when_it_is_back(sockets, valkey, monkeypatch):
    monkeypatch.setitem(settings.LIVEJOBS, "HEAL_SECONDS", 60.0)  # at once, not at the next round
    client = await sockets(await browser())
    await client.watch()
    await client.status(live="up")
    job, lease = await rows(claimed, **MINE)
    await shows(client, "running", job)
    valkey.kill()
    try:
        await client.status(live="delayed")
        await rows(transitions.succeed, lease, 1, DONE)
        new = await rows(accepted, **MINE)
    finally:
        valkey.start()
    await client.status(live="up")
    await shows(client, "succeeded", job)
    await shows(client, "queued", new)
    await rows(transitions.cancel, new.id)
    await shows(client, "cancelled", new)


async def test_a_valkey_that_hangs_is_noticed_and_left(sockets, valkey):
    client = await sockets(await browser())
    await client.watch()
    await client.status(live="up")
    job, lease = await rows(claimed, **MINE)
    await shows(client, "running", job)
    links = [task for task in asyncio.all_tasks() if "_keep_pinging" in repr(task)]
    valkey.freeze()
    try:
        await client.status(live="delayed")
        await rows(transitions.succeed, lease, 1, DONE)
        await shows(client, "succeeded", job)
        await await_for(links[0].done, PATIENCE, "the end of the dead connection")
    finally:
        valkey.thaw()
    await client.status(live="up")
    new = await rows(accepted, **MINE)
    await shows(client, "queued", new)


async def test_the_last_socket_may_go_while_valkey_hangs(sockets, valkey):
    client = await sockets(await browser())
    await client.watch()
    await client.status(live="up")
    valkey.freeze()
    try:
        await client.status(live="delayed")
        await client.close()
        assert others() == []
    finally:
        valkey.thaw()


async def test_an_emptied_valkey_changes_nothing(sockets, valkey):
    client = await sockets(await browser())
    await client.watch()
    await client.status(live="up")
    valkey.empty()
    job = await rows(accepted, **MINE)
    await shows(client, "queued", job)


async def test_a_long_silence_is_healed_without_a_snapshot_that_nobody_asked_for(sockets, valkey, monkeypatch):
    """It is healed while it lasts: rows are compared whether or not the layer is there."""
    monkeypatch.setattr(hub, "WINDOW_SECONDS", 0.3)
    client, tutorial = await sockets(await browser()), await sockets.tutorial(await browser())
    job, lease = await rows(claimed, **MINE, name="x")
    await client.watch()
    await client.watch("one", job_id=job.id)
    await client.status(live="up")
    valkey.stop()
    try:
        await client.status(live="delayed")
        await rows(transitions.succeed, lease, 1, DONE)
        new = await rows(accepted, **MINE)
        await shows(client, "succeeded", job)
        await shows(client, "queued", new)
        await tutorial.until(lambda message: message["action"] == "completed")
    finally:
        valkey.start()
    await client.status(live="up")
    await rows(transitions.cancel, new.id)
    await shows(client, "cancelled", new)
    assert len(client.of("snapshot")) == 2
    assert client.reducer.answered


# ---------------------------------------------------------------- long lists, and counts


async def test_a_list_that_grows_too_long_is_narrowed_and_all_it_shows_is_true(sockets, monkeypatch):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 10)
    client = await sockets(await browser())
    await client.watch()
    jobs = [await rows(accepted, **MINE) for _ in range(25)]
    await await_for(lambda: str(jobs[-1].id) in client.view, PATIENCE)
    for job in jobs:
        await rows(transitions.cancel, job.id)
    newest = {str(job.id) for job in jobs[-len(client.view) :]}
    await await_for(lambda: {job["state"] for job in client.view.values()} == {"cancelled"}, PATIENCE)
    assert 8 <= len(client.view) <= 10
    assert client.view.keys() == newest
    assert client.reducer.watches["list"].from_id == min(int(key) for key in newest)


@pytest.mark.parametrize("at_once", [3, 10_000])
async def test_many_newcomers_that_nobody_heard_of_are_found_the_newest_first(sockets, monkeypatch, at_once):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 5)
    monkeypatch.setattr(answers, "NEWCOMERS_AT_ONCE", at_once)
    drop(monkeypatch, lambda message: True)
    client = await sockets(await browser())
    await client.watch()
    jobs = [await rows(accepted, **MINE) for _ in range(12)]
    await await_for(lambda: str(jobs[-1].id) in client.view, PATIENCE)
    await await_for(lambda: client.view.keys() <= {str(job.id) for job in jobs[-5:]}, PATIENCE)
    shown = sorted(int(key) for key in client.view)
    assert shown == [job.id for job in jobs][-len(shown) :]  # without a gap
    assert client.reducer.watches["list"].from_id <= shown[0]


async def test_events_that_come_in_a_flood_before_a_snapshot_are_not_missed(sockets, monkeypatch):
    monkeypatch.setattr(watches, "EARLY_MAX", 1)
    monkeypatch.setitem(settings.LIVEJOBS, "HEAL_SECONDS", 60.0)  # at once, not at the next round
    client = await sockets(await browser())
    await client.status(live="up")
    jobs = [await rows(accepted, **MINE) for _ in range(6)]
    read = answers.read_list
    is_read, go_on = threading.Event(), threading.Event()

    def slowly(*args: Any) -> Any:
        found = read(*args)
        is_read.set()
        go_on.wait(PATIENCE)
        return found

    monkeypatch.setattr(answers, "read_list", slowly)
    watching = asyncio.create_task(client.watch())
    await asyncio.to_thread(is_read.wait, PATIENCE)
    for job in jobs:
        await rows(transitions.cancel, job.id)
    new = await rows(accepted, **MINE)
    await await_for(lambda: any(each.overflowed for each in _watchings()), PATIENCE)
    go_on.set()
    await watching
    for job in jobs:
        await shows(client, "cancelled", job)
    await shows(client, "queued", new)


def _watchings() -> list[Watching]:
    return [each for socket in Hub.here()._sockets for each in socket.session.coverage._watches.values()]


async def test_what_runs_is_counted_by_the_database_whatever_is_shown(sockets, monkeypatch):
    client = await sockets(await browser())
    job, lease = await rows(claimed, **MINE)
    await rows(claimed, owner_key="browser:somebody else")
    for _ in range(3):
        await rows(accepted, **MINE)
    await client.watch(jobs={"scope": "mine", "limit": 1})
    assert str(job.id) not in client.view

    def says(running: int) -> bool:
        said = client.of("count")
        return bool(said) and said[-1]["running"] == running

    await await_for(lambda: says(1), PATIENCE)
    await rows(claimed, **MINE)
    await await_for(lambda: says(2), PATIENCE)
    drop(monkeypatch, lambda message: True)
    await rows(transitions.succeed, lease, 1, DONE)
    await await_for(lambda: says(1), 10)  # nobody heard of it: it is counted again all the same


async def test_a_count_that_fails_is_tried_again(sockets, monkeypatch):
    client = await sockets(await browser())
    with monkeypatch.context() as broken:
        tries: list[int] = []

        def away(*args: object) -> None:
            tries.append(1)
            raise OperationalError("away")

        broken.setattr(answers, "running", away)
        await client.watch()
        await await_for(lambda: tries, PATIENCE)
    await await_for(lambda: client.of("count"), PATIENCE)


# ---------------------------------------------------------------- the database comes and goes


async def test_the_hub_goes_on_when_the_database_was_away_for_a_moment(sockets, monkeypatch, caplog):
    client = await sockets(await browser())
    await client.watch()
    job = await rows(accepted, **MINE)
    await shows(client, "queued", job)
    drop(monkeypatch, lambda message: True)
    Hub.here()._link._hear = lambda message: None
    tries: list[int] = []

    def away(*args: object) -> None:
        tries.append(1)
        raise OperationalError("away")

    with monkeypatch.context() as broken:
        for question in ("levels", "newest_id"):
            broken.setattr(answers, question, away)
        await rows(transitions.cancel, job.id)
        new = await rows(accepted, **MINE)
        await await_for(lambda: len(tries) >= 2, PATIENCE)
    await shows(client, "cancelled", job)
    await shows(client, "queued", new)
    said = [record for record in caplog.records if "could not be compared" in record.message]
    assert len(said) == 1


@pytest.mark.skipif(settings.DATABASE != "postgresql", reason="SQLite has no server that could go away")
async def test_a_restarted_postgresql_is_found_again(sockets, postgres: Postgres):
    client = await sockets(await browser())
    await client.watch()
    await asyncio.to_thread(postgres.stop)
    try:
        assert (await client.ask(action="start", task=TASK, params={"a": 1}))["code"] == "unavailable"
    finally:
        await asyncio.to_thread(postgres.start)
    answer = await client.ask(action="start", task=TASK, params={"a": 1})
    assert answer["action"] == "ack"
    await client.until(lambda message: message["action"] == "job")


# ---------------------------------------------------------------- status


async def test_status_is_said_on_change_and_to_whoever_comes(sockets, monkeypatch):
    one = await sockets(await browser())
    await one.status(queues={"livejobs": {"workers": 0, "broker": "up"}})
    await rows(beat, WORKER, "host:1", queues=["livejobs", "slow"])
    queues = {"livejobs": {"workers": 1, "broker": "up"}, "slow": {"workers": 1, "broker": "up"}}
    await one.status(queues=queues)
    other = await sockets(await browser())
    await other.status(queues=queues, live="up")
    assert len(other.of("status")) == 1
    await rows(leave, WORKER, "host:1")
    await one.status(queues={"livejobs": {"workers": 0, "broker": "up"}})


async def test_open_pages_hear_what_there_is_to_know_about_the_jobs(sockets, monkeypatch):
    monkeypatch.setattr(notices, "_sources", [])
    one = await sockets(await browser())
    await one.status(notices=[])
    notices.add_source(lambda: ["tasks.py has changed."])
    await one.status(notices=["tasks.py has changed."])


# ---------------------------------------------------------------- defects stay small


async def test_a_session_that_cannot_take_an_event_does_not_silence_the_others(sockets, monkeypatch, caplog):
    broken, fine = await sockets(await browser()), await sockets(await browser())
    for client in (broken, fine):
        await client.watch()
    first = next(iter(Hub.here()._sockets))
    real = Coverage.offer
    broken_one = first.session.coverage
    monkeypatch.setattr(Coverage, "offer", lambda self, event: 1 / 0 if self is broken_one else real(self, event))
    job = await rows(accepted, **MINE)
    await await_for(lambda: {broken.closed, fine.closed} == {1012, None}, PATIENCE)
    alive = fine if fine.closed is None else broken
    await shows(alive, "queued", job)
    assert "An event could not be taken" in caplog.text


async def test_a_stumble_of_the_hub_is_logged_and_it_goes_on(sockets, monkeypatch, caplog):
    monkeypatch.setattr(hub, "STUMBLE_SECONDS", 0.05)
    stumbles = iter([True, True])
    real = queue_status.BrokerWatch

    def stumble() -> queue_status.BrokerWatch:
        if next(stumbles, False):
            raise KeyError("a defect")
        return real()

    monkeypatch.setattr(queue_status, "BrokerWatch", stumble)
    client = await sockets(await browser())
    await client.status(queues={"livejobs": {"workers": 0, "broker": "up"}}, live="up")
    assert "The hub stumbled" in caplog.text


async def test_a_foreign_message_on_a_group_is_left_alone(sockets):
    client = await sockets(await browser())
    await client.watch()
    await client.status(live="up")
    group = owner_group("browser:me")
    broadcast.send(
        [Broadcast(group, {"type": "someone.else"}), Broadcast(group, {"type": "livejobs.event", "group": group})]
    )
    job = await rows(accepted, **MINE)
    await shows(client, "queued", job)


# ---------------------------------------------------------------- nothing is left behind


async def test_without_sockets_the_hub_ends_and_leaves_nothing(sockets, valkey: Valkey):
    with valkey.client(1) as inside:
        await rows(accepted, **MINE)  # the outlet's own connection
        before = {each["id"] for each in inside.client_list()}
        clients = [await sockets(await browser()) for _ in range(3)]
        for client in clients:
            await client.watch()
            await client.status(live="up")
        here = Hub.here()
        for client in clients:
            await client.close()
        assert others() == []
        await await_for(
            lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("livejobs-broker")],
            PATIENCE,
            "the end of the broker's thread",
        )
        ours = lambda: [each for each in inside.client_list() if each["id"] not in before and int(each["db"]) == 1]  # noqa: E731
        await await_for(lambda: not [each for each in ours() if int(each["sub"]) or int(each["psub"])], PATIENCE)
        assert not here._groups
        assert not here._link._wanted
        assert len(here._reconciliation) == 0
        assert Hub.here() is not here
    Hub._of_loops.clear()


async def test_sockets_that_come_and_go_leave_nothing(sockets):
    cookie = await browser()
    stays = await sockets(cookie)
    await stays.watch()
    job = await rows(accepted, **MINE)
    for _ in range(10):
        client = await sockets(cookie)
        await client.watch()
        await client.watch("one", job_id=job.id)
        client.send(action="watch", id="x", jobs={"scope": "mine"})
        await client.close()
    here = Hub.here()
    assert len(here._sockets) == 1
    assert len(here._groups) == 1
    assert {held.sessions for held in here._reconciliation._held.values()} == {1}
    await await_for(lambda: here._link._wanted == here._link._confirmed, PATIENCE)


async def test_a_new_socket_may_come_while_the_hub_ends(sockets):
    cookie = await browser()
    for _ in range(10):
        first = await sockets(cookie)
        await first.watch()
        _, second = await asyncio.gather(first.close(), sockets(cookie))
        await second.watch()
        job = await rows(accepted, **MINE)
        await shows(second, "queued", job)
        await second.close()
    assert others() == []


async def test_five_hundred_sockets_in_one_process(sockets):
    cookie = await browser()
    clients: list[Client] = []
    for _ in range(20):
        clients += await asyncio.gather(*(sockets(cookie) for _ in range(25)))
    await asyncio.gather(*(client.watch() for client in clients))
    assert len(Hub.here()._sockets) == 500
    job, lease = await rows(claimed, **MINE)
    await rows(transitions.succeed, lease, 1, DONE)
    done = [("succeeded", 3)] * 500
    await await_for(
        lambda: [(c.view[str(job.id)]["state"], c.view[str(job.id)]["version"]) for c in clients if c.view] == done,
        60,
        "the finish on 500 screens",
    )
    assert len(asyncio.all_tasks()) < 500 * 5
    await asyncio.gather(*(client.close() for client in clients))
    assert others() == []
    sockets.opened.clear()
    gc.collect()


async def test_a_round_of_healing_does_not_hold_up_five_hundred_sockets(sockets, monkeypatch):
    """Each list is compared with the newest rows of a minute; that must not cost a look at each row for each socket."""
    here = Hub.here()
    sessions = [Session(here, LIMITS, lambda: None) for _ in range(500)]
    here._link.want = lambda group: None  # type: ignore[method-assign]
    for session in sessions:
        watch_list(session, [public(number) for number in range(1000, 950, -1)], more=True)
    looks: list[int] = []
    real = Watching.within
    monkeypatch.setattr(Watching, "within", lambda self, ids: (looks.append(1), real(self, ids))[1])  # type: ignore[func-returns-value]
    assert here._missed([(number, "browser:me") for number in range(1, 1001)]) == []
    assert len(looks) == 500
    assert here._missed([(number, "browser:me") for number in range(900, 1005)]) == [1001, 1002, 1003, 1004]
    for session in sessions:
        session.coverage.close()
    Hub._of_loops.clear()
