"""Probes: the evidence that a queue lost messages, whatever the broker.

While a queue has rows that wait for long, one probe message is under way in it. When a worker runs the probe, what was
published before it has been taken out of the queue too; a row that is still queued a little later was lost.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models import F
from django.db.models.functions import Now

from livejobs.conf import conf
from livejobs.models import Probe

TASK: Final = "livejobs.probe"
LONGEST_WAIT: Final = 3  # doublings of the wait for an answer: 20, 40, 80, 160 s; one row each time is not a flood


def begin(queue: str) -> Probe | None:
    """Note that a probe of this queue is sent; None when one is under way, or another process was first."""
    rows = Probe.objects.using(conf.DATABASE)
    rows.get_or_create(queue=queue)
    idle = rows.filter(queue=queue, sent_at__isnull=True)
    begun = idle.update(number=F("number") + 1, sent_at=Now(), resent_at=Now(), copies=1, answered_at=None)
    return rows.get(queue=queue) if begun else None


def resend(probe: Probe) -> bool:
    """Note that an unanswered probe is sent again, if it is time: the first copy may have been lost itself."""
    wait = timedelta(seconds=conf.REPUBLISH_SECONDS * 2 ** min(probe.copies - 1, LONGEST_WAIT))
    same = Probe.objects.using(conf.DATABASE).filter(queue=probe.queue, number=probe.number, copies=probe.copies)
    unanswered = same.filter(answered_at__isnull=True, resent_at__lt=Now() - wait)
    return bool(unanswered.update(copies=F("copies") + 1, resent_at=Now()))


def unsend(probe: Probe) -> None:
    """Take back that a first copy was sent: the broker did not take it."""
    same = Probe.objects.using(conf.DATABASE).filter(queue=probe.queue, number=probe.number)
    same.filter(answered_at__isnull=True).update(sent_at=None)


def answer(queue: str, number: int) -> None:
    """Note that a worker took the probe out of the queue. Any copy will do: each was sent after `sent_at`."""
    probe = Probe.objects.using(conf.DATABASE).filter(queue=queue, number=number)
    probe.filter(sent_at__isnull=False, answered_at__isnull=True).update(answered_at=Now())


def settled() -> list[Probe]:
    """The probes answered so long ago that what came before them must have been claimed."""
    since = Now() - timedelta(seconds=conf.PROBE_SECONDS)
    return list(Probe.objects.using(conf.DATABASE).filter(answered_at__lt=since))


def end(probe: Probe) -> bool:
    """Note that the evidence of a probe was used, once."""
    same = Probe.objects.using(conf.DATABASE).filter(queue=probe.queue, number=probe.number)
    return bool(same.filter(answered_at__isnull=False).update(sent_at=None, answered_at=None))
