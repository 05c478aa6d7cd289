"""The only door in: start, cancel and retry, for code and for people.

Each uses the caller's connection and transaction; the broker and the screens hear of it after the commit. The verbs
that end in `_as` are the outside door: what a person may do is asked of the policy, and a database that cannot be
reached is one clear error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from asgiref.sync import sync_to_async
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.utils.translation import gettext as _

from livejobs import transitions
from livejobs.conf import conf
from livejobs.database import disk
from livejobs.definition import LiveJob, registry
from livejobs.errors import ConflictError, FinishedError, InvalidError, NotFoundError
from livejobs.models import Job
from livejobs.policy import Person, ensure_browser_id, get_policy, person_of, user_key
from livejobs.protocol import KEY_MAX
from livejobs.sanitize import clean
from livejobs.states import State

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.http import HttpRequest

Task = LiveJob[..., Any] | str
LONGEST_WAIT: Final = timedelta(days=36_500)
LAST_YEAR: Final = 9000  # databases and time zones end with the year 9999


def start(
    task: Task,
    params: Mapping[str, Any] | None = None,
    *,
    name: str = "",
    owner: AbstractBaseUser | HttpRequest | Person | None = None,
    key: str | None = None,
    queue: str | None = None,
    run_at: datetime | timedelta | None = None,
) -> Job:
    """Start a live job and return its row. Code may start any task; people come in through `start_as`.

    :param task: the decorated function, or its name.
    :param params: the task's parameters by name.
    :param name: what people see in the list; at most MAX_NAME characters.
    :param owner: a user, a request (its user, else its browser), or None: seen by staff.
    :param key: idempotency key; the same one from the same owner answers with the same job.
    :param queue: the queue, where it is not the task's own.
    :param run_at: when it is to run: a moment with a time zone, or a time from now; what is past means at once.
    :raises InvalidError: `fields` names each parameter that is wrong; nothing was stored.
    :raises ConflictError: the key was used with another task or other params.
    """
    live_job = _resolve(task)
    return _start(live_job, _checked_params(live_job, params or {}), _person(owner), name, key, queue, run_at)


def _start(
    live_job: LiveJob[..., Any],
    stored: dict[str, Any],
    person: Person | None,
    name: str,
    key: str | None,
    queue: str | None = None,
    run_at: datetime | timedelta | None = None,
) -> Job:
    user: Any = person.user if person else None  # of the host's own class
    job = Job(
        task=live_job.name,
        name=_checked_name(name),
        params=stored,
        owner=user,
        owner_key=person.keys[0] if person and person.keys else "",
        idempotency_key=_checked_key(key),
        queue=queue or live_job.options.queue or conf.QUEUE,
        retries=live_job.options.retries,
        max_losses=_max_losses(live_job),
    )
    return _accept_once(job, person.name if person else "", _checked_time(run_at))


def _max_losses(live_job: LiveJob[..., Any]) -> int:
    own = live_job.options.max_losses
    return conf.MAX_LOSSES if own is None else own


def start_many(
    task: Task,
    params: Sequence[Mapping[str, Any]],
    *,
    owner: AbstractBaseUser | HttpRequest | Person | None = None,
) -> list[Job]:
    """Start one job for each set of params: all of them or, where one set is wrong, none."""
    with transaction.atomic(using=conf.DATABASE):
        return [start(task, each, owner=owner) for each in params]


def cancel(job: Job | int, *, actor: str = "") -> Job:
    """Ask that a job stops; asking twice is asking once.

    :raises FinishedError: the finish was first, and stands.
    :raises NotFoundError: there is no such job.
    """
    job_id = job.pk if isinstance(job, Job) else job
    while True:
        cancelled = transitions.cancel(job_id, actor=actor)
        if cancelled is not None:
            return cancelled
        found = _find(job_id)
        if found.state == State.CANCELLED or (not found.is_finished and found.cancel_requested_at):
            return found
        if found.is_finished:
            raise FinishedError
        # neither: a retry came in between the two looks, and the request is still to be written


def retry(job: Job | int, *, actor: str = "") -> Job:
    """Queue a finished job again.

    :raises InvalidError: the job is not finished.
    :raises NotFoundError: there is no such job.
    """
    job_id = job.pk if isinstance(job, Job) else job
    queued = transitions.retry(job_id, actor=actor)
    if queued is None:
        _find(job_id)
        raise InvalidError(_("This job is not finished; only a finished job can be retried."))
    return queued


def start_as(
    person: Person, task_name: str, params: Mapping[str, Any], *, name: str = "", key: str | None = None
) -> Job:
    """Start a task as a person: exposed tasks only, permission asked.

    :raises LivejobsError: as `start`; NotFoundError, NotAllowedError by policy; UnavailableError without database.
    """
    policy = get_policy()
    live_job = policy.startable(person, task_name)
    stored = _checked_params(live_job, params)
    with _database_trouble():
        policy.check_start(person, live_job, stored)  # what is judged is what will run
        return _start(live_job, stored, person, name, key)


def cancel_as(person: Person, job_id: int) -> Job:
    """Cancel a job the person may see; any other id is answered like one that does not exist."""
    with _database_trouble():
        _seen(person, job_id)
        return cancel(job_id, actor=person.name)


def retry_as(person: Person, job_id: int) -> Job:
    """Retry a job the person may see; any other id is answered like one that does not exist."""
    with _database_trouble():
        _seen(person, job_id)
        return retry(job_id, actor=person.name)


async def astart(
    task: Task,
    params: Mapping[str, Any] | None = None,
    *,
    name: str = "",
    owner: AbstractBaseUser | HttpRequest | Person | None = None,
    key: str | None = None,
    queue: str | None = None,
    run_at: datetime | timedelta | None = None,
) -> Job:
    """Do `start` from async code."""
    return await sync_to_async(start)(task, params, name=name, owner=owner, key=key, queue=queue, run_at=run_at)


async def acancel(job: Job | int, *, actor: str = "") -> Job:
    """Do `cancel` from async code."""
    return await sync_to_async(cancel)(job, actor=actor)


async def aretry(job: Job | int, *, actor: str = "") -> Job:
    """Do `retry` from async code."""
    return await sync_to_async(retry)(job, actor=actor)


def _accept_once(job: Job, actor: str, run_at: datetime | timedelta | None) -> Job:
    if job.idempotency_key is None:
        return transitions.accept(job, actor=actor, run_at=run_at)
    earlier = _same_key(job)
    if earlier is None:
        try:
            return transitions.accept(job, actor=actor, run_at=run_at)
        except IntegrityError:  # the same click came in between
            earlier = _same_key(job)
            if earlier is None:
                raise
    if earlier.task != job.task or not _same_json(earlier.params, job.params):
        raise ConflictError
    return earlier


def _same_key(job: Job) -> Job | None:
    same = Job.objects.using(conf.DATABASE).filter(owner_key=job.owner_key, idempotency_key=job.idempotency_key)
    return same.select_related("owner").first()


def _same_json(one: Any, other: Any) -> bool:
    """Compare as JSON: PostgreSQL gives 1e23 back as a whole number, which Python holds for another one."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same_json(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same_json, one, other))
    if isinstance(one, float) or isinstance(other, float):
        return isinstance(one, int | float) and isinstance(other, int | float) and float(one) == float(other)
    return bool(one == other)


def _resolve(task: Task) -> LiveJob[..., Any]:
    if isinstance(task, LiveJob):
        return task
    live_job = registry.get(task)
    if live_job is None:
        raise NotFoundError(_("There is no task “%(name)s”.") % {"name": str(task)[:100]})
    return live_job


def _person(owner: Any) -> Person | None:
    if owner is None or isinstance(owner, Person):
        return owner
    if hasattr(owner, "META"):
        return _asking(owner)
    if getattr(owner, "is_authenticated", False):
        return Person(owner, (user_key(owner),))
    raise InvalidError(_("The owner must be a user, a request or None."), fields={"owner": _("Not a user.")})


def _asking(request: HttpRequest) -> Person:
    """Who sent a request; a browser that has no id yet is given one, else nobody would see the job it starts."""
    user, session = getattr(request, "user", None), getattr(request, "session", None)
    person = person_of(user, session)
    if person.keys or session is None:
        return person
    ensure_browser_id(request)
    return person_of(user, session)


def _checked_params(live_job: LiveJob[..., Any], params: Mapping[str, Any]) -> dict[str, Any]:
    return live_job.validate(params, max_bytes=conf.MAX_PARAMS_BYTES, max_nesting=conf.MAX_NESTING)


def _checked_name(name: str) -> str:
    cleaned = clean(name).strip()
    limit = conf.MAX_NAME
    if len(cleaned) > limit:
        message = _("At most %(limit)d characters; this has %(length)d.") % {"limit": limit, "length": len(cleaned)}
        raise InvalidError(_("The name is too long."), fields={"name": message})
    return cleaned


def _checked_key(key: str | None) -> str | None:
    if key is None:
        return None
    if not key or len(key) > KEY_MAX or clean(key) != key:
        raise InvalidError(fields={"key": _("From 1 to %(limit)d plain characters.") % {"limit": KEY_MAX}})
    return key


def _checked_time(run_at: Any) -> datetime | timedelta | None:
    if run_at is None or (isinstance(run_at, timedelta) and abs(run_at) < LONGEST_WAIT):
        return run_at
    if isinstance(run_at, datetime):
        if run_at.tzinfo is None:
            raise InvalidError(fields={"run_at": _("A moment needs a time zone.")})
        if run_at.year < LAST_YEAR:
            return run_at
    raise InvalidError(fields={"run_at": _("A moment with a time zone, or a time from now, in this century.")})


def _find(job_id: int) -> Job:
    job = Job.objects.using(conf.DATABASE).select_related("owner").filter(id=job_id).first()
    if job is None:
        raise NotFoundError
    return job


def _seen(person: Person, job_id: int) -> None:
    if not get_policy().visible(person).filter(id=job_id).exists():
        raise NotFoundError


@contextmanager
def _database_trouble() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise disk.unavailable(error) from error
