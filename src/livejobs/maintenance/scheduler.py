"""Queues the jobs whose time has come: those scheduled for later, and those that wait for their next attempt."""

from __future__ import annotations

import logging
from typing import Final

from livejobs import transitions
from livejobs.conf import conf
from livejobs.models import Job

logger = logging.getLogger("livejobs.maintenance")

BATCH: Final = 200  # rows of one look; the longest overdue first


def queue_due() -> int:
    """Queue what is due by the database's clock; returns how many. Any number of processes may do so at once."""
    queued = 0
    while True:
        due = list(Job.objects.using(conf.DATABASE).due().order_by("run_at").values_list("id", flat=True)[:BATCH])
        moved = sum(transitions.due(job_id) is not None for job_id in due)
        queued += moved
        if len(due) < BATCH or not moved:
            return queued
