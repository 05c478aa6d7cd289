"""One measure of `schedule`, in a process of its own: `python -m bench._schedule WAITING` prints [median, worst]."""

from __future__ import annotations

import json
import statistics
import sys
import threading
from datetime import timedelta

import django
from django.core.management import call_command

JOBS = 100
SPREAD_SECONDS = 10.0


def main(waiting: int) -> None:
    """Make the rows, run maintenance until all are queued, and look how late each was."""
    django.setup()
    call_command("migrate", verbosity=0)
    from django.db import connections
    from django.utils import timezone

    from livejobs.maintenance import loop
    from livejobs.models import Job, JobEvent
    from livejobs.states import State
    from tests.support.waiting import wait_for

    def scheduled(seconds: float) -> Job:
        moment = timezone.now() + timedelta(seconds=seconds)
        return Job(task="bench", queue="bench", state=State.SCHEDULED, run_at=moment)

    Job.objects.all().delete()
    Job.objects.bulk_create((scheduled(86_400 + number) for number in range(waiting)), batch_size=2_000)
    due = Job.objects.bulk_create(scheduled(3 + SPREAD_SECONDS * number / JOBS) for number in range(JOBS))
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    try:
        wait_for(lambda: not Job.objects.filter(id__in=[job.id for job in due], state=State.SCHEDULED).exists(), 60)
    finally:
        stop.set()
        thread.join()
    events = JobEvent.objects.filter(data__edge="due").select_related("job")
    late = [(event.at - event.job.run_at).total_seconds() for event in events if event.job.run_at]
    print(json.dumps([statistics.median(late), max(late)]))
    connections.close_all()


if __name__ == "__main__":
    main(int(sys.argv[1]))
