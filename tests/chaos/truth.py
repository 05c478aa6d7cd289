"""What the database says of one person's jobs, in the form in which pages are held against it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from django.contrib.sessions.backends.db import SessionStore

from livejobs.hints.public_job import public_job, public_log_line
from livejobs.models import Job, JobLog, JobQuerySet
from livejobs.policy import BROWSER_ID
from livejobs.protocol import LIST_DEFAULT, LIST_LIVE_MAX
from livejobs.states import FINISHED
from livejobs.web.page_data import now
from tests.support.said import describe

SAID: Final = ("kind", "word", "line", "name", "sub")


@dataclass(frozen=True)
class Truth:
    """What the database says now.

    :param ids: of every job, newest first.
    :param rows: the newest and those asked for, by id: the public `job`, truncated where large (`short`), and what a
        row reads (`said`).
    :param least: so many rows a page shows at least, where there are as many.
    """

    ids: list[int]
    rows: dict[int, dict[str, Any]]
    running: int
    logs: dict[int, list[Any]]
    least: int

    def write(self, file: Path) -> None:
        """Write it for those who compare in a process of their own."""
        known = {"ids": self.ids, "rows": self.rows, "running": self.running, "logs": self.logs}
        limits = {"least": self.least, "most": LIST_LIVE_MAX}
        file.write_bytes(orjson.dumps({**known, **limits}, option=orjson.OPT_NON_STR_KEYS))


class Person:
    """Whose jobs they are: a browser with a session, and no user."""

    def __init__(self, cookie: str) -> None:
        self._key = f"browser:{SessionStore(cookie)[BROWSER_ID]}"

    def jobs(self) -> JobQuerySet:
        """All jobs this person's list has; those without an owner are everybody's here."""
        return Job.objects.filter(owner_key__in=(self._key, ""))

    def truth(self, watched: Collection[int], beside: Collection[int] = (), least: int = LIST_DEFAULT) -> Truth:
        """Read what there is.

        :param watched: the jobs whose logs are looked at.
        :param beside: other ids that are shown although they are not among the newest.
        """
        newest = list(self.jobs().newest().select_related("owner")[:LIST_LIVE_MAX])
        among = {job.id for job in newest}
        others = self.jobs().select_related("owner").filter(id__in={*watched, *beside} - among)
        logs: dict[int, list[Any]] = {job_id: [] for job_id in watched}
        for line in JobLog.objects.filter(job_id__in=watched).order_by("job_id", "seq"):
            logs[line.job_id].append(public_log_line(line))
        return Truth(
            ids=list(self.jobs().newest().values_list("id", flat=True)),
            rows={job.id: _row(job) for job in [*newest, *others]},
            running=self.jobs().running().count(),
            logs=logs,
            least=least,
        )


def _row(job: Job) -> dict[str, Any]:
    whole, short = public_job(job), public_job(job, truncate=True)
    described = describe(whole, now())
    said = {name: getattr(described, name) for name in SAID}
    if job.state not in FINISHED:
        said["line"] = None  # tells how long ago something was: another number a moment later
    return {"job": whole, "said": said} | ({"short": short} if "truncated" in short else {})
