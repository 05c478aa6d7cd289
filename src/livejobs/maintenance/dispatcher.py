"""Publishes what was not published, and queues what is due."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from django.db.models import F, Q
from django.db.models.functions import Now

from livejobs.conf import conf
from livejobs.models import Job
from livejobs.publishing import Publisher, unpublish

logger = logging.getLogger("livejobs.maintenance")

BATCH: Final = 500  # rows of one round
_NEEDED: Final = ("id", "attempt", "task", "queue", "publish_count")
WAIT_DOUBLINGS: Final = 6  # a row's wait for its next copy doubles up to this often: 20 s, 40 s … 21 min


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
        for row in rows.unpublished().order_by("id").only(*_NEEDED)[:BATCH]:
            taken = rows.unpublished().filter(id=row.id)
            if not taken.update(published_at=Now(), publish_count=F("publish_count") + 1):
                continue  # claimed or published meanwhile
            if not self._publish(row):
                break
            published += 1
        return published

    def _publish(self, row: Job) -> bool:
        try:
            self._publisher.publish(row.id, row.attempt + 1, row.task, row.queue)
        except Exception as error:
            unpublish([row.id], publish_count=row.publish_count)
            if not self._down:
                logger.warning("The broker does not answer (%s); queued jobs wait in the database", error)
            self._down = True
            return False
        if self._down:
            logger.warning("The broker answers again")
        self._down = False
        return True

    def _forget_lost(self) -> None:
        """Take the word of a message back that has not been claimed for long: it may be lost.

        The wait doubles with each copy, so that a long backlog is not flooded; a copy is harmless, its claim changes
        nothing.
        """
        silent = Job.objects.using(conf.DATABASE).queued().filter(_silent())
        lost = list(silent.order_by("id").values_list("id", flat=True)[:BATCH])
        silent.filter(id__in=lost).update(published_at=None)


def _silent() -> Q:
    """Rows whose message was sent so long ago that it may be lost."""
    found = Q()
    for doublings in range(WAIT_DOUBLINGS + 1):
        last = doublings == WAIT_DOUBLINGS
        counted = Q(publish_count__gt=doublings) if last else Q(publish_count=doublings + 1)
        wait = timedelta(seconds=conf.REPUBLISH_SECONDS * 2**doublings)
        found |= Q(published_at__lt=Now() - wait) & counted
    return found
