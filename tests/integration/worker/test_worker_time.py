"""The promise in real time, with the settings people have: a killed child and a killed worker, back within 40 s."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from django.conf import settings

from livejobs import actions
from livejobs.models import Job
from tests import jobs
from tests.support.servers import Valkey
from tests.support.waiting import wait_for
from tests.support.workers import Worker, check_history, maintaining, waiting

PROMISE_SECONDS = 40


@pytest.mark.timeout(180)
@pytest.mark.django_db(transaction=True)
def test_a_killed_child_and_a_killed_worker_are_made_up_for_in_time(
    valkey: Valkey, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(settings, "LIVEJOBS", {})
    of_child, of_worker = [
        Worker(tmp_path / f"{name}.log", children=1, queues=[name], fast=False) for name in ("child", "worker")
    ]
    try:
        with maintaining():
            of_child.start()
            of_worker.start()
            started = [
                actions.start(jobs.wait_by_steps, {"seconds": 3}, queue=worker.queues[0])
                for worker in (of_child, of_worker)
            ]
            for job in started:
                waiting(job)
            _, pid = (Job.objects.get(id=started[0].id).worker or "").rsplit(":", 1)
            os.kill(int(pid), signal.SIGKILL)
            of_worker.kill()
            killed_at = time.monotonic()
            of_worker.start()
            for job in started:
                row = wait_for(Job.objects.filter(id=job.id, state="succeeded").first, 90, f"the end of {job}")
                assert (row.attempt, row.losses) == (2, 1)
                check_history(row)
            assert time.monotonic() - killed_at <= PROMISE_SECONDS
    finally:
        of_child.stop()
        of_worker.stop()
