"""The door in: what starts, what is refused before anything is stored, and who comes first."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import IntegrityError, OperationalError, connections, transaction
from django.test import RequestFactory
from django.utils import timezone

from livejobs import actions, transitions
from livejobs.definition import LiveJob, registry
from livejobs.errors import (
    ConflictError,
    FinishedError,
    InvalidError,
    NotAllowedError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
)
from livejobs.hints import publishing
from livejobs.models import Job
from livejobs.policy import BROWSER_ID, Person, Policy
from livejobs.states import State
from tests import jobs
from tests.support.rows import DONE, accepted, at_once, check_history, claimed, in_state, put, read
from tests.support.servers import Valkey
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db

S = State
ADA = Person(None, ("browser:ada",))
BOB = Person(None, ("browser:bob",))
NOBODY = Person(None, ())


@pytest.fixture
def task(monkeypatch):
    """Define a task for one test."""

    def define(func, **options) -> LiveJob[..., Any]:
        job: LiveJob[..., Any] = LiveJob(func, **{"expose": True, **options})
        monkeypatch.setitem(registry._jobs, job.name, job)
        return job

    return define


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ada")


def request_of(user: Any = None, session: Any = None) -> Any:
    request: Any = RequestFactory().get("/")
    if user is not None:
        request.user = user
    if session is not None:
        request.session = session
    return request


# ---------------------------------------------------------------- start


def test_a_start_stores_what_was_asked_for():
    job = actions.start(jobs.add, {"a": 1}, name="  first \x00 ", owner=ADA, key="k", queue="heavy")
    row = read(job)
    assert (row.task, row.name, row.params, row.queue) == ("tests.jobs.add", "first \ufffd", {"a": 1, "b": 1}, "heavy")
    assert (row.owner, row.owner_key, row.idempotency_key) == (None, "browser:ada", "k")
    assert (row.state, row.retries, row.max_losses) == ("queued", 0, 2)


def test_defaults_come_from_task_and_settings(settings, task):
    settings.LIVEJOBS = {"QUEUE": "usual", "MAX_LOSSES": 7}
    assert (actions.start(jobs.add, {"a": 1}).queue, actions.start(jobs.at_once).max_losses) == ("usual", 7)

    def own() -> None: ...

    job = actions.start(task(own, queue="own", max_losses=0))
    assert (job.queue, job.max_losses, job.owner_key, job.idempotency_key) == ("own", 0, "", None)
    assert actions.start(jobs.never_twice, {"mark": "x"}).max_losses == 0


def test_a_task_is_known_by_its_name_too():
    assert actions.start("tests.jobs.at_once").task == "tests.jobs.at_once"
    with pytest.raises(NotFoundError, match=r"There is no task “tests\.jobs\.nothing”"):
        actions.start("tests.jobs.nothing")


@pytest.mark.parametrize(
    ("params", "wrong"),
    [({}, {"a"}), ({"a": "x"}, {"a"}), ({"a": 1, "c": 2}, {"c"}), ({"c": 2, "b": "x"}, {"a", "b", "c"})],
)
def test_wrong_params_are_named_and_nothing_is_stored(params, wrong):
    with pytest.raises(InvalidError) as caught:
        actions.start(jobs.add, params)
    assert set(caught.value.fields) == wrong
    assert not Job.objects.exists()


def test_params_over_the_bound_are_refused(settings):
    settings.LIVEJOBS = {"MAX_PARAMS_BYTES": 20}
    with pytest.raises(TooLargeError):
        actions.start(jobs.cleans_up, {"mark": "x" * 20})


def test_the_longest_name_and_one_more(settings):
    assert len(actions.start(jobs.at_once, name="é" * 255).name) == 255
    with pytest.raises(InvalidError) as caught:
        actions.start(jobs.at_once, name="é" * 256)
    assert caught.value.fields == {"name": "At most 255 characters; this has 256."}


@pytest.mark.parametrize("key", ["", "k" * 101, "nul \x00", "\ud800"])
def test_a_key_is_short_and_plain(key):
    with pytest.raises(InvalidError) as caught:
        actions.start(jobs.at_once, key=key)
    assert caught.value.fields == {"key": "From 1 to 100 plain characters."}


# ---------------------------------------------------------------- the same click again


def test_the_same_key_is_the_same_job():
    first = actions.start(jobs.add, {"a": 1}, owner=ADA, key="k")
    again = actions.start(jobs.add, {"a": 1, "b": 1}, owner=ADA, key="k", name="other")
    assert again.id == first.id
    assert actions.start(jobs.add, {"a": 1}, owner=BOB, key="k").id != first.id
    assert Job.objects.count() == 2


@pytest.mark.parametrize(("other", "params"), [(jobs.add, {"a": 2}), (jobs.at_once, {})])
def test_the_same_key_with_other_params_is_a_conflict(other, params):
    actions.start(jobs.add, {"a": 1}, owner=ADA, key="k")
    with pytest.raises(ConflictError):
        actions.start(other, params, owner=ADA, key="k")
    assert Job.objects.count() == 1


@pytest.mark.parametrize("seconds", [0.1, 1.0, 1e22, 1e23, 1e300, 5e-324, -0.0])
def test_a_number_is_the_same_after_it_was_stored(seconds):
    first = actions.start(jobs.wait_by_steps, {"seconds": seconds}, key="k")
    assert actions.start(jobs.wait_by_steps, {"seconds": seconds}, key="k").id == first.id


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": [1, "x", None]}, {"a": [1, "x", None]}, True),
        ({"a": [10**23]}, {"a": [1e23]}, True),
        (1, 1.0, True),
        (2**53, 2**53 + 1, False),
        ("1", 1.0, False),
        ([1], [1, 2], False),
        ([1, 2], [2, 1], False),
        ({"a": 1}, {"b": 1}, False),
        ({}, [], False),
        (None, 0.0, False),
    ],
)
def test_json_is_compared_as_json(one, other, same):
    assert actions._same_json(one, other) is same
    assert actions._same_json(other, one) is same


def test_the_click_that_came_in_between_wins_and_the_callers_transaction_lives(monkeypatch):
    look, looks = actions._same_key, []

    def late(job):
        looks.append(job)
        return look(job) if len(looks) > 1 else None

    first = actions.start(jobs.add, {"a": 1}, owner=ADA, key="k")
    monkeypatch.setattr(actions, "_same_key", late)
    with transaction.atomic():
        again = actions.start(jobs.add, {"a": 1}, owner=ADA, key="k")
        other = actions.start(jobs.add, {"a": 1}, owner=ADA, key="other")
    assert again.id == first.id
    assert set(Job.objects.values_list("id", flat=True)) == {first.id, other.id}


def test_another_constraint_is_not_taken_for_the_key(monkeypatch):
    monkeypatch.setattr(transitions, "accept", lambda job, **_: (_ for _ in ()).throw(IntegrityError("another")))
    with pytest.raises(IntegrityError, match="another"):
        actions.start(jobs.at_once, key="k")


@pytest.mark.django_db(transaction=True)
def test_one_click_on_many_threads_is_one_job(monkeypatch):
    monkeypatch.setattr(publishing, "submit", lambda job: None)
    for key in "abc":
        answers = at_once(*[partial(actions.start, jobs.add, {"a": 1}, owner=ADA, key=key)] * 4)
        assert len({answer.id for answer in answers}) == 1
    assert Job.objects.count() == 3


# ---------------------------------------------------------------- the caller's transaction


@pytest.mark.django_db(transaction=True)
def test_a_start_belongs_to_the_callers_transaction(monkeypatch):
    submitted: list[int] = []
    monkeypatch.setattr(publishing, "submit", lambda job: submitted.append(job.id))
    with transaction.atomic():
        actions.start(jobs.at_once)
        transaction.set_rollback(True)
    with transaction.atomic():
        kept = actions.start(jobs.at_once)
        with transaction.atomic():
            actions.start(jobs.at_once)
            transaction.set_rollback(True)
        assert submitted == []
    assert submitted == [kept.id]
    assert list(Job.objects.values_list("id", flat=True)) == [kept.id]


def test_many_start_together_or_not_at_all(user):
    started = actions.start_many(jobs.add, [{"a": 1}, {"a": 2}], owner=user)
    assert [(job.params["a"], job.owner) for job in started] == [(1, user), (2, user)]
    with pytest.raises(InvalidError):
        actions.start_many(jobs.add, [{"a": 1}, {"a": "x"}])
    assert Job.objects.count() == 2
    assert actions.start_many(jobs.add, []) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("trouble", ["freeze", "stop"])
def test_a_start_never_waits_for_the_broker(valkey: Valkey, monkeypatch, trouble):
    monkeypatch.setattr(publishing.publish_thread, "made", None)
    getattr(valkey, trouble)()
    try:
        started, seconds = [], []
        for _ in range(3):
            began = time.monotonic()
            started.append(actions.start(jobs.at_once))
            seconds.append(time.monotonic() - began)
        assert min(seconds) < 0.5  # a publish would have waited for PUBLISH_SECONDS, 2 s, each time
        unpublished = Job.objects.unpublished
        wait_for(lambda: unpublished().count() == 3, 20, "the word that the broker does not know of them")
    finally:
        publishing.finish()
        valkey.thaw() if trouble == "freeze" else valkey.start()
    assert [job.state for job in started] == ["queued"] * 3


# ---------------------------------------------------------------- owners


def test_a_user_owns_what_is_started_for_them(user):
    job = actions.start(jobs.at_once, owner=user)
    assert (job.owner, job.owner_key) == (user, f"user:{user.pk}")
    assert job.events.get().actor == "ada"


def test_a_request_is_its_user_else_its_browser(user):
    signed_in = request_of(user, {BROWSER_ID: "b"})
    assert actions.start(jobs.at_once, owner=signed_in).owner_key == f"user:{user.pk}"
    browser = request_of(AnonymousUser(), {BROWSER_ID: "b"})
    assert actions.start(jobs.at_once, owner=browser).owner_key == "browser:b"
    assert actions.start(jobs.at_once, owner=request_of()).owner_key == ""


def test_a_browser_without_an_id_is_given_one_that_it_keeps():
    session = SessionStore()
    first = actions.start(jobs.at_once, owner=request_of(AnonymousUser(), session))
    again = actions.start(jobs.at_once, owner=request_of(AnonymousUser(), session))
    assert first.owner_key == again.owner_key == f"browser:{session[BROWSER_ID]}"


def test_a_job_may_have_no_owner():
    job = actions.start(jobs.at_once)
    assert (job.owner, job.owner_key, job.events.get().actor) == (None, "", "")
    assert actions.start(jobs.at_once, owner=NOBODY).owner_key == ""


@pytest.mark.parametrize("owner", [AnonymousUser(), "ada", 7])
def test_anything_else_is_no_owner(owner):
    with pytest.raises(InvalidError) as caught:
        actions.start(jobs.at_once, owner=owner)
    assert set(caught.value.fields) == {"owner"}


# ---------------------------------------------------------------- cancel


@pytest.mark.parametrize("state", [S.SCHEDULED, S.QUEUED, S.RETRYING])
def test_cancelling_what_waits_ends_it_and_twice_is_once(state):
    job = in_state(state)
    assert actions.cancel(job, actor="ada").state == "cancelled"
    again = actions.cancel(job.id)
    assert (again.state, again.version) == ("cancelled", 2)


def test_cancelling_what_runs_asks_once():
    job, lease = claimed()
    first, again = actions.cancel(job), actions.cancel(job)
    assert (first.state, first.version, again.version) == ("running", 3, 3)
    assert again.cancel_requested_at == first.cancel_requested_at
    transitions.stopped(lease, DONE)
    assert actions.cancel(job).state == "cancelled"


@pytest.mark.parametrize("state", [S.SUCCEEDED, S.FAILED])
def test_a_finish_that_was_first_is_reported(state):
    with pytest.raises(FinishedError):
        actions.cancel(in_state(state))


def test_a_job_that_is_not_there_is_not_found():
    with pytest.raises(NotFoundError):
        actions.cancel(404)
    with pytest.raises(NotFoundError):
        actions.retry(404)


def test_a_retry_between_two_looks_does_not_lose_the_cancel(monkeypatch):
    job = in_state(S.FAILED)
    find = actions._find

    def retried_meanwhile(job_id):
        monkeypatch.setattr(actions, "_find", find)
        transitions.retry(job_id)
        return find(job_id)

    monkeypatch.setattr(actions, "_find", retried_meanwhile)
    assert actions.cancel(job).state == "cancelled"
    check_history(job)


# ---------------------------------------------------------------- retry


def test_a_retry_is_the_next_attempt_of_the_same_job(monkeypatch, django_capture_on_commit_callbacks):
    submitted: list[str] = []
    monkeypatch.setattr(
        publishing, "submit", lambda job: submitted.append(publishing.celery_id(job.id, job.attempt + 1))
    )
    job = in_state(S.FAILED)
    with django_capture_on_commit_callbacks(execute=True):
        again = actions.retry(job, actor="ada")
    assert (again.id, again.state, again.attempt) == (job.id, "queued", 1)
    assert submitted == [f"{job.id}-2"]
    assert claimed(again, owner="host:2/b")[0].attempt == 2


@pytest.mark.parametrize("state", [S.SCHEDULED, S.QUEUED, S.RUNNING, S.RETRYING])
def test_only_a_finished_job_is_retried(state):
    with pytest.raises(InvalidError, match="not finished"):
        actions.retry(in_state(state).id)


# ---------------------------------------------------------------- people


def test_people_start_what_is_exposed():
    job = actions.start_as(ADA, "tests.jobs.add", {"a": "2"}, name="n", key="k")
    assert (job.params, job.owner_key, job.name) == ({"a": 2, "b": 1}, "browser:ada", "n")
    for hidden in ("tests.jobs.fails", "tests.jobs.nothing"):
        with pytest.raises(NotFoundError, match="There is no task"):
            actions.start_as(ADA, hidden, {})
    with pytest.raises(InvalidError):
        actions.start_as(ADA, "tests.jobs.add", {})


def test_a_permission_judges_what_will_run(task):
    seen: list[Any] = []

    def export(admin: bool = False, kind: Literal["csv"] = "csv") -> None: ...

    def permission(user: Any, params: dict[str, Any]) -> bool:
        seen.append(params)
        return params["admin"] is False

    live_job = task(export, permission=permission)
    assert actions.start_as(ADA, live_job.name, {}).params == {"admin": False, "kind": "csv"}
    for raw in (True, "true", 1, "on"):
        with pytest.raises((NotAllowedError, InvalidError)):
            actions.start_as(ADA, live_job.name, {"admin": raw})
    assert Job.objects.count() == 1
    assert all(type(params["admin"]) is bool and params["kind"] == "csv" for params in seen)


def test_people_act_on_their_own_jobs_and_staff_on_all():
    job = accepted(owner_key="browser:ada")
    for verb in (actions.cancel_as, actions.retry_as):
        for job_id in (job.id, 404):
            with pytest.raises(NotFoundError) as caught:
                verb(BOB, job_id)
            assert caught.value.message == NotFoundError().message
    assert actions.cancel_as(ADA, job.id).state == "cancelled"
    assert actions.retry_as(ADA, job.id).state == "queued"
    assert actions.cancel_as(Person(None, (), staff=True), job.id).state == "cancelled"


def test_the_audit_trail_names_the_person(user):
    ada = Person(user, (f"user:{user.pk}",))
    job = actions.start_as(ada, "tests.jobs.at_once", {})
    actions.cancel_as(ada, job.id)
    actions.retry_as(ada, job.id)
    assert [event.actor for event in job.events.order_by("version")] == ["ada"] * 3


@pytest.mark.parametrize(
    "verb",
    [
        lambda: actions.start_as(ADA, "tests.jobs.at_once", {}),
        lambda: actions.cancel_as(ADA, 1),
        lambda: actions.retry_as(ADA, 1),
    ],
)
def test_a_database_that_is_away_is_one_clear_error(verb, monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("no route")

    monkeypatch.setattr(Policy, "check_start", away)
    monkeypatch.setattr(Policy, "visible", away)
    with pytest.raises(UnavailableError, match="The database cannot be reached"):
        verb()


@pytest.mark.django_db(transaction=True)
async def test_the_verbs_from_async_code(monkeypatch):
    monkeypatch.setattr(publishing, "submit", lambda job: None)
    job = await actions.astart(jobs.add, {"a": 1}, owner=ADA, name="n", key="k", queue="q")
    assert (job.name, job.queue, job.owner_key) == ("n", "q", "browser:ada")
    assert (await actions.acancel(job, actor="ada")).state == "cancelled"
    assert (await actions.aretry(job.id)).state == "queued"
    await sync_to_async(connections.close_all)()  # those of the thread that async code shares


def test_a_cancel_asked_for_on_a_queued_row_is_answered_as_such():
    job = put(accepted(), S.QUEUED)
    transitions.cancel(job.id)
    Job.objects.filter(id=job.id).update(state=S.RUNNING)
    assert actions.cancel(job).state == "running"


def test_the_session_of_a_host_may_be_of_any_kind():
    request = SimpleNamespace(META={}, user=None, session=None)
    owner: Any = request
    assert actions.start(jobs.at_once, owner=owner).owner_key == ""


def test_a_job_may_be_started_for_later():
    moment = timezone.now() + timedelta(days=1)
    job = actions.start(jobs.at_once, run_at=moment)
    assert (job.state, job.run_at) == ("scheduled", moment)
    assert actions.cancel(job).state == "cancelled"
    assert actions.start(jobs.at_once, run_at=timedelta(seconds=-5)).state == "queued"


@pytest.mark.parametrize(
    "run_at", [datetime(2030, 1, 1), datetime(9999, 1, 1, tzinfo=UTC), timedelta.max, "tomorrow", 5]
)
def test_a_time_that_is_none_is_refused(run_at):
    with pytest.raises(InvalidError) as caught:
        actions.start(jobs.at_once, run_at=run_at)
    assert set(caught.value.fields) == {"run_at"}
    assert not Job.objects.exists()
