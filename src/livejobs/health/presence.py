"""Who is there: worker children and maintenance processes say so every few seconds, by the database's clock."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from django.db.models import F
from django.db.models.functions import Now

from livejobs.conf import conf
from livejobs.definition import registry
from livejobs.models import Presence

WORKER: Final = "worker"
MAINTENANCE: Final = "maintenance"
FORGET_SECONDS: Final = 3600.0  # a presence this old is nobody's any more


def process_name() -> str:
    """How a process is named in leases and presences: `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def beat(kind: str, name: str, *, tasks: Sequence[str] = (), queues: Sequence[str] = ()) -> None:
    """Say that this process is there."""
    rows = Presence.objects.using(conf.DATABASE)
    values = {"tasks": list(tasks), "queues": list(queues)}
    if not rows.filter(kind=kind, name=name).update(beat=F("beat") + 1, updated_at=Now(), **values):
        rows.get_or_create(kind=kind, name=name, defaults=values)


def leave(kind: str, name: str) -> None:
    """Say that this process goes."""
    Presence.objects.using(conf.DATABASE).filter(kind=kind, name=name).delete()


def workers_by_queue() -> Counter[str]:
    """How many worker children are up for each queue."""
    since = Now() - timedelta(seconds=conf.PRESENCE_SECONDS)
    up = Presence.objects.using(conf.DATABASE).filter(kind=WORKER, updated_at__gte=since)
    return Counter(queue for queues in up.values_list("queues", flat=True) for queue in queues)


def worker_counts() -> dict[str, int]:
    """How many worker children serve each queue, those that none serves included."""
    counts = workers_by_queue()
    return {queue: counts[queue] for queue in sorted(registry.queues(conf.QUEUE) | counts.keys())}


def maintainers() -> int:
    """How many maintenance processes are up."""
    since = Now() - timedelta(seconds=conf.PRESENCE_SECONDS)
    return Presence.objects.using(conf.DATABASE).filter(kind=MAINTENANCE, updated_at__gte=since).count()


def forget_old() -> None:
    """Remove the rows of processes that went without a word long ago."""
    before = Now() - timedelta(seconds=FORGET_SECONDS)
    Presence.objects.using(conf.DATABASE).filter(updated_at__lt=before).delete()
