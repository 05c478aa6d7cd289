"""What a session asks, answered from the database. Synchronous: call these through `database.pool.run`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import timedelta
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db.models import BooleanField, Case, Max, Value, When
from django.db.models.functions import Now
from django.utils.translation import gettext as _

import livejobs
from livejobs import actions
from livejobs.conf import conf
from livejobs.errors import InvalidError, NotFoundError
from livejobs.groups import job_group, list_groups
from livejobs.hints.channel_messages import Broadcast, job_events, progress_events
from livejobs.hints.log_lines import read_lines
from livejobs.hints.public_job import progress_of, public_job
from livejobs.live.identity import Door
from livejobs.live.logs import Chunk
from livejobs.live.reconciliation import Level
from livejobs.live.requests import (
    Answer,
    Done,
    Greet,
    Groups,
    Hello,
    Jobs,
    Listing,
    Nothing,
    OneJob,
    ReadLog,
    ReadSnapshot,
    Recheck,
    Request,
    Scope,
    StartNamed,
)
from livejobs.models import Job, JobQuerySet
from livejobs.policy import Person, get_policy
from livejobs.protocol import (
    VERSION,
    Cancel,
    HelloMessage,
    ListScope,
    LogLine,
    Ping,
    Retry,
    Start,
    Unwatch,
    Watch,
    encode,
)

LOG_LINES: Final = 500  # of one read
LOG_CHARACTERS: Final = 256 * 1024  # of the lines of one read; a single line may be longer
COMPARED_AT_ONCE: Final = 500  # ids in one query
NEWCOMERS_AT_ONCE: Final = 10_000  # of the newest rows, those looked at together for what a list misses


def answer_to(door: Door, request: Request) -> Answer:
    """Answer one request of a socket; who is behind it is read afresh each time.

    :raises LivejobsError: it is refused; the session turns that into words.
    :raises SessionChangedError: user or session are not those that opened the socket.
    """
    person = door.person()
    match request:
        case Greet():
            return Hello(_hello(person))
        case Recheck() | Unwatch() | Ping():
            return Nothing()
        case Start():
            job = actions.start_as(person, request.task, request.params, name=request.name, key=request.key)
            return Done(public_job(job))
        case StartNamed(last_part, name):
            return Done(public_job(actions.start_as(person, _full_name(person, last_part), {}, name=name)))
        case Cancel():
            return Done(public_job(actions.cancel_as(person, request.job_id)))
        case Retry():
            return Done(public_job(actions.retry_as(person, request.job_id)))
        case Watch():
            return _groups(person, request)
        case ReadSnapshot(watch, listing):
            return _one_job(person, watch) if listing is None else read_list(listing)


def _hello(person: Person) -> HelloMessage:
    policy = get_policy()
    return {
        "action": "hello",
        "protocol": VERSION,
        "server": livejobs.__version__,
        "user": {"id": person.user.pk, "name": person.user.get_username()} if person.user else None,
        "rights": policy.rights(person),
        "retry_after": float(conf.RETRY_AFTER_SECONDS),
        "retry_max": float(conf.RETRY_MAX_SECONDS),
        "tasks": [
            {"name": task.name, "title": task.title, "doc": task.doc, "schema": task.schema}
            for task in policy.tasks(person)
        ],
    }


def _full_name(person: Person, last_part: str) -> str:
    """Find the task that the tutorial's `start_<x>` means: by its name, else by the last part where that is unique.

    :raises InvalidError: several tasks end in that part.
    """
    names = [task.name for task in get_policy().tasks(person)]
    if last_part in names:
        return last_part
    found = [name for name in names if name.rpartition(".")[2] == last_part]
    if len(found) > 1:
        raise InvalidError(_("Several tasks are called so: %(names)s.") % {"names": ", ".join(found)})
    return found[0] if found else last_part


def _groups(person: Person, watch: Watch) -> Groups:
    policy = get_policy()
    if watch.jobs is not None:
        scope = _scope(person, watch.jobs)
        return Groups(policy.groups(person, watch.jobs.scope), scope, _listing(scope, watch.jobs))
    assert watch.job_id is not None
    if not policy.visible(person).filter(id=watch.job_id).exists():
        raise NotFoundError
    return Groups((job_group(watch.job_id),))


def _scope(person: Person, jobs: ListScope) -> JobQuerySet:
    policy = get_policy()
    return policy.visible(person) if jobs.scope == "all" else policy.mine(person)


def _listing(scope: JobQuerySet, asked: ListScope) -> Listing:
    rows = (scope if asked.before is None else scope.filter(id__lt=asked.before)).newest()
    return Listing(rows, asked.limit, (rows.db, asked.limit, _words(rows)))


def _words(rows: JobQuerySet) -> Hashable:
    """The SQL of a query and its parameters; equal to nothing else where they cannot be compared.

    It is the policy that says which rows a person may see. Only the database's own words tell whether two persons see
    the same ones, whatever a policy goes by.
    """
    try:
        words: tuple[str, tuple[Any, ...]] = rows.query.get_compiler(using=rows.db).as_sql()
        hash(words)
    except (EmptyResultSet, TypeError):
        return object()
    return words


def read_list(listing: Listing) -> Jobs:
    """Read the snapshot of a list."""
    recently = Now() - timedelta(seconds=conf.TUTORIAL_REPLAY_SECONDS)
    just = Case(When(finished_at__gte=recently, then=Value(True)), default=Value(False), output_field=BooleanField())
    found = list(listing.rows.select_related("owner").annotate(just_finished=just)[: listing.limit + 1])
    shown = found[: listing.limit]
    return Jobs(
        [public_job(job, truncate=True) for job in shown],
        more=len(found) > len(shown),
        just_finished=frozenset(job.id for job in shown if getattr(job, "just_finished", False)),
    )


def _one_job(person: Person, watch: Watch) -> OneJob:
    assert watch.job_id is not None
    job = get_policy().visible(person).select_related("owner").filter(id=watch.job_id).first()
    if job is None:
        raise NotFoundError
    return OneJob(public_job(job), _lines(job.id, watch.log_after), list_groups(job.owner_key))


def _lines(job_id: int, after: int) -> list[LogLine]:
    """Read the next lines, as many as may go together."""
    return read_lines(job_id, after=after, most=LOG_LINES, characters=LOG_CHARACTERS)


def read_log(request: ReadLog) -> Chunk | None:
    """Read log lines for a session's cursor; None when there are no more."""
    lines = _lines(request.job_id, request.after)
    if not lines:
        return None
    text = encode({"action": "log", "job_id": request.job_id, "lines": lines})
    return Chunk(request.after + 1, lines[-1]["seq"], text)


# ---------------------------------------------------------------- for the hub


def levels(job_ids: Sequence[int]) -> list[Level]:
    """Read how far these jobs are; one that is absent is gone."""
    columns = ("id", "owner_key", "version", "attempt", "tick", "log_seq", "state")
    rows = Job.objects.using(conf.DATABASE)
    found: list[Level] = []
    for start in range(0, len(job_ids), COMPARED_AT_ONCE):
        some = job_ids[start : start + COMPARED_AT_ONCE]
        found += [Level(*row) for row in rows.filter(id__in=some).values_list(*columns)]
    return found


def remade(job_ids: Sequence[int]) -> list[Broadcast]:
    """Make the broadcasts of these jobs again from their rows."""
    events: list[Broadcast] = []
    for job in Job.objects.using(conf.DATABASE).select_related("owner").filter(id__in=job_ids):
        events += job_events(job)
        if job.tick:  # else the job itself says all there is
            progress = progress_of(job)
            events += progress_events(job.id, job.owner_key, job.attempt, progress)
    return events


def newest_id() -> int:
    """The highest id there is; 0 without jobs."""
    return Job.objects.using(conf.DATABASE).aggregate(highest=Max("id"))["highest"] or 0


def newcomers(above: int, below: int | None = None) -> list[tuple[int, str]]:
    """The newest (id, owner key) between two ids, newest first, NEWCOMERS_AT_ONCE at most.

    :param above: an id that was seen before.
    :param below: the lowest id of the part before this one.
    """
    rows: Any = Job.objects.using(conf.DATABASE).filter(id__gt=above).newest()
    if below is not None:
        rows = rows.filter(id__lt=below)
    return list(rows.values_list("id", "owner_key")[:NEWCOMERS_AT_ONCE])


def running(scopes: Sequence[Scope]) -> list[int]:
    """How many jobs of each of these scopes are running."""
    return [scope.running().count() for scope in scopes]
