"""Deletes old jobs: each state, and each task that says so, is kept for its own time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from django.db import connections, transaction
from django.db.models import Q
from django.db.models.functions import Now

from livejobs.conf import conf
from livejobs.hints import broadcast, channel_messages
from livejobs.log_events import LogEvent, fields
from livejobs.models import Job
from livejobs.states import FINISHED

logger = logging.getLogger("livejobs.maintenance")

BATCH: Final = 100  # jobs in one transaction, so that nobody waits long for its locks


def prune() -> int:
    """Delete what is older than its time; returns how many jobs."""
    pruned = sum(_prune(rule) for rule in rules())
    if pruned:
        logger.info("%d old jobs were deleted", pruned, extra=fields(LogEvent.JOBS_PRUNED, count=pruned))
    return pruned


def rules() -> Iterator[Q]:
    """What may be deleted: for each state, and for each task with times of its own."""
    by_task: dict[str, dict[str, float | None]] = conf.KEEP_BY_TASK
    for state in sorted(FINISHED):
        own = {task: keep[state] for task, keep in by_task.items() if state in keep}
        seconds = conf.KEEP_SECONDS.get(state)
        if seconds is not None:
            yield _older(seconds) & Q(state=state) & ~Q(task__in=sorted(own))
        for task, task_seconds in own.items():
            if task_seconds is not None:
                yield _older(task_seconds) & Q(state=state, task=task)


def _older(seconds: float) -> Q:
    return Q(finished_at__lt=Now() - timedelta(seconds=seconds))


def _prune(rule: Q) -> int:
    pruned = 0
    while True:
        deleted = _delete_batch(rule)
        pruned += deleted
        if deleted < BATCH:
            return pruned


def _delete_batch(rule: Q) -> int:
    """Delete one batch; the rule is judged under the lock that the deletion holds.

    Django deletes by id what it selected before: without the lock a job that a person retries in between would go.
    """
    alias = conf.DATABASE
    with transaction.atomic(using=alias):  # on SQLite this is the write lock
        old = Job.objects.using(alias).filter(rule).order_by("finished_at")
        if connections[alias].features.has_select_for_update_skip_locked:
            old = old.select_for_update(skip_locked=True)  # what another process has, it deletes
        jobs = list(old.only("id", "owner_key")[:BATCH])
        Job.objects.using(alias).filter(id__in=[job.id for job in jobs]).delete()
        gone = [event for job in jobs for event in channel_messages.gone_events(job.id, job.owner_key)]

        def announce() -> None:
            broadcast.send(gone)

        transaction.on_commit(announce, using=alias, robust=True)
    return len(jobs)
