"""The worker child in trouble: the database away, hung or locked, the broker away, the lease another's."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from livejobs import leases, transitions
from livejobs.hints.publishing import Publisher
from livejobs.models import Job, JobEvent, Probe
from livejobs.states import State
from livejobs.worker.strangers import MOST_PASSES
from tests import jobs
from tests.celery_app import app
from tests.support.servers import Postgres, Valkey
from tests.support.waiting import wait_for
from tests.support.workers import Worker, finished, log_of, start, waiting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(150)]
only_sqlite = pytest.mark.skipif(settings.DATABASE != "sqlite", reason="about SQLite")
only_postgresql = pytest.mark.skipif(settings.DATABASE != "postgresql", reason="about PostgreSQL")
LATE = ["waiting", *(f"late {number}" for number in range(20)), "last"]


def said(worker: Worker, text: str) -> int:
    return worker.log.read_text().count(text)


def check_finished_late(job: Job) -> None:
    """Nothing was lost, and nothing was rescued falsely."""
    row = finished(job, timeout=60)
    assert (row.state, row.result, row.attempt, row.losses) == ("succeeded", "printed", 1, 0)
    assert (row.current, row.total) == (20, 20)
    assert log_of(row) == LATE


@only_sqlite
def test_sqlite_locked_by_another_writer_for_ten_seconds(worker: Worker, maintenance: None, tmp_path: Path) -> None:
    job = start(jobs.prints_then_ends, mark=str(tmp_path / "mark"))
    waiting(job)
    before = said(worker, "The database does not answer")
    with closing(sqlite3.connect(settings.DATABASES["default"]["NAME"], isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        (tmp_path / "mark").touch()
        wait_for(lambda: said(worker, "The database does not answer") > before, 20, "a refused finish")
        wait_for(lambda: time.monotonic() - began > 10, 15, "ten seconds")
        other.execute("ROLLBACK")
    check_finished_late(job)


@only_postgresql
def test_postgresql_away_while_a_job_finishes(
    worker: Worker, maintenance: None, postgres: Postgres, tmp_path: Path
) -> None:
    job = start(jobs.prints_then_ends, mark=str(tmp_path / "mark"))
    waiting(job)
    before = said(worker, "The database does not answer")
    connection.close()
    postgres.stop()
    try:
        (tmp_path / "mark").touch()
        wait_for(lambda: said(worker, "The database does not answer") > before, 20, "a refused finish")
    finally:
        postgres.start()
    check_finished_late(job)
    assert finished(start(jobs.reads_the_database)).result == 42


@only_postgresql
def test_a_hung_postgresql_connection_is_cut_off(worker: Worker, tmp_path: Path) -> None:
    job = start(jobs.prints_then_ends, mark=str(tmp_path / "mark"))
    waiting(job)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        backends = [pid for (pid,) in cursor.fetchall()]
    assert backends
    try:
        for pid in backends:
            os.kill(pid, signal.SIGSTOP)
        (tmp_path / "mark").touch()
        row = finished(job, timeout=60)  # on a new connection, while the old one still hangs
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)
    assert (row.state, row.attempt) == ("succeeded", 1)
    assert log_of(row) == LATE


@pytest.mark.parametrize("task", [jobs.wait_by_steps, jobs.wait_in_sleep])
def test_a_lost_lease_stops_the_job_and_it_writes_nothing(worker: Worker, task) -> None:
    job = start(task)
    waiting(job)
    before = said(worker, "belongs to another worker")
    Job.objects.filter(id=job.id).update(lease_owner="elsewhere:1/0", tick=0, current=None)
    events, lines = JobEvent.objects.filter(job=job).count(), log_of(job)
    wait_for(lambda: said(worker, "belongs to another worker") > before, 20, "the end of the attempt")
    row = Job.objects.get(id=job.id)
    assert (row.state, row.lease_owner, row.current) == ("running", "elsewhere:1/0", None)
    assert JobEvent.objects.filter(job=job).count() == events
    assert log_of(job) == lines
    assert finished(start(jobs.at_once)).state == "succeeded"
    assert transitions.rescue(leases.Lease(row.id, row.attempt, row.lease_owner), row.beat) is not None
    Job.objects.filter(id=job.id).update(cancel_requested_at=Now())


def test_a_cancel_whose_message_was_lost_is_heard_with_the_renewal(worker: Worker) -> None:
    job = start(jobs.wait_by_steps)
    waiting(job)
    Job.objects.filter(id=job.id).update(cancel_requested_at=Now())  # no message at all
    assert finished(job).state == "cancelled"


def test_a_cancel_is_heard_while_the_broker_is_away(worker: Worker, valkey: Valkey) -> None:
    job = start(jobs.wait_in_sleep)
    waiting(job)
    valkey.stop()
    try:
        assert transitions.cancel(job.id) is not None
        assert finished(job).state == "cancelled"
    finally:
        valkey.start()
    assert finished(start(jobs.at_once), timeout=60).state == "succeeded"


def test_a_task_that_the_worker_does_not_know_stays_queued(worker: Worker) -> None:
    row = transitions.accept(Job(task="tests.jobs.of_tomorrow", queue="livejobs"))
    wait_for(lambda: said(worker, "tests.jobs.of_tomorrow"), 20, "a word in the worker's log")
    assert finished(start(jobs.at_once)).state == "succeeded"
    row.refresh_from_db()
    assert (row.state, row.attempt) == (State.QUEUED, 0)


def test_a_message_that_names_another_task_changes_nothing(worker: Worker) -> None:
    row = transitions.accept(Job(task="tests.jobs.add", params={"a": 1, "b": 1}, queue="nowhere"))
    publisher = Publisher()
    publisher.publish(row.id, 1, "tests.jobs.at_once", "livejobs")
    publisher.close()
    assert finished(start(jobs.at_once)).state == "succeeded"
    row.refresh_from_db()
    assert (row.state, row.attempt) == (State.QUEUED, 0)


def test_a_message_of_another_project_goes_round_and_that_is_said(
    worker: Worker, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two projects on one broker database: their jobs have the same ids and may have the same names."""
    ours = transitions.accept(Job(task="tests.jobs.at_once", queue="nowhere"))
    Probe.objects.create(queue="livejobs", number=1, sent_at=Now(), resent_at=Now(), copies=1)
    with monkeypatch.context() as theirs:
        theirs.setattr(settings, "LIVEJOBS", {"NAMESPACE": "shop"})
        publisher = Publisher()
        publisher.publish(ours.id, 1, "tests.jobs.at_once", "livejobs")
        publisher.publish(ours.id, 1, "tests.jobs.of_theirs", "livejobs")
        publisher.publish_probe("livejobs", 1)
        publisher.close()
    # each goes round; then the claim compares it with our row
    wait_for(lambda: said(worker, f"Task tests.jobs.at_once[{ours.id}-1] received") > MOST_PASSES, 30, "its way")
    wait_for(lambda: said(worker, "unregistered task of type 'tests.jobs.of_theirs'") > MOST_PASSES, 30, "its way")
    assert finished(ours).attempt == 1
    wait_for(lambda: Probe.objects.filter(answered_at__isnull=False).exists(), message="the probe")
    with valkey.client() as client:
        assert not client.llen("livejobs")
    assert 1 <= said(worker, "A message of another project (namespace shop; ours is tests) is in queue livejobs") <= 4


def test_a_message_without_our_header_is_a_plain_call(worker: Worker, tmp_path: Path) -> None:
    with app.connection_for_write() as broker:
        kwargs = {"mark": str(tmp_path / "mark")}
        app.send_task("tests.jobs.leaves_a_mark", kwargs=kwargs, connection=broker, queue="livejobs")
    wait_for((tmp_path / "mark").exists, 20, "the mark")
    assert (tmp_path / "mark").read_text() == "outside"
    assert not Job.objects.exists()
