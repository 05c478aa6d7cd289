"""What the owner of a lease may write while its attempt runs, without changing the state: the beat, progress, the log.

Each write is fenced by the lease itself, in its `UPDATE`: an attempt that was given up, frozen or doubled writes
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from livejobs.conf import conf
from livejobs.models import Job, JobLog
from livejobs.protocol import Progress
from livejobs.states import State


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for one attempt of one job. `owner` is unique for each claim."""

    job_id: int
    attempt: int
    owner: str


@dataclass(frozen=True, slots=True)
class Renewal:
    """What the owner of a lease learns when it renews it."""

    cancel_requested: bool


@dataclass(frozen=True, slots=True)
class NumberedLine:
    """A line of log as the attempt wrote it."""

    seq: int
    at: datetime
    level: str
    text: str


def renew(lease: Lease) -> Renewal | None:
    """Raise the beat of a lease and learn whether a cancel was asked for; None when the lease is lost."""
    held = _held(lease)
    if not held.update(beat=F("beat") + 1):
        return None
    asked = held.values_list("cancel_requested_at", flat=True).first()
    return Renewal(cancel_requested=asked is not None)


def save_progress(lease: Lease, progress: Progress) -> None:
    """Store how far the attempt is, unless a later report is stored already. No version: progress merges by tick."""
    _held(lease).filter(tick__lt=progress["tick"]).update(**progress)


def append_log(lease: Lease, lines: Sequence[NumberedLine], after: int | None = None) -> bool:
    """Store a batch of log lines; False when the lease is lost or the batch does not follow what is stored.

    :param after: the number of the last line that is stored; None: the one before the first of these.
    """
    last = lines[-1].seq
    with transaction.atomic(using=conf.DATABASE):
        if _held(lease).filter(log_seq=lines[0].seq - 1 if after is None else after).update(log_seq=last):
            rows = [JobLog(job_id=lease.job_id, attempt=lease.attempt, **_columns(line)) for line in lines]
            JobLog.objects.using(conf.DATABASE).bulk_create(rows)
            return True
    return bool(_held(lease).filter(log_seq=last).exists())  # an earlier try was committed and only its reply was lost


def leave_out(lease: Lease, above: int, upto: int) -> None:
    """Delete the lines of the attempt above `above` up to `upto`: of what it wrote, the middle is not kept."""
    lines = JobLog.objects.using(conf.DATABASE).filter(job=lease.job_id, job__in=_held(lease), attempt=lease.attempt)
    lines.filter(seq__gt=above, seq__lte=upto).delete()


def _held(lease: Lease) -> Any:
    return Job.objects.using(conf.DATABASE).filter(
        id=lease.job_id, state=State.RUNNING, attempt=lease.attempt, lease_owner=lease.owner
    )


def _columns(line: NumberedLine) -> dict[str, Any]:
    return {"seq": line.seq, "at": line.at, "level": line.level, "text": line.text}
