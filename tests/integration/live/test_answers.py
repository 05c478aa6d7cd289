"""What sessions and the hub ask of the database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models.expressions import RawSQL

import livejobs
from livejobs import leases, transitions
from livejobs.definition import registry
from livejobs.errors import InvalidError, NotAllowedError, NotFoundError
from livejobs.live import answers
from livejobs.live.event import read_event
from livejobs.live.identity import Door
from livejobs.live.reconciliation import Level
from livejobs.live.requests import (
    Done,
    Greet,
    Groups,
    Hello,
    Jobs,
    Listing,
    Nothing,
    OneJob,
    ReadLog,
    ReadSnapshot,
    Recheck,
    StartNamed,
)
from livejobs.models import Job, JobQuerySet
from livejobs.policy import BROWSER_ID, Policy
from livejobs.protocol import Cancel, ListScope, Retry, Start, Unwatch, Watch
from tests.support.rows import DONE, TASK, accepted, claimed, line

pytestmark = pytest.mark.django_db


@pytest.fixture
def door() -> Door:
    return Door({"session": {BROWSER_ID: "me"}})


def listing(door: Door, watch: Watch) -> Listing:
    allowed = answers.answer_to(door, watch)
    assert isinstance(allowed, Groups)
    assert allowed.listing is not None
    return allowed.listing


def snapshot(door: Door, watch: Watch) -> Jobs:
    shown = answers.answer_to(door, ReadSnapshot(watch, listing(door, watch)))
    assert isinstance(shown, Jobs)
    return shown


def mine(**scope) -> Watch:
    return Watch(action="watch", id="l", jobs=ListScope(**{"scope": "mine", **scope}))


def test_hello_names_the_server_the_person_and_the_tasks(door):
    answer = answers.answer_to(door, Greet())
    assert isinstance(answer, Hello)
    assert (answer.message["server"], answer.message["protocol"]) == (livejobs.__version__, 1)
    assert answer.message["user"] is None
    assert answer.message["retry_after"] == 0.5
    by_name = {task["name"]: task for task in answer.message["tasks"]}
    assert by_name[TASK]["title"] == "Add"
    assert by_name[TASK]["doc"] == "Add two numbers."
    assert set(by_name[TASK]["schema"]["properties"]) == {"a", "b"}


def test_a_recheck_and_an_unwatch_have_nothing_to_say(door):
    assert answers.answer_to(door, Recheck()) == Nothing()
    assert answers.answer_to(door, Unwatch(action="unwatch", id=1)) == Nothing()


def test_start_cancel_and_retry_answer_with_the_job(door):
    started = answers.answer_to(door, Start(action="start", task=TASK, params={"a": 1}, name="n"))
    assert isinstance(started, Done)
    job_id = started.job["id"]
    assert (started.job["name"], started.job["state"], started.job["params"]) == ("n", "queued", {"a": 1, "b": 1})
    cancelled = answers.answer_to(door, Cancel(action="cancel", job_id=job_id))
    assert isinstance(cancelled, Done)
    assert cancelled.job["state"] == "cancelled"
    queued = answers.answer_to(door, Retry(action="retry", job_id=job_id))
    assert isinstance(queued, Done)
    assert (queued.job["state"], queued.job["version"]) == ("queued", 3)


@pytest.mark.parametrize("name", ["at_once", "tests.jobs.at_once"])
def test_the_tutorials_start_takes_a_name_or_its_last_part(door, name):
    answer = answers.answer_to(door, StartNamed(name, "October"))
    assert isinstance(answer, Done)
    assert (answer.job["task"], answer.job["name"]) == ("tests.jobs.at_once", "October")


def test_a_last_part_that_is_not_unique_is_refused(door, monkeypatch):
    other = dict(registry._jobs)
    other["elsewhere.at_once"] = registry._jobs["tests.jobs.at_once"]
    monkeypatch.setattr(registry, "_jobs", other)
    names = ["tests.jobs.at_once", "elsewhere.at_once"]
    monkeypatch.setattr(
        "livejobs.policy.Policy.tasks", lambda self, person: [type("T", (), {"name": name}) for name in names]
    )
    with pytest.raises(InvalidError, match=r"tests\.jobs\.at_once, elsewhere\.at_once"):
        answers.answer_to(door, StartNamed("at_once", ""))


@pytest.mark.parametrize("name", ["fails", "nothing", "tests.jobs", ""])
def test_a_task_that_is_not_exposed_is_one_that_does_not_exist(door, name):
    with pytest.raises(NotFoundError):
        answers.answer_to(door, StartNamed(name, ""))


def test_a_watch_is_answered_with_the_groups_that_carry_it(door):
    job = accepted(owner_key="browser:me")
    other = accepted(owner_key="browser:other")
    assert answers.answer_to(door, Watch(action="watch", id=1, job_id=job.id)) == Groups(
        (f"livejobs.tests.job.{job.id}",)
    )
    assert isinstance(answers.answer_to(door, mine()), Groups)
    with pytest.raises(NotFoundError):
        answers.answer_to(door, Watch(action="watch", id=1, job_id=other.id))
    with pytest.raises(NotFoundError):
        answers.answer_to(door, ReadSnapshot(Watch(action="watch", id=1, job_id=other.id)))
    with pytest.raises(NotAllowedError):
        answers.answer_to(door, mine(scope="all"))


def test_a_list_is_newest_first_bounded_and_says_whether_there_is_more(door):
    jobs = [accepted(owner_key="browser:me") for _ in range(5)]
    accepted(owner_key="browser:other")
    answer = snapshot(door, mine(limit=3))
    assert isinstance(answer, Jobs)
    assert [job["id"] for job in answer.jobs] == [job.id for job in jobs[:1:-1]]
    assert answer.more
    rest = snapshot(door, mine(limit=3, before=jobs[2].id))
    assert isinstance(rest, Jobs)
    assert [job["id"] for job in rest.jobs] == [jobs[1].id, jobs[0].id]
    assert not rest.more


def test_staff_lists_all():
    user = get_user_model().objects.create_user("root", is_staff=True)
    accepted(owner_key="browser:other")
    answer = snapshot(Door({"user": user}), mine(scope="all"))
    assert isinstance(answer, Jobs)
    assert len(answer.jobs) == 1


def test_a_list_costs_few_queries_however_long(door, django_assert_max_num_queries):
    user = get_user_model().objects.create_user("ada")
    for _ in range(20):
        accepted(owner_key="browser:me", owner=user)
    with django_assert_max_num_queries(1):
        snapshot(door, mine())


def keys(*asked: tuple[Door, Watch]) -> set[Any]:
    return {listing(*each).key for each in asked}


def test_two_that_read_the_same_rows_have_the_same_key():
    twice = [Door({"session": {BROWSER_ID: "me"}}) for _ in range(2)]
    assert len(keys(*((each, mine(id=each, limit=3, before=9)) for each in twice))) == 1
    root, ada = (get_user_model().objects.create_user(name, is_staff=True) for name in ("root", "ada"))
    assert len(keys(*((Door({"user": user}), mine(scope="all")) for user in (root, ada)))) == 1


def test_whatever_makes_a_difference_to_the_rows_makes_one_to_the_key(door):
    user = get_user_model().objects.create_user("ada")
    asked = [
        (door, mine()),
        (door, mine(limit=3)),
        (door, mine(before=9)),
        (door, mine(before=8)),
        (Door({"session": {BROWSER_ID: "other"}}), mine()),
        (Door({"user": user}), mine()),
    ]
    assert len(keys(*asked)) == len(asked)


class Unlike(Policy):
    """A policy whose rows cannot be compared."""

    def __init__(self, rows: JobQuerySet) -> None:
        self.rows = rows

    def mine(self, person: Any) -> JobQuerySet:
        return self.rows


@pytest.mark.parametrize("how", ["nothing", "unhashable"])
def test_rows_that_cannot_be_compared_are_shared_with_nobody(door, monkeypatch, how):
    rows: Any = Job.objects.none()
    if how == "unhashable":
        rows = Job.objects.annotate(odd=RawSQL("%s", [["a list"]]))  # a driver may take whatever it likes
    monkeypatch.setattr(answers, "get_policy", lambda: Unlike(rows))
    assert len(keys((door, mine()), (door, mine()))) == 2


def test_what_finished_a_short_while_ago_is_marked(door, monkeypatch):
    job, lease = claimed(owner_key="browser:me")
    accepted(owner_key="browser:me")
    transitions.succeed(lease, 1, DONE)
    answer = snapshot(door, mine())
    assert isinstance(answer, Jobs)
    assert answer.just_finished == {job.id}
    monkeypatch.setattr(settings, "LIVEJOBS", {"TUTORIAL_REPLAY_SECONDS": -60.0})
    answer = snapshot(door, mine())
    assert isinstance(answer, Jobs)
    assert answer.just_finished == frozenset()


def test_one_job_comes_whole_with_the_first_of_its_lines(door, monkeypatch):
    monkeypatch.setattr(answers, "LOG_LINES", 3)
    job, lease = claimed(owner_key="browser:me", params={"text": "x" * 2000})
    leases.append_log(lease, [line(seq) for seq in range(1, 6)])
    answer = answers.answer_to(door, ReadSnapshot(Watch(action="watch", id=1, job_id=job.id, log_after=1)))
    assert isinstance(answer, OneJob)
    assert answer.job["params"] == job.params
    assert (answer.job["log_seq"], [each["seq"] for each in answer.lines]) == (5, [2, 3, 4])
    chunk = answers.read_log(ReadLog(job.id, 4))
    assert chunk is not None
    assert (chunk.first, chunk.last, json.loads(chunk.text)["lines"][0]["seq"]) == (5, 5, 5)
    assert answers.read_log(ReadLog(job.id, 5)) is None


def test_numbers_without_lines_are_read_as_one_with_the_lines_after_them():
    job, lease = claimed()
    leases.append_log(lease, [line(1), line(2)])
    leases.append_log(lease, [line(8), line(9)], after=2)
    chunk = answers.read_log(ReadLog(job.id, 2))
    assert chunk is not None
    assert (chunk.first, chunk.last) == (3, 9)
    assert [each["seq"] for each in json.loads(chunk.text)["lines"]] == [8, 9]


def test_one_read_of_a_log_has_a_bounded_size(monkeypatch):
    monkeypatch.setattr(answers, "LOG_CHARACTERS", 1000)
    job, lease = claimed()
    leases.append_log(lease, [line(seq, "x" * 400) for seq in range(1, 11)])
    chunk = answers.read_log(ReadLog(job.id, 0))
    assert chunk is not None
    assert (chunk.first, chunk.last) == (1, 3)


@pytest.mark.parametrize("lengths", [[10] * 700, [2000] * 300, [10] * 40 + [8000] * 300, [8000] * 40 + [0] * 600])
def test_every_line_is_read_once_however_long_lines_are(lengths):
    job, lease = claimed()
    leases.append_log(lease, [line(seq, "x" * length) for seq, length in enumerate(lengths, 1)])
    seen = list[int]()
    while (chunk := answers.read_log(ReadLog(job.id, len(seen)))) is not None:
        lines = json.loads(chunk.text)["lines"]
        assert [line["seq"] for line in lines] == list(range(chunk.first, chunk.last + 1))
        assert len(lines) <= answers.LOG_LINES
        assert sum(len(line["text"]) for line in lines[:-1]) <= answers.LOG_CHARACTERS
        seen += [len(line["text"]) for line in lines]
    assert seen == lengths


def test_levels_say_how_far_rows_are(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(answers, "COMPARED_AT_ONCE", 2)
    jobs = [accepted(owner_key="browser:me") for _ in range(3)]
    _, lease = claimed(jobs[0])
    leases.save_progress(lease, DONE)
    with django_assert_num_queries(2):
        found = answers.levels([*(job.id for job in jobs), 2**40])
    by_id = {level.job_id: level for level in found}
    assert by_id.keys() == {job.id for job in jobs}
    assert by_id[jobs[0].id] == Level(jobs[0].id, "browser:me", 2, 1, DONE["tick"], 0, "running")


def test_broadcasts_are_made_again_from_rows_and_progress_only_where_there_is_some():
    plain = accepted()
    job, lease = claimed()
    leases.save_progress(lease, DONE)
    events = [read_event(each.message) for each in answers.remade([plain.id, job.id])]
    kinds = [(event.job_id, event.kind) for event in events if event is not None]
    assert kinds.count((plain.id, "job")) == kinds.count((job.id, "job")) == 3
    assert kinds.count((plain.id, "progress")) == 0
    assert kinds.count((job.id, "progress")) == 3


def test_newcomers_are_the_newest_above_an_id(monkeypatch):
    assert answers.newest_id() == 0
    jobs = [accepted(owner_key=f"browser:{number}") for number in range(4)]
    assert answers.newest_id() == jobs[-1].id
    expected = [(job.id, job.owner_key) for job in jobs]
    assert answers.newcomers(jobs[0].id) == expected[:0:-1]
    monkeypatch.setattr(answers, "NEWCOMERS_AT_ONCE", 2)
    assert answers.newcomers(0) == expected[:1:-1]
    assert answers.newcomers(0, jobs[2].id) == expected[1::-1]
    assert Job.objects.count() == 4
