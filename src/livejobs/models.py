"""The tables. The row of a job is the truth; `transitions` is the only module that changes its state."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.db import models
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from livejobs.states import ACTIVE, FINISHED, WAITING, State

# The outbox: what a row says of its message. That it is on its way; the dispatcher makes up for one that is not.
PUBLISHED_NOW: Final[dict[str, Any]] = {"published_at": Now(), "publish_count": 1}

STATE_LABELS = {
    State.SCHEDULED: _("Scheduled"),
    State.QUEUED: _("Queued"),
    State.RUNNING: _("Running"),
    State.RETRYING: _("Retrying"),
    State.SUCCEEDED: _("Completed"),
    State.FAILED: _("Failed"),
    State.CANCELLED: _("Cancelled"),
}


class JobQuerySet(models.QuerySet["Job"]):
    """Questions people ask about jobs, named after states."""

    def queued(self) -> JobQuerySet:
        """Jobs that wait for a worker."""
        return self.filter(state=State.QUEUED)

    def running(self) -> JobQuerySet:
        """Jobs that hold a lease."""
        return self.filter(state=State.RUNNING)

    def waiting(self) -> JobQuerySet:
        """Jobs that no worker has: scheduled, queued, retrying."""
        return self.filter(state__in=WAITING)

    def active(self) -> JobQuerySet:
        """Jobs that are not finished."""
        return self.filter(state__in=ACTIVE)

    def finished(self) -> JobQuerySet:
        """Jobs that succeeded, failed or were cancelled."""
        return self.filter(state__in=FINISHED)

    def unpublished(self) -> JobQuerySet:
        """Queued jobs of which the broker was not told."""
        return self.queued().filter(published_at__isnull=True)

    def publish_again(self) -> int:
        """Note that these are published now, once more; returns how many."""
        return self.update(published_at=Now(), publish_count=F("publish_count") + 1)

    def unpublish(self, *, publish_count: int | None = None) -> int:
        """Say that the broker does not know of these, so that the dispatcher publishes them; returns how many.

        :param publish_count: how many messages were sent for them; None: as many as the rows say.
        """
        counted = {} if publish_count is None else {"publish_count": publish_count}
        return self.update(published_at=None, **counted)

    def due(self) -> JobQuerySet:
        """Jobs whose time has come, by the database's clock."""
        return self.filter(state__in=[State.RETRYING, State.SCHEDULED], run_at__lte=Now())

    def newest(self) -> JobQuerySet:
        """The order of every list: newest first, by key."""
        return self.order_by("-id")


class Job(models.Model):
    """One job: what was asked for, where it is, what came of it."""

    id = models.BigAutoField(primary_key=True)
    task = models.CharField(_("task"), max_length=255)
    name = models.CharField(_("name"), max_length=255, blank=True, default="")
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("owner"), on_delete=models.SET_NULL,
        null=True, blank=True, related_name="+",
    )  # fmt: skip
    # user:<id>, browser:<random> or connection:<random>; empty for a job without owner
    owner_key = models.CharField(max_length=255, blank=True, default="")
    idempotency_key = models.CharField(max_length=100, null=True, blank=True)  # noqa: DJ001 - null is "absent" in the unique constraint

    state = models.CharField(
        _("state"),
        max_length=16,
        choices=[(state.value, label) for state, label in STATE_LABELS.items()],
        default=State.QUEUED.value,
    )
    version = models.PositiveIntegerField(default=1)
    queue = models.CharField(_("queue"), max_length=255)
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    failures = models.PositiveIntegerField(default=0)
    retries = models.PositiveIntegerField(default=0)
    losses = models.PositiveIntegerField(default=0)
    max_losses = models.PositiveIntegerField(default=2)

    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    run_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    publish_count = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    # of the latest claim; kept after the finish, so that an owner whose COMMIT reply was lost recognises its own write
    lease_owner = models.CharField(max_length=255, blank=True, default="")
    beat = models.PositiveBigIntegerField(default=0)

    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    stopping_at = models.DateTimeField(null=True, blank=True)
    stopping_reason = models.CharField(max_length=16, blank=True, default="")

    tick = models.PositiveBigIntegerField(default=0)
    current = models.FloatField(null=True, blank=True)
    total = models.FloatField(null=True, blank=True)
    message = models.CharField(max_length=255, blank=True, default="")
    cpu_seconds = models.FloatField(default=0)  # of all its processes, in this attempt
    memory_peak = models.PositiveBigIntegerField(default=0)  # bytes

    log_seq = models.PositiveBigIntegerField(default=0)
    result = models.JSONField(_("result"), null=True, blank=True)
    error: models.JSONField[dict[str, Any] | None] = models.JSONField(_("error"), null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        constraints = [  # noqa: RUF012
            models.UniqueConstraint(fields=["owner_key", "idempotency_key"], name="livejobs_job_key"),
        ]
        indexes = [  # noqa: RUF012
            models.Index(fields=["owner_key", "-id"], name="livejobs_job_mine"),
            # not partial: SQLite uses a partial index only where a query repeats its condition word by word
            models.Index(fields=["state", "id"], name="livejobs_job_active"),
            models.Index(fields=["state", "run_at"], name="livejobs_job_due"),
            models.Index(fields=["state", "published_at"], name="livejobs_job_unpublished"),
            models.Index(fields=["state", "finished_at"], name="livejobs_job_old"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.name or self.task}"

    @property
    def is_finished(self) -> bool:
        """Whether the job succeeded, failed or was cancelled."""
        return self.state in FINISHED

    @property
    def worker(self) -> str | None:
        """The worker child that has or had the job: `host:pid`."""
        return self.lease_owner.rsplit("/", 1)[0] or None


class JobEvent(models.Model):
    """One numbered change of a job: its timeline and the audit trail. Written with the change, never changed."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    version = models.PositiveIntegerField()
    state = models.CharField(max_length=16)
    attempt = models.PositiveIntegerField(default=0)
    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=255, blank=True, default="")
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = [models.UniqueConstraint(fields=["job", "version"], name="livejobs_event_version")]  # noqa: RUF012

    def __str__(self) -> str:
        return f"{self.job_id} v{self.version} {self.state}"


class JobLog(models.Model):
    """One line of a job's log, numbered by the attempt that wrote it."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="log")
    seq = models.PositiveBigIntegerField()
    attempt = models.PositiveIntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=16)
    text = models.TextField()

    class Meta:
        verbose_name = _("log line")
        verbose_name_plural = _("log lines")
        constraints = [models.UniqueConstraint(fields=["job", "seq"], name="livejobs_log_seq")]  # noqa: RUF012

    def __str__(self) -> str:
        return self.text


class Presence(models.Model):
    """Who is there: one row per worker child and per maintenance process, raised every few seconds."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=16)  # worker, maintenance
    name = models.CharField(max_length=255)
    tasks = models.JSONField(default=list)
    queues = models.JSONField(default=list)
    beat = models.PositiveBigIntegerField(default=0)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("presence")
        verbose_name_plural = _("presences")
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="livejobs_presence_name")]  # noqa: RUF012

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Probe(models.Model):
    """The one message that asks a queue whether it loses others: what came before it must have been claimed by then."""

    queue = models.CharField(max_length=255, primary_key=True)
    number = models.PositiveBigIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)  # the first copy; null: no probe is under way
    resent_at = models.DateTimeField(null=True, blank=True)  # the last copy
    copies = models.PositiveIntegerField(default=0)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("probe")
        verbose_name_plural = _("probes")

    def __str__(self) -> str:
        return f"{self.queue} {self.number}"
