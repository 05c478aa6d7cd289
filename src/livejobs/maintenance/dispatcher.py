"""Publishes what was not published, and what is known to be lost (`queue_probes`)."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from django.db.models import Q
from django.db.models.functions import Now

from livejobs.conf import conf
from livejobs.health import presence
from livejobs.hints import queue_probes
from livejobs.hints.publishing import Publisher, unpublish
from livejobs.log_events import LogEvent, fields
from livejobs.models import Job, Probe

logger = logging.getLogger("livejobs.maintenance")

BATCH: Final = 500  # rows of one look
WAIT_DOUBLINGS: Final = 3  # a row's wait for its next copy doubles up to this often: 20, 40, 80, 160 s
_NEEDED: Final = ("id", "attempt", "task", "queue", "publish_count")


class Dispatcher:
    """One round after the other; any number of dispatchers may run, each row is taken by compare-and-set."""

    def __init__(self) -> None:
        self._publisher = Publisher()
        self._down = False

    def round(self) -> int:
        """Publish queued rows the broker does not know of; returns how many."""
        self._forget_lost()
        published = 0
        rows = Job.objects.using(conf.DATABASE)
        while waiting := list(rows.unpublished().order_by("id").only(*_NEEDED)[:BATCH]):
            for row in waiting:
                taken = rows.unpublished().filter(id=row.id)
                if not taken.publish_again():
                    continue  # claimed or published meanwhile
                if not self._publish(row):
                    return published
                published += 1
            if len(waiting) < BATCH:
                break
        self._probe()
        return published

    def close(self) -> None:
        """Drop the connection to the broker."""
        self._publisher.close()

    def _publish(self, row: Job) -> bool:
        try:
            self._publisher.publish(row.id, row.attempt + 1, row.task, row.queue)
        except Exception as error:
            unpublish([row.id], publish_count=row.publish_count)
            self._failed(error)
            return False
        self._worked()
        return True

    def _probe(self) -> None:
        """Keep one probe under way in each queue that has rows waiting for long."""
        before = Now() - timedelta(seconds=conf.REPUBLISH_SECONDS)
        old = Job.objects.using(conf.DATABASE).queued().filter(published_at__lt=before)
        workers = None
        for queue in old.order_by().values_list("queue", flat=True).distinct():
            probe = queue_probes.begin(queue)
            if probe is None:
                probe = Probe.objects.using(conf.DATABASE).get(queue=queue)
                workers = presence.workers_by_queue() if workers is None else workers
                # without a worker nobody could answer, and each copy would only make the queue longer
                if not workers[queue] or not queue_probes.resend(probe):
                    continue
            try:
                self._publisher.publish_probe(queue, probe.number)
            except Exception as error:
                if probe.copies == 1:
                    queue_probes.unsend(probe)
                self._failed(error)
                return
            self._worked()

    def _forget_lost(self) -> None:
        """Take the word of messages back that were gone when a probe sent after them was run."""
        for probe in queue_probes.settled():
            if not queue_probes.end(probe):
                continue  # another process uses this evidence
            silent = Job.objects.using(conf.DATABASE).queued().filter(_sent_before(probe), queue=probe.queue)
            lost = silent.unpublish()
            if lost:
                logger.warning(
                    "%d messages of queue %s were lost and are published again", lost, probe.queue,
                    extra=fields(LogEvent.QUEUE_MESSAGES_LOST, queue=probe.queue, count=lost),
                )  # fmt: skip

    def _failed(self, error: Exception) -> None:
        if not self._down:
            logger.warning(
                "The broker does not answer (%s); queued jobs wait in the database", error,
                extra=fields(LogEvent.BROKER_DOWN),
            )  # fmt: skip
        self._down = True

    def _worked(self) -> None:
        if self._down:
            logger.warning("The broker answers again", extra=fields(LogEvent.BROKER_UP))
        self._down = False


def _sent_before(probe: Probe) -> Q:
    """Rows whose message was sent well before a probe; how well doubles with each copy, so that nothing is flooded.

    The margin is needed once, too: a row carries the time of its transaction, and its message goes out a little later.
    """
    found = Q()
    for doublings in range(WAIT_DOUBLINGS + 1):
        last = doublings == WAIT_DOUBLINGS
        counted = Q(publish_count__gt=doublings) if last else Q(publish_count=doublings + 1)
        assert probe.sent_at is not None
        found |= Q(published_at__lt=probe.sent_at - timedelta(seconds=conf.REPUBLISH_SECONDS * 2**doublings)) & counted
    return found
