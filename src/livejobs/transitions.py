"""The only writer of state: every transition is one compare-and-set, one version, one event, one transaction.

Each function answers with the row as it was committed, or None: somebody else was first, and the caller stops. That is
a normal answer. Screens and hosts hear of it after the commit (`broadcast.announce`), and a job that became queued is
published then (`publishing.submit`); both are hints that can be made again from the row.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now

from livejobs import broadcast, publishing
from livejobs.conf import conf
from livejobs.leases import Lease
from livejobs.models import Job, JobEvent
from livejobs.protocol import Progress
from livejobs.states import (
    ACTIVE,
    BACK_OFF,
    CLAIM,
    DUE,
    EXPIRE,
    FAIL,
    LOSE,
    MARK_STOPPING,
    RELEASE,
    RESCUE,
    RETRY,
    STOP,
    SUCCEED,
    WAITING,
    Edge,
    ErrorReason,
    State,
    StopReason,
)

logger = logging.getLogger("livejobs.transitions")

ACCEPT: Final = "accept"
CANCEL: Final = "cancel"
LOST_ERROR: Final = {
    "reason": ErrorReason.LOST.value,
    "type": "",
    "message": "The worker stopped before this job finished",
}
TIMEOUT_ERROR: Final = {
    "reason": ErrorReason.TIMEOUT.value,
    "type": "",
    "message": "The job was stopped at its time limit",
}


# ---------------------------------------------------------------- by people and by the clock


def accept(job: Job, *, actor: str = "", run_at: datetime | timedelta | None = None) -> Job:
    """Store a new job: queued, or scheduled for a time that is still to come.

    :param run_at: when it is due: a moment, or how long from now; both are judged by the database's clock.
    :raises django.db.IntegrityError: the owner used this idempotency key before.
    """
    alias = conf.DATABASE
    job.version = 1
    if run_at is None:
        job.state, job.publish_count = State.QUEUED, 1
        job.published_at = Now()  # the database's clock, as everywhere
    else:
        job.state = State.SCHEDULED
        job.run_at = _now_plus(run_at) if isinstance(run_at, timedelta) else run_at
    with transaction.atomic(using=alias):
        job.save(using=alias, force_insert=True)
        stored = _record(_read(job.pk), ACCEPT, actor, {})
        return stored if run_at is None else due(stored.id) or stored


def cancel(job_id: int, *, actor: str = "") -> Job | None:
    """Ask that a job ends: one that waits is cancelled at once, a running one carries the request in its row."""
    waiting = Q(state__in=WAITING)
    return _update(
        job_id,
        CANCEL,
        where=Q(state__in=ACTIVE, cancel_requested_at__isnull=True),
        actor=actor,
        state=Case(When(waiting, then=Value(State.CANCELLED.value)), default=F("state")),
        finished_at=Case(When(waiting, then=Now()), default=F("finished_at")),
        cancel_requested_at=Now(),
    )


def retry(job_id: int, *, actor: str = "") -> Job | None:
    """Queue a finished job again; both budgets start anew, the progress stays until the next claim."""
    return _move(job_id, RETRY, actor=actor, **{**_CLEARED, **_queued()})


def due(job_id: int) -> Job | None:
    """Queue a job whose time has come; None when it has not, by the database's clock."""
    return _move(job_id, DUE, where=_WANTED & Q(run_at__lte=Now()), **_queued())


# ---------------------------------------------------------------- by the owner of the lease


def claim(job_id: int, *, owner: str, task: str) -> Job | None:
    """Give a queued job to a worker: the attempt goes up by one and a lease begins.

    :param owner: unique for this claim, `host:pid/random`.
    :param task: the name the worker was asked to run; a row that says otherwise is left alone.
    """
    claimed = _move(
        job_id,
        CLAIM,
        where=Q(task=task, cancel_requested_at__isnull=True),
        actor=owner,
        attempt=F("attempt") + 1,
        lease_owner=owner,
        beat=0,
        started_at=Now(),
        finished_at=None,
        stopping_at=None,
        stopping_reason="",
        tick=0,
        current=None,
        total=None,
        message="",
    )
    return claimed or _already(job_id, CLAIM.name, lease_owner=owner, state=CLAIM.target.value)


def mark_stopping(lease: Lease, reason: StopReason) -> Job | None:
    """Show on the page that the attempt is being stopped, and why."""
    unmarked = Q(stopping_at__isnull=True)
    return _move(
        lease.job_id, MARK_STOPPING, lease=lease, where=unmarked, stopping_at=Now(), stopping_reason=reason.value
    )


def succeed(lease: Lease, result: Any, progress: Progress) -> Job | None:
    """Finish an attempt with its result. A cancel that came later than this stands aside."""
    return _finish(lease, SUCCEED, progress, result=result)


def fail(lease: Lease, error: dict[str, Any], progress: Progress) -> Job | None:
    """Finish an attempt with its error: `{reason, type, message, traceback}`."""
    return _finish(lease, FAIL, progress, data={"error": error}, error=error, failures=F("failures") + 1)


def back_off(lease: Lease, error: dict[str, Any], progress: Progress, wait: timedelta) -> Job | None:
    """Note that an attempt failed and that another follows; cancelled if that was asked for.

    :param error: as for `fail`; it is kept in the timeline.
    :param wait: how long until the next attempt is due.
    """
    return (
        _move(
            lease.job_id, BACK_OFF, lease=lease, where=_WANTED,
            data={"error": error}, failures=F("failures") + 1, run_at=_now_plus(wait), **progress, **_UNMARKED,
        )
        or _cancelled_instead(lease)
        or _own(lease, BACK_OFF)
        or _own(lease, STOP)
    )  # fmt: skip


def expire(lease: Lease, progress: Progress) -> Job | None:
    """Finish an attempt that was stopped at its time limit; cancelled if that was asked for."""
    return (
        _move(lease.job_id, EXPIRE, lease=lease, where=_WANTED, **_TIMED_OUT, **progress)
        or _cancelled_instead(lease)
        or _own(lease, EXPIRE)
        or _own(lease, STOP)
    )


def stopped(lease: Lease, progress: Progress) -> Job | None:
    """Finish an attempt that was stopped because a person asked for it."""
    return _finish(lease, STOP, progress)


def release(lease: Lease) -> Job | None:
    """Give a job back unharmed: cancelled if that was asked for, else queued; no budget is charged."""
    return (
        _move(lease.job_id, RELEASE, lease=lease, where=_WANTED, **_queued())
        or _cancelled_instead(lease)
        or _own(lease, RELEASE)
        or _own(lease, STOP)
    )


# ---------------------------------------------------------------- for an owner that is gone


def rescue(lease: Lease, beat: int) -> Job | None:
    """Take a job from an owner that was silent too long, or is known to be dead.

    An attempt that was being stopped ends as its reason says: cancelled, failed at its time limit, released. Else it is
    queued again while `max_losses` allows, and fails as lost after that.

    :param beat: the beat that was seen unchanged; a later one means that the owner lives.
    """
    silent, lost = Q(beat=beat), {"losses": F("losses") + 1}
    wanted = silent & _WANTED
    unstopped = wanted & ~Q(stopping_reason__in=[StopReason.TIMEOUT, StopReason.SHUTDOWN])
    return (
        _move(lease.job_id, RESCUE, lease=lease, where=unstopped & Q(losses__lt=F("max_losses")), **_queued(), **lost)
        or _move(
            lease.job_id, LOSE, lease=lease, where=unstopped & Q(losses__gte=F("max_losses")),
            data={"error": LOST_ERROR}, finished_at=Now(), error=LOST_ERROR, **lost,
        )
        or _move(lease.job_id, EXPIRE, lease=lease, where=wanted & Q(stopping_reason=StopReason.TIMEOUT), **_TIMED_OUT)
        or _move(lease.job_id, RELEASE, lease=lease, where=wanted & Q(stopping_reason=StopReason.SHUTDOWN), **_queued())
        or _cancelled_instead(lease, silent)
    )  # fmt: skip


# ---------------------------------------------------------------- the one mechanism

_WANTED: Final = Q(cancel_requested_at__isnull=True)
_CLEARED: Final[dict[str, Any]] = {
    "failures": 0,
    "losses": 0,
    "cancel_requested_at": None,
    "stopping_at": None,
    "stopping_reason": "",
    "error": None,
    "result": None,
    "run_at": None,
    "finished_at": None,
}
_UNMARKED: Final[dict[str, Any]] = {"stopping_at": None, "stopping_reason": ""}
_TIMED_OUT: Final[dict[str, Any]] = {
    "data": {"error": TIMEOUT_ERROR},
    "error": TIMEOUT_ERROR,
    "finished_at": Now(),
}


def _queued() -> dict[str, Any]:
    return {"published_at": Now(), "publish_count": 1, **_UNMARKED}


def _now_plus(wait: timedelta) -> Any:
    return Now() + Value(wait)


def _cancelled_instead(lease: Lease, where: Q | None = None) -> Job | None:
    """Take the other way; asked last, because a cancel that comes before this look is set for good."""
    asked = Q(cancel_requested_at__isnull=False) & (where or Q())
    return _move(lease.job_id, STOP, lease=lease, where=asked, finished_at=Now())


def _finish(lease: Lease, edge: Edge, progress: Progress, **values: Any) -> Job | None:
    finished = _move(lease.job_id, edge, lease=lease, finished_at=Now(), **progress, **values)
    return finished or _own(lease, edge)


def _move(job_id: int, edge: Edge, *, lease: Lease | None = None, where: Q | None = None, **values: Any) -> Job | None:
    guard = Q(state__in=edge.sources) & (where or Q())
    if edge.fenced:
        if lease is None:
            raise TypeError(f"the edge {edge.name} belongs to the owner of a lease")
        guard &= Q(attempt=lease.attempt, lease_owner=lease.owner)
    actor = values.pop("actor", lease.owner if lease else "")
    return _update(job_id, edge.name, where=guard, actor=actor, state=edge.target.value, **values)


def _update(
    job_id: int, edge: str, *, where: Q, actor: str, data: dict[str, Any] | None = None, **values: Any
) -> Job | None:
    """Make one compare-and-set and its event in one transaction."""
    alias = conf.DATABASE
    with transaction.atomic(using=alias):
        changed = (
            Job.objects.using(alias)
            .filter(where, id=job_id)
            .update(version=F("version") + 1, updated_at=Now(), **values)
        )
        return _record(_read(job_id), edge, actor, data or {}) if changed else None


def _record(job: Job, edge: str, actor: str, data: dict[str, Any]) -> Job:
    alias = conf.DATABASE
    JobEvent.objects.using(alias).create(
        job=job,
        version=job.version,
        state=job.state,
        attempt=job.attempt,
        actor=actor[:255],
        data={"edge": edge, **data, **_when(job)},
    )
    _tell(job, edge)
    return job


def _when(job: Job) -> dict[str, str]:
    """When the next attempt is due: the row's own time may change, the timeline keeps it."""
    return {"run_at": job.run_at.isoformat()} if job.state == State.RETRYING and job.run_at else {}


def _tell(job: Job, edge: str) -> None:
    """Give the hints after the commit; a failure of either is logged and leaves the row as it is."""

    # named functions: Django logs a failure with the function's name, and a partial has none
    def announce() -> None:
        broadcast.announce(job, edge)

    def submit() -> None:
        publishing.submit(job)

    transaction.on_commit(announce, using=conf.DATABASE, robust=True)
    if job.state == State.QUEUED and job.published_at is not None:
        transaction.on_commit(submit, using=conf.DATABASE, robust=True)


def _own(lease: Lease, edge: Edge) -> Job | None:
    return _already(lease.job_id, edge.name, lease_owner=lease.owner, attempt=lease.attempt, state=edge.target.value)


def _already(job_id: int, edge: str, **own: Any) -> Job | None:
    """Recognise one's own write: the COMMIT was done and only its reply was lost, and the hints with it."""
    job = Job.objects.using(conf.DATABASE).select_related("owner").filter(id=job_id, **own).first()
    if job is not None:
        _tell(job, edge)
    return job


def _read(job_id: int) -> Job:
    return Job.objects.using(conf.DATABASE).select_related("owner").get(id=job_id)
