"""Who may start, see, cancel and retry what."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError
from django.test import RequestFactory

from livejobs.definition import LiveJob, registry
from livejobs.errors import NotAllowedError, NotFoundError
from livejobs.groups import all_group, owner_group
from livejobs.policy import BROWSER_ID, Person, Policy, ensure_browser_id, get_policy, person_of, user_key
from tests.support.rows import accepted

pytestmark = pytest.mark.django_db

ADA = Person(None, ("user:1", "browser:ada"))
STAFF = Person(None, (), staff=True)
NOBODY = Person(None, ())


class Closed(Policy):
    """A host's own rules: nobody sees anything."""

    def _own(self, person):
        return super()._own(NOBODY)


@pytest.fixture
def task(monkeypatch):
    """Define the only tasks there are."""
    monkeypatch.setattr(registry, "_jobs", {})

    def define(name: str, **options) -> LiveJob[..., Any]:
        def func(path: str = "/") -> None: ...

        func.__name__ = func.__qualname__ = name
        job: LiveJob[..., Any] = LiveJob(func, **options)
        registry.register(job)
        return job

    monkeypatch.setattr(registry, "_subscribers", [])
    return define


# ---------------------------------------------------------------- who


@pytest.mark.parametrize("staff", [False, True])
def test_a_signed_in_user_comes_first_and_keeps_the_browsers_jobs(staff):
    user = User.objects.create_user("ada", is_staff=staff)
    person = person_of(user, {BROWSER_ID: "b"}, connection="c")
    assert person == Person(user, (f"user:{user.pk}", "browser:b"), staff=staff)
    assert (person.name, user_key(user)) == ("ada", f"user:{user.pk}")


@pytest.mark.parametrize("user", [None, AnonymousUser(), User(pk=1, username="gone", is_active=False, is_staff=True)])
def test_without_a_user_it_is_the_browser_and_without_that_the_connection(user):
    assert person_of(user, {BROWSER_ID: "b"}, connection="c") == Person(None, ("browser:b",))
    for session in (None, {}, {BROWSER_ID: ""}, {BROWSER_ID: 7}):
        assert person_of(user, session, connection="c") == Person(None, ("connection:c",))
        assert person_of(user, session) == Person(None, ())
    assert NOBODY.name == ""


def test_a_browser_is_given_its_id_once():
    request = RequestFactory().get("/")
    request.session = SessionStore()
    first = ensure_browser_id(request)
    assert len(first) >= 24
    assert ensure_browser_id(request) == request.session[BROWSER_ID] == first
    request.session[BROWSER_ID] = ""
    assert ensure_browser_id(request) not in {"", first}


# ---------------------------------------------------------------- start


def test_only_exposed_tasks_are_there(task, settings):
    task("b_shown", expose=True)
    task("a_shown", expose=True, title="Zebra")
    hidden = task("hidden", expose=False)
    plain = task("plain")
    policy = Policy()
    assert [job.title for job in policy.tasks(NOBODY)] == ["B shown", "Zebra"]
    assert policy.startable(NOBODY, f"{__name__}.b_shown").title == "B shown"
    for name in (hidden.name, plain.name, "nothing"):
        with pytest.raises(NotFoundError, match=f"There is no task “{name}”"):
            policy.startable(STAFF, name)
    settings.LIVEJOBS = {"EXPOSE": True}
    assert policy.startable(NOBODY, plain.name) is plain
    assert hidden not in policy.tasks(STAFF)


def test_a_permission_by_name_is_asked_of_the_user(task):
    job = task("closed", expose=True, permission="livejobs.add_job", title="Closed one")
    policy, user = Policy(), User.objects.create_user("ada")
    for person in (NOBODY, STAFF, Person(user, ("user:1",)), Person(object(), ())):  # type: ignore[arg-type]
        with pytest.raises(NotAllowedError, match="You may not start “Closed one”"):
            policy.check_start(person, job, {})
        assert policy.tasks(person) == []
    user.user_permissions.add(Permission.objects.get(codename="add_job"))
    allowed = Person(User.objects.get(pk=user.pk), ("user:1",))
    policy.check_start(allowed, job, {})
    assert policy.tasks(allowed) == [job]


def test_a_permission_may_be_a_function_of_user_and_params(task):
    asked: list[Any] = []

    def allow(user, params):
        asked.append((user, params))
        return params.get("path") != "/etc"

    job, user = task("closed", expose=True, permission=allow), User(username="ada")
    Policy().check_start(Person(user, ()), job, {"path": "/home"})
    with pytest.raises(NotAllowedError):
        Policy().check_start(NOBODY, job, {"path": "/etc"})
    assert Policy().tasks(NOBODY) == [job]
    assert asked == [(user, {"path": "/home"}), (None, {"path": "/etc"}), (None, {})]


def test_a_permission_that_breaks_is_a_no(task, caplog):
    job = task("closed", expose=True, permission=lambda user, params: user.is_member)
    with pytest.raises(NotAllowedError):
        Policy().check_start(NOBODY, job, {})
    assert Policy().tasks(NOBODY) == []
    assert caplog.messages == [f"The permission of {job.name} failed; that is a no"] * 2


def test_a_permission_without_its_database_is_no_answer(task):
    def allow(user, params):
        raise OperationalError("away")

    with pytest.raises(OperationalError):
        Policy().check_start(NOBODY, task("closed", permission=allow), {})


# ---------------------------------------------------------------- see


@pytest.mark.parametrize("ownerless_for_all", [False, True])
def test_people_see_their_own_jobs_and_staff_sees_all(settings, ownerless_for_all):
    settings.LIVEJOBS = {"OWNERLESS_FOR_ALL": ownerless_for_all}
    keys = ["user:1", "browser:ada", "browser:bob", ""]
    for key in keys:
        accepted(owner_key=key)
    policy = get_policy()
    common = {""} if ownerless_for_all else set()
    for person, mine in ((ADA, {"user:1", "browser:ada"}), (STAFF, set()), (NOBODY, set())):
        visible = set(keys) if person.staff else mine | common
        assert {job.owner_key for job in policy.mine(person)} == mine | common
        assert {job.owner_key for job in policy.visible(person)} == visible


@pytest.mark.parametrize("ownerless_for_all", [False, True])
def test_the_groups_of_a_list(settings, ownerless_for_all):
    settings.LIVEJOBS = {"OWNERLESS_FOR_ALL": ownerless_for_all}
    policy = Policy()
    common = (owner_group(""),) if ownerless_for_all else ()
    assert policy.groups(ADA, "mine") == (owner_group("user:1"), owner_group("browser:ada"), *common)
    assert policy.groups(STAFF, "all") == (all_group(),)
    assert policy.groups(STAFF, "mine") == common
    with pytest.raises(NotAllowedError, match="Only staff sees all jobs"):
        policy.groups(ADA, "all")


def test_rights():
    assert Policy().rights(ADA) == ["start", "cancel", "retry"]
    assert Policy().rights(STAFF) == ["start", "cancel", "retry", "see_all"]


def test_a_host_puts_its_own_policy_in_place(settings):
    settings.LIVEJOBS = {"POLICY": f"{__name__}.Closed"}
    accepted(owner_key="user:1")
    assert isinstance(get_policy(), Closed)
    assert not get_policy().visible(ADA).exists()
