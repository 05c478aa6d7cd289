"""The dispatcher: what the broker does not know of is published, again where it may be lost, and never in floods."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from livejobs.health import presence
from livejobs.hints import publishing, queue_probes
from livejobs.hints.publishing import Publisher
from livejobs.maintenance import dispatcher
from livejobs.maintenance.dispatcher import Dispatcher
from livejobs.models import Job, Probe
from livejobs.states import State
from tests.support.rows import TASK, accepted, at_once, claimed, in_state, read
from tests.support.servers import Valkey

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
    monkeypatch.setattr(Publisher, "publish_probe", lambda self, queue, number: publish(self, "probe", queue, number))
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


def probes_in(sent: list[Any]) -> list[tuple[str, int]]:
    return [message[1:] for message in sent if message[0] == "probe"]


def probe_ago(queue: str, **seconds: float) -> None:
    """Move the times of a probe back."""
    moved: dict[str, Any] = {name: F(name) - timedelta(seconds=value) for name, value in seconds.items()}
    Probe.objects.filter(queue=queue).update(**moved)


def test_what_waits_for_long_is_no_evidence_of_loss(sent):
    job = accepted(queue="a")
    sent_ago(job, 10_000)
    made = Dispatcher()
    for _ in range(3):
        assert made.round() == 0
    assert sent == [("probe", "a", 1)]
    assert read(job).publish_count == 1


def test_what_was_sent_before_a_probe_that_was_run_is_lost_and_sent_again(sent):
    lost, late, elsewhere = accepted(queue="a"), accepted(queue="a"), accepted(queue="b")
    sent_ago(lost, 21)
    sent_ago(elsewhere, 10_000)
    made = Dispatcher()
    made.round()
    assert sorted(probes_in(sent)) == [("a", 1), ("b", 1)]
    queue_probes.answer("a", 1)
    assert made.round() == 0  # what came out of the queue just now may be claimed in a moment
    probe_ago("a", answered_at=5.5)
    assert made.round() == 1
    assert read(lost).publish_count == 2
    assert [read(row).publish_count for row in (late, elsewhere)] == [1, 1]


def test_a_row_that_was_claimed_after_the_probe_was_not_lost(sent):
    job = accepted(queue="a")
    sent_ago(job, 21)
    made = Dispatcher()
    made.round()
    queue_probes.answer("a", 1)
    claimed(job)
    probe_ago("a", answered_at=5.5)
    assert made.round() == 0


@pytest.mark.parametrize(("copies", "wait"), [(1, 20), (2, 40), (3, 80), (4, 160), (9, 160)])
def test_the_wait_for_a_copy_doubles(sent, copies, wait):
    job = accepted(queue="a")
    made = Dispatcher()
    for seconds, again in ((wait - 2, 0), (wait + 2, 1)):
        sent_ago(job, seconds, copies)
        Probe.objects.update_or_create(queue="a", defaults={"sent_at": Now(), "answered_at": Now()})
        probe_ago("a", answered_at=5.5)
        assert made.round() == again
    assert read(job).publish_count == copies + 1


def test_an_unanswered_probe_is_sent_again_only_where_somebody_could_answer(sent):
    sent_ago(accepted(queue="a"), 10_000)
    made = Dispatcher()
    made.round()
    probe_ago("a", resent_at=21)
    made.round()
    assert probes_in(sent) == [("a", 1)]
    presence.beat(presence.WORKER, "host:1", queues=["a"])
    made.round()
    assert len(sent) == 2
    for copies, wait in enumerate((40, 80, 160, 160), 2):
        for seconds, expected in ((wait - 2, copies), (wait + 2, copies + 1)):
            Probe.objects.filter(queue="a").update(resent_at=Now() - timedelta(seconds=seconds))
            made.round()
            made.round()
            assert len(sent) == expected, wait
    assert set(sent) == {("probe", "a", 1)}


def test_a_probe_the_broker_did_not_take_is_sent_with_the_next_round(sent):
    sent_ago(accepted(queue="a"), 10_000)
    sent.append("down")
    made = Dispatcher()
    made.round()
    sent.clear()
    made.round()
    assert probes_in(sent) == [("a", 2)]


def test_an_old_copy_answers_nothing(sent):
    sent_ago(accepted(queue="a"), 10_000)
    Dispatcher().round()
    queue_probes.answer("a", 0)
    queue_probes.answer("b", 1)
    assert Probe.objects.get(queue="a").answered_at is None
    queue_probes.answer("a", 1)
    first = Probe.objects.get(queue="a").answered_at
    queue_probes.answer("a", 1)
    assert Probe.objects.get(queue="a").answered_at == first is not None


@pytest.mark.timeout(180)  # ten thousand rows of a database that is careful: 40 s on PostgreSQL
def test_ten_thousand_waiting_jobs_without_a_worker_are_not_sent_again(sent):
    """Ten minutes of rounds, a second apart, told by moving every time in the database back."""
    Job.objects.bulk_create(
        Job(task=TASK, queue="a", state=State.QUEUED, published_at=Now(), publish_count=1) for _ in range(10_000)
    )
    made = Dispatcher()
    for _ in range(60):
        made.round()
        Job.objects.update(published_at=F("published_at") - timedelta(seconds=10))
        probe_ago("a", sent_at=10, resent_at=10)
    assert len(sent) <= 100, sent


def test_only_queued_rows_are_sent_again(sent):
    for state in set(State) - {State.QUEUED}:
        sent_ago(in_state(state), 10_000)
    assert Dispatcher().round() == 0


def test_a_backlog_goes_out_in_batches(sent, monkeypatch):
    monkeypatch.setattr(dispatcher, "BATCH", 2)
    rows = [unpublished() for _ in range(3)]
    assert Dispatcher().round() == 3
    assert sorted(message[0] for message in sent) == [row.id for row in rows]


def test_nothing_to_do_is_three_questions(sent, django_assert_num_queries):
    made = Dispatcher()
    with django_assert_num_queries(3):
        made.round()


def test_the_questions_are_answered_by_an_index():
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
    for rows, index in (
        (Job.objects.unpublished().order_by("id"), "unpublished"),
        (Job.objects.queued().filter(published_at__lt=Now()), "unpublished"),
        (Job.objects.due().order_by("run_at"), "due"),
        (Job.objects.finished().filter(finished_at__lt=Now()), "old"),
        (Job.objects.running(), ""),
        (Job.objects.active(), ""),
    ):
        # of an empty table PostgreSQL takes whichever; that there is no sort and no scan is what matters there
        assert f"livejobs_job_{index if connection.vendor == 'sqlite' else ''}" in rows.explain(), index


@pytest.mark.django_db(transaction=True)
def test_two_dispatchers_send_one_copy(sent):
    rows = [unpublished() for _ in range(10)]
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
