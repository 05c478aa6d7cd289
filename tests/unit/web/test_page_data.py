"""What the page carries as JSON."""

from __future__ import annotations

import pytest
from django.test import override_settings

from livejobs import transitions
from livejobs.policy import Person
from livejobs.web.page_data import newest, snapshot
from tests.support.rows import accepted, claimed

pytestmark = pytest.mark.django_db
ME = Person(None, ("browser:me",))


def test_the_list_is_newest_first_bounded_and_says_whether_there_is_more():
    jobs = [accepted(owner_key="browser:me") for _ in range(3)]
    accepted(owner_key="browser:other")
    data = newest(ME, limit=2)
    assert [job["id"] for job in data["jobs"]] == [jobs[2].id, jobs[1].id]
    assert data["more"]
    assert not newest(ME, limit=3)["more"]


def test_the_count_is_of_this_persons_running_jobs_shown_or_not():
    claimed(owner_key="browser:me", owner="host:1/a")
    claimed(owner_key="browser:other", owner="host:1/b")
    accepted(owner_key="browser:me")
    assert newest(ME, limit=1)["running"] == 1


def test_lists_carry_large_params_cut_and_a_jobs_own_page_whole():
    job = accepted(owner_key="browser:me", params={"text": "x" * 2000})
    assert newest(ME)["jobs"][0]["params"] is None
    assert snapshot(ME, [job], truncate=False)["jobs"][0]["params"] == {"text": "x" * 2000}


def test_who_reads_and_what_they_may_do(django_user_model):
    user = django_user_model.objects.create_user("ada", is_staff=True)
    assert snapshot(ME, [])["user"] is None
    data = snapshot(Person(user, (f"user:{user.pk}",), staff=True), [])
    assert data["user"] == {"id": user.pk, "name": "ada"}
    assert "see_all" in data["rights"]


@pytest.mark.parametrize(
    ("address", "told"), [("/sign-in/", "/sign-in/"), ("/accounts/login/", None), ("nowhere", None)]
)
def test_the_sign_in_page_is_told_where_the_host_has_one(address, told):
    with override_settings(LOGIN_URL=address):
        assert snapshot(ME, [])["urls"]["login"] == told


def test_a_finished_job_is_not_counted_as_running():
    job, lease = claimed(owner_key="browser:me")
    transitions.stopped(lease, {"tick": 0, "current": None, "total": None, "message": ""})
    assert newest(ME)["running"] == 0
    assert newest(ME)["jobs"][0]["id"] == job.id
