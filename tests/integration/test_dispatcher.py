"""The dispatcher: what the broker does not know of is published, again where it may be lost, and never in floods."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from livejobs import publishing
from livejobs.maintenance import dispatcher
from livejobs.maintenance.dispatcher import Dispatcher
from livejobs.models import Job
from livejobs.publishing import Publisher
from livejobs.states import State
from tests.rows import TASK, accepted, at_once, claimed, in_state, read
from tests.servers import Valkey

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch) -> list[Any]:
    """What is published; the broker is down while it starts with "down"."""
    messages: list[Any] = []

    def publish(self, *message):
        if messages[:1] == ["down"]:
            raise ConnectionError("away")
        messages.append(message)

    monkeypatch.setattr(Publisher, "publish", publish)
    monkeypatch.setattr(publishing, "submit", lambda job: None)
    return messages


def unpublished(**values: Any) -> Job:
    job = accepted(**values)
    Job.objects.filter(id=job.id).update(published_at=None, publish_count=0)
    return job


def sent_ago(job: Job, seconds: float, publish_count: int = 1) -> None:
    Job.objects.filter(id=job.id).update(
        published_at=Now() - timedelta(seconds=seconds), publish_count=publish_count
    )  # fmt: skip


def test_queued_rows_nobody_knows_of_are_published_oldest_first(sent):
    first, second = unpublished(queue="a"), unpublished(queue="b")
    accepted()
    retried = in_state(State.FAILED)
    Job.objects.filter(id=retried.id).update(state=State.QUEUED, published_at=None)
    for state in set(State) - {State.QUEUED}:
        Job.objects.filter(id=in_state(state).id).update(published_at=None)

    assert Dispatcher().round() == 3
    assert sent == [(first.id, 1, TASK, "a"), (second.id, 1, TASK, "b"), (retried.id, 2, TASK, "nobody")]
    assert (read(first).publish_count, read(first).published_at is None) == (1, False)
    assert Dispatcher().round() == 0


def test_a_real_broker_gets_the_message(valkey: Valkey):
    unpublished(queue="test_dispatcher")
    made = Dispatcher()
    assert made.round() == 1
    made._publisher.close()
    with valkey.client() as client:
        assert client.llen("test_dispatcher") == 1


def test_a_broker_that_is_away_is_asked_once_a_round_and_costs_no_patience(sent, caplog):
    rows = [unpublished(), unpublished()]
    sent.append("down")
    made = Dispatcher()
    for _ in range(3):
        assert made.round() == 0
    assert [(read(row).publish_count, read(row).published_at) for row in rows] == [(0, None)] * 2
    sent.clear()
    assert made.round() == 2
    assert made.round() == 0
    assert caplog.messages == [
        "The broker does not answer (away); queued jobs wait in the database", "The broker answers again",
    ]  # fmt: skip


def test_a_row_that_was_taken_meanwhile_is_left_alone(sent, monkeypatch):
    first, second = unpublished(), unpublished()
    publish = Publisher.publish

    def publish_and_claim(self, *message):
        claimed(second)
        publish(self, *message)

    monkeypatch.setattr(Publisher, "publish", publish_and_claim)
    assert Dispatcher().round() == 1
    assert [message[0] for message in sent] == [first.id]


def test_a_message_that_may_be_lost_is_sent_again_and_the_wait_doubles(sent):
    job = accepted()
    made = Dispatcher()
    for copies, wait in ((1, 20), (2, 40), (3, 80), (4, 160), (6, 640), (7, 1280), (8, 1280), (50, 1280)):
        sent_ago(job, wait - 2, copies)
        assert made.round() == 0
        sent_ago(job, wait + 2, copies)
        assert made.round() == 1
        assert read(job).publish_count == copies + 1


def test_only_queued_rows_are_sent_again(sent):
    for state in set(State) - {State.QUEUED}:
        sent_ago(in_state(state), 10_000)
    assert Dispatcher().round() == 0


def test_a_backlog_goes_out_in_batches(sent, monkeypatch):
    monkeypatch.setattr(dispatcher, "BATCH", 2)
    rows = [unpublished() for _ in range(3)]
    lost = [accepted() for _ in range(3)]
    for row in lost:
        sent_ago(row, 30)
    made = Dispatcher()
    while made.round():
        pass
    assert sorted(message[0] for message in sent) == [row.id for row in rows + lost]


def test_nothing_to_do_is_two_questions(sent, django_assert_num_queries):
    made = Dispatcher()
    with django_assert_num_queries(2):
        made.round()


def test_the_questions_are_answered_by_an_index():
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
    for rows in (Job.objects.unpublished().order_by("id"), Job.objects.running(), Job.objects.active()):
        assert "livejobs_job_active" in rows.explain()


@pytest.mark.django_db(transaction=True)
def test_two_dispatchers_send_one_copy(sent):
    rows = [unpublished() for _ in range(10)]
    for row in rows[5:]:
        sent_ago(row, 30)
    answers = at_once(Dispatcher().round, Dispatcher().round)
    assert sum(answers) == len(sent) == 10, answers
    assert sorted(message[0] for message in sent) == [row.id for row in rows]


@pytest.mark.django_db(transaction=True)
def test_a_dispatcher_and_a_claim_at_once_end_in_a_running_job(sent):
    job = unpublished()
    at_once(Dispatcher().round, partial(claimed, job))
    row = read(job)
    assert (row.state, row.attempt) == ("running", 1)
    assert not Job.objects.filter(publish_count__gt=F("version")).exists()
