"""The only writer of state: every transition is one compare-and-set, one version, one event, one transaction.

Each function answers with the row as it was committed, or None: somebody else was first, and the caller stops. That is
a normal answer. Which edges there are says the table in `states`. Whoever wants to know of transitions subscribes, and
is told after the commit; what they make of it (screens, the broker, hosts' signals) are hints, and can be made again
from the row.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now

from livejobs.conf import conf
from livejobs.leases import Lease
from livejobs.models import PUBLISHED_NOW, Job, JobEvent
from livejobs.protocol import Progress
from livejobs.states import (
    ACCEPT,
    ACCEPT_FOR_LATER,
    BACK_OFF,
    CANCEL_RUNNING,
    CANCEL_WAITING,
    CLAIM,
    DUE,
    EXPIRE,
    FAIL,
    FINISHED,
    LOSE,
    MARK_STOPPING,
    RELEASE,
    RESCUE,
    RETRY,
    STOP,
    SUCCEED,
    Edge,
    EdgeName,
    ErrorReason,
    State,
    StopReason,
)

Subscriber = Callable[[Job, EdgeName], object]

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
SUBSCRIBERS: Final[list[Subscriber]] = []


def subscribe(subscriber: Subscriber) -> None:
    """Have somebody called with each committed transition: the row as it was committed, and the edge it took.

    Called in the order of subscription. One that fails is logged, and takes nothing from the others or from the row.
    """
    if subscriber not in SUBSCRIBERS:
        SUBSCRIBERS.append(subscriber)


# ---------------------------------------------------------------- by people and by the clock


def accept(job: Job, *, actor: str = "", run_at: datetime | timedelta | None = None) -> Job:
    """Store a new job: queued, or scheduled for a time that is still to come.

    :param run_at: when it is due: a moment, or how long from now; both are judged by the database's clock.
    :raises django.db.IntegrityError: the owner used this idempotency key before.
    """
    alias = conf.DATABASE
    edge = ACCEPT if run_at is None else ACCEPT_FOR_LATER
    implied = _implied(edge)
    if run_at is not None:
        implied["run_at"] = _now_plus(run_at) if isinstance(run_at, timedelta) else run_at
    for name, value in implied.items():
        setattr(job, name, value)
    job.version, job.state = 1, edge.target
    with transaction.atomic(using=alias):
        job.save(using=alias, force_insert=True)
        stored = _record(_read(job.pk), edge.name, actor, {})
        return stored if run_at is None else due(stored.id) or stored


def cancel(job_id: int, *, actor: str = "") -> Job | None:
    """Ask that a job ends: one that waits is cancelled at once, a running one carries the request in its row."""
    edges = (CANCEL_WAITING, CANCEL_RUNNING)
    return _update(
        job_id,
        EdgeName.CANCEL,
        where=_WANTED & Q(state__in=frozenset().union(*(edge.sources for edge in edges))),
        actor=actor,
        state=Case(*(When(state__in=edge.sources, then=Value(edge.target.value)) for edge in edges)),
        finished_at=Case(When(state__in=CANCEL_WAITING.sources, then=Now()), default=F("finished_at")),
        cancel_requested_at=Now(),
    )


def retry(job_id: int, *, actor: str = "") -> Job | None:
    """Queue a finished job again; both budgets start anew, the progress stays until the next claim."""
    return _move(job_id, RETRY, actor=actor, **_CLEARED)


def due(job_id: int) -> Job | None:
    """Queue a job whose time has come; None when it has not, by the database's clock."""
    return _move(job_id, DUE, where=Q(run_at__lte=Now()))


# ---------------------------------------------------------------- by the owner of the lease


def claim(job_id: int, *, owner: str, task: str) -> Job | None:
    """Give a queued job to a worker: the attempt goes up by one and a lease begins.

    :param owner: unique for this claim, `host:pid/random`.
    :param task: the name the worker was asked to run; a row that says otherwise is left alone.
    """
    claimed = _move(
        job_id,
        CLAIM,
        where=Q(task=task),
        actor=owner,
        attempt=F("attempt") + 1,
        lease_owner=owner,
        beat=0,
        started_at=Now(),
        finished_at=None,
        tick=0,
        current=None,
        total=None,
        message="",
        cpu_seconds=0,
        memory_peak=0,
        **_UNMARKED,
    )
    return claimed or _already(job_id, CLAIM, lease_owner=owner)


def mark_stopping(lease: Lease, reason: StopReason) -> Job | None:
    """Show on the page that the attempt is being stopped, and why."""
    unmarked = Q(stopping_at__isnull=True)
    return _move(
        lease.job_id, MARK_STOPPING, lease=lease, where=unmarked, stopping_at=Now(), stopping_reason=reason.value
    )


def succeed(lease: Lease, result: Any, progress: Progress) -> Job | None:
    """Finish an attempt with its result. A cancel that came later than this stands aside."""
    return _leave(lease, SUCCEED, result=result, **progress)


def fail(lease: Lease, error: dict[str, Any], progress: Progress) -> Job | None:
    """Finish an attempt with its error: `{reason, type, message, traceback}`."""
    return _leave(lease, FAIL, failures=F("failures") + 1, **_with_error(error), **progress)


def back_off(lease: Lease, error: dict[str, Any], progress: Progress, wait: timedelta) -> Job | None:
    """Note that an attempt failed and that another follows; cancelled if that was asked for.

    :param error: as for `fail`; it is kept in the timeline.
    :param wait: how long until the next attempt is due.
    """
    values = {"data": {"error": error}, "failures": F("failures") + 1, "run_at": _now_plus(wait)}
    return _leave(lease, BACK_OFF, **values, **progress)


def expire(lease: Lease, progress: Progress) -> Job | None:
    """Finish an attempt that was stopped at its time limit; cancelled if that was asked for."""
    return _leave(lease, EXPIRE, **_with_error(TIMEOUT_ERROR), **progress)


def stopped(lease: Lease, progress: Progress) -> Job | None:
    """Finish an attempt that was stopped because a person asked for it."""
    return _leave(lease, STOP, **progress)


def release(lease: Lease) -> Job | None:
    """Give a job back unharmed: cancelled if that was asked for, else queued; no budget is charged."""
    return _leave(lease, RELEASE)


# ---------------------------------------------------------------- for an owner that is gone


def rescue(lease: Lease, beat: int) -> Job | None:
    """Take a job from an owner that was silent too long, or is known to be dead.

    An attempt that was being stopped ends as its reason says: cancelled, failed at its time limit, released. Else it is
    queued again while `max_losses` allows, and fails as lost after that.

    :param beat: the beat that was seen unchanged; a later one means that the owner lives.
    """
    silent = Q(beat=beat)
    unstopped = ~Q(stopping_reason__in=[StopReason.TIMEOUT, StopReason.SHUTDOWN])
    lost = {"losses": F("losses") + 1}
    ways: tuple[tuple[Edge, Q, dict[str, Any]], ...] = (
        (RESCUE, unstopped & Q(losses__lt=F("max_losses")), lost),
        (LOSE, unstopped & Q(losses__gte=F("max_losses")), {**lost, **_with_error(LOST_ERROR)}),
        (EXPIRE, Q(stopping_reason=StopReason.TIMEOUT), _with_error(TIMEOUT_ERROR)),
        (RELEASE, Q(stopping_reason=StopReason.SHUTDOWN), {}),
    )
    for edge, where, values in ways:
        if moved := _move(lease.job_id, edge, lease=lease, where=silent & where, **values):
            return moved
    return _otherwise(lease, RESCUE, silent)


# ---------------------------------------------------------------- the one mechanism

_WANTED: Final = Q(cancel_requested_at__isnull=True)
_UNMARKED: Final[dict[str, Any]] = {"stopping_at": None, "stopping_reason": ""}
_CLEARED: Final[dict[str, Any]] = {
    "failures": 0,
    "losses": 0,
    "cancel_requested_at": None,
    "error": None,
    "result": None,
    "run_at": None,
    "finished_at": None,
}


def _implied(edge: Edge) -> dict[str, Any]:
    """What follows from where an edge leads, whichever edge it is."""
    if edge.target in FINISHED:
        return {"finished_at": Now()}
    if edge.target is State.QUEUED:
        return {**PUBLISHED_NOW, **_UNMARKED}
    return dict(_UNMARKED) if edge.target is State.RETRYING else {}


def _with_error(error: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"error": error}, "error": error}


def _now_plus(wait: timedelta) -> Any:
    return Now() + Value(wait)


def _leave(lease: Lease, edge: Edge, **values: Any) -> Job | None:
    """Leave running by an edge or, where a cancel was asked for and the edge says so, by the other one."""
    return (
        _move(lease.job_id, edge, lease=lease, **values)
        or _otherwise(lease, edge)
        or _own(lease, edge)
        or (_own(lease, edge.otherwise) if edge.otherwise else None)
    )


def _otherwise(lease: Lease, edge: Edge, where: Q | None = None) -> Job | None:
    """Take the other way; asked last, because a cancel that comes before this look is set for good."""
    if edge.otherwise is None:
        return None
    return _move(lease.job_id, edge.otherwise, lease=lease, where=~_WANTED & (where or Q()))


def _move(job_id: int, edge: Edge, *, lease: Lease | None = None, where: Q | None = None, **values: Any) -> Job | None:
    """Take an edge, if the row is where it begins."""
    guard = Q(state__in=edge.sources) & (where or Q())
    if edge.unless_cancelled:
        guard &= _WANTED
    if edge.fenced:
        if lease is None:
            raise TypeError(f"the edge {edge.name} belongs to the owner of a lease")
        guard &= Q(attempt=lease.attempt, lease_owner=lease.owner)
    actor = values.pop("actor", lease.owner if lease else "")
    return _update(job_id, edge.name, where=guard, actor=actor, state=edge.target.value, **{**_implied(edge), **values})


def _update(
    job_id: int, edge: EdgeName, *, where: Q, actor: str, data: dict[str, Any] | None = None, **values: Any
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


def _record(job: Job, edge: EdgeName, actor: str, data: dict[str, Any]) -> Job:
    alias = conf.DATABASE
    JobEvent.objects.using(alias).create(
        job=job,
        version=job.version,
        state=job.state,
        attempt=job.attempt,
        actor=actor[:255],
        data={"edge": edge.value, **data, **_when(job)},
    )
    _tell(job, edge)
    return job


def _when(job: Job) -> dict[str, str]:
    """When the next attempt is due: the row's own time may change, the timeline keeps it."""
    return {"run_at": job.run_at.isoformat()} if job.state == State.RETRYING and job.run_at else {}


def _tell(job: Job, edge: EdgeName) -> None:
    """Tell every subscriber after the commit; a failure of one is logged and leaves the row, and the others, alone."""
    for subscriber in SUBSCRIBERS:
        transaction.on_commit(_call(subscriber, job, edge), using=conf.DATABASE, robust=True)


def _call(subscriber: Subscriber, job: Job, edge: EdgeName) -> Callable[[], None]:
    @functools.wraps(subscriber)  # Django logs a failure with the function's name, and a partial has none
    def call() -> None:
        subscriber(job, edge)

    return call


def _own(lease: Lease, edge: Edge) -> Job | None:
    return _already(lease.job_id, edge, lease_owner=lease.owner, attempt=lease.attempt)


def _already(job_id: int, edge: Edge, **own: Any) -> Job | None:
    """Recognise one's own write: the COMMIT was done and only its reply was lost, and the hints with it."""
    rows = Job.objects.using(conf.DATABASE).select_related("owner")
    job = rows.filter(id=job_id, state=edge.target.value, **own).first()
    if job is not None:
        _tell(job, edge.name)
    return job


def _read(job_id: int) -> Job:
    return Job.objects.using(conf.DATABASE).select_related("owner").get(id=job_id)
