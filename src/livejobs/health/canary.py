"""The canary: a job of our own that takes the way of every job, sent to find out whether it arrives."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

from livejobs import actions
from livejobs.conf import conf
from livejobs.definition import LiveJob
from livejobs.errors import LivejobsError
from livejobs.health import presence
from livejobs.hints import broadcast, channel_messages
from livejobs.models import Job
from livejobs.policy import Person
from livejobs.states import State

NAME: Final = "livejobs.canary"
LOOK_SECONDS: Final = 0.05


def sing() -> str:
    """Say that a worker ran this."""
    return "alive"


CANARY: Final = LiveJob(sing, title="Canary", expose=False)
CANARY.name = NAME  # the same in a host and under `livejobs up`; apps.ready() registers it


@dataclass(frozen=True, slots=True)
class Flight:
    """How it went, in one sentence."""

    arrived: bool
    message: str


def fly(seconds: float) -> Flight:
    """Send a canary and wait for it; its row is deleted afterwards.

    :param seconds: how long it may take.
    :raises django.db.Error: the database does not answer.
    """
    begun = time.monotonic()
    job = actions.start(CANARY, owner=_nobody())
    try:
        row = _wait(job, begun + seconds)
        return _told(row, time.monotonic() - begun, seconds)
    finally:
        _remove(job)


def _nobody() -> Person:
    """An owner with a key that no session and no user has: the canary is on nobody's list of own jobs."""
    return Person(None, (f"check:{secrets.token_urlsafe(18)}",))


def _wait(job: Job, deadline: float) -> Job | None:
    while True:
        row = Job.objects.using(conf.DATABASE).filter(id=job.id).first()
        if row is None or row.is_finished or time.monotonic() > deadline:
            return row
        time.sleep(LOOK_SECONDS)


def _told(row: Job | None, took: float, seconds: float) -> Flight:
    if row is None:
        return Flight(False, _("Somebody deleted it meanwhile."))
    if row.state == State.SUCCEEDED and row.started_at:
        waited = (row.started_at - row.created_at).total_seconds()
        text = _("It ran and finished within %(took).2f s, after %(waited).2f s in the queue %(queue)s.")
        return Flight(True, text % {"took": took, "waited": waited, "queue": row.queue})
    if row.is_finished:
        return Flight(False, _("It ended as %s; its worker's log says why.") % row.get_state_display())
    return Flight(False, _stuck(row) % {"seconds": seconds, "queue": row.queue, "worker": row.worker})


def _stuck(row: Job) -> str:
    """Which step it still waited at."""
    if row.state == State.RUNNING:
        return _("Still running after %(seconds)g s, at the worker %(worker)s.")
    if row.state != State.QUEUED:
        return _("Not finished after %(seconds)g s.")
    if row.published_at is None:
        return _("Still queued after %(seconds)g s: the broker could not be told of it.")
    if not presence.worker_counts().get(row.queue):
        return _("Still queued after %(seconds)g s: no worker serves the queue %(queue)s.")
    return _("Still queued after %(seconds)g s: the workers of the queue %(queue)s are busy, or of another version.")


def _remove(job: Job) -> None:
    """Leave nothing behind; one that still waits or runs is stopped first."""
    with suppress(LivejobsError):  # it is finished
        actions.cancel(job)
    Job.objects.using(conf.DATABASE).filter(id=job.id).delete()
    broadcast.send(channel_messages.gone_events(job.id, job.owner_key))
