"""What the page carries as JSON beside its HTML, so that the elements render the same at once, without a request."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from django.conf import settings
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse
from django.utils.translation import get_language

import livejobs
from livejobs.conf import conf
from livejobs.hints.public_job import public_job
from livejobs.policy import Person, get_policy
from livejobs.protocol import LIST_DEFAULT, PublicJob, TaskInfo
from livejobs.web.words import words

if TYPE_CHECKING:
    from livejobs.models import Job


class PageData(TypedDict):
    """The page's JSON. `now` is the server's time in milliseconds since 1970: relative times start from it."""

    now: int
    language: str
    server: str
    words: dict[str, str]
    user: dict[str, Any] | None
    rights: list[str]
    tasks: list[TaskInfo]
    limits: dict[str, int]
    urls: dict[str, str | None]
    jobs: list[PublicJob]
    more: bool
    running: int


def now() -> int:
    """The server's time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def snapshot(
    person: Person, jobs: Sequence[Job], *, more: bool = False, running: int = 0, truncate: bool = True
) -> PageData:
    """Build the snapshot of a page.

    :param jobs: what the page shows, newest first.
    :param more: whether older jobs exist.
    :param running: how many of this person's jobs are running, shown or not.
    :param truncate: for lists; a job's own page carries its params and result whole.
    """
    policy = get_policy()
    user = person.user
    return {
        "now": now(),
        "language": get_language() or "en",
        "server": livejobs.__version__,
        "words": words(),
        "user": {"id": user.pk, "name": user.get_username()} if user else None,
        "rights": policy.rights(person),
        "tasks": [
            {"name": task.name, "title": task.title, "doc": task.doc, "schema": task.schema}
            for task in policy.tasks(person)
        ],
        "limits": {"params": conf.MAX_PARAMS_BYTES, "name": conf.MAX_NAME},
        "urls": {"job": reverse("livejobs:job", args=[0]), "login": _login_url()},
        "jobs": [public_job(job, truncate=truncate) for job in jobs],
        "more": more,
        "running": running,
    }


def newest(person: Person, limit: int = LIST_DEFAULT) -> PageData:
    """The snapshot of the list: the newest own jobs."""
    mine = get_policy().mine(person)
    found = list(mine.select_related("owner").newest()[: limit + 1])
    return snapshot(person, found[:limit], more=len(found) > limit, running=mine.running().count())


def _login_url() -> str | None:
    try:
        return resolve_url(settings.LOGIN_URL) if settings.LOGIN_URL != "/accounts/login/" else None
    except NoReverseMatch:
        return None
